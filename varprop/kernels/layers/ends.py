"""Where a walk begins: the input below, the loss on top."""

import math

import numpy as np
from numpy import float32, float64, uint64

from .. import GROUP, LANES
from ..blocks import add_up, clear_rows, new_partial
from ..elementary import exp
from ..layer import power_of_two
from ..normal import normals
from ..options import Direct
from ..philox import HALF, draw
from ..streams import INPUT, LOSS, PARTNER, ROW, stream

F = float32
S = LANES
LARGEST = 2.0**40  # a softmax of larger numbers is 0 or 1


@Direct
def normal_block(key, first, purpose, period, width, x, stop):
    """Fill the block ``x`` with N(0, 1); ``purpose`` is 0 for the input, 1 for the loss.

    Signals ``period`` apart are equal.
    """
    groups, partial = x.units.shape[1], new_partial()
    for t in range(x.root.shape[0]):
        for p in range(x.root.shape[1]):
            for i in range(groups):
                if stop[0]:
                    return
                which = stream(0, INPUT) if purpose == 0 else stream(0, LOSS)
                normals(x.units[t, i, p], key, first + uint64(t * S), which, uint64(p % period * groups + i))
            for b in range(S):
                x.root[t, p, b], x.exponent[t, p, b] = 1.0, 0.0
        if width % 4:
            clear_rows(x.units[t, groups - 1], width % 4)
        add_up(t, x, partial)


@Direct
def pair_block(key, first, correlation, width, x, stop):
    """Fill ``x`` with two inputs of N(0, 1) features, each pair of them of this correlation."""
    groups, other, partial = x.units.shape[1], np.empty(GROUP, F), new_partial()
    along, across = F(correlation), F(math.sqrt((1.0 - correlation) * (1.0 + correlation)))
    for t in range(x.root.shape[0]):
        network = first + uint64(t * S)
        for i in range(groups):
            if stop[0]:
                return
            normals(x.units[t, i, 0], key, network, stream(0, INPUT), uint64(i))
            normals(other, key, network, stream(0, PARTNER), uint64(i))
            for b in range(GROUP):
                x.units[t, i, 1, b] = along * x.units[t, i, 0, b] + across * other[b]
        for p in range(2):
            for b in range(S):
                x.root[t, p, b], x.exponent[t, p, b] = 1.0, 0.0
        if width % 4:
            clear_rows(x.units[t, groups - 1], width % 4)
        add_up(t, x, partial)


@Direct
def given_block(key, first, rows, sizes, x, stop):
    """Fill ``x`` with one sample a network, drawn among ``rows`` (samples, P, width) times ``sizes`` (samples, P)."""
    width, partial = rows.shape[2], new_partial()
    for t in range(x.root.shape[0]):
        for b in range(S):
            if stop[0]:
                return
            word = draw(key, first + uint64(t * S + b), stream(0, ROW), uint64(0))[0]
            r = (word * uint64(rows.shape[0])) >> HALF
            for p in range(x.root.shape[1]):
                for j in range(width):
                    x.units[t, j // 4, p, j % 4 * S + b] = rows[r, p, j]
                x.root[t, p, b], x.exponent[t, p, b] = sizes[r, p], 0.0
        if width % 4:
            clear_rows(x.units[t, x.units.shape[1] - 1], width % 4)
        add_up(t, x, partial)


@Direct
def softmax_block(key, first, width, z, d, stop):
    """Set ``d`` to softmax(z) less the indicator of a random label, position by position."""
    highest, total = np.empty(S), np.empty(S)
    for t in range(d.root.shape[0]):
        for p in range(d.root.shape[1]):
            for b in range(S):
                if stop[0]:
                    return
                root = min(z.root[t, p, b] * power_of_two(z.exponent[t, p, b]), LARGEST)
                highest[b], total[b] = -np.inf, 0.0
                for j in range(width):
                    x = root * float64(z.units[t, j // 4, p, j % 4 * S + b])
                    highest[b] = max(highest[b], x)
                for j in range(width):
                    x = root * float64(z.units[t, j // 4, p, j % 4 * S + b])
                    d.units[t, j // 4, p, j % 4 * S + b] = exp(F(x - highest[b]))
                    total[b] += float64(d.units[t, j // 4, p, j % 4 * S + b])
                word = draw(key, first + uint64(t * S + b), stream(0, LOSS), uint64(p))[0]
                label, others = (word * uint64(width)) >> HALF, 0.0
                for j in range(width):
                    others += float64(d.units[t, j // 4, p, j % 4 * S + b]) if uint64(j) != label else 0.0
                d.units[t, label // uint64(4), p, label % uint64(4) * uint64(S) + uint64(b)] = F(-others)
                for j in range(width):
                    d.units[t, j // 4, p, j % 4 * S + b] = F(float64(d.units[t, j // 4, p, j % 4 * S + b]) / total[b])
                d.root[t, p, b], d.exponent[t, p, b] = 1.0, 0.0
        if width % 4:
            clear_rows(d.units[t, d.units.shape[1] - 1], width % 4)


@Direct
def copy_block(x, y, stop):
    """Set ``y`` to ``x``."""
    for t in range(y.root.shape[0]):
        if stop[0]:
            return
        y.units[t], y.root[t], y.exponent[t] = x.units[t], x.root[t], x.exponent[t]
