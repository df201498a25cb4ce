"""What variance a model's weights truly have, and the rule that they were drawn by, in words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .entries import Entries
from .exported import Exported
from .initializers import VarianceScaling
from .weight_rules import APART, COARSE, HAZY, SHAPES, Fans, Rule, at, fits, resolution, rules, unlikeliness

FEW = 30  # numbers below which no rule is looked for
_MOST_BRANCHES, _NEAR = 40, 0.01  # of 1/√count: even numbers that far apart are told by chance once in some ten times
_SPARSE = 0.002  # share of exact zeros from which weights are called sparse


@dataclass(frozen=True)
class WeightTruth(Exported):
    """One tensor of a model: the variance of its numbers and the rule that they match.

    Attributes
    ----------
    name
        Its path in the model, such as ``"layers.0.linear1.weight"``.
    shape
        Of the tensor.
    fan_in, fan_out
        Weights that sum to one output; outputs that one input reaches. None where it is not known what the tensor does.
    gain_squared, gain_squared_error
        fan_in Var(w) and its standard error, from the numbers themselves; Var(w) where fan_in is None.
    mean, kurtosis
        E[w] and E[(w - mean)^4] / Var(w)^2; NaN where they are not known.
    rule
        In words.
    law
        The law that the numbers match in mean, variance, kurtosis and bounds; None where none or several do.
    count
        How many numbers were looked at, of all networks together.
    tied
        Other names of the same memory.
    equal_to
        Other tensors that hold equal numbers.
    kind
        ``"weight"``, ``"bias"`` or ``"gain"``.
    finding
        None, or what is wrong: ``"not finite"``, ``"zeros"``, ``"constant"``.
    """

    name: str
    shape: tuple[int, ...]
    fan_in: int | None
    fan_out: int | None
    gain_squared: float
    gain_squared_error: float
    mean: float
    kurtosis: float
    rule: str
    law: VarianceScaling | None = None
    count: int = 0
    tied: tuple[str, ...] = ()
    equal_to: tuple[str, ...] = ()
    kind: str = "weight"
    finding: str | None = None

    @property
    def variance(self) -> float:
        """Var(w) of one number."""
        return self.gain_squared / (self.fan_in or 1)

    def _columns(self) -> dict:
        words = {"shape": str(self.shape), "law": str(self.law or ""), "tied": ", ".join(self.tied)}
        words["equal_to"] = ", ".join(self.equal_to)
        return {name: [words.get(name, value)] for name, value in self._fields().items()}


def weight_truth(
    name: str,
    entries: Entries | Iterable,
    fans: Fans,
    *,
    shape: tuple[int, ...] | None = None,
    owner: str = "",
    kind: str = "weight",
    tied: Sequence[str] = (),
    equal_to: Sequence[str] = (),
) -> WeightTruth:
    """Return what one tensor's numbers are.

    Parameters
    ----------
    name
        Of the tensor.
    entries
        Its `Entries`, or an array of it for each network.
    fans
        A `Fans`: the numbers of inputs and outputs of its module.
    shape
        Of the tensor; of the first array by default.
    owner
        The class of the module that it is of, such as ``"Linear"``.
    kind
        ``"weight"``, ``"bias"`` or ``"gain"``.
    tied, equal_to
        Other names of the same memory, and of tensors with equal numbers.
    """
    if not isinstance(entries, Entries):
        arrays, entries = list(entries), Entries()
        for array in arrays:
            entries.add(array)
        shape = arrays[0].shape if shape is None else shape
    words, law, finding = _judge(entries, fans, owner, kind)
    fan = fans.fan_in or 1
    return WeightTruth(
        name=name,
        shape=tuple(shape or ()),
        fan_in=fans.fan_in,
        fan_out=fans.fan_out,
        gain_squared=float(fan * entries.variance),
        gain_squared_error=0.0 if entries.orthogonal else float(fan * entries.variance_error),
        mean=float(entries.mean),
        kurtosis=entries.kurtosis,
        rule=words,
        law=law,
        count=entries.count,
        tied=tuple(tied),
        equal_to=tuple(equal_to),
        kind=kind,
        finding=finding,
    )


def _judge(entries: Entries, fans: Fans, owner: str, kind: str) -> tuple[str, VarianceScaling | None, str | None]:
    """Return the rule in words, its law, and what is wrong."""
    if entries.broken:
        all_of = entries.count + entries.broken
        return f"NaN or infinite: {entries.broken:,} of {all_of:,} numbers", None, "not finite"
    if entries.constant:
        value = entries.mean
        words = {0.0: "all zeros", 1.0: "all ones"}.get(value, f"constant, {value:.4g}")
        wrong = None if kind != "weight" else "zeros" if value == 0 else "constant"
        return words, None, wrong if entries.count > 1 else None
    if entries.identity:
        return "the identity", None, None
    if entries.orthogonal:
        return _orthogonal(entries, fans)
    if entries.zeros > max(_SPARSE * entries.count, 1):
        kept = 1 - entries.zeros / entries.count
        std = math.sqrt(entries.variance / kept)
        return f"{1 - kept:.0%} exact zeros, the others std {std:.3g}", None, None
    if entries.count < FEW:
        return f"too few numbers to tell ({entries.count})", None, None
    return _named(entries, fans, owner, kind == "bias")


def _orthogonal(entries: Entries, fans: Fans):
    gain = entries.variance + entries.mean**2
    gain *= fans.fan_in or 1
    words = f"orthogonal, rows or columns of length {entries.orthogonal:.4g}: {gain:.3g}/n"
    return words, VarianceScaling(gain, "fan_in" if fans.fan_in else "none", "orthogonal"), None


def _named(entries: Entries, fans: Fans, owner: str, bias: bool):
    """Return the rule that fits; of several the likeliest, where it leads far enough."""
    numbers = (entries.count, entries.mean, entries.variance, entries.kurtosis, entries.size, entries.rounding)
    found = [rule for rule in rules(fans, owner, bias) if fits(rule, *numbers)]
    if not found:
        return _between(entries) or _measured(entries, fans), None, None
    ranked = [(unlikeliness(rule, entries.count, entries.variance), rule) for rule in _apart(found)]
    (lead, best), *others = sorted(ranked, key=lambda pair: pair[0])
    if others and others[0][0] - lead < APART:
        those = f"{best.words}; or {others[0][1].words}"
        return f"too few numbers to tell ({entries.count:,}): {those}", None, None
    words, unknown = best.words, resolution(best.shape, entries.count)
    if bias:
        words = words.partition(": ")[0]
    if unknown > COARSE:
        words += f", as far as {entries.count:,} numbers tell, to {unknown:.0%}"
    return words, best.law if unknown <= HAZY else None, None


def _apart(found: list[Rule]) -> list[Rule]:
    """Return one rule for each variance and shape, the commonest: at equal fans several are one law."""
    apart: dict[tuple, list[Rule]] = {}
    for rule in sorted(found, key=lambda rule: rule.rank):
        apart.setdefault((rule.shape, f"{rule.variance:.9e}"), []).append(rule)
    return [_with_same(same) for same in apart.values()]


def _with_same(same: list[Rule]) -> Rule:
    """Return the first of several rules that are one law here, with the name of the next in its words."""
    first = same[0]
    name = first.words.partition(",")[0]
    other = next((n for n in (rule.words.partition(",")[0] for rule in same if rule.rank < 2) if n != name), None)
    return first if other is None else replace(first, words=f"{first.words}; {other} is the same here")


def _between(entries: Entries) -> str | None:
    """Return that numbers are uniform between their ends, if they are, and these are not opposite."""
    wide = entries.largest - entries.least
    uniform = SHAPES["uniform"]
    z = (12 * entries.variance / wide**2 - 1) * math.sqrt(entries.count / uniform.variance_spread)
    if abs(z) > 5 or _shape_of(entries) != "uniform" or abs(entries.mean) * math.sqrt(entries.count) < 5 * wide:
        return None
    return f"uniform from {entries.least:.2g} to {entries.largest:.2g}, of mean {entries.mean:.2g}, not 0"


def _measured(entries: Entries, fans: Fans) -> str:
    """Return the numbers themselves, where no rule is known that gives them."""
    std = math.sqrt(entries.variance)
    words = [f"no rule that is known: std {std:.3g}"]
    if fans.fan_in and fans.fan_in > 1:
        words.append(f"{fans.fan_in * entries.variance:.3g}/n")
    if abs(entries.mean) * math.sqrt(entries.count) > 5 * std:
        words.append(f"mean {entries.mean:.3g}")
    words.append(_shape_of(entries))
    return ", ".join(words)


def _shape_of(entries: Entries) -> str:
    """Return the shape that a kurtosis is of, or the kurtosis."""
    for name, shape in SHAPES.items():
        if abs(entries.kurtosis - shape.fourth) < 5 * math.sqrt(shape.kurtosis_spread / entries.count):
            return {"truncated_normal": "a cut normal"}.get(name, name)
    return f"kurtosis {entries.kurtosis:.3g}"


def of_one_model(truths: Iterable[WeightTruth]) -> tuple[WeightTruth, ...]:
    """Return a model's tensors, where what several have in common is told of each: one std whatever the width."""
    truths = tuple(truths)
    groups: list[list[WeightTruth]] = []
    for truth in truths:
        if truth.kind == "weight" and truth.finding is None and truth.fan_in and truth.fan_in > 1:
            group = next((g for g in groups if _same_std(g[0], truth)), None)
            if group is None:
                groups.append([truth])
            else:
                group.append(truth)
    stds = [math.sqrt(sum(truth.variance for truth in group) / len(group)) for group in groups]
    said = {}
    for group, std in zip(groups, stds, strict=True):
        fans = sorted({truth.fan_in or 1 for truth in group}, reverse=True)
        if len(fans) < 2:
            continue
        scaled = _scaled(std, max(stds))
        for truth in group:
            if truth.law is None and not truth.rule.startswith("no rule"):
                continue
            if truth.law is None or (truth.law.mode == "none" and truth.rule.startswith("std ")):
                said[truth.name] = _whatever(std, truth, fans, scaled)
    return tuple(replace(t, rule=said[t.name]) if t.name in said else t for t in truths)


