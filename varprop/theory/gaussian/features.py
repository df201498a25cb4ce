"""Where a function needs panels of its own: bends, jumps, steep places and waves, found by looking.

A function of one's own may do anything. On each panel of a grid that doubles with distance from 0, the polynomial
through 16 nodes must foretell the function at hundreds of other points, or the panel is halved, and so on. Two sums
may agree by accident; here values are compared, at points that no rule uses. A bend or a jump ends in a panel some
units in the last place wide, and becomes one break. What is narrower than these points are apart, 1/32 up to 16 and a
500th of |x| beyond, may go unseen.
"""

from functools import cache, lru_cache

import numpy as np

from ...activations import Activation, Kind
from .panels import doubling, rule

_NODES = 16
_CHECKS, _FEWEST = 512, 64  # points in a panel of the first grid; halved with the panel, down to the second
_WANTED = 1e-10  # misfit, of what the function is; within a smaller panel, of how it varies
_FLAT = 1e-5  # of how it varies in the first panel: what varies less counts as this
_EPS = np.finfo(float).eps
_NOISE = 1e-4  # relative: a misfit below this that halving does not mend is rounding of the function's own
_PURSUED = 6  # halvings after which noise, and the border to where the function is infinite, are let be
_POINT = 10  # halvings after which the narrowest panel may hold a bend or a jump
_DEEPEST = 40
_MOST = 2048  # panels halved at a time: some 2,500 waves on either side of 0
_STAGES = (4, 10, 16, 60, 1000)  # powers of 2 up to which the function is looked at, one after another
_INWARDS = 60  # halvings of the first panel where it holds more than can be followed
_FEW = 48  # breaks: steep places, not waves
_NEVER = 1 << 20


class Features:
    """Where one function needs breaks, known as far from 0 as was ever asked.

    Attributes
    ----------
    seen
        Farther from 0 the function does more than can be followed.
    """

    def __init__(self, function, kinks: tuple[float, ...]):
        self._function, self._kinks = function, np.unique(np.array(kinks, dtype=float))
        self._known, self._outermost = 0.0, None
        self._points = self._breaks = self._kinks
        self._noise = np.zeros((2, 1))
        self.seen = np.inf

    def within(self, reach: float) -> np.ndarray:
        """Return the breaks up to ``reach`` from 0 that the doubling grid lacks, in ascending order."""
        self._look(reach)
        return self._breaks[np.searchsorted(self._breaks, -reach) : np.searchsorted(self._breaks, reach, side="right")]

    def points(self, reach: float) -> np.ndarray:
        """Return those of the breaks where the function bends or jumps."""
        self._look(reach)
        return self._points[np.searchsorted(self._points, -reach) : np.searchsorted(self._points, reach, side="right")]

    def kinks(self, reach: float) -> np.ndarray:
        """Return where the function may bend or jump, for sums that break at few places: all breaks, unless many."""
        found = self.within(reach)
        return found if len(found) <= _FEW else self.points(reach)

    def noise(self, reach) -> np.ndarray:
        """Return how far, relative to its size, the function is from polynomials within each ``reach``."""
        self._look(np.max(reach, initial=0.0))
        return self._noise[1, np.searchsorted(self._noise[0], reach, side="right") - 1]

    def follow(self, reach: float) -> float:
        """Return how far from 0 the function can be followed, infinity where at least as far as ``reach``."""
        self._look(reach)
        return self.seen

    def _look(self, reach: float) -> None:
        while reach > self._known and self._known < self.seen:
            self._stage(next(exponent for exponent in _STAGES if 2.0**exponent > self._known))

    def _stage(self, exponent: int) -> None:
        """Look up to 2^exponent. What is found does not depend on what was asked before."""
        outward = doubling(exponent + 3)
        self._explore(outward)
        first = 0.25  # the end of the first panel
        if self.seen < first:  # not even the first panel can be followed: how near 0, then?
            inward = first * 0.5 ** np.arange(_INWARDS)
            inward = np.concatenate([-inward, inward[::-1]])
            self._explore(inward)
            self.seen = min(self.seen, first)
            self._breaks = np.unique(np.concatenate([self._breaks, inward]))
        self._known = outward[-1]

    def _explore(self, grid: np.ndarray) -> None:
        ends = np.concatenate([grid, self._kinks])
        ends = np.unique(ends[np.abs(ends) <= grid[-1]])
        low, high = ends[:-1], ends[1:]
        far = np.maximum(np.abs(low), np.abs(high))
        new = far > self._known
        shell = np.ceil(np.log2(far[new])).astype(int)
        found = _search(self._function, low[new], high[new], shell, self._outermost)
        points, others, self.seen, noise, self._outermost = found
        where, size = np.concatenate([self._noise, noise], axis=1)
        order = np.argsort(where, kind="stable")
        self._noise = np.stack([where[order], np.maximum.accumulate(size[order])])
        points, others = (x[np.abs(x) < self.seen] for x in (points, others))
        self._points = np.unique(np.concatenate([self._points, points]))
        self._breaks = np.unique(np.concatenate([self._breaks, points, others]))


