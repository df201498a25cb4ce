"""theory.pair against known maps, closed forms of sine networks, and brute force that draws every weight."""

from dataclasses import replace

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, quick, score
from reference import batched_weights
from scipy import special

from varprop import Network, VarianceScaling, custom_activation, theory
from varprop.theory.chain.two_inputs import first
from varprop.theory.chain.two_inputs.angles import mean_product, sample_cosine
from varprop.theory.chain.two_inputs.gram import given_gram
from varprop.theory.chain.two_inputs.statistics import statistics

ROWS = np.array([[1.0, 2.0, -1.0, 0.5, 0.3], [0.2, 1.5, 0.7, -0.4, 1.0]])
LAWS = ("lecun", "lecun_uniform", "lecun_truncated_normal", "lecun_orthogonal")
NAMES = ("correlation", "cosine", "cosine_variance")


def angle(rows):
    return rows[0] @ rows[1] / np.sqrt((rows[0] @ rows[0]) * (rows[1] @ rows[1]))


# Known values


def test_relu_approaches_one_as_published():
    """1 - c after 100 ReLU layers from c = 0: Cho and Saul's map, iterated."""
    record = theory.pair(Network([8] * 102, "relu"), 0.0, order="infinite")
    assert 1 - record.correlation[100] == pytest.approx(0.00357685331605, rel=1e-10)
    assert record.correlation.origin == record.cosine.origin == "infinite width"
    np.testing.assert_array_equal(record.cosine_variance, 0.0)


def test_infinite_width_by_hand():
    """Williams for erf; e^{-q} sinh(q c) for sin; both with a bias."""
    gain_squared, bias, n = 1.7, 0.2, 5
    network = Network([n] * 3, ["erf"], VarianceScaling(gain_squared), bias_variance=bias)
    q = gain_squared * np.einsum("ij,ij->i", ROWS, ROWS) / n + bias
    q12 = gain_squared * ROWS[0] @ ROWS[1] / n + bias
    record = theory.pair(network, inputs=ROWS, order="infinite")
    c1 = q12 / np.sqrt(q[0] * q[1])
    k = np.array(
        [2 * q[0] / (1 + 2 * q[0]), 2 * q12 / np.sqrt((1 + 2 * q[0]) * (1 + 2 * q[1])), 2 * q[1] / (1 + 2 * q[1])]
    )
    k = gain_squared * 2 / np.pi * np.arcsin(k) + bias
    np.testing.assert_allclose(
        record.correlation, [c1, k[1] / np.sqrt(k[0] * k[2])][: len(record.correlation)], rtol=1e-13
    )
    assert record.input_correlation == pytest.approx(angle(ROWS), rel=1e-15)
    sines = theory.pair(Network([n] * 3, ["sin"], VarianceScaling(1.0)), 0.6, order="infinite")
    np.testing.assert_allclose(sines.correlation, [0.6, np.sinh(0.6) / np.sinh(1.0)], rtol=1e-13)


@pytest.mark.slow
def test_fixed_correlation_of_tanh():
    """Gain 5/3 is chaotic, c* = 0; ordered below the edge, c* = 1."""
    chaotic = theory.pair(Network([4] * 250, "tanh", VarianceScaling(25 / 9)), 0.9, order="infinite")
    np.testing.assert_allclose(chaotic.correlation[-1], 0.0, atol=1e-7)
    steps = chaotic.correlation.values[101] / chaotic.correlation.values[100]
    assert -1 / np.log(steps) == pytest.approx(12.1178965546, rel=1e-6)
    ordered = theory.pair(Network([4] * 200, "tanh", VarianceScaling(1.2), bias_variance=0.2), -0.9, order="infinite")
    assert ordered.correlation[-1] == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "selu", "linear", "sigmoid"])
