"""Records of pairs to sums of powers: as `tally`, for the q-hats of two inputs, z z', and their cosine.

The mean of z z' is summed less half of both q-hats: so 1 - correlation keeps its digits where it is small. A
correlation is made of three means, and how skewed it is of products of up to four of what they are means of.
"""

import math

import numpy as np
from numba import njit

from ..sums import PAIR, PRODUCTS
from . import LANES
from .options import CALLED, SUMMING, cached
from .tally import scaled

# Fields of the records: q-hat of either input, the mean of z z' (times 2^ half of both exponents), exponents.
FIELDS = 5
FIRST, SECOND, PRODUCT, FIRST_EXPONENT, SECOND_EXPONENT = range(FIELDS)

# Columns of the sums: products of one, two, three and four numbers, and what is known of the cosine.
COLUMNS = len(PAIR.names)
ALIVE, E1, E2, E3, E4 = range(len(PRODUCTS), COLUMNS)
THREES, FOURS = (next(k for k, factors in enumerate(PRODUCTS) if len(factors) == power) for power in (3, 4))


@njit(**SUMMING)
def add_cosines(record, count, total):
    """Set the columns of the cosine: how many networks have one, and powers of 1 less it."""
    alive = e1 = e2 = e3 = e4 = 0.0
    for b in range(LANES):
        first, second, product = record[FIRST, b], record[SECOND, b], record[PRODUCT, b]
        size = math.sqrt(first) * math.sqrt(second)
        lives = (b < count) & (size > 0.0)
        e = 1.0 - min(max(product / (size if lives else 1.0), -1.0), 1.0)
        e = e if lives else 0.0
        alive += 1.0 if lives else 0.0
        e1 += e
        e2 += e * e
        e3 += e * e * e
        e4 += (e * e) * (e * e)
    total[ALIVE], total[E1], total[E2], total[E3], total[E4] = alive, e1, e2, e3, e4


@njit(**CALLED)
def set_three(record, count, pivots, x, y, p):
    """Set the three numbers whose means make a correlation, (LANES,), 0 in lanes from ``count`` on."""
    pivot, exponent, pivot2, exponent2, offset = pivots
    root, half = math.sqrt(pivot) * math.sqrt(pivot2), 0.5 * (exponent + exponent2)
    for b in range(LANES):
        power, power2 = record[FIRST_EXPONENT, b], record[SECOND_EXPONENT, b]
        u = scaled(record[FIRST, b], power, pivot, exponent)
        v = scaled(record[SECOND, b], power2, pivot2, exponent2)
        w = scaled(record[PRODUCT, b], 0.5 * (power + power2), root, half) - 0.5 * (u + v)
        drawn = b < count
        x[b], y[b], p[b] = u - offset if drawn else 0.0, v - offset if drawn else 0.0, w if drawn else 0.0


@njit(**SUMMING)
def add_first_and_second(x, y, p, total):
    """Set the columns of products of one and of two; in loops of their own, so that all sums stay in registers."""
    m1 = m2 = m3 = m11 = m12 = m13 = m22 = m23 = m33 = 0.0
    for b in range(LANES):
        u, v, w = x[b], y[b], p[b]
        m1 += u
        m2 += v
        m3 += w
        m11 += u * u
        m12 += u * v
        m13 += u * w
        m22 += v * v
        m23 += v * w
        m33 += w * w
    found = (m1, m2, m3, m11, m12, m13, m22, m23, m33)
    for k in range(THREES):
        total[k] = found[k]


@njit(**SUMMING)
def add_third(x, y, p, total):
    """Set the columns of products of three."""
    m111 = m112 = m113 = m122 = m123 = m133 = m222 = m223 = m233 = m333 = 0.0
    for b in range(LANES):
        u, v, w = x[b], y[b], p[b]
        uu, vv, ww = u * u, v * v, w * w
        m111 += u * uu
        m112 += v * uu
        m113 += w * uu
        m122 += u * vv
        m123 += u * (v * w)
        m133 += u * ww
        m222 += v * vv
        m223 += w * vv
        m233 += v * ww
        m333 += w * ww
    found = (m111, m112, m113, m122, m123, m133, m222, m223, m233, m333)
    for k in range(FOURS - THREES):
        total[THREES + k] = found[k]


@njit(**SUMMING)
def add_fourth(x, y, p, total):
    """Set the columns of products of four."""
    m1111 = m1112 = m1113 = m1122 = m1123 = m1133 = m1222 = m1223 = m1233 = m1333 = 0.0
    m2222 = m2223 = m2233 = m2333 = m3333 = 0.0
    for b in range(LANES):
        u, v, w = x[b], y[b], p[b]
        uu, uv, uw, vv, vw, ww = u * u, u * v, u * w, v * v, v * w, w * w
        m1111 += uu * uu
        m1112 += uu * uv
        m1113 += uu * uw
        m1122 += uu * vv
        m1123 += uu * vw
        m1133 += uu * ww
        m1222 += uv * vv
        m1223 += uw * vv
        m1233 += uv * ww
        m1333 += uw * ww
        m2222 += vv * vv
        m2223 += vv * vw
        m2233 += vv * ww
        m2333 += vw * ww
        m3333 += ww * ww
    found = (m1111, m1112, m1113, m1122, m1123, m1133, m1222, m1223, m1233, m1333, m2222, m2223, m2233, m2333, m3333)
    for k in range(ALIVE - FOURS):
        total[FOURS + k] = found[k]


@njit(**CALLED)
def add_tile(record, count, pivots, work, total):
    """Set ``total`` (COLUMNS,) to the sums over the first ``count`` lanes of a record; ``work`` is of (3, LANES)."""
    x, y, p = work[0], work[1], work[2]
    set_three(record, count, pivots, x, y, p)
    add_first_and_second(x, y, p, total)
    add_third(x, y, p, total)
    add_fourth(x, y, p, total)
    add_cosines(record, count, total)


@cached
def tally_pair(records, networks, pivots, sums):
    """Set ``sums`` (tiles, L, COLUMNS) from ``records``; ``pivots`` (L, 5) as in `tally.tally`."""
    work = np.empty((3, LANES))
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            add_tile(records[tile, l], count, pivots[l], work, sums[tile, l])
