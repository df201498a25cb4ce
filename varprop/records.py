"""What theory and simulation return: one number a layer, with its error and where it comes from."""

import operator
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from .checks import quote
from .drawn import plots
from .layer_profile import LayerProfile
from .network import Network
from .run_files import Simulated
from .runs import Run
from .tables import Tabular, record_columns, record_json, record_parts
from .tails import JUDGED, RESOLUTION

if TYPE_CHECKING:
    from .drawn import Axes


class Profiled(Tabular):
    """What has profiles, and reads as a table: they are found by name, and one of them names the record."""

    main: ClassVar[str]  # the profile that names the record
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # as every record has
    networks: int | None

    @property
    def profiles(self) -> dict[str, LayerProfile]:
        """The profiles that are known, by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, LayerProfile)}

    @property
    def description(self) -> str:
        """What was described, in words."""
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, ...]:
        """What each entry of a profile is of: a layer's number, or a place such as ``"block 2 / dense 1"``."""
        return self.profiles[self.main].names

    @property
    def relative_error(self) -> float:
        """The largest relative error of the main profile in any layer."""
        return self.profiles[self.main].relative_error

    def __repr__(self) -> str:
        drawn = "" if self.networks is None else f", {self.networks:,} networks"
        return f"{type(self).__name__}({self.description}{drawn}, {self.main}={self.profiles[self.main]!r})"


class Record(Simulated, Profiled):
    """What every record of a `Network` shares beside its profiles: positions, its sample's tails, a table, a plot."""

    network: Network
    run: Run | None

    @classmethod
    def from_profiles(cls, network: Network, profiles: Mapping[str, LayerProfile], **known: Any) -> Self:
        """Return the record of ``profiles`` by name, and of what else is ``known``, a field each."""
        return cls(**{"network": network, **profiles, **known})

    def at(self, position: int | tuple[int, ...]) -> Self:
        """Return the record of one position: its number from 0 on, or a tuple for positions of a shape.

        Raises IndexError where there is no such position. Gradients by weights are of all positions together.
        """
        positions = self.network.positions
        index: tuple[Any, ...] = (position,)
        shape: tuple[int, ...] = (self.network.position_count,)
        if isinstance(position, tuple) and isinstance(positions, tuple):
            index, shape = position, positions
        try:
            flat = int(np.arange(np.prod(shape)).reshape(shape)[tuple(map(operator.index, index))])
        except (IndexError, TypeError, ValueError):
            there = " by ".join(f"0 to {n - 1}" if n > 1 else "0 alone" for n in shape)
            raise IndexError(f"position is {quote(position)}; this network has {there}.") from None
        # of one position alone nobody keeps sums
        return replace(self, run=None, **{name: profile.at(flat) for name, profile in self.profiles.items()})

    @property
    def heavy_tailed(self) -> np.ndarray:
        """Whether a sample is too skewed to tell its own standard errors, a layer an entry; False for theory.

        Errors of means and of their squares are then too small; those of logarithms stay sound.
        """
        return self.skewed(self.main)

    def skewed(self, quantity: str) -> np.ndarray:
        """Whether a sample is too skewed to tell the errors of one of its profiles, an entry each; False for theory."""
        skewness = self.profiles[quantity].skewness
        if skewness is None:
            return np.zeros(len(self.profiles[quantity]), dtype=bool)
        return np.abs(skewness).max(axis=0) > JUDGED

    @property
    def doubtful(self) -> np.ndarray:
        """Whether the main profile is doubtful, a layer an entry; each profile says so of itself."""
        return self.profiles[self.main].doubtful

    @property
    def description(self) -> str:
        """What was described, in words."""
        return str(self.network)

    def plot(
        self,
        quantity: str | None = None,
        *,
        ax: "Axes | None" = None,
        colour: str | None = None,
        label: str | None = None,
    ) -> "Axes":
        """Return matplotlib axes with one quantity against depth, as `plots.plot_profile` draws it."""
        return plots().plot_profile(self, quantity, ax=ax, colour=colour, label=label)

    def _parts(self) -> list:
        return record_parts(self)

    def _fields(self) -> dict:
        return record_json(self)

    def _columns(self) -> dict:
        return record_columns(self)