@pytest.mark.parametrize("order", [None, "infinite"])
def test_the_same_input_twice(activation, order):
    twins = theory.pair(Network([5, 6, 7, 3], activation, bias_variance=0.1), inputs=ROWS[[0, 0]], order=order)
    for profile, value in ((twins.correlation, 1), (twins.cosine, 1), (twins.cosine_variance, 0)):
        np.testing.assert_allclose(profile, value, atol=1e-13)
    near = theory.pair(Network([5, 6, 7, 3], activation, bias_variance=0.1), 1 - 1e-9, order=order)
    np.testing.assert_allclose(near.cosine, 1, atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "linear", "erf", "softsign"])
def test_opposite_inputs_of_odd_functions(activation):
    there, back = (theory.pair(Network([5, 6, 7, 3], activation), c) for c in (0.35, -0.35))
    for name, sign in zip(NAMES, (-1, -1, 1), strict=True):
        np.testing.assert_allclose(getattr(back, name), sign * getattr(there, name).values, rtol=1e-9)
    opposite = theory.pair(Network([5, 6, 7, 3], activation), -1)
    np.testing.assert_allclose(opposite.cosine, -1.0, atol=1e-13)


def test_orders_and_origins():
    linear, tanh = Network([5, 4, 3], "linear", bias_variance=0.2), Network([5, 4, 3], "tanh")
    record = theory.pair(linear, inputs=ROWS)
    assert [getattr(record, name).origin for name in NAMES] == ["exact"] + ["first order in 1/width"] * 2
    assert theory.pair(tanh, 0.5).correlation.origin == "first order in 1/width"
    np.testing.assert_array_equal(
        theory.pair(linear, 0.5, order="first").correlation, theory.pair(linear, 0.5).correlation
    )
    assert theory.pair(Network([5, 4, 3], "linear"), 0.5).correlation.values == pytest.approx([0.5, 0.5], rel=1e-13)
    assert (theory.pair(tanh, 0.5).correlation.errors < 1e-9).all()
    custom = theory.pair(Network([5, 4, 3], custom_activation(np.tanh, name="mine")), 0.5)
    np.testing.assert_allclose(custom.cosine, theory.pair(tanh, 0.5).cosine.values, rtol=1e-12)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "hardtanh"])
def test_margins_are_those_of_forward(law, activation):
    """Either input alone has the variance and fluctuation that theory.forward gives it.

    The first layer is normal: forward knows the law of any other exactly there, and pair does not.
    """
    network = Network(
        [5, 6, 7, 8, 4], activation, ["lecun", law, law, law], multiplier=1.7, bias_variance=[0.0, 0.1, 0.2, 0.1]
    )
    gram = given_gram(ROWS)
    records = [theory.forward(network, row, order="first") for row in ROWS]
    for l, layer in enumerate(network.layers):
        z = first.preactivation(layer, gram)
        np.testing.assert_allclose(z.means.values(), [r.variance[l] for r in records], rtol=1e-9)
        p2, r2 = z.parts
        for sign, record in zip((1, -1), records, strict=True):
            row = np.array([p2, 2 * sign * np.sqrt(p2 * r2), r2])
            pair, kurtosis = row @ z.covariance @ row, record.kurtosis[l]
            wanted = record.fluctuation[l] - (kurtosis - 1) / layer.fan_out
            if law == "lecun_orthogonal":  # which forward reports with N + 2 where first order has N
                pair = pair / (1 + 2 / max(layer.fan_in, layer.fan_out))
            np.testing.assert_allclose(pair * (1 - 1 / layer.fan_out), wanted, rtol=1e-8, atol=1e-9)
        gram = first.activation(layer, z, level=0)


# A network of sines: E sin(u) sin(v) = [E cos(u - v) - E cos(u + v)] / 2, and each E is an integral to the power n


