"""Exact moments at any width: closed forms, and narrow networks whose every weight is drawn."""

import numpy as np
import pytest
from drawn_graph import Drawn
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, origins, score

from varprop import Network, VarianceScaling, leaky_relu, theory
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm

X = np.linspace(0.3, 1.5, 5) + 0.4


def fixed(width, variance):
    return Dense(width, VarianceScaling(variance, "none"))


def test_relu_blocks_of_blocks_md():
    """n = 5, m = 7, alpha = 0.7, beta = 0.9, four blocks: E|x|^2 and E|x|^4, and the same for the gradient."""
    block = Residual(fixed(7, 0.44), "relu", fixed(5, 0.8 / 7), skip=0.9, scale=0.7)
    network = Network.sequential(5, *[block] * 4)
    found, back = theory.forward(network, X), theory.backward(network, X, loss=np.ones(5))
    q = (X**2).mean()
    assert found.variance[-1] / q == pytest.approx(2.3733788486369543, rel=1e-13)
    assert (1 + found.fluctuation[-1]) * (found.variance[-1] / q) ** 2 == pytest.approx(18.728604827804215, rel=1e-13)
    assert float(back.input_gradient_variance) == pytest.approx(2.3733788486369543, rel=1e-13)
    first = 1 - 1 / 4  # blocks above the first place
    assert back.gradient_variance[2] == pytest.approx(2.3733788486369543**first, rel=1e-13)
    assert back.fluctuation[2] + 1 == pytest.approx((18.728604827804215 / 2.3733788486369543**2) ** first, rel=1e-13)
    assert found.variance.origin == back.gradient_variance.origin == back.weight_gradient_variance.origin == "exact"
    assert found.variance.errors[-1] < 1e-13 * found.variance[-1]
    one = 0.81 + 0.49 * 0.44 * 0.8 / 2 * 5
    delta, a = one**3, 0.44 * 7 / 2 * 5 * q
    assert back.weight_gradient_variance[1] == pytest.approx(0.49 * delta * 5 * a / 35, rel=1e-13)
    assert back.weight_gradient_variance[0] == pytest.approx(0.49 * 0.8 / 2 * delta * 5 * 5 * q / 35, rel=1e-13)


def test_pre_norm_blocks_of_blocks_md():
    for norm in (RMSNorm(0.0), LayerNorm(0.0)):
        network = Network.sequential(5, *[Residual(norm, fixed(7, 0.3), "gelu", fixed(5, 0.9 / 7))] * 6)
        found = theory.forward(network, X)
        assert found.variance[-1] == pytest.approx(5.498065720458102, rel=1e-12)
        assert found.variance.origin == "exact"


@pytest.mark.slow
def test_fluctuation_does_not_grow_with_depth_for_small_branches():
    """alpha^2 = 1 / L: E q^2 / (E q)^2 comes to about 1 + 4 / n, whatever L."""
    n, depth = 100, 200
    block = Residual(Dense(n), "relu", Dense(n, "lecun"), scale=depth**-0.5)
    found = theory.forward(Network.sequential(n, *[block] * depth), np.ones(n))
    assert found.fluctuation[-1] == pytest.approx(np.exp(4 / n) - 1, rel=0.01)
    doubling = theory.forward(
        Network.sequential(n, *[Residual(Dense(n), "relu", Dense(n, "lecun"))] * depth), np.ones(n)
    )
    assert doubling.variance[-1] == pytest.approx(2.0**depth, rel=1e-10)
    assert doubling.fluctuation[-1] == pytest.approx((1 + 11 / (4 * n) + 2.5 / n**2) ** depth - 1, rel=1e-10)


def test_dropout_in_relu_chains():
    """The fluctuation's second moment gains 1 + (6 / p - 1) / n a layer."""
    n, p = 20, 0.8
    network = Network.sequential(n, *[Dense(n), "relu", Dropout(1 - p)] * 5, Dense(n))
    found = theory.forward(network, np.ones(n))
    grown = (1 + found.fluctuation.values[1:]) / (1 + found.fluctuation.values[:-1])
    np.testing.assert_allclose(grown, 1 + (6 / p - 1) / n, rtol=1e-13)
    np.testing.assert_allclose(found.variance.values, 2 * p ** -np.arange(6.0), rtol=1e-13)


