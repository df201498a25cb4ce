"""The steps of a derivation are the numbers of theory, and each step's own arithmetic holds."""

import numpy as np
import pytest

from varprop import Network, custom_activation, theory
from varprop.activations import activation
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm
from varprop.tables.derivations import rule
from varprop.theory.gaussian.derivative_moment import derivative_moment

ROWS = np.array([[0.5, -2.0, 1.0, 0.0], [3.0, 1.0, 1.0, 2.0]])
CHAINS = {
    "exact": (Network([4, 8, 16, 3], "relu", "lecun", bias_variance=0.1), None),
    "first": (Network([4, 8, 16, 3], ["tanh", "gelu"], "torch:linear"), None),
    "infinite": (Network([4, 8, 16, 3], ["tanh", "gelu", "silu"], "glorot", multiplier=[1, 2, 3]), "infinite"),
    "one layer": (Network([4, 2]), None),
    "own": (Network([4, 8, 3], custom_activation(lambda z: z * 0.5, name="<half>")), None),
}
BLOCK = Residual(LayerNorm(), Dense(16), "gelu", Dropout(0.1), Dense(8), skip=0.9, scale=0.5, drop=0.2)
GRAPHS = {
    "block": (8, BLOCK, BLOCK, RMSNorm(), Dense(3, bias_variance=0.25)),
    "crossed": (8, Dense(8), Residual(Residual(Dense(8), "relu", Dense(8)), scale=2), "relu", LayerNorm(), Dense(4)),
    "gated": (
        8,
        LayerNorm(),
        Gate(16, "silu"),
        Dense(8),
        "relu",
        Residual(Dense(8), "tanh", Dense(8), shortcut=Dense(8)),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("rows", [None, ROWS])
def test_a_chains_steps_are_theorys_numbers_at_every_order(name, rows):
    network, order = CHAINS[name]
    found = theory.derivation(network, rows, order=order)
    ahead, back = theory.forward(network, rows, order=order), theory.backward(network, rows, order=order)
    assert found.input == pytest.approx(1.0 if rows is None else np.mean(rows**2))
    dense = [step for step in found.signal if step.kind == "dense"]
    assert [step.value for step in dense] == list(ahead.variance)
    assert [step.value for step in found.gradient[::-1]] == list(back.gradient_variance)
    for step in dense:
        n, weights, below, bias = step.terms.values()
        assert n * weights * below + bias == pytest.approx(step.value, rel=1e-9), step
    for step in found.gradient[1:]:
        assert np.prod(list(step.terms.values())) == pytest.approx(step.value, rel=1e-12)
    assert str(ahead.variance.origin) in str(found)


def test_the_slope_of_a_step_back_is_that_of_the_activation_where_layers_are_wide():
    network = Network([4, 8, 8, 3], "tanh", "he")
    found = theory.derivation(network, order="infinite")
    variance = theory.forward(network, order="infinite").variance
    slopes = [step.terms["slope"] for step in found.gradient[1:]][::-1]
    assert slopes == pytest.approx(derivative_moment(activation("tanh"), variance[:2])[0], rel=1e-9)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graphs_steps_are_theorys_numbers(name):
    width, *layers = GRAPHS[name]
    network = Network.sequential(width, *layers)
    found = theory.derivation(network)
    ahead, back = theory.forward(network, order="infinite"), theory.backward(network, order="infinite")
    values, gradients = ({step.name: step.value for step in side} for side in (found.signal, found.gradient))
    assert [values[place] for place in ahead.names] == pytest.approx(list(ahead.variance), rel=1e-12)
    assert [gradients[place] for place in back.names] == pytest.approx(list(back.gradient_variance), rel=1e-12)
    assert list(values) == [node.path for node in network.nodes]
    for step in found.signal:
        shown = rule(step).replace("−", "-").replace("²", "**2").replace("×", "*").replace(",", "")
        if step.kind != "activation":  # what is printed has four figures
            assert eval(shown) == pytest.approx(step.value, rel=2e-3), step
    assert "infinite width" in str(found)


def test_positions_and_data_go_through_a_graph():
    network = Network.sequential(4, Dense(8), LayerNorm(), Dense(3), positions=2)
    rows = np.stack([ROWS, 2 * ROWS])
    found = theory.derivation(network, rows)
    assert found.input == pytest.approx(np.mean(rows**2))
    assert found.signal[-1].value == pytest.approx(theory.forward(network, rows).variance[-1], rel=1e-4)


def test_a_gradient_that_theory_does_not_know_is_said():
    network = Network.sequential(4, Dense(8), "relu", Residual(Dense(8)))
    found = theory.derivation(network, loss="half_square")
    assert found.gradient == ()
    assert "The gradient is not known: loss 'half_square' needs a Dense" in str(found)
    with pytest.raises(ValueError, match="unknown loss"):
        theory.derivation(network, loss="squared")
