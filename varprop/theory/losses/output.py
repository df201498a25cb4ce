"""The gradient by the outputs, delta^L, of each loss: its moments given the variance Q of an output.

With n outputs z = sqrt(Q) zeta, D = |delta|^2 and eta = (zeta . delta)^2, which says how far the gradient points
along the outputs (for a gradient of random direction E eta = E D):

    linear         delta ~ N(0, I):   E D = E eta = n,  E D^2 = E[D eta] = n (n + 2),  E eta^2 = 3 n (n + 2)
    given          delta = g:         E D = E eta = |g|^2,  E D^2 = E[D eta] = |g|^4,  E eta^2 = 3 |g|^4
    half_square    delta = z:         D = Q chi2_n,  eta = D^2 / Q
    cross_entropy  delta = p - [y]:   `softmax`
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..gaussian.log_moments import chi2_log_moments
from ..scaled import Scaled
from . import softmax

_NODES = 18  # in a stretch of 1.5 in ln Q: exact to 4.4^-18


@dataclass(frozen=True, eq=False)
class Output:
    """The moments of delta^L for R values of Q.

    Attributes
    ----------
    size
        E D.
    mean
        E D and E eta over E D, with their first and second derivatives by ln Q, shape (3, 2, R).
    square
        E D^2, E[D eta] and E eta^2 over (E D)^2, with theirs, shape (3, 3, R).
    log_mean, log_variance
        What E ln D and Var ln D have beyond ln E D - v / 2 and v, v = E D^2 / (E D)^2 - 1. None where unknown.
    error
        Relative error of all that.
    """

    size: Scaled
    mean: np.ndarray
    square: np.ndarray
    log_mean: float | None
    log_variance: float | None
    error: float


def output(loss: str, width: int, given: np.ndarray | None, mean: Scaled) -> Output:
    """Return the `Output` of a loss with ``width`` outputs, of variance ``mean``; ``given`` is its vector."""
    rows, n = len(mean.mantissa), float(width)
    eps = 8 * np.finfo(float).eps
    if loss == "cross_entropy":
        return _cross_entropy(width, mean)
    first, second = np.zeros((3, 2, rows)), np.zeros((3, 3, rows))
    excess = _chi_square_excess(width)
    if loss == "half_square":
        first[:] = np.array([1.0, n + 2])[:, None]  # times Q: the same derivatives by ln Q
        second[:] = np.array([1 + 2 / n, (1 + 2 / n) * (n + 4), (1 + 2 / n) * (n + 4) * (n + 6)])[:, None]
        second *= np.array([1.0, 2.0, 4.0])[:, None, None]  # times Q^2
        return Output(mean.times(n), first, second, *excess, eps)
    first[0], second[0] = 1.0, np.array([1.0, 1.0, 3.0])[:, None]
    if loss == "linear":
        second *= 1 + 2 / n
        return Output(Scaled.of(np.full(rows, n)), first, second, *excess, eps)
    assert given is not None
    return Output(Scaled.of(np.full(rows, given @ given)), first, second, 0.0, 0.0, eps)


def _chi_square_excess(width: int) -> tuple[float, float]:
    mean, variance = chi2_log_moments(width)
    return mean - np.log(width) + 1 / width, variance - 2 / width


def _cross_entropy(width: int, mean: Scaled) -> Output:
    """Interpolate in t = ln Q, in stretches of length 1; the moments are analytic for |Im t| < pi / 2."""
    q = np.clip(mean.values(), softmax.SMALLEST, softmax.LARGEST)
    t = np.log(q)
    found = np.empty((3, 5, len(t)))
    for low in np.unique(np.floor(t)):
        mine = np.floor(t) == low
        for i, series in enumerate(_stretch(width, float(low))):
            found[:, i, mine] = [series.deriv(k)(t[mine]) if k else series(t[mine]) for k in range(3)]
    outside = mean.values() != q
    found[1:, :, outside] = 0.0
    size = np.where(found[0, 0] > 0, found[0, 0], 1.0)
    beyond = 1 / np.sqrt(softmax.LARGEST) if mean.values().max() > softmax.LARGEST else 0.0
    return Output(Scaled.of(found[0, 0]), found[:, :2] / size, found[:, 2:] / size**2, None, None, 1e-9 + beyond)


@cache
def _stretch(width: int, low: float) -> tuple[np.polynomial.Chebyshev, ...]:
    """Return the five moments of `softmax.softmax_moments` as series in t = ln Q, from low to low + 1."""
    nodes = low + 0.5 + 0.75 * np.polynomial.chebyshev.chebpts1(_NODES)
    at_nodes = np.stack([softmax.softmax_moments(width, q) for q in np.exp(nodes)])
    domain = [low - 0.25, low + 1.25]
    return tuple(np.polynomial.Chebyshev.fit(nodes, values, _NODES - 1, domain=domain) for values in at_nodes.T)
