"""Infinite width over graphs: equal to the theory of chains, to closed forms, and at any scale."""

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import ClassVar

import mpmath
import numpy as np
import pytest
from evidence import quick

from varprop import Network, custom_activation, theory
from varprop.inputs import as_inputs
from varprop.layers import LAYERS, Dense, Dropout, Gate, Layer, LayerNorm, Residual, RMSNorm
from varprop.theory.gaussian.first_moment import first_moment
from varprop.theory.gaussian.panels import panel_nodes
from varprop.theory.infinite import evaluate, records

NAMES = ("relu", "tanh", "gelu", "sigmoid", "erf", "elu", "softplus", "leaky_relu(0.3)", "sin", "hardtanh", "mish")


forward, backward = (partial(function, order="infinite") for function in (theory.forward, theory.backward))


def last(profile):
    return profile.values[-1]


GRADIENTS = ("gradient_variance", "weight_gradient_variance", "input_gradient_variance")


def same(found, expected, rtol=1e-12):
    np.testing.assert_allclose(found.values, expected.values, rtol=rtol, atol=1e-13)
    assert (found.errors <= 1e-9 * (1 + np.abs(found.values))).all()


@pytest.mark.parametrize("name", quick(*NAMES, slow=["gelu", "mish", "selu", "silu", "softplus"].count))
def test_chains_are_as_before(name):
    network = Network([20, 30, 15, 40, 10], name, "lecun", multiplier=1.7, bias_variance=[0.0, 0.1, 0.2, 0.0])
    rows = np.random.default_rng().standard_normal((7, 20)) * np.geomspace(0.01, 30, 7)[:, None]
    for inputs in (None, rows[0], rows):
        expected = forward(network, inputs)
        found = records.forward(network, inputs, "infinite")
        keys = ("variance", "second_moment", "activation_mean", "fluctuation", "kurtosis", "log_mean", "log_variance")
        for key in (*keys, "dead"):
            if (other := getattr(expected, key)) is not None:
                if key == "kurtosis":
                    assert found.kurtosis.names == ("1", "2", "3", "4")
                same(getattr(found, key), other)
        expected = backward(network, inputs)
        found = records.backward(network, inputs, "linear", "infinite")
        for key in (*GRADIENTS, "fluctuation", "log_mean", "log_variance"):
            same(getattr(found, key), getattr(expected, key))
    for loss in ("cross_entropy", np.arange(10.0)):
        expected = backward(network, rows[0], loss=loss)
        found = records.backward(network, rows[0], loss, "infinite")
        for key in GRADIENTS:
            same(getattr(found, key), getattr(expected, key))
    expected = theory.pair(network, 0.3, order="infinite").correlation
    same(records.pair(network, 0.3, None, None).correlation, expected)
    two = as_inputs(rows[:2], 20).rows
    expected = theory.pair(network, inputs=two, order="infinite").correlation
    same(records.pair(network, None, two, None).correlation, expected)
    gram = theory.gram(network, two)
    np.testing.assert_allclose(gram.at("3")[0, 0], forward(network, two[0]).variance[2], 1e-12)


def _by_mpmath(product, gain, bias, sizes, cosine, depth):
    """Return the correlations of ``depth`` layers in fifty digits, by closed forms of E phi phi."""
    with mpmath.workdps(50):
        a, b, *weights = (mpmath.mpf(x) for x in (*sizes, gain, bias))
        k, found = mpmath.mpf(cosine) * mpmath.sqrt(a * b), []
        for _ in range(depth):
            a, b, k = (weights[0] * x + weights[1] for x in (a, b, k))
            found.append(k / mpmath.sqrt(a * b))
            a, b, k = product(a, a, a), product(b, b, b), product(a, b, k)
        return found


PRODUCTS = {
    "erf": lambda a, b, k: 2 / mpmath.pi * mpmath.asin(2 * k / mpmath.sqrt((1 + 2 * a) * (1 + 2 * b))),
    "sin": lambda a, b, k: mpmath.exp(-(a + b) / 2) * mpmath.sinh(k),
    "relu": lambda a, b, k: (
        (mpmath.sqrt(a * b - k * k) + k * (mpmath.pi - mpmath.acos(k / mpmath.sqrt(a * b)))) / (2 * mpmath.pi)
    ),
}