def test_sequences_of_a_chain_are_as_before():
    chain = Network([5, 8, 6, 4], leaky_relu(0.2), "he", bias_variance=0.1)
    expected, back = theory.forward(chain), theory.backward(chain)
    same = Network.sequential(5, *chain.sequence, positions=2)  # no chain for its positions alone
    found, grown = theory.forward(same).at(1), theory.backward(same).at(1)
    assert found.variance.names == ("1", "2", "3")
    for name in ("variance", "second_moment", "fluctuation", "kurtosis"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    for name in ("gradient_variance", "fluctuation"):
        np.testing.assert_allclose(getattr(grown, name), getattr(back, name), rtol=1e-12)
    np.testing.assert_allclose(grown.weight_gradient_variance, 2 * back.weight_gradient_variance.values, rtol=1e-12)


NETWORKS = {
    "relu": [Residual(Dense(7, multiplier=1.2), "relu", Dense(5, "lecun"), skip=0.9, scale=0.7)] * 2,
    "biases, dropout, depth": [
        Dense(6, bias_variance=0.1),
        leaky_relu(0.3),
        Residual(
            Dense(9, bias_variance=0.2),
            "relu",
            Dropout(0.2),
            Dense(8, bias_variance=0.1),
            leaky_relu(0.5),
            Dense(6),
            drop=0.2,
        ),
        Dense(3, bias_variance=0.1),
    ],
    "relu below a block": [Dense(6), "relu", Residual(Dense(4, bias_variance=0.1), "relu", Dense(6)), Dense(3)],
    "shortcut": [Dense(4), Residual(Dense(7), leaky_relu(0.2), Dense(6), shortcut=Dense(6, "lecun"), drop=0.25)],
    "nested": [
        Residual(Dense(5), Residual(Dense(5), leaky_relu(0.1), Dense(5, "lecun"), scale=0.6), Dense(5, "lecun"))
    ],
    "pre-norm": [Residual(LayerNorm(0.0), Dense(6, bias_variance=0.2), "gelu", Dense(5), drop=0.2)] * 2,
    "gate": [Dense(6), Residual(RMSNorm(0.0), Gate(6, "silu", "lecun", bias_variance=0.1), Dense(6), Dropout(0.1))],
    "post-norm": [
        Residual(Dense(6), "relu", Dense(5)),
        LayerNorm(0.0),
        Residual(Dense(6), "tanh", Dense(5)),
        RMSNorm(0.0),
        Dense(3),
    ],
}


def scores(network, x, networks, predicted, predicted_back):
    rng = np.random.default_rng(fresh_seed())
    x = np.broadcast_to(x, (networks, 1, 5)) if x is not None else rng.standard_normal((networks, 1, 5))
    drawn = Drawn(rng, network, x)
    below = drawn.back(rng.standard_normal(drawn.output.shape))
    z = []

    def judge(sample, value):
        if np.isfinite(value):
            z.append(score(mean_of(sample), value, 1e-9 * abs(value)))

    for i, name in enumerate(predicted.names):
        value, q = drawn.z[name], (drawn.z[name] ** 2).mean(axis=(1, 2))
        judge(q, predicted.variance[i])
        judge(q**2, (1 + predicted.fluctuation[i]) * predicted.variance[i] ** 2)
        judge((value**4).mean(axis=(1, 2)), predicted.kurtosis[i] * predicted.variance[i] ** 2)
        if predicted_back.gradient_variance.origin == "exact":
            d = (drawn.delta[name] ** 2).mean(axis=(1, 2))
            judge(d, predicted_back.gradient_variance[i])
            judge(d**2, (1 + predicted_back.fluctuation[i]) * predicted_back.gradient_variance[i] ** 2)
            judge(drawn.weight_gradient.get(name, np.zeros(2)), predicted_back.weight_gradient_variance[i])
    if predicted_back.gradient_variance.origin == "exact":
        judge((below**2).mean(axis=(1, 2)), float(predicted_back.input_gradient_variance))
    return np.array(z)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_against_drawn_networks(name):
    network = Network.sequential(5, *NETWORKS[name])
    found, back = theory.forward(network, X), theory.backward(network, X)
    assert found.variance.origin == "exact"
    assert back.gradient_variance.origin == ("infinite width" if name in ("pre-norm", "gate", "post-norm") else "exact")
    assert_agree(scores(network, X, 40_000, found, back))
    more = Network.sequential(5, *NETWORKS[name], Dense(4))
    wrong = theory.forward(Network.sequential(5, *NETWORKS[name], Dense(4, multiplier=0.1)), X)
    assert_rejected(scores(more, X, 30_000, wrong, theory.backward(network, X, order="infinite")))


def test_origin_says_where_eps_counts():
    def network(norm, *first):
        return Network.sequential(64, *first, *[Residual(norm, Dense(64), "gelu", Dense(64))] * 3)

    found = theory.forward(network(LayerNorm(1e-5), Dense(64)))
    assert found.variance.origin == "exact but for eps"
    exact, wide = (
        theory.forward(network(LayerNorm(0.0), Dense(64))),
        theory.forward(network(LayerNorm(1e-5), Dense(64)), order="infinite"),
    )
    assert exact.variance.origin == "exact"
    np.testing.assert_allclose(
        found.variance.values, wide.variance.values, rtol=1e-12
    )  # the means at most differ by eps
    assert (np.abs(found.variance.values - exact.variance.values) <= found.variance.errors).all()
    assert (found.variance.errors <= 3e-5 * found.variance.values).all()
    given = theory.forward(
        Network.sequential(64, Residual(LayerNorm(0.1), Dense(64), "gelu", Dense(64))), np.arange(64.0)
    )
    assert given.variance.origin == "exact"
    q = np.arange(64.0).var()
    assert given.variance[0] == pytest.approx(2 * q / (q + 0.1), rel=1e-13)
    assert "exact but for eps" in str(found)
    assert origins(found)["log_mean"] == "infinite width"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([Dense(8, "he_uniform"), LayerNorm()], "normal weights"),
        ([Residual(Dense(8), "tanh", Dense(8))], "block 1 / tanh 1"),
        ([Residual(Dense(8), "relu")], "block 1"),
        ([Residual(Gate(8, "gelu"), Dense(8))], "block 1 / gate 1"),
        ([Dense(8), Residual(Dense(8)), "relu"], "relu 1"),
    ],
)
def test_what_exactness_needs(layers, words):
    network = Network.sequential(8, *layers)
    assert theory.forward(network, order="infinite").variance.origin == "infinite width"
    with pytest.raises(ValueError, match=rf"'exact' needs .*{words}"):
        theory.forward(network, order="exact")
    with pytest.raises(ValueError, match=r"'exact' needs "):
        theory.backward(network, order="exact")


def test_what_exact_gradients_need():
    silent = Network.sequential(8, Dense(8), "relu", Residual(Dense(8), "relu", Dense(8)))
    with pytest.raises(ValueError, match="block 1 / relu 1"):
        theory.backward(silent, order="exact")
    assert theory.backward(silent).gradient_variance.origin == "infinite width"
    bias = Network.sequential(8, Dense(8), "relu", Residual(Dense(8, bias_variance=0.1), "relu", Dense(8)))
    assert theory.backward(bias).gradient_variance.origin == "exact"
    with pytest.raises(ValueError, match="layer norm 1"):
        theory.backward(Network.sequential(8, Dense(8), LayerNorm(), Dense(8)), order="exact")
    with pytest.raises(ValueError, match="half_square"):
        theory.backward(bias, loss="half_square", order="exact")
