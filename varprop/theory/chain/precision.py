"""How likely the numbers of a chain over- or underflow: expectations against the law of ln Q."""

import numpy as np
import scipy

from ...inputs import Inputs
from ...network import Network
from ...origins import Origin
from ...records import Backward, Forward
from ..gaussian.log_moments import chi2_log_moments
from .distribution import tuning
from .law import check_law, is_log_sum, signal_laws

_SUM_ERROR = 1e-11  # of an expectation over the law of ln Q as a sum: rounding, and masses on a grid
_GRID_ERROR = 1e-10  # the same over the chain's masses
_FAR_ERROR = 1e-7  # of what is far, over its probability: two units of about a size there count as one and a bit


def of_network(network: Network, inputs: Inputs, numbers):
    """Return the probabilities (L, 4), their errors and their origin."""
    check_law(network)
    (fine, far), (coarse, _) = (_both(network, inputs, numbers, fine) for fine in (True, False))
    summed = is_log_sum(network)
    errors = tuning.DOUBT * np.abs(fine - coarse) + (_SUM_ERROR if summed else _GRID_ERROR) + _FAR_ERROR * far
    lost = fine < errors  # below the sum of the two
    return np.where(lost, 0.0, fine), errors + lost * fine, Origin.EXACT if summed else Origin.ON_A_GRID


def _both(network: Network, inputs: Inputs, numbers, fine: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities (L, 4), and what share of each layer's law is far, (L, 1)."""
    found, shares = [], []
    for (log_q, mass, zero, far), layer in zip(signal_laws(network, inputs, fine), network.layers, strict=True):
        found.append(_expected(log_q, mass, zero, layer.fan_out, numbers))
        shares.append([far])
    return np.array(found), np.array(shares)


def of_record(record: Forward | Backward, numbers) -> np.ndarray:
    """Return the probabilities (L, 4) for the log-normal law that has the log moments of a record."""
    if record.log_mean is None or record.log_variance is None:
        raise ValueError("this record has no log_mean and log_variance, and without them there is no law.")
    zero = np.zeros(record.network.depth)
    if record.dead is not None and isinstance(record, Backward):
        zero = record.dead.values
    elif record.dead is not None:  # z is 0 where the layer below is dead and there is no bias
        bias = np.array([layer.bias_variance > 0 for layer in record.network.layers])
        zero = np.where(bias, 0.0, np.append(0.0, record.dead.values[:-1]))
    t = np.linspace(-9.0, 9.0, 401)
    mass = np.exp(-0.5 * t * t)
    mass /= mass.sum()
    out = []
    for l, layer in enumerate(record.network.layers):
        own_mean, own_variance = chi2_log_moments(layer.fan_out)
        mean = record.log_mean.values[l] - (own_mean - np.log(layer.fan_out))
        spread = np.sqrt(max(record.log_variance.values[l] - own_variance, 0.0))
        if np.isnan(mean):  # no network is alive
            out.append(_expected(np.zeros(0), np.zeros(0), 1.0, layer.fan_out, numbers))
        else:
            out.append(_expected(mean + spread * t, (1 - zero[l]) * mass, zero[l], layer.fan_out, numbers))
    return np.array(out)


def _expected(log_q, mass, zero: float, n: int, numbers) -> np.ndarray:
    """Return the four probabilities over the law of ln Q: ``mass`` at ``log_q``, and Q = 0 with ``zero``."""
    sizes = np.log([numbers.largest, numbers.smallest / 2, numbers.smallest_normal])
    with np.errstate(over="ignore", under="ignore"):
        largest, half, normal = np.exp(sizes[:, None] - 0.5 * (log_q + np.log(2.0)))
        overflow = -np.expm1(n * np.log1p(-np.minimum(scipy.special.erfc(largest), 1 - 1e-16)))
        below, subnormal = scipy.special.erf(half), scipy.special.erf(normal)
        found = np.array([overflow, below**n, below, subnormal]) @ mass + np.array([0.0, zero, zero, zero])
    return np.clip(found, 0.0, 1.0)
