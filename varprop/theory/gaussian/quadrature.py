"""Gaussian expectations by panels of Gauss-Legendre nodes, uniformly accurate for any variance.

With x = sqrt(q) Z, the integrand phi(x)^2 pdf(Z) has two scales: 1 in Z, of the density, and about
1 in x, of phi. Panels break on a uniform grid in Z and on a doubling grid in x, so every panel is
short on both, whatever q; they break too where phi has kinks. A second rule of lower order on the
same panels gives the error.
"""

from functools import cache

import numpy as np

_REACH = 12.0  # the density beyond is 1e-31 of its peak
_DOUBLINGS = 60  # beyond x = 2^58 phi is a power of x to rounding
_ORDERS = (16, 11)  # an odd one has a node mid-panel, so that the two do not overlook the same jump
ROUNDING = 64 * np.finfo(float).eps
_CHUNK = 1 << 18  # integrand values held at a time
_CHEBYSHEV = 32
_LEBESGUE = 3.5  # how much interpolation at 32 Chebyshev points may amplify an error


def moments(phi, name: str, kinks: tuple[float, ...], q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return four moments of f = phi(sqrt(q) Z)^2 and bounds on their errors, both (4, len(q)).

    The moments are g = E f, its logarithmic slope E[f He2] / 2g = q g'/g, its curvature
    E[f He4] / 4g = q^2 g''/g and E f^2 / g^2. No derivative of phi is needed. The first error is
    relative, the others are absolute.

    Raises ValueError if phi gives NaN or infinity.
    """

    def direct(q):
        return _direct(phi, name, kinks, q)

    zero = q == 0
    if len(q) > 1 and zero.any():
        found, errors = np.empty((4, len(q))), np.empty((4, len(q)))
        for mask, some in ((zero, np.zeros(1)), (~zero, q[~zero])):
            found[:, mask], errors[:, mask] = moments(phi, name, kinks, some) if len(some) else (0, 0)
        return found, errors
    nodes = _few_nodes(q)
    return direct(q) if nodes is None else _interpolated(direct, q, *nodes)


def integrals(integrand, kinks: tuple[float, ...], q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums over Z ~ N(0, 1) and how far a second rule is from them, both (k, len(q)).

    ``integrand(z, weights, scale)`` gives k sums for each q from the nodes z, their weights, which hold
    the density, and scale = sqrt(q); the shapes are (rows, nodes), the same, and (rows, 1).
    """
    scale = np.sqrt(q)
    breaks = _breaks(scale.max(initial=0.0))
    per_q = (len(_uniform()) + len(breaks) + len(kinks)) * sum(_ORDERS)
    step = max(1, _CHUNK // per_q)
    parts = [_chunk(integrand, (*breaks, *kinks), scale[i : i + step]) for i in range(0, len(q), step)]
    return tuple(np.concatenate(part, axis=1) for part in zip(*parts, strict=True))


def _direct(phi, name, kinks, q):
    def sums(z, weights, scale):
        return _sums(values(phi, name, scale * z), z, weights)

    fine, errors = integrals(sums, kinks, q)
    with np.errstate(all="ignore"):
        errors[0] /= fine[0]
    errors[~np.isfinite(errors)] = 0.0  # phi is 0 throughout
    errors[0] += ROUNDING
    errors[1:] += ROUNDING * (1 + fine[3])
    return fine, errors


def _breaks(largest: float) -> np.ndarray:
    doublings = int(np.clip(np.ceil(np.log2(max(4 * _REACH * largest, 1.0))), 0, _DOUBLINGS))
    positive = 0.25 * 2.0 ** np.arange(doublings)
    return np.concatenate([-positive[::-1], positive])


@cache
def _uniform() -> np.ndarray:
    return np.arange(-_REACH, _REACH + 0.5)


@cache
def _rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(order)


def _chunk(integrand, breaks, scale):
    """Return the sums by the finer rule, and its difference from the coarser, for a few ``scale``."""
    with np.errstate(all="ignore"):
        edges = np.clip(np.asarray(breaks) / np.maximum(scale, 1e-300)[:, None], -_REACH, _REACH)
    edges = np.sort(np.concatenate([np.broadcast_to(_uniform(), (len(scale), len(_uniform()))), edges], axis=1))
    fine, coarse = (integrand(*_nodes(edges, order), scale[:, None]) for order in _ORDERS)
    with np.errstate(all="ignore"):
        return fine, np.abs(fine - coarse)


def _nodes(edges, order):
    """Return nodes and weights of N(0, 1) on panels, both (rows, nodes)."""
    nodes, weights = _rule(order)
    half = 0.5 * np.diff(edges)[..., None]
    z = (0.5 * (edges[:, 1:] + edges[:, :-1]))[..., None] + half * nodes
    weights = half * weights * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return z.reshape(len(edges), -1), weights.reshape(len(edges), -1)


def _sums(f, z, weights):
    size = np.abs(f).max(axis=1)  # keeps f^4 inside float64
    f = (f / np.where(size > 0, size, 1.0)[:, None]) ** 2
    weighted, z2 = weights * f, z * z
    g = weighted.sum(axis=1)
    he2 = (weighted * (z2 - 1)).sum(axis=1)
    he4 = (weighted * (z2 * (z2 - 6) + 3)).sum(axis=1)
    fourth = (weighted * f).sum(axis=1)
    safe = np.where(g > 0, g, 1.0)
    with np.errstate(over="ignore", under="ignore"):
        return np.stack([g * size * size, he2 / (2 * safe), he4 / (4 * safe), fourth / safe**2])


def values(phi, name: str, x: np.ndarray) -> np.ndarray:
    """Return phi(x), checked: one finite number for each number."""
    with np.errstate(all="ignore"):
        f = np.asarray(phi(x), dtype=np.float64)
    if f.shape != x.shape:
        raise ValueError(f"activation {name!r} turns shape {x.shape} into {f.shape}; it must give one number for each.")
    bad = ~np.isfinite(f)
    if bad.any():
        raise ValueError(
            f"activation {name!r} gives {f[bad][0]} at {x[bad][0]:g}; theory needs a finite number everywhere. "
            "Bound it there, or use smaller weights if the signal explodes."
        )
    return f


def _few_nodes(q):
    """Return (centres, half-width) of panels in ln q if interpolation there saves work, else None."""
    if len(q) <= _CHEBYSHEV:
        return None
    low, high = np.log(q.min()), np.log(q.max())
    panels = max(1, int(np.ceil((high - low) / 2)))
    if 2 * panels * _CHEBYSHEV > len(q):
        return None
    half = max((high - low) / (2 * panels), 1e-3)
    return low + half * (2 * np.arange(panels) + 1), half


def _interpolated(moments, q, centres, half):
    """Interpolate in t = ln q, panel by panel.

    The moments are analytic for |Im t| < pi/2, and no panel is longer than 2, so Chebyshev
    coefficients fall as 3.4^-k: 32 of them reach rounding.
    """
    points = np.polynomial.chebyshev.chebpts1(_CHEBYSHEV)
    at_nodes, node_errors = moments(np.exp(centres[:, None] + half * points).ravel())
    t = np.log(q)
    panel = np.clip(((t - centres[0] + half) / (2 * half)).astype(int), 0, len(centres) - 1)
    out, errors = np.empty((4, len(q))), np.empty((4, len(q)))
    for i, centre in enumerate(centres):
        mine, nodes = panel == i, slice(i * _CHEBYSHEV, (i + 1) * _CHEBYSHEV)
        sizes = np.array([max(np.abs(at_nodes[0, nodes]).max(), 1e-300), 1.0, 1.0, 1.0])
        known = (at_nodes[:, nodes] / sizes[:, None]).T
        coefficients = np.polynomial.chebyshev.chebfit(points, known, _CHEBYSHEV - 1)
        found = np.polynomial.chebyshev.chebval((t[mine] - centre) / half, coefficients)
        tail = 2 * np.abs(coefficients[-3:]).sum(axis=0)[:, None]
        tail = np.concatenate([tail[:1] / np.maximum(np.abs(found[:1]), 1e-300), np.repeat(tail[1:], mine.sum(), 1)])
        out[:, mine] = found * sizes[:, None]
        errors[:, mine] = tail + _LEBESGUE * node_errors[:, nodes].max(axis=1)[:, None]
    return out, errors
