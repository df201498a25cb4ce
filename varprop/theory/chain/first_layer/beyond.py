"""What is beyond the fourth cumulant of the first layer's z, where weights follow a law of one's own.

With K and K6 the fourth and sixth cumulants of z over its deviation, Edgeworth's series of E f(z) goes on behind
K E[f He4] / 24 with K6 E[f He6] / 720 + K^2 E[f He8] / 1152 + K K6 E[f He10] / 17280 + K^3 E[f He12] / 82944 + ...
"""

import numpy as np

from ....activations import Activation
from ....network import ChainLayer
from ....own_weights import OwnDistribution
from ...gaussian.quadrature import values
from .rows import Rows

_SAFETY = 2.0
_Z = (np.arange(4096) + 0.5) / 4096 * 24 - 12
_MOST = 24  # sizes of z at which expectations are taken; in between they are interpolated


def sixth_cumulant(layer: ChainLayer, rows: Rows, weight_share: np.ndarray) -> np.ndarray:
    """Return about the size of the sixth cumulant of z over its deviation, for each row.

    Of E W^6, which may be infinite, what is beyond one weight's share in the length of z grows as W^4 alone.
    """
    law, n = layer.distribution, layer.fan_in
    assert isinstance(law, OwnDistribution)
    powers = np.full(len(weight_share), 15 / ((n + 2) * (n + 4)))
    if rows.features is not None:
        units = rows.features / np.sqrt(np.where(rows.squared_norms > 0, rows.squared_norms, 1.0))[:, None]
        powers = (units**6).sum(axis=1)
    fourth = max(float(rows.fourth.max()), 1 / n)
    own = abs(law.sixth_moment(1 / np.sqrt(fourth)) - 15 * (law.excess_kurtosis + 3) + 30)
    return weight_share**3 * own * powers


def beyond_fourth(phi: Activation, q: np.ndarray, fourth: np.ndarray, sixth: np.ndarray) -> np.ndarray:
    """Return about how much the fourth cumulant leaves out of E phi(z)^2, relatively, and of E phi(z), (2, R).

    That of E phi(z) is over the root of E phi(z)^2. ``fourth`` and ``sixth`` are the cumulants of each row.
    """
    live = q > 0
    if not live.any():
        return np.zeros((2, len(q)))
    logs = np.log(np.where(live, q, q[live][0]))
    at = np.unique(logs) if len(np.unique(logs)) <= _MOST else np.linspace(logs.min(), logs.max(), _MOST)
    a = values(phi.phi, phi.name, np.exp(0.5 * at)[:, None] * _Z)
    density = np.exp(-0.5 * _Z**2)
    density = density / density.sum()
    hermite = density * np.polynomial.hermite_e.hermevander(_Z, 12)[:, [6, 8, 10, 12]].T
    with np.errstate(all="ignore"):
        second = a**2 @ density
        parts = np.stack([(a**2 @ hermite.T) / second[:, None], (a @ hermite.T) / np.sqrt(second)[:, None]])
    parts = np.abs(np.nan_to_num(parts))  # (2, sizes, 4)
    at_rows = np.array([[np.interp(logs, at, column) for column in part.T] for part in parts])
    weights = np.stack([sixth / 720, fourth**2 / 1152, np.abs(fourth) * sixth / 17280, np.abs(fourth) ** 3 / 82944])
    return _SAFETY * (weights * at_rows).sum(axis=1) * live
