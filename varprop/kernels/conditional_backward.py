"""The conditional sampler with its gradient: a joint forward and backward pass in O(width) a layer.

Let h = W a be z without its bias, and delta any vector that depends on W through h alone. Given a, h and
delta, W^T delta has the law of a (h . delta) / |a|^2 + sqrt(Var W) |delta| (g - a (a . g) / |a|^2), g ~ N(0, I);
for |a| = 0, of sqrt(Var W) |delta| g. Exact at any width, without assuming that gradients are independent
of activations. For orthogonal W = c U the second part is a random direction orthogonal to a, of the
length that U leaves.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64, uint64

from . import LANES
from .conditional import conditional_layer, set_input, squared_norm
from .gradient import (
    new_gradient,
    new_history,
    note_below,
    note_layer,
    pass_layer,
    record_gradient,
    record_input,
    scale_down,
    start,
)
from .layer import RECORD_FIELDS, new_lanes
from .normal import normals
from .options import CALLED, sampler
from .streams import CONDITIONAL, GRADIENT, GRADIENT_BIAS, GRADIENT_RADIUS, INPUT, LOSS, RADIUS, ROW, stream

F = float32


@njit(**CALLED)
def draw_back(j, layers, key, network, history, gradient, lanes, stop):
    """Draw g into ``gradient.u`` for W^T delta of layer entry ``j``; leave a . g and |g|^2 in ``lanes.sums``."""
    first, u, dot, square = history.first[j - 1], gradient.u, lanes.sums[0], lanes.sums[1]
    lanes.sums[:] = 0.0
    fan_in = layers[j].fan_in
    for i in range((fan_in + 3) // 4):
        if stop[0]:
            return
        normals(u[i], key, network, stream(j + 1, GRADIENT), uint64(i))
        a = history.a[first + i]
        if 4 * i + 4 > fan_in:
            u[i, (fan_in - 4 * i) * LANES :] = F(0.0)
        for b in range(LANES):
            p0, p1 = u[i, b] * a[b], u[i, LANES + b] * a[LANES + b]
            p2, p3 = u[i, 2 * LANES + b] * a[2 * LANES + b], u[i, 3 * LANES + b] * a[3 * LANES + b]
            dot[b] += float64((p0 + p1) + (p2 + p3))
        for b in range(LANES):
            p0, p1 = u[i, b] * u[i, b], u[i, LANES + b] * u[i, LANES + b]
            p2, p3 = u[i, 2 * LANES + b] * u[i, 2 * LANES + b], u[i, 3 * LANES + b] * u[i, 3 * LANES + b]
            square[b] += float64((p0 + p1) + (p2 + p3))


@njit(**CALLED)
def set_along(j, key, network, history, gradient, lanes):
    """Set ``lanes.work`` to the part of W^T delta along a, for normal weights, in units of |delta| sqrt(Var W)."""
    noise, work = lanes.noise, lanes.work
    normals(noise, key, network, stream(j + 1, GRADIENT_BIAS), uint64(0))
    for b in range(LANES):
        share = history.share[j, b]
        along = gradient.dot[b] / math.sqrt(gradient.norm[b]) if gradient.norm[b] > 0.0 else 0.0
        work[b] = math.sqrt(1.0 - share) * along + math.sqrt(share) * noise[b]


@njit(**CALLED)
def set_gaussian(j, fan_in, key, network, history, gradient, lanes):
    """Set kappa and coefficient for normal weights.

    In units of |delta| sqrt(Var W) the part along a is h . delta / sqrt(Q) over the root of the weights' share;
    given z, h is the weights' share of it and a normal number of the rest.
    """
    across = 1.0 if fan_in > 1 else 0.0  # nothing is orthogonal to one number, and rounding must not say otherwise
    set_along(j, key, network, history, gradient, lanes)
    for b in range(LANES):
        norm, along = history.norm[j - 1, b], lanes.work[b]
        gradient.kappa[b] = F(across if norm > 0.0 else 1.0)
        root = math.sqrt(norm)
        gradient.coefficient[b] = F((along - across * lanes.sums[0, b] / root) / root) if norm > 0.0 else F(0.0)


@njit(**CALLED)
def set_orthogonal(j, layer, key, network, history, gradient, lanes, stop):
    """Set kappa and coefficient for orthogonal weights, from the very point of the sphere that made h."""
    larger, dot, square, rest = max(layer.fan_in, layer.fan_out), lanes.sums[0], lanes.sums[1], lanes.more_work
    set_along_orthogonal(j, layer, key, network, gradient, lanes, stop)
    squared_norm(
        rest, key, network, stream(j + 1, GRADIENT_RADIUS), max(layer.fan_out - layer.fan_in, 0), gradient.normals, stop
    )
    for b in range(LANES):
        norm = history.norm[j - 1, b]
        along = lanes.work[b] if norm > 0.0 else 0.0
        root = math.sqrt(norm) if norm > 0.0 else 1.0
        across = square[b] - (dot[b] / root) ** 2 + rest[b]
        nowhere = norm > 0.0 and layer.fan_in == 1  # nothing is orthogonal to a
        kappa = 0.0 if nowhere else math.sqrt(larger * (1.0 - along * along) / across)
        gradient.kappa[b] = F(kappa)
        gradient.coefficient[b] = F((math.sqrt(float64(larger)) * along - kappa * dot[b] / root) / root)
        gradient.coefficient[b] = gradient.coefficient[b] if norm > 0.0 else F(0.0)


@njit(**CALLED)
def set_along_orthogonal(j, layer, key, network, gradient, lanes, stop):
    """Set ``lanes.work`` to the part of W^T delta along a over |W^T delta| of a square W, from the sphere's point."""
    larger, h, total, rest = max(layer.fan_in, layer.fan_out), lanes.norm, lanes.work, lanes.more_work
    zeta = gradient.normals
    squared_norm(total, key, network, stream(j + 1, CONDITIONAL), layer.fan_out, zeta, stop)
    squared_norm(rest, key, network, stream(j + 1, RADIUS), larger - layer.fan_out, zeta, stop)
    for b in range(LANES):
        total[b] += rest[b]
        h[b] = 0.0
    for i in range((layer.fan_out + 3) // 4):
        if stop[0]:
            return
        normals(zeta, key, network, stream(j + 1, CONDITIONAL), uint64(i))
        for k in range(4):  # eta is 0 beyond the layer's width
            for b in range(LANES):
                h[b] += float64(zeta[k * LANES + b] * gradient.eta[i, k * LANES + b])
    for b in range(LANES):
        size = gradient.norm[b] * total[b]
        total[b] = min(max(h[b] / math.sqrt(size), -1.0), 1.0) if size > 0.0 else 0.0


@njit(**CALLED)
def set_squares(layer, key, network, history, gradient, lanes, stop):
    """Set ``lanes.more_work`` to E |W^T delta|^2 of the first layer given the forward pass, over |delta|^2 Var(W).

    The part along x is known; of what is orthogonal to it only the expectation is wanted.
    """
    squares, along, fan_in = lanes.more_work, lanes.work, layer.fan_in
    larger = max(fan_in, layer.fan_out)
    if layer.orthogonal:
        set_along_orthogonal(0, layer, key, network, gradient, lanes, stop)
    else:
        set_along(0, key, network, history, gradient, lanes)
    for b in range(LANES):
        known = along[b] * along[b]
        if layer.orthogonal:
            across = (1.0 - known) * (fan_in - 1.0) / max(larger - 1.0, 1.0)
            squares[b] = larger * (known + across)
        else:
            squares[b] = known + fan_in - 1.0
        squares[b] = squares[b] if history.power[0, b] > 0.0 else float64(fan_in)


def conditional_backward_room(layers) -> tuple:
    """Return what `conditional_backward` works in."""
    return new_lanes(), new_history(layers), new_gradient(layers), np.empty((RECORD_FIELDS, LANES))


@sampler
def conditional_backward(key, first, layers, squared_norms, loss, given, room, records, stop):
    """Sample networks ``first`` and on, forward and backward; arguments as in `conditional.conditional`.

    ``records`` may have one row more, of the gradient by the input.

    ``loss`` is a code of `gradient`; ``given`` is a unit vector and its squared norm.
    """
    lanes, history, gradient, scratch = room
    last = layers.size - 1
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_input(key, network, (INPUT, ROW), layers[0].fan_in, squared_norms, lanes, gradient.normals, stop)
        for j in range(layers.size):
            if stop[0]:
                return
            note_below(j, lanes, history)
            zeta, a = history.zeta[history.first[j] :], history.a[history.first[j] :]
            conditional_layer(j + 1, layers[j], key, network, lanes, zeta, a, True, scratch, stop)
            note_layer(j, lanes, history)
        start(
            loss,
            given,
            key,
            network,
            stream(0, LOSS),
            layers[last].fan_out,
            lanes,
            history.zeta[history.first[last] :],
            gradient,
        )
        record_gradient(last, layers[last], history, gradient, records[tile, last])
        for j in range(last, 0, -1):
            if stop[0]:
                return
            draw_back(j, layers, key, network, history, gradient, lanes, stop)
            if layers[j].orthogonal:
                set_orthogonal(j, layers[j], key, network, history, gradient, lanes, stop)
            else:
                set_gaussian(j, layers[j].fan_in, key, network, history, gradient, lanes)
            scale_down(layers[j].weight_variance, gradient)
            pass_layer(j - 1, layers[j - 1], lanes, history, gradient, stop)
            record_gradient(j - 1, layers[j - 1], history, gradient, records[tile, j - 1])
        if records.shape[1] > layers.size:
            set_squares(layers[0], key, network, history, gradient, lanes, stop)
            scale_down(layers[0].weight_variance, gradient)
            record_input(layers[0].fan_in, lanes.more_work, gradient, records[tile, last + 1])
