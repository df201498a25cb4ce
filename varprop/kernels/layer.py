"""What every sampler does at a layer: set its scale, apply phi, take its means.

A layer's preactivations are z = sqrt(Q) zeta with Q = Var(W) |a|^2 + sigma_b^2, and only zeta, of
order one, is ever held in float32. Q and |a|^2 are held as a float64 times 2^exponent. phi sees
scale * zeta with the scale kept within 2^-40 to 2^40: beyond that it is as linear, constant or
zero as float32 can tell, and the rest of the scale is carried outside it. So a thousand layers
at any multiplier vanish or explode without underflow or overflow.
"""

import math
from collections import namedtuple

import numpy as np
from numba import from_dtype, njit, typeof, types
from numpy import float32, float64, int64

from . import GROUP, LANES
from .options import COPIED, INLINE
from .separate import caller

F = float32
STEP = 256.0
UP = 2.0**256
DOWN = 2.0**-256
LARGE = 2.0**128
SMALL = 2.0**-128
SCALE_HIGH = 2.0**40
SCALE_LOW = 2.0**-40
FAINT = -512.0  # a signal of a lower exponent is held in this one where a bias, 0 or more, joins it
WHOLE64 = 1.5 * 2.0**52 + 1023.0
EXPONENT64 = int64(52)

# What kernels know of a layer. ``code`` is of phi and ``derivative`` of phi': an integer of `activations`, or that
# of an `own.Block`. ``phi`` and ``dphi`` are the addresses of what does a block of lanes, ``lift`` and ``lift_back`` of
# what does far tails, ``powers`` of what writes high moments (`powers`); 0 where there is no need.
ACTIVATION_FIELDS = [
    ("code", np.int64),
    ("derivative", np.int64),
    ("phi", np.int64),
    ("dphi", np.int64),
    ("slope", np.float64),
    ("homogeneous", np.bool_),
    ("vanishes", np.bool_),
    ("unbounded", np.bool_),
]
LAYER_DTYPE = np.dtype(
    [
        ("fan_in", np.int64),
        ("fan_out", np.int64),
        ("weight_variance", np.float64),
        ("bias_variance", np.float64),
        ("distribution", np.int64),
        ("orthogonal", np.bool_),
        ("lift", np.int64),
        ("lift_back", np.int64),
        ("powers", np.int64),
        *ACTIVATION_FIELDS,
    ],
    align=True,
)
LAYER_TYPE = from_dtype(LAYER_DTYPE)

# Fields of a sampler's records, in order.
# MEAN, of activations, is times 2^(SECOND_EXPONENT / 2).
VARIANCE, FOURTH, SECOND_MOMENT, EXPONENT, SECOND_EXPONENT, MEAN = range(6)
RECORD_FIELDS = 6

FLUSH = 16  # groups of four units between two calls of `flush`

# What 64 networks are at while they pass a layer. Of shape (LANES,), float64: ``power`` and ``power_exponent``
# of |a|^2 below the layer; ``q`` and ``q_exponent`` of Q; ``share`` of the biases in Q; ``carry``, the factor on
# |phi|^2; ``norm``, |a|^2 in the units in which a is held; ``weight_root`` and ``bias_root``, the factors of W a and
# of b in zeta; ``work`` and ``more_work``. Of shape (GROUP,): ``scale`` (float32) and ``reference`` for phi, equal for
# each of four units; ``noise``, normals beside those of zeta. ``lift`` and ``top``, (LANES,), as in `far`. ``partial``
# (float32) and ``sums`` (float64), of shape (4, LANES), add up moments.
Lanes = namedtuple(
    "Lanes",
    "power power_exponent q q_exponent share carry norm weight_root bias_root work more_work scale reference noise "
    "lift top partial sums",
)


def new_lanes() -> Lanes:
    """Return `Lanes` of zeros. One array each: the rows of a matrix have unknown strides, and loops stay scalar."""
    return Lanes(
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(GROUP, F),
        np.zeros(GROUP),
        np.zeros(GROUP, F),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros((4, LANES), F),
        np.zeros((4, LANES)),
    )


# As `Separate` functions take them: `Lanes`, units of shape (groups, GROUP), the flag that ends work early.
LANES_TYPE = typeof(new_lanes())
UNITS_TYPE, STOP_TYPE = types.float32[:, ::1], types.uint8[::1]
POWERS = (LAYER_TYPE, LANES_TYPE, UNITS_TYPE, types.float64[:, ::1])  # layer, lanes, zeta, record: see `powers`
call_powers = caller(POWERS)


@njit(**INLINE)
def power_of_two(x):
    """Return 2^x for a whole number x, held within -1000 to 1000: pow is a slow call that no loop vectorises around.

    Adding ``WHOLE64`` leaves x and the bias in the low bits: before AVX-512 no loop vectorises around int64(x).
    """
    return int64(float64(min(max(x, -1000.0), 1000.0) + WHOLE64).view(int64) << EXPONENT64).view(float64)


@njit(**INLINE)
def normalise(value, exponent):
    """Return value * 2^exponent with the value between 2^-128 and 2^128, by whole steps of 2^256.

    Selects, not branches: which networks of a tile are dead or far away cannot be foreseen, and
    mispredicted branches took most of the time of narrow layers.
    """
    for _ in range(3):
        large, small = value > LARGE, value < SMALL
        value *= DOWN if large else (UP if small else 1.0)
        exponent += STEP if large else (-STEP if small else 0.0)
    return value, exponent if value > 0.0 else 0.0


