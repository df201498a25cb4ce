"""Records of networks to sums of powers, which merge by addition.

Powers are taken of d = x / pivot - offset, with a pivot near the mean, so that no digits are lost
and a mean of 1e300 squares safely. Sums are kept for each tile of LANES networks: adding tiles in
index order gives the same bits whatever the block or the thread.
"""

import math

from numba import njit
from numpy import float64, uint64

from ..sums import LAYER
from . import LANES
from .layer import EXPONENT, FOURTH, MEAN, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE, power_of_two
from .options import INLINE, SUMMING, cached

# Columns of the sums.
COLUMNS = len(LAYER.names)
Q1, Q2, Q3, Q4, ROOT, F1, F2, QF, A1, A2, A3, A4, ALIVE, LOG1, LOG2, LOG3, LOG4, DEAD, MEAN1, MEAN2 = range(COLUMNS)
LN2 = math.log(2.0)
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
TWO10_BITS = uint64(1024 << 52)  # added to an exponent, so that none is negative
SHIFT_BITS = uint64((1024 << 52) - SQRT_HALF_BITS)
TWO52_BITS = uint64(0x4330000000000000)
MANTISSA_BITS = uint64(52)


@njit(**INLINE)
def log64(x):
    """Return ln x for positive normal x, without a call into libm; relative error below 4e-16."""
    # unsigned, and a whole number to a float by its bits: before AVX-512 loops vectorise around nothing else
    bits = float64(x).view(uint64)
    e = uint64(bits + SHIFT_BITS) >> MANTISSA_BITS
    power = uint64(e | TWO52_BITS).view(float64) - (2.0**52 + 1024.0)
    m = uint64(bits - uint64(e << MANTISSA_BITS) + TWO10_BITS).view(float64)  # within sqrt(1/2) to sqrt 2
    s = (m - 1.0) / (m + 1.0)
    u = s * s  # below 0.0295: the series of atanh needs eleven terms
    p = 1.0 / 21.0
    p = p * u + 1.0 / 19.0
    p = p * u + 1.0 / 17.0
    p = p * u + 1.0 / 15.0
    p = p * u + 1.0 / 13.0
    p = p * u + 1.0 / 11.0
    p = p * u + 1.0 / 9.0
    p = p * u + 1.0 / 7.0
    p = p * u + 1.0 / 5.0
    p = p * u + 1.0 / 3.0
    log = 2.0 * s + 2.0 * s * u * p + power * LN2
    return log if x < math.inf else x


@njit(**INLINE)
def scaled(mantissa, exponent, pivot, pivot_exponent):
    """Return mantissa 2^exponent over pivot 2^pivot_exponent; exponents are even."""
    root = power_of_two(0.5 * (exponent - pivot_exponent))
    return mantissa * root * root / pivot


@njit(**SUMMING)
def add_tile(record, count, pivots, total):
    """Set ``total`` (COLUMNS,) to the sums over the first ``count`` lanes of one layer's record.

    Free of branches and of calls, with its sums in registers and in the order that the vector unit
    likes: 3 ns a network and layer, where a plain loop took 11.
    """
    pivot, pivot_exponent, a_pivot, a_exponent, offset = pivots
    mean_pivot, mean_exponent = math.sqrt(a_pivot), 0.5 * a_exponent
    log_pivot = math.log(pivot) + pivot_exponent * LN2
    q1 = q2 = q3 = q4 = root = f1 = f2 = qf = a1 = a2 = a3 = a4 = alive = log1 = log2 = log3 = log4 = dead = 0.0
    m1 = m2 = 0.0
    for b in range(LANES):
        d = scaled(record[VARIANCE, b], record[EXPONENT, b], pivot, pivot_exponent) - offset
        f = scaled(record[FOURTH, b], 2.0 * record[EXPONENT, b], pivot * pivot, 2.0 * pivot_exponent) - 3.0 * offset
        a = scaled(record[SECOND_MOMENT, b], record[SECOND_EXPONENT, b], a_pivot, a_exponent) - offset
        log = log64(record[VARIANCE, b]) + record[EXPONENT, b] * LN2 - log_pivot
        mean = scaled(record[MEAN, b], 0.5 * record[SECOND_EXPONENT, b], mean_pivot, mean_exponent)
        drawn = b < count
        mean = mean if drawn else 0.0
        m1 += mean
        m2 += mean * mean
        lives = drawn & (record[VARIANCE, b] > 0.0)
        root += math.sqrt(d + offset) if drawn else 0.0
        d, f, a = d if drawn else 0.0, f if drawn else 0.0, a if drawn else 0.0
        log = log if lives else 0.0
        q1 += d
        q2 += d * d
        q3 += d * d * d
        q4 += (d * d) * (d * d)
        f1 += f
        f2 += f * f
        qf += d * f
        a1 += a
        a2 += a * a
        a3 += a * a * a
        a4 += (a * a) * (a * a)
        alive += 1.0 if lives else 0.0
        log1 += log
        log2 += log * log
        log3 += log * log * log
        log4 += (log * log) * (log * log)
        dead += 1.0 if drawn & (record[SECOND_MOMENT, b] == 0.0) else 0.0
    total[Q1], total[Q2], total[Q3], total[Q4] = q1, q2, q3, q4
    total[ROOT] = root
    total[F1], total[F2], total[QF], total[A1], total[A2] = f1, f2, qf, a1, a2
    total[A3], total[A4] = a3, a4
    total[ALIVE], total[LOG1], total[LOG2], total[LOG3], total[LOG4] = alive, log1, log2, log3, log4
    total[DEAD], total[MEAN1], total[MEAN2] = dead, m1, m2


@cached
def tally(records, networks, pivots, sums):
    """Set ``sums`` (tiles, L, COLUMNS) from ``records`` (tiles, L, RECORD_FIELDS, LANES).

    Only the first ``networks`` lanes count. ``pivots`` (L, 5) holds a layer a row, with the columns of `sums.PIVOTS`.
    """
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            add_tile(records[tile, l], count, pivots[l], sums[tile, l])
