"""The bins in which `simulate.law` counts networks."""

import numpy as np

from ..kernels.histogram import histogram
from ..kernels.layer import EXPONENT, VARIANCE
from ..sums import law_bins, law_columns
from .ensemble import Reduction

_SPREADS = 20.0  # of the pilot's standard deviation, on either side of its mean, that bins cover


def reduction(depth: int) -> Reduction:
    """Return how the records of networks of ``depth`` layers are counted."""
    return Reduction(histogram, law_columns(depth), lambda records: _ranges(records, law_bins(depth)), counts=True)


def _ranges(records: np.ndarray, bins: int) -> np.ndarray:
    """Return each layer's first edge and bin width, (L, 5), from the records of the first tile."""
    ranges = np.zeros((len(records), 5))
    for l, record in enumerate(records):
        usable = (record[VARIANCE] > 0) & np.isfinite(record[VARIANCE])
        logs = np.log(record[VARIANCE][usable]) + record[EXPONENT][usable] * np.log(2.0)
        centre, spread = (logs.mean(), logs.std()) if len(logs) else (0.0, 1.0)
        # a fixed norm, or a single living network: float32 sums scatter by 1e-7 all the same
        spread = max(spread, 1.0 if len(logs) < 2 else 1e-6)
        ranges[l, :2] = centre - _SPREADS * spread, 2 * _SPREADS * spread / bins
    return ranges
