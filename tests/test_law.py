"""Laws of q-hat: theory against closed forms, quadrature and brute force, and simulation against theory."""

import math

import mpmath as mp
import numpy as np
import pytest
import reference
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler, quick
from scipy import integrate, special, stats

from varprop import Law, Network, VarianceScaling, custom_activation, leaky_relu, simulate, theory
from varprop.law import LayerLaw, interpolated
from varprop.theory.chain.distribution import chain, grids, tuning
from varprop.theory.chain.distribution.log_sums import _mellin
from varprop.theory.gaussian.log_moments import layer_log_moments

PROBABILITIES = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)


def probabilities(law, layer, points):
    """Return P(ln q-hat <= y) for each point."""
    return np.array([law.cumulative_at(y).values[layer - 1] for y in points])


def inner_points(law, layer, count=9):
    return np.array(
        [law.log_quantile(p).values[layer - 1] for p in np.linspace(law.zero[layer - 1] + 0.01, 0.99, count)]
    )


def binomial_z(measured, predicted, networks):
    """z-scores of the measured distribution functions at quantiles of the predicted, at least a percent from 0."""
    out = []
    for p in PROBABILITIES:
        y = predicted.log_quantile(p).values
        use = np.isfinite(y) & (np.abs(p - predicted.zero) > 0.01) & (min(p, 1 - p) * networks > 250)
        expected = predicted.cumulative_at(np.where(use, y, 0.0)).values
        got = measured.cumulative_at(np.where(use, y, 0.0)).values
        out.append(((got - expected) / np.sqrt(expected * (1 - expected) / networks))[use])
    return np.concatenate(out)


# Exact: sums of logarithms


@pytest.mark.parametrize("n", [1, 2, 3, 8, 100, 1000])
def test_one_linear_layer_is_a_chi_square(n):
    law = theory.law(Network([4, n], "linear", "lecun"), np.ones(4))
    y = np.random.default_rng(fresh_seed()).choice(law.layers[0].edges, 50) + 0.003
    found = probabilities(law, 1, y)
    np.testing.assert_allclose(found, stats.chi2.cdf(n * np.exp(y), n), atol=1e-8)
    assert np.abs(found - stats.chi2.cdf(n * np.exp(y), n)).max() <= 1.5 * law.layers[0].errors[0] + 1e-13
    assert law.layers[0].errors[0] < 1e-8
    assert law.origin == "exact"


@pytest.mark.parametrize("widths", [(1, 1, 1), (3, 1, 5), (2, 4, 3)])
def test_products_of_chi_squares_are_meijer_g(widths):
    """P(prod chi2_(n_i) <= x) = G(x / 2^k | 1; n_i / 2, 0) / prod Gamma(n_i / 2)."""
    law = theory.law(Network(widths, "linear", "lecun"))
    for layer in (1, 2):
        halves = [mp.mpf(n) / 2 for n in widths[: layer + 1]]
        scale = math.prod(widths[: layer + 1])
        for y in inner_points(law, layer, 4):
            x = scale * mp.exp(y) / 2 ** len(halves)
            exact = mp.meijerg([[1], []], [halves, [0]], x) / mp.fprod(map(mp.gamma, halves))
            assert law.cumulative_at(y).values[layer - 1] == pytest.approx(float(exact.real), abs=1e-8)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 2), (8, 16)])
def test_relu_is_a_binomial_mixture_of_products(n, m):
    law = theory.law(Network([5, n, m], "relu", "he"), np.ones(5))
    assert law.zero[1] == pytest.approx(2.0**-n, rel=1e-14)

    def given(k, y):
        def integrand(u):
            return stats.chi2.pdf(math.exp(u), k) * math.exp(u) * special.gammainc(m / 2, m * n * math.exp(y - u) / 8)

        return integrate.quad(integrand, -80, 6, epsabs=1e-12, limit=400, points=[-10, -2, 0, 2])[0]

    for y in inner_points(law, 2, 3):
        exact = 2.0**-n + sum(stats.binom.pmf(k, n, 0.5) * given(k, y) for k in range(1, n + 1))
        assert law.cumulative_at(y).values[1] == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(("n", "slopes"), [(1, (0.3, 1.0)), (4, (0.0, 1.0)), (64, (0.0, 2.0)), (3, (-1.0, 1.0))])
