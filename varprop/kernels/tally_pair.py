"""Records of pairs to sums of powers: as `tally`, for the q-hats of two inputs, z z', and their cosine.

The mean of z z' is summed less half of both q-hats: so 1 - correlation keeps its digits where it is small.
"""

import math

from numba import njit

from ..sums import PAIR
from . import LANES
from .options import SUMMING, cached
from .tally import scaled

# Fields of the records: q-hat of either input, the mean of z z' (times 2^ half of both exponents), exponents.
FIRST, SECOND, PRODUCT, FIRST_EXPONENT, SECOND_EXPONENT = range(5)

# Columns of the sums.
COLUMNS = len(PAIR.names)
M1, M2, M3, S11, S22, S33, S12, S13, S23, ALIVE, E1, E2, E3, E4 = range(COLUMNS)


@njit(**SUMMING)
def add_tile(record, count, pivots, total):
    """Set ``total`` (COLUMNS,) to the sums over the first ``count`` lanes of one layer's record."""
    pivot, exponent, pivot2, exponent2, offset = pivots
    root, half = math.sqrt(pivot) * math.sqrt(pivot2), 0.5 * (exponent + exponent2)
    m1 = m2 = m3 = s11 = s22 = s33 = s12 = s13 = s23 = alive = e1 = e2 = e3 = e4 = 0.0
    for b in range(LANES):
        first, second, product = record[FIRST, b], record[SECOND, b], record[PRODUCT, b]
        power, power2 = record[FIRST_EXPONENT, b], record[SECOND_EXPONENT, b]
        drawn = b < count
        x = scaled(first, power, pivot, exponent) - offset
        y = scaled(second, power2, pivot2, exponent2) - offset
        p = scaled(product, 0.5 * (power + power2), root, half) - 0.5 * ((x + offset) + (y + offset))
        x, y, p = x if drawn else 0.0, y if drawn else 0.0, p if drawn else 0.0
        size = math.sqrt(first) * math.sqrt(second)
        lives = drawn & (size > 0.0)
        e = 1.0 - min(max(product / (size if lives else 1.0), -1.0), 1.0)
        e = e if lives else 0.0
        m1 += x
        m2 += y
        m3 += p
        s11 += x * x
        s22 += y * y
        s33 += p * p
        s12 += x * y
        s13 += x * p
        s23 += y * p
        alive += 1.0 if lives else 0.0
        e1 += e
        e2 += e * e
        e3 += e * e * e
        e4 += (e * e) * (e * e)
    total[M1], total[M2], total[M3] = m1, m2, m3
    total[S11], total[S22], total[S33], total[S12], total[S13], total[S23] = s11, s22, s33, s12, s13, s23
    total[ALIVE], total[E1], total[E2], total[E3], total[E4] = alive, e1, e2, e3, e4


@cached
def tally_pair(records, networks, pivots, sums):
    """Set ``sums`` (tiles, L, COLUMNS) from ``records``; ``pivots`` (L, 5) as in `tally.tally`."""
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            add_tile(records[tile, l], count, pivots[l], sums[tile, l])
