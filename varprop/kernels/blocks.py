"""What passes between two instructions: the units of P signals in 64 networks, in float32, times a root a signal.

A `Block` of T tiles holds value = units * root * 2^exponent. Signals are (sample, position) pairs that one network sees
side by side. The cosines between them are a matrix (P, P4) a lane, P4 = P rounded up to 4 from three signals on.
"Tiles of rows", views with four rows side by side, keep offsets known at compile time: else LLVM's checks for overlap
fail and loops stay scalar. So they do for rows of ``units[t, :, p]``, whose strides nobody knows: what works on one
signal takes its tile and p.
"""

import math
from collections import namedtuple

import numpy as np
from numba import njit
from numpy import float32, float64, uint64

from . import GROUP, LANES
from .layer import FLUSH, power_of_two
from .normal import normals
from .options import ALLOCATING, CALLED, COPIED, INLINE

F = float32
S = LANES
DROPPED = 2.0**-48  # a pivot whose root float32 units of order one cannot hold
LARGE_ROOT, SMALL_ROOT = 2.0**64, 2.0**-64
STEP_ROOT, UP_ROOT, DOWN_ROOT = 128.0, 2.0**128, 2.0**-128

# ``units`` of shape (T, groups, P4, GROUP), float32, 0 beyond the width; ``root``, ``exponent`` of (T, P, LANES);
# ``sums`` of (3, T, P, LANES), what units come to: who sets units sets them, while they are near. Where nobody reads
# sums there are none (T = 0), and where everybody reads sums alone there are no units (groups = 0).
Block = namedtuple("Block", "units root exponent sums")
FIRSTS, SQUARES, FOURTHS = range(3)  # of u, u^2, and u^4, which phi and norms leave out

# What a dense layer leaves for its way back: ``factor`` (T, P, P4, LANES), the cosines below it as L and D; of shape
# (T, P, LANES), ``inverse``, 1 over the length of a with its bias, in the units of a, and the bias's ``share``.
Kept = namedtuple("Kept", "factor inverse share")


