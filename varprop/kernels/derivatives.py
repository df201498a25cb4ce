"""phi' of one number in float32, and of a block of lanes, each a function of its own.

Branch-free like `activations`; relative errors below 3e-7 (checked in the tests) until exponentials end at e^-87,
in the tails of tanh' from 43.5 on, sigmoid' from 87, erf' from 9.3. Where silu' and mish' cross 0, near -1.2, errors
are below 1e-7 absolute. At a kink phi' is what frameworks take: relu'(0) = 0, and the lower slope for leaky ReLU.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64

from . import GROUP, own
from .activations import GELU_END, HALF, SELU_SCALE, SELU_SCALE_ALPHA, sigmoid
from .elementary import bell, exp, sin
from .options import ALLOCATING, CALLED, INLINE
from .separate import block, call_block

F = float32
ERF_SLOPE = F(2 / math.sqrt(math.pi))
ERF_END = F(9.327)  # exp(-x^2) is e^-87 there
GELU_TURN = F(0.7517915246935645)  # gelu' is 0 at minus this
GELU_TURN_REST = F(0.7517915246935645 - float(GELU_TURN))
QUARTER_TURN = math.pi / 2


@njit(**INLINE)
def sech2(x):
    t = exp(F(-2.0) * abs(x))
    return F(4.0) * t / ((F(1.0) + t) * (F(1.0) + t))


@njit(**INLINE)
def dsigmoid(x):
    t = exp(-abs(x))
    return t / ((F(1.0) + t) * (F(1.0) + t))


@njit(**INLINE)
def derf(x):
    return ERF_SLOPE * bell(min(abs(x), ERF_END), F(1.0))


@njit(**INLINE)
def dgelu(x):
    """1 - t for x > 0, else t = P(Z > y) - y exp(-y^2 / 2) / sqrt(2 pi), y = |x|: exp(-y^2 / 2) (root - y) n / d."""
    y = min(abs(x), GELU_END)
    n = F(1.0224829187e-2)
    n = n * y + F(9.4344771238e-2)
    n = n * y + F(3.7465270741e-1)
    n = n * y + F(7.5019184725e-1)
    n = n * y + F(6.6507799055e-1)
    d = F(2.5629663709e-2)
    d = d * y + F(2.1722739903e-1)
    d = d * y + F(7.8678797972e-1)
    d = d * y + F(1.3935884453)
    d = d * y + F(1.0)
    t = bell(y, HALF) * (((GELU_TURN - y) + GELU_TURN_REST) * (n / d))
    return F(1.0) - t if x > F(0.0) else t


@njit(**INLINE)
def dsilu(x):
    return sigmoid(x) + x * dsigmoid(x)


@njit(**INLINE)
def dmish(x):
    """With w = exp x and t = tanh(softplus x) = n / (n + 2): t + x (1 - t^2) sigmoid x."""
    w = exp(min(x, F(20.0)))
    n = w * (w + F(2.0))
    t = n / (n + F(2.0))
    return t + x * (F(4.0) * (n + F(1.0)) / ((n + F(2.0)) * (n + F(2.0)))) * (w / (F(1.0) + w))


@block
def tanh_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = sech2(scale[b] * z[b])


@block
def sigmoid_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = dsigmoid(scale[b] * z[b])


@block
def erf_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = derf(scale[b] * z[b])


@block
def gelu_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = dgelu(scale[b] * z[b])


@block
def silu_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = dsilu(scale[b] * z[b])


@block
def elu_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = exp(min(scale[b] * z[b], F(0.0)))


@block
def selu_slope_block(scale, z, out):
    for b in range(GROUP):
        x = scale[b] * z[b]
        out[b] = SELU_SCALE if x > F(0.0) else SELU_SCALE_ALPHA * exp(min(x, F(0.0)))


@block
def softplus_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = sigmoid(scale[b] * z[b])


@block
def sin_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = sin(float64(scale[b] * z[b]) + QUARTER_TURN)


@block
def mish_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = dmish(scale[b] * z[b])


@block
def softsign_slope_block(scale, z, out):
    for b in range(GROUP):
        x = F(1.0) + abs(scale[b] * z[b])
        out[b] = F(1.0) / (x * x)


@block
def hardtanh_slope_block(scale, z, out):
    for b in range(GROUP):
        out[b] = F(1.0) if abs(scale[b] * z[b]) < F(1.0) else F(0.0)


# By integer code; those of two slopes are in `derive`.
BLOCKS = dict(
    enumerate(
        (
            tanh_slope_block,
            sigmoid_slope_block,
            erf_slope_block,
            gelu_slope_block,
            silu_slope_block,
            elu_slope_block,
            selu_slope_block,
            softplus_slope_block,
            sin_slope_block,
            mish_slope_block,
            softsign_slope_block,
            hardtanh_slope_block,
        ),
        start=3,
    )
)


@njit(**ALLOCATING)
def derive_own(code, scale, z, out):
    """Set out = phi'(scale z) for a user's own phi' of a float64."""
    values = np.empty(GROUP)
    own.apply(code, scale, z, values)
    for b in range(GROUP):
        out[b] = F(values[b])


@njit(**CALLED)
def derive(layer, scale, z, out):
    """Set out = phi'(scale z) for a block of GROUP numbers, ``scale`` its lane's scale, 0 for z = 0; as `activate`."""
    if layer.derivative < 0:
        derive_own(layer.derivative, scale, z, out)
    elif layer.code == 0:
        for b in range(GROUP):
            out[b] = F(1.0)
    elif layer.code == 1:
        for b in range(GROUP):
            out[b] = F(1.0) if scale[b] * z[b] > F(0.0) else F(0.0)
    elif layer.code == 2:
        for b in range(GROUP):
            out[b] = F(1.0) if scale[b] * z[b] > F(0.0) else F(layer.slope)
    else:
        call_block(layer.dphi, scale, z, out)
