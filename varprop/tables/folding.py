"""Names of many places or weights, of which those that differ by one number alone become one row."""

import re
from collections.abc import Hashable, Sequence
from itertools import pairwise

_NUMBER = re.compile(r"(?<![^.:\s])\d+(?![^.:\s])")  # alone between dots, colons or spaces


def folded(names: Sequence[str], keys: Sequence[Hashable]) -> list[tuple[str, list[int]]]:
    """Return rows, each a name and the numbers of its members, in the order of their first.

    Members have one key, and names that are equal but for one number: ``"h.0.ln"`` and ``"h.1.ln"`` become
    ``"h.0–1.ln"``. Of several numbers in a name the one that takes most together is taken, of equals the first.
    """
    groups: dict[tuple, list[int]] = {}
    pattern: tuple[str, str] | None
    for i, (name, key) in enumerate(zip(names, keys, strict=True)):
        for pattern in _patterns(name):
            groups.setdefault((pattern, key), []).append(i)
    rows, done = [], set()
    for i, (name, key) in enumerate(zip(names, keys, strict=True)):
        if i in done:
            continue
        found = [(pattern, [j for j in groups[pattern, key] if j not in done]) for pattern in _patterns(name)]
        pattern, members = max(found, key=lambda pair: len(pair[1]), default=(None, [i]))
        if len(members) < 2:
            pattern, members = None, [i]
        done.update(members)
        rows.append((name if pattern is None else _joined(pattern, [names[j] for j in members]), members))
    return rows


def _patterns(name: str) -> list[tuple[str, str]]:
    """Return what is before and behind each number in a name."""
    return [(name[: at.start()], name[at.end() :]) for at in _NUMBER.finditer(name)]


def _joined(pattern: tuple[str, str], names: list[str]) -> str:
    before, behind = pattern
    numbers = [int(name[len(before) : len(name) - len(behind)]) for name in names]
    steps = {b - a for a, b in pairwise(numbers)}
    sign = "–" if steps == {1} else "…"
    return f"{before}{numbers[0]}{sign}{numbers[-1]}{behind}"
