"""Two inputs through the same networks, sampled conditionally and densely.

Given both activations below, the pairs (z_i, z_i') of a layer are independent and Gaussian, with covariance
Var(W) Gram(a, a') + sigma_b^2: for Gaussian weights two draws a unit replace its weights.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64, uint64

from . import GROUP, LANES
from .activations import activate
from .dense import new_work, orthogonal_products, set_coefficients, weights_of_four
from .layer import FLUSH, add_moments, clear_tail, flush, new_lanes, set_q, set_scale
from .normal import normals
from .options import CALLED, INLINE, cached
from .streams import CONDITIONAL, DENSE_BIAS, DENSE_INPUT, DENSE_PARTNER, INPUT, PARTNER, WEIGHTS, stream

F = float32

# Fields of the records: q-hat of either input, the mean of z z' (times 2^ half of both exponents), exponents.
FIRST, SECOND, PRODUCT, FIRST_EXPONENT, SECOND_EXPONENT = range(5)


@njit(**INLINE)
def correlated(c, x, y):
    """Return c x + sqrt(1 - c^2) y."""
    return F(c) * x + F(math.sqrt(max(0.0, (1.0 - c) * (1.0 + c)))) * y


@njit(**INLINE)
def set_correlation(lanes, other, cosine, correlation):
    """Set the correlation of z and z' from the cosine of a and a', and the biases, which are the same."""
    for b in range(LANES):
        first, second = lanes.share[b], other.share[b]
        correlation[b] = math.sqrt((1.0 - first) * (1.0 - second)) * cosine[b] + math.sqrt(first * second)


@njit(**INLINE)
def add_products(zeta, zeta2, a, a2, partial):
    """Add zeta zeta' and a a' of a group of four units to ``partial`` (3, LANES), float32."""
    for k in range(4):
        for b in range(LANES):
            partial[0, b] += zeta[k * LANES + b] * zeta2[k * LANES + b]
            partial[1, b] += a[k * LANES + b] * a2[k * LANES + b]


@njit(**CALLED)
def add_units(layer, i, lanes, other, zeta, zeta2, a, a2, products):
    """Apply phi to a group of four units of both inputs and add what the layer's record needs."""
    activate(layer.code, layer.slope, lanes.scale, lanes.reference, zeta, a)
    activate(layer.code, layer.slope, other.scale, other.reference, zeta2, a2)
    if 4 * i + 4 > layer.fan_out:
        clear_tail(layer.fan_out - 4 * i, zeta, a)
        clear_tail(layer.fan_out - 4 * i, zeta2, a2)
    add_moments(zeta, a, lanes.partial)
    add_moments(zeta2, a2, other.partial)
    add_products(zeta, zeta2, a, a2, products)


@njit(**CALLED)
def close_pair(width, lanes, other, products, cosine, record):
    """Write one layer's ``record`` and set |a|^2 of both inputs and the cosine of their angle."""
    share = 1.0 / width
    for lane in (lanes, other):
        for b in range(LANES):
            lane.norm[b] = lane.sums[2, b]
            lane.power[b] = lane.carry[b] * lane.norm[b]
    for b in range(LANES):
        record[FIRST, b] = lanes.q[b] * lanes.sums[0, b] * share
        record[SECOND, b] = other.q[b] * other.sums[0, b] * share
        record[PRODUCT, b] = math.sqrt(lanes.q[b] * other.q[b]) * products[0, b] * share
        record[FIRST_EXPONENT, b] = lanes.q_exponent[b]
        record[SECOND_EXPONENT, b] = other.q_exponent[b]
    for b in range(LANES):
        size = math.sqrt(lanes.norm[b]) * math.sqrt(other.norm[b])
        cosine[b] = min(max(products[1, b] / size, -1.0), 1.0) if size > 0.0 else 0.0


@njit(**INLINE)
def open_pair(layer, lanes, other, products):
    """Set Q and the scale of both inputs, and clear the layer's sums."""
    for lane in (lanes, other):
        set_q(layer.weight_variance, layer.bias_variance, lane)
        set_scale(layer, lane)
        lane.sums[:] = 0.0
    products[:] = 0.0


@njit(**INLINE)
def flush_all(lanes, other, partial, products):
    flush(lanes.partial, lanes.sums)
    flush(other.partial, other.sums)
    flush(partial, products)


