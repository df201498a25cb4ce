"""Network: a tuple of layers. A description; it computes nothing."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from . import checks
from .activations import Activation, activation
from .checks import quote
from .initializers import VarianceScaling, initializer

MOST = 2**62
MOST_LAYERS = 10**6
SMALLEST, LARGEST = 1e-100, 1e100  # of Var(W): with |x|^2 up to 1e150 a layer's variance stays within float64
_OR_A_LIST = ", or a list of one for each layer"


@dataclass(frozen=True)
class Layer:
    """One layer, z = W a + b followed by phi(z). W has shape (fan_out, fan_in)."""

    fan_in: int
    fan_out: int
    weight_variance: float
    distribution: str
    bias_variance: float
    activation: Activation

    @property
    def gain_squared(self) -> float:
        """fan_in times Var(W_ij), the sigma_w^2 of the papers."""
        return self.fan_in * self.weight_variance


@dataclass(frozen=True)
class Network:
    """A fully connected random network: z^l = W^l a^(l-1) + b^l, a^l = phi(z^l), a^0 the input.

    Parameters
    ----------
    widths
        ``(n_0, ..., n_L)``: the input's width, then each layer's.
    activation
        A name, an `Activation`, or a function, for all hidden layers (the output layer is then
        linear); or a list of L - 1 for the hidden layers, or of L with the output layer's too.
    weights
        A name (``"he"``, ``"lecun"``, ``"glorot"``, ...), a `VarianceScaling`, or a list of L of them.
    multiplier
        Factor on the weights' variance; one number, or one for each of the L layers.
    bias_variance
        Variance of the Gaussian biases; one number, or one for each of the L layers. 0 by default.

    Raises
    ------
    TypeError, ValueError
        For a width that is not a positive whole number, an unknown name, a multiplier or variance
        out of range (Var(W) may be 1e-100 to 1e100, a bias's 0 to 1e100), or a list of the wrong
        length. The message quotes the value.
    """

    widths: tuple[int, ...]
    activation: "str | Activation | Callable | Sequence" = "relu"
    weights: "str | VarianceScaling | Sequence" = "he"
    multiplier: "float | Sequence[float]" = field(default=1.0, kw_only=True)
    bias_variance: "float | Sequence[float]" = field(default=0.0, kw_only=True)

    def __post_init__(self):
        object.__setattr__(self, "widths", _checked_widths(self.widths))
        for name in ("activation", "weights", "multiplier", "bias_variance"):
            value = getattr(self, name)
            value = tuple(map(_hashable, value)) if _is_list(value) else _hashable(value)
            object.__setattr__(self, name, value)
        self.layers  # noqa: B018  a bad description must fail here, not at first use

    @property
    def depth(self) -> int:
        """Number of layers with weights, L."""
        return len(self.widths) - 1

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The L layers; layer l is entry l - 1."""
        depth = self.depth
        laws = [initializer(w) for w in _per_layer(self.weights, depth, "weights")]
        multipliers = _per_layer(self.multiplier, depth, "multiplier")
        biases = _per_layer(self.bias_variance, depth, "bias_variance")
        activations = self._activations()
        found = []
        for i, fans in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            weights = laws[i].variance(*fans) * checks.positive(multipliers[i], "multiplier", _OR_A_LIST)
            bias = checks.positive(biases[i], "bias_variance", _OR_A_LIST, zero=True)
            _check_sizes(i + 1, weights, bias)
            found.append(Layer(*fans, weights, laws[i].distribution, bias, activations[i]))
        return tuple(found)

    def _activations(self) -> tuple[Activation, ...]:
        linear, depth = activation("linear"), self.depth
        if not _is_list(self.activation):
            return (activation(self.activation),) * (depth - 1) + (linear,)
        chosen = tuple(activation(a) for a in self.activation)
        if not chosen:
            raise ValueError("activation is an empty list; give a name such as 'relu', or one for each hidden layer.")
        if len(chosen) == depth - 1:
            return (*chosen, linear)
        if len(chosen) == depth:
            return chosen
        raise ValueError(
            f"activation has {len(chosen)} entries; give one, {depth - 1} (the hidden layers) "
            f"or {depth} (the output layer's too)."
        )

    def __str__(self) -> str:
        def words(value, shown=lambda number: f"{number:.6g}"):
            return ", ".join(_runs(map(shown, value if isinstance(value, tuple) else (value,))))

        acts = words(self.activation, lambda given: str(activation(given)))
        text = f"{format_widths(self.widths)}, {acts}, {words(self.weights, str)}"
        if self.multiplier != 1.0:
            text += f", multiplier {words(self.multiplier)}"
        if self.bias_variance != 0.0:
            text += f", bias variance {words(self.bias_variance)}"
        return text


def check_network(network) -> None:
    """Raise TypeError unless ``network`` is a `Network`."""
    if not isinstance(network, Network):
        raise TypeError(f"network is {quote(network)}; give a varprop.Network.")


def parse_widths(text: str) -> tuple[int, ...]:
    """Return widths from text such as ``"784,512*20,10"``, where ``*20`` repeats a width.

    Raises ValueError that quotes the part it cannot read.
    """
    widths, whole = [], quote(text)
    for part in text.split(","):
        width, star, repeats = part.partition("*")
        try:
            count, width = int(repeats) if star else 1, int(width)
        except ValueError:
            raise ValueError(f"cannot read {quote(part)} in widths {whole}; write for example 784,512*20,10.") from None
        if count > MOST_LAYERS:
            raise ValueError(f"{quote(part)} in widths {whole} asks for more than {MOST_LAYERS:,} layers.")
        if count < 1:
            raise ValueError(f"{quote(part)} in widths {whole} repeats a width {count} times; at least once is needed.")
        widths += [width] * count
    return _checked_widths(widths)


def format_widths(widths: Sequence[int]) -> str:
    """Return widths in the short form that `parse_widths` reads."""
    return ",".join(_runs(map(str, widths)))


def _runs(words) -> list[str]:
    """Return words with equal neighbours put together, as in ``512*20``."""
    runs = [(word, len(list(same))) for word, same in groupby(words)]
    return [word if count == 1 else f"{word}*{count}" for word, count in runs]


def _hashable(value):
    """Return an array of no dimension as its number, a function as the activation it makes, all else as it is."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    return activation(value) if callable(value) else value


def _is_list(value) -> bool:
    """Return whether ``value`` is one entry a layer: a list, a tuple, an array of one dimension or more."""
    return (isinstance(value, Sequence) and not isinstance(value, str)) or getattr(value, "ndim", 0) > 0


def _per_layer(value, depth: int, name: str) -> list:
    if not _is_list(value):
        return [value] * depth
    if len(value) != depth:
        raise ValueError(f"{name} has {len(value)} entries for {depth} layers; give one, or one for each layer.")
    return list(value)


def _check_sizes(l: int, weights: float, bias: float) -> None:
    """Raise ValueError unless the variances of layer ``l`` are within what both sides can carry."""
    for value, whose, low in ((weights, "weights", SMALLEST), (bias, "biases", 0.0)):
        if not low <= value <= LARGEST:
            raise ValueError(
                f"the variance of the {whose} of layer {l} is {value:g}; it must be from {low:g} to {LARGEST:g}."
            )


def _checked_widths(widths) -> tuple[int, ...]:
    if isinstance(widths, str | bytes | bytearray | Mapping | Set) or not hasattr(widths, "__iter__"):
        raise TypeError(f"widths is {quote(widths)}; give a list of whole numbers such as [784, 512, 10].")
    widths = tuple(widths)
    if len(widths) < 2:
        raise ValueError(f"widths is {quote(list(widths))}; give at least two: the input's width and one layer's.")
    return tuple(checks.whole(width, f"width n_{l}", 1, MOST) for l, width in enumerate(widths))
