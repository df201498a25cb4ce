"""theory.forward against hand values, closed forms of sine networks, and brute force that draws every weight."""

import math
import warnings

import mpmath as mp
import numpy as np
import pytest
from evidence import assert_agree, assert_rejected
from reference import batched_weights
from scipy import special

from varprop import Network, VarianceScaling, custom_activation, theory

FIELDS = ("variance", "second_moment", "fluctuation", "kurtosis", "log_mean", "log_variance", "dead")
FIRST = "first order in 1/width"


def close(profile, values, rtol=1e-12, atol=0.0):
    np.testing.assert_allclose(profile.values, values, rtol=rtol, atol=atol)


def origins(record):
    return {name: profile.origin for name, profile in record.profiles.items()}


# Values by hand


@pytest.mark.parametrize("order", [None, "infinite", "first", "exact"])
def test_he_keeps_the_variance_of_relu_at_two(order):
    record = theory.forward(Network([784] + [512] * 20 + [10], "relu", "he"), order=order)
    close(record.variance, 2.0, rtol=1e-14)
    close(record.second_moment, [1.0] * 20 + [2.0], rtol=1e-14)
    assert (record.variance.errors < 1e-13).all()


def test_first_layer_is_gain_squared_times_the_mean_square_of_the_input():
    x = np.array([0.2, 0.9, 0.0, 0.4])
    for weights, gain_squared in (("he", 2.0), ("lecun", 1.0), (VarianceScaling(1.0, "fan_out"), 4 / 7)):
        record = theory.forward(Network([4, 7], "tanh", weights, bias_variance=0.3), x)
        close(record.variance, gain_squared * np.mean(x**2) + 0.3)
        assert set(origins(record).values()) == {"exact", FIRST}  # logarithms with a bias are of first order
        assert record.variance.origin == "exact"


def test_relu_kurtosis_and_fluctuation():
    widths = [10, 7, 5, 3, 4]
    record = theory.forward(Network(widths, "relu"), np.ones(10))
    grown = np.cumprod([1, 1 + 5 / 7, 1 + 5 / 5, 1 + 5 / 3])
    close(record.kurtosis, 3 * grown)
    close(record.fluctuation, grown * (1 + 2 / np.array(widths[1:])) - 1)
    assert set(origins(record).values()) == {"exact"}
    random = theory.forward(Network(widths, "relu"))
    close(random.kurtosis, 3 * grown * 1.2)
    slope = 0.3
    leaky = theory.forward(Network(widths, f"leaky_relu({slope})"), np.ones(10))
    kappa = 6 * (1 + slope**4) / (1 + slope**2) ** 2 - 1
    close(leaky.kurtosis, 3 * np.cumprod([1, 1 + kappa / 7, 1 + kappa / 5, 1 + kappa / 3]))


def test_linear_logarithms_are_digammas():
    widths = np.array([6, 1, 3, 8])
    record = theory.forward(Network(widths, "linear", "lecun"))
    n = widths / 2
    means = special.digamma(n) + np.log(1 / n)
    close(record.log_mean, np.cumsum(means)[1:], atol=1e-13)
    close(record.log_variance, np.cumsum(special.polygamma(1, n))[1:], atol=1e-13)
    fixed = theory.forward(Network(widths, "linear", "lecun"), np.full(6, np.sqrt(2.0)))
    close(fixed.log_mean, np.log(2.0) + np.cumsum(means[1:]), atol=1e-13)


def test_orthogonal_linear_square_network_keeps_the_norm():
    record = theory.forward(Network([8] * 5, "linear", "orthogonal"), np.ones(8))
    close(record.variance, 1.0)
    for profile, value in ((record.fluctuation, 0), (record.log_mean, 0), (record.log_variance, 0)):
        close(profile, value, atol=1e-14)
    close(record.kurtosis, 3 * 8 / 10)


