"""Law: how the size of a layer's signal is distributed between networks."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import checks
from .checks import quote
from .drawn import plots
from .network import Network
from .origins import Origin
from .records import LayerProfile
from .run_files import Simulated
from .runs import Run
from .tables import Tabular, law_columns, law_json, law_parts

if TYPE_CHECKING:
    from .drawn import Axes

_MOST_BINS = 10**6


class LayerLaw(NamedTuple):
    """The law of ln q-hat in one layer, arrays of one shape.

    Attributes
    ----------
    edges
        Increasing values y of ln q-hat.
    cumulative
        P(q-hat <= e^y), with ``zero`` in it.
    errors
        Of ``cumulative``: a bound on the numerical error of theory, the standard error of a simulation.
    slopes
        d cumulative / dy, which makes interpolation cubic; None for a simulation, where it is linear.
    zero
        P(q-hat = 0).
    """

    edges: np.ndarray
    cumulative: np.ndarray
    errors: np.ndarray
    slopes: np.ndarray | None
    zero: float


@dataclass(frozen=True, eq=False, repr=False)
class Law(Simulated, Tabular):
    """The distribution of q-hat, the mean of z^2 over the units of a layer, between networks.

    In each array over layers, layer l is entry l - 1. It is kept as a distribution function of ln q-hat,
    so that what is beyond float64 stays finite in `log_quantile` and `cumulative_at`.

    Attributes
    ----------
    network
        What was described.
    layers
        One `LayerLaw` a layer.
    origin
        Where it comes from, an `origins.Origin`: ``"exact"``, ``"exact, on a grid"`` or ``"simulation"``.
    networks
        Number of networks drawn; None for theory.
    run
        Where a simulated record comes from, a `runs.Run`; None for theory.
    """

    network: Network
    layers: tuple[LayerLaw, ...]
    origin: Origin | str
    networks: int | None = None
    run: Run | None = field(default=None, repr=False, metadata={"plain": False})

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(LayerLaw(*map(_read_only, layer)) for layer in self.layers))

    def __reduce__(self):  # so that what comes back is as read-only as what went
        return Law, (self.network, self.layers, self.origin, self.networks, self.run)

    @property
    def zero(self) -> np.ndarray:
        """P(q-hat = 0), shape (L,)."""
        return np.array([layer.zero for layer in self.layers])

    def cumulative_at(self, log_bound: ArrayLike) -> LayerProfile:
        """Return P(ln q-hat <= ``log_bound``) in every layer, with its error.

        ``log_bound`` is one number, or one for each layer. Beyond the grid the nearest end's value is given.
        Raises TypeError for what is not real numbers, ValueError for NaN or another number of them.
        """
        bounds = self._bounds(log_bound, "log_bound")
        found = [_cumulative(layer, y) for layer, y in zip(self.layers, bounds, strict=True)]
        values, errors = np.array(found).T
        return LayerProfile(values, errors, self.origin)

    def probability_below(self, bound: ArrayLike) -> LayerProfile:
        """Return P(q-hat <= ``bound``) in every layer, with its error; ``bound`` as in `probability_above`."""
        bounds = self._bounds(bound, "bound")
        if (bounds < 0).any():
            raise ValueError(f"bound is {quote(bound)}; q-hat is never negative, so give zero or a positive number.")
        with np.errstate(divide="ignore"):
            return self.cumulative_at(np.log(bounds))

    def probability_above(self, bound: ArrayLike) -> LayerProfile:
        """Return P(q-hat > ``bound``) in every layer, with its error.

        ``bound`` is zero or positive: one number, or one for each layer. Errors are absolute: a probability
        far below its error is only known to be small. Raises as `cumulative_at`, and ValueError for a negative bound.
        """
        below = self.probability_below(bound)
        return LayerProfile(1.0 - below.values, below.errors, self.origin)

    def log_quantile(self, p: float) -> LayerProfile:
        """Return the value of ln q-hat that a part ``p`` of the networks stays below, in every layer.

        -inf where q-hat is 0 with probability ``p`` or more. Errors are half the distance between the
        quantiles of p plus and minus its error. Raises TypeError for what is no number, ValueError unless 0 < p < 1.
        """
        p = checks.part(p, "p", "0.5 for the median")
        values = np.array([_quantile(layer, p) for layer in self.layers])
        errors = np.zeros(len(values))
        for l in np.flatnonzero(np.isfinite(values)):
            layer = self.layers[l]
            error = float(np.interp(values[l], layer.edges, layer.errors))
            low, high = (_quantile(layer, p + sign * error) for sign in (-1, 1))
            errors[l] = (high - low) / 2
        return LayerProfile(values, errors, self.origin)

    def quantile(self, p: float) -> LayerProfile:
        """Return the value of q-hat that a part ``p`` of the networks stays below; inf or 0 beyond float64."""
        logs = self.log_quantile(p)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            values = np.exp(logs.values)
            errors = np.where(logs.errors > 0, values * logs.errors, 0.0)
        return LayerProfile(values, errors, self.origin)

    @property
    def median(self) -> LayerProfile:
        """The q-hat of the typical network, which half of all networks stay below."""
        return self.quantile(0.5)

    def log_density(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Return values of ln q-hat in ``layer``, counted from 1, and its density there.

        Its integral is P(q-hat > 0). Of a simulation, counts over the width of their bins, at bin centres.
        """
        law = self._layer(layer)
        if law.slopes is not None:
            return law.edges, law.slopes
        return 0.5 * (law.edges[1:] + law.edges[:-1]), np.diff(law.cumulative) / np.diff(law.edges)

    def histogram(self, layer: int, bins: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the density of ln q-hat in ``layer``, counted from 1, as its mean over bins of equal width.

        Middles of the bins, densities and their errors. The bins hold 99.8% of the networks where q-hat > 0.
        Raises TypeError or ValueError unless ``layer`` is one of the network's and ``bins`` a whole number from 1.
        """
        law, bins = self._layer(layer), checks.whole(bins, "bins", 1, _MOST_BINS)
        low, high = (_quantile(law, law.zero + (1 - law.zero) * p) for p in (0.001, 0.999))
        if not low < high:  # q-hat is 0 in every network
            low, high = law.edges[[0, -1]]
        edges = np.linspace(low, high, bins + 1)
        width = edges[1] - edges[0]
        share = np.diff(interpolated(law, edges))
        if self.networks is None:
            errors = 2 * np.interp(edges[1:], law.edges, law.errors)
        else:
            errors = np.sqrt(np.maximum(share * (1 - share), 1 / self.networks) / self.networks)
        return 0.5 * (edges[1:] + edges[:-1]), share / width, errors / width

    def plot(
        self,
        layer: int | None = None,
        *,
        ax: "Axes | None" = None,
        colour: str | None = None,
        label: str | None = None,
    ) -> "Axes":
        """Return matplotlib axes with the density of ln q-hat in ``layer``, as `plots.plot_law` draws it."""
        return plots().plot_law(self, layer, ax=ax, colour=colour, label=label)

    def _layer(self, layer: int) -> LayerLaw:
        return self.layers[checks.whole(layer, "layer", 1, len(self.layers)) - 1]

    def _bounds(self, value, name: str) -> np.ndarray:
        """Return ``value``, one number or one for each layer, as an array (L,)."""
        given, depth = np.asarray(value), len(self.layers)
        if given.dtype.kind not in "iuf":
            raise TypeError(f"{name} is {quote(value)}; give a number, or one for each layer.")
        if given.shape not in ((), (depth,)):
            raise ValueError(f"{name} has shape {given.shape}; give one number, or {depth}, one for each layer.")
        if np.isnan(given).any():
            raise ValueError(f"{name} is {quote(value)}; it must not be NaN.")
        return np.broadcast_to(given.astype(np.float64), (depth,))

    def _parts(self) -> list:
        return law_parts(self)

    def _fields(self) -> dict:
        return law_json(self)

    def _columns(self) -> dict:
        return law_columns(self)

    def __repr__(self) -> str:
        drawn = "" if self.networks is None else f", {self.networks:,} networks"
        return f"Law({self.network}{drawn}, median={self.median!r})"


def _read_only(value):
    """Return an array as one that cannot be written, anything else as it is."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value


def _cumulative(layer: LayerLaw, y: float) -> tuple[float, float]:
    """Return P(ln q-hat <= y) and its error."""
    edges, cumulative = layer.edges, layer.cumulative
    if y == -math.inf:
        return layer.zero, float(layer.errors[0])
    if y <= edges[0] or y >= edges[-1]:
        end = 0 if y <= edges[0] else -1
        return (1.0, 0.0) if y == math.inf else (float(cumulative[end]), float(layer.errors[end]))
    value = float(interpolated(layer, np.array([y]))[0])
    return min(max(value, layer.zero), 1.0), float(np.interp(y, edges, layer.errors))


def interpolated(layer: LayerLaw, y: np.ndarray) -> np.ndarray:
    """Return the distribution function at values of ln q-hat within the grid."""
    i = np.clip(np.searchsorted(layer.edges, y, side="right") - 1, 0, len(layer.edges) - 2)
    return _between(layer, i, (y - layer.edges[i]) / (layer.edges[i + 1] - layer.edges[i]))


def _quantile(layer: LayerLaw, p: float) -> float:
    """Return the y where the distribution function reaches ``p``; an end of the grid if it does beyond it."""
    edges = layer.edges
    increasing = np.maximum.accumulate(layer.cumulative)
    if p <= layer.zero:
        return -math.inf
    i = int(np.searchsorted(increasing, p, side="left"))
    if i == 0 or i == len(edges):
        return float(edges[0] if i == 0 else edges[-1])
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _between(layer, i - 1, middle) < p else (low, middle)
    return float(edges[i - 1] + high * (edges[i] - edges[i - 1]))


def _between(layer: LayerLaw, i, u):
    """Return the distribution function at the part ``u`` of interval ``i``: a cubic by slopes, else linear."""
    a, b = layer.cumulative[i], layer.cumulative[i + 1]
    if layer.slopes is None:
        return a + u * (b - a)
    width = layer.edges[i + 1] - layer.edges[i]
    sa, sb = width * layer.slopes[i], width * layer.slopes[i + 1]
    v = 1 - u
    return v * v * ((1 + 2 * u) * a + u * sa) + u * u * ((1 + 2 * v) * b - v * sb)
