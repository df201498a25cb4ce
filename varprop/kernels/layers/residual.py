"""Sum of a residual block: skip x + scale f, where f is dropped with probability ``drop`` for a whole sample."""

import numpy as np
from numpy import float32, uint64

from .. import LANES
from ..blocks import add_blocks, new_partial, normalise_root
from ..options import Direct
from ..philox import draw
from ..streams import CONDITIONAL, stream

F = float32
S = LANES


@Direct
def set_branch(key, first, node, positions, scale, drop, factors, stop):
    """Set the branch's ``factors[1]`` (T, P, LANES) where it may be dropped, once a sample of ``positions``."""
    threshold = uint64(drop * 2.0**32)
    kept = scale / (1.0 - drop)
    for t in range(factors.shape[1]):
        for p in range(factors.shape[2]):
            if stop[0]:
                return
            for b in range(S):
                word = draw(key, first + uint64(t * S + b), stream(node, CONDITIONAL), uint64(p // positions))[0]
                factors[1, t, p, b] = kept if word >= threshold else 0.0


@Direct
def forward(one, two, factors, out, stop):
    """Set ``out`` to the sum of two blocks with these factors."""
    add_blocks(one, two, factors, out, (np.zeros(S, F), np.zeros(S, F), new_partial()), stop)


@Direct
def backward(d, factor, e, stop):
    """Set ``e`` to ``factor`` (T, P, LANES) times ``d``: one path's gradient."""
    for t in range(e.root.shape[0]):
        for p in range(e.root.shape[1]):
            if stop[0]:
                return
            for b in range(S):
                own = factor[t, p, b]
                e.root[t, p, b], e.exponent[t, p, b] = normalise_root(abs(own) * d.root[t, p, b], d.exponent[t, p, b])
            for i in range(e.units.shape[1]):
                for k in range(4):
                    for b in range(S):
                        at = k * S + b
                        e.units[t, i, p, at] = d.units[t, i, p, at] if factor[t, p, b] >= 0.0 else -d.units[t, i, p, at]
