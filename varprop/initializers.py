"""Names of weight laws.

The field's names clash. Here ``lecun`` is 1 / fan_in (a well-known lecture calls it "Xavier
initialization", for tanh), ``he`` is 2 / fan_in, and ``glorot`` is 2 / (fan_in + fan_out),
which PyTorch calls "xavier". What frameworks call theirs stands behind the framework: ``torch:xavier_normal_``.
"""

from .checks import quote
from .names import choose
from .variance_scaling import DISTRIBUTIONS, EXCESS_KURTOSIS, MODES, VarianceScaling

__all__ = ["DISTRIBUTIONS", "EXCESS_KURTOSIS", "MODES", "NAMES", "VarianceScaling", "initializer", "named"]

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
_NAME_OF = {law: name for name, law in _PRESETS.items()} | {
    VarianceScaling(1 / 3, "fan_in", "uniform", 1.0): "torch:linear"
}


def initializer(spec: "str | VarianceScaling") -> VarianceScaling:
    """Return the weight law named by ``spec``, a name or a `VarianceScaling`.

    ``lecun``, ``he``, ``glorot`` and ``unit`` (Var(W) = 1) are normal; ``he_uniform``,
    ``he_truncated_normal`` and ``he_orthogonal`` change the distribution and keep the variance.
    ``orthogonal`` has orthonormal rows or columns. ``torch:linear``, ``keras:he_normal`` and the like are what
    frameworks draw (`frameworks.law`). Raises ValueError for an unknown name.
    """
    if isinstance(spec, VarianceScaling):
        return spec
    if isinstance(spec, str) and ":" in spec:
        from . import frameworks  # loaded by the first such name

        return frameworks.law(spec)
    if isinstance(spec, str):
        more = ", or a framework's, such as torch:linear"
        return _PRESETS[choose(spec, NAMES, "unknown initializer {}", kind="initializer", more=more)]
    raise TypeError(f"weights is {quote(spec)}; give a name ({', '.join(_LAWS)}, ...) or a VarianceScaling.")


def named(law: VarianceScaling) -> "str | VarianceScaling":
    """Return the one name of a law, or the law itself where it has none."""
    return _NAME_OF.get(law, law)
