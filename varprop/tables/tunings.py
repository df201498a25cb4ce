"""What a multiplier does to a network, as a table and as data."""

import math
from dataclasses import fields

from ..exported import numbers
from .numbers import known, number

_KEPT = 0.05  # of the decimal logarithm: what changes by an eighth over the whole depth keeps its size


def tuning_parts(found) -> list:
    """Return a `theory.Tuning` as lines and a table."""
    rows = [_row("signal", found.signal, found), _row("gradient", found.gradient, found)]
    both = "none" if found.multiplier is None else number(found.multiplier)
    rows.append(["both", both, "", "", _range(found, found)])
    headers = [
        "",
        "multiplier that keeps it",
        "growth a layer at 1",
        "exponent",
        f"within a factor of {found.factor:g}",
    ]
    low, high = found.searched
    return [
        f"{found.description}; {found.origin}",
        (headers, rows),
        f"From {_place(found.first)} to {_place(found.last)}, {found.steps} layer{'s' * (found.steps > 1)}; "
        f"growth is multiplier^exponent near there. Searched from {low:g} to {high:g}.",
        *_narrowing(found),
    ]


def tuning_columns(found) -> dict:
    """Return a `theory.Tuning` as columns, a side a row and both together; NaN where there is no such number."""
    sides = (found.signal, found.gradient)
    both = {"kept": found.multiplier, "least": found.least, "most": found.most, "within": found.within}
    rows = {f.name: [*(getattr(side, f.name) for side in sides), both.get(f.name)] for f in fields(found.signal)}
    return {"side": ["signal", "gradient", "both"], **{name: numbers(column) for name, column in rows.items()}}


def _place(name: str) -> str:
    return f"layer {name}" if name.isdigit() else name


def _row(name: str, side, found) -> list[str]:
    kept = "none" if side.kept is None else known(side.kept, side.kept_error)
    return [name, kept, number(side.growth), number(side.exponent), _range(side, found)]


def _range(side, found) -> str:
    if not side.within:
        return "nowhere"
    if side.least is None and side.most is None:
        return f"all from {found.searched[0]:g} to {found.searched[1]:g}"
    if side.least is None:
        return f"up to {number(side.most)}"
    return f"from {number(side.least)}" if side.most is None else f"{number(side.least)} to {number(side.most)}"


def _narrowing(found) -> list[str]:
    """Return how depth narrows the range, where it has two ends."""
    if found.least is None or found.most is None:
        return []
    here, twice = (math.sqrt(found.most / found.least) ** (1 / times) for times in (1, 2))
    return [f"For both that is a factor of {here:.3g} either way; at twice the depth it would be about {twice:.3g}."]


def happening(found) -> list[str]:
    """Return what happens to signal and gradient over the depth, and which multiplier keeps both, in sentences."""
    each = "block" if found.last.startswith("block") else "layer"
    first, last = _place(found.first), _place(found.last)
    said = [
        f"Each {each} multiplies the signal E[z²] by {_growth(found.signal, found.steps)}, from {first} to {last}.",
        f"Going back, each {each} multiplies the squared gradient by {_growth(found.gradient, found.steps)}, "
        f"from {last} to {first}.",
    ]
    if found.multiplier is not None and not 0.99 < found.multiplier < 1.01:
        said.append(f"A multiplier of {found.multiplier:.4g} on every Var(W) keeps both best.")
    return said


def _growth(side, steps: int) -> str:
    """Return the factor a step, and in words what that comes to."""
    log = math.log10(side.growth) * steps if side.growth > 0 else -math.inf
    if abs(log) < _KEPT:
        end = "it keeps its size"
    elif log < 0:
        end = f"{_power(log)} of it is left"
    else:
        end = f"it grows {_power(log)} times"
    mean = "" if steps == 1 else " on average"
    return f"{side.growth:.4g}{mean}: over {steps} step{'s' * (steps > 1)} {end}"


def _power(log: float) -> str:
    """Return 10^log in figures that one reads."""
    if math.isinf(log):
        return "nothing"
    return f"{10**log:.3g}" if abs(log) < 290 else f"10^{log:.0f}"
