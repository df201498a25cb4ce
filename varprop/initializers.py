"""Weight laws: Var(W) from fan_in and fan_out, and the shape of the distribution.

The field's names clash. Here ``lecun`` is 1 / fan_in (a well-known lecture calls it "Xavier
initialization", for tanh), ``he`` is 2 / fan_in, and ``glorot`` is 2 / (fan_in + fan_out),
which PyTorch calls "xavier".
"""

from dataclasses import dataclass

from . import checks
from .checks import quote
from .names import choose

DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "orthogonal")
MODES = ("fan_in", "fan_out", "fan_avg", "fan_max", "none")

# Of a standard normal truncated at 2 standard deviations, with c = 2 phi(2) / (2 Phi(2) - 1): the variance
# is 1 - 2c, the kurtosis (3 - 14c) / (1 - 2c)^2.
EXCESS_KURTOSIS = {"normal": 0.0, "uniform": -1.2, "truncated_normal": -0.63446328287035}


@dataclass(frozen=True)
class VarianceScaling:
    """A weight law with Var(W) = ``scale`` / fan.

    Parameters
    ----------
    scale
        Positive number; 1 for LeCun and Glorot, 2 for He.
    mode
        Which fan: ``fan_in``, ``fan_out``, ``fan_avg`` (their mean), ``fan_max`` (the larger),
        or ``none`` for Var(W) = ``scale`` at every width.
    distribution
        ``normal``, ``uniform``, ``truncated_normal`` (cut at two standard deviations of the normal
        before truncation; the variance is as named *after* truncation), or ``orthogonal``
        (a Haar-distributed matrix times a constant, so that Var(W) is as named).

    Raises
    ------
    TypeError, ValueError
        For a scale that is not a number, or not positive and finite; an unknown mode or distribution.
    """

    scale: float
    mode: str = "fan_in"
    distribution: str = "normal"

    def __post_init__(self):
        object.__setattr__(self, "scale", checks.positive(self.scale, "scale"))
        for field, names in (("mode", MODES), ("distribution", DISTRIBUTIONS)):
            chosen = choose(getattr(self, field), names, f"unknown {field} {{}}", kind=field)
            object.__setattr__(self, field, chosen)

    def __str__(self) -> str:
        fan = "" if self.mode == "none" else f"/{self.mode}"
        return f"Var(W) = {self.scale:.6g}{fan} {self.distribution}"

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return Var(W_ij) of a layer with these fans."""
        fan = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_max": max(fan_in, fan_out),
            "none": 1,
        }[self.mode]
        return self.scale / fan


_LAWS = {"lecun": (1.0, "fan_in"), "he": (2.0, "fan_in"), "glorot": (1.0, "fan_avg"), "unit": (1.0, "none")}

_PRESETS = {
    **{
        name if distribution == "normal" else f"{name}_{distribution}": VarianceScaling(scale, mode, distribution)
        for name, (scale, mode) in _LAWS.items()
        for distribution in DISTRIBUTIONS
    },
    "orthogonal": VarianceScaling(1.0, "fan_max", "orthogonal"),
}

NAMES = tuple(_PRESETS)


def initializer(spec: "str | VarianceScaling") -> VarianceScaling:
    """Return the weight law named by ``spec``, a name or a `VarianceScaling`.

    ``lecun``, ``he``, ``glorot`` and ``unit`` (Var(W) = 1) are normal; ``he_uniform``,
    ``he_truncated_normal`` and ``he_orthogonal`` change the distribution and keep the variance.
    ``orthogonal`` has orthonormal rows or columns. Raises ValueError for an unknown name.
    """
    if isinstance(spec, VarianceScaling):
        return spec
    if isinstance(spec, str):
        return _PRESETS[choose(spec, NAMES, "unknown initializer {}", kind="initializer")]
    raise TypeError(f"weights is {quote(spec)}; give a name ({', '.join(_LAWS)}, ...) or a VarianceScaling.")
