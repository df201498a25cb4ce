import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varprop import Network, VarianceScaling, custom_activation, leaky_relu
from varprop.activations import NAMES, activation
from varprop.inputs import as_inputs
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual
from varprop.widths import format_widths, parse_widths


def test_variances_are_the_rules_everyone_learns():
    for name, variance in (("lecun", 1 / 4), ("he", 2 / 4), ("glorot", 2 / (4 + 6)), ("unit", 1)):
        for suffix in ("", "_uniform", "_truncated_normal", "_orthogonal"):
            (layer,) = Network([4, 6], weights=name + suffix).layers
            assert layer.weight_variance == pytest.approx(variance)
            assert layer.distribution == (suffix[1:] or "normal")
    assert Network([4, 6], weights="orthogonal").layers[0].weight_variance == pytest.approx(1 / 6)
    assert Network([4, 6], weights=VarianceScaling(3, "fan_out")).layers[0].weight_variance == pytest.approx(0.5)


def test_everything_may_differ_from_layer_to_layer():
    network = Network(
        [3, 5, 7, 2],
        ["relu", leaky_relu(0.2)],
        ["he", "lecun_uniform", VarianceScaling(1, "fan_avg")],
        multiplier=[1, 2, 3],
        bias_variance=[0, 0.5, 1],
    )
    assert network.depth == 3
    assert [layer.weight_variance for layer in network.layers] == pytest.approx([2 / 3, 2 / 5, 3 * 2 / 9])
    assert [layer.bias_variance for layer in network.layers] == [0, 0.5, 1]
    assert [str(layer.activation) for layer in network.layers] == ["relu", "leaky_relu(0.2)", "linear"]
    assert network.layers[0].gain_squared == pytest.approx(2)
    assert str(Network([3, 5, 2], ["relu", "tanh"]).layers[-1].activation) == "tanh"
    assert str(network) == (
        "3,5,7,2, relu, leaky_relu(0.2), he, lecun_uniform, "
        "Var(W) = 1/fan_avg normal, multiplier 1, 2, 3, bias variance 0, 0.5, 1"
    )


def test_numbers_of_any_kind_are_numbers():
    network = Network(np.array([4, 6]), weights=VarianceScaling(np.float32(2)), multiplier=np.array(2.0))
    assert network.layers[0].weight_variance == pytest.approx(1.0)
    assert Network([4, 6, 2], multiplier=np.array([1.0, 2.0])).layers[1].weight_variance == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", [*NAMES, "leaky_relu(0.2)"])
def test_descriptions_survive_pickling(name):
    network = Network([3, 4, 2], name, bias_variance=[0, 1])
    assert pickle.loads(pickle.dumps(network)) == network
    assert pickle.loads(pickle.dumps(network)).layers == network.layers
    assert leaky_relu(0.2) == leaky_relu(0.2)


def test_descriptions_are_values():
    assert Network([3, 2]) == Network((3, 2), "relu", "he")
    assert hash(Network([3, 2], ["tanh"], ["he"])) == hash(Network((3, 2), ("tanh",), ("he",)))


@settings(deadline=None)  # which a busy machine passes
@given(st.lists(st.integers(1, 9), min_size=2, max_size=12))
def test_widths_read_back_as_written(widths):
    assert parse_widths(format_widths(widths)) == tuple(widths)


def test_widths_as_text():
    assert parse_widths("784,512*20,10") == (784, *[512] * 20, 10)
    assert format_widths((784, *[512] * 20, 10)) == "784,512*20,10"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("784,abc", "abc"),
        ("4,5*x", "5*x"),
        ("64*,10", "cannot read '64*'"),
        ("4,5*0", "5*0"),
        ("", "''"),
        ("4*1000000000000", "4*1000000000000"),
        ("5", "5"),
        ("4,-3", "-3"),
    ],
)
def test_bad_widths_as_text(text, quoted):
    with pytest.raises(ValueError, match=r".") as error:
        parse_widths(text)
    assert quoted in str(error.value)


