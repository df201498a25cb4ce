"""Two inputs at infinite width, where the Gram matrix of the layer below is known.

`theory.infinite` has the same numbers of any network. For chains it takes up to 3 times as long.
"""

import numpy as np

from ....network import ChainLayer
from ....origins import Origin
from ...gaussian.closed import known
from .gram import Gram, Pair, Units, mean_pair
from .statistics import Statistics, statistics

ORIGIN = Origin.INFINITE
ALIKE = True  # every network has the same cosine
_NEAR = 1e-3  # of (1 - |c|) / 2, below which the difference of closed forms loses digits that the plane keeps
_NO_NOISE = np.zeros((3, 3))


def start(gram: Gram) -> Gram:
    """Return the `Gram` of the inputs, none of whose spread is left."""
    return Gram(gram.sizes, gram.error, gram.mean, _NO_NOISE, gram.fourth)


preactivation = mean_pair


def cosine(layer: ChainLayer, z: Pair) -> tuple[float, float]:
    """Return mean and variance of the cosine of z and z', which is their correlation in every network."""
    return z.correlation, 0.0 * z.correlation


def activation(layer: ChainLayer, z: Pair, level: int) -> Gram:
    """Return the `Gram` above; ``level`` is that of `statistics`."""
    units = Units.of(layer, z)
    t = _statistics(units, z, level)
    return Gram(*units.sizes(layer, z, t), t.mean, _NO_NOISE, t.product / layer.fan_out)


def _statistics(units: Units, z: Pair, level: int) -> Statistics:
    """Return the `Statistics`, of which only the mean counts; it is closed where it can be."""
    closed = known(units.phi).product if units.phi.slopes is None else None
    seconds = units.moments.second
    p2, r2 = z.parts
    if closed is None or not (seconds > 0).all() or min(p2, r2) < _NEAR:
        return statistics(*units.point(z), level, False)
    value, _ = closed(*units.q, p2 - r2, 2 * r2)
    cosine = np.clip(value / np.sqrt(seconds[0]) / np.sqrt(seconds[1]), -1.0, 1.0)
    mean = np.array([(1 + cosine) / 2, 0.0, (1 - cosine) / 2])
    return Statistics(mean, _NO_NOISE, np.zeros((3, 3, 3)), _NO_NOISE)
