"""Products between all samples and positions, place by place."""

from dataclasses import dataclass

import numpy as np

from .network import Network
from .origins import Origin


@dataclass(frozen=True, eq=False, repr=False)
class Grams:
    """Second moments of a unit between all signals, S = samples * positions of them, in every place.

    Attributes
    ----------
    network
        What was described.
    names
        The places' names.
    values, errors
        Shape (places, S, S). Errors as in `LayerProfile`.
    origin
        Where the values come from, an `origins.Origin`.
    """

    network: Network
    names: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray
    origin: Origin | str

    def at(self, name: str) -> np.ndarray:
        """Return the matrix of one place, (S, S). Raises KeyError for a name that is none."""
        if name not in self.names:
            raise KeyError(f"{name!r} is no place of this network; it has {', '.join(map(repr, self.names))}.")
        return self.values[self.names.index(name)]

    def __repr__(self) -> str:
        signals = self.values.shape[1]
        return f"{type(self).__name__}({self.network}, {len(self.names)} places, {signals} signals, {self.origin!r})"


@dataclass(frozen=True, eq=False, repr=False)
class Kernel:
    """A kernel between all signals, S = samples * positions.

    Attributes
    ----------
    network
        What was described.
    values, errors
        Shape (S, S). Errors bound the numerical error.
    origin
        Where the values come from, an `origins.Origin`.
    """

    network: Network
    values: np.ndarray
    errors: np.ndarray
    origin: Origin | str

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.network}, {len(self.values)} signals, {self.origin!r})"
