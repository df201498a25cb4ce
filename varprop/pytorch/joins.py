"""Steps that become layers of varprop: sums of two branches, their products, and what follows one another."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from torch import fx

from ..activations import NAMES, Activation, activation
from ..initializers import VarianceScaling
from ..layers import Dense, Gate, Layer, Residual
from . import activations as own
from .known import Drop, Half, Scale, Split, Step

_PROBE = np.linspace(-8.0, 8.0, 161)
_LEVEL = 5.0  # standard errors between two mean squares that may be of one law


class PartError(ValueError):
    """What varprop has no layer for, and the call where it is."""

    def __init__(self, node: fx.Node, words: str):
        super().__init__(words)
        self.node = node


@dataclass(frozen=True)
class Where:
    """Where a place is in the model: the path of a Linear, with the names of its parameters, or a sum's name."""

    path: str
    weight: str = ""
    bias: str = ""


@dataclass(frozen=True)
class Part:
    """A step, or the layer that steps have become.

    Attributes
    ----------
    step
        Of `known`, or a layer of varprop.
    node
        The call that it is.
    places
        Where those are that it adds, in their order; None for that of a mere factor.
    """

    step: Step
    node: fx.Node
    places: tuple[Where | None, ...] = ()


def product(node: fx.Node, first: list[Part], second: list[Part]) -> list[Part]:
    """Return the product of two branches of one value: one activation of it, or a gate. Raises PartError."""
    if _pointwise(first) and _pointwise(second):
        return [Part(_named(own.multiplied(_function(first), _function(second))), node)]
    (a, dropped, first), (b, dropped_too, second) = _factored(first), _factored(second)
    end = [Part(Scale(a * b), node)] if a * b != 1 else []
    if len(first) > len(second):
        first, second = second, first  # the value, then what is activated
    start, rest = (second[0].step, second[1:]) if second else (None, [])
    if len(first) == 1 and not dropped and not dropped_too and all(isinstance(p.step, Activation) for p in rest):
        phi, value = _function(rest), first[0].step
        if isinstance(value, Half) and isinstance(start, Half) and value != start:
            return [Part(Split(phi), node), *end]
        if isinstance(value, Dense) and isinstance(start, Dense):
            return [Part(_gate(node, phi, start, value), node, second[0].places + first[0].places), *end]
    raise PartError(node, "it multiplies branches other than phi(W1 y) and W2 y, which varprop's Gate is")


def total(node: fx.Node, name: str, first: list[Part], second: list[Part], sign: float) -> list[Part]:
    """Return the first branch and ``sign`` times the second, a sum of this name. Raises PartError."""
    if _pointwise(first) and _pointwise(second):
        if all(isinstance(part.step, Scale) for part in first + second):
            return [Part(Scale(_factored(first)[0] + sign * _factored(second)[0]), node)]
        return [Part(_named(own.summed(_function(first), _function([*second, Part(Scale(sign), node)]))), node)]
    (skip, skip_drop, first), (scale, drop, second) = _factored(first), _factored(second)
    scale *= sign
    if (drop, len(second)) < (skip_drop, len(first)):
        first, second, skip, scale, skip_drop, drop = second, first, scale, skip, drop, skip_drop
    if skip_drop:
        raise PartError(node, "it drops both paths of a sum at random; varprop's stochastic depth drops one")
    branch, shortcut = layers(second), layers(first)
    places = [place for part in (*branch, *shortcut) for place in part.places]
    try:
        steps = steps_of(shortcut) or None
        block = Residual(*steps_of(branch), skip=skip, scale=scale, drop=drop, shortcut=steps)
    except ValueError as error:
        raise PartError(node, str(error).rstrip(".")) from None
    return [Part(block, node, (*places, Where(name)))]


def layers(parts: list[Part]) -> list[Part]:
    """Return parts whose steps are layers and activations of varprop. Raises PartError."""
    found: list[Part] = []
    for run in _runs(parts):
        part, step = run[-1], run[-1].step
        if len(run) > 1:
            part = Part(_named(_function(run)), part.node)
        elif isinstance(step, Split):
            before = found.pop() if found else None
            if before is None or not isinstance(before.step, Dense):
                raise PartError(part.node, "it gates halves of what is no Linear; varprop's Gate is of two Linears")
            whole = before.step
            width = whole.output_width(0, "") // 2
            gate = Gate(width, step.activation, whole.weights, bias_variance=whole.bias_variance)
            part = Part(gate, part.node, before.places * 2)
        elif isinstance(step, Scale):
            part = Part(Residual("linear", skip=0.0, scale=step.factor), part.node, (None,))
        elif isinstance(step, Drop):
            raise PartError(
                part.node, "it drops samples where no sum follows; varprop's stochastic depth is a branch's"
            )
        elif isinstance(step, Half):
            raise PartError(part.node, "it takes half of the units, and no product of both halves follows")
        if not (isinstance(step, Scale) and step.factor == 1):
            found.append(part)
    return found


