"""E[a] of a unit: closed forms, integrals at high precision, orders against one another, and networks drawn."""

import mpmath
import numpy as np
import pytest
from drawn_signal import SPREAD, draw, scores
from evidence import assert_agree, assert_rejected, close, fresh_seed, needs_compiler

from varprop import Network, compare, formulas, simulate, theory
from varprop.activations import activation
from varprop.layers import Dense, Residual
from varprop.theory.gaussian.first_moment import first_moments
from varprop.theory.gaussian.log_moments import root_mean

CURVED = ["relu", "leaky_relu(0.3)", "gelu", "elu", "selu", "softplus", "silu", "mish"]


@pytest.mark.parametrize("name", CURVED)
def test_derivatives_of_the_mean(name):
    """Those by ln q, against differences of the mean itself."""
    t, h, phi = np.log(np.array([1e-3, 0.3, 2.0, 40.0])), 1e-3, activation(name)
    found = first_moments(phi, np.exp(t))
    low, mid, high = (first_moments(phi, np.exp(t + k * h)).mean for k in (-1, 0, 1))
    scale = np.exp(t / 2)
    np.testing.assert_allclose(found.slope / scale, (high - low) / (2 * h) / scale, rtol=1e-5, atol=1e-7)
    bend = (high - 2 * mid + low) / h**2 - (high - low) / (2 * h)
    np.testing.assert_allclose(found.curvature / scale, bend / scale, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["elu", "selu"])
def test_means_of_elu_far_up(name):
    """Where erfcx is summed as a series, on either side of it and where nothing of it is left."""
    scale, alpha = (1.0, 1.0) if name == "elu" else (formulas.SELU_SCALE, formulas.SELU_ALPHA)
    q = np.array([0.25, 126.0, 130.0, 1e4, 1e30])

    def mean(t):
        s = mpmath.sqrt(mpmath.exp(t) / 2)
        below = mpmath.exp(s * s) * mpmath.erfc(s) if s < 100 else 1 / (s * mpmath.sqrt(mpmath.pi))
        return scale * (s / mpmath.sqrt(mpmath.pi) + alpha * (below - 1) / 2)

    with mpmath.workdps(60):
        exact = [[float(mpmath.diff(mean, mpmath.log(x), n)) for x in q] for n in range(3)]
    found = first_moments(activation(name), q)
    values = found.mean, found.slope, found.curvature + found.slope
    assert (np.abs(np.subtract(values, exact)) <= 2 * found.error + 1e-15 * np.abs(exact)).all()
    assert (found.error <= 2e-14 * np.sqrt(q) + 1e-11).all()


@pytest.mark.parametrize(("n", "slopes"), [(1, (0.0, 1.0)), (3, (0.0, 2.0)), (4, (-0.3, 1.0)), (2, (1e-200, 1.0))])
def test_root_of_a_sum_of_squares(n, slopes):
    """By which units have which slope: E|phi(z)| of two groups of chi-squares, an integral in polar coordinates."""
    total = mpmath.mpf(0)
    with mpmath.workdps(20):
        for k in range(n + 1):
            a, b = abs(slopes[1]), abs(slopes[0])
            size = mpmath.sqrt(2) * mpmath.gamma((n + 1) / 2) / mpmath.gamma(n / 2)
            if 0 < k < n:  # the share of the k units in |z|^2 is beta distributed
                weight = mpmath.beta(k / 2, (n - k) / 2)
                angle = mpmath.quad(
                    lambda y, k=k, a=a, b=b: (
                        2
                        * mpmath.sin(y) ** (k - 1)
                        * mpmath.cos(y) ** (n - k - 1)
                        * mpmath.sqrt((a * mpmath.sin(y)) ** 2 + (b * mpmath.cos(y)) ** 2)
                    ),
                    [0, mpmath.pi / 4, mpmath.pi / 2],
                )
                mean = size * angle / weight
            else:
                mean = size * (a if k else b)
            total += mpmath.binomial(n, k) * mean / 2**n
    assert root_mean(n, slopes) == pytest.approx(float(total), rel=1e-12)


