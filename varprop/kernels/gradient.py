"""What both backward samplers share: what the forward pass leaves, the loss, and one layer's gradient.

The gradient by z^l is held as delta = sqrt(d) eta, with eta in float32 of any size and d a float64
times 2^exponent, so that gradients vanish and explode without underflow or overflow. A sampler makes
W^T delta in the form sqrt(d') (kappa u + coefficient a), with a number kappa and one coefficient a lane.
"""

import math
from collections import namedtuple

import numpy as np
from numba import njit, typeof, types
from numpy import float32, float64, uint64

from . import GROUP, LANES
from .derivatives import derive
from .elementary import exp
from .far import choose_lift, find_faint, held, lifted, log_slope
from .layer import (
    EXPONENT,
    FLUSH,
    FOURTH,
    LANES_TYPE,
    LAYER_DTYPE,
    LAYER_TYPE,
    MEAN,
    SECOND_EXPONENT,
    SECOND_MOMENT,
    VARIANCE,
    clear_tail,
    flush,
    normalise,
    power_of_two,
)
from .normal import normals
from .options import CALLED, COPIED
from .philox import HALF, draw
from .separate import caller, separate

F = float32
LINEAR, HALF_SQUARE, CROSS_ENTROPY, GIVEN = range(4)
LARGEST = 2.0**40
HARDTANH = 14  # its code: phi' is 0 or 1

# What the forward pass leaves of each layer: ``zeta`` and ``a`` of shape (rows, GROUP), layer l from row
# ``first[l - 1]``; of shape (L, LANES), ``scale`` (float32) of phi', ``share`` of the biases in Q, ``norm`` = |a^l|^2
# in the units in which a is held, ``power`` and ``power_exponent`` of |a^(l-1)|^2.
History = namedtuple("History", "zeta a first scale share norm power power_exponent")

# The gradient's place: ``eta`` and ``u`` of shape (groups, GROUP); ``dphi`` and ``normals``, (GROUP,), work; over lanes
# ``d``, ``exponent``, ``norm`` = |eta|^2, ``dot`` = zeta . eta, and ``kappa`` and ``coefficient`` (float32).
Gradient = namedtuple("Gradient", "eta u dphi normals d exponent norm dot kappa coefficient")


def new_history(layers) -> History:
    """Return a `History` with room for one tile."""
    groups = (layers.fan_out + 3) // 4
    first, rows = np.cumsum(groups) - groups, groups.sum()
    shape = (layers.size, LANES)
    return History(
        np.zeros((rows, GROUP), F),
        np.zeros((rows, GROUP), F),
        first,
        np.zeros(shape, F),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
    )


def new_gradient(layers) -> Gradient:
    """Return a `Gradient` with room for the widest layer, and for the input."""
    groups = (max(layers.fan_out.max(), layers[0].fan_in) + 3) // 4
    return Gradient(
        np.zeros((groups, GROUP), F),
        np.zeros((groups, GROUP), F),
        np.zeros(GROUP, F),
        np.zeros(GROUP, F),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES, F),
        np.zeros(LANES, F),
    )


@njit(**COPIED)
def note_below(j, lanes, history):
    """Keep |a|^2 below layer entry ``j``."""
    for b in range(LANES):
        history.power[j, b] = lanes.power[b]
        history.power_exponent[j, b] = lanes.power_exponent[b]


@njit(**COPIED)
def note_layer(j, lanes, history):
    """Keep what layer entry ``j`` has just left. A dead lane has z = 0, so phi' must see 0, not zeta."""
    for b in range(LANES):
        history.scale[j, b] = lanes.scale[b] if lanes.q[b] > 0.0 else F(0.0)
        history.share[j, b] = lanes.share[b]
        history.norm[j, b] = lanes.norm[b]