@pytest.mark.parametrize(("name", "gain", "bias"), [("erf", 4.0, 0.05), ("sin", 4.0, 0.0), ("relu", 2.0, 0.01)])
@pytest.mark.parametrize("cosine", quick(0.4, -0.3, 1 - 1e-14, slow=[0.4, -0.3].count))
def test_errors_of_deep_pairs_are_bounds_of_use(name, gain, bias, cosine):
    """In chaos two inputs part from 1e-15 to all there is, and no digit of what they are apart is lost."""
    network = Network([8] * 101, name, "lecun", multiplier=gain, bias_variance=bias)
    exact = _by_mpmath(PRODUCTS[name], network.layers[0].weight_variance * 8, bias, (1, 1), cosine, 100)
    for found, most in (
        (records.pair(network, cosine, None, "infinite").correlation, 1e-11),
        (theory.pair(network, cosine, order="infinite").correlation, 1e-6),
    ):
        off = np.array([float(abs(value - right)) for value, right in zip(found.values, exact, strict=True)])
        assert (off <= found.errors).all()
        assert (found.errors <= most).all()


@pytest.mark.parametrize("sizes", [(1.0, 0.25), (4.0, 3.9)])
def test_errors_of_two_inputs_of_different_sizes(sizes):
    rows = np.array([[1.0, 0.0], [0.6, 0.8]]) * np.sqrt(2 * np.array(sizes))[:, None]
    network = Network([2] + [8] * 60, "erf", "lecun", multiplier=4.0, bias_variance=0.05)
    found = records.pair(network, None, rows, "infinite").correlation
    exact = _by_mpmath(
        PRODUCTS["erf"],
        network.layers[1].weight_variance * 8,
        0.05,
        sizes,
        rows[0] @ rows[1] / np.sqrt((rows[0] @ rows[0]) * (rows[1] @ rows[1])),
        60,
    )
    off = np.array([float(abs(value - right)) for value, right in zip(found.values, exact, strict=True)])
    assert (off <= found.errors).all()
    assert (found.errors <= 1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "hardtanh", "leaky_relu(-0.5)"])
def test_deep_pairs_as_chains_have_them(name):
    """At the edge of chaos, where errors once grew by a factor a layer, to 2."""
    network = Network([8] * 51, name, "lecun")
    found = records.pair(network, 0.4, None, "infinite").correlation
    expected = theory.pair(network, 0.4, order="infinite").correlation
    assert (np.abs(found.values - expected.values) <= found.errors + expected.errors).all()
    assert (found.errors <= 1e-9).all()


def test_cosines_of_two_inputs_are_the_correlation_where_every_network_is_alike():
    block = Residual(LayerNorm(), Dense(16), "gelu", Dense(8))
    found = theory.pair(Network.sequential(8, Dense(8), *[block] * 3), 0.3)
    np.testing.assert_allclose(found.cosine.values, found.correlation.values, rtol=1e-14)
    assert (found.cosine_variance.values == 0).all()
    assert found.cosine.names == found.correlation.names
    dead = theory.pair(Network.sequential(8, Dense(8), Residual(Dense(8), drop=0.4, skip=0), Dense(3)), 0.3)
    np.testing.assert_allclose(dead.cosine.values, 0.3, rtol=1e-14)  # where neither is 0
    assert (dead.correlation.values[-2:] < 0.25).all()


def test_half_square_where_outputs_are_few():
    network = Network([10**6] * 4 + [1], "tanh", "lecun")
    expected = backward(network, loss="half_square").gradient_variance
    found = records.backward(network, None, "half_square", "infinite").gradient_variance
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5)


# Closed forms and neural-tangents, as in BLOCKS.md's reference numbers.


