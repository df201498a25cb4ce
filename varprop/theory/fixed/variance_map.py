"""The fixed points of the variance map V(q) = gain_squared E phi(sqrt(q) Z)^2 + bias_variance, and which is reached."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ...activations import Activation
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import moments, second_moment
from .scan import SMALLEST, TOUCH, Curve, Roots, curve, roots

SAME = 1e-10  # a slope this near 1 is called 1: its depth is 10^10 layers
_EPS = np.finfo(float).eps
_ROWS = 128  # maps scanned at a time, so that a scan fits in the cache
_ITERATIONS = 100  # of a map that is not monotone, and so may jump over a fixed point


@dataclass(frozen=True, eq=False)
class Points:
    """Every fixed point of several variance maps, in ascending order within each.

    Attributes
    ----------
    row
        Which map.
    variance
        0 and infinity are among them where they are fixed; infinity only where it attracts.
    chi, chi_variance
        gain_squared E phi'^2, and the slope of the variance map.
    stable, half_stable
        Whether it attracts from both sides, or from one only.
    variance_error, chi_error, chi_variance_error
        Bounds on the errors of the three.
    """

    row: np.ndarray
    variance: np.ndarray
    chi: np.ndarray
    chi_variance: np.ndarray
    stable: np.ndarray
    half_stable: np.ndarray
    variance_error: np.ndarray
    chi_error: np.ndarray
    chi_variance_error: np.ndarray

    def of(self, row: int) -> np.ndarray:
        """Return the indices of one map's points."""
        return np.flatnonzero(self.row == row)


def fixed_points(activation: Activation, gain_squared: np.ndarray, bias_variance: np.ndarray) -> tuple[Points, Roots]:
    """Return the `Points` of the maps with these parameters, both (rows,), and the `Roots` behind them."""
    known = curve(activation)
    if not known.complete and bias_variance.max() >= known.q[-1]:
        raise ValueError(
            f"{activation} grows too fast for its moments to be worked out beyond variance {known.q[-1]:.3g}, and "
            f"bias_variance reaches {bias_variance.max():g}; use a smaller one."
        )
    found = _roots(activation, known, gain_squared, bias_variance)
    blind = np.flatnonzero((found.first == 0) & (known.second_error.max() > TOUCH))
    if len(blind):
        raise ValueError(
            f"E[φ²] of {activation} is known to {known.second_error.max():.1g} of itself only, which hides whether "
            f"gain_squared {gain_squared[blind[0]]:g} and bias_variance {bias_variance[blind[0]]:g} keep any variance."
        )
    inside = _inside(activation, found, gain_squared, bias_variance)
    ends = _ends(activation, known, found, gain_squared, bias_variance)
    columns = [np.concatenate(parts) for parts in zip(inside, *ends, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return Points(*(column[order] for column in columns)), found


def _roots(activation, known: Curve, gain_squared, bias_variance) -> Roots:
    """ln V(q)/q is 0 at a fixed point, and positive where the variance grows."""

    def growth(t, s, b):
        q = np.exp(t)
        return _growth(q, second_moment(activation, q)[0], s, b)

    parts = []
    for i in range(0, len(gain_squared), _ROWS):
        s, b = gain_squared[i : i + _ROWS], bias_variance[i : i + _ROWS]
        values = _growth(known.q, known.second, s[:, None], b[:, None])
        noise = np.broadcast_to(_noise(known.second_error), values.shape)
        found = roots(growth, np.log(known.q), values, noise, (s, b))
        parts.append(dataclasses.replace(found, row=found.row + i))
    return Roots(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Roots)))


def _growth(q, second, s, b):
    mapped = s * second + b
    excess = (mapped - q) / q
    with np.errstate(divide="ignore"):
        far = np.maximum(np.log(mapped), -1e3) - np.log(q)
        return np.where(np.abs(excess) < 0.5, np.log1p(excess), far)


def _noise(relative):
    """Return the error of ln V/q, from the relative one of E phi^2."""
    return 2 * relative + 32 * _EPS


def _inside(activation, found: Roots, gain_squared, bias_variance):
    q, s = np.exp(found.t), gain_squared[found.row]
    if not len(q):
        empty, none = np.zeros(0), np.zeros(0, bool)
        return found.row, empty, empty, empty, none, none, empty, empty, empty
    at = moments(activation, q)
    slope = s * at.second * at.slope / q
    noise = _noise(at.second_error) * s * at.second / (s * at.second + bias_variance[found.row])
    shift = root_error(noise, slope - 1)
    (chi, chi_error), (slope, slope_error) = (
        moved(of, q, shift) for of in (lambda x: chi_at(activation, x, s), lambda x: slope_at(activation, x, s))
    )
    stable = (found.before > 0) & (found.after < 0)
    half = found.before == found.after
    return found.row, q, chi, slope, stable, half, q * np.expm1(shift), chi_error, slope_error


