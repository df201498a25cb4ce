"""The rules that weights are drawn by, and which of them a tensor's numbers fit.

A rule is a variance and a shape. It fits where the numbers' mean, variance, kurtosis and largest size are all such as
the rule gives, at odds of some 1e-6; bounded laws are known by their bound, to 14 / count.
"""

import math
from dataclasses import dataclass

from .initializers import VarianceScaling

REJECT = 5.0  # |z| of a mean, a variance or a kurtosis beyond which a rule does not fit: once in 2 million by chance
LEAST_ODDS = 1e-6  # of the largest number's size; -ln of it is 14
RARER = 5.0  # nats: a rule of one rank higher is held to be e^5, 150 times, rarer
APART = 5.0  # nats by which the likeliest rule must lead to be named
COARSE = 0.05  # relative: a variance known less well than that is named with a word on how well
HAZY = 0.25  # relative: a variance known less well than that is not named at all
_LN = -math.log(LEAST_ODDS)


@dataclass(frozen=True)
class Shape:
    """A symmetric distribution of variance 1: E[x^4], E[x^6], E[x^8], and where it ends."""

    fourth: float
    sixth: float
    eighth: float
    end: float = math.inf

    @property
    def variance_spread(self) -> float:
        """The variance of x^2: that of a sample's variance, times its count."""
        return self.fourth - 1

    @property
    def kurtosis_spread(self) -> float:
        """The variance of a sample's kurtosis, times its count, by its first derivatives."""
        k = self.fourth
        return self.eighth - k * k - 4 * k * (self.sixth - k) + 4 * k * k * (k - 1)

    def beyond(self, size: float) -> float:
        """Return P(|x| > size)."""
        if self.end == math.inf:
            return math.erfc(size / math.sqrt(2))
        if size >= self.end:
            return 0.0
        if self is SHAPES["uniform"]:
            return 1 - size / self.end
        inside = math.erf(math.sqrt(2))
        return 1 - math.erf(size * _CUT_STD / math.sqrt(2)) / inside


def _cut() -> tuple[float, Shape]:
    """Return the std of a standard normal cut at 2, and its shape: E[x^2k] = (2k - 1) E[x^(2k-2)] - 2^(2k-1) c."""
    c = 2 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
    moments = [1.0]
    for k in range(1, 5):
        moments.append((2 * k - 1) * moments[-1] - 2 ** (2 * k - 1) * c)
    second = moments[1]
    fourth, sixth, eighth = (moments[k] / second**k for k in (2, 3, 4))
    return math.sqrt(second), Shape(fourth, sixth, eighth, end=2 / math.sqrt(second))


_CUT_STD, _CUT = _cut()
SHAPES = {
    "normal": Shape(3.0, 15.0, 105.0),
    "uniform": Shape(9 / 5, 27 / 7, 9.0, math.sqrt(3)),
    "truncated_normal": _CUT,
}


@dataclass(frozen=True)
class Fans:
    """What a weight's numbers of inputs and outputs are, and what a framework counts instead.

    Attributes
    ----------
    fan_in, fan_out
        Weights that sum to one output; outputs that one input reaches. None where it is not known what the weight does.
    counted_in, counted_out
        What PyTorch's initializers take for them, from the tensor's shape alone.
    groups
        Of a convolution; PyTorch's fan_out does not know of them.
    stacked
        How many matrices lie in one tensor (the three of attention's in_proj_weight, a recurrent layer's gates).
    hidden
        Units of a recurrent layer: its default goes by them.
    """

    fan_in: int | None
    fan_out: int | None
    counted_in: int | None = None
    counted_out: int | None = None
    groups: int = 1
    stacked: int = 1
    hidden: int | None = None

    @property
    def known(self) -> tuple[int, int]:
        """(fan_in, fan_out), of a matrix, whose are known."""
        assert self.fan_in is not None
        assert self.fan_out is not None
        return self.fan_in, self.fan_out

    @property
    def pairs(self) -> list[tuple[int, int, str]]:
        """The (fan_in, fan_out) that rules may have been given, the true ones first, with words on the others."""
        if self.fan_in is None or self.fan_out is None:
            return []
        found = [(self.fan_in, self.fan_out, "")]
        counted = self.counted_in or self.fan_in, self.counted_out or self.fan_out
        if counted != (self.fan_in, self.fan_out):
            words = f"of {self.stacked} matrices as one" if self.stacked > 1 else "by PyTorch's count"
            found.append((*counted, "without groups" if self.groups > 1 else words))
        return found


