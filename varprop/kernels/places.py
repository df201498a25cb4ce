"""Records of the places of a network: a row for each position, and one of their mean where there are several.

Rows are of the fields of `layer`, of one signal each, and one more: COSINE, the mean cosine with the living other
positions; NONE where there is none.
"""

import numpy as np
from numba import njit
from numpy import float32

from ..sums import PLACE
from . import GROUP, LANES
from .blocks import FIRSTS, FOURTHS, SQUARES, gram, squared_norms, to_cosines
from .layer import (
    EXPONENT,
    FOURTH,
    MEAN,
    RECORD_FIELDS,
    SECOND_EXPONENT,
    SECOND_MOMENT,
    VARIANCE,
    normalise,
    power_of_two,
)
from .options import CALLED, Direct, cached
from .tally import COLUMNS as LAYER_COLUMNS
from .tally import add_tile
from .tally_pair import FIRST, FIRST_EXPONENT, PRODUCT, SECOND
from .tally_pair import SECOND_EXPONENT as SECOND_INPUT_EXPONENT

F = float32
S = LANES
COSINE = RECORD_FIELDS
FIELDS = RECORD_FIELDS + 1
NONE = -2.0  # no cosine

# Columns of the sums.
COLUMNS = len(PLACE.names)
COSINES, COSINE1, COSINE2 = range(LAYER_COLUMNS, COLUMNS)


@njit(**CALLED)
def average(rows, out):
    """Set the row ``out`` (FIELDS, LANES) to the means over positions of ``rows`` (P, FIELDS, LANES)."""
    out[:] = 0.0
    out[COSINE] = NONE
    count = 1.0 / rows.shape[0]
    for b in range(S):
        top, second_top = -1e300, -1e300
        for p in range(rows.shape[0]):
            if rows[p, VARIANCE, b] > 0.0:
                top = max(top, rows[p, EXPONENT, b])
            if rows[p, SECOND_MOMENT, b] > 0.0:
                second_top = max(second_top, rows[p, SECOND_EXPONENT, b])
        top = top if top > -1e300 else 0.0
        second_top = second_top if second_top > -1e300 else 0.0
        out[EXPONENT, b], out[SECOND_EXPONENT, b] = top, second_top
        cosines, pairs = 0.0, 0.0
        for p in range(rows.shape[0]):
            by = power_of_two(rows[p, EXPONENT, b] - top)
            out[VARIANCE, b] += count * rows[p, VARIANCE, b] * by
            out[FOURTH, b] += count * rows[p, FOURTH, b] * by * by
            by = power_of_two(rows[p, SECOND_EXPONENT, b] - second_top)
            out[SECOND_MOMENT, b] += count * rows[p, SECOND_MOMENT, b] * by
            by = power_of_two(0.5 * (rows[p, SECOND_EXPONENT, b] - second_top))
            out[MEAN, b] += count * rows[p, MEAN, b] * by
            there = rows[p, COSINE, b] > NONE
            cosines += rows[p, COSINE, b] if there else 0.0
            pairs += 1.0 if there else 0.0
        out[COSINE, b] = cosines / pairs if pairs > 0.0 else NONE


@njit(**CALLED)
def set_cosine(p, c, square, out):
    """Set COSINE of the row ``out`` of signal ``p`` from cosines (P, P4, LANES); ``square`` says who lives."""
    for b in range(S):
        total, count = 0.0, 0.0
        for k in range(c.shape[0]):
            lives = square[p, b] > 0.0 and square[k, b] > 0.0 and k != p
            total += (c[p, k, b] if k < p else c[k, p, b]) if lives else 0.0
            count += 1.0 if lives else 0.0
        out[COSINE, b] = total / count if count > 0.0 else NONE


@Direct
def record_signal(place, places, width, z, a, records, stop):
    """Write the rows of place ``place`` of ``places`` into ``records`` (T, rows, FIELDS, LANES).

    ``z`` is its block, ``a`` that of its activation, or ``z`` again where it has none.
    """
    signals, rows = z.root.shape[1], z.units.shape[2]
    share = 1.0 / width
    many = signals if signals > 1 else 0
    g, c, wide = np.zeros((many, rows, S)), np.zeros((many, rows, S)), np.zeros((rows, GROUP))
    for t in range(z.root.shape[0]):
        if signals > 1:
            gram(z.units[t], wide, g, stop)
            to_cosines(g, c)
        for p in range(signals):
            if stop[0]:
                return
            out = records[t, place * signals + p]
            square, fourth = z.sums[SQUARES, t, p], z.sums[FOURTHS, t, p]
            a_square, mean = a.sums[SQUARES, t, p], a.sums[FIRSTS, t, p]
            # few arrays a loop: with more at once the checks whether they overlap keep the loop scalar
            root, exponent, a_root, a_exponent = z.root[t, p], z.exponent[t, p], a.root[t, p], a.exponent[t, p]
            for b in range(S):
                out[VARIANCE, b] = root[b] * root[b] * square[b] * share
            for b in range(S):
                out[FOURTH, b] = root[b] * root[b] * (root[b] * root[b]) * fourth[b] * share
            for b in range(S):
                out[EXPONENT, b] = 2.0 * exponent[b]
            for b in range(S):
                out[SECOND_MOMENT, b] = a_root[b] * a_root[b] * a_square[b] * share
            for b in range(S):
                out[MEAN, b] = a_root[b] * mean[b] * share
            for b in range(S):
                out[SECOND_EXPONENT, b] = 2.0 * a_exponent[b]
            out[COSINE] = NONE
            if signals > 1:
                set_cosine(p, c, z.sums[SQUARES, t], out)
        if signals > 1:
            average(records[t, place * signals : (place + 1) * signals], records[t, places * signals + place])


