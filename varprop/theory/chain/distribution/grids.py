"""Laws on a uniform grid, exact for smooth functions: masses that a point leaves on the nodes around it.

A point's unit mass is shared among the nearest ``TAPS`` nodes by Lagrange's weights, some of them negative,
so that every polynomial below that degree has the expectation it should. Such masses are no histogram; but
whatever is smooth over a few nodes is integrated as if by the law itself.
"""

import math

import numpy as np
import scipy

from . import tuning


def cardinals(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights, both (TAPS, len(points)), of ``points`` given in units of the step.

    The weights are Lagrange's basis polynomials of the TAPS nodes around each point.
    """
    taps, base = tuning.TAPS, np.floor(points)
    u = points - base + taps // 2 - 1  # place among nodes 0 ... taps - 1
    offsets = np.arange(taps)[:, None]
    away = u - offsets
    # products of all other distances, from both ends: no division, so a point may lie on a node
    before, after = np.ones_like(away), np.ones_like(away)
    np.cumprod(away[:-1], axis=0, out=before[1:])
    after[:-1] = np.cumprod(away[:0:-1], axis=0)[::-1]
    scale = [(-1) ** (taps - 1 - k) / (math.factorial(k) * math.factorial(taps - 1 - k)) for k in range(taps)]
    nodes = base.astype(np.int64) + offsets - (taps // 2 - 1)
    return nodes, before * after * np.array(scale)[:, None]


def sharing(nodes: np.ndarray, weights: np.ndarray, count: int) -> "scipy.sparse.csr_array":
    """Return the matrix (``count``, points) that turns points' masses into those of the nodes."""
    columns = np.broadcast_to(np.arange(nodes.shape[1]), nodes.shape)
    return scipy.sparse.coo_array((weights.ravel(), (nodes.ravel(), columns.ravel())), (count, nodes.shape[1])).tocsr()
