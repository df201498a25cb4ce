"""The dense sampler: draws every weight of every network. The ground truth, for any weight law.

Weights are made and used in registers, never stored. It shares with the conditional sampler the
random bits and the bookkeeping of a layer, but no theorem: W a is summed weight by weight.
"""

import numpy as np
from numba import njit
from numpy import float32, float64, uint64

from . import GROUP, LANES
from .activations import activate
from .far import find_faint, lift_group, open_lifted, raise_top
from .layer import (
    FLUSH,
    LANES_TYPE,
    LAYER_TYPE,
    UNITS_TYPE,
    add_moments,
    call_powers,
    clear_tail,
    close_layer,
    flush,
    new_lanes,
    set_q,
    set_scale,
)
from .normal import normal_pair, normals, truncated_normal, uniform
from .options import ALLOCATING, CALLED, COPIED, INLINE, sampler
from .own import call_block
from .philox import HALF, draw
from .separate import caller, separate
from .streams import DENSE_BIAS, DENSE_INPUT, DENSE_ROW, LOW_BITS, WEIGHTS, stream

F = float32
NORMAL, UNIFORM, TRUNCATED_NORMAL, ORTHOGONAL = range(4)  # a law of one's own has the code of its `own.Block`
HALF_BITS, SMALLEST = uint64(0x7FFFFFFF), 2.0**-65


@njit(**INLINE)
def two_sided(high, low):
    """Return the distance from an end of (0, 1) of a number uniform there, made of two words; negative if that is 1.

    From 2^-65 to 1/2, with 53 bits: no end of a tail is cut where weights are drawn.
    """
    v = (float64((uint64(high & HALF_BITS) << HALF) | low) * 2.0 + 1.0) * SMALLEST
    return v if high <= HALF_BITS else -v


@njit(**ALLOCATING)
def own_weights(code, key, network, weights, index, out):
    """Set ``out`` (GROUP,) as `weights_of_four` does, by a quantile function of the caller's own."""
    x, y = np.empty(GROUP), np.empty(GROUP)
    low = weights + uint64(LOW_BITS - WEIGHTS)
    for b in range(LANES):
        h0, h1, h2, h3 = draw(key, network + uint64(b), weights, index)
        l0, l1, l2, l3 = draw(key, network + uint64(b), low, index)
        x[b], x[LANES + b] = two_sided(h0, l0), two_sided(h1, l1)
        x[2 * LANES + b], x[3 * LANES + b] = two_sided(h2, l2), two_sided(h3, l3)
    call_block(code, x, y)
    for b in range(GROUP):
        out[b] = F(y[b])


@njit(**ALLOCATING)
def own_sum(code, key, network, weights, first, groups, a, out):
    """Set ``out`` as `weighted_sum` does, by a quantile function of the caller's own."""
    w = np.empty(GROUP, F)
    for g in range(groups):
        own_weights(code, key, network, weights, uint64(first + g), w)
        for b in range(LANES):
            out[b] += (w[b] * a[g, b] + w[LANES + b] * a[g, LANES + b]) + (
                w[2 * LANES + b] * a[g, 2 * LANES + b] + w[3 * LANES + b] * a[g, 3 * LANES + b]
            )


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
    elif distribution < 0:
        own_sum(distribution, key, network, weights, first, groups, a, out)
    else:
        for g in range(groups):
            for b in range(LANES):
                u0, u1, u2, u3 = draw(key, network + uint64(b), weights, uint64(first + g))
                out[b] += (truncated_normal(u0) * a[g, b] + truncated_normal(u1) * a[g, LANES + b]) + (
                    truncated_normal(u2) * a[g, 2 * LANES + b] + truncated_normal(u3) * a[g, 3 * LANES + b]
                )


