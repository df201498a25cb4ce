"""The dense sampler with its gradient: W^T delta summed over the very weights of the forward pass.

A weight is a pure function of its counter, so it is drawn again instead of being stored.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64, uint64

from . import GROUP, LANES
from .dense import dense_layer, new_work, orthogonal_products, set_input, weights_of_four
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
from .options import CALLED, sampler
from .streams import DENSE_LOSS, WEIGHTS, stream

F = float32


@njit(**CALLED)
def transposed_product(j, layer, key, network, gradient, work, stop):
    """Set ``gradient.u`` to W^T eta with weights of variance 1, and kappa to 1 / |eta|."""
    eta, u, w, groups = gradient.eta, gradient.u, gradient.normals, (layer.fan_in + 3) // 4
    weights = stream(j + 1, WEIGHTS)
    if layer.orthogonal:
        orthogonal_products(layer, True, key, network, weights, work[0], eta, u, stop)
    else:
        u[:groups] = F(0.0)
        for k in range(layer.fan_out):
            row, at = k // 4, k % 4 * LANES
            for g in range(groups):
                weights_of_four(layer.distribution, key, network, weights, uint64(k * groups + g), w)
                for i in range(4):
                    for b in range(LANES):
                        u[g, i * LANES + b] += w[i * LANES + b] * eta[row, at + b]
            if stop[0]:
                return
    for b in range(LANES):
        gradient.kappa[b] = F(1.0 / math.sqrt(gradient.norm[b])) if gradient.norm[b] > 0.0 else F(0.0)
        gradient.coefficient[b] = F(0.0)


@njit(**CALLED)
def add_squares(fan_in, gradient, squares, stop):
    """Set ``squares`` (LANES,) to the sum of squares of kappa u over the input."""
    for b in range(LANES):
        squares[b] = 0.0
    for i in range(fan_in):
        if stop[0]:
            return
        row, at = i // 4, i % 4 * LANES
        for b in range(LANES):
            x = float64(gradient.kappa[b] * gradient.u[row, at + b])
            squares[b] += x * x


def dense_backward_room(layers) -> tuple:
    """Return what `dense_backward` works in."""
    inputs, scratch = np.zeros(((layers[0].fan_in + 3) // 4, GROUP), F), np.empty((RECORD_FIELDS, LANES))
    return new_lanes(), new_history(layers), new_gradient(layers), new_work(layers), inputs, scratch


@sampler
def dense_backward(key, first, layers, rows, norms, loss, given, room, records, stop):
    """Sample networks ``first`` and on weight by weight, forward and backward.

    Arguments as in `dense.dense` and `conditional_backward.conditional_backward`.
    """
    lanes, history, gradient, work, inputs, scratch = room
    last = layers.size - 1
    for tile in range(records.shape[0]):
        network = first + uint64(tile * LANES)
        set_input(key, network, layers[0].fan_in, rows, norms, inputs, lanes)
        below = inputs
        for j in range(layers.size):
            note_below(j, lanes, history)
            zeta, a = history.zeta[history.first[j] :], history.a[history.first[j] :]
            dense_layer(j + 1, layers[j], key, network, below, lanes, zeta, a, scratch, work, stop)
            note_layer(j, lanes, history)
            below = a
            if stop[0]:
                return
        top = history.zeta[history.first[last] :]
        start(loss, given, key, network, stream(0, DENSE_LOSS), layers[last].fan_out, lanes, top, gradient)
        record_gradient(last, layers[last], history, gradient, records[tile, last])
        for j in range(last, 0, -1):
            transposed_product(j, layers[j], key, network, gradient, work, stop)
            if stop[0]:
                return
            scale_down(layers[j].weight_variance, gradient)
            pass_layer(j - 1, layers[j - 1], lanes, history, gradient, stop)
            record_gradient(j - 1, layers[j - 1], history, gradient, records[tile, j - 1])
        if records.shape[1] > layers.size:
            transposed_product(0, layers[0], key, network, gradient, work, stop)
            if stop[0]:
                return
            scale_down(layers[0].weight_variance, gradient)
            add_squares(layers[0].fan_in, gradient, lanes.work, stop)
            record_input(layers[0].fan_in, lanes.work, gradient, records[tile, last + 1])
