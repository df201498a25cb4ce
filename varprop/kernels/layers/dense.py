"""Dense, conditional: z = W a + b drawn given the signals below, and W^T D given the whole forward pass; O(width).

Forward, the units of z are independent, with covariance Var(W) A^T A + bias_variance between signals. Backward, with a
bias as a constant unit of A, A = Q R^T up to the lengths of its columns, and zeta the normals that made z: W^T D is
Q zeta^T D + (I - Q Q^T) Z R_D^T times sqrt(Var W), Z fresh normals, R_D a root of D^T D. No Gram is inverted.
"""

import math

import numpy as np
from numba import njit
from numpy import float32, uint64

from .. import GROUP, LANES
from ..blocks import (
    SQUARES,
    add_products,
    clear_rows,
    correlated,
    dots,
    factor,
    gram,
    mix,
    new_partial,
    normalise_root,
    to_cosines,
)
from ..layer import FAINT, normalise, power_of_two
from ..normal import normals
from ..options import ALLOCATING, CALLED, Direct
from ..streams import CONDITIONAL, GRADIENT, GRADIENT_BIAS, stream

F = float32
S = LANES


@njit(**CALLED)
def set_size(square, root, exponent, weight_variance, bias_variance, q, q_exponent, inverse, share):
    """Set Q of one signal, 1 over the length of a with its bias in the units of a, and the bias's share; (LANES,).

    ``square`` is |a|^2 in the units of a, which are root * 2^exponent.
    """
    # few arrays a loop: with more at once the checks whether they overlap keep the loop scalar
    if bias_variance > 0.0:
        for b in range(S):
            e = 2.0 * exponent[b]
            x = weight_variance * (root[b] * root[b]) * square[b]
            low = max(e, FAINT) if x > 0.0 else 0.0
            q[b], q_exponent[b] = x * power_of_two(e - low), low
        for b in range(S):
            own = bias_variance * power_of_two(-q_exponent[b])
            share[b] = own / (q[b] + own)
            q[b], q_exponent[b] = normalise(q[b] + own, q_exponent[b])
    else:
        for b in range(S):
            x = weight_variance * (root[b] * root[b]) * square[b]
            q[b], q_exponent[b] = normalise(x, 2.0 * exponent[b])
        share[:] = 0.0
    for b in range(S):
        inverse[b] = math.sqrt((1.0 - share[b]) / square[b]) if square[b] > 0.0 else 0.0


@njit(**CALLED)
def add_shares(c, share):
    """Turn cosines of a into those of a with its bias as one more unit, (P, P4, LANES)."""
    for p in range(c.shape[0]):
        for k in range(p):
            for b in range(S):
                weights = math.sqrt((1.0 - share[p, b]) * (1.0 - share[k, b]))
                c[p, k, b] = weights * c[p, k, b] + math.sqrt(share[p, b] * share[k, b])


@Direct
def forward(key, first, node, width, weight_variance, bias_variance, x, z, kept, stop):
    """Draw ``z`` from the block ``x`` below it; ``node`` is the number of its streams, ``width`` its own."""
    tiles, signals, rows = z.root.shape[0], z.root.shape[1], z.units.shape[2]
    q, q_exponent, low, root = np.empty(S), np.empty(S), np.empty(S), np.empty(S)
    g, r = np.zeros((signals, rows, S)), np.zeros((signals, rows, S), F)
    wide, zeta = np.zeros((rows, GROUP)), np.zeros((rows, GROUP), F)
    partial = new_partial()
    for t in range(tiles):
        if stop[0]:
            return
        c = kept.factor[t]
        if signals == 1:
            g[0, 0] = x.sums[SQUARES, t, 0]
        else:
            gram(x.units[t], wide, g, stop)
        for p in range(signals):
            set_size(
                g[p, p],
                x.root[t, p],
                x.exponent[t, p],
                weight_variance,
                bias_variance,
                q,
                q_exponent,
                kept.inverse[t, p],
                kept.share[t, p],
            )
            z_root, z_exponent = z.root[t, p], z.exponent[t, p]
            for b in range(S):
                z_root[b], z_exponent[b] = math.sqrt(q[b]), 0.5 * q_exponent[b]
        if signals > 1:
            to_cosines(g, c)
            add_shares(c, kept.share[t])
            factor(c, r, low, root)
        correlated(key, first + uint64(t * S), stream(node, CONDITIONAL), width, r, zeta, t, z, partial, stop)