def test_transform_of_a_layer_is_the_mixture_of_gammas(n, slopes):
    """At one slope 0, or width 1, E X^(iw) is known by Gamma functions."""
    w = np.linspace(0.0, 30.0, 40)

    def power(k, s):
        return np.exp(special.loggamma(k / 2 + 1j * w) - special.loggamma(k / 2) + 1j * w * np.log(2 * s * s))

    if slopes[0] == 0:
        weights = special.binom(n, np.arange(1, n + 1)) / (2.0**n - 1)
        exact = sum(p * power(k, slopes[1]) for k, p in enumerate(weights, 1))
    elif n == 1:
        exact = 0.5 * (power(1, slopes[0]) + power(1, slopes[1]))
    else:
        exact = power(n, 1.0)
    np.testing.assert_allclose(_mellin(n, slopes, w, 0.7), exact * np.exp(-0.7j * w), atol=1e-13)


def moments_of(law, layer):
    """Mean and variance of ln q-hat given that it is not 0, by the trapezoid rule on the density."""
    y, density = law.log_density(layer)
    weights = density / density.sum()
    mean = weights @ y
    return mean, weights @ (y - mean) ** 2


@pytest.mark.parametrize("activation", ["linear", "relu", "leaky_relu(0.2)"])
def test_moments_of_the_exact_law(activation):
    network = Network([3, 5, 1, 8, 2], activation, multiplier=1.7)
    law, record = theory.law(network), theory.forward(network, order="exact")
    np.testing.assert_allclose(law.zero[1:], record.dead.values[:-1], atol=1e-15)
    for layer in range(1, 5):
        mean, variance = moments_of(law, layer)
        assert mean == pytest.approx(record.log_mean[layer - 1], abs=1e-9)
        assert variance == pytest.approx(record.log_variance[layer - 1], rel=1e-8)


def test_he_relu_keeps_its_mean_but_not_its_median():
    law = theory.law(Network([100] * 51, "relu"), np.ones(100))
    assert law.median.values[-1] / 2 == pytest.approx(0.288, abs=0.001)


@pytest.mark.slow
def test_hundreds_of_layers_beyond_float64():
    for multiplier in (1e-3, 1e3):
        network = Network([4] * 151, "leaky_relu(0.1)", multiplier=multiplier)
        law, record = theory.law(network), theory.forward(network)
        middle = law.log_quantile(0.5)
        assert np.isfinite(middle.values).all()
        np.testing.assert_allclose(middle.values[-1], record.log_mean[-1], atol=0.05 * np.sqrt(record.log_variance[-1]))
        assert "e-" in str(law) if multiplier < 1 else "e+" in str(law)
    dead = theory.law(Network([1] * 101, "relu"))
    assert dead.zero[-1] == pytest.approx(1.0, abs=1e-15)
    assert (dead.log_quantile(0.5).values[1:] == -np.inf).all()


# The Markov chain on a grid