BAD = [
    (ValueError, "0", lambda: Network([784, 0])),
    (TypeError, "n_1 is 2.5; give a whole number", lambda: Network([784, 2.5])),
    (TypeError, "True", lambda: Network([784, True])),
    (TypeError, "'x'", lambda: Network([784, "x"])),
    (ValueError, r"\[\]", lambda: Network([])),
    (ValueError, r"\[5\]", lambda: Network([5])),
    (TypeError, "5", lambda: Network(5)),
    (TypeError, "784,10", lambda: Network("784,10")),
    (ValueError, "'rely'; choose one of linear, relu", lambda: Network([2, 2], "rely")),
    (ValueError, "'hee'; choose one of lecun", lambda: Network([2, 2], weights="hee")),
    (ValueError, "PyTorch's xavier is glorot", lambda: Network([2, 2], weights="xavier")),
    (TypeError, "3", lambda: Network([2, 2], 3)),
    (TypeError, "1.0", lambda: Network([2, 2], weights=1.0)),
    (ValueError, "2 entries for 1 layers", lambda: Network([2, 2], weights=["he", "he"])),
    (ValueError, "activation has 3 entries", lambda: Network([2, 2, 2], ["relu"] * 3)),
    (ValueError, "bias_variance is -1", lambda: Network([2, 2], bias_variance=-1)),
    (ValueError, "nan", lambda: Network([2, 2], bias_variance=math.nan)),
    (ValueError, "multiplier is 0", lambda: Network([2, 2], multiplier=0)),
    (ValueError, "inf", lambda: Network([2, 2], multiplier=math.inf)),
    (TypeError, "'big'", lambda: Network([2, 2], multiplier="big")),
    (ValueError, "weights of layer 1 is 0; it must be from 1e-100", lambda: Network([4, 2], multiplier=5e-324)),
    (
        ValueError,
        "weights of layer 2 is inf",
        lambda: Network([2, 2, 2], weights=VarianceScaling(1e308), multiplier=[1e-300, 1e308]),
    ),
    (ValueError, r"biases of layer 1 is 1e\+200; it must be from 0", lambda: Network([2, 2], bias_variance=1e200)),
    (ValueError, "scale is -1", lambda: VarianceScaling(-1)),
    (TypeError, "scale is 'a'", lambda: VarianceScaling("a")),
    (ValueError, "'fan_sum'; choose one of fan_in", lambda: VarianceScaling(1, "fan_sum")),
    (ValueError, "'cauchy'; choose one of normal", lambda: VarianceScaling(1, "fan_in", "cauchy")),
    (ValueError, "nan", lambda: leaky_relu(math.nan)),
    (TypeError, "slope of leaky_relu is 'a'", lambda: leaky_relu("a")),
    (ValueError, "leaky_relu", lambda: activation("leaky_relu(x)")),
    (ValueError, "activation is an empty list", lambda: Network([2, 2], [])),
    (ValueError, "it must be from 1 to", lambda: Network([2, 10**400])),
    (ValueError, "phi of activation 'f' fails at -2: (math|expected)", lambda: custom_activation(math.log, name="f")),
    (
        ValueError,
        "dphi is 0.0199987 at 0.02, where the slope of sin is 0.9998",
        lambda: custom_activation(np.sin, np.sin),
    ),
    (TypeError, r"kinks is \[1j\]; give the points", lambda: custom_activation(np.tanh, kinks=1j)),
    (TypeError, r"kinks is \['a'\]", lambda: custom_activation(np.tanh, kinks="a")),
    (ValueError, r"kinks is \[1e\+300\]", lambda: custom_activation(np.tanh, kinks=1e300)),
    (ValueError, "at most 1,000", lambda: custom_activation(np.tanh, kinks=np.arange(2000))),
    (ValueError, "kinks is", lambda: custom_activation(math.tanh, kinks=[math.nan])),
    (TypeError, "phi is 3", lambda: custom_activation(3)),
    (ValueError, "must be a number everywhere", lambda: custom_activation(np.log1p)),
]


