"""Weight laws as data: Var(W) from fan_in and fan_out, the shape of the distribution, and the biases beside it."""

import math
from dataclasses import dataclass

from . import checks
from .checks import quote
from .names import choose
from .own_weights import OwnDistribution

DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "orthogonal")
MODES = ("fan_in", "fan_out", "fan_avg", "fan_max", "fan_geo_avg", "none")

# Of a standard normal truncated at 2 standard deviations, with c = 2 phi(2) / (2 Phi(2) - 1): the variance
# is 1 - 2c, the kurtosis (3 - 14c) / (1 - 2c)^2.
EXCESS_KURTOSIS = {"normal": 0.0, "uniform": -1.2, "truncated_normal": -0.63446328287035}
# The largest weight, in standard deviations of the law.
EXTENT = {"normal": math.inf, "uniform": math.sqrt(3), "truncated_normal": 2 / 0.87962566103423978}


def fourth_cumulant(distribution: str | OwnDistribution) -> float:
    """Return E W^4 - 3 of independent weights of variance 1, perhaps infinite; 0 for orthogonal ones."""
    if isinstance(distribution, OwnDistribution):
        return distribution.excess_kurtosis
    return EXCESS_KURTOSIS.get(distribution, 0.0)


@dataclass(frozen=True, repr=False)
class VarianceScaling:
    """A weight law with Var(W) = ``scale`` / fan.

    Parameters
    ----------
    scale
        Positive number; 1 for LeCun and Glorot, 2 for He.
    mode
        Which fan: ``fan_in``, ``fan_out``, ``fan_avg`` (their mean), ``fan_geo_avg`` (their geometric mean),
        ``fan_max`` (the larger), or ``none`` for Var(W) = ``scale`` at every width.
    distribution
        ``normal``, ``uniform``, ``truncated_normal`` (cut at two standard deviations of the normal
        before truncation; the variance is as named *after* truncation), ``orthogonal``
        (a Haar-distributed matrix times a constant, so that Var(W) is as named), or that of a law of your own,
        ``custom_weights(...).distribution``.
    bias_ratio
        Var(b) / Var(W), of the biases that come with the law where no ``bias_variance`` is given: 1 for PyTorch's
        nn.Linear. A multiplier leaves Var(b) as it is.

    Raises
    ------
    TypeError, ValueError
        For a scale that is not a number, or not positive and finite; a ratio that is negative; an unknown mode or
        distribution.
    """

    scale: float
    mode: str = "fan_in"
    distribution: str | OwnDistribution = "normal"
    bias_ratio: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "scale", checks.positive(self.scale, "scale"))
        for field, names in (("mode", MODES), ("distribution", DISTRIBUTIONS)):
            if field == "distribution" and isinstance(self.distribution, OwnDistribution):
                continue
            chosen = choose(getattr(self, field), names, f"unknown {field} {{}}", kind=field)
            object.__setattr__(self, field, chosen)
        object.__setattr__(self, "bias_ratio", checks.positive(self.bias_ratio, "bias_ratio", zero=True))

    def __repr__(self) -> str:
        ratio = f", bias_ratio={self.bias_ratio!r}" if self.bias_ratio else ""
        law = self.distribution
        own = f"<{quote(law.name)}>" if isinstance(law, OwnDistribution) else repr(law)
        return f"VarianceScaling(scale={self.scale!r}, mode={self.mode!r}, distribution={own}{ratio})"

    def __str__(self) -> str:
        fan = "" if self.mode == "none" else f"/{self.mode}"
        ratio = "" if self.bias_ratio == 1 else f"{self.bias_ratio:.6g} "
        biases = f", Var(b) = {ratio}Var(W)" if self.bias_ratio else ""
        return f"Var(W) = {self.scale:.6g}{fan} {self.distribution}{biases}"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return Var(W_ij) of a layer with these fans."""
        fan = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo_avg": float(fan_in) ** 0.5 * float(fan_out) ** 0.5,
            "fan_max": max(fan_in, fan_out),
            "none": 1,
        }[self.mode]
        return self.scale / fan

    def bias_variance(self, fan_in: int, fan_out: int) -> float:
        """Return Var(b_i) of the law's own biases in a layer with these fans; 0 where it has none."""
        return self.bias_ratio * self.variance(fan_in, fan_out)

    def excess_kurtosis(self, fan_in: int, fan_out: int) -> float:
        """Return E[W_ij^4] / Var(W_ij)^2 - 3 in a layer with these fans."""
        if self.distribution == "orthogonal":  # a coordinate of a unit vector in as many dimensions
            return -6 / (max(fan_in, fan_out) + 2)
        return fourth_cumulant(self.distribution)

    def extent(self, fan_in: int, fan_out: int) -> float:
        """Return the largest |W_ij| there is in a layer with these fans, in standard deviations."""
        if self.distribution == "orthogonal":
            return max(fan_in, fan_out) ** 0.5
        law = self.distribution
        return law.extent if isinstance(law, OwnDistribution) else EXTENT[law]

    def without_biases(self) -> "VarianceScaling":
        """Return the law of the weights alone."""
        return VarianceScaling(self.scale, self.mode, self.distribution) if self.bias_ratio else self