def padded(signals: int) -> int:
    """Return how many rows of units a block has for this many signals."""
    return signals if signals <= 2 else -(-signals // 4) * 4


@njit(**INLINE)
def normalise_root(value, exponent):
    """Return value * 2^exponent with the value between 2^-64 and 2^64, by whole steps of 2^128."""
    for _ in range(4):
        large, small = value > LARGE_ROOT, value < SMALL_ROOT
        value *= DOWN_ROOT if large else (UP_ROOT if small else 1.0)
        exponent += STEP_ROOT if large else (-STEP_ROOT if small else 0.0)
    return value, exponent if value > 0.0 else 0.0


@njit(**CALLED)
def clear_rows(units, rows):
    """Zero the units beyond a width in its last group of four, (P4, GROUP), which has ``rows``."""
    for p in range(units.shape[0]):
        clear_rest(units[p], rows)


@njit(**CALLED)
def clear_rest(u, rows):
    """Zero the units beyond a width in the last group of four of one signal, (GROUP,), which has ``rows``."""
    for b in range(rows * S, GROUP):
        u[b] = F(0.0)


@njit(**INLINE)
def settle(i, groups, partial, total):
    """Move float32 sums, (LANES,), to float64 after every `FLUSH` groups and after the last, ``i`` the group."""
    if i % FLUSH == FLUSH - 1 or i == groups - 1:
        for b in range(S):
            total[b] += float64(partial[b])
            partial[b] = F(0.0)


@njit(**COPIED)
def new_partial():
    """Return where `add_units` keeps sums in float32: of u, u^2 and u^4."""
    return np.zeros(S, F), np.zeros(S, F), np.zeros(S, F)


@njit(**CALLED)
def clear_sums(t, p, sums):
    """Set the sums of signal ``p`` of tile ``t`` to 0."""
    for k in range(3):
        for b in range(S):
            sums[k, t, p, b] = 0.0


@njit(**CALLED)
def add_units(i, groups, u, partial, t, p, sums, fourth):
    """Add group ``i`` of signal ``p`` of tile ``t``, ``u`` (GROUP,), to ``sums``; with ``fourth`` that of u^4, too.

    ``partial`` is as `new_partial` gives it, and as it was after the group before.
    """
    firsts, squares, fourths = partial
    if fourth:
        for b in range(S):
            x0, x1, x2, x3 = u[b], u[S + b], u[2 * S + b], u[3 * S + b]
            s0, s1, s2, s3 = x0 * x0, x1 * x1, x2 * x2, x3 * x3
            firsts[b] += (x0 + x1) + (x2 + x3)
            squares[b] += (s0 + s1) + (s2 + s3)
            fourths[b] += (s0 * s0 + s1 * s1) + (s2 * s2 + s3 * s3)
    else:
        for b in range(S):
            x0, x1, x2, x3 = u[b], u[S + b], u[2 * S + b], u[3 * S + b]
            firsts[b] += (x0 + x1) + (x2 + x3)
            squares[b] += (x0 * x0 + x1 * x1) + (x2 * x2 + x3 * x3)
    settle(i, groups, firsts, sums[FIRSTS, t, p])
    settle(i, groups, squares, sums[SQUARES, t, p])
    if fourth:
        settle(i, groups, fourths, sums[FOURTHS, t, p])


@njit(**CALLED)
def add_up(t, block, partial):
    """Set all sums of tile ``t`` of a block from its units, where it has sums."""
    groups, sums = block.units.shape[1], block.sums
    for p in range(block.root.shape[1] if sums.shape[1] > 0 else 0):
        clear_sums(t, p, sums)
        for i in range(groups):
            add_units(i, groups, block.units[t, i, p], partial, t, p, sums, True)


@njit(**ALLOCATING)
def dots(x, y, p, out):
    """Set ``out`` (LANES,) to the sums of products of the units of signal ``p`` in two tiles, (groups, P4, GROUP)."""
    partial = np.zeros(S, F)
    out[:] = 0.0
    for i in range(x.shape[0]):
        u, v = x[i, p], y[i, p]
        for b in range(S):
            partial[b] += (u[b] * v[b] + u[S + b] * v[S + b]) + (
                u[2 * S + b] * v[2 * S + b] + u[3 * S + b] * v[3 * S + b]
            )
        settle(i, x.shape[0], partial, out)


@njit(**ALLOCATING)
def squared_norms(units, out):
    """Set ``out`` (P, LANES) to the sums of squares over the units of a tile, (groups, P4, GROUP)."""
    for p in range(out.shape[0]):
        dots(units, units, p, out[p])


@njit(**CALLED)
def add_products(rows, tiles, g, lower):
    """Add the products of two groups of four units of all signals, in float64: those of float32 are exact there.

    ``rows`` (P4, GROUP) and ``tiles`` (P4 / 4, 4 GROUP) are float64; ``g`` (P, P4 / 4, GROUP) is the sum, a signal of
    ``rows`` a row. With ``lower`` only up to the diagonal.
    """
    for p in range(g.shape[0]):
        for t in range(p // 4 + 1 if lower else g.shape[1]):
            for b in range(S):
                x0, x1, x2, x3 = rows[p, b], rows[p, S + b], rows[p, 2 * S + b], rows[p, 3 * S + b]
                for k in range(4):
                    i, j = k * GROUP + b, k * GROUP + 2 * S + b
                    g[p, t, k * S + b] += (x0 * tiles[t, i] + x1 * tiles[t, i + S]) + (
                        x2 * tiles[t, j] + x3 * tiles[t, j + S]
                    )


@njit(**CALLED)
def gram_of_two(units, g):
    """Do what `gram` does for two signals, which have no rows beside them."""
    one, two, both = g[0, 0], g[1, 1], g[1, 0]
    one[:], two[:], both[:] = 0.0, 0.0, 0.0
    for i in range(units.shape[0]):
        u, v = units[i, 0], units[i, 1]
        for b in range(S):
            u0, u1, u2, u3 = float64(u[b]), float64(u[S + b]), float64(u[2 * S + b]), float64(u[3 * S + b])
            v0, v1, v2, v3 = float64(v[b]), float64(v[S + b]), float64(v[2 * S + b]), float64(v[3 * S + b])
            one[b] += (u0 * u0 + u1 * u1) + (u2 * u2 + u3 * u3)
            two[b] += (v0 * v0 + v1 * v1) + (v2 * v2 + v3 * v3)
            both[b] += (u0 * v0 + u1 * v1) + (u2 * v2 + u3 * v3)


@njit(**ALLOCATING)
def gram(units, wide, g, stop):
    """Set ``g`` (P, P4, LANES) to the products of a tile's units between signals, up to the diagonal.

    ``wide`` (P4, GROUP), float64, is work; a nonzero ``stop[0]`` ends it early, as in all kernels.
    """
    if g.shape[0] == 1:
        squared_norms(units, g[:, 0])
        return
    if g.shape[0] == 2:
        gram_of_two(units, g)
        return
    g[:] = 0.0
    quarter = wide.shape[0] // 4
    tiles, sums = wide.reshape(quarter, 4 * GROUP), g.reshape(g.shape[0], quarter, GROUP)
    for i in range(units.shape[0]):
        if stop[0]:
            return
        wide[:] = units[i]
        add_products(wide, tiles, sums, True)


@njit(**CALLED)
def to_cosines(g, c):
    """Set ``c`` to the cosines of a Gram, both (P, P4, LANES), up to the diagonal; what is 0 is orthogonal to all."""
    for p in range(g.shape[0]):
        for k in range(p + 1):
            for b in range(S):
                size = math.sqrt(g[p, p, b] * g[k, k, b])  # of equal factors this is exactly the factor
                c[p, k, b] = g[p, k, b] / size if size > 0.0 else (1.0 if k == p else 0.0)


@njit(**CALLED)
def factor(c, r, low, root):
    """Set r (float32) to L sqrt(D) of c = L D L^T, overwriting c; (P, P4, LANES), and work of (LANES,).

    Equal rows of c give equal rows of r to the bit: hence the division (x / x = 1, x * (1 / x) may not be), and not
    Cholesky's method.
    """
    signals = c.shape[0]
    for j in range(signals):
        for b in range(S):
            keep = c[j, j, b] > DROPPED
            root[b] = math.sqrt(c[j, j, b]) if keep else 0.0
            c[j, j, b] = c[j, j, b] if keep else np.inf
        for b in range(S):
            r[j, j, b] = F(root[b])
        for i in range(j + 1, signals):
            for b in range(S):
                low[b] = c[i, j, b] / c[j, j, b]
                r[i, j, b] = F(low[b] * root[b])
            for k in range(j + 1, i + 1):
                for b in range(S):
                    c[i, k, b] -= low[b] * c[k, j, b]


@njit(**CALLED)
def mix(r, zeta, z):
    """Set z = r zeta for a group of four units. Four columns at a time and no remainder: equal rows, equal roundings.

    ``r`` (P, P4 / 4, GROUP), ``zeta`` (P4 / 4, 4 GROUP), ``z`` (P4, GROUP).
    """
    for p in range(r.shape[0]):
        z[p, :] = F(0.0)
        for t in range(p // 4 + 1):
            for b in range(S):
                r0, r1, r2, r3 = r[p, t, b], r[p, t, S + b], r[p, t, 2 * S + b], r[p, t, 3 * S + b]
                for u in range(4):
                    i = u * S + b
                    z[p, i] += (r0 * zeta[t, i] + r1 * zeta[t, i + GROUP]) + (
                        r2 * zeta[t, i + 2 * GROUP] + r3 * zeta[t, i + 3 * GROUP]
                    )


@njit(**CALLED)
def mix_two(along, across, one, two):
    """Set ``two`` to along one + across two, as `mix` does for two signals: the first is its own normals."""
    for k in range(4):
        for b in range(S):
            two[k * S + b] = along[b] * one[k * S + b] + across[b] * two[k * S + b]


@njit(**CALLED)
def correlated(key, network, purpose, width, r, zeta, t, z, partial, stop):
    """Fill tile ``t`` of the block ``z`` with r times normals of ``purpose``, and its sums.

    ``zeta`` (P4, GROUP) and ``partial``, of `new_partial`, are work. A signal's normals do not depend on how many
    signals there are.
    """
    units, one = z.units[t], r.shape[0] == 1 and z.sums.shape[1] > 0
    groups, signals = units.shape[0], r.shape[0]
    if one:
        clear_sums(t, 0, z.sums)
    quarter = max(units.shape[1] // 4, 1)
    for i in range(groups):
        if stop[0]:
            return
        normals(units[i, 0], key, network, purpose, uint64(i))
        if signals == 2:
            normals(units[i, 1], key, network, purpose, uint64(groups + i))
            mix_two(r[1, 0], r[1, 1], units[i, 0], units[i, 1])
        elif signals > 2:
            for b in range(GROUP):
                zeta[0, b] = units[i, 0, b]
            for p in range(1, signals):
                normals(zeta[p], key, network, purpose, uint64(p * groups + i))
            mix(r.reshape(signals, quarter, GROUP), zeta.reshape(quarter, 4 * GROUP), units[i])
        if i == groups - 1 and width % 4:
            clear_rows(units[i], width % 4)
        if one:
            add_units(i, groups, units[i, 0], partial, t, 0, z.sums, True)
    if signals > 1:
        add_up(t, z, partial)


@njit(**CALLED)
def add_blocks(one, two, factors, out, work, stop):
    """Set ``out`` to a sum of two blocks, in the larger of their roots; ``factors`` (2, T, P, LANES).

    ``work`` is two arrays (LANES,), float32, and what `new_partial` gives.
    """
    f, g, partial = work
    groups, summed = out.units.shape[1], out.sums.shape[1] > 0
    for t in range(out.units.shape[0]):
        for p in range(out.root.shape[1]):
            if stop[0]:
                return
            for b in range(S):
                x, y = factors[0, t, p, b] * one.root[t, p, b], factors[1, t, p, b] * two.root[t, p, b]
                d, e = one.exponent[t, p, b], two.exponent[t, p, b]
                d, e = d if x != 0.0 else e, e if y != 0.0 else d
                top = max(d, e)
                x *= power_of_two(d - top)
                y *= power_of_two(e - top)
                root = max(abs(x), abs(y))
                out.root[t, p, b], out.exponent[t, p, b] = normalise_root(root, top)
                root = root if root > 0.0 else 1.0
                f[b], g[b] = F(x / root), F(y / root)
            if summed:
                clear_sums(t, p, out.sums)
            for i in range(groups):
                u, v, w = one.units[t, i, p], two.units[t, i, p], out.units[t, i, p]
                for k in range(4):
                    for b in range(S):
                        w[k * S + b] = f[b] * u[k * S + b] + g[b] * v[k * S + b]
                if summed:
                    add_units(i, groups, w, partial, t, p, out.sums, True)
