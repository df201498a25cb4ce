"""What a weight law gives at given fans, its biases included."""

import math
from dataclasses import dataclass

from .. import checks
from ..initializers import VarianceScaling, initializer
from ..layers.dense import MOST
from ..tables import Tabular, weight_law_parts


@dataclass(frozen=True)
class WeightLaw(Tabular):
    """A weight law in one layer; its mean is 0.

    Attributes
    ----------
    name, fan_in, fan_out
        What was asked.
    law
        The law in words, for any fans.
    distribution
        ``normal``, ``uniform``, ``truncated_normal`` (cut at two standard deviations of the normal before) or
        ``orthogonal``, or the name of one of your own.
    variance, deviation
        Var(W) and its square root.
    gain_squared
        fan_in Var(W): 2 for ``he``.
    excess_kurtosis
        E[W^4] / Var(W)^2 - 3; 0 for a normal.
    largest
        The largest size of a weight; infinite for a normal.
    bias_variance
        Var(b) of the biases that come with the law. Uniform ones count as normal ones of equal variance.
    """

    name: str
    fan_in: int
    fan_out: int
    law: str
    distribution: str
    variance: float
    deviation: float
    gain_squared: float
    excess_kurtosis: float
    largest: float
    bias_variance: float

    def _parts(self) -> list:
        return weight_law_parts(self)


def weight_law(weights: "str | VarianceScaling", fan_in: int, fan_out: int) -> WeightLaw:
    """Return what a weight law gives in a layer of ``fan_in`` inputs and ``fan_out`` units.

    Raises
    ------
    TypeError, ValueError
        For an unknown name, a law that no network can have, or fans that are not positive whole numbers.

    Examples
    --------
    >>> from varprop import theory
    >>> theory.weight_law("torch:linear", 768, 256).gain_squared
    0.3333333333333333
    """
    law = initializer(weights)
    fans = checks.whole(fan_in, "fan_in", 1, MOST), checks.whole(fan_out, "fan_out", 1, MOST)
    variance = law.variance(*fans)
    return WeightLaw(
        str(weights),
        *fans,
        str(law),
        str(law.distribution),
        variance,
        math.sqrt(variance),
        fans[0] * variance,
        law.excess_kurtosis(*fans),
        law.extent(*fans) * math.sqrt(variance),
        law.bias_variance(*fans),
    )
