"""The gradient at infinite width, of chains.

Of |z|^2 / 2 the outputs are taken along: behind n units the part of the gradient along the activations is about n_L / n
of the rest, and is kept. `theory.infinite` takes them as few.
"""

from dataclasses import replace

import numpy as np

from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....records import LayerProfile
from ...gaussian.slope_moments import B, C, E, SlopeMoments
from ...losses.output import Output
from ...orders import at_input as profile_at_input
from ..first_layer.rows import Rows, compressed, infinite_mixture
from ..signal.infinite import Infinite
from ..signal.signal import Signal
from .walk import State, mean_over_rows, renewed

SIGNAL = Infinite


def rows_of(network: Network, inputs: Inputs) -> Rows:
    """Return what the network is fed."""
    return compressed(infinite_mixture(network, inputs))


def top(out: Output, loss: str, width: int) -> tuple[State, tuple]:
    """Return the state at the output, and what ln d-hat has there beyond it.

    The outputs go along, so that their length is the same in every network; but for softmax, which may have few.
    """
    out.mean[0, 1] = width if loss == "half_square" else 0.0
    state = State.of(out, spreads=loss == "cross_entropy")
    return state, (None, None) if out.log_mean is None else (0.0, 0.0)


def step(state: State, m: SlopeMoments, layer: ChainLayer, above: ChainLayer, signals) -> State:
    """Return the state below at infinite width, where only |z|^2 / 2 has a gradient that points along z."""
    mean = np.zeros(state.mean.shape)
    mean[0] = state.mean[0]
    along = signals[1].z.weight_share * mean[0, 1] / np.where(m.mean[C] > 0, m.mean[C], 1.0)
    lost = 0.0  # orthogonal weights keep lengths, so that what goes along a is taken from across
    if above.distribution == "orthogonal":
        lost = signals[1].z.weight_share * mean[0, 1] / max(above.fan_in, above.fan_out)
    mean[0] = np.stack([1.0 - lost + m.mean[B] * along / layer.fan_out, m.mean[E] ** 2 * along])
    if not along.any():
        m = replace(m, error=m.size_error)  # nothing else was read
    found = renewed(state, m, layer, above, signals[0], mean, state.square)
    return replace(found, square=state.square, spread=state.spread, log_variance=state.log_variance)


def at_input(state: State, signal: Signal, weights: np.ndarray, error: float) -> LayerProfile:
    """Return E (d loss / d x_i)^2 of a feature: the step below with x for a, whose slope is 1."""
    layer, weight_share, (size, along) = signal.layer, signal.z.weight_share, state.mean[0]
    n, fresh = layer.fan_in, state.size.times(layer.weight_variance)
    lost = along * n / max(n, layer.fan_out) if layer.distribution == "orthogonal" else 0.0
    value = mean_over_rows(fresh.times(size + weight_share * (along - lost) / n), weights).values()
    return profile_at_input(value, 2 * error * value, SIGNAL.ORIGIN)
