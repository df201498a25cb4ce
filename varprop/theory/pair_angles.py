"""The angle of two inputs where it fluctuates, with the atanh of its cosine taken as normal.

To first order in the fluctuations this is the delta method; unlike it, it stays within [-1, 1] where depth
over width is no longer small.
"""

import numpy as np
from scipy import optimize, special

from .correlation_maps import closed_moment
from .plane import grid

_STEP = 0.25  # of the trapezoid rule over atanh of a correlation
_MANY = 1e-5  # 1 / units: with more units exact moments cancel, and two terms in 1 / units are as good
_ALIKE = 1e-10  # 1 - |c| below which fluctuations no longer matter


def spread(c: np.ndarray) -> float:
    """Return the variance of x_1 - x_3, four times that of atanh of the correlation."""
    return c[0, 0] + c[2, 2] - 2 * c[0, 2]


def mean_product(activation, parts, covariance) -> float:
    """Return E phi phi' over fluctuating K, relative to its value at c = 1, for homogeneous phi.

    It is sqrt(Q Q') kappa(c), with kappa the correlation map. Let ln Q, ln Q' and atanh c be normal. The
    root's weight moves the mean of atanh c, to what E Q_12 says, and leaves a factor below 1.
    """
    kappa = closed_moment(activation)
    one = np.ones(1)
    unit = kappa(one, one, one, 0 * one)[0]
    c = parts[0] - parts[1]
    if min(parts) < _ALIKE:
        return float(kappa(one, one, c * one, 2 * parts[1] * one)[0] / unit)
    a = 2 * parts[0] * parts[1] * covariance[1, 1]  # Var(ln Q / Q') / 8
    damping = 1 / (1 + a / (1 + abs(c) * a / (1 - abs(c))))  # 1 - a, but not below |c|
    x, weights = grid(_STEP)
    deviations = np.sqrt(spread(covariance)) / 2 * x
    center = optimize.brentq(lambda m: (weights * np.tanh(m + deviations)).sum() - c / damping, -200, 200, xtol=1e-15)
    y = center + deviations
    gap = 2 / (1 + np.exp(2 * np.clip(y, -300, 300)))
    ones = np.ones_like(y)
    return float(damping * (weights * kappa(ones, ones, np.tanh(y), gap)[0] / unit).sum())


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
    n = 1 / noise
    mean = c * 2 / n * special.poch(n / 2, 0.5) ** 2 * special.hyp2f1(0.5, 0.5, n / 2 + 1, c * c)
    second = 1 - (1 - noise) * rest * special.hyp2f1(1, 1, n / 2 + 1, c * c)
    return mean, np.maximum(second - mean * mean, 0.0)
