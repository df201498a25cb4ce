"""Network: named nodes, or a chain of layers. A description; it computes nothing."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import FrozenInstanceError, dataclass
from functools import cached_property
from typing import Any, SupportsIndex, cast

import numpy as np

from . import checks, saved
from .activations import Activation, ActivationLike, activation
from .chains import ChainLayer, NotAChainError, chain_fields, chain_layers, chain_obstacle, per_layer
from .checks import quote
from .graph import Node, Place, build, is_identity
from .initializers import VarianceScaling, initializer
from .layers import Dense, Layer, as_layers
from .layers.dense import MOST
from .layers.layer import LayerLike
from .positions import checked_positions, format_positions
from .tables.networks import NetworkTable
from .widths import checked_widths, format_widths, runs


@dataclass(frozen=True, eq=False)
class Network:
    """A random network. As a chain: z^l = W^l a^(l-1) + b^l, a^l = phi(z^l), a^0 the input.

    `Network.sequential` makes one of any layers, with residual blocks, norms, dropout and gates. Either way
    ``nodes`` are its operations in order, and two networks are equal where these are.

    Parameters
    ----------
    widths
        ``(n_0, ..., n_L)``: the input's width, then each layer's.
    activation
        A name, an `Activation`, or a function, for all hidden layers (the output layer is then
        linear); or a list of L - 1 for the hidden layers, or of L with the output layer's too.
    weights
        A name (``"he"``, ``"lecun"``, ``"torch:linear"``, ...), a `VarianceScaling`, or a list of L of them.
    multiplier
        Factor on the weights' variance; one number, or one for each of the L layers.
    bias_variance
        Variance of the Gaussian biases; one number, or one for each of the L layers. None, the default, is the weights'
        own, which is 0 but for ``"torch:linear"`` and its like, whose uniform biases count as normal ones.

    Raises
    ------
    TypeError, ValueError
        For a width that is not a positive whole number, an unknown name, a multiplier or variance
        out of range (Var(W) may be 1e-100 to 1e100, a bias's 0 to 1e100), or a list of the wrong
        length. The message quotes the value.
    """

    widths: tuple[int, ...]
    activation: ActivationLike | tuple[ActivationLike, ...]
    weights: str | VarianceScaling | tuple[str | VarianceScaling, ...]
    multiplier: float | tuple[float, ...]
    bias_variance: float | tuple[float | None, ...] | None

    def __init__(
        self,
        widths: Iterable[SupportsIndex],
        activation: ActivationLike | Sequence[ActivationLike] = "relu",
        weights: str | VarianceScaling | Sequence[str | VarianceScaling] = "he",
        *,
        multiplier: float | Sequence[float] | np.ndarray = 1.0,
        bias_variance: float | Sequence[float | None] | np.ndarray | None = None,
    ) -> None:
        object.__setattr__(self, "widths", checked_widths(widths))
        given: dict[str, Any] = {"activation": activation, "weights": weights}
        for name, value in (given | {"multiplier": multiplier, "bias_variance": bias_variance}).items():
            made = _made if name == "activation" else _hashable
            object.__setattr__(self, name, tuple(map(made, value)) if checks.is_list(value) else made(value))
        self.layers  # noqa: B018  a bad description must fail here, not at first use
        object.__setattr__(self, "bias_variance", self._biases())

    @property
    def depth(self) -> int:
        """Number of layers with weights, L."""
        return len(self.widths) - 1

    @cached_property
    def layers(self) -> tuple[ChainLayer, ...]:
        """The L layers; layer l is entry l - 1."""
        terms = self.activation, self.weights, self.multiplier, self.bias_variance
        return chain_layers(self.widths, *terms)

    @classmethod
    def sequential(cls, width: int, *layers: LayerLike, positions: int | Sequence[int] = 1) -> "Network":
        """Return the network of these layers, one after the other.

        Parameters
        ----------
        width
            The input's number of units (features, channels).
        layers
            Objects of `varprop.layers`, activations (a name, an `Activation` or a function), and lists of
            these. An object used twice is two layers with weights of their own.
        positions
            How many positions (tokens, pixels) a sample has, or their shape, such as ``(32, 32)``. All
            positions go through the same weights.

        Raises
        ------
        TypeError, ValueError
            For layers that are none or do not fit together; the message names the layer by its path, such as
            ``block 2 / dense 1``, and quotes the value.

        Examples
        --------
        >>> from varprop import Network
        >>> from varprop.layers import Dense, LayerNorm, Residual
        >>> block = Residual(LayerNorm(), Dense(256), "relu", Dense(64))
        >>> network = Network.sequential(64, *[block] * 3, Dense(10))
        >>> [place.name for place in network.places][-4:]
        ['block 3 / dense 1', 'block 3 / dense 2', 'block 3', 'dense 1']
        """
        width, found = checks.whole(width, "width", 1, MOST), as_layers(layers)
        if not found:
            raise ValueError("layers is empty; give at least one, such as Dense(64).")
        shape = checked_positions(positions)
        fields = chain_fields(found) if shape == 1 else None
        if fields is None:
            return _Graph(width, found, shape)
        widths = [width]
        for own in fields.pop("widths"):
            widths.append(widths[-1] if own is None else own)
        return Network(widths, **fields)

    @property
    def is_chain(self) -> bool:
        """Whether it is Dense layers with an activation behind each, at one position."""
        return True

    @property
    def width(self) -> int:
        """Number of units of the input."""
        return self.widths[0]

    @property
    def positions(self) -> "int | tuple[int, ...]":
        """How many positions a sample has, or their shape."""
        return 1

    @property
    def position_count(self) -> int:
        """How many positions a sample has."""
        return math.prod(self.positions) if isinstance(self.positions, tuple) else self.positions

    @property
    def sequence(self) -> tuple[Layer | Activation, ...]:
        """Its layers and activations, one after the other; those of blocks are within these."""
        found: list[Layer | Activation] = []
        laws = per_layer(self.weights, self.depth, "weights")
        multipliers = per_layer(self.multiplier, self.depth, "multiplier")
        biases = per_layer(self.bias_variance, self.depth, "bias_variance")
        for layer, law, multiplier, bias in zip(self.layers, laws, multipliers, biases, strict=True):
            found.append(Dense(layer.fan_out, law, multiplier=multiplier, bias_variance=bias))
            found.append(layer.activation)
        return tuple(layer for layer in found if not is_identity(layer))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its operations in order of execution, each on earlier ones."""
        return self._built[0]

    @property
    def places(self) -> tuple[Place, ...]:
        """What records hold a number for: each Dense's z and each residual block's sum."""
        return self._built[1]

    @property
    def place_widths(self) -> tuple[int, ...]:
        """Number of units of each place; in a chain, of each layer."""
        return tuple(self.nodes[place.node].width for place in self.places)

    @property
    def output(self) -> int:
        """Which of the ``nodes`` holds the output."""
        return self._built[2]

    @property
    def top(self) -> int:
        """Which of the ``nodes`` a loss is a function of: the output, or what the output activates."""
        node = self.nodes[self.output]
        return node.sources[0] if isinstance(node.operation, Activation) and node.sources[0] >= 0 else self.output

    @cached_property
    def _built(self) -> tuple[tuple[Node, ...], tuple[Place, ...], int]:
        return build(self.width, self.sequence)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to ``path``, as JSON. Raises TypeError for a function of one's own, ValueError for TOML."""
        saved.save(path, self.width, self.sequence, self.positions)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Network":
        """Return the network in a JSON or TOML file. Raises ValueError that names the file and the fault."""
        return saved.load(path, cls.sequential)

    def table(self) -> NetworkTable:
        """Return what is printed, a row a layer or node: units, the law and variance of weights, the activation."""
        return NetworkTable(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _key(self):
        return self.width, self.positions, self.nodes

    def __eq__(self, other) -> bool:
        return self._key() == other._key() if isinstance(other, Network) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        def words(value, shown=lambda number: f"{number:.6g}"):
            return ", ".join(runs(map(shown, value if isinstance(value, tuple) else (value,))))

        acts = words(self.activation, lambda given: str(activation(given)))
        text = f"{format_widths(self.widths)}, {acts}, {words(self.weights, str)}"
        if self.multiplier != 1.0:
            text += f", multiplier {words(self.multiplier)}"
        if self.bias_variance not in (0.0, None):
            text += f", bias variance {words(self.bias_variance, _own_or_number)}"
        return text

    def _biases(self):
        """Return ``bias_variance`` with 0 for None where the weights have no biases of their own."""
        laws = [initializer(law).bias_ratio for law in per_layer(self.weights, self.depth, "weights")]
        if self.bias_variance is None:
            return None if any(laws) else 0.0
        if not isinstance(self.bias_variance, tuple):
            return self.bias_variance
        return tuple(
            0.0 if bias is None and not own else bias for bias, own in zip(self.bias_variance, laws, strict=True)
        )


def _own_or_number(bias) -> str:
    return "the weights' own" if bias is None else f"{bias:.6g}"


def _names(sequence) -> list:
    """Return layers with activations as their names."""
    return [layer.name if isinstance(layer, Activation) else layer for layer in sequence]


def _of_chains(name: str) -> Any:
    """Return the property ``name`` of a network that is no chain: NotAChainError."""

    def refuse(network: Network) -> None:
        raise NotAChainError(
            f"this network has no {name}, since it is no chain of Dense layers; see .nodes, and .places."
        )

    return property(refuse)


class _Graph(Network):
    """A network that is no chain: what `Network.sequential` makes of residual blocks, norms, dropout and gates."""

    def __init__(self, width: int, sequence: tuple, positions):
        self.__dict__.update(width=width, sequence=sequence, positions=positions)
        if not self.places:  # a bad description must fail here, not at first use
            raise ValueError(f"layers is {quote(_names(sequence))}, with no Dense and no Residual; give at least one.")

    def __setattr__(self, name, value):
        raise FrozenInstanceError(f"cannot assign to {name!r}: networks stay as they were made.")

    width = sequence = positions = cast(Any, None)  # no properties here, but what __init__ was given
    is_chain = False

    widths, activation, weights, multiplier, bias_variance, depth, layers = map(
        _of_chains, ("widths", "activation", "weights", "multiplier", "bias_variance", "depth", "layers")
    )

    def __str__(self) -> str:
        where = "" if self.positions == 1 else f" at {format_positions(self.positions)} positions"
        return f"{self.width}{where}, " + ", ".join(runs(map(str, self.sequence)))

    def __repr__(self) -> str:
        layers = map(repr, _names(self.sequence))
        where = [] if self.positions == 1 else [f"positions={self.positions}"]
        return f"Network.sequential({', '.join([str(self.width), *layers, *where])})"


def check_chain(network, what: str) -> None:
    """Raise TypeError unless ``network`` is a `Network`, NotAChainError unless it is a chain, which ``what`` needs."""
    check_network(network)
    if not network.is_chain:
        raise NotAChainError(f"{what} needs {chain_obstacle(network)}.")


def check_network(network) -> None:
    """Raise TypeError unless ``network`` is a `Network`."""
    if not isinstance(network, Network):
        raise TypeError(f"network is {quote(network)}; give a varprop.Network.")


def _hashable(value):
    """Return an array of no dimension as its number, all else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _made(value):
    """Return a function as the activation it makes, all else as `_hashable` does."""
    return activation(value) if callable(value) else _hashable(value)
