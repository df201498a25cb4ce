"""One number a layer, with its error and where it comes from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .exported import Exported
from .origins import Origin


@dataclass(frozen=True, eq=False)
class LayerProfile(Exported):
    """One quantity in every layer, or at every place of a network that is no chain.

    Parameters
    ----------
    values
        Shape (L,); layer l is entry l - 1. ``np.asarray(profile)`` gives these.
    errors
        Shape (L,). Of a simulation, the standard error; of theory, a bound on the numerical error.
    origin
        Where the values come from: an `origins.Origin`, which reads as text, such as ``"exact"``.
        Other words are kept as they are.
    left_out
        Shape (L,), None unless of first order: about how much that leaves out, here or on the way here. Relative to
        the value; absolute for logarithms and for what is between -1 and 1.
    skewness
        Shape (2, L), None unless of a simulation: the least and the most that the skewness of the estimate may be.
    doubt_beyond
        Where ``left_out`` is more, the value is doubtful; None where ``left_out`` is.
    names
        What each entry is of: a place such as ``"block 2 / dense 1"``, or a layer's number, which it is by default.
    by_position
        With positions, values and errors of each, a pair of arrays (L, positions), of which ``values`` and ``errors``
        are means; else None.
    """

    values: np.ndarray
    errors: np.ndarray
    origin: Origin | str
    left_out: np.ndarray | None = None
    skewness: np.ndarray | None = None
    doubt_beyond: float | None = None
    names: tuple[str, ...] = field(default=(), repr=False, metadata={"plain": False})
    by_position: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False, metadata={"plain": False})

    def __post_init__(self):
        names = self.names or range(1, len(self.values) + 1)
        object.__setattr__(self, "names", tuple(map(str, names)))
        object.__setattr__(self, "origin", Origin.of(self.origin))
        for name in ("values", "errors", "left_out", "skewness"):
            if getattr(self, name) is not None:
                array = np.array(getattr(self, name), dtype=np.float64)
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    def __reduce__(self):  # so that what comes back is as read-only as what went
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    @property
    def doubtful(self) -> np.ndarray:
        """Whether first order may leave out too much, shape (L,); False for other theory and simulation."""
        if self.left_out is None or self.doubt_beyond is None:
            return np.zeros(len(self.values), dtype=bool)
        return self.left_out > self.doubt_beyond

    @property
    def relative_error(self) -> float:
        """The largest error relative to its value, over layers whose value is not 0 and finite."""
        usable = (self.values != 0) & np.isfinite(self.values)
        return float(np.max(self.errors[usable] / np.abs(self.values[usable]), initial=0.0))

    def at(self, position: int) -> "LayerProfile":
        """Return the profile at one position, counted from 0 over all of them."""
        if self.by_position is None:
            return self
        values, errors = (part[:, position] for part in self.by_position)
        return replace(self, values=values, errors=errors, by_position=None)

    def entries(self, which: slice) -> "LayerProfile":
        """Return the profile of some entries."""
        by = self._each_position(lambda part: part[which])
        found = replace(self, values=self.values[which], errors=self.errors[which], names=self.names[which])
        skewness = None if self.skewness is None else self.skewness[:, which]
        return replace(found, skewness=skewness, by_position=by)

    def where(self, known: np.ndarray) -> "LayerProfile":
        """Return the profile with NaN where ``known``, boolean (L,), is False."""
        by = self._each_position(lambda part: np.where(known[:, None], part, np.nan))
        values, errors = (np.where(known, part, np.nan) for part in (self.values, self.errors))
        return replace(self, values=values, errors=errors, by_position=by)

    def _each_position(self, change: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        """Return ``by_position`` with both its arrays changed."""
        if self.by_position is None:
            return None
        values, errors = self.by_position
        return change(values), change(errors)

    def _fields(self) -> dict:
        by = {}
        if self.by_position is not None:
            by["by_position"] = dict(zip(("values", "errors"), self.by_position, strict=True))
        return {"names": self.names, **super()._fields(), "doubtful": self.doubtful, **by}

    def _columns(self) -> dict:
        return {"place": self.names, "value": self.values, "error": self.errors, "doubtful": self.doubtful}

    def __float__(self) -> float:
        """The one value of a profile that has one."""
        if len(self.values) != 1:
            raise TypeError(f"this profile has {len(self.values)} values; take one of .values.")
        return float(self.values[0])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __iter__(self) -> Iterator[float]:
        return iter(self.values)

    def __repr__(self) -> str:
        shown = [f"{v:.6g}" for v in self.values]
        if len(shown) > 8:
            shown = [*shown[:4], "...", *shown[-3:]]
        return f"LayerProfile([{', '.join(shown)}], origin={self.origin!r})"
