"""What theory and simulation return: one number a layer, with its error and where it comes from."""

from dataclasses import dataclass, fields
from numbers import Real

import numpy as np

from .network import Network
from .tables import forward_text


@dataclass(frozen=True, eq=False)
class LayerProfile:
    """One quantity in every layer.

    Parameters
    ----------
    values
        Shape (L,); layer l is entry l - 1. ``np.asarray(profile)`` gives these.
    errors
        Shape (L,). Of a simulation, the standard error; of theory, a bound on the numerical error.
    origin
        Where the values come from, in words: ``"exact"``, ``"first order in 1/width"``,
        ``"infinite width"`` or ``"simulation"``.
    """

    values: np.ndarray
    errors: np.ndarray
    origin: str

    def __post_init__(self):
        for name in ("values", "errors"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def relative_error(self) -> float:
        """The largest error relative to its value, over layers whose value is not 0 and finite."""
        usable = (self.values != 0) & np.isfinite(self.values)
        return float(np.max(self.errors[usable] / np.abs(self.values[usable]), initial=0.0))

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index):
        return self.values[index]

    def __iter__(self):
        return iter(self.values)

    def __repr__(self) -> str:
        shown = [f"{v:.6g}" for v in self.values]
        if len(shown) > 8:
            shown = [*shown[:4], "...", *shown[-3:]]
        return f"LayerProfile([{', '.join(shown)}], origin={self.origin!r})"


@dataclass(frozen=True, eq=False)
class Forward:
    """The forward signal of a random network, layer by layer.

    In each profile layer l is entry l - 1. A field is None where its source cannot say.
    With q-hat the mean of z^2 over the units of one network:

    Attributes
    ----------
    network
        What was described.
    variance
        E[z^2] of a preactivation (its mean is 0).
    second_moment
        E[a^2] of an activation.
    fluctuation
        Var[q-hat] / E[q-hat]^2 between networks.
    kurtosis
        E[z^4] / E[z^2]^2 of one preactivation; 3 for a Gaussian.
    log_mean, log_variance
        Mean and variance of ln q-hat between networks that are alive (q-hat > 0).
    dead
        P(every activation of the layer is 0). Simulation counts what float32 holds as 0, such as
        gelu below -6 and sigmoid below -87.
    networks
        Number of networks drawn; None for theory.
    """

    network: Network
    variance: LayerProfile
    second_moment: LayerProfile | None = None
    fluctuation: LayerProfile | None = None
    kurtosis: LayerProfile | None = None
    log_mean: LayerProfile | None = None
    log_variance: LayerProfile | None = None
    dead: LayerProfile | None = None
    networks: int | None = None

    @property
    def profiles(self) -> dict[str, LayerProfile]:
        """The profiles that are known, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), LayerProfile)}

    @property
    def relative_error(self) -> float:
        """The largest relative error of ``variance`` in any layer."""
        return self.variance.relative_error

    def __str__(self) -> str:
        return forward_text(self)

    def __repr__(self) -> str:
        drawn = "" if self.networks is None else f", {self.networks:,} networks"
        return f"Forward({self.network}{drawn}, variance={self.variance!r})"


def check_relative_error(relative_error) -> None:
    """Raise TypeError or ValueError unless ``relative_error``, a wanted one, is a number between 0 and 1."""
    if isinstance(relative_error, bool) or not isinstance(relative_error, Real):
        raise TypeError(f"relative_error is {relative_error!r}; give a number such as 0.01.")
    if not 0 < relative_error < 1:
        raise ValueError(f"relative_error is {relative_error!r}; it must lie between 0 and 1, such as 0.01.")