def stream(layers, q=1.0, product=0.6, backward=False):
    """Return K of two inputs of second moment ``q`` and that cosine, behind Dense(lecun) and ``layers``."""
    x = np.array([[1.0, 0.0], [product, np.sqrt(1 - product**2)]]) * np.sqrt(2 * q)
    network = Network.sequential(2, Dense(64, "lecun"), *layers)
    gram = theory.gram(network, x)
    return gram.values[-1]


def mlp(phi, first, second, *norm, **terms):
    last = Dense(64, "lecun", multiplier=second)
    return Residual(*norm, Dense(64, "lecun", multiplier=first), phi, last, **terms)


def test_reference_numbers():
    pre = [mlp("gelu", 1.5, 0.8, LayerNorm(0.0))] * 6
    assert stream(pre)[0, 0] == pytest.approx(4.224947307073869, rel=1e-9)
    post = [mlp("relu", 2, 1), LayerNorm(0.0)] * 6
    network = Network.sequential(
        2, Dense(64, "lecun"), *post, Dense(64, "lecun")
    )  # so that the norm's value is a place
    x = np.array([[1.0, 0.0], [0.6, 0.8]]) * np.sqrt(2)
    assert theory.gram(network, x).values[-1][0, 1] == pytest.approx(0.7667842602269803, rel=1e-9)
    geglu = [Residual(LayerNorm(0.0), Gate(64, "gelu", "lecun"), Dense(64, "lecun"))] * 4
    assert stream(geglu)[0, 0] == pytest.approx(2.7008859302811947, rel=1e-9)
    last = stream([mlp("relu", 2, 1, LayerNorm(0.0))] * 12, product=0.0)
    assert last[0, 1] / last[0, 0] == pytest.approx(0.46187798141115805, rel=1e-12)


def test_layer_norm_after_relu_makes_gradients_grow_by_pi_over_pi_minus_one():
    def growth(norm):
        network = Network.sequential(64, Dense(64, "lecun"), *["relu", norm, Dense(64, "lecun")] * 3)
        delta = backward(network).gradient_variance.values
        return delta[:-1] / delta[1:]

    np.testing.assert_allclose(growth(LayerNorm(0.0)), np.pi / (np.pi - 1), rtol=1e-12)
    np.testing.assert_allclose(growth(RMSNorm(0.0)), 1.0, rtol=1e-12)
    before = Network.sequential(64, Dense(64, "lecun"), *[LayerNorm(0.0), "relu", Dense(64)] * 3)
    np.testing.assert_allclose(backward(before).gradient_variance.values, 1.0, rtol=1e-12)


@pytest.mark.slow
def test_the_table_of_schemes():
    depth = 20
    for layers, q, ratio in (
        ([mlp("relu", 2, 1)] * depth, 2.0**depth, 2.0**depth),
        ([mlp("relu", 2, 1, scale=depth**-0.5)] * depth, (1 + 1 / depth) ** depth, (1 + 1 / depth) ** depth),
        ([mlp("relu", 2, 1, RMSNorm(0.0))] * depth, 1 + depth, 1 + depth),
    ):
        network = Network.sequential(64, Dense(64, "lecun"), *layers)
        assert last(forward(network).variance) == pytest.approx(q, rel=1e-12)
        assert backward(network).gradient_variance[0] == pytest.approx(ratio, rel=1e-12)
    post = Network.sequential(64, Dense(64, "lecun"), *[mlp("relu", 2, 1), RMSNorm(0.0)] * depth)
    assert backward(post).gradient_variance[0] == pytest.approx(1.0, rel=1e-12)


def test_branch_that_ends_in_an_activation():
    """x + relu(W x): E of the sum's square is 2 q + 2 E x E relu; at the first block E x = 0, then the means meet."""
    network = Network.sequential(64, Dense(64, "lecun"), Residual(Dense(64), "relu"), Residual(Dense(64), "relu"))
    q1 = 1 + 1.0
    mean1 = np.sqrt(2 / (2 * np.pi))
    q2 = q1 + q1 + 2 * mean1 * np.sqrt(2 * q1 / (2 * np.pi))
    found = forward(network)
    np.testing.assert_allclose(found.variance.values[[2, 4]], [q1, q2], rtol=1e-13)
    np.testing.assert_allclose(found.activation_mean.values[1], mean1, rtol=1e-13)
    centred = Network.sequential(
        64, Dense(64, "lecun"), Residual(Dense(64), "relu"), LayerNorm(0.0), Dense(64, "lecun")
    )
    assert forward(centred).variance[-1] == pytest.approx(1.0, rel=1e-12)
    delta = backward(centred).gradient_variance
    assert delta.values[2] == pytest.approx(1 / (q1 - mean1**2), rel=1e-12)


