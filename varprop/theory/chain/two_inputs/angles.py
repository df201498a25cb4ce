"""The angle of two inputs where it fluctuates, with the atanh of its cosine taken as normal.

To first order in the fluctuations this is the delta method; unlike it, it stays within [-1, 1] where depth
over width is no longer small.
"""

import numpy as np
import scipy

from ...gaussian.closed import known
from ...gaussian.plane import grid

_STEP = 0.25  # of the trapezoid rule over atanh of a correlation
_MANY = 1e-5  # 1 / units: with more units exact moments cancel, and two terms in 1 / units are as good
_SURE = 1 - 1e-13  # a mean of tanh that can still be told from 1
_ALIKE = 1e-10  # 1 - |c| below which fluctuations no longer matter


def spread(c: np.ndarray) -> float:
    """Return the variance of x_1 - x_3, four times that of atanh of the correlation."""
    return c[0, 0] + c[2, 2] - 2 * c[0, 2]


def weighted_angle(parts, covariance) -> tuple[np.ndarray, float]:
    """Return atanh c at the nodes of a rule for networks weighted by sqrt(Q Q'), and the mean of that root.

    Let ln Q, ln Q' and atanh c be normal. The weight moves the mean of atanh c to what E Q_12 says, and leaves
    a factor below 1, relative to sqrt(E Q E Q').
    """
    c = parts[0] - parts[1]
    a = 2 * parts[0] * parts[1] * max(covariance[1, 1], 0.0)  # Var(ln Q / Q') / 8
    damping = 1 / (1 + a / (1 + abs(c) * a / (1 - abs(c))))  # 1 - a, but not below |c|
    x, weights = grid(_STEP)
    deviations = np.sqrt(max(spread(covariance), 0.0)) / 2 * x
    wanted, far = np.clip(c / damping, -_SURE, _SURE), 40 + deviations[-1]
    center = scipy.optimize.brentq(lambda m: (weights * np.tanh(m + deviations)).sum() - wanted, -far, far, xtol=1e-15)
    return center + deviations, damping


def mean_product(activation, parts, covariance) -> float:
    """Return E phi phi' over fluctuating K, relative to its value at c = 1, for homogeneous phi.

    It is sqrt(Q Q') kappa(c), with kappa the correlation map.
    """
    kappa = known(activation).product
    assert kappa is not None  # phi is homogeneous
    one = np.ones(1)
    unit = kappa(one, one, one, 0 * one)[0][0]
    c = parts[0] - parts[1]
    if min(parts) < _ALIKE:
        return float(kappa(one, one, c * one, 2 * parts[1] * one)[0][0] / unit)
    y, damping = weighted_angle(parts, covariance)
    gap = 2 / (1 + np.exp(2 * np.clip(y, -300, 300)))
    ones = np.ones_like(y)
    found = damping * (grid(_STEP)[1] * kappa(ones, ones, np.tanh(y), gap)[0] / unit).sum()
    return float(np.clip(found, -1.0, 1.0))


def typical_angle(parts, covariance) -> float:
    """Return the mean of atanh c over networks, unweighted.

    Its distance from the weighted mean is of first order, and is kept below atanh c's own deviation.
    """
    p2, r2 = parts
    if min(parts) < _ALIKE:
        return np.log(p2 / r2) / 2
    weighted = weighted_angle(parts, covariance)[0].mean()
    tilt = (p2 * covariance[0, 0] - r2 * covariance[2, 2] + (r2 - p2) * covariance[0, 2]) / 2
    deviation = np.sqrt(max(spread(covariance), 0.0)) / 2
    return weighted - (deviation * np.tanh(tilt / deviation) if deviation > 0 else tilt)


def cosine(center, variance, noise: float) -> tuple[float, float]:
    """Return mean and variance of the cosine of 1/noise pairs, where atanh of their correlation is normal."""
    x, weights = grid(_STEP)
    means, variances = sample_cosine(center + np.sqrt(variance) * x, noise)
    mean = (weights * means).sum()
    return mean, (weights * (variances + (means - mean) ** 2)).sum()


def sample_cosine(y, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the cosine of two samples of 1/noise pairs, Gaussian of correlation tanh y.

    The means of r and r^2 are hypergeometric in the squared correlation.
    """
    c = np.tanh(y)
    rest = 1 / np.cosh(np.clip(y, -300, 300)) ** 2
    if noise < _MANY:
        return c * (1 - rest * noise / 2), rest**2 * noise
    n, squared = 1 / min(noise, 1.0), np.minimum(c * c, 1 - 1e-16)  # at 1 the second one may be infinite
    mean = c * 2 / n * scipy.special.poch(n / 2, 0.5) ** 2 * scipy.special.hyp2f1(0.5, 0.5, n / 2 + 1, squared)
    if n > 2:
        tail = rest * scipy.special.hyp2f1(1, 1, n / 2 + 1, squared)
    else:  # Euler's transformation, finite where the two are equal
        tail = rest ** (n / 2) * scipy.special.hyp2f1(n / 2, n / 2, n / 2 + 1, squared)
    second = 1 - (1 - 1 / n) * tail
    return mean, np.maximum(second - mean * mean, 0.0)
