"""Counter-based random bits: (seed, network, stream, index) -> 128 bits.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3"
(SC 2011). A draw is a pure function of its counter, so threads, blocks and order change no bit.
"""

from numba import njit
from numpy import uint64

from .options import INLINE

M0 = uint64(0xD2511F53)
M1 = uint64(0xCD9E8D57)
W0 = uint64(0x9E3779B9)
W1 = uint64(0xBB67AE85)
MASK = uint64(0xFFFFFFFF)
HALF = uint64(32)


@njit(**INLINE)
def philox(c0, c1, c2, c3, k0, k1):
    """Return four words of 32 bits (held in uint64) from a 128-bit counter and a 64-bit key."""
    for _ in range(10):
        p0 = c0 * M0
        p1 = c2 * M1
        c0 = (p1 >> HALF) ^ c1 ^ k0
        c1 = p1 & MASK
        c2 = (p0 >> HALF) ^ c3 ^ k1
        c3 = p0 & MASK
        k0 = (k0 + W0) & MASK
        k1 = (k1 + W1) & MASK
    return c0, c1, c2, c3


@njit(**INLINE)
def draw(key, network, stream, index):
    """Return four 32-bit words: draw ``index`` of ``stream`` (layer and purpose) in ``network``."""
    return philox(index & MASK, stream, network & MASK, network >> HALF, key & MASK, key >> HALF)
