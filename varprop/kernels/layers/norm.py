"""LayerNorm and RMSNorm: y = (x - mean x) / s or x / s, s^2 = mean (x - mean x)^2 + eps.

Backward: (d - mean d - y mean(d y)) / s, exact with eps; RMSNorm leaves out mean d.
"""

import math

import numpy as np
from numba import njit
from numpy import float32

from .. import GROUP, LANES
from ..blocks import (
    FIRSTS,
    SQUARES,
    add_units,
    clear_rest,
    clear_rows,
    clear_sums,
    dots,
    new_partial,
    normalise_root,
    settle,
)
from ..layer import power_of_two
from ..options import CALLED, Direct

F = float32
S = LANES
MOST_LOST = 4.0  # a sum of squares over what is left of it less the mean, up to which the sums serve


@njit(**CALLED)
def means(x, p, width, total, out):
    """Set ``out`` (LANES,), float32, to the mean of signal ``p`` of a tile, (groups, P4, GROUP); ``total`` is work."""
    out[:] = F(0.0)
    total[:] = 0.0
    for i in range(x.shape[0]):
        u = x[i, p]
        for b in range(S):
            out[b] += (u[b] + u[S + b]) + (u[2 * S + b] + u[3 * S + b])
        settle(i, x.shape[0], out, total)
    for b in range(S):
        out[b] = F(total[b] / width)


@njit(**CALLED)
def subtract(u, mean, v):
    """Set a group of four units ``v`` (GROUP,) to ``u`` less its mean (LANES,)."""
    for b in range(S):
        m = mean[b]
        v[b], v[S + b], v[2 * S + b], v[3 * S + b] = u[b] - m, u[S + b] - m, u[2 * S + b] - m, u[3 * S + b] - m


@njit(**CALLED)
def set_inverse(square, root, exponent, width, eps, s, power):
    """Set 1 / s = ``s`` 2^``power`` of one signal, (LANES,), from the sum of squares of its centred units."""
    for b in range(S):  # with the exponent, or where there is no eps, the larger of both decides what is 1
        own, e = root[b] * root[b] * square[b] / width, exponent[b]
        within = (e <= 0.0) & (eps > 0.0)
        total = own * power_of_two(2.0 * e) + eps if within else own + eps * power_of_two(-2.0 * e)
        s[b], power[b] = normalise_root(1.0 / math.sqrt(total) if total > 0.0 else 0.0, 0.0 if within else -e)


@njit(**CALLED)
def multiply(factor, power, root, exponent, out, out_exponent):
    """Set a root and its exponent to one times ``factor`` 2^``power``; (LANES,)."""
    for b in range(S):
        out[b], out_exponent[b] = factor[b] * root[b], power[b] + exponent[b]
    for b in range(S):
        out[b], out_exponent[b] = normalise_root(out[b], out_exponent[b])


@njit(**CALLED)
def centre(width, t, p, mean, x, y, spare, partial, sums):
    """Set signal ``p`` of tile ``t`` of the block ``y`` to ``x`` less its mean, and ``sums`` (3, 1, 1, LANES)."""
    groups, kept = x.units.shape[1], y.units.shape[1] > 0
    clear_sums(0, 0, sums)
    for i in range(groups):
        v = y.units[t, i, p] if kept else spare
        subtract(x.units[t, i, p], mean, v)
        if i == groups - 1 and width % 4:
            clear_rest(v, width % 4)
        add_units(i, groups, v, partial, 0, 0, sums, False)


@njit(**CALLED)
def centre_sums(width, centred, t, p, x, sums):
    """Set ``sums`` as `centre` does, from those of ``x`` alone; return whether digits are left."""
    lost = 0.0
    for b in range(S):
        first, square = x.sums[FIRSTS, t, p, b], x.sums[SQUARES, t, p, b]
        rest = max(square - first * first / width, 0.0) if centred else square
        sums[FIRSTS, 0, 0, b], sums[SQUARES, 0, 0, b] = 0.0 if centred else first, rest
        lost += 1.0 if square > MOST_LOST * rest else 0.0
    return lost == 0.0


@Direct
def forward(width, centred, eps, x, y, inverse, stop):
    """Set the block ``y`` to x normalised, and 1 / s in ``inverse``, (2, T, P, LANES): a root and its exponent."""
    mean, sums, spare, partial = np.zeros(S, F), np.zeros((3, 1, 1, S)), np.empty(GROUP, F), new_partial()
    square, kept = sums[SQUARES, 0, 0], y.units.shape[1] > 0
    for t in range(y.root.shape[0]):
        for p in range(y.root.shape[1]):
            if stop[0]:
                return
            if kept or not centre_sums(width, centred, t, p, x, sums):
                if centred:
                    for b in range(S):
                        mean[b] = F(x.sums[FIRSTS, t, p, b] / width)
                centre(width, t, p, mean, x, y, spare, partial, sums)
            if y.sums.shape[1] > 0:
                y.sums[FIRSTS, t, p], y.sums[SQUARES, t, p] = sums[FIRSTS, 0, 0], square
            set_inverse(square, x.root[t, p], x.exponent[t, p], width, eps, inverse[0, t, p], inverse[1, t, p])
            multiply(inverse[0, t, p], inverse[1, t, p], x.root[t, p], x.exponent[t, p], y.root[t, p], y.exponent[t, p])
            root = y.root[t, p]
            for b in range(S):  # units whose squares float32 loses are 0 here, and must be so backward
                root[b] = root[b] if square[b] > 0.0 else 0.0


@Direct
def backward(width, centred, y, inverse, d, e, stop):
    """Set ``e``, the gradient by x, from that by ``y``, ``d``; ``inverse`` as `forward` left it."""
    mean, product, along = np.zeros(S, F), np.empty(S), np.empty(S, F)
    for t in range(e.root.shape[0]):
        if stop[0]:
            return
        for p in range(e.root.shape[1]):
            if centred:
                means(d.units[t], p, width, product, mean)
            dots(y.units[t], d.units[t], p, product)
            for b in range(S):
                root = y.root[t, p, b]
                along[b] = F(product[b] * root * root * power_of_two(2.0 * y.exponent[t, p, b]) / width)
            for i in range(e.units.shape[1]):
                u, v = y.units[t, i, p], e.units[t, i, p]
                subtract(d.units[t, i, p], mean, v)
                for b in range(S):
                    f = along[b]
                    v[b] -= f * u[b]
                    v[S + b] -= f * u[S + b]
                    v[2 * S + b] -= f * u[2 * S + b]
                    v[3 * S + b] -= f * u[3 * S + b]
            if width % 4:
                clear_rows(e.units[t, e.units.shape[1] - 1, p : p + 1], width % 4)
            multiply(inverse[0, t, p], inverse[1, t, p], d.root[t, p], d.exponent[t, p], e.root[t, p], e.exponent[t, p])
