"""Products between all samples and positions, place by place."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from .checks import quote
from .drawn import plots
from .network import Network
from .origins import Origin
from .run_files import Simulated
from .runs import Run
from .tables import Tabular, gram_columns, gram_json, grams_parts, kernel_parts

if TYPE_CHECKING:
    from .drawn import Axes

_MOST = 12  # names in an error


@dataclass(frozen=True, eq=False, repr=False)
class Grams(Simulated, Tabular):
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
    run
        Where a simulated record comes from, a `runs.Run`; None for theory.
    """

    network: Network
    names: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray
    origin: Origin | str
    run: Run | None = field(default=None, repr=False, metadata={"plain": False})

    def at(self, name: str) -> np.ndarray:
        """Return the matrix of one place, (S, S). Raises KeyError for a name that is none."""
        if name not in self.names:
            shown = [repr(own) for own in self.names]
            if len(shown) > _MOST:
                shown[_MOST // 2 : -_MOST // 2] = ["..."]
            raise KeyError(f"place is {quote(name)}; this network has {', '.join(shown)}.")
        return self.values[self.names.index(name)]

    def plot(self, name: str | None = None, *, ax: "Axes | None" = None) -> "Axes":
        """Return matplotlib axes with the matrix of one place, the last by default, as `plots.plot_gram` draws it."""
        return plots().plot_gram(self, name, ax=ax)

    def _parts(self) -> list:
        return grams_parts(self)

    def _fields(self) -> dict:
        return gram_json(self)

    def _columns(self) -> dict:
        return gram_columns(self)

    def __repr__(self) -> str:
        signals = self.values.shape[1]
        return f"{type(self).__name__}({self.network}, {len(self.names)} places, {signals} signals, {self.origin!r})"


@dataclass(frozen=True, eq=False, repr=False)
class Kernel(Tabular):
    """A kernel between all signals, S = samples * positions.

    Attributes
    ----------
    network
        What was described.
    values, errors
        Shape (S, S). Errors bound the numerical error.
    origin
        Where the values come from, an `origins.Origin`.
    what
        Which kernel, ``"NNGP"`` or ``"NTK"``.
    """

    network: Network
    values: np.ndarray
    errors: np.ndarray
    origin: Origin | str
    what: str = "kernel"

    def plot(self, *, ax: "Axes | None" = None) -> "Axes":
        """Return matplotlib axes with the kernel, as `plots.plot_gram` draws it."""
        return plots().plot_gram(self, ax=ax)

    def _parts(self) -> list:
        return kernel_parts(self)

    def _fields(self) -> dict:
        return gram_json(self)

    def _columns(self) -> dict:
        return gram_columns(self)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.network}, {len(self.values)} signals, {self.origin!r})"
