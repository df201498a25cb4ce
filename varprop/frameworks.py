"""Initializers and layers of PyTorch, Keras, JAX and Flax by their own names: the laws of what they truly draw.

A name stands behind its framework, with the framework's own arguments and defaults: ``torch:kaiming_uniform_(a=0.1)``.
None of them is imported here; tests hold these laws against samples of the frameworks' own functions.
"""

import ast
import inspect
import math
import operator
import re
from fractions import Fraction

from . import checks
from .checks import quote
from .names import choose, key
from .variance_scaling import EXCESS_KURTOSIS, VarianceScaling

LONGEST = 200  # characters of a name with its arguments
SAME_KURTOSIS = 1e-6  # a cut that changes the kurtosis by less is none: a sample shows it at 10^13 weights
_GAINS = {"linear": 1.0, "conv": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}
_OF = VarianceScaling


def calculate_gain(nonlinearity: str, slope: float = 0.01) -> float | None:
    """Return what PyTorch's ``calculate_gain`` does, None where it knows no such name."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + slope**2))
    return _GAINS.get(re.sub("^conv(_transpose)?[123]d$", "conv", nonlinearity))


def law(spec: str) -> VarianceScaling:
    """Return the law of weights, and of the biases that come with them, of a framework's initializer or layer.

    Parameters
    ----------
    spec
        Such as ``"torch:linear"``, ``"torch:trunc_normal_(std=0.02)"`` or
        ``"jax:variance_scaling(2.0, 'fan_in', 'truncated_normal')"``. Arguments are numbers, also as 5/3, sqrt(5) or
        calculate_gain('tanh'), and text.

    Raises
    ------
    ValueError
        For an unknown name or argument, for weights that are constant or whose mean is not 0, and for a normal cut
        where the house knows no such law; the message says which.
    """
    framework, _, call = spec.strip().partition(":")
    framework = choose(framework, _TABLES, "unknown framework {}", kind="framework")
    found = re.fullmatch(r"\s*(?:[A-Za-z]\w*\.)*([A-Za-z]\w*)\s*(\(.*\))?\s*", call, re.DOTALL)
    if found is None or len(spec) > LONGEST:
        raise ValueError(f"weights is {quote(spec)}; give a name and its arguments, as in torch:normal_(std=0.02).")
    names = {key(name): name for name in _TABLES[framework]}
    name = names.get(key(found[1])) or choose(found[1], _TABLES[framework], f"{framework} has no initializer {{}} here")
    full, made = f"{framework}:{name}", _TABLES[framework][name]
    if isinstance(made, str):
        raise ValueError(f"{full} gives {made}; theory is of random weights with mean 0.")
    args, kwargs = _arguments(found[2], full)
    try:
        inspect.signature(made).bind(*args, **kwargs)
    except TypeError as error:
        raise ValueError(f"{full}: {error}; it is {signature(full)}.") from None
    try:
        return made(*args, **kwargs)
    except OverflowError:
        raise ValueError(f"{full}{found[2]}: the variance is beyond float64.") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{full}: {error}") from None


def signature(full: str) -> str:
    """Return a name such as ``torch:normal_`` with its arguments and their defaults."""
    framework, _, name = full.partition(":")
    inside = str(inspect.signature(_TABLES[framework][name]))[1:-1]
    return f"{full}({inside})" if inside else full


def signatures() -> dict[str, list[str]]:
    """Return the names of each framework that have a law, with their arguments."""
    return {
        framework: [signature(f"{framework}:{name}") for name, made in table.items() if not isinstance(made, str)]
        for framework, table in _TABLES.items()
    }


_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def _arguments(text: str | None, full: str) -> tuple[list, dict]:
    """Return positional and named arguments, read as data: nothing is evaluated but arithmetic on numbers."""
    if text is None:
        return [], {}
    try:
        call = ast.parse(f"f{text}", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)) or None in [
            word.arg for word in call.keywords
        ]:
            raise ValueError("more than one call, or a dict for arguments")
        named = {word.arg: _value(word.value) for word in call.keywords if word.arg is not None}
        return [_value(node) for node in call.args], named
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError):
        raise ValueError(
            f"the arguments of {full} are {quote(text)}; give numbers and text, as in torch:normal_(std=0.02)."
        ) from None


def _value(node):
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](*(checks.real(_value(side), "a number") for side in (node.left, node.right)))
    if isinstance(node, ast.Call) and node.args and not node.keywords:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        values = [_value(arg) for arg in node.args]
        if name == "sqrt" and len(values) == 1:
            return math.sqrt(checks.real(values[0], "a number"))
        if name == "calculate_gain" and isinstance(values[0], str) and len(values) < 3:
            return _gain(*values)
    return ast.literal_eval(node)


def _gain(nonlinearity, slope=0.01) -> float:
    slope = checks.real(slope, "the slope")
    found = calculate_gain(nonlinearity, slope) if isinstance(nonlinearity, str) else None
    if found is None:  # unknown, or in capitals
        return _gain(choose(nonlinearity, (*_GAINS, "leaky_relu"), "unknown nonlinearity {}", kind="activation"), slope)
    return found


def _exact(scale: float) -> float:
    """Return the simple fraction that a scale is but for rounding: 1/3 for 2 / (1 + sqrt(5)^2); else the scale."""
    if not 1e-8 < scale < 1e8:
        return scale
    near = float(Fraction(scale).limit_denominator(1_000_000))
    return near if math.isclose(near, scale, rel_tol=1e-14) else scale


def _squared(gain, name: str) -> float:
    return _exact(checks.positive(gain, name) ** 2)


def _kaiming(distribution: str):
    def kaiming(a=0, mode="fan_in", nonlinearity="leaky_relu"):
        mode = choose(mode, ("fan_in", "fan_out"), "unknown mode {}", kind="mode")
        return _OF(_exact(_gain(nonlinearity, a) ** 2), mode, distribution)

    return kaiming


def _xavier(distribution: str):
    return lambda gain=1.0: _OF(_squared(gain, "gain"), "fan_avg", distribution)


def _centred(mean, name: str = "mean") -> None:
    if checks.real(mean, name) != 0:
        raise ValueError(f"{name} is {mean!r}; theory is of weights with mean 0.")


def _normal(mean, std) -> VarianceScaling:
    _centred(mean)
    return _OF(_squared(std, "the standard deviation"), "none")


def _uniform(low, high) -> VarianceScaling:
    low, high = checks.real(low, "the lower end"), checks.real(high, "the upper end")
    if not 0 < high - low < math.inf:
        raise ValueError(f"its ends are {low!r} and {high!r}; the second must be larger, and both finite.")
    if not math.isclose(-low, high, rel_tol=1e-12):
        raise ValueError(
            f"from {low:g} to {high:g} its mean is {(low + high) / 2:g}; theory is of weights with mean 0: "
            f"from {-high:g} to {high:g} for example."
        )
    return _OF(_exact((high - low) ** 2 / 12), "none", "uniform")


def _cut(mean, std, low, high) -> VarianceScaling:
    """Return the law of a normal of deviation ``std`` cut at ``low`` and ``high``, in units of the weights."""
    _centred(mean)
    std, low, high = (checks.real(number, name) for number, name in ((std, "std"), (low, "a"), (high, "b")))
    if not 0 < std < math.inf:
        raise ValueError(f"std is {std!r}; it must be positive and finite.")
    if not (high > 0 and math.isclose(-low, high, rel_tol=1e-12)):
        raise ValueError(f"a normal cut at {low:g} and {high:g} has a mean other than 0; theory is of mean 0.")
    square, excess = cut_moments(high / std)
    variance = _exact(std**2 * square)
    for distribution in ("normal", "uniform"):
        if abs(excess - EXCESS_KURTOSIS[distribution]) < SAME_KURTOSIS:
            return _OF(variance, "none", distribution)
    if math.isclose(high / std, 2.0, rel_tol=1e-9):
        return _OF(variance, "none", "truncated_normal")
    raise ValueError(
        f"a normal of std {std:g} cut at ±{high:g}, {high / std:.4g} standard deviations, has the variance "
        f"{variance:.6g} and the excess kurtosis {excess:.3g}; laws here are cut at 2, or so far out that it does not "
        f"show (6.2). VarianceScaling({variance:.6g}, 'none', 'normal') has its variance."
    )


def cut_moments(cut: float) -> tuple[float, float]:
    """Return the variance and the excess kurtosis of a standard normal cut at ``cut`` on both sides."""
    if cut < 0.01:  # nearly uniform: the first terms, where the formulas cancel
        return cut**2 / 3 * (1 - 2 * cut**2 / 15), -1.2 + 14.4 / 105 * cut**2
    density = 2 * math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi) / math.erf(cut / math.sqrt(2))
    square = 1 - cut * density
    return square, (3 - (cut**3 + 3 * cut) * density) / square**2 - 3


def _scaling(scale, mode, distribution, distributions: dict, modes) -> VarianceScaling:
    mode = choose(mode, modes, "unknown mode {}", kind="mode")
    named = choose(distribution, distributions, "unknown distribution {}", kind="distribution")
    return _OF(_exact(checks.positive(scale, "scale")), mode, distributions[named])


def _orthogonal(gain) -> VarianceScaling:
    return _OF(_squared(gain, "gain"), "fan_max", "orthogonal")


def _preset(scale, mode, distribution, bias_ratio=0.0):
    return lambda: _OF(scale, mode, distribution, bias_ratio)


_FANS = ("fan_in", "fan_out", "fan_avg")
_ZEROS, _ONES = "weights that are all 0", "weights that are all alike"
_SCALED = {
    f"{name}_{shape}": _preset(scale, mode, "truncated_normal" if shape == "normal" else "uniform")
    for name, scale, mode in (("he", 2.0, "fan_in"), ("glorot", 1.0, "fan_avg"), ("lecun", 1.0, "fan_in"))
    for shape in ("normal", "uniform")
}
_LINEAR = _preset(1 / 3, "fan_in", "uniform", 1.0)

_TORCH = {
    "linear": _LINEAR,
    "conv": _LINEAR,  # its fan_in counts channels / groups times the kernel's size
    "embedding": _preset(1.0, "none", "normal"),
    "kaiming_uniform_": _kaiming("uniform"),
    "kaiming_normal_": _kaiming("normal"),
    "xavier_uniform_": _xavier("uniform"),
    "xavier_normal_": _xavier("normal"),
    "orthogonal_": lambda gain=1: _orthogonal(gain),
    "trunc_normal_": lambda mean=0.0, std=1.0, a=-2.0, b=2.0: _cut(mean, std, a, b),
    "normal_": lambda mean=0.0, std=1.0: _normal(mean, std),
    "uniform_": lambda a=0.0, b=1.0: _uniform(a, b),
    "zeros_": _ZEROS,
    "ones_": _ONES,
    "constant_": _ONES,
    "eye_": "the identity, which is not random",
    "dirac_": "the identity, which is not random",
    "sparse_": "weights of which a fixed part of each column is 0, a law that the house has not",
}
_KERAS = {
    "Dense": _SCALED["glorot_uniform"],
    "Conv": _SCALED["glorot_uniform"],
    "Embedding": lambda: _uniform(-0.05, 0.05),
    **_SCALED,
    "variance_scaling": lambda scale=1.0, mode="fan_in", distribution="truncated_normal": _scaling(
        scale,
        mode,
        distribution,
        {"truncated_normal": "truncated_normal", "untruncated_normal": "normal", "uniform": "uniform"},
        _FANS,
    ),
    "orthogonal": lambda gain=1.0: _orthogonal(gain),
    "random_normal": lambda mean=0.0, stddev=0.05: _normal(mean, stddev),
    "truncated_normal": lambda mean=0.0, stddev=0.05: _cut(mean, stddev, *_two(stddev)),
    "random_uniform": lambda minval=-0.05, maxval=0.05: _uniform(minval, maxval),
    "zeros": _ZEROS,
    "ones": _ONES,
    "constant": _ONES,
    "identity": "the identity, which is not random",
}
_JAX = {
    **_SCALED,
    "kaiming_normal": _SCALED["he_normal"],
    "kaiming_uniform": _SCALED["he_uniform"],
    "xavier_normal": _SCALED["glorot_normal"],
    "xavier_uniform": _SCALED["glorot_uniform"],
    "variance_scaling": lambda scale, mode, distribution: _scaling(
        scale,
        mode,
        distribution,
        {"truncated_normal": "truncated_normal", "normal": "normal", "uniform": "uniform"},
        (*_FANS, "fan_geo_avg"),
    ),
    "orthogonal": lambda scale=1.0: _orthogonal(scale),
    "normal": lambda stddev=0.01: _normal(0.0, stddev),
    "truncated_normal": lambda stddev=0.01, lower=-2.0, upper=2.0: _cut(0.0, stddev, *_two(stddev, lower, upper)),
    "uniform": "weights from 0 to scale, of mean scale/2",
    "zeros": _ZEROS,
    "ones": _ONES,
    "constant": _ONES,
}
_FLAX = {
    "Dense": _SCALED["lecun_normal"],
    "Linear": _SCALED["lecun_normal"],  # nnx
    "Conv": _SCALED["lecun_normal"],
    "Embed": _preset(1.0, "fan_out", "normal"),  # 1/features: the fan that out_axis=0 leaves
    **_JAX,
}
_TABLES = {"torch": _TORCH, "keras": _KERAS, "jax": _JAX, "flax": _FLAX}


def _two(stddev, lower=-2.0, upper=2.0) -> tuple[float, float]:
    """Return the ends of a normal cut at so many standard deviations, in units of the weights."""
    std = checks.positive(stddev, "stddev")
    return checks.real(lower, "lower") * std, checks.real(upper, "upper") * std
