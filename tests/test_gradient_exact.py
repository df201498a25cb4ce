"""Exact gradients of linear, ReLU and leaky ReLU networks: values by hand, and networks whose every weight is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_gradient import draw, scores
from drawn_signal import SPREAD
from evidence import assert_agree, assert_rejected, close
from scipy import special

from varprop import Network, VarianceScaling, theory

# Values by hand


def test_fluctuation_and_weight_gradients_of_relu():
    widths = [10, 7, 5, 3, 4]
    g = np.array([1.0, -2, 0, 3])
    network = Network(widths, "relu", VarianceScaling(2.0, "fan_out"))
    record = theory.backward(network, np.ones(10), loss=g)
    assert {p.origin for p in record.profiles.values()} == {"exact"}
    grown = np.cumprod([1, 1 + 5 / 3, 1 + 5 / 5, 1 + 5 / 7])[::-1]
    alive = np.cumprod([1.0, 1 - 0.5**7, 1 - 0.5**5, 1 - 0.5**3])
    reached = np.r_[alive[:3], 1.0]  # delta^L is what it is
    close(record.fluctuation, grown / reached - 1, atol=1e-14)
    close(record.gradient_variance, (g @ g) / 4 * reached)
    forward = theory.forward(network, np.ones(10))
    below = np.r_[1.0, forward.second_moment[:-1]]
    close(record.weight_gradient_variance, (g @ g) / 4 * below)  # independent, and both 0 where dead
    close(record.dead, np.full(4, 1 - alive[-1]))
    assert record.loss == "given"


def test_linear_logarithms_are_digammas():
    widths = np.array([6, 1, 3, 8])
    record = theory.backward(Network(widths, "linear", "unit", bias_variance=0.3))
    n = widths[1:]
    close(record.log_mean, (np.cumsum((special.digamma(n / 2) + np.log(2))[::-1])[::-1] - np.log(n)), atol=1e-13)
    close(record.log_variance, np.cumsum(special.polygamma(1, n / 2)[::-1])[::-1])


def test_jacobian_identities():
    """J is the derivative of z^L by x, delta^L ~ N(0, I), so that E|delta^0|^2 = E|J|^2."""
    widths, slope = [4, 6, 3, 5], 0.3
    for activation, p1, p2 in (("relu", 0.5, 0.5), ("linear", 1, 1), (f"leaky_relu({slope})", 0.545, 0.50405)):
        network = Network(widths, activation, bias_variance=0.7)
        record = theory.backward(network, np.ones(4))
        t1, t2 = 16.0, 4.0
        for layer in network.layers:
            n, v = layer.fan_out, layer.weight_variance
            c1, c2, cd = v**2 * (n**2 * t1 + 2 * n * t2), v**2 * (n * t1 + (n**2 + n) * t2), v**2 * n * (t1 + 2 * t2)
            first, second = (1, 1) if n == 5 else (p1, p2)
            t1, t2 = first**2 * c1 + (second - first**2) * cd, first**2 * c2 + (second - first**2) * cd
        v, n = network.layers[0].weight_variance, widths[1]
        size = 4 * v * n * record.gradient_variance[0]
        assert size == pytest.approx(4 * np.prod([l.weight_variance * l.fan_out for l in network.layers]) * p1**2)
        assert size**2 * (record.fluctuation[0] + 1) * (1 + 2 / 4) == pytest.approx(t1 + 2 * t2, rel=1e-12)


def test_half_square_of_a_deep_linear_network():
    """|delta^0|^2 = |W' W x|^2 of one layer has mean (n_1 + n_0 + 1) / n_0 times |W x|^2's, with n_1 / n_0 Var."""
    network = Network([5, 3, 4], "linear", "lecun")
    record = theory.backward(network, np.ones(5), loss="half_square")
    assert record.fluctuation.origin == "exact"
    close(record.gradient_variance, [4 / 3 * (3 + 4 + 1) / 3, 1.0])
    forward = theory.forward(network, np.ones(5))
    assert record.fluctuation[-1] == pytest.approx(forward.fluctuation[-1])
    assert record.gradient_variance[-1] == pytest.approx(forward.variance[-1])


def test_where_a_dead_layer_matters():
    """A dead ReLU layer leaves z = 0 above; linear slopes are 1 there, relu's 0, and biases revive."""
    x, zero = np.ones(3), np.zeros(3)
    network = Network([3, 2, 4, 2], ["relu", "linear"])
    v2, v3 = network.layers[1].weight_variance, network.layers[2].weight_variance
    close(theory.backward(network, x).gradient_variance, [4 * v2 / 2 * 2 * v3, 2 * v3, 1.0])
    close(theory.backward(network, zero).gradient_variance, [0.0, 2 * v3, 1.0])  # relu'(0) = 0
    relu = theory.backward(Network([3, 2, 4, 2], "relu"), x)
    close(relu.gradient_variance, [v2 * v3 * 4 * 2 / 4, 0.75 * v3, 1.0])
    biased = theory.backward(Network([3, 2, 4, 2], "relu", bias_variance=[0, 1.0, 0]), x)
    close(biased.gradient_variance, [v2 * v3 * 2, v3, 1.0])
    dark = theory.backward(Network([3, 2, 4, 2], "leaky_relu(0.5)"), zero)
    close(dark.gradient_variance, [4 * v2 / 4 * 2 * v3 / 4, 2 * v3 / 4, 1.0])
    close(dark.dead, 1.0)
    np.testing.assert_array_equal(dark.weight_gradient_variance, 0.0)


