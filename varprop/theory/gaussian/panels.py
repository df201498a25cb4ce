"""Panels of Gauss-Legendre nodes for the normal density, short on its scale and on that of phi.

With x = sqrt(q) Z an integrand phi(x)^2 pdf(Z) has two scales: 1 in Z, of the density, and about 1 in x, of
phi. Panels break on a uniform grid in Z and on a doubling grid in x, so every panel is short on both,
whatever q; they break too where phi has kinks.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

REACH = 12.0  # the density beyond is 1e-31 of its peak
ROUNDING = 64 * np.finfo(float).eps  # of a sum over panels, to its largest terms
_DOUBLINGS = 60  # beyond x = 2^58 phi is a power of x to rounding
_CHUNK = 1 << 18  # integrand values held at a time
_MANY = 64  # breaks


@cache
def rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss and Legendre's nodes and weights on [-1, 1]."""
    return np.polynomial.legendre.leggauss(order)


def panel_nodes(edges: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes, and weights that hold the density of N(0, 1), on the panels of each row of ``edges``."""
    points, weights = rule(order)
    half = 0.5 * np.diff(edges)[..., None]
    z = (0.5 * (edges[:, 1:] + edges[:, :-1]))[..., None] + half * points
    weights = half * weights * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return z.reshape(len(edges), -1), weights.reshape(len(edges), -1)


def doubling(count: int) -> np.ndarray:
    """Return the doubling grid +-1/4, +-1/2, ..., ``count`` points on either side of 0."""
    positive = 0.25 * 2.0 ** np.arange(count)
    return np.concatenate([-positive[::-1], positive])


def panels(breaks, scale: np.ndarray, orders: tuple[int, ...], reach=REACH) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield a slice of ``scale`` = sqrt(q), ascending, and the edges of its panels in Z, one row for each.

    As many rows at a time as fit into memory with rules of all these ``orders``. Panels end ``reach`` from 0, a whole
    number. ``breaks(x)`` gives those in phi's own variable up to x, beside the doubling grid.
    """
    uniform, i = np.arange(-reach, reach + 0.5), 0
    while i < len(scale):
        stop = len(scale)
        if len(breaks(reach * scale[-1])) > _MANY:  # of which the smaller scales meet few
            stop = np.searchsorted(scale, 2 * scale[i], side="right")
        own = breaks(reach * scale[stop - 1])
        count = np.ceil(np.log2(max(4 * reach * scale[stop - 1], 1.0)))
        own = np.concatenate([doubling(int(min(count, _DOUBLINGS))), own])
        rows = slice(i, min(stop, i + max(1, _CHUNK // ((len(uniform) + len(own)) * sum(orders)))))
        with np.errstate(all="ignore"):
            edges = np.clip(own / np.maximum(scale[rows], 1e-300)[:, None], -reach, reach)
        yield rows, np.sort(np.concatenate([np.tile(uniform, (len(edges), 1)), edges], axis=1))
        i = rows.stop