def relu_as_custom():
    return custom_activation(lambda z: np.maximum(z, 0.0), kinks=[0.0], name="own")


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(4, 1, 2), (4, 3, 2), (2, 40, 3), (3, 300, 100)])
def test_chain_is_the_exact_law_for_relu(widths):
    exact, found = theory.law(Network(widths, "relu")), theory.law(Network(widths, relu_as_custom(), "he"))
    assert (exact.origin, found.origin) == ("exact", "exact, on a grid")
    np.testing.assert_allclose(found.zero, exact.zero, atol=1e-13)
    for layer in range(1, len(widths)):
        y = inner_points(exact, layer)
        error = np.abs(probabilities(found, layer, y) - probabilities(exact, layer, y)).max()
        assert error < 1e-8
        assert error <= found.layers[layer - 1].errors[0] + exact.layers[layer - 1].errors[0]


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "hardtanh", "sin"])
def test_width_one_is_an_integral(name):
    network = Network([1, 1, 1], name, multiplier=1.5, bias_variance=[0.0, 0.2])
    law, x = theory.law(network, np.array([1.3])), 1.3
    first, second = network.layers
    q = first.weight_variance * x * x

    def given(g, y):
        following = second.weight_variance * first.activation.phi(np.sqrt(q) * g) ** 2 + 0.2
        return special.gammainc(0.5, 0.5 * np.exp(y) / following) * np.exp(-0.5 * g * g) / np.sqrt(2 * np.pi)

    breaks = np.unique([0.0, *(k / np.sqrt(q) for k in first.activation.kinks)])
    for y in inner_points(law, 2, 4):
        exact = integrate.quad(given, -9, 9, args=(y,), points=breaks, epsabs=1e-12, limit=300)[0]
        assert law.cumulative_at(y).values[1] == pytest.approx(exact, abs=1e-8)
    assert max(layer.errors.max() for layer in law.layers) < 1e-7


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_width_two_without_bias_is_a_double_integral(name):
    """Panels in both numbers, graded at 0 and fine where gelu falls as exp(-z^2), so that networks near 0 are seen."""
    network = Network([1, 2, 3], name, "he", multiplier=2.0)
    law = theory.law(network, np.array([0.9]))
    first, second = network.layers
    edges = np.concatenate([2.0 ** np.arange(-45.0, -1.0), np.arange(0.5, 9.0, 0.1)])
    nodes, weights = np.polynomial.legendre.leggauss(8)
    half = 0.5 * np.diff(edges)[:, None]
    x = (edges[:-1, None] + half * (1 + nodes)).ravel()
    x, dx = np.concatenate([-x, x]), np.tile((half * weights).ravel(), 2)
    mass = dx * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
    squares = second.weight_variance * first.activation.phi(0.9 * np.sqrt(first.weight_variance) * x) ** 2
    q = squares[:, None] + squares
    for y in inner_points(law, 2, 5):
        exact = mass @ special.gammainc(1.5, 1.5 * np.exp(y) / q) @ mass
        assert law.cumulative_at(y).values[1] == pytest.approx(exact, abs=1e-8)
    assert law.layers[1].errors[0] < 1e-7


@pytest.mark.parametrize("name", quick("tanh", "silu", slow=["silu"].count))
def test_chain_agrees_with_moments_of_theory(name):
    """At layer 2 theory.forward is exact for any phi, in its mean."""
    network = Network([6, 20, 20], name, bias_variance=0.1)
    law, record = theory.law(network), theory.forward(network)
    for layer in (1, 2):
        y, density = law.log_density(layer)
        mean = (np.exp(y) * density).sum() * (y[1] - y[0])
        if layer == 1:
            assert mean == pytest.approx(record.variance[0], rel=1e-8)
        else:  # first order in 1/width, from a spread of 2/6 in Q
            assert mean == pytest.approx(record.variance[1], rel=0.05)


def test_kinks_without_a_name_are_found():
    def clip(z):
        return np.minimum(np.maximum(z, 0.0), 2.7)

    def law(**kinks):
        return theory.law(Network([3, 4, 4], custom_activation(clip, **kinks), bias_variance=0.1)).layers[1]

    named, unnamed = law(kinks=[0.0, 2.7]), law()
    y = named.edges[5:-5]
    difference = np.abs(interpolated(named, y) - interpolated(unnamed, y)).max()
    assert difference < 1e-12
    assert max(named.errors[0], unnamed.errors[0]) < 1e-8


def test_chain_takes_rows_and_dead_inputs():
    rows = np.array([[0.0] * 3, [1.0] * 3, [2.0] * 3])
    network = Network([3, 4, 5], "tanh")
    law = theory.law(network, rows)
    np.testing.assert_allclose(law.zero, 1 / 3, atol=1e-14)
    parts = [theory.law(network, row) for row in rows[1:]]
    for layer in (1, 2):
        y = inner_points(law, layer, 5)
        mixed = 1 / 3 + sum(probabilities(part, layer, y) for part in parts) / 3
        np.testing.assert_allclose(probabilities(law, layer, y), mixed, atol=1e-8)
    dead = theory.law(network, np.zeros(3))
    assert (dead.zero == 1).all()
    assert (dead.median.values == 0).all()
    born = theory.law(Network([3, 4, 5], "sigmoid"), np.zeros(3))  # a^1 = 1/2 for sure
    assert born.zero.tolist() == [1.0, 0.0]
    y = inner_points(born, 2, 5)
    q = 2 / 4 * 4 * 0.25
    np.testing.assert_allclose(probabilities(born, 2, y), special.gammainc(2.5, 2.5 * np.exp(y) / q), atol=1e-8)
    np.testing.assert_allclose(
        probabilities(theory.law(Network([3, 5], "tanh", bias_variance=0.3), np.zeros(3)), 1, y),
        special.gammainc(2.5, 2.5 * np.exp(y) / 0.3),
        atol=1e-8,
    )


