"""All the roots of smooth functions of t = ln q, found on a grid, then refined together.

A Gaussian expectation at variance q is analytic in t for |Im t| < pi/2, so that a fine grid with its
extrema misses no root that stands apart. Fine means 1/128: at silu's doubly critical point two fixed
points are 2% apart.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ...activations import Activation
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import moments
from ..gaussian.quadrature import size_at

SMALLEST, LARGEST = 1e-30, 1e30
_MIDDLE = 14.0  # |t| where roots can be close: q from 1e-6 to 1e6
_FINE, _COARSE = 1 / 128, 1 / 4
_TOO_LARGE = 1e75  # phi beyond this has moments beyond float64
TOUCH = 1e-10  # noise beyond which a function that touches 0 may as well stay away from it
_EPS = np.finfo(float).eps
_EXACT = {"xatol": _EPS, "xrtol": _EPS}


@dataclass(frozen=True, eq=False)
class Curve:
    """An activation's E phi^2 = ``second``, its relative error and its logarithmic slope over a grid of q.

    The grid ends where phi leaves float64, or grows so fast that its mean comes from out of sight.
    """

    activation: Activation
    q: np.ndarray
    second: np.ndarray
    second_error: np.ndarray
    slope: np.ndarray
    slope_error: np.ndarray

    @property
    def complete(self) -> bool:
        """Whether it goes as far as any."""
        return self.q[-1] >= LARGEST

    @property
    def monotone(self) -> bool:
        """Whether E phi^2 never falls as q grows."""
        return bool((self.slope >= -1e-9 - self.slope_error).all())

    @cached_property
    def derivative(self) -> tuple[np.ndarray, np.ndarray]:
        """E phi'^2, and its relative error: infinite where it is not known to be positive."""
        parts = [derivative_moment(self.activation, some) for some in _thirds(self.q)]
        values, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
        return values, np.divide(errors, values, out=np.full(values.shape, np.inf), where=values > errors)


@lru_cache(maxsize=64)
def curve(activation: Activation) -> Curve:
    """Return the `Curve` over all q at which phi stays inside float64."""
    outside = np.arange(_MIDDLE, np.log(LARGEST) + _COARSE, _COARSE)
    q = np.exp(np.concatenate([-outside[::-1], np.arange(-_MIDDLE, _MIDDLE, _FINE)[1:], outside]))
    q = q[_leading(size_at(activation.phi, 24 * np.sqrt(q)) < _TOO_LARGE)]
    if not len(q):
        raise ValueError(f"activation {activation} is not a number below {_TOO_LARGE:g} near 0; theory needs one.")
    parts = [moments(activation, some) for some in _thirds(q)]
    names = ("second", "second_error", "slope", "slope_error")
    second, error, *slope = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    kept = _leading(np.isfinite(error))
    return Curve(activation, q[kept], second[kept], error[kept], *(x[kept] for x in slope))


def _leading(good: np.ndarray) -> np.ndarray:
    return np.logical_and.accumulate(good)


def _thirds(q: np.ndarray) -> list[np.ndarray]:
    """Return q below, in and above the middle: there it is dense enough for its moments to be interpolated."""
    return [some for some in np.split(q, np.searchsorted(np.log(q), [-_MIDDLE, _MIDDLE])) if len(some)]


@dataclass(frozen=True, eq=False)
class Roots:
    """The roots of several functions, in ascending order within each.

    Attributes
    ----------
    row, t
        Which function, and where. Shape (roots,).
    before, after
        Sign of the function on either side of the root.
    first, last
        Sign at either end of the grid, one entry a function; 0 where it vanishes throughout.
    """

    row: np.ndarray
    t: np.ndarray
    before: np.ndarray
    after: np.ndarray
    first: np.ndarray
    last: np.ndarray


