"""Checks of the numbers that a caller gives: each failure is one error that names and quotes the value."""

import math
from numbers import Integral, Real


def real(value, name: str, hint: str = "") -> float:
    """Return ``value`` as a float: a number of any kind, or an array of no dimension that holds one.

    Raises TypeError, which ends in ``hint``, for anything else, True and False included; ValueError for a
    whole number beyond float64.
    """
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; give a number{hint}.")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is beyond float64; give a smaller number.") from None


def positive(value, name: str, hint: str = "", *, zero: bool = False) -> float:
    """Return ``value`` as a float. Raises as `real` does; ValueError unless it is finite and positive, or ``zero``."""
    number = real(value, name, hint)
    if not (0 < number < math.inf or (zero and number == 0)):
        raise ValueError(f"{name} is {number!r}; it must be {'zero or ' * zero}positive and finite.")
    return number


def part(value, name: str, example: str) -> float:
    """Return ``value`` as a float. Raises as `real` does, and ValueError unless it is above 0 and below 1."""
    number = real(value, name, f" such as {example}")
    if not 0 < number < 1:
        raise ValueError(f"{name} is {number!r}; it must lie between 0 and 1, such as {example}.")
    return number


def whole(value, name: str, low: int, high: int) -> int:
    """Return ``value`` as an int. Raises TypeError unless it is whole, ValueError unless it is within low to high."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        hint = f" such as {int(value)}" if isinstance(value, float) and value.is_integer() else ""
        raise TypeError(f"{name} is {value!r}; give a whole number{hint}.")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; it must be from {low:,} to {high:,}.")
    return int(value)


def _plain(value):
    """Return an array of no dimension, or a NumPy number, as Python's own; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value
