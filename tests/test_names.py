"""Names that people type: ours in any case, others with a hint that can be followed."""

import re
from functools import partial

import numpy as np
import pytest

from varprop import Network, VarianceScaling, compare, custom_activation, names, plots, simulate, theory
from varprop.activations import NAMES, activation
from varprop.initializers import NAMES as WEIGHTS
from varprop.initializers import initializer


def said(call, *given):
    """Return what the error of a call says."""
    with pytest.raises(ValueError, match=r"choose one of .*") as error:
        call(*given)
    return str(error.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("tahn", "tanh"), ("swish", "silu"), ("sine", "sin"), ("identity", "linear"), ("leakyrelu", "leaky_relu"),
     ("LeakyReLU", "leaky_relu"), ("logistic", "sigmoid"), ("Hard-Tanh", "hardtanh"), ("rely", "relu"),
     ("sigmoid_", "sigmoid"), ("leaky_relu(0.2", "leaky_relu"), ("PReLU", "leaky_relu(0.25)"), ("gelu_tanh", "gelu"),
     ("soft plus", "softplus"), ("gel", "gelu"), ("mihs", "mish")],
)  # fmt: skip
def test_activations(typed, meant):
    assert f"; did you mean {meant}" in said(activation, typed)


def test_names_of_ours_may_be_in_capitals():
    assert [str(activation(f" {name.upper()} ")) for name in NAMES[:3]] == list(NAMES[:3])
    assert str(activation("ReLU")) == "relu"
    assert Network([2, 2], weights="He_Uniform").layers[0].distribution == "uniform"
    assert VarianceScaling(1, "Fan_In", "Normal") == VarianceScaling(1, "fan_in", "normal")
    network = Network([2, 2])
    assert theory.backward(network, loss="Half_Square", order="Exact").loss == "half_square"
    assert theory.precision(network, "Float16").dtype == "float16"


@pytest.mark.parametrize("typed", ["0.01", ".5", "1e-2", "1"])
def test_a_number_is_a_standard_deviation(typed):
    advice = re.search(r"are '(.*)'\.$", said(initializer, typed))[1]
    assert Network([2, 2], weights=advice).layers[0].weight_variance == pytest.approx(float(typed) ** 2)


def test_advice_can_be_followed():
    for typed in ("relu6", "hard_swish", "hardsigmoid", "arctan", "cos"):
        advice = re.search(r"custom_activation\((.*)\)\.$", said(activation, typed))[1]
        own = eval(f"custom_activation({advice})", {"custom_activation": custom_activation, "np": np})
        assert np.isfinite(own.phi(np.linspace(-9, 9, 19))).all()
    for kind, ours in names.SYNONYMS.items():
        for name, words in ours.items():
            for word in words.split():
                assert f"did you mean {name}?" in said(partial(names.choose, word, ours, "no {}", kind=kind))


@pytest.mark.parametrize("name", ["he", "lecun", "glorot"])
@pytest.mark.parametrize("spelt", ["{}_normal", "{}normal", "{}-Normal"])
def test_kerass_normal_is_truncated_and_ours_is_not(name, spelt):
    words = said(initializer, spelt.format(name))
    assert f"did you mean {name}, whose normal is not truncated, or {name}_truncated_normal, as Keras's" in words
    assert f"{name}_truncated_normal" in WEIGHTS
    assert initializer(name).distribution == "normal"


@pytest.mark.parametrize(
    ("typed", "words"),
    [("trunc_normal_", "cuts at -2 and 2"), ("truncated_normal", "he_truncated_normal or its like"),
     ("kaiming", "mean he?"),
     ("xavier", "glorot here, the lecture's is lecun"), ("Xavier_Normal_", "is here 'glorot'; the lecture's Xavier"),
     ("uniform", "he_uniform or its like"), ("default", "nn.Linear"), ("he_unifrom", "mean he_uniform?"),
     ("glorot_trunc_normal", "mean glorot_truncated_normal?"), ("orthagonal", "mean orthogonal?")],
)  # fmt: skip
def test_weights(typed, words):
    assert words in said(initializer, typed)


def test_everything_else_that_has_a_name():
    network = Network([2, 2])
    record = theory.forward(network)
    measured = simulate.forward(network, networks=64)
    diagram = theory.phase_diagram("relu", [1, 2], [0, 1])
    cases = {
        "half_square": lambda: theory.backward(network, loss="MSE"),
        "cross_entropy": lambda: simulate.backward(network, loss="crossentropy", networks=2),
        "conditional": lambda: simulate.forward(network, networks=2, method="conditonal"),
        "first": lambda: theory.forward(network, order="first-order"),
        "log_mean": lambda: compare(measured, record, quantity="logmean"),
        "log_variance": lambda: plots.plot_profile(record, "log_var"),
        "chi": lambda: plots.plot_phase_diagram(diagram, "ch"),
        "float16": lambda: theory.precision(network, "half"),
        "bfloat16": lambda: theory.precision(network, "bf16"),
        "fan_in": lambda: VarianceScaling(1, "fanin"),
        "uniform": lambda: VarianceScaling(1, "fan_in", "unifrom"),
    }
    for meant, call in cases.items():
        assert f"did you mean {meant}" in said(call)
    # no hint of what this record does not hold, none where nothing is near, none for what is no name
    for far in ("gradient", "energy", 3, ["variance"], np.ones(3)):
        assert "did you mean" not in said(lambda q=far: compare(measured, record, quantity=q))