@pytest.mark.parametrize("weights", ["he", "he_uniform", "he_orthogonal"])
def test_logarithms_are_of_living_networks(weights):
    """A row of zeros gives no gradient below a relu, so it adds nothing to ln D."""
    network, x = Network([3, 4, 5, 2], ["linear", "relu"], weights), np.array([1.0, 2.0, 3.0])
    alone, beside = (theory.backward(network, rows) for rows in (x, np.stack([x, 0 * x])))
    for name in ("log_mean", "log_variance"):
        np.testing.assert_allclose(getattr(beside, name)[0], getattr(alone, name)[0], rtol=1e-13)


# Brute force

MEANS = ("gradient_variance", "weight_gradient_variance", "input_gradient_variance", "dead")
LOGS = ("log_mean", "log_variance", "dead")
MOMENTS = (*MEANS, "fluctuation")
GIVEN = np.array([1.0, -2.0, 0.0, 0.5])
EXACT_CASES = {
    "tiny relu": (Network([1, 3, 8, 1, 2], "relu"), None, "linear", LOGS),
    "tiny leaky": (Network([5, 1, 3, 5], "leaky_relu(0.3)", bias_variance=0.1), SPREAD[:3], "linear", LOGS),
    "tiny mixed": (Network([5, 3, 1, 5, 4], ["relu", "linear", "leaky_relu(0.4)"]), SPREAD, GIVEN, LOGS),
    "one unit": (Network([3, 1, 5], "relu", "glorot"), None, "linear", MEANS),
    "means": (Network([5, 8, 3, 16], "relu", "he"), SPREAD, "linear", MEANS),
    "fan_out": (Network([5, 8, 16, 3], "relu", VarianceScaling(2.0, "fan_out")), SPREAD[:3], "linear", MEANS),
    "glorot": (Network([3, 16, 9, 4], "leaky_relu(0.2)", "glorot"), None, GIVEN, (*MOMENTS, *LOGS)),
    "biases": (Network([5, 16, 8, 4], "relu", bias_variance=[0.3, 0.0, 1.0]), SPREAD, GIVEN, (*MEANS, *LOGS)),
    "dark": (Network([5, 3, 12, 4], ["relu", "linear"], bias_variance=[0.0, 0.0, 0.4]), SPREAD, GIVEN, (*MEANS, *LOGS)),
    "uniform": (Network([3, 12, 9, 4], "leaky_relu(0.5)", "he_uniform"), np.ones(3), GIVEN, MOMENTS),
    "orthogonal": (Network([3, 5, 8, 4], "relu", "he_orthogonal"), np.ones(3), GIVEN, (*MEANS, *LOGS)),
    "square": (Network([3, 16, 12, 4], "relu"), np.ones(3), "half_square", MEANS),
    "square, biases": (
        Network([5, 12, 16, 3], "leaky_relu(0.3)", bias_variance=[0.0, 0.2, 0.5]),
        SPREAD,
        "half_square",
        MEANS,
    ),
    "square, dark": (
        Network([5, 3, 16, 4], ["relu", "leaky_relu(0.7)"], "lecun", bias_variance=[0.0, 0.0, 0.4]),
        SPREAD,
        "half_square",
        MEANS,
    ),
    "square, shallow": (Network([3, 16, 6], "relu", "lecun"), np.ones(3), "half_square", MOMENTS),
    "square, linear": (Network([3, 16, 6], "linear", "lecun"), np.ones(3), "half_square", MOMENTS),
    "square, leaky": (Network([3, 16, 8], "leaky_relu(0.5)", "lecun"), np.ones(3), "half_square", MOMENTS),
    "softmax": (Network([3, 6], "relu"), np.ones(3), "cross_entropy", MOMENTS),
}


@pytest.mark.parametrize("case", EXACT_CASES)
def test_exact_theory_against_brute_force(case):
    network, rows, loss, fields = EXACT_CASES[case]
    record = theory.backward(network, rows, loss=loss)
    if case != "softmax":
        assert {getattr(record, name).origin for name in fields} == {"exact"}
    assert_agree(scores(record, draw(network, rows, loss, 60_000), fields))


