"""Gaussian expectations over two correlated variables, accurate for any variances and every correlation.

Let X, Y be standard normal with correlation c, p^2 = (1 + c)/2 and r^2 = (1 - c)/2. Then X = pM + rD and
Y = pM - rD with independent standard normal M and D. The inner integral is over whichever has the larger
part, say M. Its panels break where either function has a kink, and on a growing grid in the function's own
variable, so every panel is short on the scale of the density and of both functions. The outer one breaks
where two of those points meet. Nothing is divided by the smaller part, so c = 1 is a case like any other.
Functions without kinks at variances of order one are analytic in a wide strip, where the trapezoid rule is
as good and ten times faster; it is tried first, with steps so short that no wave can be taken for a slower one.
What is left, as waves far from 0, is summed over random points.
"""

from functools import cache

import numpy as np
import scipy

from .features import Features
from .panels import ROUNDING, doubling, panel_nodes

REACH = 9.0  # the density beyond is 3e-18 of its peak
ORDERS = (12, 9)
STEPS = ((1.1, 0.18), (2.3, 0.09))  # largest standard deviation, step of the trapezoid rule
_SHORTER = (0.18, 0.09, 0.045, 0.0225, 0.01125)  # steps for functions that wave
ACCEPT = 1e-10  # relative difference of two steps that settles it; the finer one is far better
_LONGEST = 2.25  # of a panel, in standard deviations
_GROWTH = 4.0  # from one panel to the next, in a function's own variable
_SMALLEST = 2.0**-20  # of a panel next to 0, in standard deviations: all that is left out there is a narrow step
_CHUNK = 1 << 18
_MOST = 1 << 22  # nodes
_GROUPS, _SIDE = 16, 128  # of random points, one in each cell of a square
_WIDE = 1.25  # their standard deviation


