"""phi of one number in float32, and of a block of lanes, each a function of its own.

Relative errors are below 2.7e-7 (checked in the tests), in the tails and near 0 too, until exponentials end at
e^-87, next to the least normal float32: they stay there, so that nothing becomes 0 (gelu from -13.19 down,
sigmoid, silu, mish and softplus from -87).
"""

import math

import numpy as np
from numba import njit
from numpy import float32

from . import GROUP, own
from .elementary import bell, erf, exp, expm1, sin, tanh
from .options import ALLOCATING, COPIED, INLINE
from .separate import block, call_block

F = float32
SELU_SCALE = F(1.0507009873554804934)
SELU_SCALE_ALPHA = F(1.0507009873554804934 * 1.6732632423543772848)
HALF = F(0.5)
SQRT_HALF = F(math.sqrt(0.5))
GELU_END = F(13.19)  # exp(-y^2 / 2) is e^-87 there


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


@njit(**ALLOCATING)
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