@njit(**CALLED)
def solve(c, inverse, size, h, y, x):
    """Set the coefficients ``x`` (P, P4, LANES) of each signal of a in W^T D, a signal of D a row.

    x_q = S^-1 L^-T D^-1/2 (h_q / size_q - D^-1/2 L^-1 S^-1 y_q), S^-1 = diag(inverse), c the L and D of `factor`.
    """
    signals = c.shape[0]
    for q in range(signals):
        for k in range(signals):
            for i in range(k + 1, signals):  # L^-1; y holds S^-1 y
                for b in range(S):
                    y[q, i, b] -= c[i, k, b] / c[k, k, b] * y[q, k, b]
        for k in range(signals):
            for b in range(S):  # c[k, k] is inf where a pivot was dropped, and both terms are 0
                along = h[q, k, b] / size[q, b] if size[q, b] > 0.0 else 0.0
                x[q, k, b] = (along - y[q, k, b] / math.sqrt(c[k, k, b])) / math.sqrt(c[k, k, b])
        for k in range(signals - 1, -1, -1):  # L^-T
            for i in range(k):
                for b in range(S):
                    x[q, i, b] -= c[k, i, b] / c[i, i, b] * x[q, k, b]
        for k in range(signals):
            for b in range(S):
                x[q, k, b] *= inverse[k, b]


@njit(**CALLED)
def add_along(f, a, y):
    """Add f a to y for a group of four units, in float64: f grows like 1 / sqrt(1 - cosine), and the sum cancels.

    ``f`` (P, P4 / 4, GROUP), ``a`` (P4 / 4, 4 GROUP), ``y`` (P4, GROUP).
    """
    for p in range(f.shape[0]):
        for t in range(f.shape[1]):
            for b in range(S):
                f0, f1, f2, f3 = f[p, t, b], f[p, t, S + b], f[p, t, 2 * S + b], f[p, t, 3 * S + b]
                for u in range(4):
                    i = u * S + b
                    y[p, i] += (f0 * a[t, i] + f1 * a[t, i + GROUP]) + (
                        f2 * a[t, i + 2 * GROUP] + f3 * a[t, i + 3 * GROUP]
                    )


@njit(**CALLED)
def close_back(size, weight_variance, d_root, d_exponent, root, exponent):
    """Set the root of W^T delta of one signal, (LANES,), from |delta| in its own units."""
    for b in range(S):
        own, power = normalise_root(size[b], 0.0)
        root[b], exponent[b] = normalise_root(own * d_root[b] * math.sqrt(weight_variance), power + d_exponent[b])


@njit(**ALLOCATING)
def back_one(key, network, node, fan_in, x, z, d, inverse, share, size, e, stop):
    """Set the units ``e`` of W^T delta for one signal, all (groups, 1, GROUP); leave |delta| in ``size`` (LANES,)."""
    noise, dot, across = np.empty(GROUP, F), np.empty(S), np.empty(S)
    coefficient, kappa = np.empty(S, F), np.empty(S, F)
    for i in range(e.shape[0]):
        if stop[0]:
            return
        normals(e[i, 0], key, network, stream(node, GRADIENT), uint64(i))
    normals(noise, key, network, stream(node, GRADIENT_BIAS), uint64(0))
    dots(z, d, 0, dot)
    dots(d, d, 0, size)
    dots(x, e, 0, across)
    for b in range(S):
        size[b] = math.sqrt(size[b])
        along = dot[b] / size[b] if size[b] > 0.0 else 0.0
        along -= inverse[b] * across[b] + math.sqrt(share[b]) * float(noise[b])
        # nothing is orthogonal to one number, and rounding must not say otherwise
        nowhere = fan_in == 1 and inverse[b] > 0.0 and share[b] == 0.0
        kappa[b] = F(0.0) if nowhere else F(1.0)
        along = along + inverse[b] * across[b] if nowhere else along
        coefficient[b] = F(inverse[b] * along)
    for i in range(e.shape[0]):
        u, v = x[i, 0], e[i, 0]
        for k in range(4):
            for b in range(S):
                v[k * S + b] = kappa[b] * v[k * S + b] + coefficient[b] * u[k * S + b]