@dataclass(frozen=True)
class Rule:
    """A rule at the fans of one tensor: the variance it gives, its shape, and what it is called.

    ``rank`` is 0 for what most models use, higher for what is rarer.
    """

    variance: float
    shape: str
    words: str
    law: VarianceScaling
    rank: int = 0


# Who gives it, scale over which fan, shapes it comes in, and how common it is.
_ALL = ("normal", "uniform", "truncated_normal")
_SCALED = (
    ("LeCun's", 1.0, "fan_in", _ALL, 0),
    ("He's", 2.0, "fan_in", _ALL, 0),
    ("Glorot's (xavier)", 1.0, "fan_avg", _ALL, 0),
    ("He by fan_out", 2.0, "fan_out", _ALL, 1),
    ("Glorot's (xavier) with tanh's gain of 5/3", 25 / 9, "fan_avg", ("normal", "uniform"), 1),
    ("Glorot's (xavier) with ReLU's gain of √2", 2.0, "fan_avg", ("normal", "uniform"), 1),
    ("Kaiming's with tanh's gain of 5/3", 25 / 9, "fan_in", ("normal", "uniform"), 1),
    ("Kaiming's with SELU's gain of 3/4", 9 / 16, "fan_in", ("normal", "uniform"), 2),
    ("Glorot's (xavier) with SELU's gain of 3/4", 9 / 16, "fan_avg", ("normal", "uniform"), 2),
    ("LeCun by fan_out", 1.0, "fan_out", ("normal", "uniform"), 2),
)
_STDS = {1.0: 0, 0.02: 0, 0.01: 1, 0.1: 1, 0.05: 2, 0.001: 2}  # std of normals that are set without a fan, and rank


def rules(fans: Fans, owner: str = "", bias: bool = False) -> list[Rule]:
    """Return every rule that is known, at these fans; ``owner`` is the class of the module, such as ``"Linear"``."""
    found = []
    if fans.hidden:
        words = f"nn.{owner}'s default, uniform 1/(3 hidden)"
        found.append(_rule(1 / (3 * fans.hidden), "uniform", words, fans.fan_in, 0))
    lookup = owner.startswith("Embedding")  # of which each output is one number: no rule goes by its fan_in of 1
    for fan_in, fan_out, counted in fans.pairs[lookup:]:
        words = f"{f'nn.{owner}' if owner else 'PyTorch'}'s default, uniform 1/(3n)" + _behind(counted)
        found.append(_rule(1 / (3 * fan_in), "uniform", words, fans.fan_in, 0, counted=counted))
        for who, scale, mode, shapes, rank in () if bias else _SCALED:
            for shape in shapes:
                law = VarianceScaling(scale, mode, shape)
                words = f"{who}, {_named(shape)}{_behind(counted)}"
                rare = rank + (shape == "truncated_normal") + bool(counted)
                if owner.startswith(
                    "Conv"
                ):  # ResNets and their kin go by fan_out; others that do not know groups are few
                    rare += {"fan_out": -1, "fan_avg": 2 if counted else 1}.get(mode, 0)
                found.append(_rule(law.variance(fan_in, fan_out), shape, words, fans.fan_in, rare, law, counted))
    for std, rank in _STDS.items():
        words = f"std {std:g} whatever the width"
        if std == 1 and lookup:
            words = f"N(0, 1), nn.{owner}'s default"
        found.append(_rule(std**2, "normal", words, fans.fan_in, rank, _fixed(std**2)))
        cut = f"a normal of std {std:g} cut at 2 std and not rescaled: std {std * _CUT_STD:.3g}"
        variance = (std * _CUT_STD) ** 2
        found.append(_rule(variance, "truncated_normal", cut, fans.fan_in, rank, _fixed(variance, "truncated_normal")))
    return found