@dataclass(frozen=True, eq=False, repr=False)
class Forward(Record):
    """The forward signal of a random network, layer by layer.

    In each profile layer l is entry l - 1; of a network that is no chain, entries are its places, and their names are
    ``names``. A field is None where its source cannot say, an entry NaN. With positions each quantity is the mean over
    them, and ``at(position)`` is the record of one. Of a place behind which an activation follows at once, that is a;
    else a is z itself; a residual block's z is its sum.
    With q-hat the mean of z^2 over the units of one network:

    Attributes
    ----------
    network
        What was described.
    variance
        E[z^2] of a preactivation (its mean is 0).
    second_moment, activation_mean
        E[a^2] and E[a] of an activation.
    fluctuation
        Var[q-hat] / E[q-hat]^2 between networks.
    kurtosis
        E[z^4] / E[z^2]^2 of one preactivation; 3 for a Gaussian.
    log_mean, log_variance
        Mean and variance of ln q-hat between networks that are alive (q-hat > 0).
    cosine
        With positions, the mean over pairs of different ones of the expected cosine of their preactivations.
    dead
        P(every activation of the layer is 0). Simulation holds no built-in phi as 0 that is not: far tails, such as
        gelu of -40, keep their logarithm.
    networks
        Number of networks drawn; None for theory.
    correction
        By how much, relatively, first order moves the variance of infinite width, shape (L,); None for
        other theory and simulation.
    fourth_moment, sixth_moment, eighth_moment
        E[z^4], E[z^6] and E[z^8] of one preactivation, where ``moments=`` asks for them.
    run
        Where a simulated record comes from, a `runs.Run`; None for theory.
    """

    main: ClassVar[str] = "variance"
    network: Network
    variance: LayerProfile
    second_moment: LayerProfile | None = None
    activation_mean: LayerProfile | None = None
    fluctuation: LayerProfile | None = None
    kurtosis: LayerProfile | None = None
    log_mean: LayerProfile | None = None
    log_variance: LayerProfile | None = None
    dead: LayerProfile | None = None
    networks: int | None = None
    correction: np.ndarray | None = None
    cosine: LayerProfile | None = None
    fourth_moment: LayerProfile | None = None
    sixth_moment: LayerProfile | None = None
    eighth_moment: LayerProfile | None = None
    run: Run | None = field(default=None, repr=False, metadata={"plain": False})


@dataclass(frozen=True, eq=False, repr=False)
class Backward(Record):
    """The gradient of a random network, layer by layer.

    delta^l is the gradient of the loss by the preactivations z^l. In each profile layer l is entry
    l - 1, or entries are places, as in `Forward`. A field is None where its source cannot say. With d-hat
    the mean of delta^2 over the units of one network:

    Attributes
    ----------
    network, loss
        What was described: ``"linear"``, ``"half_square"``, ``"cross_entropy"`` or ``"given"``.
    gradient_variance
        E[(delta^l_i)^2], per unit (its mean is 0).
    weight_gradient_variance
        E[(d loss / d W^l_ij)^2], per weight.
    fluctuation
        Var[d-hat] / E[d-hat]^2 between networks.
    log_mean, log_variance
        Mean and variance of ln d-hat between networks where it is not 0.
    dead
        P(the gradient by every weight of the layer is 0).
    networks
        Number of networks drawn; None for theory.
    input_gradient_variance
        E[(d loss / d x_i)^2], per feature of the input: a profile of one entry.
    correction
        By how much, relatively, first order moves the gradient_variance of infinite width, shape (L,); None
        for other theory and simulation.
    run
        Where a simulated record comes from, a `runs.Run`; None for theory.
    """

    main: ClassVar[str] = "gradient_variance"
    network: Network
    loss: str
    gradient_variance: LayerProfile
    weight_gradient_variance: LayerProfile | None = None
    fluctuation: LayerProfile | None = None
    log_mean: LayerProfile | None = None
    log_variance: LayerProfile | None = None
    dead: LayerProfile | None = None
    networks: int | None = None
    correction: np.ndarray | None = None
    input_gradient_variance: LayerProfile | None = None
    run: Run | None = field(default=None, repr=False, metadata={"plain": False})

    @property
    def description(self) -> str:
        """The network and its loss, in words."""
        return f"{self.network}, loss {self.loss}"


@dataclass(frozen=True, eq=False, repr=False)
class Pair(Record):
    """How alike two inputs are, layer by layer, in one random network that both go through.

    In each profile layer l is entry l - 1. A field is None where its source cannot say. z and z' are
    the preactivations of the two inputs:

    Attributes
    ----------
    network
        What was described.
    input_correlation
        Of one feature of the two inputs; for two given inputs, the cosine of their angle.
    correlation
        E[z_i z'_i] / sqrt(E[z_i^2] E[z'_i^2]) of one unit, over networks.
    cosine
        Mean between networks of the cosine of the angle between z and z', where neither is 0.
    cosine_variance
        Variance of that cosine between networks.
    networks
        Number of networks drawn; None for theory.
    run
        Where a simulated record comes from, a `runs.Run`; None for theory.
    """

    main: ClassVar[str] = "correlation"
    network: Network
    input_correlation: float
    correlation: LayerProfile
    cosine: LayerProfile | None = None
    cosine_variance: LayerProfile | None = None
    networks: int | None = None
    run: Run | None = field(default=None, repr=False, metadata={"plain": False})

    @property
    def description(self) -> str:
        """The network and its inputs, in words."""
        return f"{self.network}, two inputs of correlation {self.input_correlation:.6g}"

    @property
    def unresolved(self) -> np.ndarray:
        """Whether the two are too nearly equal, or opposite, for a sample to tell 1 - |correlation|, a layer an entry.

        The kernels hold units in float32, whose rounding, squared, is some 1e-14 in each layer. False for theory.
        """
        near = 1 - np.abs(self.correlation.values) < RESOLUTION * np.arange(1, len(self.names) + 1)
        return near & (self.networks is not None)
