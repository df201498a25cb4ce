"""Each tuned constant of the laws of q-hat, made worse, spoils a law by at least what its table says."""

import re

import numpy as np
import pytest
from evidence import quick

from varprop import Network, custom_activation, theory
from varprop.inputs import as_inputs
from varprop.law import interpolated
from varprop.theory.chain.distribution import chain, tuning
from varprop.theory.chain.law import _smoothed as smoothed

INPUT = as_inputs(np.ones(4), 4)
OWN = custom_activation(np.tanh, name="mine")
TANH = Network([4, 2, 3], "tanh", "lecun", multiplier=3.0)
TAILED = Network([4, 1, 1], "gelu", multiplier=1e4)
FALLING = Network([4, 2, 1], "gelu", multiplier=1e4)
WORSE = {
    "TAPS": (6, TANH),
    "NOTHING": (1e-7, TANH),
    "FAR": (5.0, Network([4, 2, 2], "tanh", multiplier=1e-30)),
    "FARTHEST": (5.0, Network([4, 2, 2], OWN, multiplier=1e-30)),
    "REACH": (2.0, TANH),
    "DEEP": (10.0, TANH),
    "STEEP": (20.0, TAILED),
    "HALVINGS": (2, TAILED),
    "CENTRE": (-60.0, FALLING),
    "WIDTH": (3.0, FALLING),
    "TOP": (90.0, FALLING),
    "FARTHER": (0.05, FALLING),
    "RATIO": (4.0, TANH),
    "BLUR": (0.05, TANH),
    "JOIN": (3 * tuning.BLUR, TANH),
    "TILT": (5.0, Network([4, 3, 3], "sin", "lecun", multiplier=40.0)),
    "SHOWN": (1e-6, TANH),
    "EVEN": (0.5, Network([4, 1, 3], "sin", "lecun")),
    "ZEROS": (0, Network([4, 1, 1], custom_activation(lambda z: np.sin(3 * z), name="wave"), "lecun")),
    "TINY": (8.0, Network([4, 1, 2], "relu")),
    "FINE": (4, Network([4, 8, 8], "relu")),
}
ROWS = re.findall(r"^(\w+) +(?:at|of) .*?(\S+)$", tuning.__doc__, re.M)
BOUNDS = {name: float(by) for name, by in ROWS if by[0].isdigit()} | {"HALVINGS": 1e-6}


def layers_of(network):
    with np.errstate(all="ignore"):
        if network.layers[0].activation.slopes is not None:
            return theory.law(network, np.ones(4)).layers
        masses = chain.evolve(network, INPUT, 1.0)
        return [smoothed(m, layer.fan_out) for m, layer in zip(masses, network.layers, strict=True)]


def distance(found, right):
    """Return the largest difference of two laws' distribution functions, or of P(q-hat = 0), in any layer."""
    worst = 0.0
    for a, b in zip(found, right, strict=True):
        inside = np.clip(b.edges, a.edges[0], a.edges[-1])
        worst = max(worst, np.abs(interpolated(a, inside) - b.cumulative).max(), abs(a.zero - b.zero))
    return worst


def test_the_table_names_constants_that_there_are():
    assert BOUNDS.keys() == WORSE.keys()
    assert all(hasattr(tuning, name) for name in WORSE)


@pytest.mark.parametrize("name", quick(*WORSE, slow=lambda name: name != "TILT"))
def test_a_worse_constant_spoils_a_law(name, monkeypatch):
    value, network = WORSE[name]
    right = layers_of(network)
    assert distance(layers_of(network), right) == 0
    monkeypatch.setattr(tuning, name, value)
    assert distance(layers_of(network), right) > BOUNDS[name]
