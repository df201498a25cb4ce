"""Gains as a table and as data, and how PyTorch's compares."""

import math

from ..exported import numbers
from .numbers import precise

_CONVENTIONS = {"tanh": "5/3, a convention,", "selu": "3/4, a convention,", "sigmoid": "1, that of a linear layer,"}
_SAME = 1e-9  # relative difference below which two gains are one


def torch_note(found) -> str:
    """Return whether and why PyTorch's gain differs from those of a `theory.Gains`, in a sentence."""
    if found.torch is None:
        return f"PyTorch's calculate_gain does not know {found.activation}."
    point = found.torch_point
    same = [
        name
        for name in ("forward", "backward", "critical")
        if getattr(found, name) and math.isclose(found.torch, getattr(found, name), rel_tol=_SAME)
    ]
    if "forward" in same:
        return "PyTorch's calculate_gain is the forward gain."
    fate = f"the variance comes to {point.variance:.6g}" if point.signal == "settles" else f"the signal {point.signal}"
    which = f"the {same[0]} gain" if same else f"none of these: {_CONVENTIONS[found.activation]} is {_place(found)}"
    return (
        f"PyTorch's calculate_gain is {which}; with it {fate}, where each layer "
        f"multiplies the variance of gradients by χ = {point.chi:.6g} ({point.phase})."
    )


def _place(found) -> str:
    """Return where PyTorch's gain lies among those that keep the signal and the gradient."""
    gains = [gain for gain in (found.forward, found.backward) if gain is not None]
    if found.torch > max(gains):
        return "above those that keep either variance"
    if found.torch < min(gains):
        return "below those that keep either variance"
    return "between those that keep the two variances"


def gains_parts(found) -> list:
    """Return a `theory.Gains` as a table."""
    rows = [
        _row("forward", found.forward, found.forward_error, f"keeps the variance {found.q:g}"),
        _row("backward", found.backward, found.backward_error, _backward_words(found)),
        _row("critical", found.critical, found.critical_error, _where(found.critical_point)),
        _row("PyTorch", found.torch, 0.0, "calculate_gain"),
    ]
    headers = ["", "gain", "gain_squared", "multiplier of he", ""]
    return [f"{found.activation}: gains without biases, infinite width", (headers, rows), found.torch_note]


def gains_columns(found) -> dict:
    """Return a `theory.Gains` as columns, a gain a row."""
    kinds = ("forward", "backward", "critical", "torch")
    gains = numbers([getattr(found, kind) for kind in kinds])
    return {
        "kind": list(kinds),
        "gain": gains,
        "gain_error": [getattr(found, f"{kind}_error", 0.0) for kind in kinds],
        "gain_squared": [gain**2 for gain in gains],
    }


def _backward_words(found) -> str:
    if math.isinf(found.backward_error):
        return "E[φ′²] has an error as large as itself"
    return f"keeps the variance of gradients where the signal's is {found.q:g}"


def _where(point) -> str:
    if point is None:
        return "no edge of chaos was found without biases"
    if point.every_variance:
        return "keeps both, at every variance"
    return f"keeps both, at variance {point.variance:.6g}, which is {'stable' if point.stable else 'not stable'}"


def _row(name: str, value: float | None, error: float, words: str) -> list[str]:
    if value is None:
        return [name, "-", "-", "-", words]
    square = 2 * value * error
    return [name, precise(value, error), precise(value**2, square), precise(value**2 / 2, square / 2), words]