class _Known(Features):
    """Features of which nothing but the kinks is to be found."""

    def _look(self, reach: float) -> None:
        pass


def features(activation: Activation, function=None) -> Features:
    """Return the `Features` of phi, or of another ``function`` with its kinks, such as phi'.

    Built-in activations are smooth between their kinks on the scale of the doubling grid, all but sin.
    """
    known = activation.kind not in (Kind.CUSTOM, Kind.SIN)
    return _features(activation.phi if function is None else function, activation.kinks, known)


@lru_cache(maxsize=64)
def _features(function, kinks, known) -> Features:
    return (_Known if known else Features)(function, kinks)


def _search(function, low, high, shell, nearer):
    """Return points, other breaks, how far they were followed, the noise, and what counts as large in the last shell.

    ``shell`` says between which powers of 2 a panel lies; outer shells are given up where the inner ones take all.
    ``nearer`` is what counts as large in the last shell of those inside these panels.
    """
    ends, lost, noise, parts = (low, high), _NEVER, [np.zeros((2, 0))], 1
    owner, before, done = np.arange(len(low)), np.full(len(low), np.inf), []
    for level in range(_DEEPEST + 1):
        misfit, size, variation = _misfits(function, low, high, max(_FEWEST, _CHECKS >> level))
        if level == 0:
            first = [_largest(x, shell, y) for x, y in zip((size, variation), nearer or (0.0, 0.0), strict=True)]
            last = tuple(x[shell == shell.max()][0] for x in first)
            size = first[0]
        far = np.maximum(np.abs(low), np.abs(high))
        good = misfit <= _allowed(size, variation, far, high - low, first[1][owner] if level else None)
        plain = good.copy()
        if level >= _PURSUED:
            good |= ~np.isfinite(misfit)
            crowd = np.bincount(owner[~good], minlength=len(shell))[owner] > 0.6 * parts
            rough = ~good & crowd & (misfit <= _NOISE * first[0][owner]) & (misfit > before / 4)
            nearest = np.minimum(np.abs(low), np.abs(high))[rough]
            noise.append(np.stack([nearest, misfit[rough] / first[0][owner[rough]]]))
            good |= rough
        good |= (high - low <= 32 * _EPS * far) | (level == _DEEPEST)
        done.append((low[good], high[good], owner[good], np.full(good.sum(), level), plain[good]))
        bad = ~good
        inwards = np.cumsum(np.bincount(shell[owner[bad]] - shell.min()))
        if inwards.size and inwards[-1] > _MOST:
            lost = min(lost, np.searchsorted(inwards, _MOST, side="right") + shell.min())
        bad[bad] = shell[owner[bad]] < lost
        if not bad.any():
            break
        pieces = 2 if level < _POINT else 4
        parts *= pieces
        cuts = np.linspace(low[bad], high[bad], pieces + 1)
        low, high = cuts[:-1].ravel(), cuts[1:].ravel()
        owner, before = np.tile(owner[bad], pieces), np.tile(misfit[bad], pieces)
    *panels, plain = (np.concatenate(part) for part in zip(*done, strict=True))
    points, others = _condensed(function, *ends, *panels)
    points = np.append(points, _bent(function, *panels, plain, first))
    return points, others, 2.0 ** (lost - 1) if lost < _NEVER else np.inf, np.concatenate(noise, axis=1), last


def _largest(values, shell, nearer: float) -> np.ndarray:
    """Return the largest in each shell, for its panels, or what nearer 0 makes that insignificant.

    Both signs of x weigh the same; what is nearer 0 weighs more at any variance, but for being half as long.
    """
    out = np.zeros(np.ptp(shell) + 1)
    np.maximum.at(out, shell - shell.min(), values)
    for i in range(len(out)):
        nearer = out[i] = max(out[i], nearer / np.sqrt(2))
    return out[shell - shell.min()]


