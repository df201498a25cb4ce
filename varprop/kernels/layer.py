"""What every sampler does at a layer: set its scale, apply phi, take its means.

A layer's preactivations are z = sqrt(Q) zeta with Q = Var(W) |a|^2 + sigma_b^2, and only zeta, of
order one, is ever held in float32. Q and |a|^2 are held as a float64 times 2^exponent. phi sees
scale * zeta with the scale kept within 2^-40 to 2^40: beyond that it is as linear, constant or
zero as float32 can tell, and the rest of the scale is carried outside it. So a thousand layers
at any multiplier vanish or explode without underflow or overflow.

Arrays over lanes, of shape (LANES,): ``power`` and ``power_exponent`` of |a|^2, ``q`` and
``q_exponent`` of Q, ``carry`` the factor on |phi|^2; ``scale`` and ``reference`` for phi are of shape
(GROUP,), the same for each of the four units.
"""

import math

from numba import njit
from numpy import float32, float64, int64

from . import GROUP, LANES
from .options import INLINE

F = float32
STEP = 256.0
UP = 2.0**256
DOWN = 2.0**-256
LARGE = 2.0**128
SMALL = 2.0**-128
SCALE_HIGH = 2.0**40
SCALE_LOW = 2.0**-40
BIAS64 = int64(1023)
EXPONENT64 = int64(52)

# Fields of a sampler's records, in order.
VARIANCE, FOURTH, SECOND_MOMENT, EXPONENT, SECOND_EXPONENT = range(5)
RECORD_FIELDS = 5

FLUSH = 16  # groups of four units between two calls of `flush`


@njit(**INLINE)
def power_of_two(x):
    """Return 2^x for a whole number x, held within -1000 to 1000: pow is a slow call that no loop vectorises around."""
    return int64(int64(min(max(x, -1000.0), 1000.0)) + BIAS64 << EXPONENT64).view(float64)


@njit(**INLINE)
def set_q(weight_variance, bias_variance, power, power_exponent, q, q_exponent):
    """Set Q = Var(W) |a|^2 + sigma_b^2, as a float64 between 2^-128 and 2^128 times 2^exponent.

    Selects, not branches: which networks of a tile are dead or far away cannot be foreseen, and
    mispredicted branches took most of the time of narrow layers.
    """
    for b in range(LANES):
        x, e = weight_variance * power[b], power_exponent[b]
        if bias_variance > 0.0:
            x += bias_variance * power_of_two(-e)
        for _ in range(3):
            large, small = x > LARGE, x < SMALL
            x *= DOWN if large else (UP if small else 1.0)
            e += STEP if large else (-STEP if small else 0.0)
        q[b] = x
        q_exponent[b] = e if x > 0.0 else 0.0


@njit(**INLINE)
def set_scale(layer, q, q_exponent, scale, reference, carry, power_exponent):
    """Set the scale that phi sees, and what multiplies |phi|^2 afterwards to make |a|^2.

    Positively homogeneous phi see scale 1 and carry all of Q. A user's phi sees sqrt(Q) itself.
    """
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


@njit(**INLINE)
def bias_share(bias_variance, q, q_exponent):
    """Return the part of Q that is the bias's."""
    if bias_variance == 0.0:
        return 0.0
    return min(1.0, bias_variance / q * power_of_two(-q_exponent))


@njit(**INLINE)
def clear_tail(rows, zeta, a):
    """Zero the units beyond a layer's width in its last group of four, which has ``rows``."""
    zeta[rows * LANES :] = F(0.0)
    a[rows * LANES :] = F(0.0)


@njit(**INLINE)
def add_moments(zeta, a, partial):
    """Add zeta^2, zeta^4 and a^2 of a group of four units to ``partial`` (3, LANES), float32."""
    for b in range(LANES):
        s0, s1 = zeta[b] * zeta[b], zeta[LANES + b] * zeta[LANES + b]
        s2, s3 = zeta[2 * LANES + b] * zeta[2 * LANES + b], zeta[3 * LANES + b] * zeta[3 * LANES + b]
        a0, a1, a2, a3 = a[b], a[LANES + b], a[2 * LANES + b], a[3 * LANES + b]
        partial[0, b] += (s0 + s1) + (s2 + s3)
        partial[1, b] += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3)
        partial[2, b] += (a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3)


@njit(**INLINE)
def flush(partial, sums):
    """Move the float32 sums of some sixteen groups to float64: enough to keep 1e-7, and cheap."""
    for k in range(3):
        for b in range(LANES):
            sums[k, b] += float64(partial[k, b])
            partial[k, b] = F(0.0)


@njit(**INLINE)
def close_layer(width, q, q_exponent, carry, power, power_exponent, sums, records):
    """Write one layer's ``records`` (RECORD_FIELDS, LANES) and set |a|^2 for the next layer.

    One array a loop: with more at once the checks whether they overlap keep the loop scalar.
    """
    share = 1.0 / width
    for b in range(LANES):
        power[b] = carry[b] * sums[2, b]
    for b in range(LANES):
        records[VARIANCE, b] = q[b] * sums[0, b] * share
    for b in range(LANES):
        records[FOURTH, b] = q[b] * q[b] * sums[1, b] * share
    for b in range(LANES):
        records[SECOND_MOMENT, b] = power[b] * share
    for b in range(LANES):
        records[EXPONENT, b] = q_exponent[b]
    for b in range(LANES):
        records[SECOND_EXPONENT, b] = power_exponent[b]
