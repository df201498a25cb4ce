"""Gaussian expectations of functions of phi, uniformly accurate for any variance.

They are sums over `panels` that break where phi has its `features`; a second rule of lower order on the same panels
gives the error. Where phi does more than panels can follow, as a wave far from 0, they are sums over random points,
and the error is eight standard errors.
"""

from functools import cache

import numpy as np
import scipy

from .features import Features
from .panels import REACH, ROUNDING, panel_nodes, panels

_ORDERS = (16, 11)  # an odd one has a node mid-panel, so that the two do not overlook the same jump
FARTHEST = 36.0  # standard deviations: some farther the density is beyond float64
_CHEBYSHEV = 32
_LEBESGUE = 3.5  # how much interpolation at 32 Chebyshev points may amplify an error
_GROUPS, _STRATA = 16, 1024  # of random points, one in each stratum
_WIDE = 1.5  # their standard deviation: moments up to the eighth power see the tails


def moments(phi, name: str, look: Features, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return four moments of f = phi(sqrt(q) Z)^2 and bounds on their errors, both (4, len(q)).

    The moments are g = E f, its logarithmic slope E[f He2] / 2g = q g'/g, its curvature
    E[f He4] / 4g = q^2 g''/g and E f^2 / g^2. No derivative of phi is needed. The first error is
    relative, the others are absolute; infinite where what counts lies too far from 0 to be seen.

    Raises ValueError if phi gives NaN or infinity.
    """

    def direct(q):
        return _direct(phi, name, look, q)

    zero = q == 0
    if len(q) > 1 and zero.any():
        found, errors = np.empty((4, len(q))), np.empty((4, len(q)))
        for mask, some in ((zero, np.zeros(1)), (~zero, q[~zero])):
            found[:, mask], errors[:, mask] = moments(phi, name, look, some) if len(some) else (0, 0)
        return found, errors
    stretches = _stretches(q)
    return direct(q) if stretches is None else _interpolated(direct, q, *stretches)


def integrals(integrand, looks: tuple[Features, ...], q: np.ndarray, reach=REACH) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted sums over Z ~ N(0, 1) and bounds on their errors but for rounding, both (k, len(q)).

    Parameters
    ----------
    integrand
        ``integrand(z, weights, scale)`` gives k sums for each q from the nodes z, their weights, which hold the
        density, and scale = sqrt(q); the shapes are (rows, nodes), the same, and (rows, 1).
    looks
        The features of all functions that are in it.
    q
        Variances, shape (rows,).
    reach
        Beyond it, in standard deviations, the integrand counts as 0.
    """
    order = np.argsort(q, kind="stable")
    scale = np.sqrt(q[order])

    def breaks(x):
        return looks[0].within(x) if len(looks) == 1 else np.unique(np.concatenate([look.within(x) for look in looks]))

    clear = np.searchsorted(scale, min(look.follow(reach * scale[-1]) for look in looks) / reach, side="right")
    parts = []
    for rows, edges in panels(breaks, scale[:clear], _ORDERS, reach):
        fine, coarse = (integrand(*panel_nodes(edges, order), scale[rows, None]) for order in _ORDERS)
        with np.errstate(all="ignore"):
            parts.append((fine, np.abs(fine - coarse)))
    parts += [_sampled(integrand, one) for one in scale[clear:]]
    found, error = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    back = np.argsort(order, kind="stable")
    return found[:, back], error[:, back]


def _sampled(integrand, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return means of sums over groups of random points, and eight times their standard errors."""
    with np.errstate(all="ignore"):
        groups = integrand(*_points(), np.full((_GROUPS, 1), scale))
        error = 8 / np.sqrt(_GROUPS) * groups.std(axis=1, ddof=1, keepdims=True)
        return groups.mean(axis=1, keepdims=True), error


@cache
def _points() -> tuple[np.ndarray, np.ndarray]:
    """Return points, as many groups of them, and their weights for N(0, 1)."""
    chance = np.random.default_rng(1).random((_GROUPS, _STRATA))
    x = scipy.special.ndtri((np.arange(_STRATA) + chance) / _STRATA)
    return _WIDE * x, _WIDE * np.exp(-0.5 * (_WIDE**2 - 1) * x * x) / _STRATA


def _direct(phi, name, look: Features, q, reach=REACH):
    def sums(z, weights, scale):
        return _sums(values(phi, name, scale * z), z, weights)

    fine, errors = integrals(sums, (look,), q, reach)
    with np.errstate(all="ignore"):
        errors[0] /= fine[0]
    errors[~np.isfinite(errors)] = 0.0  # phi is 0 throughout
    noise = ROUNDING + 4 * look.noise(reach * np.sqrt(q))
    errors[0] += noise
    errors[1:] += noise * (1 + fine[3])
    cut = _cut(phi, np.sqrt(q), fine, reach)
    errors[cut] = np.inf
    farther = reach + REACH
    if cut.any() and farther <= FARTHEST:
        more = cut.any(axis=0) & np.isfinite(size_at(phi, farther * np.sqrt(q)))
        if more.any():
            fine[:, more], errors[:, more] = _direct(phi, name, look, q[more], farther)
    return fine, errors


def _cut(phi, scale, found, reach):
    """Return whether each moment's integrand still counts at ``reach``, as where phi grows exponentially."""
    density = np.exp(-0.5 * reach**2) / np.sqrt(2 * np.pi)
    with np.errstate(all="ignore"):
        f = (size_at(phi, reach * scale) / np.sqrt(found[0])) ** 2
        edge = density * np.stack([f, f * reach**2, f * reach**4, f * f])
        return edge > ROUNDING * np.stack([np.ones_like(f), *[1 + found[3]] * 3])


def size_at(phi, x: np.ndarray) -> np.ndarray:
    """Return the larger of |phi(x)| and |phi(-x)|, infinity where one is not a number."""
    with np.errstate(all="ignore"):
        size = np.abs([phi(x), phi(-x)]).max(axis=0)
    return np.where(np.isnan(size), np.inf, size)


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
        return np.stack([g * size * size, he2 / (2 * safe), he4 / (4 * safe), fourth / safe / safe])


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


def _stretches(q):
    """Return (centres, half-width) of stretches of ln q if interpolation there saves work, else None."""
    if len(q) <= _CHEBYSHEV:
        return None
    low, high = np.log(q.min()), np.log(q.max())
    count = max(1, int(np.ceil((high - low) / 2)))
    if 2 * count * _CHEBYSHEV > len(q):
        return None
    half = max((high - low) / (2 * count), 1e-3)
    return low + half * (2 * np.arange(count) + 1), half


def _interpolated(moments, q, centres, half):
    """Interpolate in t = ln q, stretch by stretch.

    The moments are analytic for |Im t| < pi/2, and no stretch is longer than 2, so Chebyshev
    coefficients fall as 3.4^-k: 32 of them reach rounding.
    """
    points = np.polynomial.chebyshev.chebpts1(_CHEBYSHEV)
    at_nodes, node_errors = moments(np.exp(centres[:, None] + half * points).ravel())
    t = np.log(q)
    stretch = np.clip(((t - centres[0] + half) / (2 * half)).astype(int), 0, len(centres) - 1)
    out, errors = np.empty((4, len(q))), np.empty((4, len(q)))
    for i, centre in enumerate(centres):
        mine, block = stretch == i, slice(i * _CHEBYSHEV, (i + 1) * _CHEBYSHEV)
        if not np.isfinite(at_nodes[:, block]).all():  # some node is beyond float64, though no q may be
            out[:, mine], errors[:, mine] = moments(q[mine])
            continue
        sizes = np.array([max(np.abs(at_nodes[0, block]).max(), 1e-300), 1.0, 1.0, 1.0])
        known = (at_nodes[:, block] / sizes[:, None]).T
        coefficients = np.polynomial.chebyshev.chebfit(points, known, _CHEBYSHEV - 1)
        found = np.polynomial.chebyshev.chebval((t[mine] - centre) / half, coefficients)
        tail = 2 * np.abs(coefficients[-3:]).sum(axis=0)[:, None]
        tail = np.concatenate([tail[:1] / np.maximum(np.abs(found[:1]), 1e-300), np.repeat(tail[1:], mine.sum(), 1)])
        worst = _LEBESGUE * node_errors[:, block].max(axis=1)[:, None]
        out[:, mine], errors[:, mine] = found * sizes[:, None], tail + worst
        poor = np.flatnonzero(mine)[tail[0] > 1e-9 + worst[0]]  # as where phi grows exponentially
        if len(poor):
            out[:, poor], errors[:, poor] = moments(q[poor])
    return out, errors
