"""What every sampler does at a layer: set its scale, apply phi, take its means.

A layer's preactivations are z = sqrt(Q) zeta with Q = Var(W) |a|^2 + sigma_b^2, and only zeta, of
order one, is ever held in float32. Q and |a|^2 are held as a float64 times 2^exponent. phi sees
scale * zeta with the scale kept within 2^-40 to 2^40: beyond that it is as linear, constant or
zero as float32 can tell, and the rest of the scale is carried outside it. So a thousand layers
at any multiplier vanish or explode without underflow or overflow.

Arrays over lanes, all of shape (LANES,): ``power`` and ``power_exponent`` of |a|^2, ``q`` and
``q_exponent`` of Q, ``scale`` and ``reference`` for phi, ``carry`` the factor on |phi|^2.
"""

import math

from numba import njit
from numpy import float32, float64

from . import LANES
from .options import INLINE

F = float32
STEP = 256.0
UP = 2.0**256
DOWN = 2.0**-256
LARGE = 2.0**128
SMALL = 2.0**-128
SCALE_HIGH = 2.0**40
SCALE_LOW = 2.0**-40

# Fields of a sampler's records, in order.
VARIANCE, FOURTH, SECOND_MOMENT, EXPONENT, SECOND_EXPONENT = range(5)
RECORD_FIELDS = 5


@njit(**INLINE)
def set_q(weight_variance, bias_variance, power, power_exponent, q, q_exponent):
    """Set Q = Var(W) |a|^2 + sigma_b^2, as a float64 between 2^-128 and 2^128 times 2^exponent."""
    for b in range(LANES):
        x, e = weight_variance * power[b], power_exponent[b]
        if bias_variance > 0.0:
            x += bias_variance * 2.0 ** min(max(-e, -1000.0), 1000.0)
        for _ in range(4):
            if LARGE < x < math.inf:
                x *= DOWN
                e += STEP
            elif 0.0 < x < SMALL:
                x *= UP
                e -= STEP
        q[b], q_exponent[b] = x, e


@njit(**INLINE)
def set_scale(layer, q, q_exponent, scale, reference, carry, power_exponent):
    """Set the scale that phi sees, and what multiplies |phi|^2 afterwards to make |a|^2.

    Positively homogeneous phi see scale 1 and carry all of Q. A user's phi sees sqrt(Q) itself.
    """
    for b in range(LANES):
        root = math.sqrt(q[b])
        s, ref, c, e = root, 1.0, 1.0, 0.0
        if layer.homogeneous:
            s, c, e = 1.0, q[b], q_exponent[b]
        elif layer.code < 0:
            s = root * 2.0 ** min(max(0.5 * q_exponent[b], -1000.0), 1000.0)
            if (s > 1.0 and layer.unbounded) or (0.0 < s < 1.0 and layer.vanishes):
                ref, c, e = s, q[b], q_exponent[b]
        elif q_exponent[b] > 0.0 or root > SCALE_HIGH:
            s = SCALE_HIGH
            if layer.unbounded:
                c, e = q[b] / SCALE_HIGH**2, q_exponent[b]
        elif (q_exponent[b] < 0.0 or root < SCALE_LOW) and root > 0.0:
            s = SCALE_LOW
            if layer.vanishes:
                c, e = q[b] / SCALE_LOW**2, q_exponent[b]
        scale[b], reference[b], carry[b], power_exponent[b] = s, ref, c, e


@njit(**INLINE)
def clear_tail(rows, zeta, a):
    """Zero the units beyond a layer's width in its last group of four."""
    for k in range(4):
        if k >= rows:
            for b in range(LANES):
                zeta[k, b] = F(0.0)
                a[k, b] = F(0.0)


@njit(**INLINE)
def add_moments(zeta, a, sums):
    """Add zeta^2, zeta^4 and a^2 of a group of four units to ``sums`` (3, LANES), float64."""
    for b in range(LANES):
        s0, s1 = zeta[0, b] * zeta[0, b], zeta[1, b] * zeta[1, b]
        s2, s3 = zeta[2, b] * zeta[2, b], zeta[3, b] * zeta[3, b]
        sums[0, b] += float64((s0 + s1) + (s2 + s3))
        sums[1, b] += float64((s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3))
        sums[2, b] += float64(
            (a[0, b] * a[0, b] + a[1, b] * a[1, b]) + (a[2, b] * a[2, b] + a[3, b] * a[3, b])
        )


@njit(**INLINE)
def close_layer(width, q, q_exponent, carry, power, power_exponent, sums, records):
    """Write one layer's ``records`` (RECORD_FIELDS, LANES) and set |a|^2 for the next layer."""
    for b in range(LANES):
        power[b] = carry[b] * sums[2, b]
        records[VARIANCE, b] = q[b] * sums[0, b] / width
        records[FOURTH, b] = q[b] * q[b] * sums[1, b] / width
        records[SECOND_MOMENT, b] = power[b] / width
        records[EXPONENT, b] = q_exponent[b]
        records[SECOND_EXPONENT, b] = power_exponent[b]