@Direct
def record_gradient(place, places, width, fan_in, d, x, records, stop):
    """Write the rows of a gradient ``d``; with ``fan_in`` > 0 those of the weights between ``x`` and it, too.

    SECOND_MOMENT is the mean square of the gradient by a weight, of all positions together.
    """
    signals, rows = d.root.shape[1], d.units.shape[2]
    square = np.empty((signals, S))
    g, h, wide = np.zeros((signals, rows, S)), np.zeros((signals, rows, S)), np.zeros((rows, GROUP))
    for t in range(d.root.shape[0]):
        if stop[0]:
            return
        squared_norms(d.units[t], square)
        if fan_in > 0:
            gram(d.units[t], wide, g, stop)
            gram(x.units[t], wide, h, stop)
        for b in range(S):
            top, total = -1e300, 0.0
            for p in range(signals if fan_in > 0 else 0):
                if square[p, b] > 0.0:
                    top = max(top, d.exponent[t, p, b] + x.exponent[t, p, b])
            top = top if top > -1e300 else 0.0
            for p in range(signals if fan_in > 0 else 0):
                one = d.root[t, p, b] * x.root[t, p, b] * power_of_two(d.exponent[t, p, b] + x.exponent[t, p, b] - top)
                for k in range(p + 1):
                    two = d.root[t, k, b] * x.root[t, k, b]
                    two *= power_of_two(d.exponent[t, k, b] + x.exponent[t, k, b] - top)
                    total += (1.0 if k == p else 2.0) * (one * g[p, k, b]) * (two * h[p, k, b])
            total = max(total, 0.0) / width / max(fan_in, 1)
            total, power = normalise(total, 2.0 * top)
            for p in range(signals):
                out = records[t, place * signals + p]
                root = d.root[t, p, b]
                out[VARIANCE, b] = root * root * square[p, b] / width
                out[EXPONENT, b] = 2.0 * d.exponent[t, p, b]
                out[SECOND_MOMENT, b], out[SECOND_EXPONENT, b] = total, power
                out[FOURTH, b], out[MEAN, b], out[COSINE, b] = 0.0, 0.0, NONE
        if signals > 1:
            average(records[t, place * signals : (place + 1) * signals], records[t, places * signals + place])


@Direct
def record_gram(place, width, z, records, stop):
    """Write E over units of z z' between all signals of a place into ``records`` (T, places, P, P, LANES)."""
    signals, rows = z.root.shape[1], z.units.shape[2]
    g, wide = np.zeros((signals, rows, S)), np.zeros((rows, GROUP))
    for t in range(z.root.shape[0]):
        if stop[0]:
            return
        gram(z.units[t], wide, g, stop)
        for p in range(signals):
            for k in range(p + 1):
                for b in range(S):
                    both = z.exponent[t, p, b] + z.exponent[t, k, b]
                    # one after the other: each is within float64, and so is the whole where the true number is
                    found = g[p, k, b] / width * (z.root[t, p, b] * z.root[t, k, b]) * power_of_two(both)
                    records[t, place, p, k, b] = records[t, place, k, p, b] = found


@Direct
def record_pair(place, width, z, records, stop):
    """Write what `tally_pair` reads of two signals of a place into ``records`` (T, places, FIELDS, LANES)."""
    g, wide = np.zeros((2, z.units.shape[2], S)), np.zeros((z.units.shape[2], GROUP))
    for t in range(z.root.shape[0]):
        if stop[0]:
            return
        gram(z.units[t], wide, g, stop)
        out, first, second, products = records[t, place], z.root[t, 0], z.root[t, 1], g[1, 0]
        own, other, exponent, second_exponent = g[0, 0], g[1, 1], z.exponent[t, 0], z.exponent[t, 1]
        # few arrays a loop: with more at once the checks whether they overlap keep the loop scalar
        for b in range(S):
            out[FIRST, b] = first[b] * first[b] * own[b] / width
        for b in range(S):
            out[SECOND, b] = second[b] * second[b] * other[b] / width
        for b in range(S):
            out[PRODUCT, b] = first[b] * second[b] * products[b] / width
        for b in range(S):
            out[FIRST_EXPONENT, b] = 2.0 * exponent[b]
        for b in range(S):
            out[SECOND_INPUT_EXPONENT, b] = 2.0 * second_exponent[b]


@cached
def tally_places(records, networks, pivots, sums):
    """Set ``sums`` (T, rows, COLUMNS) from ``records``; ``pivots`` as in `tally.tally`."""
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            record, total = records[tile, l], sums[tile, l]
            add_tile(record, count, pivots[l], total[:LAYER_COLUMNS])
            cosines = c1 = c2 = 0.0
            for b in range(max(count, 0)):
                there = record[COSINE, b] > NONE
                c = record[COSINE, b] if there else 0.0
                cosines += 1.0 if there else 0.0
                c1 += c
                c2 += c * c
            total[COSINES], total[COSINE1], total[COSINE2] = cosines, c1, c2


@cached
def tally_gram(records, networks, pivots, sums):
    """Set ``sums`` (T, places, 2 P P) to first and second powers of ``records`` (T, places, P P, LANES)."""
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            entries = records.shape[2]
            for i in range(entries):
                first = second = 0.0
                for b in range(max(count, 0)):
                    first += records[tile, l, i, b]
                    second += records[tile, l, i, b] * records[tile, l, i, b]
                sums[tile, l, i], sums[tile, l, entries + i] = first, second