def test_brute_force_rejects_what_is_slightly_wrong():
    """The negative control, at the same budget: weights 2% off, slopes a little leaky, normal weights for uniform."""
    network, x = Network([5, 9, 12, 4], "relu"), SPREAD[1]
    drawn = draw(network, x, GIVEN, 60_000)
    assert_agree(scores(theory.backward(network, x, loss=GIVEN), drawn, (*MEANS, *LOGS)))
    off = theory.backward(Network(network.widths, "relu", multiplier=1.05), x, loss=GIVEN)
    leaky = theory.backward(Network(network.widths, "leaky_relu(0.1)"), x, loss=GIVEN)
    means = (off, "gradient_variance"), (off, "input_gradient_variance")
    for wrong, field in (*means, (off, "log_mean"), (leaky, "log_variance"), (leaky, "dead")):
        assert_rejected(scores(wrong, drawn, [field]))
    network, rows, loss, _ = EXACT_CASES["uniform"]
    drawn = draw(network, rows, loss, 60_000)
    normal = theory.backward(Network(network.widths, "leaky_relu(0.5)", "he"), rows, loss=loss)
    assert_rejected(scores(normal, drawn, ["fluctuation"]))


def test_gradient_independence_is_rejected():
    """Fresh weights on the way back would give |z|^2 / 2 the gradient of a random direction."""
    network, x = Network([3, 16, 6], "relu", "lecun"), np.ones(3)
    drawn = draw(network, x, "half_square", 60_000)
    right = theory.backward(network, x, loss="half_square")
    fresh = theory.backward(network, x)
    size = right.gradient_variance[-1]
    assert_rejected(
        (drawn[0][:, 0].mean() - fresh.gradient_variance[0] * size) / (drawn[0][:, 0].std() / np.sqrt(60_000))
    )
    assert_agree(scores(right, drawn, ["gradient_variance"]))


# Logarithms of |z^L|^2 / 2, whose gradient depends on what carries it back


@pytest.mark.parametrize(("n", "outputs"), [(1, 3), (2, 2), (5, 1), (40, 7)])
def test_logarithms_of_half_square_behind_one_linear_layer(n, outputs):
    """|delta^1|^2 = Q X W^2 (1 + Y / W), X ~ chi2_n, Y ~ chi2_(n-1), W ~ chi2_outputs; by sums."""
    network = Network([3, n, outputs], "linear", "lecun")
    found = theory.backward(network, np.ones(3), loss="half_square")
    mean, variance = special.digamma(n / 2) + np.log(2), special.polygamma(1, n / 2)  # of ln X, and Q is 1

    def law(k):
        u = np.arange(np.log(k) - 80.0 / k - 12 * np.sqrt(2 / k), np.log(k) + 5, 0.3 * min(0.5, np.sqrt(2 / k)))
        p = np.exp(0.5 * k * (u - np.log(k)) - 0.5 * (np.exp(u) - k))
        return u, p / p.sum()

    w, p = law(outputs)
    y, r = law(n - 1) if n > 1 else (np.array([-np.inf]), np.ones(1))
    own = 2 * w[:, None] + np.log1p(np.exp(y - w[:, None]))
    one = p @ own @ r
    both = mean - np.log(n) + one + 2 * np.log(network.layers[1].weight_variance)
    assert found.log_mean.origin == "exact"
    assert found.log_mean[0] == pytest.approx(both, abs=1e-8)
    assert found.log_variance[0] == pytest.approx(variance + p @ (own - one) ** 2 @ r, abs=1e-8)


LOG_CASES = {
    "deep": (Network([4] * 9, "relu"), None),
    "dying": (Network([3, 2, 3, 1, 2], "relu", "glorot"), SPREAD[:1, :3]),
    "a bias below": (Network([5, 5, 4, 2], ["relu", "linear"], bias_variance=[0.7, 0, 0]), SPREAD),
    "other slopes": (Network([5, 6, 3], "leaky_relu(-1)"), SPREAD[1:3]),
}


@pytest.mark.parametrize("case", LOG_CASES)
def test_logarithms_of_half_square_against_brute_force(case):
    network, rows = LOG_CASES[case]
    record = theory.backward(network, rows, loss="half_square")
    assert record.log_mean.origin == record.log_variance.origin == "exact"
    drawn = draw(network, rows, "half_square", 20_000)
    assert_agree(scores(record, drawn, ("log_mean", "log_variance")))
    off = replace(record, log_mean=replace(record.log_mean, values=record.log_mean.values + 0.5))
    assert_rejected(scores(off, drawn, ["log_mean"]))


def test_logarithms_of_half_square_in_a_deep_network():
    """Of 30 layers, where first order says +2.97 and 5.85."""
    found = theory.backward(Network([16] * 31, "relu", "he"), loss="half_square")
    assert abs(found.log_mean[0] + 5.95) < 5 * 0.06  # of networks drawn weight by weight
    assert abs(found.log_variance[0] - 39.6) < 5 * 0.5
    assert not found.log_mean.doubtful.any()
    wide = theory.backward(Network([1024] * 4, "relu", "he"), loss="half_square")
    first = theory.backward(Network([1024] * 4, "relu", "he"), loss="half_square", order="first")
    np.testing.assert_allclose(wide.log_mean, first.log_mean, atol=2e-4)
    np.testing.assert_allclose(wide.log_variance, first.log_variance, rtol=0.02)


def test_leaky_layers_leave_the_logarithms_of_half_square_to_first_order():
    found = theory.backward(Network([16] * 31, "leaky_relu(0.3)", "he"), loss="half_square")
    assert found.log_mean.origin == "first order in 1/width"
    assert found.log_mean.doubtful[0]
