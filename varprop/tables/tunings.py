"""What a multiplier does to a network, as a table and as data."""

import math
from dataclasses import fields

from ..exported import numbers
from .numbers import known, number


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
