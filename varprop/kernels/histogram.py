"""Records of networks to counts of ln q-hat in bins. Whole numbers merge to the same bits in any order."""

import math

from ..sums import BELOW, FIRST_BIN, ZERO
from . import LANES
from .layer import EXPONENT, VARIANCE
from .options import cached

LN2 = math.log(2.0)


@cached
def histogram(records, networks, pivots, sums):
    """Set ``sums`` (1, L, FIRST_BIN + bins + 1) from ``records`` (tiles, L, RECORD_FIELDS, LANES).

    Only the first ``networks`` lanes count. ``pivots`` (L, 5) holds for each layer the first bin's lower
    edge and the bins' width.
    """
    sums[:] = 0.0
    bins = sums.shape[2] - FIRST_BIN - 1
    for tile in range(records.shape[0]):
        count = min(LANES, networks - tile * LANES)
        for l in range(records.shape[1]):
            low, width = pivots[l, 0], pivots[l, 1]
            for b in range(count):
                value = records[tile, l, VARIANCE, b]
                column = ZERO
                if value != 0.0:
                    place = (math.log(value) + records[tile, l, EXPONENT, b] * LN2 - low) / width
                    if place < 0.0:
                        column = BELOW
                    else:
                        column = FIRST_BIN + (int(place) if place < bins else bins)
                sums[0, l, column] += 1.0