def test_relu_median_shrinks_while_the_mean_stays():
    """He relu of width 100: ln q-hat falls by 5 / 2n + 49 / 12n^2 a layer and spreads by 5 / n + 18.5 / n^2."""
    record = theory.forward(Network([100] * 51, "relu"), np.ones(100))
    close(record.variance, 2.0, rtol=1e-13)
    np.testing.assert_allclose(np.diff(record.log_mean), -5 / 200 - 49 / 12e4, atol=2e-5)
    np.testing.assert_allclose(np.diff(record.log_variance), 5 / 100 + 18.5e-4, atol=2e-4)


def test_death():
    widths = [5, 3, 1, 4, 2]
    alive = np.cumprod(1 - 0.5 ** np.array([3.0, 1, 4]))
    record = theory.forward(Network(widths, "relu"))
    close(record.dead, 1 - np.append(alive, alive[-1]))
    biased = theory.forward(Network(widths, "relu", bias_variance=[0.1, 0.0, 0.1, 0.0]))
    close(biased.dead, [1 / 8, 1 - 7 / 8 / 2, 1 / 16, 1 / 16])
    rows = np.array([[0.0] * 5, [1.0] * 5])
    close(theory.forward(Network(widths, "tanh"), rows).dead, 0.5)
    close(theory.forward(Network(widths, "leaky_relu"), rows).dead, 0.5)
    close(theory.forward(Network(widths, "relu"), rows).dead, 1 - np.append(alive, alive[-1]) / 2)
    close(theory.forward(Network(widths, "sigmoid"), rows).dead, 0.0)
    close(theory.forward(Network(widths, "relu"), rows, order="infinite").dead, 0.5)
    assert theory.forward(Network(widths, lambda z: np.maximum(z, 0.0)), rows).dead is None
    assert theory.forward(Network([4000, 4000, 2], "relu")).dead.values[0] == 0.0  # 2^-4000


def test_fixed_points_of_infinite_width():
    """Deep networks come to the values that test_fixed_points has too."""

    def settled(activation, gain_squared, bias_variance=0.0, width=8, layers=200, q=1.0):
        law = VarianceScaling(gain_squared, "fan_in")
        network = Network([width] * layers, activation, law, bias_variance=bias_variance)
        record = theory.forward(network, np.full(width, np.sqrt(q)), order="infinite")
        assert set(origins(record).values()) == {"infinite width"}
        return record.variance

    tanh = settled("tanh", 25 / 9)
    assert tanh[-1] == pytest.approx(1.178480490385908, rel=1e-13)
    assert abs(tanh[-1] - 1.178480490385908) <= tanh.errors[-1]
    assert settled("tanh", 1.76095463960674, 0.05)[-1] == pytest.approx(0.570047881641, rel=1e-11)
    assert settled("sigmoid", 1.0)[-1] == pytest.approx(0.264686875181892, rel=1e-13)
    assert settled("selu", 0.5625, layers=400)[-1] == pytest.approx(0.02303378461, rel=1e-6)
    np.testing.assert_allclose(settled("selu", 1.0, layers=50), 1.0, rtol=1e-12)
    assert settled("tanh", theory.gain("tanh") ** 2, layers=100)[-1] == pytest.approx(1.0, rel=1e-12)
    critical = settled(
        "gelu",
        1.98305825743755,
        0.172922390756067,
        layers=20,
        q=(3.56155281280883 - 0.172922390756067) / 1.98305825743755,
    )
    np.testing.assert_allclose(critical, 3.56155281280883, rtol=1e-12)
    assert settled("relu", 1 / 3, 1 / 24)[-1] == pytest.approx(2 / (5 * 8), rel=1e-14)  # torch's default layer


def test_torch_default_is_exact_at_any_width():
    network = Network([3] + [8] * 60, "relu", VarianceScaling(1 / 3), bias_variance=[1 / 9] + [1 / 24] * 59)
    record = theory.forward(network)
    assert record.variance.origin == record.kurtosis.origin == record.second_moment.origin == "exact"
    assert record.log_mean.origin == FIRST
    assert record.variance[-1] == pytest.approx(1 / 20, rel=1e-14)
    assert record.variance[0] == pytest.approx(4 / 9, rel=1e-14)


