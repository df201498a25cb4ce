"""The steps by which theory comes to its numbers, as tables."""

import math
from collections.abc import Callable

from .numbers import number

_SIGNAL = (
    "Signal. Weights have mean 0 and do not depend on what they multiply, so a layer that reads n units adds n equal "
    "shares: E[z²] = n Var(W) E[a²] + Var(b). The activation then makes E[a²] of E[z²]."
)
_GRADIENT = (
    "Gradient. Going back, a unit hears from the n units above: E[δ²] = n Var(W) E[φ′²] times E[δ²] above. The slope "
    "here is what is left when n Var(W) is taken out."
)


def derivation_parts(found) -> list:
    """Return a `theory.Derivation` as lines and tables."""
    title = f"{found.description}; derivation, {found.origin}; at the input E[x²] = {number(found.input)}"
    return [title, *(_chain(found) if found.network.is_chain else _graph(found)), *_unknown(found)]


def _unknown(found) -> list[str]:
    return [f"The gradient is not known: {found.unknown}"] if found.unknown else []


def _chain(found) -> list:
    rows, last, activated = [], None, {}
    for step in found.signal:
        if step.kind == "activation":
            activated[step.name] = step
    for step in found.signal:
        if step.kind == "dense":
            phi = activated.get(step.name)
            bent = ["", number(step.value)] if phi is None else [phi.terms["phi"], number(phi.value)]
            rows.append([step.name, rule(step), number(step.value), *bent, times(step.value, last)])
            last = step.value
    parts = [_SIGNAL, (["layer", "n Var(W) E[a²] + Var(b)", "E[z²]", "φ", "E[a²]", "E[z²], × a layer"], rows)]
    if not found.gradient:
        return parts
    rows, last = [], None
    for step in found.gradient:
        how = f"loss {found.loss}" if last is None else _back(**step.terms)
        rows.append([step.name, how, number(step.value), times(step.value, last)])
        last = step.value
    headers = ["layer", "n Var(W) × slope × E[δ²] above", "E[δ²]", "E[δ²], × a layer"]
    return [*parts, _GRADIENT, (headers, rows)]


def _graph(found) -> list:
    gradients = {step.name: number(step.value) for step in found.gradient}
    headers = ["node", "how", "E[x²]", "of what it reads, ×"]
    rows = [[step.name, rule(step), number(step.value), _of_read(step)] for step in found.signal]
    if gradients:
        headers.append("E[(∂ℓ/∂x)²]")
        rows = [[*row, gradients.get(row[0], "")] for row in rows]
    return [f"{_SIGNAL} Loss {found.loss}." if gradients else _SIGNAL, (headers, rows)]


def _of_read(step) -> str:
    """Return the factor on the mean square of what a node reads; of a product of two there is none."""
    return times(step.value, step.terms.get("below", step.terms.get("x")))


def times(value: float, before: float | None) -> str:
    """Return by what a step multiplies."""
    if before is None or not (0 < before < math.inf and math.isfinite(value)):
        return ""
    return f"× {value / before:.4g}"


def rule(step) -> str:
    """Return how a step comes to its number, with the numbers in it."""
    return _RULES[step.kind](**step.terms)


def _short(value: float) -> str:
    return number(value) if not math.isfinite(value) else f"{value:.4g}"


def _dense(n, weight_variance, below, bias_variance) -> str:
    return f"{n:,} × {_short(weight_variance)} × {_short(below)} + {_short(bias_variance)}"


def _back(n, weight_variance, slope, above) -> str:
    return f"{n:,} × {_short(weight_variance)} × {_short(slope)} × {_short(above)}"


def _activation(phi, below) -> str:
    return f"E[{phi}(z)²], z of variance {_short(below)}"


def _sum(skip, x, scale, branch, kept, cross) -> str:
    over = "" if kept == 1 else f" / {_short(kept)}"
    more = f" + {_short(cross)}" if cross > 0 else f" − {_short(-cross)}" if cross else ""
    return f"{_square(skip)}{_short(x)} + {_square(scale)}{_short(branch)}{over}{more}"


def _square(factor: float) -> str:
    return "" if abs(factor) == 1 else f"{_short(factor)}² × "


def _layer_norm(below, mean, eps) -> str:
    square = f"({_short(below)} − {_short(mean)}²)" if mean else _short(below)
    return f"{square} / ({square} + {_short(eps)})"


def _dropout(below, kept) -> str:
    return f"{_short(below)} / {_short(kept)}"


def _product(gate, value) -> str:
    return f"{_short(gate)} × {_short(value)}"


_RULES: dict[str, Callable[..., str]] = {
    "dense": _dense,
    "activation": _activation,
    "sum": _sum,
    "layer norm": _layer_norm,
    "rms norm": _layer_norm,
    "dropout": _dropout,
    "product": _product,
}
