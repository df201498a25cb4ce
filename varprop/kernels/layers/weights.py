"""Dense, weight by weight: every weight is drawn once and used for all signals; any weight law. The ground truth."""

import math

import numpy as np
from numba import njit
from numpy import float32, uint64

from .. import GROUP, LANES
from ..blocks import SQUARES, add_up, clear_rows, new_partial, squared_norms
from ..dense import ORTHOGONAL, orthonormal_rows, weights_of_four
from ..normal import normals
from ..options import CALLED, Direct
from ..streams import DENSE_BIAS, WEIGHTS, stream
from .dense import close_back, set_size

F = float32
S = LANES


@njit(**CALLED)
def add_weighted(weights, a, total):
    """Add four weights (GROUP,) times four units of each signal, (P4, GROUP), to ``total`` (P4, LANES)."""
    for p in range(total.shape[0]):
        for b in range(S):
            total[p, b] += (weights[b] * a[p, b] + weights[S + b] * a[p, S + b]) + (
                weights[2 * S + b] * a[p, 2 * S + b] + weights[3 * S + b] * a[p, 3 * S + b]
            )


@njit(**CALLED)
def add_transposed(weights, d, at, e):
    """Add four weights of one unit, (GROUP,), times that unit of ``d`` (P4, GROUP) to four units of ``e``."""
    for p in range(e.shape[0]):
        for k in range(4):
            for b in range(S):
                e[p, k * S + b] += weights[k * S + b] * d[p, at * S + b]


@njit(**CALLED)
def haar(key, network, purpose, width, fan_in, matrix, transposed, x, out, stop):
    """Set ``out`` to sqrt(N) U x, or with U transposed, for all signals; (groups, P4, GROUP), N = max(fans)."""
    larger, wide = max(fan_in, width), fan_in >= width
    u = matrix[: min(fan_in, width), :larger]
    for b in range(S):
        if stop[0]:
            return
        orthonormal_rows(u, key, network + uint64(b), purpose, stop)
        for i in range(fan_in if transposed else width):
            if stop[0]:
                return
            for p in range(out.shape[1]):
                total = 0.0
                for j in range(width if transposed else fan_in):
                    total += (u[i, j] if wide != transposed else u[j, i]) * x[j // 4, p, j % 4 * S + b]
                out[i // 4, p, i % 4 * S + b] = math.sqrt(float(larger)) * total


@Direct
def forward(key, first, node, law, width, fan_in, weight_variance, bias_variance, x, z, kept, stop):
    """Draw every weight between ``x`` and ``z``; ``law`` is the distribution's code. Else as `dense.forward`."""
    tiles, signals, rows = z.root.shape[0], z.root.shape[1], z.units.shape[2]
    fans = (fan_in + 3) // 4
    q, q_exponent, none = np.empty(S), np.empty(S), np.empty(S)
    weights, bias, total, size = (
        np.zeros(GROUP, F),
        np.zeros(GROUP, F),
        np.zeros((rows, S), F),
        np.zeros((signals, S), F),
    )
    side = max(width, fan_in) if law == ORTHOGONAL else 0
    matrix, partial = np.empty((side, side)), new_partial()
    for t in range(tiles):
        if stop[0]:
            return
        network = first + uint64(t * S)
        for p in range(signals):
            set_size(
                x.sums[SQUARES, t, p],
                x.root[t, p],
                x.exponent[t, p],
                weight_variance,
                bias_variance,
                q,
                q_exponent,
                none,
                kept.share[t, p],
            )
            for b in range(S):
                z.root[t, p, b], z.exponent[t, p, b] = math.sqrt(q[b]), 0.5 * q_exponent[b]
                size[p, b] = F(none[b])
        if law == ORTHOGONAL:
            haar(key, network, stream(node, WEIGHTS), width, fan_in, matrix, False, x.units[t], z.units[t], stop)
        for i in range(z.units.shape[1]):
            if stop[0]:
                return
            if bias_variance > 0.0:
                normals(bias, key, network, stream(node, DENSE_BIAS), uint64(i))
            for k in range(min(4, width - 4 * i)):
                if law == ORTHOGONAL:
                    for p in range(signals):
                        for b in range(S):
                            total[p, b] = z.units[t, i, p, k * S + b]
                else:
                    total[:] = F(0.0)
                    for h in range(fans):
                        index = uint64((4 * i + k) * fans + h)
                        weights_of_four(law, key, network, stream(node, WEIGHTS), index, weights)
                        add_weighted(weights, x.units[t, h], total)
                for p in range(signals):
                    for b in range(S):
                        own = F(math.sqrt(kept.share[t, p, b])) * bias[k * S + b]
                        z.units[t, i, p, k * S + b] = size[p, b] * total[p, b] + own
        if width % 4:
            clear_rows(z.units[t, z.units.shape[1] - 1], width % 4)
        add_up(t, z, partial)


@Direct
def backward(key, first, node, law, width, fan_in, weight_variance, d, e, stop):
    """Set ``e`` to W^T d, with the weights drawn once more; arguments as in `forward`."""
    tiles, signals = d.root.shape[0], d.root.shape[1]
    fans = (fan_in + 3) // 4
    square, weights = np.empty((signals, S)), np.zeros(GROUP, F)
    side = max(width, fan_in) if law == ORTHOGONAL else 0
    matrix = np.empty((side, side))
    for t in range(tiles):
        if stop[0]:
            return
        network = first + uint64(t * S)
        squared_norms(d.units[t], square)
        e.units[t] = F(0.0)
        if law == ORTHOGONAL:
            haar(key, network, stream(node, WEIGHTS), width, fan_in, matrix, True, d.units[t], e.units[t], stop)
        else:
            for i in range(d.units.shape[1]):
                if stop[0]:
                    return
                for k in range(min(4, width - 4 * i)):
                    for h in range(fans):
                        index = uint64((4 * i + k) * fans + h)
                        weights_of_four(law, key, network, stream(node, WEIGHTS), index, weights)
                        add_transposed(weights, d.units[t, i], k, e.units[t, h])
        if fan_in % 4:
            clear_rows(e.units[t, e.units.shape[1] - 1], fan_in % 4)
        for p in range(signals):
            for b in range(S):
                square[p, b] = 1.0
            close_back(square[p], weight_variance, d.root[t, p], d.exponent[t, p], e.root[t, p], e.exponent[t, p])
