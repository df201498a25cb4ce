"""Records of networks to sums of powers, which merge by addition.

Powers are taken of d = x / pivot - offset, with a pivot near the mean, so that no digits are lost
and a mean of 1e300 squares safely. Sums are kept for each tile of LANES networks: adding tiles in
index order gives the same bits whatever the block or the thread.
"""

import math

from numba import njit

from . import LANES
from .layer import EXPONENT, FOURTH, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from .options import INLINE, cached

# Columns of the sums: powers of q-hat, its product with the mean of z^4, and so on.
Q1, Q2, Q3, Q4, F1, F2, QF, A1, A2, ALIVE, LOG1, LOG2, LOG3, LOG4, DEAD = range(15)
COLUMNS = 15
LN2 = math.log(2.0)


@njit(**INLINE)
def scaled(mantissa, exponent, pivot, pivot_exponent):
    """Return mantissa 2^exponent over pivot 2^pivot_exponent."""
    if exponent != pivot_exponent:
        mantissa *= 2.0 ** min(max(exponent - pivot_exponent, -2000.0), 1000.0)
    return mantissa / pivot


@cached
def tally(records, networks, pivots, sums):
    """Set ``sums`` (tiles, L, COLUMNS) from ``records`` (tiles, L, RECORD_FIELDS, LANES).

    Only the first ``networks`` lanes count. ``pivots`` (L, 5) holds for each layer the pivot and
    its power of two of q-hat, the same of the mean of a^2, and the offset, 0 or 1.
    """
    sums[:] = 0.0
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            r, total = records[tile, l], sums[tile, l]
            pivot, pivot_exponent, a_pivot, a_exponent, offset = pivots[l]
            log_pivot = math.log(pivot) + pivot_exponent * LN2
            for b in range(count):
                q = scaled(r[VARIANCE, b], r[EXPONENT, b], pivot, pivot_exponent)
                f = scaled(r[FOURTH, b], 2.0 * r[EXPONENT, b], pivot * pivot, 2.0 * pivot_exponent)
                a = scaled(r[SECOND_MOMENT, b], r[SECOND_EXPONENT, b], a_pivot, a_exponent)
                d, f, a = q - offset, f - 3.0 * offset, a - offset
                total[Q1] += d
                total[Q2] += d * d
                total[Q3] += d * d * d
                total[Q4] += (d * d) * (d * d)
                total[F1] += f
                total[F2] += f * f
                total[QF] += d * f
                total[A1] += a
                total[A2] += a * a
                if r[VARIANCE, b] > 0.0:
                    log = math.log(r[VARIANCE, b]) + r[EXPONENT, b] * LN2 - log_pivot
                    total[ALIVE] += 1.0
                    total[LOG1] += log
                    total[LOG2] += log * log
                    total[LOG3] += log * log * log
                    total[LOG4] += (log * log) * (log * log)
                if r[SECOND_MOMENT, b] == 0.0:
                    total[DEAD] += 1.0


@cached
def fold(total, sums):
    """Add ``sums`` (tiles, L, COLUMNS) to ``total`` (L, COLUMNS), tile by tile in order."""
    for tile in range(sums.shape[0]):
        total += sums[tile]
