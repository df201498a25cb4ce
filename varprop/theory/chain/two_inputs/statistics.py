"""What two inputs' activations do to a layer's Gram matrix, to second order in the covariance below.

With unit variances and correlation c, X = pM + rD and Y = pM - rD (see `plane`). A = phi(sqrt(q1) X) and
B = phi(sqrt(q2) Y), each divided by its root mean square, enter as half their sum S and half their
difference T: the three statistics S^2, ST and T^2 keep their relative accuracy where the two inputs are
nearly alike, or nearly opposite. Derivatives by relative changes of Var(pM), Cov(pM, rD) and Var(rD) are
Hermite moments in M and D, so no derivative of phi is needed, and nothing is divided by p or r.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ....activations import Activation
from ...gaussian import plane
from ...gaussian.features import features
from ...gaussian.panels import rule
from ...gaussian.quadrature import values

_RADIAL = np.polynomial.laguerre.laggauss(4)  # in half the squared radius; exact for the degrees here
_ANGULAR = (24, 20)
_CHUNK = 1 << 16  # nodes summed at a time
_LONG = 0.08  # step whose nodes are few enough to be kept
_NEAR = 1e-8  # standard deviations: what phi does within counts as its square


@dataclass(frozen=True, eq=False)
class Statistics:
    """Moments of t = (S^2, ST, T^2).

    Attributes
    ----------
    mean
        E t, shape (3,).
    first
        Its derivatives by relative changes of (Var pM, Cov, Var rD), shape (3, 3).
    second
        Its second derivatives, shape (3, 3, 3).
    product
        E t t^T, shape (3, 3).
    """

    mean: np.ndarray
    first: np.ndarray
    second: np.ndarray
    product: np.ndarray


@lru_cache(maxsize=32)  # deep networks come to rest, to the last bit
def statistics(activation: Activation, variances, roots, parts, level: int, full: bool) -> Statistics:
    """Return the `Statistics` at one point.

    Parameters
    ----------
    activation
        phi.
    variances
        (q1, q2).
    roots
        Root mean squares of phi(sqrt(q1) X) and phi(sqrt(q2) Y).
    parts
        (p, r).
    level
        0 for the fine rule, 1 for a coarser one, which shows the error of the other.
    full
        Whether more than the mean is wanted.

    Raises ValueError if phi gives NaN or infinity.
    """
    p, r = parts
    s, t = np.sqrt(variances[0]), np.sqrt(variances[1])

    def moments(m, d, weights, hermite=None):
        if hermite is None and len(m) > 2 * _CHUNK:
            return _sum([moments(*part) for part in _parts(m, d, weights)])
        a, b = (values(activation.phi, activation.name, x) for x in (s * (p * m + r * d), t * (p * m - r * d)))
        a, b = (x / root if root > 0 else 0 * x for x, root in zip((a, b), roots, strict=True))
        half, rest = (a + b) / 2, (a - b) / 2
        t2 = np.stack([half * half, half * rest, rest * rest])
        if not full:
            return Statistics(t2 @ weights, *(np.zeros((3,) * k) for k in (2, 3, 2)))
        found = (t2 * weights) @ (_hermite(m, d) if hermite is None else hermite)
        second = found[:, [[4, 5, 6], [5, 7, 8], [6, 8, 9]]]
        return Statistics(found[:, 0], found[:, 1:4], second, (t2 * weights) @ t2.T)

    if activation.slopes is not None:
        return moments(*_polar(p, r, _ANGULAR[level]))
    looks = (features(activation),) * 2
    for step in plane.steps(looks, (s, t)):
        step *= 1 + level / 4
        fine, coarse = (moments(*_square(step * k)) for k in (1, 2))
        if _close(fine, coarse):
            return fine
    return moments(*plane.rule(looks, (s, t), p, r, level)[:3])


def from_afar(activation: Activation, scale: float) -> Activation:
    """Return what phi is to a signal of that size: homogeneous, once it is where nothing else is left to see."""
    if activation.slopes is not None or scale < 1e9:
        return activation
    x = scale * np.array([-9.0, -_NEAR, 9.0, _NEAR])
    slopes = values(activation.phi, activation.name, x) / x
    if not slopes.any() or np.abs(slopes[::2] - slopes[1::2]).max() > 1e-14 * np.abs(slopes).max():
        return activation
    return replace(activation, slopes=(float(slopes[0]), float(slopes[2])))


def _hermite(m, d) -> np.ndarray:
    """Return 1, the three first and the six second derivatives as weights in M and D, shape (nodes, 10)."""
    m2, d2, md = m * m, d * d, m * d
    he2, ge2 = m2 - 1, d2 - 1
    both = he2 * ge2
    first = [np.ones_like(m), he2 / 2, md, ge2 / 2]
    second = [(m2 * (m2 - 6) + 3) / 4, (m2 - 3) * md / 2, both / 4, both, (d2 - 3) * md / 2, (d2 * (d2 - 6) + 3) / 4]
    return np.stack([*first, *second], axis=1)


def _parts(*arrays):
    return zip(*(np.array_split(array, -(-len(array) // _CHUNK)) for array in arrays), strict=True)


def _sum(parts: list[Statistics]) -> Statistics:
    return Statistics(*(sum(getattr(part, name) for part in parts) for name in ("mean", "first", "second", "product")))


def _close(fine: Statistics, coarse: Statistics) -> bool:
    pairs = [(getattr(fine, name), getattr(coarse, name)) for name in ("mean", "first", "second", "product")]
    return all(np.abs(x - y).max() <= plane.ACCEPT * np.abs(x).max() for x, y in pairs)


def _square(step):
    return _known_square(step) if step > _LONG else (*_nodes(step), None)


@lru_cache(maxsize=16)
def _known_square(step):
    m, d, weights = _nodes(step)
    return m, d, weights, _hermite(m, d)


def _nodes(step):
    x, density = plane.grid(step)
    m, d = (y.ravel() for y in np.meshgrid(x, x, indexing="ij"))
    return m, d, np.outer(density, density).ravel()


def _polar(p, r, order):
    """Return nodes for homogeneous phi: radius times a function of the angle, with bends where X or Y is 0."""
    points, w = rule(order)
    bend = np.arctan2(p, r)
    edges = np.array([-bend, bend, np.pi - bend, np.pi + bend, 2 * np.pi - bend])
    half = np.diff(edges)[:, None] / 2
    angle = (((edges[1:] + edges[:-1]) / 2)[:, None] + half * points).ravel()
    radius, radial = np.sqrt(2 * _RADIAL[0])[:, None], _RADIAL[1][:, None]
    weights = radial * (half * w).ravel() / (2 * np.pi)
    return (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel(), weights.ravel()
