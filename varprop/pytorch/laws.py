"""The law that a weight tensor was drawn from, as a `VarianceScaling`, and the variance of its biases."""

import math

import numpy as np

from ..initializers import EXCESS_KURTOSIS, VarianceScaling

# What is looked for, the likeliest first: where two laws have one variance at these fans, either serves.
_KNOWN = [
    VarianceScaling(scale, mode, shape)
    for shape in ("uniform", "truncated_normal", "normal")
    for scale, mode in ((1 / 3, "fan_in"), (2.0, "fan_in"), (1.0, "fan_in"), (1.0, "fan_avg"), (4e-4, "none"))
]
_TINY = VarianceScaling(1e-100, "none")  # the least variance that a Dense may have: it stands for weights of 0
_LEVEL = 4.0  # standard errors
_LEAST = 64  # numbers that tell a law; fewer are held against PyTorch's default alone
# Of each shape: the kurtosis, its spread times the root of the sample's size, the largest square over the variance.
_SHAPES = {
    "uniform": (3 + EXCESS_KURTOSIS["uniform"], 1.2, 3.0),
    "truncated_normal": (3 + EXCESS_KURTOSIS["truncated_normal"], 2.6, 5.17),
    "normal": (3.0, math.sqrt(24.0), math.inf),
}


def law_of(weight: np.ndarray) -> VarianceScaling:
    """Return the law of a weight (fan_out, fan_in): a known one where it fits, else normal of its own mean square.

    Weights of 0 are told by the least variance that a `Dense` may have. Raises ValueError where the numbers are
    not what an independent draw of mean 0 gives: constant, or of a mean that shows in z; NaN or infinite.
    """
    fan_out, fan_in = weight.shape
    if not np.isfinite(weight).all():
        raise ValueError("its weights hold NaN or infinity")
    square = float(np.mean(weight**2))
    if square == 0:
        return _TINY
    count, mean = weight.size, float(np.mean(weight))
    if count > 1 and np.all(weight == weight.flat[0]):
        raise ValueError(f"its weights are all {weight.flat[0]:g}, where varprop's are drawn with mean 0")
    if abs(mean) * math.sqrt(count / square) > _LEVEL + 1 and fan_in * mean**2 > 0.01 * square:
        raise ValueError(f"its weights have the mean {mean:.3g}, which z feels, where varprop's have mean 0")
    if _orthogonal(weight):
        return VarianceScaling(square * max(fan_in, fan_out), "fan_max", "orthogonal")
    for law in _KNOWN if count >= _LEAST else _KNOWN[:1]:
        if _fits(law, weight, law.variance(fan_in, fan_out), square):
            return law
    return VarianceScaling(square * fan_in, "fan_in")


def bias_variance_of(bias: np.ndarray | None, law: VarianceScaling, fan_in: int) -> float:
    """Return the variance of the biases: 0 for none, nn.Linear's 1/(3n) beside its weights, else their mean square.

    Raises ValueError for biases that are one number other than 0, NaN or infinite.
    """
    if bias is None or not bias.any():
        return 0.0
    if not np.isfinite(bias).all():
        raise ValueError("its biases hold NaN or infinity")
    square, default = float(np.mean(bias**2)), 1 / (3 * fan_in)
    if law == _KNOWN[0] and _chance(square / default, 0.8 / bias.size) and _within(bias, 3 * default):
        return default
    if bias.size > 1 and np.all(bias == bias.flat[0]):
        raise ValueError(f"its biases are all {bias.flat[0]:g}, where varprop's are drawn with mean 0")
    return square


def _fits(law: VarianceScaling, weight: np.ndarray, variance: float, square: float) -> bool:
    """Return whether a sample's mean square, kurtosis and largest number are what ``law`` gives."""
    kurtosis, spread, bound = _SHAPES[law.distribution]
    found = float(np.mean(weight**4)) / square**2
    return (
        _chance(square / variance, (kurtosis - 1) / weight.size)
        and abs(found - kurtosis) < (_LEVEL + 1) * spread / math.sqrt(weight.size)
        and _within(weight, bound * variance)
    )


def _chance(ratio: float, relative_variance: float) -> bool:
    """Return whether a mean square may be this far from its law's."""
    return abs(math.log(ratio)) < _LEVEL * math.sqrt(relative_variance)


def _within(sample: np.ndarray, square: float) -> bool:
    """Return whether no number's square is beyond ``square``, but for float32's rounding."""
    return float(np.abs(sample).max()) <= math.sqrt(square) * (1 + 1e-5)


def _orthogonal(weight: np.ndarray) -> bool:
    """Return whether rows, or columns where they are fewer, are orthogonal and of one length; a few of them tell."""
    rows = weight if weight.shape[0] <= weight.shape[1] else weight.T
    if len(rows) < 2:
        return False
    some = rows[:8]
    gram = some @ some.T
    size = float(np.mean(np.diag(gram)))
    return bool(np.abs(gram - size * np.eye(len(some))).max() < 1e-4 * size)