def expectation(functions, looks: tuple[Features, Features], scales, correlation, gap) -> tuple[np.ndarray, np.ndarray]:
    """Return E f(s X) g(t Y) and bounds on its error, shape (points,).

    Parameters
    ----------
    functions
        (f, g), each of an array of numbers.
    looks
        Their features.
    scales
        (s, t), shape (points,) each.
    correlation, gap
        c, and 1 - c where that is known better, shape (points,).
    """
    values, errors = np.empty(len(gap)), np.full(len(gap), np.inf)
    allowed = [steps(looks, some) for some in zip(*scales, strict=True)]
    for step in _SHORTER:
        todo = np.flatnonzero(np.isinf(errors) & np.array([step in some for some in allowed], dtype=bool))
        parts = max(1, int(len(todo) * (2 * REACH / step) ** 2 // _CHUNK))
        for some in np.array_split(todo, min(parts, max(len(todo), 1))):
            point = scales[0][some], scales[1][some], correlation[some], gap[some]
            values[some], errors[some] = _trapezoid(functions, point, step)
    p, r = np.sqrt((1 + correlation) / 2), np.sqrt(gap / 2)
    for i in np.flatnonzero(np.isinf(errors)):
        values[i], errors[i] = _panels(functions, looks, (scales[0][i], scales[1][i]), p[i], r[i])
    return values, errors


def steps(looks: tuple[Features, Features], scales) -> tuple[float, ...]:
    """Return steps of the trapezoid rule that may do for f(s X) g(t Y), the longest first."""
    reaches = [np.sqrt(2) * REACH * scale for scale in scales]
    if any(len(look.points(reach)) or look.follow(reach) < reach for look, reach in zip(looks, reaches, strict=True)):
        return ()
    breaks = [look.within(reach) for look, reach in zip(looks, reaches, strict=True)]
    if not any(map(len, breaks)):
        return tuple(step for limit, step in STEPS if max(scales) <= limit)
    fastest = 9.0  # of the integrand, in radians a standard deviation: the density's, and the most that 16 nodes follow
    for scale, reach, own in zip(scales, reaches, breaks, strict=True):
        grid = np.concatenate([own, doubling(max(1, int(np.ceil(np.log2(4 * max(reach, 0.25))))))])
        fastest += 4 * scale / np.diff(np.unique(grid)).min()
    return tuple(step for step in _SHORTER if step * fastest <= 5.7)[:2]


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


def _panels(functions, looks, scales, p, r):
    """Return the value and its error at one point."""
    sums = []
    same = functions[0] is functions[1] and scales[0] == scales[1]
    for level in range(len(ORDERS)):
        m, d, weights, scattered = rule(looks, scales, p, r, level, fold=same and p >= r)
        f = functions[0](scales[0] * (p * m + r * d)) * functions[1](scales[1] * (p * m - r * d)) * weights
        if scattered:
            groups = f.reshape(_GROUPS, -1).sum(axis=1) * _GROUPS
            return groups.mean(), 8 * groups.std(ddof=1) / np.sqrt(_GROUPS)
        sums.append((f.sum(), np.abs(f).sum()))
    (fine, size), (coarse, _) = sums
    return fine, abs(fine - coarse) + ROUNDING * size


def rule(looks, scales, p, r, level, *, fold=False) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Return M, D and weights, the density's included, for f(s X) g(t Y) at one point, and whether they are random.

    ``level`` is 0 for the fine rule, 1 for the coarse one. With ``fold``, for integrands even in D, only D >= 0.
    """
    plan = _plan(looks, scales, p, r, ORDERS[level], fold)
    if plan is None:
        return *_scattered(level), True
    d, outer, edges = plan
    m, inner = panel_nodes(np.sort(np.clip(edges(d), -REACH, REACH), axis=1), ORDERS[level])
    found = m.ravel(), np.repeat(d, m.shape[1]), (outer[:, None] * inner).ravel()
    if p < r:  # X = rD + pM and -Y = rD - pM
        return found[1], found[0], found[2], False
    return *found, False


def _plan(looks, scales, p, r, order, fold):
    """Return nodes and weights of the outer variable and the edges of the inner one's panels, None if too many."""
    reaches = [np.sqrt(2) * REACH * scale for scale in scales]
    if any(look.follow(reach) < reach for look, reach in zip(looks, reaches, strict=True)):
        return None
    kinks, breaks = (
        [getattr(look, name)(reach) for look, reach in zip(looks, reaches, strict=True)] for name in ("kinks", "within")
    )
    if p < r:
        p, r, fold = r, p, False
        kinks, breaks = ((both[0], -both[1]) for both in (kinks, breaks))
    waves = [b if len(b) > len(k) else () for b, k in zip(breaks, kinks, strict=True)]
    d, outer = _outer(kinks, waves, scales, r, order, fold)
    own = [_features(b, s) for b, s in zip(breaks, scales, strict=True)]
    if len(d) * (sum(map(len, own)) + len(_uniform())) * order > _MOST:
        return None

    def edges(d):
        parts = [(x - sign * r * d[:, None]) / p for x, sign in zip(own, (1, -1), strict=True)]
        return np.concatenate([np.broadcast_to(_uniform(), (len(d), len(_uniform()))), *parts], axis=1)

    return d, outer, edges


@cache
def _scattered(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random M and D, as many groups of them one after another, and their weights for N(0, 1)."""
    chance = np.random.default_rng(seed).random((2, _GROUPS, _SIDE, _SIDE))
    cells = np.arange(_SIDE)
    u = scipy.special.ndtri((cells[:, None] + chance[0]) / _SIDE)
    v = scipy.special.ndtri((cells + chance[1]) / _SIDE)
    weights = _WIDE**2 * np.exp(-0.5 * (_WIDE**2 - 1) * (u * u + v * v)) / u.size
    return _WIDE * u.ravel(), _WIDE * v.ravel(), weights.ravel()


def scatter(looks, scales, p, r) -> float:
    """Return eight standard errors of the mean of a variable of standard deviation 1, 0 unless points are random."""
    scattered = not steps(looks, scales) and _plan(looks, scales, p, r, ORDERS[0], False) is None
    return 8 / np.sqrt(_GROUPS) / _SIDE if scattered else 0.0


def _features(kinks, scale) -> np.ndarray:
    """Return where f(scale x) needs a break, in x: its kinks and a growing grid in its own variable."""
    first = max(1.0, _SMALLEST * scale)
    count = max(0, int(np.ceil(np.log(max(2 * REACH * scale / first, 1.0)) / np.log(_GROWTH))))
    growing = first * _GROWTH ** np.arange(count)
    points = np.concatenate([-growing, [0.0] if count else [], growing, kinks])
    return np.clip(points / max(scale, 1e-300), -1e3, 1e3)


def _outer(kinks, waves, scales, r, order, fold):
    """Return nodes and weights of the variable with the smaller part."""
    if r == 0:
        return np.zeros(1), np.ones(1)
    meeting = [np.unique(np.append(k, 0.0)) / max(s, 1e-300) for k, s in zip(kinks, scales, strict=True)]
    collisions = np.clip(np.subtract.outer(*meeting).ravel(), -100, 100)
    growing = _features((), 2 * r * max(scales))
    waves = [np.asarray(w) / max(s, 1e-300) / r for w, s in zip(waves, scales, strict=True)]
    edges = np.clip(np.concatenate([collisions / (2 * r), growing, *waves]), -REACH, REACH)
    edges = np.unique(np.concatenate([_uniform(), edges, [0.0]]))
    d, weights = panel_nodes(edges[None, edges >= 0] if fold else edges[None], order)
    return d[0], weights[0] * (2 if fold else 1)


@cache
def _uniform() -> np.ndarray:
    return np.arange(-REACH, REACH + _LONGEST / 2, _LONGEST)