def sines_exactly(n, rows, gain_squared, bias):
    """Correlation in the third layer, from the Gram matrix of the first."""
    v = gain_squared / n
    k = v * rows @ rows.T + bias
    c = k[0, 1] / np.sqrt(k[0, 0] * k[1, 1])
    x = np.arange(-9, 9.01, 0.1)
    weights = np.exp(-(x[:, None] ** 2 + x**2) / 2) * 0.01 / (2 * np.pi)
    one = np.sin(np.sqrt(k[0, 0]) * x)[:, None]
    two = np.sin(np.sqrt(k[1, 1]) * (c * x[:, None] + np.sqrt(1 - c * c) * x))

    def characteristic(square, bias_part):
        return np.exp(-bias_part / 2) * (weights * np.exp(-v / 2 * square)).sum() ** n

    def second(a):
        return gain_squared * (1 - characteristic(4 * a * a, 4 * bias)) / 2 + bias

    minus, plus = characteristic((one - two) ** 2, 0), characteristic((one + two) ** 2, 4 * bias)
    return (gain_squared * (minus - plus) / 2 + bias) / np.sqrt(second(one) * second(two))


def test_first_order_of_a_network_of_sines():
    """What first order leaves out falls as 1 / n^2, what infinite width leaves out as 1 / n."""
    wrong, wide = [], []
    for n in (8, 16, 32, 64):
        rows = np.stack(
            [np.r_[np.ones(n // 2), 0.2 * np.ones(n // 2)], 0.8 * np.r_[np.ones(n // 4), np.zeros(n - n // 4)]]
        )
        network = Network([n, n, n, 3], "sin", VarianceScaling(2.0), bias_variance=0.1)
        exact = sines_exactly(n, rows, 2.0, 0.1)
        wrong.append(theory.pair(network, inputs=rows).correlation[2] - exact)
        wide.append(theory.pair(network, inputs=rows, order="infinite").correlation[2] - exact)
    wrong, wide = np.abs(wrong), np.abs(wide)
    assert (wrong[:-1] / wrong[1:] > 3.4).all()
    np.testing.assert_allclose(wide[:-1] / wide[1:], 2.0, atol=0.25)
    assert wrong[-1] < wide[-1] / 10


def test_cosine_of_a_sample():
    """Mean and variance given the correlation, against the integral over the density of a sample's cosine."""
    for n in (1, 2, 3, 8, 40):
        for c in (-0.8, 0.0, 0.6):
            mean, variance = sample_cosine(np.arctanh(c), 1 / n)
            if n == 1:  # the sign of z z'
                assert mean == pytest.approx(2 / np.pi * np.arcsin(c), abs=1e-14)
                assert variance == pytest.approx(1 - mean**2, rel=1e-13)
                continue
            t = (np.arange(4000) + 0.5) * np.pi / 4000  # r = cos t, so that n = 2 has no pole
            r = np.cos(t)
            density = (
                np.sin(t) ** (n - 2) * (1 - c * r) ** (0.5 - n) * special.hyp2f1(0.5, 0.5, n + 0.5, (1 + c * r) / 2)
            )
            density /= density.sum()
            wanted = (density * r).sum()
            assert mean == pytest.approx(wanted, abs=1e-6)
            assert variance == pytest.approx((density * (r - wanted) ** 2).sum(), rel=1e-5)
    few, many = (sample_cosine(0.4, noise) for noise in (1.0001e-5, 0.9999e-5))
    np.testing.assert_allclose(few[0], many[0], rtol=1e-8)
    np.testing.assert_allclose(few[1], many[1], rtol=3e-4)


@pytest.mark.parametrize("activation", ["relu", "linear", "leaky_relu(0.3)"])
def test_bounded_mean_is_the_hessian_at_small_spread(activation):
    """mean_product and the second derivatives are two routes to one first order."""
    phi = Network([4, 3, 3], activation).layers[0].activation
    parts, roots = (0.725, 0.275), tuple(np.sqrt(np.full(2, phi.slopes[0] ** 2 + phi.slopes[1] ** 2) / 2))
    t = statistics(phi, (1.0, 1.0), roots, tuple(np.sqrt(parts)), 0, True)
    gaps = []
    for n in (100, 200, 400):
        covariance = np.diag([4.0, 0.5, 1.0]) / n
        mean, _ = first.corrected(t, covariance)
        product = mean_product(phi, parts, covariance)
        gaps.append(abs(product - (mean[0] - mean[2])))
        assert gaps[-1] < 0.1 * abs(t.mean[0] - mean[0]) + 1e-13
    if activation != "linear":
        np.testing.assert_allclose(np.divide(gaps[:-1], gaps[1:]), 4.0, atol=0.5)


def test_the_rule_for_homogeneous_functions_is_exact():
    phi = Network([4, 3, 3], "leaky_relu(-0.3)").layers[0].activation
    for parts in ((0.9, 0.1), (0.5, 0.5), (1e-6, 1 - 1e-6), (1 - 1e-9, 1e-9)):
        fine, coarse, plane = (
            statistics(a, (1.0, 1.0), (0.7, 0.7), tuple(np.sqrt(parts)), level, True)
            for a, level in ((phi, 0), (phi, 1), (replace(phi, slopes=None), 0))
        )
        for name in ("mean", "first", "second", "product"):
            np.testing.assert_allclose(getattr(fine, name), getattr(coarse, name), atol=1e-13)
            np.testing.assert_allclose(getattr(fine, name), getattr(plane, name), atol=1e-10)


# Brute force


def draw(network, networks, rng, correlation=None, rows=None):
    """Return z.z, z.z', z'.z' over n and their cosine, each (networks, L). Draws every weight."""
    a = rng.standard_normal((networks, network.widths[0], 2))
    if rows is None:
        a[:, :, 1] = correlation * a[:, :, 0] + np.sqrt(1 - correlation**2) * a[:, :, 1]
    else:
        a[:] = np.asarray(rows).T
    out = np.empty((4, networks, network.depth))
    for l, layer in enumerate(network.layers):
        z = batched_weights(rng, networks, layer) @ a
        z += rng.standard_normal((networks, layer.fan_out, 1)) * np.sqrt(layer.bias_variance)
        gram = np.einsum("bix,biy->bxy", z, z) / layer.fan_out
        q, x, r = gram[:, 0, 0], gram[:, 0, 1], gram[:, 1, 1]
        with np.errstate(invalid="ignore"):
            out[:, :, l] = q, x, r, x / np.sqrt(q * r)
        a = layer.activation.phi(z)
    return out


def measured(drawn):
    """Return {name: estimates by layer}; the correlation by its influence function."""
    q, x, r, cosines = drawn
    m, m12, k = q.mean(axis=0), x.mean(axis=0), r.mean(axis=0)
    c = m12 / np.sqrt(m * k)
    influence = x / np.sqrt(m * k) - c / 2 * (q / m + r / k)
    squares = (cosines - np.nanmean(cosines, axis=0)) ** 2
    by_layer = lambda sample: [mean_of(column[np.isfinite(column)]) for column in sample.T]  # noqa: E731
    return {
        "correlation": by_layer(c + influence - influence.mean(axis=0)),
        "cosine": by_layer(cosines),
        "cosine_variance": by_layer(squares),
    }


def scores(record, found, name, layers=slice(None)):
    values = getattr(record, name).values
    return np.array([score(*pair, 1e-12) for pair in zip(found[name], values, strict=True)])[layers]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_first_layers_are_exact_for_normal_weights(activation):
    """Given inputs: the cosine of layer 1 and the correlation of layers 1 and 2, at any width."""
    rng = np.random.default_rng(fresh_seed())
    for widths in ([5, 1, 3], [5, 2, 8], [5, 3, 1], [5, 8, 2]):
        network = Network(widths, activation, bias_variance=0.1)
        found = measured(draw(network, 60_000, rng, rows=ROWS))
        record = theory.pair(network, inputs=ROWS)
        assert_agree(scores(record, found, "correlation"))
        for name in ("cosine", "cosine_variance"):
            assert_agree(scores(record, found, name, slice(1)))
    off = theory.pair(Network([5, 8, 2], activation, bias_variance=0.15), inputs=ROWS)
    assert_rejected(scores(off, found, "correlation"))
    wide = theory.pair(network, inputs=ROWS, order="infinite")
    assert_rejected(scores(wide, found, "cosine"))


@pytest.mark.parametrize("law", quick(*LAWS, slow=lambda law: law in LAWS[2:]))
def test_correlation_of_linear_networks_is_exact(law):
    rng = np.random.default_rng(fresh_seed())
    network = Network([5, 3, 5, 2], "linear", law, bias_variance=[0.0, 0.3, 0.2])
    found = measured(draw(network, 60_000, rng, rows=ROWS))
    record = theory.pair(network, inputs=ROWS, order="exact")
    assert_agree(scores(record, found, "correlation"))
    random = measured(draw(network, 60_000, rng, correlation=-0.4))
    assert_agree(scores(theory.pair(network, -0.4, order="exact"), random, "correlation"))
    assert_rejected(scores(theory.pair(network, -0.36, order="exact"), random, "correlation"))


LEFT_OUT = 2.5  # over width^2: the most that three layers of first order may be wrong by
CASES = [("relu", "he"), ("tanh", "lecun"), ("gelu", "he"), ("linear", "lecun")]
CASES += [("tanh", law) for law in LAWS[1:]] + [("relu", "he_uniform")]


def gaps(record, found, name):
    """Return how far off a profile surely is: beyond six standard errors."""
    values, errors = np.array([(x.value, x.error) for x in found[name]]).T
    return np.abs(getattr(record, name).values - values) - 6 * errors


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "law"), CASES)
def test_first_order_against_brute_force(activation, law):
    """First order is wrong by no more than a constant over width^2, at widths 3 to 16; infinite width is."""
    rng = np.random.default_rng(fresh_seed())
    for n in (3, 5, 8, 16):
        network = Network([n, n, n, n], activation, law, multiplier=1.2, bias_variance=0.05)
        found = measured(draw(network, 20_000 if n > 5 else 40_000, rng, correlation=0.4))
        record, wide = (theory.pair(network, 0.4, order=order) for order in ("first", "infinite"))
        for name in NAMES:
            gap = gaps(record, found, name)
            assert (gap < LEFT_OUT / n**2).all(), (n, name, gap * n**2)
    assert (gaps(wide, found, "cosine_variance") > LEFT_OUT / n**2).any()


def test_first_order_within_the_noise():
    """At width 64 what is left out is below the noise, and what infinite width leaves out is not."""
    rng = np.random.default_rng(fresh_seed())
    network = Network([64] * 4, "tanh", "lecun", multiplier=1.5, bias_variance=0.05)
    found = measured(draw(network, 2_000, rng, correlation=0.5))
    record, wide = (theory.pair(network, 0.5, order=order) for order in (None, "infinite"))
    for name in NAMES:
        assert_agree(scores(record, found, name))
    assert_rejected(scores(wide, found, "cosine_variance"))
    off = theory.pair(Network([64] * 4, "tanh", "lecun", multiplier=1.5, bias_variance=0.25), 0.5)
    assert_rejected(scores(off, found, "cosine"))


# Extremes


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "depth"), [("relu", 1000), ("linear", 200), ("leaky_relu(-1)", 200)])
def test_a_thousand_layers(activation, depth):
    small, large, wide = (
        theory.pair(Network([3] + [64] * depth, activation, multiplier=multiplier), 0.3, order=order)
        for multiplier, order in ((0.25, None), (4.0, None), (4.0, "infinite"))
    )
    for record in (small, large, wide):
        for profile in record.profiles.values():
            assert np.isfinite(profile.values).all()
            assert np.isfinite(profile.errors).all()
        assert (np.abs(record.cosine.values) <= 1).all()
        str(record)
    for name in NAMES:
        np.testing.assert_allclose(getattr(small, name), getattr(large, name).values, rtol=1e-7, atol=1e-9)
    if activation == "linear":
        np.testing.assert_allclose(large.correlation, 0.3, rtol=1e-11)


