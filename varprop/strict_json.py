"""JSON as its standard has it: no NaN, no infinity, no key twice; each fault is one error."""

import json
import math
from typing import NoReturn

from .checks import one_line, quote


def parsed(text: str):
    """Return what ``text`` holds. Raises ValueError, which says what the fault is, for what is no strict JSON."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except ValueError as error:
        if "integer string conversion" not in str(error):
            raise
        raise ValueError("it holds a number of thousands of digits.") from None


def _once(pairs: list) -> dict:
    """Return an object, in which a key may not come twice."""
    found = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"it has the key {quote(key)} twice in one object.")
        found[key] = value
    return found


def _refused(word: str) -> NoReturn:
    raise ValueError(f"it holds {one_line(word)}, which is no finite number.")


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        _refused(word)
    return number
