"""Gaussian expectations over two correlated variables, accurate for any variances and every correlation.

Let X, Y be standard normal with correlation c, p^2 = (1 + c)/2 and r^2 = (1 - c)/2. Then X = pM + rD and
Y = pM - rD with independent standard normal M and D. The inner integral is over whichever has the larger
part, say M. Its panels break where either function has a kink, and on a growing grid in the function's own
variable, so every panel is short on the scale of the density and of both functions. The outer one breaks
where two of those points meet. Nothing is divided by the smaller part, so c = 1 is a case like any other.
Functions without kinks at variances of order one are analytic in a wide strip, where the trapezoid rule is
as good and ten times faster; it is tried first.
"""

from functools import cache

import numpy as np

from .panels import ROUNDING, panel_nodes

REACH = 9.0  # the density beyond is 3e-18 of its peak
ORDERS = (12, 9)
STEPS = ((1.1, 0.18), (2.3, 0.09))  # largest standard deviation, step of the trapezoid rule
ACCEPT = 1e-10  # relative difference of two steps that settles it; the finer one is far better
_LONGEST = 2.25  # of a panel, in standard deviations
_GROWTH = 4.0  # from one panel to the next, in a function's own variable
_SMALLEST = 2.0**-20  # of a panel next to 0, in standard deviations: all that is left out there is a narrow step
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
        for limit, step in STEPS:
            todo = np.flatnonzero(np.isinf(errors) & (largest <= limit))
            parts = max(1, int(len(todo) * (2 * REACH / step) ** 2 // _CHUNK))
            for some in np.array_split(todo, parts):
                point = scales[0][some], scales[1][some], correlation[some], gap[some]
                values[some], errors[some] = _trapezoid(functions, point, step)
    p, r = np.sqrt((1 + correlation) / 2), np.sqrt(gap / 2)
    for i in np.flatnonzero(np.isinf(errors)):
        values[i], errors[i] = _panels(functions, kinks, (scales[0][i], scales[1][i]), p[i], r[i])
    return values, errors


def _trapezoid(functions, point, step):
    """Return values and errors, inf where the rule has not converged."""
    s, t, c, gap = (a[:, None, None] for a in point)
    x, density = grid(step)
    y = c * x[:, None] + np.sqrt(gap * (1 + c)) * x
    f, g = functions[0](s * x[:, None]), functions[1](t * y)
    weighted = f * g * (density[:, None] * density)
    fine, size = weighted.sum(axis=(1, 2)), np.abs(weighted).sum(axis=(1, 2))
    error = np.abs(fine - 4 * weighted[:, ::2, ::2].sum(axis=(1, 2)))
    return fine, np.where(error <= ACCEPT * size, error + ROUNDING * size, np.inf)


@cache
def grid(step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the trapezoid rule in one variable; every other node, doubled, is a rule too."""
    count = 2 * int(REACH / step / 2)
    x = step * np.arange(-count, count + 1)
    return x, step * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def _panels(functions, kinks, scales, p, r):
    """Return the value and its error at one point."""
    sums = []
    same = functions[0] is functions[1] and scales[0] == scales[1]
    for order in ORDERS:
        m, d, weights = nodes(kinks, scales, p, r, order, fold=same and p >= r)
        f = functions[0](scales[0] * (p * m + r * d)) * functions[1](scales[1] * (p * m - r * d)) * weights
        sums.append((f.sum(), np.abs(f).sum()))
    (fine, size), (coarse, _) = sums
    return fine, abs(fine - coarse) + ROUNDING * size


def nodes(kinks, scales, p, r, order, *, fold=False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return M, D and weights, the density's included, for f(s X) g(t Y) at one point.

    With ``fold``, for integrands even in D, only D >= 0.
    """
    if p < r:  # X = rD + pM and -Y = rD - pM
        d, m, weights = nodes((kinks[0], tuple(-k for k in kinks[1])), scales, r, p, order)
        return m, d, weights
    d, outer = _outer(kinks, scales, r, order, fold)
    features = [_features(k, s) for k, s in zip(kinks, scales, strict=True)]
    edges = [(x - sign * r * d[:, None]) / p for x, sign in zip(features, (1, -1), strict=True)]
    edges = np.concatenate([np.broadcast_to(_uniform(), (len(d), len(_uniform()))), *edges], axis=1)
    m, inner = panel_nodes(np.sort(np.clip(edges, -REACH, REACH), axis=1), order)
    return m.ravel(), np.repeat(d, m.shape[1]), (outer[:, None] * inner).ravel()


def _features(kinks, scale) -> np.ndarray:
    """Return where f(scale x) needs a break, in x: its kinks and a growing grid in its own variable."""
    first = max(1.0, _SMALLEST * scale)
    count = max(0, int(np.ceil(np.log(max(2 * REACH * scale / first, 1.0)) / np.log(_GROWTH))))
    growing = first * _GROWTH ** np.arange(count)
    points = np.concatenate([-growing, [0.0] if count else [], growing, kinks])
    return np.clip(points / max(scale, 1e-300), -1e3, 1e3)


def _outer(kinks, scales, r, order, fold):
    """Return nodes and weights of the variable with the smaller part."""
    if r == 0:
        return np.zeros(1), np.ones(1)
    meeting = [np.unique(np.append(k, 0.0)) / max(s, 1e-300) for k, s in zip(kinks, scales, strict=True)]
    collisions = np.clip(np.subtract.outer(*meeting).ravel(), -100, 100)
    growing = _features((), 2 * r * max(scales))
    edges = np.clip(np.concatenate([collisions / (2 * r), growing]), -REACH, REACH)
    edges = np.unique(np.concatenate([_uniform(), edges, [0.0]]))
    d, weights = panel_nodes(edges[None, edges >= 0] if fold else edges[None], order)
    return d[0], weights[0] * (2 if fold else 1)


@cache
def _uniform() -> np.ndarray:
    return np.arange(-REACH, REACH + _LONGEST / 2, _LONGEST)