@pytest.mark.parametrize(("kind", "words", "call"), BAD)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_bad_descriptions_end_in_one_clear_error(kind, words, call):
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize("end", ["", "_"])
def test_pytorchs_names_are_told_from_ours(end):
    names = {"kaiming_normal": "he", "kaiming_uniform": "he_uniform", "xavier_normal": "glorot"}
    for theirs, ours in {**names, "xavier_uniform": "glorot_uniform"}.items():
        with pytest.raises(ValueError, match=f"PyTorch's {theirs}{end} is here '{ours}'"):
            Network([2, 2], weights=theirs + end)
    with pytest.raises(ValueError, match=r"nn.Linear's, 'torch:linear'"):
        Network([2, 2], weights=f"Kaiming_uniform{end}")
    with pytest.raises(ValueError, match="PyTorch's orthogonal_ is here 'orthogonal'"):
        Network([2, 2], weights="orthogonal_")


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_derivatives(name):
    function = activation(name)
    z, h = np.array([-7.3, -1.7, -0.6, -0.2, 0.3, 0.8, 1.4, 6.1]), 1e-6
    slope = (function.phi(z + h) - function.phi(z - h)) / (2 * h)
    np.testing.assert_allclose(function.dphi(z), slope, rtol=1e-7, atol=1e-9)
    assert function.vanishes_at_zero == (name not in ("sigmoid", "softplus"))
    assert function.unbounded == (name not in ("tanh", "sigmoid", "erf", "sin", "softsign", "hardtanh"))


def test_a_users_own_function_may_take_numbers_only():
    function = custom_activation(lambda z: math.tanh(z) if z > 0 else 0.1 * z, name="mine", kinks=[0])
    assert str(function) == "mine"
    np.testing.assert_allclose(function.phi(np.array([[1.0, -1.0]])), [[math.tanh(1), -0.1]])


def test_inputs():
    assert as_inputs(None, 3).rows is None
    assert as_inputs([1, 2, 2], 3).squared_norms == pytest.approx([9])
    rows = as_inputs(np.array([[1, 0], [2, 1]], np.int8), 2)
    assert rows.squared_norms == pytest.approx([1, 5])
    assert rows.fourth_powers == pytest.approx([1, 17])


@pytest.mark.parametrize(
    ("kind", "words", "data"),
    [
        (ValueError, r"shape \(4,\); this network takes \(3,\)", np.ones(4)),
        (ValueError, r"\(2, 4\)", np.ones((2, 4))),
        (ValueError, r"\(2, 2, 3\)", np.ones((2, 2, 3))),
        (ValueError, "at least one row", np.ones((0, 3))),
        (ValueError, "nan at row 1, column 2", [[1, 2, 3], [1, 2, math.nan]]),
        (ValueError, "inf at row 0", [math.inf, 0, 0]),
        (ValueError, "1e[+]80", [1e80, 0, 0]),
        (ValueError, "1e-170 in size at row 2; rescale them above 1e-75", [[0, 0, 0], [1, 1e-170, 0], [1e-170, 0, 0]]),
        (TypeError, "dtype", ["a", "b", "c"]),
        (TypeError, "dtype complex", np.ones(3, complex)),
    ],
)
def test_bad_inputs(kind, words, data):
    with pytest.raises(kind, match=words):
        as_inputs(data, 3)


def test_a_network_shows_itself_as_a_table():
    table = Network([784, 512, 512, 512, 10], ["relu", "tanh", "tanh"], "lecun", multiplier=[2, 1, 1, 1]).table()
    headers, rows = table._parts()[1]
    shown = [dict(zip(headers, row, strict=True)) for row in rows]
    assert [row["layer"] for row in shown] == ["1", "2 to 3", "4"]
    assert [row["activation"] for row in shown] == ["relu", "tanh", "linear"]
    assert [row["n Var(W)"] for row in shown] == ["2", "1", "1"]
    assert shown[0]["Var(W)"] == "0.002551"
    assert shown[0]["weights"] == "lecun × 2"
    assert table._parts()[0].endswith(f"{784 * 512 + 2 * 512 * 512 + 512 * 10:,} weights")
    block = Residual(LayerNorm(), Dense(32), "gelu", Dropout(0.1), Dense(8), scale=0.5)
    network = Network.sequential(8, *[block] * 12, Gate(4, "silu"), Dense(3, bias_variance=0.25))
    rows = {row[0]: row for row in network.table()._parts()[1][1]}
    assert rows["block 1–12 / dense 1"][1:] == ["8", "32", "he", "0.25", "2", "0", "W x + b"]
    assert rows["block 1–12"][-1] == "x + 0.5 branch"
    assert rows["product 1"][-1] == "gate × value"
    assert rows["dense 1"][-2:] == ["0.25", "W x + b"]
    assert network._repr_html_() == network.table()._repr_html_()
