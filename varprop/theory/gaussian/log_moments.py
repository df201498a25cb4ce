"""Mean and variance of ln X, and the mean of sqrt X, X a sum of squares behind a linear, ReLU or leaky ReLU layer."""

from functools import cache

import numpy as np
import scipy

_STEP = 0.1


def chi2_log_moments(n: int) -> tuple[float, float]:
    """Return the mean and variance of ln of a chi-square with ``n`` degrees of freedom."""
    return float(scipy.special.digamma(n / 2) + np.log(2)), float(scipy.special.polygamma(1, n / 2))


def zero_probability(slopes: tuple[float, float]) -> float:
    """Return P(phi(z) = 0) for one symmetric, continuous z."""
    return sum(0.5 for slope in slopes if slope == 0)


@cache
def layer_log_moments(n: int, slopes: tuple[float, float]) -> tuple[float, float]:
    """Return the mean and variance of ln X given X > 0, X = sum over n units of phi(z)^2, z ~ N(0, 1).

    Each y = phi(z) is either slope times |z|, with probability 1/2, so E exp(-tX) is
    M(t) = [(1 + 2 s_-^2 t)^(-1/2) / 2 + (1 + 2 s_+^2 t)^(-1/2) / 2]^n.
    With T ~ Exp(1) apart, P(T / X > t) = M(t), so Y = ln T - ln X has density -t M'(t) at t = e^Y.
    Its moments by the trapezoid rule on the whole line converge faster than any power of the step;
    those of ln T, -gamma and pi^2/6, are known. X = 0 is the atom M(inf), taken out.

    Both are NaN where X is always 0.
    """
    largest, smallest = sorted((abs(s) for s in slopes), reverse=True)
    if largest == 0:
        return np.nan, np.nan
    if largest == smallest:
        mean, variance = chi2_log_moments(n)
        return mean + 2 * np.log(largest), variance
    ratio = smallest / largest
    high = 90.0 - (2 * np.log(ratio) if ratio else 0.0)
    y = np.arange(-np.log(n) - 40.0, high, _STEP)
    log_mgf, log_squares, roots = _log_mgf(y, ratio)
    density = 0.5 * n * np.exp((n - 1) * log_mgf) * np.exp(y + log_squares - 1.5 * roots).sum(axis=0)
    density /= density.sum()  # the atom at X = 0 is not on the line, so this conditions on X > 0
    mean = (density * y).sum()
    variance = (density * (y - mean) ** 2).sum()
    return float(-np.euler_gamma - mean + 2 * np.log(largest)), float(variance - np.pi**2 / 6)


def _log_mgf(y: np.ndarray, ratio: float):
    """Return ln M(e^y) of one unit with slopes 1 and ``ratio``, their squares' logarithms and ln(1 + 2 s^2 e^y).

    All in logarithms: of slopes such as 1 and 1e-300 t runs beyond float64.
    """
    log_squares = np.array([[0.0], [2 * np.log(ratio) if ratio else -np.inf]])
    roots = np.logaddexp(0.0, np.log(2) + log_squares + y)
    log_one = np.logaddexp(*(-0.5 * roots)) - np.log(2)
    less = np.maximum(0.5 * np.expm1(-0.5 * roots).sum(axis=0), -0.75)  # M less 1, for where that is small
    return np.where(less < -0.5, log_one, np.log1p(less)), log_squares, roots


def chi_mean(n: int) -> float:
    """Return E|g| of n normals."""
    return float(np.exp(scipy.special.gammaln((n + 1) / 2) - scipy.special.gammaln(n / 2)) * np.sqrt(2))


@cache
def root_mean(n: int, slopes: tuple[float, float]) -> float:
    """Return E sqrt X, X as in `layer_log_moments` and 0 where it is.

    sqrt X is the integral of (1 - e^(-tX)) t^(-3/2) over t, over 2 sqrt pi; in ln t the trapezoid rule is exact.
    """
    largest, smallest = sorted((abs(s) for s in slopes), reverse=True)
    if largest == smallest:
        return largest * chi_mean(n)
    return largest * root_by_laplace(lambda y: n * _log_mgf(y, smallest / largest)[0], n)


def root_by_laplace(log_laplace, size: float) -> float:
    """Return E sqrt X of X of about this ``size``, from ln E exp(-t X) at t = e^y."""
    y = np.arange(-90.0, 90.0, _STEP) - np.log(size)
    return float(_STEP / (2 * np.sqrt(np.pi)) * (-np.expm1(log_laplace(y)) * np.exp(-y / 2)).sum())