@pytest.mark.parametrize(
    "activation",
    quick("tanh", "hardtanh", "sigmoid", "sin", "silu", slow=["hardtanh", "sin", "silu"].count),
)
@pytest.mark.parametrize("multiplier", [0.06, 16.0])
def test_vanishing_and_exploding_signals(activation, multiplier):
    for widths in ([3] + [64] * 20, [1] * 8):
        record = theory.pair(Network(widths, activation, multiplier=multiplier), 0.3)
        for profile in record.profiles.values():
            assert np.isfinite(profile.values).all()
            assert np.isfinite(profile.errors).all()
        assert (np.abs(record.cosine.values) <= 1 + 1e-12).all()
        assert (record.cosine_variance.values <= 1 + 1e-12).all()


def test_sizes_of_inputs_do_not_matter_to_relu():
    network = Network([5, 7, 4], "relu")
    record = theory.pair(network, inputs=ROWS)
    for scale in ([1e-70], [1e70], [[1e-70], [1e60]]):
        other = theory.pair(network, inputs=ROWS * np.array(scale))
        for name in NAMES:
            np.testing.assert_allclose(getattr(other, name), getattr(record, name).values, rtol=1e-10)


def test_what_vanishes_has_no_correlation():
    silent = custom_activation(lambda z: 0.0 * z, name="silent")
    record = theory.pair(Network([5, 7, 4, 3], [silent, "relu"], bias_variance=[0.0, 0.0, 0.3]), 0.2)
    np.testing.assert_allclose(record.correlation, [0.2, np.nan, 1.0])