def test_first_layer_behind_random_inputs_and_a_bias():
    """E relu(z) = E sqrt(Q) / sqrt(2 pi), Q = V chi2_3 + b."""
    v, b, n = 0.4, 0.7, 3
    with mpmath.workdps(20):
        density = lambda x: x ** (n / 2 - 1) * mpmath.exp(-x / 2) / (2 ** (n / 2) * mpmath.gamma(n / 2))  # noqa: E731
        root = mpmath.quad(lambda x: density(x) * mpmath.sqrt(v * x + b), [0, 1, 5, 20, 100])
    network = Network([n, 2], ["relu"], "lecun", multiplier=n * v, bias_variance=b)
    found = theory.forward(network).activation_mean
    assert found.origin == "exact"
    close(found, [float(root / mpmath.sqrt(2 * mpmath.pi))])


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "softsign", "hardtanh", "linear", "sigmoid"])
def test_odd_functions_have_a_mean_that_is_exactly_known(name):
    network = Network([6, 5, 4, 2], [name] * 3, ["orthogonal", "he_uniform", "he"], bias_variance=0.3)
    found = theory.forward(network).activation_mean
    assert found.origin == "exact"
    np.testing.assert_array_equal(found.values, 0.5 if name == "sigmoid" else 0.0)
    assert not found.doubtful.any()


def test_first_order_nears_the_exact_mean_as_one_over_width_squared():
    off = []
    for n in (16, 32, 64):
        network, x = Network([n] * 5, ["relu"] * 4, "he"), np.ones(n)
        exact = theory.forward(network, x).activation_mean
        assert exact.origin == "exact"
        orders = (theory.forward(network, x, order=order).activation_mean for order in ("first", "infinite"))
        off.append([profile.values[-1] / exact.values[-1] - 1 for profile in orders])
        assert (exact.errors < 1e-12 * exact.values).all()
    first, infinite = np.abs(off).T
    assert (first[:-1] / first[1:] > 3.2).all()
    np.testing.assert_allclose(infinite[:-1] / infinite[1:], 2.0, atol=0.2)
    assert first[-1] < infinite[-1] / 20


def test_scale_is_carried_apart():
    """Far down gelu is half its argument and its mean goes as q; far up it is a relu."""
    tiny = theory.forward(Network([4, 8], ["gelu"], "he", multiplier=1e-90), np.ones(4)).activation_mean
    close(tiny, [2e-90 / np.sqrt(2 * np.pi)], rtol=1e-9)
    deep = theory.forward(Network([8] * 400, ["relu"] * 399, "he", multiplier=0.01), np.ones(8))
    assert deep.activation_mean.values[-1] == 0.0  # beyond float64
    assert deep.activation_mean.values[100] > 0


CASES = {
    "relu": (Network([5, 9, 4, 6], ["relu"] * 3, "he"), SPREAD),
    "bias below": (Network([3, 4, 5], ["relu"] * 2, "he", bias_variance=[0.4, 0]), None),
    "orthogonal": (Network([5, 4, 6], ["leaky_relu(-0.5)"] * 2, "orthogonal"), SPREAD[1:3]),
    "exact but for the last": (Network([5, 24, 24], ["relu", "gelu"], "he"), SPREAD[:3]),
    "first order": (Network([5, 32, 32, 32], ["silu"] * 3, "he", bias_variance=0.4), SPREAD[:3]),
    "its own law": (Network([2, 32, 32], ["elu"] * 2, ["he_uniform", "he"]), np.array([1.0, 2.0])),
}


@pytest.mark.parametrize("case", CASES)
def test_against_brute_force(case):
    network, rows = CASES[case]
    record = theory.forward(network, rows)
    assert (record.activation_mean.origin == "exact") == (case in ("relu", "bias below", "orthogonal"))
    drawn = draw(network, rows, 10_000, fresh_seed())
    assert_agree(scores(record, drawn, ["activation_mean"]))
    off = theory.forward(Network(network.widths, [x.activation for x in network.layers], "he", multiplier=1.3), rows)
    assert_rejected(scores(off, drawn, ["activation_mean"]))


@needs_compiler
def test_compare_judges_means_and_the_gradient_by_the_input():
    """Means of either sign or none; a gradient that has one number."""
    network = Network.sequential(8, Dense(16), "tanh", Residual(Dense(16), "gelu", Dense(16)), Dense(4))
    x, how = np.ones(8), {"networks": 30_000, "seed": fresh_seed()}
    found = compare(simulate.forward(network, x, **how), theory.forward(network, x), quantity="activation_mean")
    assert found.judged_layers[0]
    assert np.abs(found.z[0]) < 6
    measured = simulate.backward(network, x, **how)
    predicted = theory.backward(network, x)
    found = compare(measured, predicted, quantity="input_gradient_variance")
    assert len(found.z) == found.judged == 1
    assert "At the input" in str(predicted)
    assert "At the input" in str(measured)
    assert found.plot() is not None