def steps_of(parts: list[Part]) -> list[Layer | Activation]:
    """Return the steps of parts that `layers` returned."""
    return [part.step for part in parts if isinstance(part.step, Layer | Activation)]


def _gate(node: fx.Node, phi: Activation, gate: Dense, value: Dense) -> Gate:
    both = _pooled(gate, value)
    if both is None:
        raise PartError(node, f"its two Linears are drawn from two laws, {gate} and {value}; varprop's Gate has one")
    return Gate(both.width, phi, both.weights, bias_variance=both.bias_variance)


def _pooled(a: Dense, b: Dense) -> Dense | None:
    """Return the Dense that two are: of one law, or normal with mean squares that chance explains."""
    if a == b or a.width != b.width:
        return a if a == b else None
    normal = all((law.mode, law.distribution) == ("fan_in", "normal") for law in (a.law, b.law))
    width, one, other = a.width, a.bias_variance, b.bias_variance
    if not normal or width is None or one is None or other is None:
        return None
    if not _chance(a.law.scale, b.law.scale, width) or not _chance(one, other, width):
        return None
    law = VarianceScaling((a.law.scale + b.law.scale) / 2, "fan_in")
    return Dense(width, law, bias_variance=(one + other) / 2)


def _chance(x: float, y: float, count: int) -> bool:
    """Return whether the mean squares of two samples of ``count`` normal numbers may be of one law."""
    return x == y or (min(x, y) > 0 and abs(math.log(x / y)) < _LEVEL * math.sqrt(4 / count))


def _pointwise(parts: list[Part]) -> bool:
    return all(isinstance(part.step, (Activation, Scale)) for part in parts)


def _function(parts: list[Part]) -> Activation:
    """Return activations and factors, one after the other, as one activation."""
    steps: list[Activation] = []
    for step in (part.step for part in parts):
        one = own.scale(step.factor) if isinstance(step, Scale) else step
        if isinstance(one, Activation) and one not in (own.scale(1.0), activation("linear")):
            steps.append(one)
    if len(steps) > 1:
        return own.composed(tuple(steps))
    return steps[0] if steps else activation("linear")


@cache
def _named(found: Activation) -> Activation:
    """Return the activation of a name that a composed one is, number by number; else itself."""
    values = found.phi(_PROBE)
    return next((phi for phi in _known() if np.allclose(phi.phi(_PROBE), values, rtol=1e-6, atol=1e-7)), found)


@cache
def _known() -> tuple[Activation, ...]:
    return (*map(activation, NAMES), own.gelu_tanh(), own.hardtanh(0.0, 6.0), own.hardsigmoid(), own.hardswish())


def _runs(parts: list[Part]):
    """Yield parts alone; but activations that follow one another, with factors between them, as one run.

    Factors behind the last are parts of their own, unless a known activation is what all are together.
    """
    run: list[Part] = []
    for part in [*parts, None]:
        if part is not None and (isinstance(part.step, Activation) or (run and isinstance(part.step, Scale))):
            run.append(part)
            continue
        last = max((i for i, held in enumerate(run) if isinstance(held.step, Activation)), default=-1)
        if last < len(run) - 1 and _named(_function(run)) in _known():
            last = len(run) - 1
        if last >= 0:
            yield run[: last + 1]
        yield from ([held] for held in run[last + 1 :])
        run = []
        if part is not None:
            yield [part]


def _factored(parts: list[Part]) -> tuple[float, float, list[Part]]:
    """Return the factor and the stochastic depth at the end of a branch, and what is before them."""
    parts, factor, drop = list(parts), 1.0, 0.0
    while parts and (isinstance(parts[-1].step, Scale) or (isinstance(parts[-1].step, Drop) and not drop)):
        step = parts.pop().step
        if isinstance(step, Scale):
            factor *= step.factor
        elif isinstance(step, Drop):
            drop = step.p
    return factor, drop, parts
