"""The gradient of a chain, to the best order there is, field by field."""

import numpy as np

from ...activations import Kind
from ...inputs import Inputs, as_inputs, as_loss
from ...network import Network
from ...origins import Origin
from ...own_weights import OwnDistribution
from ...records import Backward, LayerProfile
from ..orders import (
    EXACT,
    FIRST,
    INFINITE,
    Order,
    choose_order,
    correction,
    doubted,
    hidden_obstacle,
    weights_obstacle,
    with_known,
    zeros_have_no_chance,
)
from .distribution.half_square import log_moments as half_square_logs
from .gradient import exact, first, infinite, square, walk
from .gradient.left_out import left_out
from .signal import homogeneous
from .signal.death import log_alive, log_passes, zeros_known
from .signal.layer import EPS
from .signal.left_out import left_out as signal_left_out
from .signal.logarithms import log_profiles
from .signal.signal import Start
from .signal.walk import signals


def backward(network: Network, inputs, loss, order: str | None) -> Backward:
    """Return what `theory.backward` does for a chain."""
    inputs = as_inputs(inputs, network.widths[0])
    loss = as_loss(loss, network.widths[-1])
    name, given = (loss, None) if isinstance(loss, str) else ("given", loss)
    order = choose_order(order, _obstacles(network, name))
    if order is Order.INFINITE:
        start = Start.of(network, infinite.rows_of(network, inputs))
        profiles = walk.profiles(network, start, name, given, infinite)
        dead = _dead(network, inputs, name, given, [np.inf] * network.depth, INFINITE)
        return Backward.from_profiles(network, profiles, loss=name, dead=dead)
    known, moved = {}, None
    if order is Order.EXACT and name == "half_square":
        known = square.profiles(network, inputs) | half_square_logs(network, inputs)
    elif order is Order.EXACT:
        known = exact.profiles(network, inputs, given)
    if not {"fluctuation", "log_mean"} <= known.keys():
        profiles, moved = _first(network, inputs, name, given)
        profiles |= known
        if order is Order.EXACT:
            profiles, moved = _with_output(profiles, network, inputs), None
    else:
        profiles = known
    dead = _dead(network, inputs, name, given, network.widths[1:], EXACT)
    return Backward.from_profiles(network, profiles, loss=name, dead=dead, correction=moved)


def _first(network: Network, inputs: Inputs, loss: str, given):
    """Return profiles of first order with what it leaves out, and by how much it moves infinite width."""
    start = Start.of(network, first.rows_of(network, inputs))
    passed = list(signals(network, start, first.SIGNAL))
    profiles = walk.profiles(network, start, loss, given, first, passed)
    wider = walk.profiles(network, start, loss, given, infinite)
    rest = left_out(network, loss, profiles, wider, signal_left_out(passed, start.rows.weights))
    moved = correction(profiles["gradient_variance"].values, wider["gradient_variance"].values)
    return doubted(profiles, rest), moved


def _with_output(profiles: dict[str, LayerProfile], network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return profiles of half_square with what is exactly known of delta^L, which is z^L."""
    known = homogeneous.moment_profiles(network, inputs) | log_profiles(network, inputs)
    for name in ("fluctuation", "log_mean", "log_variance"):
        if name in known and name in profiles and profiles[name].origin is FIRST:
            values = np.append(np.full(network.depth - 1, np.nan), known[name].values[-1])
            profiles[name] = with_known(profiles[name], values, known[name].errors)
    return profiles


def _obstacles(network: Network, loss: str) -> dict[Order, str]:
    """Return what each order that is not possible would need."""
    laws = [layer.distribution for layer in network.layers]
    other = next((l for l, law in enumerate(laws, 1) if law != "normal"), None)
    found = {Order.FIRST: f"normal weights in every layer, but layer {other} is {laws[other - 1]}"} if other else {}
    if other == 1 and laws[0] != "orthogonal" and laws[1:].count("normal") == len(laws) - 1:
        found = {}  # the gradient does not go through the first layer, whose units are independent given the input
    if loss == "cross_entropy":
        return found | {Order.EXACT: "a loss that softmax has no part in, but this is cross_entropy"}
    if loss == "half_square" and other:
        found[Order.EXACT] = f"normal weights in every layer, but layer {other} is {laws[other - 1]}"
    return found | hidden_obstacle(network) | _atoms_obstacle(network) | weights_obstacle(network)


def _atoms_obstacle(network: Network) -> dict[Order, str]:
    """Return the obstacle to order "exact" where phi' may be that of 0 by chance, which is not that of either side."""
    for l, layer in enumerate(network.layers[:-1], 1):
        if (
            isinstance(layer.distribution, OwnDistribution)
            and layer.distribution.atoms
            and layer.activation.slopes not in (None, (1.0, 1.0))
        ):
            law = layer.distribution
            return {Order.EXACT: f"weights without values of a probability of their own, but layer {l} is {law}"}
    return {}


def _dead(network: Network, inputs: Inputs, loss: str, given, widths, origin: Origin) -> LayerProfile | None:
    """Return P(a^(l-1) = 0 or delta^l = 0), exact for symmetric weights and biases.

    Given that a^(l-1) is not 0, neither is z^l, and the gradient passes each layer from l on whose slopes
    are not all 0, with fair and independent signs. Then no layer on the way is 0.
    """
    hidden = [layer.activation for layer in network.layers[:-1]]
    if not (origin is INFINITE or zeros_have_no_chance(network)):
        return None
    if not all(zeros_known(phi) and phi.kind is not Kind.HARDTANH for phi in hidden):
        return None
    alive = log_alive(network, inputs, widths)[:-1]
    passes = [log_passes(phi, width) for phi, width in zip(hidden, widths, strict=False)]
    nothing = (given is not None and not given.any()) or (loss == "cross_entropy" and network.widths[-1] == 1)
    passes.append(-np.inf if nothing else 0.0)
    dead = np.abs(np.expm1(alive + np.cumsum(passes[::-1])[::-1]))
    return LayerProfile(dead, 4 * EPS * network.depth * dead, origin)
