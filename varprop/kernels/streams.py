"""Which random stream serves which purpose: no two purposes ever share a draw. All sixteen are taken."""

from numba import njit
from numpy import uint64

from .options import COPIED

INPUT, ROW, CONDITIONAL, BIAS, RADIUS, WEIGHTS, DENSE_INPUT, DENSE_ROW, DENSE_BIAS = range(9)
GRADIENT, GRADIENT_BIAS, GRADIENT_RADIUS, LOSS, DENSE_LOSS, PARTNER, LOW_BITS = range(9, 16)


@njit(**COPIED)
def stream(layer, purpose):
    """Return the stream of ``purpose`` at ``layer`` (0 is the input)."""
    return uint64(layer * 16 + purpose)
