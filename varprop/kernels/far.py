"""phi and phi' beyond the exponents of float32: where a whole layer of a network lies far out in a tail.

A layer's activations are then held as a 2^lift, ``lift`` a multiple of 128, so that the largest of them is near 1 and
|a|^2 keeps its digits; 2^-lift goes into the exponents that carry scale. So gelu of -40, 10^-350, is as good a number
as any. It is rare, and looked for only where the float32 sum of squares has come out below `LEAST`.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64

from . import GROUP, LANES
from .elementary import sum_exp_parts
from .options import ALLOCATING, CALLED, COPIED, SUMMING
from .own import apply
from .tally import log64

F = float32
LEAST = 2.0**-100  # of a sum of squares: below it some of them may be less than the smallest float32
BLOCK = 128.0  # lifts are multiples of it, since exponents of squares are of 256
LN2 = math.log(2.0)
LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
FAR_OUT, FAR_OUT_GELU = -40.0, -12.0  # from where the first terms in the tail are all of it


@njit(**CALLED)
def log_gelu_tail(x):
    """Return ln |gelu(x)| for x below -12: the asymptotic series of P(Z > -x)."""
    u = 1.0 / (x * x)
    return -0.5 * x * x - LOG_ROOT_2PI + log64(1.0 - u * (1.0 - u * (3.0 - u * (15.0 - u * 105.0))))


@njit(**CALLED)
def log_gelu_slope_tail(x):
    """Return ln |gelu'(x)| for x below -12."""
    u = 1.0 / (x * x)
    ratio = 1.0 - u * (1.0 - u * (3.0 - u * (15.0 - u * 105.0)))  # P(Z > -x) over its first term
    return -0.5 * x * x - LOG_ROOT_2PI + log64(-x - ratio / -x)


@njit(**CALLED)
def log_size(code, scale, z, value):
    """Return ln |phi(scale z)| and the sign; ``value`` is phi as it is held, right but far in a built-in one's tail."""
    x = float64(F(scale * z))
    sign = -1.0 if value < 0.0 else 1.0
    if x < FAR_OUT and (code == 4 or code == 10):
        return x, sign
    if x < FAR_OUT and (code == 7 or code == 12):
        return x + log64(-x), sign
    if x < FAR_OUT_GELU and code == 6:
        return log_gelu_tail(x), sign
    return (log64(abs(value)) if value != 0.0 else -math.inf), sign


@njit(**CALLED)
def log_slope(code, scale, z, value):
    """Return ln |phi'(scale z)| and the sign, as `log_size` does those of phi."""
    x = float64(F(scale * z))
    sign = -1.0 if value < 0.0 else 1.0
    if abs(x) > -FAR_OUT and code == 3:
        return 2.0 * LN2 - 2.0 * abs(x), sign
    if abs(x) > -FAR_OUT and code == 4:
        return -abs(x), sign
    if abs(x) > 9.0 and code == 5:
        return LN2 - 0.5 * math.log(math.pi) - x * x, sign
    if x < FAR_OUT_GELU and code == 6:
        return log_gelu_slope_tail(x), sign
    if x < FAR_OUT and (code == 7 or code == 12):
        return x + log64(-1.0 - x), sign
    if x < FAR_OUT and (code == 8 or code == 10):
        return x, sign
    return (log64(abs(value)) if value != 0.0 else -math.inf), sign


@njit(**CALLED)
def lifted(log, lift, top):
    """Return e^log 2^lift in float32, down to e^-87; ``top`` is the largest log, which `choose_lift` brings near 1.

    Within 2^-64 and 2^64: where logarithms are -10^18 and less the product rounds by more than float32 holds.
    """
    near = min(max(top + lift * LN2, -0.5 * BLOCK * LN2), 0.5 * BLOCK * LN2)
    log = max(near + (log - top), -87.0)
    high = F(log)
    power, p = sum_exp_parts(high, F(log - float64(high)))
    return power + power * p


@njit(**SUMMING)
def find_faint(norm, scale, lift, top):
    """Set ``lift`` to 0 where ``norm`` is too faint for float32, -1 elsewhere; return whether any is."""
    found = 0.0
    for b in range(LANES):
        found += 1.0 if (norm[b] < LEAST) & (scale[b] > F(0.0)) else 0.0
    if found == 0.0:
        return False
    for b in range(LANES):
        lift[b], top[b] = 0.0 if (norm[b] < LEAST) & (scale[b] > F(0.0)) else -1.0, -math.inf
    return True


@njit(**ALLOCATING)
def held(code, scale, zeta, a):
    """Return a group's values of phi or phi' in float64: a user's own are computed anew, ``a`` may have lost them."""
    values = np.empty(GROUP)
    if code < 0:
        apply(code, scale, zeta, values)
    else:
        for b in range(GROUP):
            values[b] = a[b]
    return values


@njit(**ALLOCATING)
def held_activations(code, lanes, zeta, a):
    """Return a group's activations in float64, in the units of ``a``."""
    values = held(code, lanes.scale, zeta, a)
    if code < 0:
        for b in range(GROUP):
            values[b] /= lanes.reference[b]
    return values


@njit(**ALLOCATING)
def raise_top(code, rows, lanes, zeta, a):
    """Raise ``lanes.top`` to the largest ln |phi| of the first ``rows`` units of a group of four."""
    values = held_activations(code, lanes, zeta, a)
    for k in range(min(4, rows)):
        for b in range(LANES):
            if lanes.lift[b] >= 0.0:
                at = k * LANES + b
                log, _ = log_size(code, lanes.scale[at], zeta[at], values[at])
                lanes.top[b] = max(lanes.top[b], log)


@njit(**COPIED)
def choose_lift(lift, top):
    """Set ``lift`` so that the top is near 1."""
    for b in range(LANES):
        if lift[b] >= 0.0 and top[b] > -math.inf:
            lift[b] = BLOCK * max(0.0, np.floor(-top[b] / (LN2 * BLOCK) + 0.5))  # math.floor ends at 2^63


@njit(**ALLOCATING)
def lift_group(code, rows, lanes, zeta, a, norm):
    """Hold the activations of a group of four in lifted units, and add up their squares, and the first, in float64."""
    values = held_activations(code, lanes, zeta, a)
    for k in range(min(4, rows)):
        for b in range(LANES):
            if lanes.lift[b] >= 0.0:
                at = k * LANES + b
                if lanes.lift[b] > 0.0:
                    log, sign = log_size(code, lanes.scale[at], zeta[at], values[at])
                    a[at] = F(sign) * lifted(log, lanes.lift[b], lanes.top[b])
                norm[b] += float64(a[at]) * float64(a[at])
                if k == 0:
                    lanes.sums[3, b] += float64(a[at])


@njit(**CALLED)
def open_lifted(norm, lanes):
    """Choose the lifts from the tops, move them to the exponent of |a|^2, and clear the norms that are summed anew."""
    choose_lift(lanes.lift, lanes.top)
    for b in range(LANES):
        if lanes.lift[b] >= 0.0:
            norm[b], lanes.sums[3, b] = 0.0, 0.0
            lanes.power_exponent[b] -= 2.0 * lanes.lift[b]
