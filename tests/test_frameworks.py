"""Frameworks' names of weights, without the frameworks: tests/peer_jax.py and its like hold them against those."""

import json
import math

import mpmath
import numpy as np
import pytest
from evidence import needs_compiler

from varprop import Network, VarianceScaling, compare, frameworks, simulate, theory
from varprop.initializers import initializer
from varprop.layers import Dense, Gate, Residual

LAWS = {
    "torch:linear": VarianceScaling(1 / 3, "fan_in", "uniform", 1),
    "torch:conv": VarianceScaling(1 / 3, "fan_in", "uniform", bias_ratio=1.0),
    "torch:nn.Linear": VarianceScaling(1 / 3, "fan_in", "uniform", 1.0),
    "torch:embedding": VarianceScaling(1, "none"),
    "torch:kaiming_uniform_": VarianceScaling(2, "fan_in", "uniform"),
    "torch:kaiming_uniform_(a=math.sqrt(5))": VarianceScaling(1 / 3, "fan_in", "uniform"),
    "torch:kaiming_uniform_(a=2.23606797749979)": VarianceScaling(1 / 3, "fan_in", "uniform"),
    "torch:kaiming_normal_(mode='fan_out', nonlinearity='tanh')": VarianceScaling(25 / 9, "fan_out"),
    "torch:kaiming_normal_(0.1)": VarianceScaling(2 / 1.01),
    "torch:kaiming_normal_(nonlinearity='conv2d')": VarianceScaling(1),
    "torch:xavier_normal_": VarianceScaling(1, "fan_avg"),
    "torch:xavier_uniform_(gain=5/3)": VarianceScaling(25 / 9, "fan_avg", "uniform"),
    "torch:xavier_uniform_(nn.init.calculate_gain('relu'))": VarianceScaling(2, "fan_avg", "uniform"),
    "torch:orthogonal_(gain=2)": VarianceScaling(4, "fan_max", "orthogonal"),
    "torch:normal_(std=0.02)": VarianceScaling(0.0004, "none"),
    "torch:normal_": VarianceScaling(1, "none"),
    "torch:uniform_(-0.1, 0.1)": VarianceScaling(0.01 / 3, "none", "uniform"),
    "torch:trunc_normal_(std=0.02)": VarianceScaling(0.0004, "none"),
    "torch:trunc_normal_": VarianceScaling(0.7737413035499232, "none", "truncated_normal"),
    "torch:trunc_normal_(std=0.02, a=-0.04, b=0.04)": VarianceScaling(
        0.0004 * 0.7737413035499232, "none", "truncated_normal"
    ),
    "torch:trunc_normal_(std=1e9)": VarianceScaling(4 / 3, "none", "uniform"),
    "keras:Dense": VarianceScaling(1, "fan_avg", "uniform"),
    "keras:HeNormal()": VarianceScaling(2, "fan_in", "truncated_normal"),
    "keras:random_normal": VarianceScaling(0.0025, "none"),
    "keras:truncated_normal(stddev=1.0)": VarianceScaling(0.7737413035499232, "none", "truncated_normal"),
    "keras:random_uniform": VarianceScaling(0.0025 / 3, "none", "uniform"),
    "keras:variance_scaling": VarianceScaling(1, "fan_in", "truncated_normal"),
    "keras:variance_scaling(2, 'fan_avg', 'untruncated_normal')": VarianceScaling(2, "fan_avg"),
    "keras:orthogonal": VarianceScaling(1, "fan_max", "orthogonal"),
    "jax:variance_scaling(2.0, 'fan_in', 'truncated_normal')": VarianceScaling(2, "fan_in", "truncated_normal"),
    "jax:variance_scaling(1, 'fan_geo_avg', 'normal')": VarianceScaling(1, "fan_geo_avg"),
    "jax:he_normal": VarianceScaling(2, "fan_in", "truncated_normal"),
    "jax:xavier_uniform": VarianceScaling(1, "fan_avg", "uniform"),
    "jax:normal": VarianceScaling(0.0001, "none"),
    "flax:Dense": VarianceScaling(1, "fan_in", "truncated_normal"),
    "flax:Embed": VarianceScaling(1, "fan_out"),
    "flax:glorot_normal": VarianceScaling(1, "fan_avg", "truncated_normal"),
    " FLAX : dense ": VarianceScaling(1, "fan_in", "truncated_normal"),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws(name):
    found, expected = initializer(name), LAWS[name]
    assert found.scale == pytest.approx(expected.scale, rel=1e-14)
    assert found == VarianceScaling(found.scale, expected.mode, expected.distribution, expected.bias_ratio)


@pytest.mark.parametrize("cut", [0.005, 0.3, 1, 2, 3, 5, 7])
def test_moments_of_a_cut_normal(cut):
    mpmath.mp.dps = 30
    moments = [mpmath.quad(lambda x, k=k: x**k * mpmath.exp(-(x**2) / 2), [-cut, 0, cut]) for k in (0, 2, 4)]
    square, fourth = moments[1] / moments[0], moments[2] / moments[0]
    expected = float(square), float(fourth / square**2 - 3)
    assert frameworks.cut_moments(cut) == pytest.approx(expected, rel=1e-6, abs=1e-9)


REFUSED = [
    ("torch:uniform_", "torch:uniform_: from 0 to 1 its mean is 0.5"),
    ("torch:normal_(mean=0.1)", "mean is 0.1"),
    ("torch:zeros_", "weights that are all 0; theory is of random weights"),
    ("torch:eye_", "the identity"),
    ("jax:uniform", "of mean scale/2"),
    ("torch:normal_(std=0)", "the standard deviation is 0.0"),
    (
        "torch:trunc_normal_(std=0.5)",
        "4 standard deviations, has the variance 0.249732 and",
    ),
    ("torch:trunc_normal_(a=-1)", "cut at -1 and 2 has a mean"),
    ("torch:trunc_normal_(std=0.02, a=-0.06, b=0.06)", r"VarianceScaling\(0.000389"),
    ("torch:normal_(stdd=2)", r"unexpected keyword argument 'stdd'; it is torch:normal_\(mean=0.0, std=1.0\)"),
    ("torch:normal_(0, 1, 2)", "too many positional"),
    ("jax:variance_scaling(2)", "missing a required argument: 'mode'"),
    ("jax:variance_scaling(2, 'fan_inn', 'normal')", "did you mean fan_in"),
    ("torch:normal_(std='a')", "give a number"),
    ("torch:normal_(std=True)", "give a number"),
    ("torch:normal_(std=1e999)", "finite"),
    ("keras:orthogonal(gain=1e200)", r"keras:orthogonal\(gain=1e200\): the variance is beyond float64"),
    ("torch:trunc_normal_(std=1e-200)", "beyond float64"),
    ("torch:normal_(std=__import__('os').getpid())", "give numbers and text"),
    ("torch:normal_(std=1/0)", "give numbers and text"),
    ("torch:normal_(std=9**9**9)", "give numbers and text"),
    ("torch:normal_(std=1)(2)", "give numbers and text"),
    ("torch:normal_(*[1])", "give numbers and text"),
    ("torch:normal_(**{'std': 1})", "give numbers and text"),
    ("torch:normal_(std=1", "give a name and its arguments"),
    (f"torch:normal_({'(' * 90}1{')' * 90})", "mean is 1; theory is of weights with mean 0"),
    ("torch:normal_(" + " " * 300 + ")", "give a name and its arguments"),
    ("torch:", "give a name and its arguments"),
    ("torch:kaiming_norml_", "did you mean kaiming_normal_"),
    ("torch:kaiming_normal_(nonlinearity='gelu')", "unknown nonlinearity 'gelu'"),
    ("torch:kaiming_normal_(nonlinearity=3)", "unknown nonlinearity 3"),
    ("torch:kaiming_normal_(mode='fan_avg')", "unknown mode 'fan_avg'"),
    ("pytorch:linear", "did you mean torch"),
    ("mxnet:linear", "choose one of torch, keras, jax, flax"),
    ("liner", "or a framework's, such as torch:linear"),
]


@pytest.mark.parametrize(("name", "words"), REFUSED, ids=lambda text: text[:30])
def test_what_is_refused(name, words):
    with pytest.raises(ValueError, match=words) as error:
        Dense(4, name)
    assert len(str(error.value)) < 600


def test_every_name_that_is_listed_is_one():
    count = 0
    for names in frameworks.signatures().values():
        for signature in names:
            name, _, arguments = signature.partition("(")
            if "=" in arguments or not arguments:
                if name == "torch:uniform_":
                    continue
                assert frameworks.law(signature) == frameworks.law(name)
            count += 1
    assert count > 40


def test_biases_are_the_names_own_unless_a_number_is_given():
    widths = [16, 8, 8, 2]
    network = Network(widths, "tanh", "torch:linear")
    assert network.bias_variance is None
    assert [layer.bias_variance for layer in network.layers] == [1 / 48, 1 / 24, 1 / 24]
    assert "bias" not in str(network)
    other = Network(widths, "tanh", VarianceScaling(1 / 3, "fan_in", "uniform"), bias_variance=[1 / 48, 1 / 24, 1 / 24])
    assert network == other
    assert hash(network) == hash(other)
    assert network != Network(widths, "tanh", "torch:linear", bias_variance=0)
    assert Network(widths, "tanh", "torch:linear", bias_variance=0) == Network(
        widths, "tanh", "torch:kaiming_uniform_(a=sqrt(5))"
    )
    mixed = Network(widths, "tanh", ["torch:linear", "he", "torch:linear"], bias_variance=[None, None, 0.5])
    assert mixed.bias_variance == (None, 0.0, 0.5)
    assert "bias variance the weights' own, 0, 0.5" in str(mixed)
    assert Network(widths).bias_variance == 0.0
    assert "bias_variance=0.0" in repr(Network(widths))
    twice = Network(widths, "tanh", "torch:linear", multiplier=2)
    assert twice.layers[0].bias_variance == network.layers[0].bias_variance  # a multiplier is the weights'


def test_layers_say_what_they_are():
    assert repr(Dense(8, "torch:kaiming_normal_")) == "Dense(8)"
    assert repr(Dense(8, "torch:linear")) == str([Dense(8, "torch:linear")])[1:-1] == "Dense(8, 'torch:linear')"
    assert (
        Dense(8, "torch:conv") == Dense(8, "torch:linear") == Dense(8, VarianceScaling(1 / 3, "fan_in", "uniform", 1))
    )
    assert str(Dense(8, "torch:linear")) == "dense 8 torch:linear"
    number = Dense(8, "torch:linear", bias_variance=0.1)
    assert str(number) == "dense 8 Var(W) = 0.333333/fan_in uniform bias variance 0.1"
    assert number == Dense(8, "torch:kaiming_uniform_(a=sqrt(5))", bias_variance=0.1)
    assert Dense(8).bias_variance == 0.0
    assert repr(Dense(8, bias_variance=0)) == "Dense(8)"
    assert repr(Gate(8, "gelu", "torch:linear")) == "Gate(8, 'gelu', 'torch:linear')"
    assert eval(repr(VarianceScaling(1 / 3, "fan_in", "uniform", 1))) == initializer("torch:linear")
    assert repr(VarianceScaling(2)) == "VarianceScaling(scale=2.0, mode='fan_in', distribution='normal')"


def test_files_keep_names(tmp_path):
    block = Residual(Gate(6, "silu", "torch:linear"), Dense(4, "torch:linear", bias_variance=0.2))
    graph = Network.sequential(4, block, Dense(None, "keras:he_normal"), Dense(2, "torch:linear"))
    chain = Network([4, 8, 2], "tanh", ["torch:linear", "torch:trunc_normal_(std=0.02)"])
    for network in (graph, chain, Network([4, 8, 2], "tanh", VarianceScaling(2, "fan_in", "normal", 0.5))):
        network.save(tmp_path / "net.json")
        assert Network.load(tmp_path / "net.json") == network
        assert "null" not in (tmp_path / "net.json").read_text()
    graph.save(tmp_path / "net.json")
    text = (tmp_path / "net.json").read_text()
    assert text.count('"weights": "torch:linear"') == 2
    plain = Network.sequential(4, Residual(Dense(4, bias_variance=0.0)))
    plain.save(tmp_path / "plain.json")
    branch = json.loads((tmp_path / "plain.json").read_text())["layers"][0]["Residual"]["branch"]
    assert branch == [{"Dense": {"width": 4}}]


@needs_compiler
def test_theory_and_simulation_take_them():
    network = Network([12, 12, 12, 3], "relu", ["torch:linear", "keras:he_normal", "torch:orthogonal_"])
    comparison = compare(simulate.forward(network, networks=2000), theory.forward(network))
    assert comparison.agrees
    graph = Network.sequential(8, Dense(8, "torch:linear"), Residual("relu", Dense(None, "torch:linear")))
    first = theory.forward(graph).variance[0]
    assert first == pytest.approx(1 / 3 + 1 / 24)
    assert math.isfinite(theory.backward(graph).gradient_variance[0])
    assert np.isfinite(theory.ntk(graph, np.ones((2, 8))).values).all()
