"""The forward signal of a chain, to the best order there is, field by field."""

import numpy as np

from ...inputs import Inputs, as_inputs
from ...network import Network
from ...origins import Origin
from ...records import Forward, LayerProfile
from ..orders import (
    EXACT,
    INFINITE,
    Order,
    choose_order,
    correction,
    hidden_obstacle,
    weights_obstacle,
    with_known,
    zeros_have_no_chance,
)
from .signal import first, homogeneous, infinite
from .signal.death import log_alive, zeros_known
from .signal.layer import EPS
from .signal.logarithms import log_profiles


def forward(network: Network, inputs, order: str | None) -> Forward:
    """Return what `theory.forward` does for a chain."""
    chosen = choose_order(order, hidden_obstacle(network) | weights_obstacle(network))
    inputs = as_inputs(inputs, network.widths[0])
    if chosen is Order.INFINITE:
        profiles = infinite.profiles(network, infinite.start(network, inputs))
        dead = _dead(network, inputs, np.full(network.depth, np.inf), INFINITE)
        return Forward.from_profiles(network, profiles, dead=dead)
    dead, moved = _dead(network, inputs, network.widths[1:], EXACT), None
    if chosen is Order.EXACT:
        profiles = _exact(network, inputs)
    else:
        start = first.start(network, inputs)
        profiles = first.profiles(network, start)
        moved = correction(profiles["variance"].values, infinite.variance(network, start))
    return Forward.from_profiles(network, profiles, dead=dead, correction=moved)


def _exact(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return every profile exactly, and those that cannot be to first order."""
    found = homogeneous.moment_profiles(network, inputs) | log_profiles(network, inputs)
    names = ("second_moment", "log_mean", "log_variance")
    means, errors = homogeneous.activation_means(network, inputs)
    if all(name in found for name in names) and not np.isnan(means).any():
        return found | {"activation_mean": LayerProfile(means, errors, EXACT)}
    wider = first.profiles(network, first.start(network, inputs))
    found["activation_mean"] = with_known(wider["activation_mean"], means, errors)
    return {name: profile for name, profile in wider.items() if name in names} | found


def _dead(network: Network, inputs: Inputs, widths, origin: Origin) -> LayerProfile | None:
    """Return P(every activation of a layer is 0) at these ``widths``, exact for symmetric weights and biases."""
    if not (origin is INFINITE or zeros_have_no_chance(network)):
        return None
    if not all(zeros_known(layer.activation) for layer in network.layers):
        return None
    dead = np.abs(np.expm1(log_alive(network, inputs, widths)[1:]))
    return LayerProfile(dead, 4 * EPS * np.arange(1, len(dead) + 1) * dead, origin)
