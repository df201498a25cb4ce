"""Variance of the gradient per layer, predicted."""

import numpy as np

from ..inputs import Inputs, as_inputs
from ..network import Network
from ..records import Backward, LayerProfile
from . import backward_exact
from .death import log_alive, log_passes, zeros_known
from .ensemble import EPS, EXACT, INFINITE

ORDERS = ("infinite", "first", "exact")
LOSSES = ("linear", "half_square", "cross_entropy")


def backward(network, inputs=None, *, loss="linear", order=None):
    inputs = as_inputs(inputs, network.widths[0])
    name, given = loss, None
    profiles = backward_exact.profiles(network, inputs, given)
    return Backward(network, name, **profiles, dead=_dead(network, inputs))


def _dead(network, inputs):
    alive = log_alive(network, inputs)[:-1]
    passes = np.array([log_passes(l.activation, l.fan_out) for l in network.layers[:-1]] + [0.0])
    dead = np.abs(np.expm1(alive + np.cumsum(passes[::-1])[::-1]))
    return LayerProfile(dead, 4 * EPS * dead, EXACT)