@njit(**CALLED)
def set_pair(key, network, width, given, lanes, other, cosine, zeta, zeta2):
    """Set |x|^2, |x'|^2 and their cosine.

    ``given`` holds both squared norms, their cosine, and 1; or, for N(0, 1) features, the correlation and 0.
    """
    for b in range(LANES):
        lanes.power[b], other.power[b], cosine[b] = given[0], given[1], given[2]
        lanes.power_exponent[b] = other.power_exponent[b] = 0.0
    if given[3] > 0.0:
        return
    for b in range(LANES):
        lanes.power[b] = other.power[b] = cosine[b] = 0.0
    for i in range((width + 3) // 4):
        normals(zeta, key, network, stream(0, INPUT), uint64(i))
        normals(zeta2, key, network, stream(0, PARTNER), uint64(i))
        for k in range(min(4, width - 4 * i)):
            for b in range(LANES):
                x = zeta[k * LANES + b]
                y = correlated(given[2], x, zeta2[k * LANES + b])
                lanes.power[b] += float64(x * x)
                other.power[b] += float64(y * y)
                cosine[b] += float64(x * y)
    for b in range(LANES):
        cosine[b] = min(max(cosine[b] / math.sqrt(lanes.power[b] * other.power[b]), -1.0), 1.0)


@njit(**INLINE)
def conditional_pair_layer(l, layer, key, network, lanes, other, cosine, sums, units, record):
    """Pass layer ``l`` with two inputs: draw both preactivations of each unit, apply phi, write its record."""
    (products, partial), (zeta, zeta2, a, a2, correlation) = sums, units
    open_pair(layer, lanes, other, products)
    set_correlation(lanes, other, cosine, correlation)
    for i in range((layer.fan_out + 3) // 4):
        normals(zeta, key, network, stream(l, CONDITIONAL), uint64(i))
        normals(zeta2, key, network, stream(l, PARTNER), uint64(i))
        for k in range(4):
            for b in range(LANES):
                zeta2[k * LANES + b] = correlated(correlation[b], zeta[k * LANES + b], zeta2[k * LANES + b])
        add_units(layer, i, lanes, other, zeta, zeta2, a, a2, partial)
        if i % FLUSH == FLUSH - 1:
            flush_all(lanes, other, partial, products)
    flush_all(lanes, other, partial, products)
    close_pair(layer.fan_out, lanes, other, products, cosine, record)


@cached
def conditional_pair(key, first, layers, given, records, stop):
    """Sample networks ``first`` and on with two inputs; one record a network and layer.

    ``given`` is as in `set_pair`; the rest as in `conditional.conditional`, with the fields of this module.
    """
    lanes, other, cosine = new_lanes(), new_lanes(), np.zeros(LANES)
    sums = np.zeros((3, LANES)), np.zeros((3, LANES), F)
    zeta, zeta2, a, a2 = np.zeros(GROUP, F), np.zeros(GROUP, F), np.zeros(GROUP, F), np.zeros(GROUP, F)
    units = (zeta, zeta2, a, a2, np.zeros(LANES))
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_pair(key, network, layers[0].fan_in, given, lanes, other, cosine, zeta, zeta2)
        for j in range(layers.size):
            if stop[0]:
                return
            conditional_pair_layer(j + 1, layers[j], key, network, lanes, other, cosine, sums, units, records[tile, j])


@njit(**CALLED)
def set_dense_pair(key, network, width, rows, given, lanes, other, a, a2):
    """Set both inputs, from ``given`` as in `set_pair` and unit vectors ``rows`` (2, n_0) if there are."""
    for b in range(LANES):
        lanes.power[b], other.power[b], lanes.norm[b], other.norm[b] = given[0], given[1], 0.0, 0.0
        lanes.power_exponent[b] = other.power_exponent[b] = 0.0
    for i in range((width + 3) // 4):
        if given[3] == 0.0:
            normals(a[i], key, network, stream(0, DENSE_INPUT), uint64(i))
            normals(a2[i], key, network, stream(0, DENSE_PARTNER), uint64(i))
        for k in range(4):
            j, there = 4 * i + k, 4 * i + k < width
            for b in range(LANES):
                at = k * LANES + b
                if given[3] > 0.0:
                    a[i, at], a2[i, at] = (rows[0, j], rows[1, j]) if there else (F(0.0), F(0.0))
                else:
                    x = a[i, at] if there else F(0.0)
                    y = correlated(given[2], x, a2[i, at]) if there else F(0.0)
                    a[i, at], a2[i, at] = x, y
                lanes.norm[b] += float64(a[i, at]) * float64(a[i, at])
                other.norm[b] += float64(a2[i, at]) * float64(a2[i, at])
    if given[3] == 0.0:
        lanes.power[:] = lanes.norm
        other.power[:] = other.norm


@njit(**CALLED)
def weighted_sums(distribution, key, network, weights, first, groups, below, w, out):
    """Set ``out`` (2, LANES) to the sums of w_j a_j for both inputs' ``below``, with weights of variance 1."""
    out[:] = F(0.0)
    for g in range(groups):
        weights_of_four(distribution, key, network, weights, uint64(first + g), w)
        for x in range(2):
            a = below[x, g]
            for b in range(LANES):
                out[x, b] += (w[b] * a[b] + w[LANES + b] * a[LANES + b]) + (
                    w[2 * LANES + b] * a[2 * LANES + b] + w[3 * LANES + b] * a[3 * LANES + b]
                )


@njit(**INLINE)
def dense_pair_layer(l, layer, key, network, below, after, lanes, other, cosine, sums, work, record, stop):
    """Pass layer ``l`` with two inputs: draw its weights and biases, apply phi, write its record.

    ``below`` and ``after`` (2, groups, GROUP) hold both inputs' activations below the layer and above it.
    """
    (products, partial), (matrix, rotated, w, total, zeta) = sums, work
    weights, fan_groups = stream(l, WEIGHTS), (layer.fan_in + 3) // 4
    open_pair(layer, lanes, other, products)
    for lane in (lanes, other):
        set_coefficients(lane)
    if layer.orthogonal:
        for x in range(2):
            orthogonal_products(layer, False, key, network, weights, matrix, below[x], rotated[x], stop)
    for i in range((layer.fan_out + 3) // 4):
        if stop[0]:
            return
        if layer.bias_variance > 0.0:
            normals(lanes.bias, key, network, stream(l, DENSE_BIAS), uint64(i))
        for k in range(min(4, layer.fan_out - 4 * i)):
            if layer.orthogonal:
                total[:] = rotated[:, i, k * LANES : (k + 1) * LANES]
            else:
                first = (4 * i + k) * fan_groups
                weighted_sums(layer.distribution, key, network, weights, first, fan_groups, below, w, total)
            for b in range(LANES):
                bias = lanes.bias[k * LANES + b]
                zeta[0, k * LANES + b] = lanes.weight_root[b] * total[0, b] + lanes.bias_root[b] * bias
                zeta[1, k * LANES + b] = other.weight_root[b] * total[1, b] + other.bias_root[b] * bias
        add_units(layer, i, lanes, other, zeta[0], zeta[1], after[0, i], after[1, i], partial)
        if i % FLUSH == FLUSH - 1:
            flush_all(lanes, other, partial, products)
    flush_all(lanes, other, partial, products)
    close_pair(layer.fan_out, lanes, other, products, cosine, record)


@cached
def dense_pair(key, first, layers, rows, given, records, stop):
    """Sample networks ``first`` and on with two inputs, weight by weight; arguments as in `conditional_pair`."""
    groups = (max(layers.fan_in.max(), layers.fan_out.max()) + 3) // 4
    below, after = np.zeros((2, groups, GROUP), F), np.zeros((2, groups, GROUP), F)
    lanes, other, cosine = new_lanes(), new_lanes(), np.zeros(LANES)
    sums = np.zeros((3, LANES)), np.zeros((3, LANES), F)
    matrix, rotated, _ = new_work(layers)
    w, total, zeta = np.zeros(GROUP, F), np.zeros((2, LANES), F), np.zeros((2, GROUP), F)
    work = (matrix, np.zeros((2, *rotated.shape), F), w, total, zeta)
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_dense_pair(key, network, layers[0].fan_in, rows, given, lanes, other, below[0], below[1])
        for j in range(layers.size):
            dense_pair_layer(
                j + 1, layers[j], key, network, below, after, lanes, other, cosine, sums, work, records[tile, j], stop
            )
            if stop[0]:
                return
            below, after = after, below