@pytest.mark.slow
def test_dropout():
    """c = p kappa(c) is the fixed point of two copies of one input; each mask multiplies q by 1 / p."""
    p, depth = 0.8, 200
    network = Network.sequential(4, *[Dense(64, "he"), "relu", Dropout(1 - p)] * depth, Dense(64), positions=2)
    one = np.ones((2, 4))
    found = forward(network, one)
    assert last(found.cosine) == pytest.approx(0.47279934721349615, rel=1e-10)
    assert last(found.log_mean) == pytest.approx(np.log(2) - depth * np.log(p), rel=1e-12)
    grown = backward(network, one).log_mean.values
    np.testing.assert_allclose(np.diff(grown)[:-1], np.log(p), rtol=1e-10)


@pytest.mark.parametrize("count", [3, 14])
def test_stochastic_depth(count):
    """ReLU blocks: E q = prod(skip^2 + scale^2 t / p), also where gates are drawn; log_mean from the two values."""
    block = Residual(Dense(64), "relu", Dense(64, "lecun"), skip=0.8, scale=0.6, drop=0.3)
    network = Network.sequential(64, Dense(64, "lecun"), *[block] * count)
    found, back = forward(network), backward(network)
    one, kept = 0.64 + 0.36 / 0.7, 0.64 + 0.36 / 0.49
    assert abs(last(found.variance) - one**count) <= found.variance.errors[-1] + 1e-12
    assert abs(back.gradient_variance[0] - one**count) <= back.gradient_variance.errors[0] + 1e-12
    square = (0.3 * 0.64**2 + 0.7 * kept**2) / one**2
    assert abs(last(found.fluctuation) - (square**count - 1)) <= found.fluctuation.errors[-1] + 1e-12
    log = count * (0.3 * np.log(0.64) + 0.7 * np.log(kept))
    assert abs(last(found.log_mean) - log) <= found.log_mean.errors[-1] + 1e-12
    if count > 10:
        assert found.variance.errors[-1] < 0.1 * last(found.variance)


