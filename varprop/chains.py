"""Chains: Dense layers with at most one activation behind each, at one position; and why other networks are none."""

import itertools
from dataclasses import dataclass

from . import checks
from .activations import CUSTOM, Activation, activation
from .graph import is_identity
from .initializers import initializer
from .layers import Dense
from .layers.dense import check_sizes
from .own_weights import OwnDistribution
from .positions import format_positions

_OR_A_LIST = ", or a list of one for each layer"


class NotAChainError(ValueError):
    """A network that is no chain was asked what is known of chains alone."""


@dataclass(frozen=True)
class ChainLayer:
    """One layer, z = W a + b followed by phi(z). W has shape (fan_out, fan_in)."""

    fan_in: int
    fan_out: int
    weight_variance: float
    distribution: "str | OwnDistribution"
    bias_variance: float
    activation: Activation

    @property
    def gain_squared(self) -> float:
        """fan_in times Var(W_ij), the sigma_w^2 of the papers."""
        return self.fan_in * self.weight_variance


def chain_layers(widths, activation, weights, multiplier, bias_variance) -> tuple[ChainLayer, ...]:
    """Return the layers of ``Network(widths, ...)``, from one value for all layers or a list of one for each.

    Raises TypeError or ValueError where a value is none, a list has the wrong length, or a variance is out of range.
    """
    depth = len(widths) - 1
    laws = [initializer(w) for w in per_layer(weights, depth, "weights")]
    multipliers = per_layer(multiplier, depth, "multiplier")
    biases = per_layer(bias_variance, depth, "bias_variance")
    activations = _activations(activation, depth)
    found = []
    for i, fans in enumerate(itertools.pairwise(widths)):
        weights = laws[i].variance(*fans) * checks.positive(multipliers[i], "multiplier", _OR_A_LIST)
        if biases[i] is None:
            bias = laws[i].bias_variance(*fans)
        else:
            bias = checks.positive(biases[i], "bias_variance", _OR_A_LIST, zero=True)
        check_sizes(f"layer {i + 1}", weights, bias)
        found.append(ChainLayer(*fans, weights, laws[i].distribution, bias, activations[i]))
    return tuple(found)


def _activations(given, depth: int) -> tuple[Activation, ...]:
    linear = activation("linear")
    if not checks.is_list(given):
        return (activation(given),) * (depth - 1) + (linear,)
    chosen = tuple(activation(a) for a in given)
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


def per_layer(value, depth: int, name: str) -> list:
    """Return ``depth`` values, from one or from a list of as many. Raises ValueError for another length."""
    if not checks.is_list(value):
        return [value] * depth
    if len(value) != depth:
        raise ValueError(f"{name} has {len(value)} entries for {depth} layers; give one, or one for each layer.")
    return list(value)


def chain_fields(layers) -> dict | None:
    """Return the arguments of ``Network(widths, ...)`` but the first width, or None if the layers are no chain.

    A chain is Dense layers with at most one activation behind each.
    """
    dense: list[Dense] = []
    after: list[Activation | None] = []
    for layer in layers:
        if isinstance(layer, Dense):
            dense.append(layer)
            after.append(None)
        elif is_identity(layer):
            continue
        elif isinstance(layer, Activation) and dense and after[-1] is None:
            after[-1] = layer
        else:
            return None
    if not dense:
        return None
    activations = ["linear" if phi is None else _short(phi) for phi in after]
    if activations[-1] == "linear":
        activations = _one(activations[:-1], "linear")
    return {
        "widths": [layer.width for layer in dense],
        "activation": activations,
        "weights": _one([layer.weights for layer in dense]),
        "multiplier": _one([layer.multiplier for layer in dense]),
        "bias_variance": _one([layer.bias_variance for layer in dense]),
    }


def _short(phi: Activation) -> "str | Activation":
    """Return the activation's name where that says all."""
    return phi.name if phi.code != CUSTOM and activation(phi.name) == phi else phi


def _one(values: list, none=None):
    """Return the one value that all entries are, else the list."""
    if not values:
        return none
    return values[0] if all(value == values[0] for value in values) else values


def chain_obstacle(network) -> str:
    """Return what a network that is no chain would have to be, in words."""
    if network.position_count > 1:
        why = f"this has {format_positions(network.positions)} positions"
    else:
        other = [node.path for node in network.nodes if not isinstance(node.operation, (Dense, Activation))]
        why = f"this has {other[0]}" if other else "here activations come first or follow one another"
    return f"a chain of Dense layers, each with one activation at most, but {why}"
