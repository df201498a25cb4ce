"""The dense sampler: draws every weight of every network. The ground truth, for any weight law.

Weights are made and used in registers, never stored. It shares with the conditional sampler the
random bits and the bookkeeping of a layer, but no theorem: W a is summed weight by weight.
"""

import numpy as np
from numba import njit
from numpy import float32, float64, uint64

from . import GROUP, LANES
from .activations import activate
from .layer import FLUSH, add_moments, bias_share, clear_tail, close_layer, flush, set_q, set_scale
from .normal import normal_pair, normals, truncated_normal, uniform
from .options import CALLED, INLINE, cached
from .philox import HALF, draw
from .streams import DENSE_BIAS, DENSE_INPUT, DENSE_ROW, WEIGHTS, stream

F = float32
NORMAL, UNIFORM, TRUNCATED_NORMAL, ORTHOGONAL = range(4)


@njit(**CALLED)
def weighted_sum(distribution, key, network, weights, first, groups, a, out):
    """Set ``out`` (LANES,) to the sum of w_j a_j with weights of variance 1, drawn four at a time."""
    out[:] = F(0.0)
    if distribution == NORMAL:
        for g in range(groups):
            for b in range(LANES):
                u0, u1, u2, u3 = draw(key, network + uint64(b), weights, uint64(first + g))
                w0, w1 = normal_pair(u0, u1)
                w2, w3 = normal_pair(u2, u3)
                out[b] += (w0 * a[g, b] + w1 * a[g, LANES + b]) + (w2 * a[g, 2 * LANES + b] + w3 * a[g, 3 * LANES + b])
    elif distribution == UNIFORM:
        for g in range(groups):
            for b in range(LANES):
                u0, u1, u2, u3 = draw(key, network + uint64(b), weights, uint64(first + g))
                out[b] += (uniform(u0) * a[g, b] + uniform(u1) * a[g, LANES + b]) + (
                    uniform(u2) * a[g, 2 * LANES + b] + uniform(u3) * a[g, 3 * LANES + b]
                )
    else:
        for g in range(groups):
            for b in range(LANES):
                u0, u1, u2, u3 = draw(key, network + uint64(b), weights, uint64(first + g))
                out[b] += (truncated_normal(u0) * a[g, b] + truncated_normal(u1) * a[g, LANES + b]) + (
                    truncated_normal(u2) * a[g, 2 * LANES + b] + truncated_normal(u3) * a[g, 3 * LANES + b]
                )