def test_eps_counts_in_both_directions():
    q, eps = 8e-4, 1e-5
    network = Network.sequential(4, Dense(64, "lecun"), mlp("relu", 2, 1, LayerNorm(eps)))
    x = np.full(4, np.sqrt(q))
    found, back = forward(network, x), backward(network, x)
    share = q / (q + eps)
    np.testing.assert_allclose(found.variance.values, [q, 2 * share, share, q + share], rtol=1e-12)
    assert back.gradient_variance[0] == pytest.approx(1 + 1 / (q + eps), rel=1e-12)
    exact = Network.sequential(4, Dense(64, "lecun"), mlp("relu", 2, 1, LayerNorm(0.0)))
    assert forward(exact, x).variance[2] / found.variance[2] - 1 == pytest.approx(eps / q, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("multiplier", [0.25, 4.0])
def test_many_blocks(multiplier):
    layer = Dense(64, "he", multiplier=multiplier)
    network = Network.sequential(64, Dense(64), *[Residual(layer, "relu", layer)] * 400)
    found, back = forward(network), backward(network)
    step = np.log1p(2 * multiplier**2)
    np.testing.assert_allclose(found.log_mean.values[3::3], np.log(2) + step * np.arange(1, 401), rtol=1e-12)
    np.testing.assert_allclose(back.log_mean.values[0], 400 * step, rtol=1e-12)


@pytest.mark.parametrize("name", quick("tanh", "gelu", "softplus", slow=["softplus", "tanh"].count))
def test_numbers_beyond_float64(name):
    layer = Dense(64, "he", multiplier=1e8)
    network = Network.sequential(64, Dense(64), *[Residual(layer, name, layer)] * 40)
    found, back = forward(network), backward(network)
    assert np.isfinite(found.log_mean.values).all()
    assert np.isfinite(back.log_mean.values).all()
    if name != "tanh":  # half of its square slope, far from 0
        assert found.variance.values[-1] == np.inf
        np.testing.assert_allclose(np.diff(found.log_mean.values[3::3]), np.log(2e16), rtol=1e-9)
        np.testing.assert_allclose(-np.diff(back.log_mean.values[3::3]), np.log(2e16), rtol=1e-9)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("positions", [1, 2])
def test_blocks_within_blocks_without_a_dense_between(given, positions):
    """Both paths hold x: 0.8 x + 0.7 (x - 0.6 W x) = 1.5 x - 0.42 W x, on the way back too."""
    inner = Residual(Dense(8, "lecun"), scale=-0.6)
    network = Network.sequential(8, Residual(inner, skip=0.8, scale=0.7), Dense(8, "lecun"), positions=positions)
    x = np.random.default_rng().normal(size=(positions, 8))
    x = (x[0] if positions == 1 else x) if given else None
    q = (x * x).mean() if given else 1.0
    found = forward(network, x)
    top = found.names.index("block 1")
    factor = 1.5**2 + 0.42**2
    assert found.variance.values[top] == pytest.approx(factor * q, rel=1e-13)
    back = backward(network, x)
    assert float(back.input_gradient_variance) == pytest.approx(factor, rel=1e-13)
    assert back.gradient_variance.values[top] == pytest.approx(1.0, rel=1e-13)
    samples = np.random.default_rng().normal(size=(2, positions, 8)).reshape((2, 8) if positions == 1 else (2, -1, 8))
    gram = theory.gram(network, samples)
    rows = samples.reshape(-1, 8)
    np.testing.assert_allclose(gram.at("block 1"), factor * rows @ rows.T / 8, rtol=1e-12, atol=1e-14)
    same = np.kron(np.ones((2, 2)), np.eye(positions))
    np.testing.assert_allclose(theory.gram(network, samples, backward=True).at("block 1"), same, rtol=1e-12)
    assert (gram.errors < 1e-13).all()


def test_a_network_without_weights_has_no_tangents():
    double = Network.sequential(4, Residual("linear"))
    assert (theory.ntk(double, np.eye(4)).values == 0).all()
    np.testing.assert_allclose(theory.nngp(double, np.eye(4)).values, np.eye(4), rtol=1e-13)
    assert float(backward(double).input_gradient_variance) == pytest.approx(4, rel=1e-13)


def test_blocks_within_blocks_of_any_depth():
    """x + (x + (x + ... W x)): 20 deep."""
    block = Dense(8, "lecun")
    for _ in range(20):
        block = Residual(block)
    network = Network.sequential(8, block, Dense(8))
    assert forward(network, np.ones(8)).variance.values[-2] == pytest.approx(20**2 + 1, rel=1e-13)
    assert float(backward(network, np.ones(8)).input_gradient_variance) == pytest.approx(2 * (20**2 + 1), rel=1e-13)
    row = Residual(*[Residual(Dense(8, "lecun"), scale=0.5)] * 300)  # 1.25^300, of which 1 goes with x
    network = Network.sequential(8, row, Dense(8, "lecun"))
    assert forward(network).log_mean.values[-2] == pytest.approx(np.log(1.25**300 + 3), rel=1e-13)


def test_blocks_within_blocks_and_what_does_not_change_a_direction():
    norm = Network.sequential(8, Dense(8), Residual(LayerNorm(0.0), Residual(Dense(8), drop=0.5), scale=0.5))
    z = forward(norm)  # sqrt(2) + 1/2, then 1/2 W x / (1/2) in half of the networks, W of variance 2 / fan_in
    assert z.variance.values[-1] == pytest.approx((np.sqrt(2) + 0.5) ** 2 + 0.25 * 2 / 0.5, rel=1e-12)
    masks = Network.sequential(8, Dense(8, "lecun"), Residual(Dropout(0.2), Residual(Dense(8, "lecun"))))
    expected = 1 + 2 + 1 / 0.8 + 1 / 0.8
    assert forward(masks).variance.values[-1] == pytest.approx(expected, rel=1e-13)
    assert backward(masks).gradient_variance.values[0] == pytest.approx(expected, rel=1e-13)
    away = Network.sequential(8, Dense(8), Residual(Residual(Dense(8, "lecun")), scale=-1), Dense(8, "lecun"))
    assert forward(away).variance.values[-1] == pytest.approx(2, rel=1e-12)  # x - (x + W x)
    gone = Network.sequential(8, Dense(8), Residual(LayerNorm(0.0), scale=-np.sqrt(2)), Dense(8, "lecun"))
    assert abs(forward(gone).variance.values[-1]) < 1e-14
    given = Network.sequential(4, Residual("relu"), Dense(4, "lecun"))  # x + relu(x) of numbers
    x = np.array([-1.0, 2.0, 3.0, -4.0])
    assert forward(given, x).variance.values[-1] == pytest.approx((1 + 16 + 36 + 16) / 4, rel=1e-13)
    assert float(backward(given, x).input_gradient_variance) == pytest.approx((1 + 4 + 4 + 1) / 4, rel=1e-13)


def test_positions():
    rng = np.random.default_rng()
    x = rng.standard_normal((2, 3, 5)) * rng.uniform(0.1, 10, (2, 3, 1))
    network = Network.sequential(5, Dense(64, "lecun"), mlp("gelu", 1, 1, LayerNorm()), Dense(8), positions=(2, 3))
    found = forward(network, x)
    assert found.names == ("dense 1", "block 1 / dense 1", "block 1 / dense 2", "block 1", "dense 2")
    alone = Network.sequential(5, Dense(64, "lecun"), mlp("gelu", 1, 1, LayerNorm()), Dense(8))
    for position in np.ndindex(2, 3):
        here = forward(alone, x[position])
        np.testing.assert_allclose(found.at(position).variance, here.variance, rtol=1e-13)
    np.testing.assert_allclose(found.at(4).variance, found.at((1, 1)).variance)
    np.testing.assert_allclose(np.mean([found.at(i).variance for i in range(6)], axis=0), found.variance)
    gram = theory.gram(network, x)
    assert gram.values.shape == (5, 6, 6)
    root = np.sqrt(np.diagonal(gram.at("block 1")))
    cosine = gram.at("block 1") / np.outer(root, root)
    assert found.cosine[3] == pytest.approx((cosine.sum() - 6) / 30, rel=1e-12)
    for wrong in (6, -7, (2, 0), (1,), "first", 1.0):
        with pytest.raises(IndexError, match="this network has 0 to"):
            found.at(wrong)
    with pytest.raises(ValueError, match=r"\(2, 3, 5\)"):
        forward(network, x[0])
    with pytest.raises(ValueError, match=r"\(6, 6, 6\)|bytes"):
        forward(Network.sequential(5, LayerNorm(), Dense(5), positions=(10**3, 10**3)))
    data = forward(network, np.stack([x, 2 * x]))
    np.testing.assert_allclose(data.variance[0], 2.5 * found.variance[0], rtol=1e-13)
    table = str(found)
    assert "block 1 / dense 2" in table
    assert "place" in table
    chain = forward(Network.sequential(5, Dense(8), "relu", Dense(8), positions=2))
    assert chain.names == ("1", "2")


@pytest.mark.slow
def test_data_of_many_rows_are_a_mixture():
    rng = np.random.default_rng()
    x = rng.standard_normal((300, 5)) * rng.uniform(0.1, 10, (300, 1))
    network = Network.sequential(5, Dense(8), Residual(Dense(8), "tanh", Dense(8)), "softplus", LayerNorm(), Dense(8))
    found, back = forward(network, x), backward(network, x)
    ones = [forward(network, row) for row in x[:40]]
    part, part_back = forward(network, x[:40]), backward(network, x[:40])
    for key in ("variance", "second_moment", "log_mean", "activation_mean"):
        expected = np.mean([getattr(one, key).values for one in ones], axis=0)
        np.testing.assert_allclose(getattr(part, key).values, expected, rtol=1e-11)
    u = np.array([one.variance.values for one in ones]) / part.variance.values
    np.testing.assert_allclose(part.fluctuation.values, (u**2).mean(axis=0) - 1, atol=1e-12)
    expected = np.mean([backward(network, row).weight_gradient_variance.values for row in x[:40]], axis=0)
    np.testing.assert_allclose(part_back.weight_gradient_variance.values, expected, rtol=1e-11)
    assert np.isfinite(found.variance.values).all()
    assert float(back.input_gradient_variance) > 0


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_theory(name):
    network = Network.sequential(8, Dense(8), LAYERS[name].example, Dense(8), positions=2)
    found, back = forward(network), backward(network)
    assert found.variance.names == tuple(place.name for place in network.places)
    for record in (found, back):
        assert {profile.origin for profile in record.profiles.values()} == {"infinite width"}
        assert record.relative_error < 1e-12
        str(record)
        repr(record)
    assert theory.ntk(network, np.eye(8)[:4].reshape(2, 2, 8)).values.shape == (4, 4)


@pytest.mark.parametrize("name", [*NAMES, "selu", "silu", "softsign"])
def test_means_of_activations(name):
    from varprop.activations import activation

    phi, q = activation(name), np.array([1e-6, 0.1, 1.0, 7.0, 1e4])
    values, errors = first_moment(phi, q)
    for found, error, scale in zip(values, errors, np.sqrt(q), strict=True):
        kinks = [k / scale for k in (-1.0, 0.0, 1.0)]
        near = np.concatenate([-np.geomspace(1e-6, 1, 30), np.geomspace(1e-6, 1, 30)])
        edges = np.unique(
            np.clip(np.concatenate([np.linspace(-12, 12, 200 if name != "sin" else 20000), near, kinks]), -12, 12)
        )
        z, weights = panel_nodes(edges[None], 16)
        f = phi.phi(scale * z) * weights
        assert abs(found - f.sum()) <= error + 1e-13 * np.abs(f).sum()
        assert error <= 1e-11 * np.abs(f).sum()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Dense(8), "relu", "tanh"], "tanh 1"),
        ([Dense(8), Residual(LayerNorm(), Gate(8, "gelu")), "relu"], "relu 1"),
        ([Dense(8), Residual(Dropout(0.1), "relu", Dense(8))], "block 1 / relu 1"),
        ([Dense(8), Residual("relu")], "block 1 "),
        ([Dense(8), Residual(Residual("relu"))], "block 1 / block 1 "),
        ([Dense(8), Residual(Residual(Dense(8)), "relu", "tanh")], "block 1 / tanh 1"),
    ],
)
def test_what_theory_does_not_know(layers, words):
    with pytest.raises(ValueError, match=rf"{words}.*Dense"):
        forward(Network.sequential(8, *layers))


