"""theory.tune: homogeneous nets by hand, others against a recursion of their own, and where there is none."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import brentq

from varprop import Network, VarianceScaling, tables, theory
from varprop.layers import Dense, Gate, LayerNorm, Residual
from varprop.theory.tune import _ends, multiplied


@pytest.mark.parametrize(
    ("widths", "activation", "kept"),
    [([784, 300, 100, 50, 20, 10], "relu", 2.0), ([64] * 7, "linear", 1.0), ([5, 4, 3], "leaky_relu(0.5)", 1.6)],
)
def test_homogeneous_nets_are_exact(widths, activation, kept):
    scale = np.random.default_rng().uniform(0.01, 50)
    found = theory.tune(Network(widths, activation, VarianceScaling(scale), multiplier=0.5))
    steps = len(widths) - 2
    assert found.steps == steps
    expected = 2 * kept / scale
    for side in (found.signal, found.gradient):
        assert abs(side.kept - expected) <= side.kept_error + 1e-15 * expected
        assert side.kept_error < 1e-11 * expected
        assert side.exponent == pytest.approx(1, rel=1e-9)
        assert side.growth == pytest.approx(1 / expected, rel=1e-9)
        ends = expected * 10 ** (-1 / steps), expected * 10 ** (1 / steps)
        assert (side.least, side.most) == pytest.approx(ends, rel=1e-7)
    assert found.multiplier == pytest.approx(expected, rel=1e-9)
    assert (found.least, found.most) == pytest.approx(ends, rel=1e-7)


def tanh_sides(k, depth):
    """Return ln of what is left of signal and gradient of a tanh net with Var(W) = k/n: quadrature, by itself."""
    z = np.linspace(-12, 12, 4001)
    weights = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    q, signal, gradient = k, 0.0, 0.0
    for _ in range(depth - 1):
        t = np.tanh(np.sqrt(q) * z)
        gradient += math.log(k * weights @ ((1 - t**2) ** 2))
        last, q = q, k * weights @ t**2
        signal += math.log(q / last)
    return signal, gradient


def test_tanh_against_a_recursion_by_itself():
    depth = 5
    found = theory.tune(Network([50] * (depth + 1), "tanh", "lecun"))
    assert found.signal.kept is None  # it always falls: |tanh z| < |z|
    assert found.signal.most is None
    assert found.signal.growth == pytest.approx(math.exp(tanh_sides(1.0, depth)[0] / (depth - 1)), rel=1e-6)
    low = brentq(lambda k: tanh_sides(k, depth)[0] + math.log(10), 0.05, 2)
    assert found.signal.least == pytest.approx(low, rel=1e-6)
    kept = brentq(lambda k: tanh_sides(k, depth)[1], 1, 4, xtol=1e-14)
    assert abs(found.gradient.kept - kept) <= found.gradient.kept_error < 1e-11
    assert found.multiplier == pytest.approx(brentq(lambda k: sum(tanh_sides(k, depth)), 1, 4), rel=1e-6)
    high = brentq(lambda k: tanh_sides(k, depth)[1] - math.log(10), 1, 1000)
    assert (found.least, found.most) == pytest.approx((low, high), rel=1e-6)
    # what any other answer would be: at a tenth off, the recursion no longer keeps it
    assert abs(tanh_sides(1.1 * found.gradient.kept, depth)[1]) > 0.1


@pytest.mark.slow
def test_of_two_ranges_the_nearest_to_one_is_told():
    found = theory.tune(Network([64] * 5, "tanh", "torch:linear"))  # weights of nearly 0 keep the biases' signal too
    assert found.signal.kept is None
    assert 1 < found.signal.least <= found.least
    assert found.signal.most is None


@pytest.mark.slow
def test_graphs_are_held_by_their_residual_sums():
    block = Residual(Dense(32, "lecun"), "relu", Dense(16, "lecun"), scale=0.5)
    network = Network.sequential(8, Dense(16, "lecun"), *[block] * 2, Dense(2, "lecun"))
    found = theory.tune(network)
    assert (found.first, found.last, found.steps) == ("block 1", "block 2", 1)
    assert found.signal.kept is None  # a branch only adds
    growth = 1 + 0.25 / 2 * 1.7**2  # of the sum, where both of the branch's weights have 1.7 times their variance
    ahead = theory.forward(multiplied(network, 1.7)).variance
    sums = [ahead.values[ahead.names.index(f"block {i}")] for i in (1, 2)]
    assert sums[1] / sums[0] == pytest.approx(growth)
    most = math.sqrt((10 - 1) * 8)
    assert found.signal.most == pytest.approx(most, rel=1e-6)
    assert found.signal.least is None
    assert found.multiplier is None
    assert "up to" in str(found)
    normed = Network.sequential(16, LayerNorm(), Gate(16, "silu", "torch:linear"), Dense(16, "torch:linear"))
    assert [name for *_, name in _ends(normed)] == ["gate 1", "dense 1"]


def test_multiplied_reaches_every_weight_and_nothing_else():
    inner = Residual(Gate(4, "gelu", multiplier=2), Dense(4), shortcut=Dense(4, "torch:linear"))
    network = Network.sequential(4, Residual(inner, LayerNorm(), Dense(4, bias_variance=0.5)), Dense(3))
    twice = multiplied(network, 2.0)
    for old, new in zip(network.nodes, twice.nodes, strict=True):
        assert old.path == new.path
        if isinstance(old.operation, Dense):
            assert new.operation.multiplier == 2 * old.operation.multiplier
            assert new.operation.bias_variance == old.operation.bias_variance
        else:
            assert new.operation == old.operation
    assert sum(isinstance(node.operation, Dense) for node in network.nodes) == 6
    chain = Network([3, 4, 5], "tanh", ["he", "torch:linear"], multiplier=[1, 3], bias_variance=[0.5, None])
    assert multiplied(chain, 2) == Network(
        [3, 4, 5], "tanh", ["he", "torch:linear"], multiplier=[2, 6], bias_variance=[0.5, None]
    )
    assert multiplied(multiplied(chain, 2), 0.5) == chain


def test_nowhere_is_said():
    found = theory.tune(Network([32] * 3, "tanh", "lecun"), factor=1.001)
    assert not found.within
    assert found.least is None
    assert found.gradient.within
    assert "nowhere" in str(found)
    assert "nowhere" in found._repr_html_()
    assert json.dumps(tables.plain(found))


@pytest.mark.slow
def test_data_and_the_order_count():
    data = np.random.default_rng(0).normal(size=(20, 6)) * np.linspace(0, 2, 6)
    network = Network([6, 20, 20, 20], "gelu", "he")
    wide, first = theory.tune(network, data), theory.tune(network, data, order="first")
    assert first.origin == "first order in 1/width"
    assert wide.gradient.kept == pytest.approx(first.gradient.kept, rel=0.1)
    assert wide.gradient.kept != first.gradient.kept


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.tune(Network([4, 4])), "with one layer"),
        (lambda: theory.tune(Network([4, 4, 4]), factor=1), "factor is 1.0; it must be above 1"),
        (lambda: theory.tune(Network([4, 4, 4]), factor=math.nan), "factor is nan"),
        (lambda: theory.tune(Network([4, 4, 4]), order="second"), "unknown order"),
        (lambda: theory.tune(Network.sequential(4, Residual(Dense(4)))), "with one layer at its outermost level"),
    ],
)
def test_bad_questions(call, words):
    with pytest.raises(ValueError, match=words):
        call()
    with pytest.raises(TypeError, match=r"give a varprop.Network"):
        theory.tune([4, 4, 4])


def test_weight_laws():
    found = theory.weight_law("torch:linear", 768, 256)
    assert (found.variance, found.bias_variance) == (1 / 3 / 768, 1 / 3 / 768)
    assert (found.gain_squared, found.excess_kurtosis) == (pytest.approx(1 / 3), -1.2)
    assert found.largest == pytest.approx(1 / math.sqrt(768))
    assert "normal biases of this variance" in str(found)
    assert theory.weight_law("he", 50, 60).largest == math.inf
    assert theory.weight_law(VarianceScaling(1, "fan_geo_avg"), 4, 9).variance == pytest.approx(1 / 6)
    square = theory.weight_law("orthogonal", 1, 3)  # one row of a unit vector in three dimensions: E w^4 = 1/5
    assert square.excess_kurtosis == pytest.approx((1 / 5) / (1 / 3) ** 2 - 3)
    assert square.largest == pytest.approx(1.0)
    with pytest.raises(ValueError, match="fan_out is 0"):
        theory.weight_law("he", 3, 0)
