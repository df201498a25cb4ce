"""Dropout: units are 0 or divided by the share that is kept. Backward is the same with the same mask."""

from numpy import float32, uint64

from .. import LANES
from ..blocks import add_up, new_partial, normalise_root
from ..options import Direct
from ..philox import draw
from ..streams import CONDITIONAL, stream

F = float32
S = LANES


@Direct
def masked(key, first, node, p, x, y, stop):
    """Set the block ``y`` to ``x`` with its mask; no dense layer has the ``node``, so its streams are free."""
    threshold, keep, groups, partial = uint64(p * 2.0**32), 1.0 / (1.0 - p), y.units.shape[1], new_partial()
    for t in range(y.root.shape[0]):
        if stop[0]:
            return
        for s in range(y.root.shape[1]):
            for i in range(groups):
                u, v = x.units[t, i, s], y.units[t, i, s]
                for b in range(S):
                    words = draw(key, first + uint64(t * S + b), stream(node, CONDITIONAL), uint64(s * groups + i))
                    v[b] = u[b] if words[0] >= threshold else F(0.0)
                    v[S + b] = u[S + b] if words[1] >= threshold else F(0.0)
                    v[2 * S + b] = u[2 * S + b] if words[2] >= threshold else F(0.0)
                    v[3 * S + b] = u[3 * S + b] if words[3] >= threshold else F(0.0)
            for b in range(S):
                y.root[t, s, b], y.exponent[t, s, b] = normalise_root(x.root[t, s, b] * keep, x.exponent[t, s, b])
        add_up(t, y, partial)