def test_activations_of_given_inputs_are_means_over_their_numbers():
    x = np.array([-1.0, 0.5, 2.0, 3.0])
    network = Network.sequential(4, "relu", Dense(8, "lecun"))
    assert forward(network, x).variance[0] == pytest.approx((0.25 + 4 + 9) / 4)
    assert float(backward(network, x).input_gradient_variance) == pytest.approx(8 / 4 * 3 / 4)
    normed = Network.sequential(4, LayerNorm(0.0), "tanh", Dense(8, "lecun"))
    y = (x - x.mean()) / x.std()
    assert forward(normed, x).variance[0] == pytest.approx((np.tanh(y) ** 2).mean())


def test_bad_questions():
    network = Network.sequential(4, Dense(4, "he_uniform"), LayerNorm(), Dense(3), positions=2)
    for order in ("first", "exact"):
        words = "a chain .* 2 positions" if order == "first" else "normal weights"
        with pytest.raises(ValueError, match=rf"{order}.* needs {words}"):
            theory.forward(network, order=order)
    with pytest.raises(ValueError, match="'second'"):
        theory.backward(network, order="second")
    with pytest.raises(ValueError, match=r"cross_entropy.* 2 positions"):
        theory.backward(network, loss="cross_entropy")
    with pytest.raises(ValueError, match=r"half_square.* layer norm 1"):
        theory.backward(Network.sequential(4, Dense(4), LayerNorm()), loss="half_square")
    with pytest.raises(ValueError, match=r"\(4,\)"):
        theory.backward(network, loss=np.ones(4))
    assert theory.backward(network, loss=np.ones((2, 3))).loss == "given"
    for function in (theory.gram, theory.nngp, theory.ntk):
        with pytest.raises(ValueError, match="inputs is None"):
            function(network, None)
        with pytest.raises(TypeError, match="widths"):
            function("widths", np.ones(4))
    with pytest.raises(KeyError, match="dense 3"):
        theory.gram(network, np.ones((2, 4))).at("dense 3")
    bad = custom_activation(lambda z: z, name="mine")
    with pytest.raises(ValueError, match="mine"):
        theory.ntk(Network.sequential(4, Dense(4), bad, LayerNorm(), Dense(2)), np.eye(4))


