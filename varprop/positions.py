"""Positions of a sample: tokens, pixels. Their number, or their shape."""

from . import checks
from .checks import quote
from .layers.dense import MOST


def format_positions(positions) -> str:
    """Return a number of positions or their shape in words: ``16``, ``32 x 32``."""
    return " x ".join(map(str, positions)) if isinstance(positions, tuple) else str(positions)


def checked_positions(positions) -> "int | tuple[int, ...]":
    """Return a number of positions, or their shape; raise an error that quotes what is neither."""
    if not checks.is_list(positions):
        return checks.whole(positions, "positions", 1, MOST)
    shape = tuple(checks.whole(n, "positions", 1, MOST) for n in positions)
    if not shape:
        raise ValueError(f"positions is {quote(positions)}; give a whole number, or a shape such as (32, 32).")
    return shape if len(shape) > 1 else shape[0]