def test_exponentials_out_of_sight_are_refused():
    """E exp(x) exp(y) has the correlation e^(q (c - 1)); at variance 200 what counts is out of sight."""
    exp = custom_activation(np.exp, name="exp")
    small, large = (Network([6] * 4, [exp, "tanh", "tanh"], VarianceScaling(q)) for q in (4.0, 200.0))
    assert theory.pair(small, 0.5, order="infinite").correlation[1] == pytest.approx(np.exp(-2), rel=1e-9)
    with pytest.raises(ValueError, match="misses the moments of activation 'exp' at variance 200"):
        theory.pair(large, 0.5, order="infinite")


@pytest.mark.parametrize("order", ["first", "infinite"])
def test_an_activation_of_the_output_plays_no_part(order):
    """A `Pair` speaks of z only, so that what no quadrature can see there does no harm."""
    exp = custom_activation(np.exp, name="exp")
    bent, plain = (Network([6] * 4, ["tanh", "relu", phi], VarianceScaling(200.0)) for phi in (exp, "linear"))
    found, expected = (theory.pair(network, 0.5, order=order) for network in (bent, plain))
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_what_is_asked_for_wrongly():
    network = Network([5, 4, 3], "tanh")
    with pytest.raises(TypeError, match=r"give a varprop\.Network"):
        theory.pair([5, 4, 3], 0.5)
    with pytest.raises(ValueError, match="unknown order 'second'"):
        theory.pair(network, 0.5, order="second")
    with pytest.raises(ValueError, match="layer 1 is tanh; use order='first'"):
        theory.pair(network, 0.5, order="exact")
    with pytest.raises(ValueError, match="neither of correlation and inputs"):
        theory.pair(network)
    with pytest.raises(ValueError, match="both of correlation and inputs"):
        theory.pair(network, 0.5, inputs=ROWS)
    with pytest.raises(ValueError, match=r"correlation is 1\.2"):
        theory.pair(network, 1.2)
    with pytest.raises(TypeError, match="correlation is 'half'"):
        theory.pair(network, "half")
    with pytest.raises(ValueError, match="inputs hold 1 rows"):
        theory.pair(network, inputs=ROWS[0])
    with pytest.raises(ValueError, match="this network takes"):
        theory.pair(network, inputs=np.ones((2, 4)))
    with pytest.raises(ValueError, match="input 2 is all zeros"):
        theory.pair(network, inputs=ROWS * [[1.0], [0.0]])
