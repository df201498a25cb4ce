"""Product of two values, unit by unit; backward, the gradient times the other one."""

from .. import GROUP, LANES
from ..blocks import add_up, new_partial, normalise_root
from ..options import Direct

S = LANES


@Direct
def product(x, y, out, stop):
    """Set the block ``out`` to the product of two."""
    partial = new_partial()
    for t in range(out.root.shape[0]):
        for p in range(out.root.shape[1]):
            if stop[0]:
                return
            for i in range(out.units.shape[1]):
                for b in range(GROUP):
                    out.units[t, i, p, b] = x.units[t, i, p, b] * y.units[t, i, p, b]
            for b in range(S):
                root = x.root[t, p, b] * y.root[t, p, b]
                power = x.exponent[t, p, b] + y.exponent[t, p, b]
                out.root[t, p, b], out.exponent[t, p, b] = normalise_root(root, power)
        add_up(t, out, partial)
