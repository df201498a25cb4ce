"""Moments of z above the second, where they are asked for: the last fields of a record.

They are E z^4, E z^6 and E z^8 as far as there are fields, each in units of 2^EXPONENT to the power of z^2. Where every
weight is drawn, and in graphs, means over units; where each preactivation is drawn given the layer below, expectations
given that, which spread less.
"""

from numba import njit
from numpy import float64

from . import LANES
from .layer import EXPONENT, POWERS, RECORD_FIELDS, power_of_two
from .options import CALLED, Direct, cached
from .places import FIELDS
from .separate import separate
from .tally import scaled

LEAST = 2  # the power of z^2 that the first of them is


@separate(POWERS)
def expected_powers(layer, lanes, zeta, record):
    """Set them given the layer below: z is N(0, Q); of orthogonal weights a coordinate on a sphere, plus a bias."""
    larger = float64(max(layer.fan_in, layer.fan_out))
    for i in range(record.shape[0] - RECORD_FIELDS):
        k = i + LEAST
        gaussian = 1.0
        for j in range(k):
            gaussian *= 2.0 * j + 1.0
        for b in range(LANES):
            x = gaussian
            for _ in range(k):
                x *= lanes.q[b]
            if layer.orthogonal:  # E z^2k over the Gaussian one, by the binomial theorem
                part, binomial, sphere = 0.0, 1.0, 1.0
                for j in range(k + 1):
                    term = binomial * sphere
                    for _ in range(j):
                        term *= 1.0 - lanes.share[b]
                    for _ in range(k - j):
                        term *= lanes.share[b]
                    part += term
                    binomial *= (k - j) / (j + 1.0)
                    sphere *= larger / (larger + 2.0 * j)
                x *= part
            record[RECORD_FIELDS + i, b] = x


@njit(**CALLED)
def add_powers(k, units, out):
    """Add u^2k of a group of four units, (GROUP,), to ``out`` (LANES,)."""
    for j in range(4):
        for b in range(LANES):
            square = float64(units[j * LANES + b]) * float64(units[j * LANES + b])
            x = square * square
            if k > 2:
                x *= square
            if k > 3:
                x *= square
            out[b] += x


@separate(POWERS)
def mean_powers(layer, lanes, zeta, record):
    """Set them to means over the units of a layer; in float64, since weights of one's own may have any tails."""
    for i in range(record.shape[0] - RECORD_FIELDS):
        out = record[RECORD_FIELDS + i]
        out[:] = 0.0
        for g in range((layer.fan_out + 3) // 4):  # zeta is 0 beyond the width
            add_powers(i + LEAST, zeta[g], out)
        for b in range(LANES):
            x = out[b] / layer.fan_out
            for _ in range(i + LEAST):
                x *= lanes.q[b]
            out[b] = x


@Direct
def record_powers(place, places, width, z, records, stop):
    """Write them into the rows of place ``place`` of ``places``, which `places.record_signal` has written."""
    signals = z.root.shape[1]
    for t in range(z.root.shape[0]):
        mean = records[t, places * signals + place] if signals > 1 else records[t, place]
        for i in range(records.shape[2] - FIELDS):
            if stop[0]:
                return
            for p in range(signals):
                out = records[t, place * signals + p, FIELDS + i]
                out[:] = 0.0
                for g in range(z.units.shape[1]):
                    add_powers(i + LEAST, z.units[t, g, p], out)
                for b in range(LANES):
                    x = out[b] / width
                    for _ in range(i + LEAST):
                        x *= z.root[t, p, b] * z.root[t, p, b]
                    out[b] = x
            if signals > 1:
                mean[FIELDS + i] = 0.0
                for p in range(signals):
                    row = records[t, place * signals + p]
                    for b in range(LANES):
                        x = row[FIELDS + i, b] / signals
                        by = power_of_two(row[EXPONENT, b] - mean[EXPONENT, b])
                        for _ in range(i + LEAST):
                            x *= by
                        mean[FIELDS + i, b] += x


@cached
def tally_powers(records, networks, pivots, field, column, sums):
    """Set ``sums`` from ``column`` on to four powers of each of these fields, the first of which is ``field``.

    Powers are of the field over the pivot to its power, less what that is of a Gaussian; otherwise as `tally.tally`.
    """
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            for i in range(records.shape[2] - field):
                k = i + LEAST
                typical, pivot = pivots[l, 4], 1.0
                for j in range(k):
                    typical *= 2.0 * j + 1.0
                    pivot *= pivots[l, 0]
                first = second = third = fourth = 0.0
                for b in range(max(count, 0)):
                    value, exponent = records[tile, l, field + i, b], records[tile, l, EXPONENT, b]
                    x = scaled(value, k * exponent, pivot, k * pivots[l, 1]) - typical
                    first += x
                    second += x * x
                    third += x * x * x
                    fourth += (x * x) * (x * x)
                out = sums[tile, l]
                out[column + 4 * i], out[column + 4 * i + 1] = first, second
                out[column + 4 * i + 2], out[column + 4 * i + 3] = third, fourth