def _bent(function, low, high, owner, level, smooth, first):
    """Return where the function bends or jumps between two panels that are smooth by themselves, as at 0 and at 3/8."""
    order = np.argsort(low)
    low, high, owner, smooth = low[order], high[order], owner[order], (smooth & (level < _POINT))[order]
    inner = (high[:-1] == low[1:]) & smooth[:-1] & smooth[1:]
    end, reach = high[:-1][inner], np.minimum(high[:-1] - low[:-1], high[1:] - low[1:])[inner] / 4
    misfit, size, variation = _misfits(function, end - reach, end + reach, _FEWEST)
    size, most = (np.maximum(x[owner[:-1]], x[owner[1:]])[inner] for x in first)
    return end[misfit > _allowed(size, variation, np.abs(end) + reach, 2 * reach, most)]


def _allowed(size, variation, far, width, first=None):
    """Return how large a misfit may be; ``first`` is the variation in the first grid's panel, None for that itself."""
    wanted = size if first is None else np.maximum(variation, _FLAT * first)
    with np.errstate(all="ignore"):
        return _WANTED * wanted + 64 * _EPS * (size + far * variation / width)


def _misfits(function, low, high, checks: int):
    """Return how far values at many points are from the polynomial through others, their size and their spread.

    The first is infinite where the function is.
    """
    nodes, points, foretell = _tables(checks)
    out = np.empty((3, len(low)))
    for i in range(0, len(low), 1 << 11):
        a, b = low[i : i + (1 << 11), None], high[i : i + (1 << 11), None]
        x = np.concatenate([nodes, points]) * ((b - a) / 2) + (a + b) / 2
        with np.errstate(all="ignore"):
            f = np.asarray(function(x), dtype=np.float64)
            if f.shape != x.shape:
                f = np.broadcast_to(f, x.shape)
            known, other = f[:, :_NODES], f[:, _NODES:]
            misfit = np.abs(known @ foretell - other).max(axis=1)
            out[:, i : i + (1 << 11)] = misfit, np.abs(f).max(axis=1), f.max(axis=1) - f.min(axis=1)
    out[0][np.isnan(out[0])] = np.inf
    return np.nan_to_num(out, nan=np.inf)


@cache
def _tables(checks: int):
    """Return nodes, other points, and the matrix that foretells values at the latter from those at the former."""
    nodes, _ = rule(_NODES)
    jitter = np.random.default_rng(checks).random(checks)  # fixed, but in step with nothing
    points = (np.arange(checks) + jitter) * 2 / checks - 1
    points[[0, -1]] = -1 + 1e-12, 1 - 1e-12  # so that no jump hides between two panels
    apart = nodes[:, None] - nodes
    np.fill_diagonal(apart, 1.0)
    weights = 1 / apart.prod(axis=1)
    terms = weights[:, None] / (points - nodes[:, None])
    return nodes, points, terms / terms.sum(axis=0)


def _condensed(function, first_low, first_high, low, high, owner, level):
    """Return points and other breaks: a ladder of panels that leads to a bend or a jump becomes one point."""
    if not len(low):
        return low, low
    order = np.argsort(low)
    low, high, owner, level = (x[order] for x in (low, high, owner, level))
    inner = low > first_low[owner]
    width = np.where(level >= _POINT, high - low, np.inf)
    runs = np.flatnonzero(np.append(True, width[1:] != width[:-1]))  # of equal width
    last = np.append(runs[1:], len(width)) - 1
    before, here, after = np.append(np.inf, width[runs[:-1]]), width[runs], np.append(width[runs[1:]], np.inf)
    narrow = (here < before) & (here < after)
    if not narrow.any():
        return low[:0], low[inner]
    points = (low[runs[narrow]] + high[last[narrow]]) / 2
    starts, owners = np.append(points, first_low), np.append(owner[runs[narrow]], np.arange(len(first_low)))
    order = np.lexsort((starts, owners))
    starts, owners = starts[order], owners[order]
    stops = np.where(np.append(owners[1:] != owners[:-1], True), first_high[owners], np.append(starts[1:], 0.0))
    far = np.maximum(np.abs(starts), np.abs(stops))
    blur = 256 * _EPS * far  # a point is known to some units in the last place
    misfit, size, variation = _misfits(function, starts + blur, stops - blur, _FEWEST * 2)
    whole = misfit <= _allowed(size, variation, far, stops - starts, 0.0)
    piece = np.searchsorted(starts, low, side="right") - 1
    return points, low[inner & ~whole[piece]]
