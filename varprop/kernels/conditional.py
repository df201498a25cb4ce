"""The conditional sampler: each preactivation drawn given the layer below, O(width) a layer.

Given a^(l-1) the entries of W a + b are independent N(0, Q) for Gaussian W and b, whatever phi
is, so n draws replace n^2 and nothing is approximated. For orthogonal W = c times a Haar matrix,
W a is c |a| times the first fan_out coordinates of a uniform point of a sphere.
"""

import numpy as np
from numba import boolean, int64, njit, types
from numpy import float32, uint64

from . import GROUP, LANES
from .activations import activate
from .far import find_faint, lift_group, open_lifted, raise_top
from .layer import (
    FLUSH,
    LANES_TYPE,
    LAYER_TYPE,
    STOP_TYPE,
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
from .normal import normal_pair, normals
from .options import CALLED, COPIED, INLINE, sampler
from .philox import HALF, draw
from .separate import caller, separate
from .streams import BIAS, CONDITIONAL, INPUT, RADIUS, ROW, stream

F = float32


@njit(**CALLED)
def squared_norm(out, key, network, purpose, width, zeta, stop):
    """Set ``out`` to the sum of squares of ``width`` normals in each lane."""
    out[:] = 0.0
    for i in range((width + 3) // 4):
        if stop[0]:
            return
        normals(zeta, key, network, purpose, uint64(i))
        for k in range(min(4, width - 4 * i)):
            for b in range(LANES):
                out[b] += zeta[k * LANES + b] * zeta[k * LANES + b]


@njit(**COPIED)
def set_input(key, network, purposes, width, squared_norms, lanes, zeta, stop):
    """Set |x|^2: a chi-square for N(0, I), else that of a row drawn from the data."""
    power = lanes.power
    lanes.power_exponent[:] = 0.0
    if squared_norms.size == 0:
        squared_norm(power, key, network, stream(0, purposes[0]), width, zeta, stop)
    else:
        for b in range(LANES):
            word = draw(key, network + uint64(b), stream(0, purposes[1]), uint64(0))[0]
            power[b] = squared_norms[(word * uint64(squared_norms.size)) >> HALF]


@njit(**CALLED)
def set_sphere(l, layer, key, network, lanes, zeta, stop):
    """Set the factors of W a and of b in zeta for orthogonal W, from the norm of the sphere's normals.

    Leaves that squared norm in ``lanes.norm``.
    """
    larger, norm, rest = max(layer.fan_in, layer.fan_out), lanes.norm, lanes.work
    squared_norm(norm, key, network, stream(l, CONDITIONAL), layer.fan_out, zeta, stop)
    squared_norm(rest, key, network, stream(l, RADIUS), larger - layer.fan_out, zeta, stop)
    for b in range(LANES):
        norm[b] += rest[b]
        lanes.weight_root[b] = np.sqrt((1.0 - lanes.share[b]) * larger / norm[b])
        lanes.bias_root[b] = np.sqrt(lanes.share[b])


@njit(**CALLED)
def spherical(l, layer, i, key, network, lanes, zeta):
    """Turn four normals into coordinates of a point on the sphere, plus the bias, over sqrt(Q)."""
    if layer.bias_variance > 0.0:
        normals(lanes.noise, key, network, stream(l, BIAS), uint64(i))
    for k in range(4):
        for b in range(LANES):
            zeta[k * LANES + b] = (
                lanes.weight_root[b] * zeta[k * LANES + b] + lanes.bias_root[b] * lanes.noise[k * LANES + b]
            )


@njit(**INLINE)
def add_homogeneous(key, network, purpose, index, rows, layer, partial):
    """Draw a group of four units, of which ``rows`` are there, and add their moments as `add_moments` does.

    For phi of two slopes, without keeping zeta or a: 0.92 ns a unit, against 0.97 in three steps.
    """
    slope = F(1.0) if layer.code == 0 else F(layer.slope)
    above, below = F(1.0), F(layer.slope * layer.slope)
    if layer.code == 0:
        below = F(1.0)
    m1, m2, m3 = F(rows > 1), F(rows > 2), F(rows > 3)
    for b in range(LANES):
        w0, w1, w2, w3 = draw(key, network + uint64(b), purpose, index)
        x0, x1 = normal_pair(w0, w1)
        x2, x3 = normal_pair(w2, w3)
        s0, s1, s2, s3 = x0 * x0, m1 * x1 * x1, m2 * x2 * x2, m3 * x3 * x3
        partial[0, b] += (s0 + s1) + (s2 + s3)
        partial[1, b] += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3)
        a0, a1 = s0 * (above if x0 > F(0.0) else below), s1 * (above if x1 > F(0.0) else below)
        a2, a3 = s2 * (above if x2 > F(0.0) else below), s3 * (above if x3 > F(0.0) else below)
        partial[2, b] += (a0 + a1) + (a2 + a3)
        partial[3, b] += max(x0, F(0.0)) + slope * min(x0, F(0.0))  # a select takes twice as long


@njit(**COPIED)
def draw_group(l, layer, i, key, network, lanes, zeta, a):
    """Draw group ``i`` of four units of layer ``l``, and apply phi."""
    normals(zeta, key, network, stream(l, CONDITIONAL), uint64(i))
    if layer.orthogonal:
        spherical(l, layer, i, key, network, lanes, zeta)
    activate(layer, lanes.scale, lanes.reference, zeta, a)
    if 4 * i + 4 > layer.fan_out:
        clear_tail(layer.fan_out - 4 * i, zeta, a)


_LIFT = (int64, LAYER_TYPE, types.uint64, types.uint64, LANES_TYPE, UNITS_TYPE, UNITS_TYPE, boolean, STOP_TYPE)
call_lift = caller(_LIFT)


@separate(_LIFT)
def lift_layer(l, layer, key, network, lanes, zeta, a, keep, stop):
    """Hold in lifted units what is too faint for float32; see `far`. What was not kept is drawn again."""
    groups, norm = (layer.fan_out + 3) // 4, lanes.sums[2]
    for step in range(2):
        if step:
            open_lifted(norm, lanes)
        for i in range(groups):
            if stop[0]:
                return
            k, rows = i if keep else 0, layer.fan_out - 4 * i
            if not keep:
                draw_group(l, layer, i, key, network, lanes, zeta[k], a[k])
            if step:
                lift_group(layer.code, rows, lanes, zeta[k], a[k], norm)
            else:
                raise_top(layer.code, rows, lanes, zeta[k], a[k])


@njit(**COPIED)
def conditional_layer(l, layer, key, network, lanes, zeta, a, keep, record, stop):
    """Pass layer ``l``: draw its preactivations, apply phi, write its record.

    ``zeta`` and ``a`` have shape (groups, GROUP) if they are to be kept, else (1, GROUP).
    """
    set_q(layer.weight_variance, layer.bias_variance, lanes)
    set_scale(layer, lanes)
    if layer.orthogonal:
        set_sphere(l, layer, key, network, lanes, zeta[0], stop)
    lanes.sums[:] = 0.0
    fused = layer.homogeneous and not layer.orthogonal and not keep
    for i in range((layer.fan_out + 3) // 4):
        if stop[0]:
            return
        if fused:
            add_homogeneous(
                key, network, stream(l, CONDITIONAL), uint64(i), layer.fan_out - 4 * i, layer, lanes.partial
            )
        else:
            k = i if keep else 0
            draw_group(l, layer, i, key, network, lanes, zeta[k], a[k])
            add_moments(zeta[k], a[k], lanes.partial)
        if i % FLUSH == FLUSH - 1:
            flush(lanes.partial, lanes.sums)
    flush(lanes.partial, lanes.sums)
    if not layer.homogeneous and find_faint(lanes.sums[2], lanes.scale, lanes.lift, lanes.top):
        call_lift(layer.lift, l, layer, key, network, lanes, zeta, a, keep, stop)
    close_layer(layer.fan_out, lanes, record)
    if layer.powers != 0:
        call_powers(layer.powers, layer, lanes, zeta, record)


def conditional_room(layers) -> tuple:
    """Return what `conditional` works in."""
    return new_lanes(), np.zeros((1, GROUP), F), np.zeros((1, GROUP), F)


@sampler
def conditional(key, first, layers, squared_norms, room, records, stop):
    """Sample networks ``first`` and on; one record a network and layer.

    ``layers`` has the fields of `layer.LAYER_DTYPE`; ``records`` has shape
    (tiles, L, RECORD_FIELDS, LANES); a nonzero ``stop[0]`` ends the work early.
    """
    lanes, zeta, a = room
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_input(key, network, (INPUT, ROW), layers[0].fan_in, squared_norms, lanes, zeta[0], stop)
        for j in range(layers.size):
            if stop[0]:
                return
            conditional_layer(j + 1, layers[j], key, network, lanes, zeta, a, False, records[tile, j], stop)
