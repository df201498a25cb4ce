"""Mean and variance of ln X, X a sum over units of phi(z)^2, phi linear, ReLU or leaky ReLU, for a known law of z.

As in `gaussian.log_moments`: with M(t) = E exp(-t X) and T ~ Exp(1), Y = ln T - ln X has the density -t M'(t) at
t = e^Y, and moments by the trapezoid rule. M of one unit is an integral over z here.
"""

import numpy as np

from ...gaussian.panels import rule
from .densities import Few, Table

_STEP = 0.4  # what is left out is exp(-pi^2 / 0.4)
_ORDER = 12
_MANY = 100  # rows, beyond which steps are twice as long, for an error of exp(-pi^2 / 0.8)
_CHUNK = 1 << 22  # exponentials at a time
_RATIO = 4.0  # of the ends of one panel, near 0


def log_moments(density: Few | Table, width: int, slopes: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the variance of ln X given X > 0, both (R,), for R laws of z, symmetric and of variance 1.

    NaN where X is always 0.
    """
    largest, smallest = sorted((abs(s) for s in slopes), reverse=True)
    count = len(density.support)
    if largest == 0:
        return np.full(count, np.nan), np.full(count, np.nan)
    ratio = smallest / largest
    # the probability of the least sums falls as t^(-width / 2), or as that of one unit that outweighs all others
    high = 8.0 + 72.0 / (width if ratio == 1 else 1) - (2 * np.log(ratio) if ratio else 0.0)
    rows, index = density.alike
    y = np.arange(-np.log(width) - 38.0, high, _STEP if len(rows) <= _MANY else 2 * _STEP)
    z, weights = _nodes(density, rows, 2.0 ** -(0.5 * high / np.log(2) + 4))
    if width == 1:
        found = _of_one(z, weights, ratio)
        return found[0, index] + 2 * np.log(largest), found[1, index]
    found = np.empty((2, len(rows)))
    step = max(1, _CHUNK // (len(y) * z.shape[1]))
    for i in range(0, len(rows), step):
        some = slice(i, i + step)
        found[:, some] = _moments(z[some], weights[some], y, width, ratio)
    return found[0, index] + 2 * np.log(largest), found[1, index]


def _nodes(density: Few | Table, rows: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes on the right of 0, and weights that hold the density of |z|; panels shrink as they near 0."""
    support, knots = density.support[rows, None], density.knots[rows]
    shrinking = support * _RATIO ** -np.arange(np.ceil(np.log(support.max() / least) / np.log(_RATIO)))
    uniform = np.tile(np.arange(0.0, np.ceil(support.max())), (len(rows), 1))
    edges = np.sort(np.clip(np.concatenate([shrinking, uniform, knots], axis=1), 0.0, support), axis=1)
    points, weights = rule(_ORDER)
    half = 0.5 * np.diff(edges)[..., None]
    z = (0.5 * (edges[:, 1:] + edges[:, :-1])[..., None] + half * points).reshape(len(rows), -1)
    weights = (half * weights).reshape(len(rows), -1) * density(rows, z)
    return z, weights / weights.sum(axis=1, keepdims=True)


def _of_one(z, weights, ratio) -> np.ndarray:
    """Return mean and variance of ln X of one unit, whose slope is 1 or ``ratio``, and its own where X is not 0."""
    logs = 2 * np.log(np.where(weights > 0, z, 1.0))  # panels of no length may lie at 0
    mean = (weights * logs).sum(axis=1)
    variance = (weights * (logs - mean[:, None]) ** 2).sum(axis=1)
    other = np.log(ratio) if ratio else 0.0  # half of ln of its square
    return np.stack([mean + other, variance + other**2])


def _moments(z, weights, y, width, ratio):
    """Return mean and variance of ln X for rows of nodes z, with the larger slope 1 and the other ``ratio``."""
    t, squares = np.exp(y), z * z
    early = y < 0  # where M is near 1, and its distance from 1 counts
    one, lost, slope = (np.zeros((len(y), len(z))) for _ in range(3))
    for factor in {1.0, ratio**2}:
        if factor == 0:
            one += 0.5
            continue
        share = 1.0 if ratio == 1 else 0.5
        x = -(factor * t)[:, None, None] * squares
        gone = -np.expm1(x[early])
        decay = np.concatenate([1 - gone, np.exp(np.maximum(x[~early], -700.0))])
        one += share * np.einsum("yrn,rn->yr", decay, weights)
        lost[early] += share * np.einsum("yrn,rn->yr", gone, weights)
        slope += share * factor * np.einsum("yrn,rn->yr", decay, weights * squares)
    log_mgf = np.concatenate([np.log1p(-lost[early]), np.log(one[~early])])
    density = t[:, None] * slope * np.exp((width - 1) * log_mgf)
    density /= density.sum(axis=0)  # X = 0 is not on the line, so this conditions on X > 0
    mean = (density * y[:, None]).sum(axis=0)
    variance = (density * (y[:, None] - mean) ** 2).sum(axis=0)
    return -np.euler_gamma - mean, variance - np.pi**2 / 6
