"""Gaussian expectations over two correlated variables, accurate for any variances and every correlation.

Let X, Y be standard normal with correlation c >= 0 (for c < 0 reflect one function). Then
X = pM + rD and Y = pM - rD with independent standard normal M, D, p^2 = (1 + c)/2 and r^2 = (1 - c)/2.
The inner integral is over M, which has the larger part. Its panels break where either function has a kink,
and on a doubling grid in the function's own variable, so every panel is short on the scale of the density
and of both functions. The outer one, over D, breaks where two of those points meet. Nothing is divided by
r, so c = 1 is a case like any other. Functions without kinks at variances of order one are analytic in a
wide strip, where the trapezoid rule is as good and ten times faster; it is tried first.
"""

from functools import cache

import numpy as np

from . import quadrature

_REACH = 9.0  # the density beyond is 3e-18 of its peak
_LONGEST = 2.25  # of a panel, in standard deviations
_ORDERS = (12, 9)
_STEPS = ((1.1, 0.2), (2.3, 0.1))  # largest standard deviation, step of the trapezoid rule
_ACCEPT = 1e-10  # relative difference of two steps that settles it; the finer one is far better
_ROUNDING = 64 * np.finfo(float).eps
_CHUNK = 1 << 18


def expectation(functions, kinks, scales, correlation, gap) -> tuple[np.ndarray, np.ndarray]:
    """Return E f(s X) g(t Y) and bounds on its error, shape (points,).

    Parameters
    ----------
    functions
        (f, g), each of an array of numbers.
    kinks
        Points where f or g bends or jumps, a pair of tuples.
    scales
        (s, t), shape (points,) each.
    correlation, gap
        c, and 1 - c where that is known better, shape (points,).
    """
    values, errors = np.empty(len(gap)), np.full(len(gap), np.inf)
    if not any(kinks):
        largest = np.maximum(*scales)
        for limit, step in _STEPS:
            todo = np.flatnonzero(np.isinf(errors) & (largest <= limit))
            for some in np.array_split(todo, max(1, len(todo) * (2 * _REACH / step) ** 2 // _CHUNK)):
                point = scales[0][some], scales[1][some], correlation[some], gap[some]
                values[some], errors[some] = _trapezoid(functions, point, step)
    for i in np.flatnonzero(np.isinf(errors)):
        values[i], errors[i] = _panels(functions, kinks, (scales[0][i], scales[1][i]), correlation[i], gap[i])
    return values, errors


def _trapezoid(functions, point, step):
    """Return values and errors, inf where the rule has not converged."""
    s, t, c, gap = (a[:, None, None] for a in point)
    count = 2 * int(_REACH / step / 2)
    x = step * np.arange(-count, count + 1)
    density = step * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
    y = c * x[:, None] + np.sqrt(gap * (1 + c)) * x
    f, g = functions[0](s * x[:, None]), functions[1](t * y)
    weighted = f * g * (density[:, None] * density)
    fine, size = weighted.sum(axis=(1, 2)), np.abs(weighted).sum(axis=(1, 2))
    error = np.abs(fine - 4 * weighted[:, ::2, ::2].sum(axis=(1, 2)))
    return fine, np.where(error <= _ACCEPT * size, error + _ROUNDING * size, np.inf)


def _panels(functions, kinks, scales, correlation, gap):
    """Return the value and its error at one point."""
    f, g = functions
    if correlation < 0:
        gap, first = 1 + correlation, g

        def g(x):
            return first(-x)

        kinks = kinks[0], tuple(-k for k in kinks[1])
    r = np.sqrt(gap / 2)
    p = np.sqrt(1 - gap / 2)
    (fine, size), (coarse, _) = (_sum((f, g), kinks, scales, p, r, order) for order in _ORDERS)
    return fine, abs(fine - coarse) + _ROUNDING * size


def _sum(functions, kinks, scales, p, r, order):
    """Return the sum over all nodes, and that of its terms' sizes."""
    d, outer = _outer(kinks, scales, r, order)
    features = [_features(k, s) for k, s in zip(kinks, scales, strict=True)]
    edges = np.concatenate([(x - sign * r * d[:, None]) / p for x, sign in zip(features, (1, -1), strict=True)], axis=1)
    edges = np.concatenate([np.broadcast_to(_uniform(), (len(d), len(_uniform()))), edges], axis=1)
    m, inner = _nodes(np.sort(np.clip(edges, -_REACH, _REACH), axis=1), order)
    f = functions[0](scales[0] * (p * m + r * d[:, None]))
    g = functions[1](scales[1] * (p * m - r * d[:, None]))
    weighted = f * g * inner * outer[:, None]
    return weighted.sum(), np.abs(weighted).sum()


def _features(kinks, scale):
    """Return where f(scale x) needs a break, in x: its kinks and a doubling grid in its own variable."""
    doublings = max(0, int(np.ceil(np.log2(max(2 * _REACH * scale, 1.0)))))
    grid = 2.0 ** np.arange(doublings)
    points = np.concatenate([-grid, [0.0] if doublings else [], grid, kinks])
    return np.clip(points / max(scale, 1e-300), -1e3, 1e3)


def _outer(kinks, scales, r, order):
    """Return nodes and weights over D."""
    if r == 0:
        return np.zeros(1), np.ones(1)
    meeting = [np.unique(np.append(k, 0.0)) / max(s, 1e-300) for k, s in zip(kinks, scales, strict=True)]
    collisions = np.subtract.outer(*meeting).ravel()
    doubling = _features((), 2 * r * max(scales))
    edges = np.clip(np.concatenate([collisions / (2 * r), doubling]), -_REACH, _REACH)
    edges = np.unique(np.concatenate([_uniform(), edges]))
    d, weights = _nodes(edges[None], order)
    return d[0], weights[0]


def _nodes(edges, order):
    """Return nodes and weights, the density's included, on the panels of every row of ``edges``."""
    nodes, weights = quadrature._rule(order)
    half = 0.5 * np.diff(edges)[..., None]
    z = (0.5 * (edges[:, 1:] + edges[:, :-1]))[..., None] + half * nodes
    weights = half * weights * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return z.reshape(len(edges), -1), weights.reshape(len(edges), -1)


@cache
def _uniform() -> np.ndarray:
    return np.arange(-_REACH, _REACH + _LONGEST / 2, _LONGEST)
