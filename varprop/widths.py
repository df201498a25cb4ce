"""Widths of a chain's layers, as numbers and as text such as ``784,512*20,10``."""

from collections.abc import Mapping, Sequence, Set
from itertools import groupby

from . import checks
from .checks import quote
from .layers.dense import MOST

MOST_LAYERS = 10**6


def parse_widths(text: str) -> tuple[int, ...]:
    """Return widths from text such as ``"784,512*20,10"``, where ``*20`` repeats a width.

    Raises ValueError that quotes the part it cannot read.
    """
    widths, whole = [], quote(text)
    for part in text.split(","):
        width, star, repeats = part.partition("*")
        try:
            count, units = int(repeats) if star else 1, int(width)
        except ValueError:
            raise ValueError(f"cannot read {quote(part)} in widths {whole}; write for example 784,512*20,10.") from None
        if count > MOST_LAYERS:
            raise ValueError(f"{quote(part)} in widths {whole} asks for more than {MOST_LAYERS:,} layers.")
        if count < 1:
            raise ValueError(f"{quote(part)} in widths {whole} repeats a width {count} times; at least once is needed.")
        widths += [units] * count
    return checked_widths(widths)


def format_widths(widths: Sequence[int]) -> str:
    """Return widths in the short form that `parse_widths` reads."""
    return ",".join(runs(map(str, widths)))


def runs(words) -> list[str]:
    """Return words with equal neighbours put together, as in ``512*20``."""
    runs = [(word, len(list(same))) for word, same in groupby(words)]
    return [word if count == 1 else f"{word}*{count}" for word, count in runs]


def checked_widths(widths) -> tuple[int, ...]:
    """Return widths as a tuple of whole numbers; raise an error that quotes what is none."""
    if isinstance(widths, str | bytes | bytearray | Mapping | Set) or not hasattr(widths, "__iter__"):
        raise TypeError(f"widths is {quote(widths)}; give a list of whole numbers such as [784, 512, 10].")
    widths = tuple(widths)
    if len(widths) < 2:
        raise ValueError(f"widths is {quote(list(widths))}; give at least two: the input's width and one layer's.")
    return tuple(checks.whole(width, f"width n_{l}", 1, MOST) for l, width in enumerate(widths))
