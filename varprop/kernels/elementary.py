"""Elementary functions of one float32: branch-free polynomials and rationals, so that each loop over lanes vectorises.

Relative errors are as `activations` states them. Exponentials end at e^-87, next to the least normal float32, and stay
there; sin holds its angle to 1e-16 of it.
"""

import math

from numba import njit
from numpy import float32, float64, int32

from .normal import EXPONENT
from .options import INLINE

F = float32
LOG2E = F(math.log2(math.e))
LN2_HIGH = F(0.693359375)
LN2_LOW = F(math.log(2.0) - 0.693359375)
MAGIC = F(1.5 * 2**23)  # adding it rounds to a whole number, left in the low bits
ONE_BITS = int32(0x3F800000)
INVERSE_PI = 1 / math.pi
MAGIC64 = 1.5 * 2.0**52
TWELVE_BITS = int32(-4096)  # a mask that leaves a float32 its twelve leading bits


@njit(**INLINE)
def exp_parts(x):
    """Return (2^k, p) with exp(x) = 2^k (1 + p), |p| < 0.42, for x clipped to [-87, 87]."""
    return sum_exp_parts(min(max(x, F(-87.0)), F(87.0)), F(0.0))


@njit(**INLINE)
def sum_exp_parts(x, rest):
    """Return what `exp_parts` does of x + rest, ``rest`` small beside x and below its rounding."""
    rounded = (x + rest) * LOG2E + MAGIC
    kf = rounded - MAGIC
    r = (x - kf * LN2_HIGH) + (rest - kf * LN2_LOW)
    p = F(1.3946415332e-3)
    p = p * r + F(8.3665647362e-3)
    p = p * r + F(4.1666282620e-2)
    p = p * r + F(1.6666543172e-1)
    p = p * r + F(5.0000000617e-1)
    p = p * r * r + r
    power = int32(int32(float32(rounded).view(int32) << EXPONENT) + ONE_BITS).view(float32)
    return power, p


@njit(**INLINE)
def exp(x):
    power, p = exp_parts(x)
    return power + power * p


@njit(**INLINE)
def expm1(x):
    power, p = exp_parts(x)
    return (power - F(1.0)) + power * p


@njit(**INLINE)
def bell(y, rate):
    """Return exp(-rate y^2) for rate 1/2 or 1 down to e^-87; y^2 is carried in two parts, else its rounding shows."""
    high = int32(float32(y).view(int32) & TWELVE_BITS).view(float32)  # its square is exact
    power, p = sum_exp_parts(-rate * high * high, -rate * (y - high) * (y + high))
    return power + power * p


@njit(**INLINE)
def tanh(x):
    x = min(max(x, F(-9.0)), F(9.0))
    u = x * x
    n = F(1.3354677644e-8)
    n = n * u + F(2.0609098014e-5)
    n = n * u + F(3.4955892648e-3)
    n = n * u + F(1.3381026658e-1)
    n = n * u + F(9.9999997945e-1)
    d = F(7.7765660897e-7)
    d = d * u + F(3.2856365482e-4)
    d = d * u + F(2.5876986718e-2)
    d = d * u + F(4.6714342253e-1)
    d = d * u + F(1.0)
    return x * (n / d)


@njit(**INLINE)
def erf(x):
    x = min(max(x, F(-3.925)), F(3.925))
    u = x * x
    n = F(2.0460145742e-6)
    n = n * u + F(2.8484374914e-4)
    n = n * u + F(3.7725825309e-3)
    n = n * u + F(5.2769399437e-2)
    n = n * u + F(1.9059457622e-1)
    n = n * u + F(1.1283791458)
    d = F(3.8047653160e-5)
    d = d * u + F(1.1638646217e-3)
    d = d * u + F(1.4983264344e-2)
    d = d * u + F(1.1418305376e-1)
    d = d * u + F(5.0224277580e-1)
    d = d * u + F(1.0)
    return x * (n / d)


@njit(**INLINE)
def sin(x):
    """sin x; the angle is reduced in float64, so it holds up to |x| = 1e8 and more."""
    t = float64(x) * INVERSE_PI
    rounded = t + MAGIC64
    k = rounded - MAGIC64
    r = F((t - k) * math.pi)
    u = r * r
    s = F(2.6019030411e-6)
    s = s * u + F(-1.9807418714e-4)
    s = s * u + F(8.3330251388e-3)
    s = s * u + F(-1.6666656684e-1)
    s = s * u + F(9.9999999469e-1)
    half = k * 0.5
    odd = half - ((half + MAGIC64) - MAGIC64)  # 0 for even k, +-1/2 for odd k
    return r * s * F(1.0 - 4.0 * abs(odd))
