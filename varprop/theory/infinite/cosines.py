"""What phi does to the cosine of two signals, and to the error of that.

With 1 - c = g, the map of one activation has (1 - c') / (1 - c) for a bound on its slope, since it is convex in c where
both variances are equal (Schoenberg): so an error relative to g stays one, at whatever rate two signals part.
"""

import numpy as np

from ...activations import Activation
from ..gaussian.correlation_maps import product_moment, product_slope
from ..gaussian.derivative_moment import derivative_moment
from .gram import EPS, NEAR, Gram

_EQUAL = 1e-6  # relative difference of two variances that counts as none for a slope
_STRAIGHT = 1e-2  # of g q E phi'^2 / E phi^2, up to which few nodes follow the slope from c to 1
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


def mapped(phi: Activation, gram: Gram, q, second) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return E phi(u_a) phi(u_b), 1 - cosine of that, and bounds on the errors of the cosines; each (R, S, S).

    ``q`` are the variances, ``second`` E phi^2, both (R, S).
    """
    return _filled(phi, gram, q, second, product_moment, _forward)


def mapped_slopes(phi: Activation, gram: Gram, q, second) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same for phi' in place of phi."""
    return _filled(phi, gram, q, second, product_slope, _backward)


def _filled(phi, gram: Gram, q, second, expectation, rule):
    shape = gram.matrix.shape
    index = np.arange(shape[1])
    values, gap, error = np.zeros(shape), np.ones(shape), np.zeros(shape)
    values[:, index, index] = second
    a, b = np.triu_indices(shape[1], 1)
    if not len(a):
        return values, gap, error
    cosine, g, dc = (x[:, a, b] for x in (np.nan_to_num(gram.cosines()), gram.gap, gram.cosine_error))
    size = np.sqrt(second[:, a]) * np.sqrt(second[:, b])
    low, high, c, near, root = (x.ravel() for x in (q[:, a], q[:, b], cosine, g, size))
    low, high = np.minimum(low, high), np.maximum(low, high)
    with np.errstate(divide="ignore"):
        key = np.where(near < 0.5, 1 / near, c)  # one number for each cosine, with all its digits
    _, some, back = np.unique(np.stack([low, high, key]), axis=1, return_index=True, return_inverse=True)
    low, high, c, near, root = (x[some] for x in (low, high, c, near, root))
    product, off = expectation(phi, low, high, c, near)
    live = root > 0
    inverse = np.where(live, 1 / np.where(live, root, 1.0), 0.0)
    found = 1 - np.clip(product * inverse, -1.0, 1.0)
    found, off, slope, turned = rule(phi, low, high, c, near, root, found, off * inverse + 2 * EPS)
    found, off, slope, turned, product = (
        np.where(live, x, 0.0)[back.ravel()].reshape(size.shape) for x in (found, off, slope, turned, product)
    )
    with np.errstate(over="ignore"):
        moved = slope * dc + turned * (gram.size_error[:, a] + gram.size_error[:, b]) / 2
    for x, y in ((values, product), (gap, found), (error, off + moved)):
        x[:, a, b] = x[:, b, a] = y
    return values, gap, error


def _forward(phi, low, high, c, near, root, found, off):
    """Return 1 - cosine, its error, a bound on its slope by c, and by relative changes of the variances."""
    equal = high - low <= _EQUAL * high
    slope, turned = _secant(c, near, found), np.minimum(found, 1.0)
    if phi.slopes is not None:
        turned = np.zeros(c.shape)
        equal = np.ones(c.shape, dtype=bool)
    if phi.dphi is None:
        return found, off, slope, turned
    close = (near > 0) & (near < NEAR)
    if not close.any() and equal.all():
        return found, off, slope, turned
    steep = np.sqrt(low * high * derivative_moment(phi, low)[0] * derivative_moment(phi, high)[0]) / _positive(root)
    slope = np.where(equal, slope, steep)
    turned = np.where(equal, turned, steep)
    close &= near * steep < _STRAIGHT
    if close.any():
        found, off = found.copy(), off.copy()
        found[close], off[close] = _apart(phi, *(x[close] for x in (low, high, near, root)))
        slope = np.where(equal, _secant(c, near, found), slope)
    return found, off, slope, turned


def _apart(phi, low, high, near, root):
    """Return 1 - cosine of two that are nearly alike, without cancellation: the slope of the map, from c to 1."""
    w = (1 + _NODES[:, None]) / 2  # of the root of 1 - t, in which a kink of phi leaves no kink
    gap = near * w**2
    slopes, errors = product_slope(phi, low, high, 1 - gap, gap)
    scale = near * np.sqrt(low * high) / _positive(root)
    found, off = (scale * ((_WEIGHTS[:, None] * w) * x).sum(axis=0) for x in (slopes, errors))
    off += 8 * EPS * np.abs(found)
    uneven = high - low > 1e-12 * high
    if uneven.any():
        alike, error = product_moment(phi, low[uneven], high[uneven], np.ones(uneven.sum()))
        found[uneven] += np.maximum(1 - alike / root[uneven], 0.0)
        off[uneven] += error / root[uneven] + 4 * EPS
    return found, off


def _backward(phi, low, high, c, near, root, found, off):
    return found, off, _secant(c, near, found), np.ones(c.shape)


def _secant(c, near, found) -> np.ndarray:
    """Return (1 - |c'|) / (1 - |c|), which bounds the slope at c; 0 where that is 0 / 0, and the error too."""
    below, above = (np.where(x > 1, 2 - x, x) for x in (near, found))
    return np.maximum(above, 0.0) / _positive(below) * (below > 0)


def _positive(x) -> np.ndarray:
    return np.where(x > 0, x, 1.0)