@njit(**ALLOCATING)
def back_many(key, network, node, x, d, c, inverse, share, work, size, e, stop):
    """Set the units ``e`` (groups, P4, GROUP) of W^T D for several signals; leave |delta| of each in ``size``."""
    g, r, low, root, h, y, coefficients, wide, other, zeta, noise = work
    signals, rows, quarter = g.shape[0], d.shape[1], g.shape[1] // 4
    h[:], y[:] = 0.0, 0.0
    gram(d, wide, g, stop)
    for p in range(signals):
        for b in range(S):
            size[p, b] = math.sqrt(g[p, p, b])
    for i in range(d.shape[0]):  # zeta^T D, of the very normals that made z
        if stop[0]:
            return
        for p in range(signals):
            normals(zeta[p], key, network, stream(node, CONDITIONAL), uint64(p * d.shape[0] + i))
        wide[:rows], other[:] = d[i], zeta
        add_products(wide, other.reshape(quarter, 4 * GROUP), h.reshape(signals, quarter, GROUP), False)
    to_cosines(g, coefficients)
    factor(coefficients, r, low, root)
    for i in range(e.shape[0]):
        if stop[0]:
            return
        for p in range(signals):
            normals(zeta[p], key, network, stream(node, GRADIENT), uint64(p * e.shape[0] + i))
        mix(r.reshape(signals, quarter, GROUP), zeta.reshape(quarter, 4 * GROUP), e[i])
        wide[:rows], other[:rows] = e[i], x[i]
        add_products(wide, other.reshape(quarter, 4 * GROUP), y.reshape(signals, quarter, GROUP), False)
    for p in range(signals):
        normals(zeta[p], key, network, stream(node, GRADIENT_BIAS), uint64(p))
    mix(r.reshape(signals, quarter, GROUP), zeta.reshape(quarter, 4 * GROUP), noise)
    for q in range(signals):
        for p in range(signals):
            for b in range(S):
                y[q, p, b] = inverse[p, b] * y[q, p, b] + math.sqrt(share[p, b]) * float(noise[q, b])
    coefficients[:] = 0.0
    solve(c, inverse, size, h, y, coefficients)
    for i in range(e.shape[0]):
        if stop[0]:
            return
        wide[:rows], other[:rows] = e[i], x[i]
        add_along(coefficients.reshape(signals, quarter, GROUP), other.reshape(quarter, 4 * GROUP), wide)
        for p in range(rows):
            for b in range(GROUP):
                e[i, p, b] = F(wide[p, b])


@Direct
def backward(key, first, node, fan_in, weight_variance, x, z, kept, d, e, stop):
    """Draw ``e``, the gradient by the block ``x``, from ``d``, that by ``z``; other arguments as `forward` had them."""
    tiles, signals, rows = d.root.shape[0], d.root.shape[1], max(d.units.shape[2], 4)
    size = np.empty((signals, S))
    many = signals if signals > 1 else 0
    shape, lanes = (many, rows, S), (rows, GROUP)
    work = (
        np.zeros(shape),
        np.zeros(shape, F),
        np.empty(S),
        np.empty(S),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(lanes),
        np.zeros(lanes),
        np.zeros(lanes, F),
        np.zeros(lanes, F),
    )
    for t in range(tiles):
        if stop[0]:
            return
        network = first + uint64(t * S)
        if signals == 1:
            back_one(
                key,
                network,
                node,
                fan_in,
                x.units[t],
                z.units[t],
                d.units[t],
                kept.inverse[t, 0],
                kept.share[t, 0],
                size[0],
                e.units[t],
                stop,
            )
        else:
            back_many(
                key,
                network,
                node,
                x.units[t],
                d.units[t],
                kept.factor[t],
                kept.inverse[t],
                kept.share[t],
                work,
                size,
                e.units[t],
                stop,
            )
        if fan_in % 4:
            clear_rows(e.units[t, e.units.shape[1] - 1], fan_in % 4)
        for p in range(signals):
            close_back(size[p], weight_variance, d.root[t, p], d.exponent[t, p], e.root[t, p], e.exponent[t, p])