@njit(**INLINE)
def orthonormal_rows(matrix, key, network, weights):
    """Fill ``matrix`` (m, n), m <= n, with Haar-distributed orthonormal rows.

    Gram and Schmidt on Gaussian rows, each projected twice, which keeps them orthogonal to rounding.
    """
    m, n = matrix.shape
    groups = (n + 3) // 4
    for i in range(m):
        for g in range(groups):
            u0, u1, u2, u3 = draw(key, network, weights, uint64(i * groups + g))
            pairs = (normal_pair(u0, u1), normal_pair(u2, u3))
            for k in range(min(4, n - 4 * g)):
                matrix[i, 4 * g + k] = pairs[k // 2][k % 2]
        for _ in range(2):
            for r in range(i):
                overlap = 0.0
                for c in range(n):
                    overlap += matrix[i, c] * matrix[r, c]
                for c in range(n):
                    matrix[i, c] -= overlap * matrix[r, c]
        norm = 0.0
        for c in range(n):
            norm += matrix[i, c] * matrix[i, c]
        for c in range(n):
            matrix[i, c] /= np.sqrt(norm)


@njit(**CALLED)
def orthogonal_products(layer, key, network, weights, matrix, a, products, stop):
    """Set ``products`` (groups, GROUP) to sqrt(N) U a for a Haar-distributed U, N = max(fans)."""
    wide = layer.fan_in >= layer.fan_out
    larger = max(layer.fan_in, layer.fan_out)
    u = matrix[: min(layer.fan_in, layer.fan_out), :larger]
    for b in range(LANES):
        if stop[0]:
            return
        orthonormal_rows(u, key, network + uint64(b), weights)
        for i in range(layer.fan_out):
            total = 0.0
            for j in range(layer.fan_in):
                total += (u[i, j] if wide else u[j, i]) * a[j // 4, j % 4 * LANES + b]
            products[i // 4, i % 4 * LANES + b] = np.sqrt(float64(larger)) * total


@njit(**CALLED)
def set_input(key, network, width, rows, norms, a, power, length):
    """Set the input ``a`` and |x|^2; ``rows`` are unit vectors in float32, ``norms`` their |x|^2."""
    if norms.size == 0:
        length[:] = 0.0
        for i in range((width + 3) // 4):
            normals(a[i], key, network, stream(0, DENSE_INPUT), uint64(i))
            if 4 * i + 4 > width:
                clear_tail(width - 4 * i, a[i], a[i])
            for k in range(4):
                for b in range(LANES):
                    length[b] += a[i, k * LANES + b] * a[i, k * LANES + b]
        power[:] = length
    else:
        for b in range(LANES):
            word = draw(key, network + uint64(b), stream(0, DENSE_ROW), uint64(0))[0]
            r = (word * uint64(norms.size)) >> HALF
            for j in range(width):
                a[j // 4, j % 4 * LANES + b] = rows[r, j]
            power[b] = norms[r]
            length[b] = 1.0 if norms[r] > 0.0 else 0.0
        if width % 4:
            a[width // 4, width % 4 * LANES :] = F(0.0)


@njit(**INLINE)
def set_coefficients(layer, q, q_exponent, length, weight_root, bias_root):
    """Set the factors of W a and of b that make zeta = z / sqrt(Q)."""
    for b in range(LANES):
        share = bias_share(layer.bias_variance, q[b], q_exponent[b])
        weight_root[b] = np.sqrt((1.0 - share) / length[b]) if length[b] > 0.0 else 0.0
        bias_root[b] = np.sqrt(share)


@cached
def dense(key, first, layers, rows, norms, records, stop):
    """Sample networks ``first`` and on, weight by weight; arguments as in `conditional.conditional`.

    ``rows`` (rows, n_0) and ``norms`` (rows,) are the data, empty for x ~ N(0, I).
    """
    groups = (max(layers.fan_in.max(), layers.fan_out.max()) + 3) // 4
    a, after = np.zeros((groups, GROUP), F), np.zeros((groups, GROUP), F)
    zeta, bias, scale, reference = np.zeros(GROUP, F), np.zeros(GROUP, F), np.empty(GROUP, F), np.empty(GROUP)
    total, sums, partial = np.empty(LANES, F), np.empty((3, LANES)), np.zeros((3, LANES), F)
    side = 4 * groups if layers.orthogonal.any() else 0
    matrix, products = np.empty((side, side)), np.zeros((side // 4, GROUP), F)
    # one by one: the rows of a matrix are arrays of unknown stride to numba, and loops over them stay scalar
    power, power_exponent, q, q_exponent = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    carry, length, weight_root, bias_root = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_input(key, network, layers[0].fan_in, rows, norms, a, power, length)
        power_exponent[:] = 0.0
        for j in range(layers.size):
            layer, l = layers[j], j + 1
            fan_groups, weights = (layer.fan_in + 3) // 4, stream(l, WEIGHTS)
            set_q(layer.weight_variance, layer.bias_variance, power, power_exponent, q, q_exponent)
            set_scale(layer, q, q_exponent, scale, reference, carry, power_exponent)
            set_coefficients(layer, q, q_exponent, length, weight_root, bias_root)
            if layer.orthogonal:
                orthogonal_products(layer, key, network, weights, matrix, a, products, stop)
            sums[:] = 0.0
            for i in range((layer.fan_out + 3) // 4):
                if stop[0]:
                    return
                if layer.bias_variance > 0.0:
                    normals(bias, key, network, stream(l, DENSE_BIAS), uint64(i))
                for k in range(min(4, layer.fan_out - 4 * i)):
                    if layer.orthogonal:
                        total[:] = products[i, k * LANES : (k + 1) * LANES]
                    else:
                        weighted_sum(
                            layer.distribution, key, network, weights, (4 * i + k) * fan_groups, fan_groups, a, total
                        )
                    for b in range(LANES):
                        zeta[k * LANES + b] = weight_root[b] * total[b] + bias_root[b] * bias[k * LANES + b]
                activate(layer.code, layer.slope, scale, reference, zeta, after[i])
                if 4 * i + 4 > layer.fan_out:
                    clear_tail(layer.fan_out - 4 * i, zeta, after[i])
                add_moments(zeta, after[i], partial)
                if i % FLUSH == FLUSH - 1:
                    flush(partial, sums)
            flush(partial, sums)
            length[:] = sums[2]
            close_layer(layer.fan_out, q, q_exponent, carry, power, power_exponent, sums, records[tile, j])
            a, after = after, a