@njit(**CALLED)
def start(loss, given, key, network, draws, width, lanes, zeta, gradient):
    """Set eta, d and its exponent from the loss; ``given`` is a unit vector and its squared norm."""
    eta, d, exponent = gradient.eta, gradient.d, gradient.exponent
    vector, squared_norm = given
    for b in range(LANES):
        d[b], exponent[b] = squared_norm, 0.0
    for i in range((width + 3) // 4):
        if loss == LINEAR:
            normals(eta[i], key, network, draws, uint64(i))
        elif loss == GIVEN:
            for k in range(min(4, width - 4 * i)):
                for b in range(LANES):
                    eta[i, k * LANES + b] = vector[4 * i + k]
        else:
            for b in range(GROUP):
                eta[i, b] = zeta[i, b]
        if 4 * i + 4 > width:
            eta[i, (width - 4 * i) * LANES :] = F(0.0)
    if loss == HALF_SQUARE:
        for b in range(LANES):
            d[b], exponent[b] = lanes.q[b], lanes.q_exponent[b]
    elif loss == CROSS_ENTROPY:
        set_softmax(key, network, draws, width, lanes, eta)
    for b in range(LANES):
        gradient.norm[b], gradient.dot[b] = 0.0, 0.0
    for i in range((width + 3) // 4):
        for k in range(4):
            for b in range(LANES):
                x = float64(eta[i, k * LANES + b])
                gradient.norm[b] += x * x
                gradient.dot[b] += x * float64(zeta[i, k * LANES + b])


@njit(**COPIED)
def set_softmax(key, network, draws, width, lanes, eta):
    """Turn eta from zeta into softmax(z) less the indicator of a random label, to relative precision."""
    root, highest, total = lanes.norm, lanes.work, lanes.more_work
    for b in range(LANES):
        root[b] = min(math.sqrt(lanes.q[b]) * power_of_two(0.5 * lanes.q_exponent[b]), LARGEST)
        highest[b], total[b] = -np.inf, 0.0
    for j in range(width):
        i, k = j // 4, j % 4 * LANES
        for b in range(LANES):
            eta[i, k + b] = F(root[b]) * eta[i, k + b]
            highest[b] = max(highest[b], float64(eta[i, k + b]))
    for j in range(width):
        i, k = j // 4, j % 4 * LANES
        for b in range(LANES):
            eta[i, k + b] = exp(eta[i, k + b] - F(highest[b]))
            total[b] += float64(eta[i, k + b])
    for b in range(LANES):
        label = (draw(key, network + uint64(b), draws, uint64(0))[0] * uint64(width)) >> HALF
        i, k = label // uint64(4), label % uint64(4) * uint64(LANES) + uint64(b)
        others = 0.0
        for j in range(width):
            others += float64(eta[j // 4, j % 4 * LANES + b]) if uint64(j) != label else 0.0
        eta[i, k] = F(-others)
    for j in range(width):
        i, k = j // 4, j % 4 * LANES
        for b in range(LANES):
            eta[i, k + b] = F(float64(eta[i, k + b]) / total[b])


@njit(**COPIED)
def scale_down(weight_variance, gradient):
    """Take |eta|^2 and Var(W) of the layer above into d."""
    for b in range(LANES):
        d = gradient.d[b] * gradient.norm[b] * weight_variance
        gradient.d[b], gradient.exponent[b] = normalise(d, gradient.exponent[b])


_LAYERS = np.zeros(1, LAYER_DTYPE).view(np.recarray)
_LIFT = (
    types.int64,
    LAYER_TYPE,
    LANES_TYPE,
    *(typeof(new(_LAYERS)) for new in (new_history, new_gradient)),
)
call_lift = caller(_LIFT)


@separate(_LIFT)
def lift_gradient(j, layer, lanes, history, gradient):
    """Hold in lifted units the gradients that are too faint for float32; see `far`. `pass_layer` has set the rest."""
    first, sums, lift, top = history.first[j], lanes.sums, lanes.lift, lanes.top
    eta, u, dphi, kappa, coefficient = gradient.eta, gradient.u, gradient.dphi, gradient.kappa, gradient.coefficient
    for step in range(2):
        if step:
            choose_lift(lift, top)
            for b in range(LANES):
                if lift[b] >= 0.0:
                    sums[0, b], sums[2, b] = 0.0, 0.0
                    gradient.exponent[b] -= 2.0 * lift[b]
        for i in range((layer.fan_out + 3) // 4):
            zeta, a = history.zeta[first + i], history.a[first + i]
            derive(layer, lanes.scale, zeta, dphi)
            values = held(layer.derivative, lanes.scale, zeta, dphi)
            for k in range(min(4, layer.fan_out - 4 * i)):
                for b in range(LANES):
                    if lift[b] < 0.0:
                        continue
                    at = k * LANES + b
                    log, sign = log_slope(layer.derivative, lanes.scale[at], zeta[at], values[at])
                    if step:
                        slope = F(sign) * lifted(log, lift[b], top[b]) if lift[b] > 0.0 else dphi[at]
                        eta[i, at] = slope * (kappa[b] * u[i, at] + coefficient[b] * a[at])
                        x = float64(eta[i, at])
                        sums[0, b] += x * x
                        sums[2, b] += x * float64(zeta[at])
                    else:
                        top[b] = max(top[b], log)


@njit(**CALLED)
def pass_layer(j, layer, lanes, history, gradient, stop):
    """Set eta to phi'(z) (kappa u + coefficient a) of layer entry ``j``, and its norm and product with zeta."""
    first, partial, sums = history.first[j], lanes.partial, lanes.sums
    eta, u, dphi, kappa, coefficient = gradient.eta, gradient.u, gradient.dphi, gradient.kappa, gradient.coefficient
    for k in range(4):
        for b in range(LANES):
            lanes.scale[k * LANES + b] = history.scale[j, b]
    sums[:] = 0.0
    for i in range((layer.fan_out + 3) // 4):
        if stop[0]:
            return
        zeta, a = history.zeta[first + i], history.a[first + i]
        derive(layer, lanes.scale, zeta, dphi)
        for k in range(4):
            for b in range(LANES):
                at = k * LANES + b
                eta[i, at] = dphi[at] * (kappa[b] * u[i, at] + coefficient[b] * a[at])
        if 4 * i + 4 > layer.fan_out:
            clear_tail(layer.fan_out - 4 * i, eta[i], eta[i])
        for k in range(4):
            for b in range(LANES):
                x = eta[i, k * LANES + b]
                partial[0, b] += x * x
                partial[1, b] += (x * x) * (x * x)
                partial[2, b] += x * zeta[k * LANES + b]
        if i % FLUSH == FLUSH - 1:
            flush(partial, sums)
    flush(partial, sums)
    jumps = layer.homogeneous or layer.code == HARDTANH
    if not jumps and find_faint(sums[0], lanes.scale, lanes.lift, lanes.top):
        call_lift(layer.lift_back, j, layer, lanes, history, gradient)
    for b in range(LANES):
        gradient.norm[b] = sums[0, b]
    for b in range(LANES):
        gradient.dot[b] = sums[2, b]


@njit(**COPIED)
def record_gradient(j, layer, history, gradient, record):
    """Write the ``record`` (RECORD_FIELDS, LANES) of layer entry ``j``: d-hat and the mean squared weight gradient."""
    norm, d, exponent = gradient.norm, gradient.d, gradient.exponent
    share = 1.0 / layer.fan_out
    for b in range(LANES):
        record[VARIANCE, b] = d[b] * norm[b] * share
    for b in range(LANES):
        record[FOURTH, b], record[MEAN, b] = 0.0, 0.0
    for b in range(LANES):
        record[EXPONENT, b] = exponent[b]
    for b in range(LANES):
        record[SECOND_MOMENT, b] = d[b] * norm[b] * share * history.power[j, b] / layer.fan_in
    for b in range(LANES):
        record[SECOND_EXPONENT, b] = exponent[b] + history.power_exponent[j, b]


@njit(**COPIED)
def record_input(fan_in, squares, gradient, record):
    """Write the ``record`` of the input from ``squares`` (LANES,), |dx|^2 in units of d, which `scale_down` has set."""
    for b in range(LANES):
        mean = gradient.d[b] * squares[b] / fan_in
        record[VARIANCE, b], record[SECOND_MOMENT, b] = mean, mean
    for b in range(LANES):
        record[EXPONENT, b], record[SECOND_EXPONENT, b] = gradient.exponent[b], gradient.exponent[b]
    for b in range(LANES):
        record[FOURTH, b], record[MEAN, b] = 0.0, 0.0