@pytest.mark.slow
def test_chain_follows_networks_that_explode_or_vanish():
    """Far from 1 tanh is linear and elu a ReLU: E ln q-hat changes by what the exact law says, layer by layer."""

    def steps(name, multiplier):
        law = theory.law(Network([64] * 9, name, "lecun", multiplier=multiplier))
        return np.diff([moments_of(law, layer)[0] for layer in (6, 7, 8)])

    mean, _ = layer_log_moments(64, (1.0, 1.0))
    np.testing.assert_allclose(steps("tanh", 1e-5), mean - np.log(64) + np.log(1e-5), atol=1e-7)
    mean, _ = layer_log_moments(64, (0.0, 1.0))
    np.testing.assert_allclose(steps("elu", 1e9), mean - np.log(64) + np.log(1e9), atol=1e-7)


def test_errors_fall_as_the_step_does():
    from varprop.inputs import as_inputs

    network = Network([4, 5, 5], "relu")
    exact = theory.law(network, np.ones(4))
    y = inner_points(exact, 2)

    def error(resolution):
        q = chain.evolve(network, as_inputs(np.ones(4), 4), resolution)[1]
        found = q.zero + special.gammainc(2.5, 2.5 * np.exp(y[:, None] - q.log_q)) @ q.mass
        return np.abs(found - probabilities(exact, 2, y)).max()

    assert error(0.25) > 1e-6 > 1e-9 > error(0.7)