@njit(**COPIED)
def set_q(weight_variance, bias_variance, lanes):
    """Set Q = Var(W) |a|^2 + sigma_b^2 and the biases' share of it."""
    q, q_exponent, power, power_exponent, share = (
        lanes.q,
        lanes.q_exponent,
        lanes.power,
        lanes.power_exponent,
        lanes.share,
    )
    if bias_variance > 0.0:
        for b in range(LANES):
            exponent = max(power_exponent[b], FAINT)
            x = weight_variance * power[b] * power_of_two(power_exponent[b] - exponent)
            x += bias_variance * power_of_two(-exponent)
            q[b], q_exponent[b] = normalise(x, exponent)
        for b in range(LANES):
            share[b] = min(1.0, bias_variance / q[b] * power_of_two(-q_exponent[b]))
    else:
        for b in range(LANES):
            q[b], q_exponent[b] = normalise(weight_variance * power[b], power_exponent[b])
        for b in range(LANES):
            share[b] = 0.0


@njit(**COPIED)
def set_scale(layer, lanes):
    """Set the scale that phi sees, and what multiplies |phi|^2 afterwards to make |a|^2.

    Positively homogeneous phi see scale 1 and carry all of Q. A user's phi sees sqrt(Q) itself.
    """
    q, q_exponent, carry, power_exponent = lanes.q, lanes.q_exponent, lanes.carry, lanes.power_exponent
    scale, reference = lanes.scale, lanes.reference
    if layer.homogeneous:
        for b in range(GROUP):
            scale[b] = F(1.0)
        for b in range(LANES):
            carry[b] = q[b]
            power_exponent[b] = q_exponent[b]
    elif layer.code < 0:
        for b in range(LANES):
            s = math.sqrt(q[b]) * power_of_two(0.5 * q_exponent[b])
            carried = (s > 1.0 and layer.unbounded) or (0.0 < s < 1.0 and layer.vanishes)
            for k in range(4):
                scale[k * LANES + b], reference[k * LANES + b] = s, s if carried else 1.0
            carry[b] = q[b] if carried else 1.0
            power_exponent[b] = q_exponent[b] if carried else 0.0
    else:
        for b in range(LANES):
            root = math.sqrt(q[b])
            near = q_exponent[b] == 0.0
            large = (q_exponent[b] > 0.0) | (near & (root > SCALE_HIGH))
            small = (q_exponent[b] < 0.0) | (near & (root < SCALE_LOW) & (root > 0.0))
            s = SCALE_HIGH if large else (SCALE_LOW if small else root)
            carried = (large & layer.unbounded) | (small & layer.vanishes)
            for k in range(4):
                scale[k * LANES + b] = s
            carry[b] = q[b] / (s * s) if carried else 1.0
            power_exponent[b] = q_exponent[b] if carried else 0.0


@njit(**COPIED)
def clear_tail(rows, zeta, a):
    """Zero the units beyond a layer's width in its last group of four, which has ``rows``."""
    zeta[rows * LANES :] = F(0.0)
    a[rows * LANES :] = F(0.0)


@njit(**COPIED)
def add_moments(zeta, a, partial):
    """Add zeta^2, zeta^4 and a^2 of a group of four units, and a of its first, to ``partial`` (4, LANES), float32.

    One a in four is enough for a mean, and spares time: all four cost a ReLU layer 11%.
    """
    for b in range(LANES):
        s0, s1 = zeta[b] * zeta[b], zeta[LANES + b] * zeta[LANES + b]
        s2, s3 = zeta[2 * LANES + b] * zeta[2 * LANES + b], zeta[3 * LANES + b] * zeta[3 * LANES + b]
        a0, a1, a2, a3 = a[b], a[LANES + b], a[2 * LANES + b], a[3 * LANES + b]
        partial[0, b] += (s0 + s1) + (s2 + s3)
        partial[1, b] += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3)
        partial[2, b] += (a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3)
        partial[3, b] += a0


@njit(**COPIED)
def flush(partial, sums):
    """Move the float32 sums of some sixteen groups to float64: enough to keep 1e-7, and cheap."""
    for k in range(4):
        for b in range(LANES):
            sums[k, b] += float64(partial[k, b])
            partial[k, b] = F(0.0)


@njit(**COPIED)
def close_layer(width, lanes, record):
    """Write one layer's ``record`` (RECORD_FIELDS, LANES) and set |a|^2 for the next layer.

    Few arrays a loop: with more at once the checks whether they overlap keep the loop scalar.
    """
    power, power_exponent, q, q_exponent, sums = (
        lanes.power,
        lanes.power_exponent,
        lanes.q,
        lanes.q_exponent,
        lanes.sums,
    )
    norm, carry, share, some = lanes.norm, lanes.carry, 1.0 / width, 1.0 / ((width + 3) // 4)
    for b in range(LANES):
        norm[b] = sums[2, b]
    for b in range(LANES):
        power[b] = carry[b] * norm[b]
    for b in range(LANES):
        record[VARIANCE, b] = q[b] * sums[0, b] * share
    for b in range(LANES):
        record[FOURTH, b] = q[b] * q[b] * sums[1, b] * share
    for b in range(LANES):
        record[SECOND_MOMENT, b] = power[b] * share
    for b in range(LANES):
        record[MEAN, b] = math.sqrt(carry[b]) * sums[3, b] * some
    for b in range(LANES):
        record[EXPONENT, b] = q_exponent[b]
    for b in range(LANES):
        record[SECOND_EXPONENT, b] = power_exponent[b]
