"""a = phi(z), and phi'(z) times the gradient. phi sees a scale within 2^-40 to 2^40; the rest is carried outside it."""

import numpy as np
from numba import njit
from numpy import float32

from .. import GROUP, LANES
from ..activations import activate
from ..blocks import add_units, clear_rest, clear_rows, clear_sums, new_partial, normalise_root
from ..derivatives import derive
from ..layer import SCALE_HIGH, SCALE_LOW, power_of_two
from ..options import ALLOCATING, CALLED, Direct

F = float32
S = LANES


@njit(**CALLED)
def set_scale(row, root, exponent, scale, reference, out_root, out_exponent):
    """Set the scale that phi sees, (GROUP,), and the root of phi's units, (LANES,), of one signal.

    Positively homogeneous phi see scale 1, and a user's own phi the root itself. ``row`` has the fields of
    `simulate.program.ACTIVATION_DTYPE`.
    """
    for b in range(S):
        s, own, power = 1.0, root[b], exponent[b]
        if row.code < 0:
            s = own * power_of_two(power)
            carried = (s > 1.0 and row.unbounded) or (0.0 < s < 1.0 and row.vanishes)
            reference[b] = s if carried else 1.0
            own, power = own if carried else 1.0, power if carried else 0.0
        elif not row.homogeneous:
            near = power == 0.0
            large = (power > 0.0) | (near & (own > SCALE_HIGH))
            small = (power < 0.0) | (near & (own < SCALE_LOW) & (own > 0.0))
            s = SCALE_HIGH if large else (SCALE_LOW if small else own)
            carried = (large & row.unbounded) | (small & row.vanishes)
            own, power = own / s if carried else 1.0, power if carried else 0.0
        for k in range(4):
            scale[k * S + b] = s
            reference[k * S + b] = reference[b]
        out_root[b], out_exponent[b] = normalise_root(own, power)


@njit(**CALLED)
def bend(slope, u, v):
    """Set a group of four units ``v`` (GROUP,) to max(u, 0) + slope min(u, 0), of scale 1."""
    if slope == F(0.0):
        for b in range(GROUP):
            v[b] = max(u[b], F(0.0))
    else:
        for b in range(GROUP):
            v[b] = max(u[b], F(0.0)) + slope * min(u[b], F(0.0))


@njit(**ALLOCATING)
def bend_back(slope, x, root, p, d, e):
    """Set signal ``p`` of a tile ``e`` to d times the slope at x, whose ``root`` (LANES,) may be 0."""
    sign = np.empty(S, F)
    for b in range(S):
        sign[b] = F(1.0) if root[b] > 0.0 else F(0.0)
    for i in range(e.shape[0]):
        u, v, w = x[i, p], d[i, p], e[i, p]
        for k in range(4):
            for b in range(S):
                w[k * S + b] = v[k * S + b] if sign[b] * u[k * S + b] > F(0.0) else slope * v[k * S + b]


@njit(**CALLED)
def bend_signal(row, width, t, p, x, y, scale, reference, spare, partial):
    """Set signal ``p`` of tile ``t`` of the block ``y`` to phi of ``x``, and its sums; ``spare`` (GROUP,) is work."""
    groups, summed, kept = x.units.shape[1], y.sums.shape[1] > 0, y.units.shape[1] > 0
    if summed:
        clear_sums(t, p, y.sums)
    for i in range(groups):
        u, v = x.units[t, i, p], y.units[t, i, p] if kept else spare
        if 0 <= row.code <= 2:
            bend(F(row.slope), u, v)
        else:
            activate(row, scale, reference, u, v)
        if i == groups - 1 and width % 4:
            clear_rest(v, width % 4)
        if summed:
            add_units(i, groups, v, partial, t, p, y.sums, False)


@Direct
def forward(rows, width, x, y, stop):
    """Set the block ``y`` to phi of ``x``; ``rows`` is an array of one row."""
    row = rows[0]
    scale, reference, spare, partial = np.ones(GROUP, F), np.ones(GROUP), np.empty(GROUP, F), new_partial()
    for t in range(y.root.shape[0]):
        for p in range(y.root.shape[1]):
            if stop[0]:
                return
            if 0 <= row.code <= 2:
                y.root[t, p], y.exponent[t, p] = x.root[t, p], x.exponent[t, p]
            else:
                set_scale(row, x.root[t, p], x.exponent[t, p], scale, reference, y.root[t, p], y.exponent[t, p])
            bend_signal(row, width, t, p, x, y, scale, reference, spare, partial)


@Direct
def backward(rows, width, x, d, e, stop):
    """Set ``e``, the gradient by ``x``, from that by phi of it, ``d``."""
    row = rows[0]
    scale, reference, root, exponent = np.ones(GROUP, F), np.ones(GROUP), np.empty(S), np.empty(S)
    dphi = np.empty(GROUP, F)
    for t in range(e.root.shape[0]):
        if stop[0]:
            return
        for p in range(e.root.shape[1]):
            if 0 <= row.code <= 2:
                bend_back(F(row.slope), x.units[t], x.root[t, p], p, d.units[t], e.units[t])
            else:
                set_scale(row, x.root[t, p], x.exponent[t, p], scale, reference, root, exponent)
                for k in range(4):
                    for b in range(S):  # where x is 0, phi' must see 0 and not what multiplies it
                        scale[k * S + b] = scale[k * S + b] if x.root[t, p, b] > 0.0 else F(0.0)
                for i in range(e.units.shape[1]):
                    derive(row, scale, x.units[t, i, p], dphi)
                    v, w = d.units[t, i, p], e.units[t, i, p]
                    for b in range(GROUP):
                        w[b] = dphi[b] * v[b]
            e.root[t, p], e.exponent[t, p] = d.root[t, p], d.exponent[t, p]
        if width % 4:
            clear_rows(e.units[t, e.units.shape[1] - 1], width % 4)