def test_masses_have_the_moments_of_the_point():
    points = np.array([-3.2, 0.0, 0.5, 7.999])
    nodes, weights = grids.cardinals(points)
    for k in range(tuning.TAPS):
        np.testing.assert_allclose(((nodes - points) ** k * weights).sum(axis=0), float(k == 0), atol=1e-5)
    np.testing.assert_allclose(weights[:, 1], np.arange(tuning.TAPS) == tuning.TAPS // 2 - 1, atol=1e-15)


# Theory and simulation, and brute force


CASES = {
    "linear": Network([6, 1, 3, 8, 16, 8], "linear", "lecun"),
    "relu": Network([6, 16, 8, 3, 1, 3], "relu"),
    "leaky": Network([6, 3, 8, 1, 16], "leaky_relu(0.3)"),
    "tanh": Network([6, 1, 3, 8, 3], "tanh", "lecun", multiplier=2.0),
    "gelu": Network([6, 16, 8, 3, 1, 3], "gelu", bias_variance=0.1),
}


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_simulation_follows_theory(case):
    network, networks = CASES[case], 400_000
    measured = simulate.law(network, networks=networks, seed=fresh_seed())
    assert_agree(binomial_z(measured, theory.law(network), networks))
    wrong = Network(network.widths, network.activation, network.weights, multiplier=1.02 * network.multiplier)
    if network.bias_variance:
        wrong = Network(network.widths, "gelu", multiplier=1.02, bias_variance=network.bias_variance)
    assert_rejected(binomial_z(measured, theory.law(wrong), networks))


@needs_compiler
def test_dense_sampler_follows_theory():
    network, networks = Network([3, 5, 2, 3], "tanh", bias_variance=0.2), 300_000
    rows = np.array([[0.5, -2.0, 1.0], [0.1, 0.0, 0.0]])
    measured = simulate.law(network, rows, networks=networks, seed=fresh_seed(), method="dense")
    assert_agree(binomial_z(measured, theory.law(network, rows), networks))
    assert_rejected(binomial_z(measured, theory.law(network, 1.03 * rows), networks))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_brute_force_follows_theory(name):
    """Every weight drawn, by code that shares nothing with the package."""
    widths, networks = [3, 4, 1, 5], 3000
    phis = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
    variances = [1.5 / n for n in widths[:-1]]
    rng = np.random.default_rng(fresh_seed())
    z2 = reference.forward(rng, widths, variances, [phis[name]] * 3, networks, bias_variances=[0.1, 0.0, 0.2])[0]
    measured = Law(None, tuple(empirical(z2[:, l]) for l in range(3)), "brute force", networks)

    def predicted(multiplier):
        return theory.law(Network(widths, name, "lecun", multiplier=multiplier, bias_variance=[0.1, 0.0, 0.2]))

    assert_agree(binomial_z(measured, predicted(1.5), networks))
    assert_rejected(binomial_z(measured, predicted(2.2), networks))


def empirical(sample):
    """Return the distribution function of a sample as a `LayerLaw`: linear between neighbours."""
    logs = np.sort(np.log(sample[sample > 0]))
    zero = np.mean(sample == 0)
    cumulative = zero + np.arange(1, len(logs) + 1) / len(sample)
    return LayerLaw(logs, cumulative, np.zeros(len(logs)), None, zero)


# Simulation alone


def test_threads_and_blocks_change_no_bit():
    network = Network([4, 5, 3], "relu")
    runs = [
        simulate.law(network, networks=1000, seed=3, threads=threads, block_size=block)
        for threads, block in ((1, None), (2, 64), (3, 300))
    ]
    for other in runs[1:]:
        for a, b in zip(runs[0].layers, other.layers, strict=True):
            assert np.array_equal(a.cumulative, b.cumulative)
            assert np.array_equal(a.edges, b.edges)
            assert a.zero == b.zero


def test_histogram_counts_the_networks_that_forward_sees():
    network, x = Network([4, 2, 3], "relu"), np.array([1.0, -2.0, 0.5, 0.0])
    record = simulate.forward(network, x, networks=300, seed=5)
    law = simulate.law(network, x, networks=300, seed=5)
    for l, layer in enumerate(law.layers):
        counts = np.diff(layer.cumulative)
        centres = 0.5 * (layer.edges[1:] + layer.edges[:-1])
        width = layer.edges[1] - layer.edges[0]
        assert layer.cumulative[-1] == 1.0
        assert counts.sum() + layer.zero == pytest.approx(1.0)
        assert counts @ centres / counts.sum() == pytest.approx(record.log_mean[l], abs=width)
    assert law.zero[1] == record.dead[0]
    np.testing.assert_allclose(law.probability_below(1.0).errors, 0.5 / np.sqrt(300), atol=0.01)


def test_simulation_far_away_and_constant():
    for multiplier in (1e-9, 1e9):
        law = simulate.law(Network([2] * 61, "elu", multiplier=multiplier, weights="lecun"), networks=128)
        assert np.isfinite(law.log_quantile(0.5).values).all()
    fixed = simulate.law(Network([8] * 4, "linear", "orthogonal"), np.ones(8), networks=100)
    np.testing.assert_allclose(fixed.median.values, 1.0, rtol=1e-5)
    dead = simulate.law(Network([3, 2], "relu"), np.zeros(3), networks=10)
    assert dead.zero.tolist() == [1.0]
    assert dead.median.values.tolist() == [0.0]


# The record


def test_quantiles_invert_probabilities():
    law = theory.law(Network([4, 3, 5], "relu"))
    for p in (0.2, 0.5, 0.9):
        np.testing.assert_allclose(law.cumulative_at(law.log_quantile(p).values).values, p, atol=1e-12)
        np.testing.assert_allclose(law.probability_below(law.quantile(p).values).values, p, atol=1e-12)
    np.testing.assert_allclose(law.median.values, law.quantile(0.5).values)
    assert law.quantile(0.1).values[1] == 0.0  # P(dead) is 1/8
    both = law.probability_below(0.7).values + law.probability_above(0.7).values
    np.testing.assert_allclose(both, 1.0)
    assert law.probability_below(0.0).values.tolist() == law.zero.tolist()
    assert law.cumulative_at(np.inf).values.tolist() == [1.0, 1.0]
    y, density = law.log_density(2)
    assert density.sum() * (y[1] - y[0]) == pytest.approx(7 / 8, abs=1e-9)
    assert (law.log_quantile(0.5).errors < 1e-7).all()


def test_quantiles_of_a_simulation_carry_its_error():
    networks = 4000
    law = simulate.law(Network([4, 3], "linear", "lecun"), np.ones(4), networks=networks)
    middle = law.log_quantile(0.5)
    density = theory.law(Network([4, 3], "linear", "lecun"), np.ones(4)).layers[0]
    expected = 0.5 / np.sqrt(networks) / np.interp(middle.values[0], density.edges, density.slopes)
    assert middle.errors[0] == pytest.approx(expected, rel=0.3)
    heights = law.log_density(1)[1]
    assert (heights * (law.layers[0].edges[1] - law.layers[0].edges[0])).sum() == pytest.approx(1.0)
    assert "4,000 networks" in str(law)
    assert "4,000 networks" in repr(law)


@needs_compiler
def test_histograms_are_what_theory_says_of_their_bins():
    network = Network([4, 8, 5], "relu")
    predicted, wrong = theory.law(network), theory.law(Network([4, 8, 5], "relu", multiplier=1.03))
    y, density, errors = simulate.law(network, networks=1_000_000, seed=fresh_seed()).histogram(2)
    edges = np.append(y, 2 * y[-1] - y[-2]) - (y[1] - y[0]) / 2

    def scores(law):
        share = np.diff([law.cumulative_at(edge).values[1] for edge in edges])
        return (density - share / (y[1] - y[0])) / errors

    assert_agree(scores(predicted))
    assert_rejected(scores(wrong))
    middle, exact, _ = predicted.histogram(2, bins=200)
    np.testing.assert_allclose(exact, np.interp(middle, *predicted.log_density(2)), atol=1e-4)
    assert exact.sum() * (middle[1] - middle[0]) == pytest.approx(0.998 * (1 - 2.0**-8), rel=1e-9)


def test_a_dead_layer_has_an_empty_histogram():
    network = Network([2, 1, 1], leaky_relu(0.0))
    for law in (theory.law(network, np.zeros(2)), simulate.law(network, np.zeros(2), networks=10)):
        y, density, _ = law.histogram(1, bins=3)
        assert (np.diff(y) > 0).all()
        assert density.tolist() == [0.0, 0.0, 0.0]


def test_text():
    law = theory.law(Network([4, 3, 5], "relu"))
    assert "theory, exact" in str(law)
    assert len(str(law).splitlines()) == 5
    assert repr(law).startswith("Law(4,3,5, relu, he, median=LayerProfile(")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda law: law.quantile(1.0), ValueError, "between 0 and 1"),
        (lambda law: law.probability_below(-1.0), ValueError, "never negative"),
        (lambda law: law.quantile("a"), TypeError, "p is 'a'; give a number such as 0.5 for the median"),
        (lambda law: law.quantile([0.1, 0.9]), TypeError, r"p is \[0.1, 0.9\]; give a number"),
        (lambda law: law.cumulative_at(np.nan), ValueError, "nan"),
        (lambda law: law.cumulative_at([1, 2, 3]), ValueError, r"shape \(3,\); give one number, or 2"),
        (lambda law: law.cumulative_at("a"), TypeError, "log_bound is 'a'; give a number"),
        (lambda law: law.probability_above([[1.0, 2.0]]), ValueError, r"bound has shape \(1, 2\)"),
        (lambda law: law.log_density(3), ValueError, "from 1 to 2"),
        (lambda law: law.log_density(None), TypeError, "layer is None; give a whole number"),
        (lambda law: law.histogram(0), ValueError, "from 1 to 2"),
        (lambda law: law.histogram(1.5), TypeError, "layer is 1.5; give a whole number"),
        (lambda law: law.histogram(1, bins=0), ValueError, "bins is 0; it must be from 1"),
        (lambda law: theory.law("relu"), TypeError, "varprop.Network"),
        (lambda law: theory.law(Network([3, 2], "relu", "he_uniform")), ValueError, "uniform weights"),
        (lambda law: theory.law(Network([3, 2**15, 2], "tanh")), ValueError, "computed up to 16,384"),
        (lambda law: theory.law(Network([3, 2**18, 2], "relu")), ValueError, "computed up to 131,072"),
        (lambda law: theory.law(Network([3, 2, 2], lambda z: np.where(z > 9, np.inf, z))), ValueError, "gives inf"),
        (lambda law: simulate.law(Network([3, 2]), networks=1), ValueError, "networks is 1"),
        (lambda law: simulate.law(Network([3, 2]), networks=10, method="exact"), ValueError, "unknown method"),
    ],
)
def test_errors_quote_and_advise(call, error, message):
    law = theory.law(Network([4, 3, 5], "relu"))
    with pytest.raises(error, match=message):
        call(law)