def test_lecun_tanh():
    """g(1) = 0.394294...: the second layer of a lecun tanh network, at infinite width."""
    g = float(mp.quad(lambda z: mp.tanh(z) ** 2 * mp.npdf(z), [-11, -3, 0, 3, 11]))
    record = theory.forward(Network([50, 50, 50], "tanh", "lecun"), np.ones(50))
    close(record.variance, [1.0, g])
    close(record.second_moment, [g, g])
    assert record.variance.origin == FIRST


def test_data_are_a_mixture():
    """Rows of different norm: mean and spread of |x|^2 by the law of total variance."""
    rows = np.diag([1.0, 2.0, 0.0, 5.0])
    squares = np.array([1.0, 4.0, 0.0, 25.0])
    spread = squares.var() / squares.mean() ** 2
    for order in ("infinite", "first", "exact"):
        record = theory.forward(Network([4, 6, 2], "relu"), rows, order=order)
        grown = np.array([1.0, 1.0 if order == "infinite" else 1 + 5 / 6])
        close(record.variance, 2 * squares.mean() / 4)
        close(record.kurtosis, 3 * (1 + spread) * grown)
    logs = np.log(2 * squares[squares > 0] / 4)
    assert record.log_mean[0] == pytest.approx(logs.mean() + special.digamma(3) + np.log(1 / 3), rel=1e-13)
    assert record.log_variance[0] == pytest.approx(logs.var() + special.polygamma(1, 3), rel=1e-13)
    many = np.repeat(rows, 500, axis=0)  # enough to interpolate
    for activation in ("tanh", "relu"):
        few, all_rows = (theory.forward(Network([4, 6, 6, 2], activation), data) for data in (rows, many))
        for name in FIELDS:
            close(getattr(few, name), getattr(all_rows, name).values)


def test_a_row_is_one_input():
    x = np.arange(1.0, 5.0)
    one, two = (theory.forward(Network([4, 6, 2], "tanh"), data) for data in (x, np.stack([x, x])))
    for name in FIELDS:
        close(getattr(one, name), getattr(two, name).values, rtol=1e-14)


# Everything at once


@pytest.mark.parametrize("order", [None, "infinite"])
@pytest.mark.parametrize("multiplier", [0.25, 4.0])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "silu", "sigmoid"])
def test_deep_networks_stay_finite_in_logarithms(activation, multiplier, order):
    inputs = np.array([[1e-3, 0, 0, 0], [30.0, 1, 1, 1], [0, 0, 0, 0]])
    record = theory.forward(Network([4] + [64] * 150 + [3], activation, multiplier=multiplier), inputs, order=order)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        str(record)
    for name, profile in record.profiles.items():
        assert not np.isnan(profile.values).any(), name
        assert not np.isnan(profile.errors).any(), name
    for name in ("log_mean", "log_variance", "kurtosis", "fluctuation", "dead"):
        assert np.isfinite(getattr(record, name).values).all(), name
    if activation == "relu":
        shrink = 0.0 if order == "infinite" else 2.5 / 64
        np.testing.assert_allclose(np.diff(record.log_mean.values[:-1]), np.log(multiplier) - shrink, atol=1.2e-3)