def root_error(noise, slope) -> np.ndarray:
    """Return the error of a root in t, from the function's error and slope there.

    Where the slope vanishes too, the function is a parabola, and the error a square root.
    """
    with np.errstate(divide="ignore"):
        return np.minimum(noise / np.abs(slope), np.sqrt(noise))


def moved(of, q, shift) -> tuple[np.ndarray, np.ndarray]:
    """Return ``of``(q) = (values, errors), the errors with what they owe to an error ``shift`` of ln q."""
    (values, errors), *around = (of(q * np.exp(sign * shift)) for sign in (0, -1, 1))
    return values, errors + np.abs([other - values for other, _ in around]).max(axis=0)


def chi_at(activation: Activation, q, s) -> tuple[np.ndarray, np.ndarray]:
    """Return gain_squared E phi'^2 and its error."""
    values, errors = derivative_moment(activation, q)
    return s * values, s * errors


def slope_at(activation: Activation, q, s) -> tuple[np.ndarray, np.ndarray]:
    """Return the slope of the variance map and its error."""
    at = moments(activation, q)
    with np.errstate(over="ignore", invalid="ignore"):
        unit = s * at.second / q
        return unit * at.slope, unit * (at.slope_error + np.abs(at.slope) * at.second_error + 4 * _EPS)


def _ends(activation, known: Curve, found: Roots, gain_squared, bias_variance):
    """0 where the map keeps it, and infinity where variances grow without end."""
    s, b = gain_squared, bias_variance
    starts = (b == 0) & (s * second_moment(activation, 0.0)[0] == 0)
    below = np.flatnonzero(~starts & (found.first < 0))
    if len(below):
        raise ValueError(
            f"{activation} with gain_squared {s[below[0]]:g} and bias_variance {b[below[0]]:g} has a fixed point below "
            f"{SMALLEST:g}, too small to be found; give a larger bias_variance, or 0."
        )
    for rows, i, variance, stable in (
        (np.flatnonzero(starts), 0, 0.0, found.first < 0),
        (np.flatnonzero(found.last > 0), -1, np.inf, found.last > 0),
    ):
        slope, chi, slope_error, chi_error = (s[rows] * limit for limit in _limits(activation, known, i))
        none = np.zeros(len(rows))
        yield rows, none + variance, chi, slope, stable[rows], none.astype(bool), none, chi_error, slope_error


def _limits(activation, known: Curve, i: int) -> tuple[float, float, float, float]:
    """Return the limits of d E phi^2 / dq and E phi'^2 at an end of the grid, where phi is a power; errors too."""
    power = known.slope[i]
    if abs(power - 1) > 1e-6 + known.slope_error[i] and known.second[i] > 0:
        limit = 0.0 if (power > 1) == (i == 0) else np.inf
        return limit, limit, 0.0, 0.0
    chi, chi_error = (float(x) for x in derivative_moment(activation, known.q[i]))
    slope = known.second[i] * power / known.q[i]
    return slope, chi, slope * (2 * known.second_error[i] + 4 * _EPS), chi_error


def reached(activation: Activation, points: Points, found: Roots, gain_squared, bias_variance, start: float):
    """Return the index among ``points`` of what iteration from ``start`` comes to, one entry a map.

    -1 where every variance is fixed. The iteration always settles: d ln E phi^2 / d ln q is
    E[phi^2 He2] / 2 E phi^2, at least -1/2, so that ln V has no cycle of two, hence none at all.
    """
    rows = np.arange(len(gain_squared))
    q, growth = np.full(len(rows), start), np.empty(len(rows))
    monotone = curve(activation).monotone
    for _ in range(1 if monotone else _ITERATIONS):
        growth, noise = _one_layer(activation, q, gain_squared, bias_variance)
        still = np.abs(growth) <= noise
        if monotone or still.all():
            break
        q = np.clip(q * np.exp(np.where(still, 0.0, growth)), *curve(activation).q[[0, -1]])
    out = np.full(len(rows), -1)
    for row in np.flatnonzero(found.first != 0):
        mine = points.of(int(row))
        variance = points.variance[mine]
        if still[row]:
            out[row] = nearest = mine[np.argmin(np.abs(variance - q[row]))]
            off = np.abs(points.variance[nearest] - q[row])
            if noise[row] > TOUCH and off > 2 * (noise[row] * q[row] + points.variance_error[nearest]):
                raise ValueError(
                    f"E[φ²] of {activation} at variance {q[row]:.3g} is not known well enough: its error hides whether "
                    "the variance grows or falls there."
                )
        else:
            out[row] = mine[variance > q[row]][0] if growth[row] > 0 else mine[variance < q[row]][-1]
    return out


def _one_layer(activation: Activation, q: np.ndarray, s, b) -> tuple[np.ndarray, np.ndarray]:
    """Return ln V(q)/q and its error."""
    second, error = second_moment(activation, q)
    return _growth(q, second, s, b), _noise(error / np.where(second > 0, second, 1.0))