@pytest.mark.slow
def test_own_gain_stays_one_where_weights_are_scaled_by_hand():
    """Weights as an object, and two layers that differ, use one chain each."""
    law = theory.law(Network([3, 4, 4, 4], "tanh", VarianceScaling(1.0, "fan_in"), multiplier=[1.0, 2.0, 1.0]))
    assert np.isfinite(law.median.values).all()
    assert (np.diff([layer.cumulative for layer in law.layers][2]) >= -1e-12).all()


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "silu", "mish", "softplus"])
def test_a_law_that_spans_more_than_float64_leaks_no_warning(name):
    """phi of one unit of variance 1e4 falls to 1e-300, and q-hat of the next layer to its square."""
    weights = [VarianceScaling(1e4, "none"), VarianceScaling(1e-3, "none")]
    found = theory.law(Network([1, 1, 2], name, weights), [1.0])
    low, high = (found.log_quantile(p).values for p in (0.25, 0.75))
    assert np.isfinite(high).all()
    assert (low < high).all()


# What falls to nothing, beyond float64


def log_square(name, z):
    """ln phi(z)^2 by other forms than the package has."""
    with np.errstate(divide="ignore"):
        if name == "gelu":  # erfcx is e^(x^2) erfc(x)
            x = z / np.sqrt(2)
            far = np.log(0.5 * special.erfcx(np.maximum(-x, 0.0))) - x * x
            return 2 * (np.log(np.abs(z)) + np.where(x < 0, far, np.log(special.ndtr(z))))
        other = np.log(np.abs(z)) if name == "silu" else 0.0
        return 2 * (other - np.logaddexp(0.0, -z))


