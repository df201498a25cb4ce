"""Results as data: plain values, as strict JSON can hold them, and dataframes."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas


class Exported:
    """What can be had as plain values and as a dataframe.

    A dataclass is its fields, and one row of those that hold one number or word; a subclass that has more to say
    returns its own ``_fields``, by name, and its ``_columns``, all of one length.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it: dicts with keys of text, lists, text, numbers, True, False and None.

        None stands for a number that is infinite or NaN, so ``json.dumps(..., allow_nan=False)`` always works; it is
        what ``--json`` prints. Logarithms (``log_mean``) are natural ones, and stay numbers where what they are of is
        beyond float64.
        """
        return plain(self._fields())

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return it as a `pandas.DataFrame`, one row a place.

        Of products between signals, a row is of two of these; of single networks, of one network and place.

        A column is named as the field is, its error ``NAME_error``: a standard error where networks were drawn, else
        a bound on the numerical error. What is infinite or NaN stays so. Words and numbers that are of the whole,
        such as ``networks``, are in ``.attrs``. Of a record with positions, rows are means over them;
        ``record.at(position).to_dataframe()`` is of one.

        Raises ImportError, which says what to install, where there is no pandas.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            if error.name != "pandas":
                raise
            raise ImportError("to_dataframe needs pandas: pip install pandas") from None
        columns = self._columns()
        odd = {k: pandas.Series(v, dtype=object) for k, v in columns.items() if not _is_unicode(v)}  # not for PyArrow
        frame = pandas.DataFrame(columns | odd)
        frame.attrs = {k: plain(v) for k, v in self._fields().items() if k not in columns and _is_scalar(v)}
        return frame

    def _fields(self) -> dict:
        return _fields_of(self)

    def _columns(self) -> dict:
        return {name: [value] for name, value in self._fields().items() if _is_scalar(value)}


def _is_unicode(column) -> bool:
    """Return whether UTF-8 can hold every text of a column: names that people give may be of half a character."""
    return not any(0xD800 <= ord(letter) < 0xE000 for text in column if isinstance(text, str) for letter in text)


def columns_of(items, kind) -> dict:
    """Return columns of dataclasses of one ``kind``, a field each: floats where it may be None."""
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: numbers([getattr(item, name) for item in items]) for name in names}


def numbers(values) -> list:
    """Return a column of numbers with NaN where there is None."""
    return [math.nan if value is None else value for value in values]


def plain(value, digits: int | None = None):
    """Return a dataclass, a dict, a list or an array, with all it holds, as JSON can hold it.

    None stands for a number that is infinite or unknown; floats keep ``digits`` figures, all by default.
    Raises TypeError for what JSON cannot hold.
    """
    if isinstance(value, Exported):
        value = value._fields()
    elif dataclasses.is_dataclass(value):
        value = _fields_of(value)
    if isinstance(value, dict):
        return {str(k): plain(v, digits) for k, v in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v, digits) for v in value]
    if isinstance(value, str):
        return str(value)  # of an `Origin` too
    if value is None or isinstance(value, (bool, int)):
        return value
    if not isinstance(value, (float, np.floating)):  # NumPy's own beyond float64 stay themselves in lists
        raise TypeError(f"an object of type {type(value).__name__} has no place in JSON.")
    value = float(value)
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def _fields_of(value) -> dict:
    """Return what a dataclass holds, but for what it calls not plain."""
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.metadata.get("plain", True)}


def _is_scalar(value) -> bool:
    return value is None or isinstance(value, (str, bool, int, float, np.generic))
