"""When a layer is exactly 0: ReLU layers whose units are all negative, and what lies above them."""

import numpy as np

from ....activations import CUSTOM, Activation
from ....inputs import Inputs
from ....network import Network
from ...gaussian.log_moments import zero_probability


def zeros_known(activation: Activation) -> bool:
    """Whether P(phi(z) = 0) is known: by slopes, else 0 for every built-in."""
    return activation.slopes is not None or activation.code != CUSTOM


def log_alive(network: Network, inputs: Inputs, widths=None) -> np.ndarray:
    """Return ln P(the activations a^l of layer l are not all 0) for l = 0 to L, shape (L + 1,); entry 0 is the input.

    Exact for symmetric weights and biases. Where z is not 0, the units' signs are fair and independent,
    and phi(z) = 0 with probability 0, 1/2 or 1. Right only where `zeros_known` holds for every layer. ``widths`` are
    the layers' numbers of units, their own by default; they may be infinite.
    """
    moving = 1.0 if inputs.rows is None else np.count_nonzero(inputs.squared_norms) / len(inputs.rows)
    alive = [np.log(moving) if moving else -np.inf]
    for layer, width in zip(network.layers, network.widths[1:] if widths is None else widths, strict=True):
        before = 0.0 if layer.bias_variance > 0 else alive[-1]
        now = before + log_passes(layer.activation, width)
        if not layer.activation.vanishes_at_zero:
            now = 0.0  # z = 0 gives phi(0), and phi is 0 nowhere else
        alive.append(now)
    return np.array(alive)


def log_passes(activation: Activation, width: float) -> float:
    """Return ln P(not every unit of a layer has phi(z) = 0), given that z is not 0."""
    zero = zero_probability(activation.slopes) if activation.slopes else 0.0
    all_zero = zero**width
    return float(np.log1p(-all_zero)) if all_zero < 1 else -np.inf
