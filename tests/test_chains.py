"""Chains are recognised, and what is known of chains alone refuses other networks by one error that says why."""

import pytest

from varprop import Network, simulate, theory
from varprop.chains import NotAChainError
from varprop.layers import Dense, LayerNorm, Residual

GRAPHS = {
    "layer norm 1": Network.sequential(8, Dense(8), LayerNorm(), Dense(8)),
    "block 1": Network.sequential(8, Residual(Dense(8))),
    "2 x 3 positions": Network.sequential(8, Dense(8), positions=(2, 3)),
    "activations come first or follow one another": Network.sequential(8, Dense(8), "tanh", "relu"),
}
ASKED = {
    "theory.law": theory.law,
    "simulate.law": lambda network: simulate.law(network, networks=10),
    "theory.precision": lambda network: theory.precision(theory.forward(network), "float16"),
    "order 'first'": lambda network: theory.forward(network, order="first"),
    "order 'first' ": lambda network: theory.backward(network, order="first"),
    "order 'first'  ": lambda network: theory.pair(network, 0.5, order="first"),
    "this network has no widths": lambda network: network.widths,
}


TWO = "activations come first or follow one another"  # which infinite width does not know either


@pytest.mark.parametrize(
    ("asked", "why"), [(a, w) for a in ASKED for w in GRAPHS if (a, w) != ("theory.precision", TWO)]
)
def test_graphs_are_refused_by_one_error_that_says_why(asked, why):
    with pytest.raises(NotAChainError, match="chain of Dense layers") as raised:
        ASKED[asked](GRAPHS[why])
    assert str(raised.value).startswith(asked.strip())
    assert why in str(raised.value) or "widths" in asked
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    "layers", [(Dense(8),), (Dense(8), "linear", Dense(3), "relu"), (Dense(None), "tanh", Dense(None))]
)
def test_chains_are_recognised(layers):
    network = Network.sequential(4, *layers)
    assert network.is_chain
    assert network.depth == sum(isinstance(layer, Dense) for layer in layers)
