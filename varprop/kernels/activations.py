"""phi of one number in float32, and of a block of lanes, each a function of its own.

The forms are branch-free polynomials and rationals, so that each loop over lanes vectorises.
Relative errors are below 2.7e-7 (checked in the tests), in the tails and near 0 too, until exponentials end at
e^-87, next to the least normal float32: they stay there, so that nothing becomes 0 (gelu from -13.19 down,
sigmoid, silu, mish and softplus from -87). sin holds its angle to 1e-16 of it.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64, int32

from . import GROUP, own
from .normal import EXPONENT
from .options import CALLED, COPIED, INLINE
from .separate import block, call_block

F = float32
LOG2E = F(math.log2(math.e))
LN2_HIGH = F(0.693359375)
LN2_LOW = F(math.log(2.0) - 0.693359375)
MAGIC = F(1.5 * 2**23)  # adding it rounds to a whole number, left in the low bits
ONE_BITS = int32(0x3F800000)
SELU_SCALE = F(1.0507009873554804934)
SELU_SCALE_ALPHA = F(1.0507009873554804934 * 1.6732632423543772848)
INVERSE_PI = 1 / math.pi
MAGIC64 = 1.5 * 2.0**52
TWELVE_BITS = int32(-4096)  # a mask that leaves a float32 its twelve leading bits
HALF = F(0.5)
SQRT_HALF = F(math.sqrt(0.5))
GELU_END = F(13.19)  # exp(-y^2 / 2) is e^-87 there


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
def sigmoid(x):
    return F(1.0) / (F(1.0) + exp(-x))


@njit(**INLINE)
def gelu(x):
    """max(x, 0) - y P(Z > y), y = |x|: no digits cancel on either side. P(Z > y) exp(y^2 / 2) is a rational."""
    y = min(abs(x), GELU_END)
    n = F(4.0201977312e-3)
    n = n * y + F(3.9984227231e-2)
    n = n * y + F(1.8130693170e-1)
    n = n * y + F(4.3568656768e-1)
    n = n * y + F(5.0000000248e-1)
    d = F(1.0076998091e-2)
    d = d * y + F(1.0023297556e-1)
    d = d * y + F(4.6438078675e-1)
    d = d * y + F(1.1944849568)
    d = d * y + F(1.6692580544)
    d = d * y + F(1.0)
    return max(x, F(0.0)) - bell(y, HALF) * (y * (n / d))


@njit(**INLINE)
def quick_gelu(x):
    """gelu with errors relative to |x|: where none of many units need its tail."""
    return HALF * x * (F(1.0) + erf(x * SQRT_HALF))


@njit(**INLINE)
def silu(x):
    return x * sigmoid(x)


@njit(**INLINE)
def elu(x):
    return max(x, F(0.0)) + expm1(min(x, F(0.0)))


@njit(**INLINE)
def selu(x):
    return SELU_SCALE * max(x, F(0.0)) + SELU_SCALE_ALPHA * expm1(min(x, F(0.0)))


@njit(**INLINE)
def softplus(x):
    """max(x, 0) + ln(1 + t), t = exp(-|x|), the logarithm as t times a polynomial in t."""
    t = exp(-abs(x))
    p = F(5.2326951313e-3)
    p = p * t + F(-2.9505244750e-2)
    p = p * t + F(7.8225966392e-2)
    p = p * t + F(-1.3663247526e-1)
    p = p * t + F(1.9106007884e-1)
    p = p * t + F(-2.4842982614e-1)
    p = p * t + F(3.3319096882e-1)
    p = p * t + F(-4.9999493147e-1)
    p = p * t + F(9.9999996988e-1)
    return max(x, F(0.0)) + t * p


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


@njit(**INLINE)
def mish(x):
    """x tanh(softplus x) = x n / (n + 2) with n = w (w + 2), w = exp x."""
    w = exp(min(x, F(20.0)))
    n = w * (w + F(2.0))
    return x * (n / (n + F(2.0)))


@njit(**INLINE)
def softsign(x):
    return x / (F(1.0) + abs(x))


@njit(**INLINE)
def hardtanh(x):
    return min(max(x, F(-1.0)), F(1.0))


@block
def tanh_block(scale, z, a):
    for b in range(GROUP):
        a[b] = tanh(scale[b] * z[b])


@block
def sigmoid_block(scale, z, a):
    for b in range(GROUP):
        a[b] = sigmoid(scale[b] * z[b])


@block
def erf_block(scale, z, a):
    for b in range(GROUP):
        a[b] = erf(scale[b] * z[b])


@block
def gelu_block(scale, z, a):
    for b in range(GROUP):
        a[b] = gelu(scale[b] * z[b])


@block
def quick_gelu_block(scale, z, a):
    for b in range(GROUP):
        a[b] = quick_gelu(scale[b] * z[b])


@block
def silu_block(scale, z, a):
    for b in range(GROUP):
        a[b] = silu(scale[b] * z[b])


@block
def elu_block(scale, z, a):
    for b in range(GROUP):
        a[b] = elu(scale[b] * z[b])


@block
def selu_block(scale, z, a):
    for b in range(GROUP):
        a[b] = selu(scale[b] * z[b])


@block
def softplus_block(scale, z, a):
    for b in range(GROUP):
        a[b] = softplus(scale[b] * z[b])


@block
def sin_block(scale, z, a):
    for b in range(GROUP):
        a[b] = sin(scale[b] * z[b])


@block
def mish_block(scale, z, a):
    for b in range(GROUP):
        a[b] = mish(scale[b] * z[b])


@block
def softsign_block(scale, z, a):
    for b in range(GROUP):
        a[b] = softsign(scale[b] * z[b])


@block
def hardtanh_block(scale, z, a):
    for b in range(GROUP):
        a[b] = hardtanh(scale[b] * z[b])


# By integer code; those of two slopes are in `activate`. Layers of more than `NARROW` units may take another form.
_ORDER = (
    tanh_block,
    sigmoid_block,
    erf_block,
    gelu_block,
    silu_block,
    elu_block,
    selu_block,
    softplus_block,
    sin_block,
)
BLOCKS = dict(enumerate((*_ORDER, mish_block, softsign_block, hardtanh_block), start=3))
QUICK_BLOCKS = {6: quick_gelu_block}
NARROW = 32


@njit(**CALLED)
def activate_own(code, scale, reference, z, a):
    """Set a = phi(scale z) / reference for a user's own phi of a float64."""
    values = np.empty(GROUP)
    own.apply(code, scale, z, values)
    for b in range(GROUP):
        a[b] = F(values[b] / reference[b])


@njit(**COPIED)
def activate(layer, scale, reference, z, a):
    """Set a = phi(scale z) for a block of GROUP numbers, ``scale`` its lane's scale.

    ``layer`` has the fields of `layer.ACTIVATION_FIELDS`. A user's own phi, whose code is below 0, is divided
    by ``reference``; built-in ones are not.
    """
    if layer.code < 0:
        activate_own(layer.code, scale, reference, z, a)
    elif layer.code == 0:
        for b in range(GROUP):
            a[b] = scale[b] * z[b]
    elif layer.code == 1:
        for b in range(GROUP):
            a[b] = scale[b] * max(z[b], F(0.0))
    elif layer.code == 2:
        for b in range(GROUP):
            a[b] = scale[b] * (max(z[b], F(0.0)) + F(layer.slope) * min(z[b], F(0.0)))
    else:
        call_block(layer.phi, scale, z, a)
