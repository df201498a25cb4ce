"""Checks of the numbers that a caller gives: each failure is one error that names and quotes the value."""

import math
import re
import reprlib
from collections.abc import Sequence
from numbers import Integral, Real

LEAST_ERROR = 1e-15  # that a mean of float64 may be asked for
LONGEST = 100  # characters of a value in an error
_REPR = reprlib.Repr()  # never builds the whole text of a long list
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxdict = 10
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = LONGEST


def quote(value) -> str:
    """Return ``value`` as errors quote it: its repr on one line, cut in the middle where it is long."""
    try:
        text = _REPR.repr(value)
    except Exception:  # whatever an object of a caller's own says
        big = f"a whole number of {value.bit_length():,} bits" if isinstance(value, int) else ""
        return big or f"an object of type {type(value).__name__}"
    return one_line(text)


def one_line(text, most: int = LONGEST) -> str:
    """Return words of someone else's, an error's or a network's, on one line of at most ``most`` characters."""
    text, half = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", str(text)), (most - 3) // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


def real(value, name: str, hint: str = "") -> float:
    """Return ``value`` as a float: a number of any kind, or an array of no dimension that holds one.

    Raises TypeError, which ends in ``hint``, for anything else, True and False included; ValueError for a
    whole number beyond float64.
    """
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {quote(value)}; give a number{hint}.")
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


def part(value, name: str, example: str, *, least: float = 0.0) -> float:
    """Return ``value`` as a float. Raises as `real` does, and ValueError unless it is above ``least`` and below 1."""
    number = real(value, name, f" such as {example}")
    if not least < number < 1:
        raise ValueError(f"{name} is {number!r}; it must lie between {least:g} and 1, such as {example}.")
    return number


def below_one(value, name: str) -> float:
    """Return ``value`` as a float. Raises as `real` does, and ValueError unless it is from 0 to below 1."""
    number = real(value, name, " such as 0.1")
    if not 0 <= number < 1:
        raise ValueError(f"{name} is {number!r}; it must be from 0 to below 1.")
    return number


def whole(value, name: str, low: int, high: int) -> int:
    """Return ``value`` as an int. Raises TypeError unless it is whole, ValueError unless it is within low to high."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        hint = f" such as {int(value)}" if isinstance(value, float) and value.is_integer() else ""
        raise TypeError(f"{name} is {quote(value)}; give a whole number{hint}.")
    number = int(value)
    if not low <= number <= high:
        raise ValueError(f"{name} is {quote(value)}; it must be from {low:,} to {high:,}.")
    return number


def seed(value) -> int:
    """Return the seed of a random generator, of 64 bits. Raises as `whole` does."""
    return whole(value, "seed", 0, 2**64 - 1)


def _plain(value):
    """Return an array of no dimension, or a NumPy number, as Python's own; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def is_list(value) -> bool:
    """Return whether ``value`` is one entry a layer: a list, a tuple, an array of one dimension or more."""
    return (isinstance(value, Sequence) and not isinstance(value, str)) or getattr(value, "ndim", 0) > 0