@njit(**CALLED)
def weights_of_four(distribution, key, network, weights, index, out):
    """Set ``out`` (GROUP,) to draw ``index`` of the weights: four of variance 1 in each lane."""
    if distribution == NORMAL:
        normals(out, key, network, weights, index)
    elif distribution == UNIFORM:
        for b in range(LANES):
            words = draw(key, network + uint64(b), weights, index)
            out[b], out[LANES + b] = uniform(words[0]), uniform(words[1])
            out[2 * LANES + b], out[3 * LANES + b] = uniform(words[2]), uniform(words[3])
    elif distribution < 0:
        own_weights(distribution, key, network, weights, index, out)
    else:
        for b in range(LANES):
            words = draw(key, network + uint64(b), weights, index)
            out[b], out[LANES + b] = truncated_normal(words[0]), truncated_normal(words[1])
            out[2 * LANES + b], out[3 * LANES + b] = truncated_normal(words[2]), truncated_normal(words[3])


@njit(**COPIED)
def orthonormal_rows(matrix, key, network, weights, stop):
    """Fill ``matrix`` (m, n), m <= n, with Haar-distributed orthonormal rows.

    Gram and Schmidt on Gaussian rows, each projected twice, which keeps them orthogonal to rounding.
    """
    m, n = matrix.shape
    groups = (n + 3) // 4
    for i in range(m):
        if stop[0]:
            break
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
def orthogonal_products(layer, transposed, key, network, weights, matrix, a, products, stop):
    """Set ``products`` (groups, GROUP) to sqrt(N) U a, or with U transposed; U is Haar-distributed, N = max(fans)."""
    wide = layer.fan_in >= layer.fan_out
    larger = max(layer.fan_in, layer.fan_out)
    u = matrix[: min(layer.fan_in, layer.fan_out), :larger]
    for b in range(LANES):
        if stop[0]:
            return
        orthonormal_rows(u, key, network + uint64(b), weights, stop)
        for i in range(layer.fan_in if transposed else layer.fan_out):
            if stop[0]:
                return
            total = 0.0
            for j in range(layer.fan_out if transposed else layer.fan_in):
                total += (u[i, j] if wide != transposed else u[j, i]) * a[j // 4, j % 4 * LANES + b]
            products[i // 4, i % 4 * LANES + b] = np.sqrt(float64(larger)) * total


@njit(**CALLED)
def set_input(key, network, width, rows, norms, a, lanes):
    """Set the input ``a`` and |x|^2; ``rows`` are unit vectors in float32, ``norms`` their |x|^2."""
    power, norm = lanes.power, lanes.norm
    lanes.power_exponent[:] = 0.0
    if norms.size == 0:
        norm[:] = 0.0
        for i in range((width + 3) // 4):
            normals(a[i], key, network, stream(0, DENSE_INPUT), uint64(i))
            if 4 * i + 4 > width:
                clear_tail(width - 4 * i, a[i], a[i])
            for k in range(4):
                for b in range(LANES):
                    norm[b] += a[i, k * LANES + b] * a[i, k * LANES + b]
        for b in range(LANES):
            power[b] = norm[b]
    else:
        for b in range(LANES):
            word = draw(key, network + uint64(b), stream(0, DENSE_ROW), uint64(0))[0]
            r = (word * uint64(norms.size)) >> HALF
            for j in range(width):
                a[j // 4, j % 4 * LANES + b] = rows[r, j]
            power[b] = norms[r]
            norm[b] = 1.0 if norms[r] > 0.0 else 0.0
        if width % 4:
            a[width // 4, width % 4 * LANES :] = F(0.0)


@njit(**COPIED)
def set_coefficients(lanes):
    """Set the factors of W a and of b that make zeta = z / sqrt(Q)."""
    for b in range(LANES):
        norm = lanes.norm[b]
        lanes.weight_root[b] = np.sqrt((1.0 - lanes.share[b]) / norm) if norm > 0.0 else 0.0
        lanes.bias_root[b] = np.sqrt(lanes.share[b])


_LIFT = (LAYER_TYPE, LANES_TYPE, UNITS_TYPE, UNITS_TYPE)
call_lift = caller(_LIFT)


@separate(_LIFT)
def lift_kept(layer, lanes, zeta, a):
    """Hold in lifted units what is too faint for float32; see `far`."""
    groups, norm = (layer.fan_out + 3) // 4, lanes.sums[2]
    for i in range(groups):
        raise_top(layer.code, layer.fan_out - 4 * i, lanes, zeta[i], a[i])
    open_lifted(norm, lanes)
    for i in range(groups):
        lift_group(layer.code, layer.fan_out - 4 * i, lanes, zeta[i], a[i], norm)


@njit(**COPIED)
def dense_layer(l, layer, key, network, below, lanes, zeta, a, record, work, stop):
    """Pass layer ``l``: draw its weights and biases, apply phi, write its record.

    ``below`` holds the activations below it; ``zeta`` and ``a`` have shape (groups, GROUP); ``work`` is the place for
    an orthogonal matrix and its products.
    """
    fan_groups, weights, matrix, products, total = (layer.fan_in + 3) // 4, stream(l, WEIGHTS), *work
    set_q(layer.weight_variance, layer.bias_variance, lanes)
    set_scale(layer, lanes)
    set_coefficients(lanes)
    if layer.orthogonal:
        orthogonal_products(layer, False, key, network, weights, matrix, below, products, stop)
    lanes.sums[:] = 0.0
    for i in range((layer.fan_out + 3) // 4):
        if stop[0]:
            return
        zeta_i = zeta[i]
        if layer.bias_variance > 0.0:
            normals(lanes.noise, key, network, stream(l, DENSE_BIAS), uint64(i))
        for k in range(min(4, layer.fan_out - 4 * i)):
            if layer.orthogonal:
                for b in range(LANES):
                    total[b] = products[i, k * LANES + b]
            else:
                first = (4 * i + k) * fan_groups
                weighted_sum(layer.distribution, key, network, weights, first, fan_groups, below, total)
            for b in range(LANES):
                at = k * LANES + b
                zeta_i[at] = lanes.weight_root[b] * total[b] + lanes.bias_root[b] * lanes.noise[at]
        activate(layer, lanes.scale, lanes.reference, zeta_i, a[i])
        if 4 * i + 4 > layer.fan_out:
            clear_tail(layer.fan_out - 4 * i, zeta_i, a[i])
        add_moments(zeta_i, a[i], lanes.partial)
        if i % FLUSH == FLUSH - 1:
            flush(lanes.partial, lanes.sums)
    flush(lanes.partial, lanes.sums)
    if not layer.homogeneous and find_faint(lanes.sums[2], lanes.scale, lanes.lift, lanes.top):
        call_lift(layer.lift, layer, lanes, zeta, a)
    close_layer(layer.fan_out, lanes, record)
    if layer.powers != 0:
        call_powers(layer.powers, layer, lanes, zeta, record)


def new_work(layers) -> tuple:
    """Return the work space of `dense_layer`: an orthogonal matrix, its products, one unit of each lane."""
    groups = (max(layers.fan_in.max(), layers.fan_out.max()) + 3) // 4
    side = 4 * groups if layers.orthogonal.any() else 0
    return np.empty((side, side)), np.zeros((side // 4, GROUP), F), np.empty(LANES, F)


def dense_room(layers) -> tuple:
    """Return what `dense` works in."""
    groups = (max(layers.fan_in.max(), layers.fan_out.max()) + 3) // 4
    below, a, zeta = np.zeros((groups, GROUP), F), np.zeros((groups, GROUP), F), np.zeros((groups, GROUP), F)
    return new_lanes(), new_work(layers), below, a, zeta


@sampler
def dense(key, first, layers, rows, norms, room, records, stop):
    """Sample networks ``first`` and on, weight by weight; arguments as in `conditional.conditional`.

    ``rows`` (rows, n_0) and ``norms`` (rows,) are the data, empty for x ~ N(0, I).
    """
    lanes, work, below, a, zeta = room
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_input(key, network, layers[0].fan_in, rows, norms, below, lanes)
        for j in range(layers.size):
            dense_layer(j + 1, layers[j], key, network, below, lanes, zeta, a, records[tile, j], work, stop)
            if stop[0]:
                return
            below, a = a, below