def test_beyond_float64():
    record = theory.forward(Network([8] * 1001, "relu", multiplier=4.0), np.ones(8))
    assert record.variance[-1] == np.inf
    assert np.isfinite(record.log_mean[-1])
    steps = np.diff(record.log_mean.values)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-10)
    small = theory.forward(Network([8] * 1001, "relu", multiplier=0.25), np.ones(8))
    assert small.variance[-1] == 0.0
    close(small.log_mean, record.log_mean.values - 2 * np.arange(1, 1001) * np.log(4.0), rtol=1e-11)
    close(small.kurtosis, record.kurtosis.values)
    silu = theory.forward(Network([64] * 601, "silu", multiplier=0.25), np.ones(64), order="infinite")
    assert silu.variance[-1] == 0.0
    np.testing.assert_allclose(np.diff(silu.log_mean)[50:], np.log(0.5 * 0.25), rtol=1e-9)  # slope 1/2 at 0
    gelu = theory.forward(Network([64] * 601, "gelu", multiplier=4.0), np.ones(64), order="infinite")
    assert gelu.variance[-1] == np.inf
    np.testing.assert_allclose(np.diff(gelu.log_mean)[50:], np.log(4.0), rtol=1e-9)


@pytest.mark.parametrize("law", ["he", "he_uniform", "he_orthogonal"])
def test_tails_beyond_float64(law):
    """At width 2 the kurtosis grows by 3.5 a layer, 1.75 where orthogonal; beyond 1e308 it is inf, not NaN."""
    record = theory.forward(Network([2] * 1401, "relu", law), np.array([[1.0, 2.0], [0.0, 0.0]]))
    assert record.kurtosis[-1] == record.fluctuation[-1] == np.inf
    for profile in (record.kurtosis, record.fluctuation):
        assert not np.isnan(profile.values).any()
        assert (np.diff(profile.values[np.isfinite(profile.values)]) > 0).all()
    assert np.isfinite(record.log_variance.values).all()
    assert np.isfinite(record.dead.values).all()


def test_widths_of_one_and_nothing_to_see():
    for activation in ("relu", "linear", "tanh", "sin", "softplus"):
        for order in (None, "first", "infinite"):
            record = theory.forward(Network([1, 1, 1, 1], activation), order=order)
            for profile in record.profiles.values():
                assert np.isfinite(profile.values).all()
    dark = theory.forward(Network([3, 4, 2], "relu"), np.zeros(3))
    np.testing.assert_array_equal(dark.variance, 0.0)
    np.testing.assert_array_equal(dark.dead, 1.0)
    assert np.isnan(dark.log_mean.values).all()
    lit = theory.forward(Network([3, 4, 2], "sigmoid", "lecun"), np.zeros(3))
    np.testing.assert_allclose(lit.variance, [0.0, 0.25])
    assert np.isnan(lit.kurtosis[0])
    assert lit.kurtosis[1] == 3.0


def test_layers_may_all_differ():
    """One layer of each kind; the exact fields by hand."""
    network = Network(
        [2, 3, 4, 5],
        ["relu", "leaky_relu(0.5)", "linear"],
        ["he", "glorot_uniform", "lecun_orthogonal"],
        multiplier=[1.0, 2.0, 0.5],
        bias_variance=[0.0, 0.3, 0.1],
    )
    record = theory.forward(network, np.array([3.0, 4.0]))
    q1 = 25.0
    q2 = 3 * (2 * 2 / 7) * q1 / 2 + 0.3
    q3 = 4 * 0.5 / 4 * q2 * 0.625 + 0.1
    close(record.variance, [q1, q2, q3])
    close(record.second_moment, [q1 / 2, 0.625 * q2, q3])


def test_output_layer_may_have_any_activation():
    widths, x = [4, 6, 5], np.ones(4)
    record = theory.forward(Network(widths, ["relu", "tanh"]), x)
    assert record.variance.origin == record.kurtosis.origin == record.log_mean.origin == "exact"
    assert record.second_moment.origin == FIRST
    close(record.variance, 2.0)
    shallow = theory.forward(Network([4, 5], ["sigmoid"]), x)
    assert shallow.variance.origin == "exact"
    close(
        shallow.second_moment, float(mp.quad(lambda z: mp.npdf(z) / (1 + mp.exp(-mp.sqrt(2) * z)) ** 2, [-11, 0, 11]))
    )