def roots(function, t: np.ndarray, values: np.ndarray, noise: np.ndarray, parameters: tuple) -> Roots:
    """Return the `Roots` of ``function``(t, *parameters), one function for each row.

    ``values`` (rows, len(t)) is the function on the grid t; what is within ``noise`` counts as 0, and a change of sign
    from one side of that to the other is a root. At either end a stretch of zeros is where two terms cancel to
    rounding, and no root.
    """
    parameters = tuple(np.asarray(p, dtype=float) for p in parameters)
    signs = np.where(np.abs(values) <= noise, 0.0, np.sign(values))
    row, left, right, before, after = _gaps(signs)
    crossing = before != after
    found = [_refined(function, t, parameters, row[crossing], left[crossing], right[crossing], before[crossing])]
    flat = ~crossing & (right > left + 1)
    flat[flat] = [
        _touches(values[i], noise[i], a, b) for i, a, b in zip(row[flat], left[flat], right[flat], strict=True)
    ]
    middle = (t[left[flat]] + t[right[flat]]) / 2
    found.append((row[flat], middle, before[flat], after[flat]))
    found += _near_misses(function, t, values, signs, noise, parameters)
    row, where, before, after = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((where, row))
    first, last = (_first_nonzero(s) for s in (signs, signs[:, ::-1]))
    return Roots(row[order], where[order], before[order], after[order], first, last)


def _touches(values, noise, left: int, right: int) -> bool:
    """Return whether a function is 0 to its noise between two grid points, and not just where its noise is larger."""
    size, inner = np.abs(values), slice(left + 1, right)
    small = (size[inner] <= noise[inner]) & (noise[inner] <= TOUCH)
    return bool(small.all() and size[inner].min() < min(size[left], size[right]))


def _gaps(signs):
    """Return neighbours among the nonzero signs of each row, unless nothing happens there.

    As row, left, right and the two signs.
    """
    event = np.ones(signs.shape, dtype=bool)  # keep only the ends of a stretch of equal signs
    event[:, 1:-1] = (signs[:, 1:-1] != signs[:, :-2]) | (signs[:, 1:-1] != signs[:, 2:])
    row, column = np.nonzero(event & (signs != 0))
    same = row[1:] == row[:-1]
    row, left, right = row[1:][same], column[:-1][same], column[1:][same]
    return row, left, right, signs[row, left], signs[row, right]


def _first_nonzero(signs):
    return signs[np.arange(len(signs)), np.argmax(signs != 0, axis=1)]


def _refined(function, t, parameters, row, left, right, before):
    from scipy.optimize import elementwise

    if not len(row):
        return row, np.empty(0), before, before
    args = tuple(p[row] for p in parameters)
    found = elementwise.find_root(function, (t[left], t[right]), args=args, tolerances=_EXACT)
    return row, found.x, before, -before


def _near_misses(function, t, values, signs, noise, parameters):
    """Return pairs of roots, or a double one, between grid points where the function turns back towards 0."""
    from scipy.optimize import elementwise  # when it is used: it takes 0.1 s to import

    size = np.abs(values)
    inner = (size[:, 1:-1] <= size[:, :-2]) & (size[:, 1:-1] <= size[:, 2:])
    # the vertex of a parabola through three points is below the middle one by an eighth of this at most
    rise = np.maximum(size[:, :-2], size[:, 2:]) - size[:, 1:-1]
    inner &= (rise > noise[:, 1:-1]) & (size[:, 1:-1] <= rise + noise[:, 1:-1])
    inner &= (signs[:, 1:-1] == signs[:, :-2]) & (signs[:, 1:-1] == signs[:, 2:]) & (signs[:, 1:-1] != 0)
    row, column = np.nonzero(inner)
    if not len(row):
        return []
    column += 1
    sign, args = signs[row, column], tuple(p[row] for p in parameters)
    turned = elementwise.find_minimum(
        lambda x, s, *a: s * function(x, *a), (t[column - 1], t[column], t[column + 1]), args=(sign, *args)
    )
    within = np.abs(turned.f_x) <= noise[row, column]
    touch = within & (noise[row, column] <= TOUCH)
    cross = (turned.f_x < 0) & ~within
    found = [(row[touch], turned.x[touch], sign[touch], sign[touch])]
    if cross.any():
        args = tuple(a[cross] for a in args)
        for low, high, side in (
            (t[column - 1][cross], turned.x[cross], 1),
            (turned.x[cross], t[column + 1][cross], -1),
        ):
            root = elementwise.find_root(function, (low, high), args=args, tolerances=_EXACT).x
            found.append((row[cross], root, side * sign[cross], -side * sign[cross]))
    return found