def _rule(variance, shape, words, fan_in, rank, law=None, counted="") -> Rule:
    """Return a `Rule`, of which a law that counts otherwise is given by its scale over the true fan_in."""
    gain = variance * (fan_in or 1)
    if law is None or counted:
        law = VarianceScaling(gain, "fan_in" if fan_in else "none", shape)
    if fan_in and fan_in > 1:
        words = f"{words}: {_measure(words, gain, fan_in)}"
    return Rule(variance, shape, words, law, rank)


def _measure(words: str, gain: float, fan_in: int) -> str:
    """Return what n Var(w) is, in the words that tell most of this rule."""
    if words.startswith("std "):
        return at(gain, fan_in)
    ratio = 2 / gain
    if "without groups" in words and ratio > 1:
        return f"{ratio:.3g} times too small"
    if words.startswith("He's, "):
        return "2/n"
    return f"{part(gain / 2)} He's" if "1/(3n)" in words else f"{gain:.3g}/n, {part(gain / 2)} He's"


def at(gain: float, fan_in: int) -> str:
    """Return n Var(w) at one fan_in, of weights that do not go by it."""
    return f"{gain:{'.2f' if 0.095 < gain < 9.95 else '.2g'}}/n at {fan_in}"


def part(ratio: float) -> str:
    """Return a ratio in words that go before a noun: ``"a sixth of"``, ``"4 times"``, ``"0.31 of"``."""
    names = {2: "twice", 1: "just", 1 / 2: "half of", 1 / 3: "a third of", 1 / 4: "a quarter of", 1 / 6: "a sixth of"}
    for value, words in names.items():
        if math.isclose(ratio, value, rel_tol=1e-6):
            return words
    return f"{ratio:.3g} times" if ratio > 1 else f"{ratio:.2g} of"


def _named(shape: str) -> str:
    return {"truncated_normal": "a normal cut at 2 std and rescaled"}.get(shape, shape)


def _behind(counted: str) -> str:
    return f" {counted}" if counted else ""


def _fixed(variance: float, shape: str = "normal") -> VarianceScaling:
    return VarianceScaling(variance, "none", shape)


def fits(rule: Rule, count: int, mean: float, variance: float, kurtosis: float, largest: float, eps: float) -> bool:
    """Return whether ``count`` numbers may be the rule's: by their mean, variance, kurtosis and largest size.

    ``eps`` is the relative rounding of their format.
    """
    shape = SHAPES[rule.shape]
    spread = math.sqrt(shape.variance_spread / count)
    if abs(mean) * math.sqrt(count / rule.variance) > REJECT:
        return False
    if abs(_near_normal(variance / rule.variance, spread)) > REJECT:
        return False
    # a kurtosis is skewed itself where numbers are few
    z = (kurtosis - shape.fourth) * math.sqrt(count / shape.kurtosis_spread)
    if abs(z) > REJECT + 50 / math.sqrt(count):
        return False
    size = largest / math.sqrt(rule.variance) / (1 + eps)
    at_least = count * shape.beyond(size)  # as many numbers this large are to be expected
    below = count * math.log1p(-min(shape.beyond(size * (1 + eps) ** 2), 1 - 1e-16))
    return at_least > LEAST_ODDS and below > -_LN


def unlikeliness(rule: Rule, count: int, variance: float) -> float:
    """Return -ln of how likely a rule is beside others, by the variance found and by how common it is."""
    spread = math.sqrt(SHAPES[rule.shape].variance_spread / count)
    return _near_normal(variance / rule.variance, spread) ** 2 / 2 + RARER * rule.rank


def _near_normal(ratio: float, spread: float) -> float:
    """Return the z-score of a sample's variance over the true one, by its cube root, which is nearly normal."""
    third = spread / 3
    return (ratio ** (1 / 3) - (1 - third**2)) / third


def resolution(shape: str, count: int) -> float:
    """Return how far, relatively, a variance may lie from a rule's that fits ``count`` numbers."""
    by_variance = REJECT * math.sqrt(SHAPES[shape].variance_spread / count)
    if shape == "normal":
        return by_variance
    ends = SHAPES[shape]
    density = 1.0 if shape == "uniform" else ends.beyond(ends.end * (1 - 1e-4)) * 1e4
    return min(by_variance, 2 * _LN / (count * density))
