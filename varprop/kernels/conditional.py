"""The conditional sampler: each preactivation drawn given the layer below, O(width) a layer.

Given a^(l-1) the entries of W a + b are independent N(0, Q) for Gaussian W and b, whatever phi
is, so n draws replace n^2 and nothing is approximated. For orthogonal W = c times a Haar matrix,
W a is c |a| times the first fan_out coordinates of a uniform point of a sphere.
"""

import numpy as np
from numba import njit
from numpy import float32, uint64

from . import GROUP, LANES
from .activations import activate
from .layer import FLUSH, add_moments, bias_share, clear_tail, close_layer, flush, set_q, set_scale
from .normal import normals
from .options import CALLED, INLINE, cached
from .philox import HALF, draw
from .streams import BIAS, CONDITIONAL, INPUT, RADIUS, ROW, stream

F = float32


@njit(**CALLED)
def squared_norm(out, key, network, purpose, width, zeta):
    """Set ``out`` to the sum of squares of ``width`` normals in each lane."""
    out[:] = 0.0
    for i in range((width + 3) // 4):
        normals(zeta, key, network, purpose, uint64(i))
        for k in range(min(4, width - 4 * i)):
            for b in range(LANES):
                out[b] += zeta[k * LANES + b] * zeta[k * LANES + b]


@njit(**INLINE)
def set_input(key, network, purposes, width, squared_norms, power, zeta):
    """Set |x|^2: a chi-square for N(0, I), else that of a row drawn from the data."""
    if squared_norms.size == 0:
        squared_norm(power, key, network, stream(0, purposes[0]), width, zeta)
    else:
        for b in range(LANES):
            word = draw(key, network + uint64(b), stream(0, purposes[1]), uint64(0))[0]
            power[b] = squared_norms[(word * uint64(squared_norms.size)) >> HALF]


@njit(**CALLED)
def spherical(l, layer, i, key, network, bias_root, norm_root, zeta, bias):
    """Turn four normals into coordinates of a point on the sphere, plus the bias, over sqrt(Q)."""
    if layer.bias_variance > 0.0:
        normals(bias, key, network, stream(l, BIAS), uint64(i))
    for k in range(4):
        for b in range(LANES):
            zeta[k * LANES + b] = norm_root[b] * zeta[k * LANES + b] + bias_root[b] * bias[k * LANES + b]


@njit(**CALLED)
def set_sphere(l, layer, key, network, q, q_exponent, bias_root, norm_root, zeta, norm):
    """Set the two factors of `spherical`, from the norm of all normals of the sphere's point."""
    larger = max(layer.fan_in, layer.fan_out)
    squared_norm(norm, key, network, stream(l, CONDITIONAL), layer.fan_out, zeta)
    norm_root[:] = norm
    squared_norm(norm, key, network, stream(l, RADIUS), larger - layer.fan_out, zeta)
    for b in range(LANES):
        share = bias_share(layer.bias_variance, q[b], q_exponent[b])
        norm_root[b] = np.sqrt((1.0 - share) * larger / (norm_root[b] + norm[b]))
        bias_root[b] = np.sqrt(share)


@cached
def conditional(key, first, layers, squared_norms, records, stop):
    """Sample networks ``first`` and on; one record a network and layer.

    ``layers`` has the fields of `simulate.samplers.LAYER_DTYPE`; ``records`` has shape
    (tiles, L, RECORD_FIELDS, LANES); a nonzero ``stop[0]`` ends the work early.
    """
    zeta, a, bias, scale = np.zeros(GROUP, F), np.zeros(GROUP, F), np.zeros(GROUP, F), np.empty(GROUP, F)
    reference, sums, partial = np.empty(GROUP), np.empty((3, LANES)), np.zeros((3, LANES), F)
    # one by one: the rows of a matrix are arrays of unknown stride to numba, and loops over them stay scalar
    power, power_exponent, q, q_exponent = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    carry, bias_root, norm_root, norm = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_input(key, network, (INPUT, ROW), layers[0].fan_in, squared_norms, power, zeta)
        power_exponent[:] = 0.0
        for j in range(layers.size):
            if stop[0]:
                return
            layer, l = layers[j], j + 1
            set_q(layer.weight_variance, layer.bias_variance, power, power_exponent, q, q_exponent)
            set_scale(layer, q, q_exponent, scale, reference, carry, power_exponent)
            if layer.orthogonal:
                set_sphere(l, layer, key, network, q, q_exponent, bias_root, norm_root, zeta, norm)
            sums[:] = 0.0
            for i in range((layer.fan_out + 3) // 4):
                normals(zeta, key, network, stream(l, CONDITIONAL), uint64(i))
                if layer.orthogonal:
                    spherical(l, layer, i, key, network, bias_root, norm_root, zeta, bias)
                activate(layer.code, layer.slope, scale, reference, zeta, a)
                if 4 * i + 4 > layer.fan_out:
                    clear_tail(layer.fan_out - 4 * i, zeta, a)
                add_moments(zeta, a, partial)
                if i % FLUSH == FLUSH - 1:
                    flush(partial, sums)
            flush(partial, sums)
            close_layer(layer.fan_out, q, q_exponent, carry, power, power_exponent, sums, records[tile, j])
