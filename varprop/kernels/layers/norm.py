"""LayerNorm and RMSNorm: y = (x - mean x) / s or x / s, s^2 = mean (x - mean x)^2 + eps.

Backward: (d - mean d - y mean(d y)) / s, exact with eps; RMSNorm leaves out mean d.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, float64

from .. import LANES
from ..blocks import clear_rows, dots, normalise_root
from ..layer import power_of_two
from ..options import CALLED, cached

F = float32
S = LANES


@njit(**CALLED)
def means(x, width, out):
    """Set ``out`` (LANES,) to the mean of one signal's units, (groups, GROUP)."""
    out[:] = 0.0
    for i in range(x.shape[0]):
        u = x[i]
        for b in range(S):
            out[b] += float64((u[b] + u[S + b]) + (u[2 * S + b] + u[3 * S + b]))
    for b in range(S):
        out[b] /= width


@cached
def forward(width, centred, eps, x, y, inverse, stop):
    """Set the block ``y`` to x normalised, and 1 / s in ``inverse``, (2, T, P, LANES): a root and its exponent."""
    mean, square = np.zeros(S), np.empty(S)
    for t in range(y.root.shape[0]):
        if stop[0]:
            return
        for p in range(y.root.shape[1]):
            if centred:
                means(x.units[t, :, p], width, mean)
            for i in range(y.units.shape[1]):
                for k in range(4):
                    for b in range(S):
                        y.units[t, i, p, k * S + b] = F(x.units[t, i, p, k * S + b] - mean[b])
            if width % 4:
                clear_rows(y.units[t, y.units.shape[1] - 1, p : p + 1], width % 4)
            dots(y.units[t, :, p], y.units[t, :, p], square)
            for b in range(S):
                root, e = x.root[t, p, b], x.exponent[t, p, b]
                own = root * root * square[b] / width
                s, power = 0.0, 0.0  # of 1 / s
                if e > 0.0 or (eps == 0.0 and own > 0.0):
                    total = own + eps * power_of_two(-2.0 * e)
                    s, power = 1.0 / math.sqrt(total) if total > 0.0 else 0.0, -e
                elif eps > 0.0:
                    s = 1.0 / math.sqrt(own * power_of_two(2.0 * e) + eps)
                inverse[0, t, p, b], inverse[1, t, p, b] = normalise_root(s, power)
                y.root[t, p, b], y.exponent[t, p, b] = normalise_root(s * root, power + e)


@cached
def backward(width, centred, y, inverse, d, e, stop):
    """Set ``e``, the gradient by x, from that by ``y``, ``d``; ``inverse`` as `forward` left it."""
    mean, product = np.zeros(S), np.empty(S)
    for t in range(e.root.shape[0]):
        if stop[0]:
            return
        for p in range(e.root.shape[1]):
            if centred:
                means(d.units[t, :, p], width, mean)
            dots(y.units[t, :, p], d.units[t, :, p], product)
            for b in range(S):
                root = y.root[t, p, b]
                product[b] *= root * root * power_of_two(2.0 * y.exponent[t, p, b]) / width
            for i in range(e.units.shape[1]):
                for k in range(4):
                    for b in range(S):
                        along = mean[b] + product[b] * y.units[t, i, p, k * S + b]
                        e.units[t, i, p, k * S + b] = F(d.units[t, i, p, k * S + b] - along)
            if width % 4:
                clear_rows(e.units[t, e.units.shape[1] - 1, p : p + 1], width % 4)
            for b in range(S):
                root = d.root[t, p, b] * inverse[0, t, p, b]
                e.root[t, p, b], e.exponent[t, p, b] = normalise_root(root, d.exponent[t, p, b] + inverse[1, t, p, b])