def behind_tails(law, layer, sample, networks):
    """z-scores of a sample of ln q-hat at quantiles of the law, far ones too."""
    parts = [p for p in (0.01, 0.1, 0.2, 0.4, 0.6, 0.9) if p > law.zero[layer - 1] + 0.01]
    y = np.array([law.log_quantile(p).values[layer - 1] for p in parts])
    found = np.array([(sample <= bound).mean() for bound in y])
    return (found - parts) / np.sqrt(np.array(parts) * (1 - np.array(parts)) / networks)


@pytest.mark.parametrize(("name", "v"), [("gelu", 1e4), ("gelu", 100.0), ("silu", 1e6), ("sigmoid", 1e5)])
def test_behind_one_unit_that_falls_to_nothing(name, v):
    network = Network([1, 1, 2], name, [VarianceScaling(v, "none"), VarianceScaling(1e-3, "none")])
    law = theory.law(network, [1.0])
    assert law.zero.tolist() == [0.0, 0.0]
    assert law.layers[1].errors.max() < 1e-6
    x = np.linspace(-8.5, 8.5, 400_000)  # 0 is none of them
    weights = np.exp(-0.5 * x * x)
    weights /= weights.sum()
    log_q = log_square(name, np.sqrt(v) * x) + np.log(1e-3)
    for p in (1e-4, 0.05, 0.2, 0.3, 0.45):  # where ln q-hat is -300,000 to -1
        y = law.log_quantile(p).values[1]
        exact = weights @ -np.expm1(-np.exp(np.minimum(y - log_q, 100.0)))
        assert exact == pytest.approx(p, abs=2e-5)  # sums of a step as steep as 1e-5 are no better


@pytest.mark.slow
def test_gelu_far_below_zero_to_all_its_digits():
    """P(Q E <= e^y), E exponential: an integral over z whose integrand is 1 below one point and e^(y - ln Q) above."""
    network = Network([1, 1, 2], "gelu", [VarianceScaling(400.0, "none"), VarianceScaling(1.0, "none")])
    law = theory.law(network, [1.0])
    with mp.workdps(30):

        def log_q(z):
            return 2 * (mp.log(-z) + mp.log(mp.erfc(-z / mp.sqrt(2)) / 2))

        for y in (-40.0, -150.0, -900.0):
            jump = mp.findroot(lambda z, y=y: log_q(z) - y, -mp.sqrt(-y))
            ends = sorted([-170, *(jump + mp.mpf(k) / (2 * abs(jump)) for k in (-60, -9, -3, 0, 3, 9, 60)), -0.01])
            exact = mp.quad(
                lambda z, y=y: -mp.expm1(-mp.exp(min(y - log_q(z), 99))) * mp.npdf(z, 0, 20),
                [end for end in ends if -170 <= end <= -0.01],
            )
            found = law.cumulative_at(y)
            assert found.values[1] == pytest.approx(float(exact), abs=float(found.errors[1]) + 1e-12)
            assert found.errors[1] < 1e-6