@pytest.mark.parametrize("activation", ["relu", "leaky_relu(0.2)", "linear"])
@pytest.mark.parametrize("law", ["he", "he_uniform", "he_orthogonal"])
def test_first_order_is_the_exact_result_to_first_order(activation, law):
    """Doubling the width divides the difference by 4."""
    gaps = []
    for n in (64, 128, 256):
        network = Network([n] * 5, activation, law, bias_variance=0.2)
        rows = np.stack([np.ones(n), np.r_[np.full(n // 2, 2.0), np.zeros(n - n // 2)]])
        exact, first = (theory.forward(network, rows, order=order) for order in ("exact", "first"))
        close(first.variance, exact.variance.values)
        gaps.append([np.abs(getattr(exact, k).values - getattr(first, k).values) for k in ("fluctuation", "kurtosis")])
    gaps = np.array(gaps) + 1e-12
    assert (gaps[:-1] / gaps[1:] > 3.4)[gaps[:-1] > 1e-9].all()
    logs = []
    for n in (64, 128, 256):
        if law != "he_uniform":
            exact, first = (theory.forward(Network([n] * 5, activation, law), order=o) for o in ("exact", "first"))
            logs.append([np.abs(getattr(exact, k).values - getattr(first, k).values) for k in FIELDS[4:6]])
    logs = np.array(logs) + 1e-12
    assert (logs[:-1] / logs[1:] > 3.4)[logs[:-1] > 1e-9].all()


# A network of sines has its moments in closed form, as E sin(z)^2 = (1 - E cos 2z) / 2


def _cosine(law, n, t):
    """E cos(t z) of z = sum_j W_j x_j with |x_j| = 1, Var(z) = 1, n inputs and N = n for orthogonal W."""
    if law == "normal":
        return np.exp(-(t**2) / 2)
    if law == "uniform":
        return np.sinc(t * np.sqrt(3 / n) / np.pi) ** n
    if law == "orthogonal":
        return special.hyp0f1(n / 2, -n * t**2 / 4)
    half, std = t / np.sqrt(n), 0.87962566103423978
    x, w = np.polynomial.legendre.leggauss(40)
    density = np.exp(-2 * x**2) * w
    return ((density * np.cos(half / std * 2 * x)).sum() / density.sum()) ** n


@pytest.mark.parametrize("law", ["normal", "uniform", "truncated_normal", "orthogonal"])
def test_first_order_of_every_weight_law(law):
    """E a^2, E z^2 and the spread of q-hat behind one layer of sines: what is left out is of order 1 / n^2."""
    wrong, spreads = [], []
    weights = VarianceScaling(1.0, "fan_in", law)
    for n in (16, 32, 64, 128):
        record = theory.forward(Network([n, n, 7], "sin", weights, bias_variance=[0.0, 0.1]), np.ones(n))
        c2, c4, both = (_cosine(law, n, t) for t in (2.0, 4.0, 2 * np.sqrt(2.0)))
        second, variance = (1 - c2) / 2, (1 + c4) / 8 - c2**2 / 4
        wrong.append(abs(record.second_moment[0] - second))
        assert record.variance[1] == pytest.approx(record.second_moment[0] + 0.1, rel=1e-14)
        pair = (both - c2**2) / 4 if law == "orthogonal" else 0.0
        spread = variance / n + (n - 1) / n * pair
        found = theory.forward(Network([n, n, 10**16], "sin", weights, bias_variance=[0.0, 0.1]), np.ones(n))
        if law == "orthogonal":
            found = theory.forward(Network([n, n, 10**16], "sin", ["orthogonal", "lecun"]), np.ones(n))
            spreads.append(abs(found.fluctuation[1] - spread / second**2))
        else:
            spreads.append(abs(found.fluctuation[1] - spread / (second + 0.1) ** 2))
    if law == "normal":
        assert max(wrong) < 1e-14
        assert max(spreads) < 1e-12
    else:
        wrong, spreads = np.array(wrong), np.array(spreads)
        assert (wrong[:-1] / wrong[1:] > 3.4).all()
        assert (spreads[1:-1] / spreads[2:] > 3.4).all()
        # and without the correction for the law it would be of order 1 / n
        plain = theory.forward(Network([128, 128, 7], "sin", "lecun"), np.ones(128)).second_moment[0]
        assert abs(plain - second) > 20 * wrong[-1]


def test_mean_behind_two_layers_of_sines():
    """E exp(-2 V sum sin(z_i)^2) is one integral to the power n, so E z^2 of the third layer is known."""
    nodes, w = np.polynomial.legendre.leggauss(80)
    z, w = 8 * nodes, 8 * w * np.exp(-32 * nodes**2) / np.sqrt(2 * np.pi)
    gain_squared, bias_variance = 3.0, 0.05
    wrong, wide = [], []
    for n in (8, 16, 32, 64):
        law = VarianceScaling(gain_squared)
        network = Network([n, n, n, 3], "sin", law, bias_variance=bias_variance)
        x = np.full(n, np.sqrt(0.3))
        q1 = gain_squared * 0.3 + bias_variance
        laplace = (w * np.exp(-2 * gain_squared / n * np.sin(np.sqrt(q1) * z) ** 2)).sum() ** n
        exact = gain_squared * (1 - np.exp(-2 * bias_variance) * laplace) / 2 + bias_variance
        wrong.append(theory.forward(network, x).variance[2] - exact)
        wide.append(theory.forward(network, x, order="infinite").variance[2] - exact)
    wrong, wide = np.abs(wrong), np.abs(wide)
    assert (wrong[:-1] / wrong[1:] > 3.4).all()
    np.testing.assert_allclose(wide[:-1] / wide[1:], 2.0, atol=0.2)
    assert wrong[-1] < wide[-1] / 20


def test_mean_behind_random_inputs():
    """x ~ N(0, I) gives E exp(-2 V |x|^2) = (1 + 4V)^(-n/2)."""
    wrong = []
    for n in (16, 32, 64):
        found = theory.forward(Network([n, n, 2], "sin", VarianceScaling(0.7))).second_moment[0]
        wrong.append(abs(found - (1 - (1 + 2.8 / n) ** (-n / 2)) / 2))
    wrong = np.array(wrong)
    assert (wrong[:-1] / wrong[1:] > 3.4).all()


# Brute force


def draw(network, rows, networks, seed):
    """Return z^2, z^4 and a^2, means over units, and whether a is 0: each (networks, L). Draws every weight."""
    rng = np.random.default_rng(seed)
    if rows is None:
        a = rng.standard_normal((networks, network.widths[0]))
    else:
        rows = np.atleast_2d(rows)
        a = rows[rng.integers(len(rows), size=networks)]
    out = np.empty((4, networks, network.depth))
    for l, layer in enumerate(network.layers):
        z = np.einsum("bij,bj->bi", batched_weights(rng, networks, layer), a)
        z = z + rng.standard_normal(z.shape) * np.sqrt(layer.bias_variance)
        a = layer.activation.phi(z)
        out[:, :, l] = np.mean(z**2, 1), np.mean(z**4, 1), np.mean(a**2, 1), (a == 0).all(1)
    return out


def scores(record, drawn, fields):
    """Return z-scores of theory against means over networks; ratios by their influence functions."""
    z2, z4, a2, dead = drawn
    result = []
    for name in fields:
        profile = getattr(record, name)
        for l, predicted in enumerate(profile.values):
            q, f = z2[:, l], z4[:, l]
            m = q.mean()
            if name == "fluctuation":
                influence = q**2 / m**2 - 2 * (q**2).mean() / m**3 * (q - m) - 1
            elif name == "kurtosis":
                influence = f / m**2 - 2 * f.mean() / m**3 * (q - m)
            elif name in ("log_mean", "log_variance"):
                influence = np.log(q[q > 0])
                if name == "log_variance":
                    influence = (influence - influence.mean()) ** 2
            else:
                influence = {"variance": q, "second_moment": a2[:, l], "dead": dead[:, l]}[name]
            spread = predicted * (1 - predicted) if name == "dead" else influence.var()
            error = np.sqrt(max(spread, 0.0) / len(influence)) + 1e-12 * (1 + abs(predicted))  # and rounding
            result.append((influence.mean() - predicted) / error)
    return np.array(result)


SPREAD = np.array([[1.0, 0, 0, 0, 0], [1, 2, -1, 0.5, 0], [0.3, 0.3, 0.3, 0.3, 0.3], [0] * 5])
MOMENTS, LOGS = ("variance", "second_moment", "fluctuation", "kurtosis", "dead"), ("log_mean", "log_variance", "dead")
EXACT_CASES = {
    "tiny relu": (Network([1, 3, 8, 1, 2], "relu"), None, LOGS),
    "tiny leaky": (Network([1, 1, 3, 2], "leaky_relu(0.1)"), None, LOGS),
    "rows": (Network([5, 8, 9, 4], "leaky_relu(0.3)", "glorot"), SPREAD, ("variance", "second_moment", *LOGS)),
    "shallow": (Network([5, 9, 4], "relu"), SPREAD, (*MOMENTS, *LOGS)),
    "biases": (Network([5, 8, 9, 4], "relu", "lecun", bias_variance=[0.0, 0.4, 0.2]), SPREAD[:2], MOMENTS),
    "uniform": (Network([5, 8, 6, 4], "relu", "lecun_uniform", bias_variance=[0.0, 0.2, 0.1]), SPREAD, MOMENTS),
    "one weight": (Network([1, 3, 8, 2], "linear", "lecun_uniform"), np.ones((1, 1)), MOMENTS),
    "truncated": (Network([3, 6, 5], "leaky_relu(0.5)", "he_truncated_normal"), None, MOMENTS),
    "orthogonal": (Network([5, 9, 4, 8], "relu", "he_orthogonal"), SPREAD[1:2], (*MOMENTS, *LOGS)),
    "orthogonal, biases": (
        Network([5, 5, 3, 6], "leaky_relu(-0.4)", "lecun_orthogonal", bias_variance=[0.3, 0.2, 0.0]),
        SPREAD[:2],
        MOMENTS,
    ),
    "mixed": (
        Network([5, 6, 7, 4], ["linear", "relu", "leaky_relu"], ["lecun_uniform", "orthogonal", "he"]),
        SPREAD[1:3],
        MOMENTS,
    ),
}


@pytest.mark.parametrize("case", EXACT_CASES)
def test_exact_theory_against_brute_force(case):
    network, rows, fields = EXACT_CASES[case]
    record = theory.forward(network, rows, order="exact")
    assert {getattr(record, name).origin for name in fields} == {"exact"}
    drawn = draw(network, rows, 100_000, seed=20)
    assert_agree(scores(record, drawn, fields))


def test_brute_force_rejects_what_is_slightly_wrong():
    """The negative control, at the same budget: weights 2% off, units a little leaky, normal weights for uniform."""
    network, x = Network([5, 9, 4], "relu"), SPREAD[1]
    drawn = draw(network, x, 100_000, seed=21)
    assert_agree(scores(theory.forward(network, x), drawn, (*MOMENTS, *LOGS)))
    off = theory.forward(Network([5, 9, 4], "relu", multiplier=1.02), x)
    leaky = theory.forward(Network([5, 9, 4], "leaky_relu(0.1)"), x)
    for wrong, field in ((off, "variance"), (off, "log_mean"), (leaky, "log_variance"), (leaky, "dead")):
        assert_rejected(scores(wrong, drawn, [field]))
    network, rows, _ = EXACT_CASES["uniform"]
    drawn = draw(network, rows, 100_000, seed=22)
    normal = theory.forward(Network(network.widths, "relu", "lecun", bias_variance=[0.0, 0.2, 0.1]), rows)
    for field in ("fluctuation", "kurtosis"):
        assert_rejected(scores(normal, drawn, [field]))


@pytest.mark.parametrize("law", ["lecun", "lecun_uniform", "lecun_orthogonal"])
def test_first_order_against_brute_force(law):
    """What first order leaves out is below the noise here, and what infinite width leaves out is not."""
    network = Network([32] * 4, "tanh", law, multiplier=1.5, bias_variance=0.05)
    rows = np.stack([np.ones(32), np.r_[np.ones(16), 2 * np.ones(16)]])
    drawn = draw(network, rows, 4_000, seed=23)
    fields = ("variance", "second_moment", "fluctuation", "kurtosis", "log_mean", "dead")
    assert_agree(scores(theory.forward(network, rows), drawn, fields))
    wide = theory.forward(network, rows, order="infinite")
    assert_rejected(scores(wide, drawn, ["fluctuation"]))


# What is asked for wrongly


def test_orders_are_named():
    network = Network([4, 3, 2], ["tanh", "linear"])
    with pytest.raises(ValueError, match=r"unknown order 'second'; choose one of infinite, first, exact"):
        theory.forward(network, order="second")
    with pytest.raises(ValueError, match=r"layer 1 is tanh; use order='first'"):
        theory.forward(network, order="exact")
    with pytest.raises(TypeError, match=r"give a varprop\.Network"):
        theory.forward([4, 3, 2])
    with pytest.raises(ValueError, match="this network takes"):
        theory.forward(network, np.ones(5))


def test_custom_activation_is_as_good_as_the_built_in_one():
    ours, theirs = (
        theory.forward(Network([5, 6, 7, 3], activation, "lecun"), SPREAD)
        for activation in (custom_activation(np.tanh, name="mine"), "tanh")
    )
    for name in FIELDS[:-1]:
        close(getattr(ours, name), getattr(theirs, name).values)
    assert ours.dead is None


def test_errors_bound_the_quadrature_error_through_the_layers():
    """A kink that theory is not told of makes a large error, and the bound says so."""

    def phi(z):
        return np.where(z > 0.37, 1.0, 0.2)

    network = [Network([6] * 8, custom_activation(phi, kinks=k), "lecun") for k in ([0.37], [])]
    right, rough = (theory.forward(n, np.ones(6), order="infinite").variance for n in network)
    off = np.abs(right.values - rough.values)[1:]
    assert off.max() > 1e-9
    assert (off <= rough.errors[1:]).all()
    assert (right.errors < 1e-12).all()


def test_errors_are_infinite_where_moments_are_out_of_sight():
    """E exp(x)^2 is e^(2q); of a variance of 2 it is seen, of 300 it is not."""
    for gain_squared, seen in ((2.0, True), (300.0, False)):
        network = Network([6] * 4, [custom_activation(np.exp), "tanh", "tanh"], VarianceScaling(gain_squared))
        variance = theory.forward(network, np.ones(6), order="infinite").variance
        assert (variance[1] == pytest.approx(gain_squared * np.exp(2 * gain_squared))) == seen
        assert np.isfinite(variance.errors[1]) == seen
        assert not np.isnan(variance.errors).any()


def test_networks_needed():
    network = Network([8, 16, 10], "relu")
    fluctuation = (1 + 2 / 8) * (1 + 5 / 16) * (1 + 2 / 10) - 1
    assert theory.networks_needed(network, 0.01) == math.ceil(fluctuation / 0.01**2)
    assert theory.networks_needed(Network([4, 4], "linear", "orthogonal"), 0.5, np.ones(4)) == 2
    with pytest.raises(ValueError, match="look at log_mean"):
        theory.networks_needed(Network([1] * 1001, "relu"), 0.1)
    with pytest.raises(ValueError, match="relative_error is 2"):
        theory.networks_needed(network, 2)
    with pytest.raises(TypeError, match="relative_error is None"):
        theory.networks_needed(network, None)