def _same_std(one: WeightTruth, other: WeightTruth) -> bool:
    """Return whether two tensors have one variance, within their errors, known to 5%, and one kurtosis."""
    errors = [t.gain_squared_error / (t.fan_in or 1) for t in (one, other)]
    if not (one.variance > 0 and max(errors) <= 0.01 * one.variance):
        return False
    alike = abs(one.variance - other.variance) <= 5 * math.hypot(*errors)
    spread = math.sqrt(24 / one.count + 24 / other.count)
    return alike and abs(one.kurtosis - other.kurtosis) < 5 * spread


def _scaled(std: float, largest: float) -> str:
    """Return that a std is another over the root of an even number, as GPT-2 scales the ends of its 2L branches."""
    ratio = (largest / std) ** 2
    count = round(ratio)
    if not (4 <= count <= _MOST_BRANCHES and count % 2 == 0 and abs(ratio - count) < _NEAR * count):
        return ""
    return f" ({largest:.3g}/√{count}, as ends of {count} residual branches have)"


def _whatever(std: float, truth: WeightTruth, fans: list[int], scaled: str) -> str:
    """Return that a std does not go by the width, at the tensor's own fan_in and another."""
    std = truth.law.variance(1, 1) ** 0.5 if truth.law else std
    own = truth.fan_in or 1
    other = next(fan for fan in (fans[0], fans[-1]) if fan != own)
    gains = ", ".join(at(fan * std**2, fan) for fan in (own, other))
    return f"std {std:.3g} whatever the width{scaled}: {gains}"


__all__ = ["Entries", "Fans", "WeightTruth", "of_one_model", "weight_truth"]