@pytest.mark.slow
def test_layers_behind_what_fell_to_nothing():
    """Narrow layers, every unit drawn, in logarithms: what is far stays far, a ReLU may kill it, a bias revives it."""
    names, gains, biases = ["gelu", "relu", "silu"], [1e4, 1e4, 2.0, 1.0], [0.0, 0.0, 0.0, 0.1]
    weights = [VarianceScaling(gain, "none") for gain in gains]
    network, networks = Network([1, 2, 1, 2, 2], names, weights, bias_variance=biases), 100_000
    law, rng = theory.law(network, [1.0]), np.random.default_rng(fresh_seed())
    log_q, scores = np.full(networks, np.log(gains[0])), []
    for l, layer in enumerate(network.layers):
        sample = log_q + np.log(rng.chisquare(layer.fan_out, networks) / layer.fan_out)
        scores.append(behind_tails(law, l + 1, sample, networks))
        if l == 1:
            wrong = theory.law(Network([1, 2, 1], "gelu", weights[:2], multiplier=1.1), [1.0])
            assert_rejected(behind_tails(wrong, 2, sample, networks))
        if l == 3:
            break
        log_s = np.full(networks, -np.inf)
        for _ in range(layer.fan_out):
            g = rng.normal(size=networks)
            z = np.exp(0.5 * np.maximum(log_q, -200.0)) * g
            small = 2 * np.log(np.abs(g)) + log_q  # where phi is linear
            if names[l] == "relu":
                log_s = np.logaddexp(log_s, np.where(g > 0, small, -np.inf))
            else:
                log_s = np.logaddexp(log_s, np.where(log_q < -200, small - np.log(4), log_square(names[l], z)))
        with np.errstate(divide="ignore"):
            log_q = np.logaddexp(np.log(gains[l + 1]) + log_s, np.log(biases[l + 1]))
    assert law.zero.tolist() == pytest.approx([0.0, 0.0, 0.5, 0.0], abs=1e-9)
    assert law.log_quantile(0.1).values[1] < -1000
    assert_agree(np.concatenate(scores))


@pytest.mark.slow
def test_a_function_that_is_nothing_near_zero_ends_in_zero():
    """Of five cubes of one number much falls to where float64 holds phi as 0; a row of the chain may have no mass."""
    cube = custom_activation(lambda z: z * z * z, name="cube")
    law = theory.law(Network([1] * 6, cube, "lecun"))
    logs = np.log(np.random.default_rng(fresh_seed()).chisquare(1, (6, 100_000)))
    sample = 3.0 ** np.array([0, 1, 2, 3, 4, 4]) @ logs  # five weights, and the input
    parts = np.array([0.2, 0.5, 0.8])
    found = np.array([(sample <= law.log_quantile(p).values[-1]).mean() for p in parts])
    assert_agree((found - parts) / np.sqrt(parts * (1 - parts) / 1e5))
    assert ((law.zero >= 0) & (law.zero < 0.1)).all()


def test_precision_counts_signals_beyond_float64():
    """P(|z| < 2^-25) behind one unit of gelu, as an integral."""
    weights = [VarianceScaling(1e4, "none"), VarianceScaling(1e-3, "none")]
    found = theory.precision(Network([1, 1, 2], "gelu", weights), "float32", [1.0])
    x = np.linspace(-8.5, 8.5, 400_000)
    mass = np.exp(-0.5 * x * x)
    mass /= mass.sum()
    log_root = 0.5 * (log_square("gelu", 100 * x) + np.log(1e-3))
    lost = special.erf(np.exp(np.minimum(-150 * np.log(2.0) - log_root - 0.5 * np.log(2), 50.0)))
    assert found.unit_underflow[1] == pytest.approx(mass @ lost, abs=2e-5)
    assert found.underflow[1] == pytest.approx(mass @ lost**2, abs=2e-5)