@dataclass(frozen=True)
class Half(Layer):
    """A layer that somebody adds: x / 2."""

    word: ClassVar[str] = "half"


def test_a_layer_that_is_added_needs_only_its_rule(monkeypatch):
    rule = SimpleNamespace(
        forward=lambda node, index, sources, kept: replace(sources[0], gram=sources[0].gram.times(0.25)),
        backward=lambda node, gradient, sources, kept: (gradient.times(0.25),),
    )
    monkeypatch.setitem(evaluate.RULES, Half, rule)
    network = Network.sequential(6, Dense(6), Half(), "relu", Dense(6))
    predicted = theory.forward(network)
    np.testing.assert_allclose(predicted.variance, [2, 0.5], rtol=1e-13)
    assert predicted.variance.origin == "infinite width"
    np.testing.assert_allclose(theory.backward(network).gradient_variance, [0.25, 1], rtol=1e-13)
    with pytest.raises(ValueError, match=r"order 'exact' needs .* half 1 is none"):
        theory.forward(network, order="exact")


def test_correlation_is_a_ratio_of_means_where_gates_differ():
    """E z z' is x's and the branch's; E z^2 holds the branch's over the probability of keeping it."""
    block = Residual(Dense(64), "relu", Dense(64), drop=0.3)
    found = theory.pair(Network.sequential(64, Dense(64), block), 0.2).correlation
    x, branch, total = (found.values[found.names.index(name)] for name in ("dense 1", "block 1 / dense 2", "block 1"))
    assert total == pytest.approx((2 * x + 4 * branch) / (2 + 4 / 0.7), rel=1e-12)
    each = np.array([x, (2 * x + 4 / 0.7**2 * branch) / (2 + 4 / 0.7**2)])  # who drops both, and who keeps both
    both, one = np.array([0.3**2, 0.7**2]), 2 / np.sqrt(2 * (2 + 4 / 0.7**2)) * x  # one drops what the other keeps
    mean = both @ each + 2 * 0.3 * 0.7 * one
    pair = theory.pair(Network.sequential(64, Dense(64), block), 0.2)
    assert pair.cosine.values[-1] == pytest.approx(mean, rel=1e-12)
    spread = both @ each**2 + 2 * 0.3 * 0.7 * one**2 - mean**2
    assert pair.cosine_variance.values[-1] == pytest.approx(spread, rel=1e-11)
    assert (pair.cosine_variance.values[:-1] == 0).all()
    linear = Residual(Dense(64, "lecun"), drop=0.3)  # 4096 patterns of 16 gates are drawn
    deep = theory.pair(Network.sequential(64, *[linear] * 8), 1.0).correlation
    assert abs(deep.values[-1] - (2 / (1 + 1 / 0.7)) ** 8) < deep.errors[-1] < 0.05
