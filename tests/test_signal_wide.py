"""Signals at infinite width and to first order: fixed points, sine networks in closed form, drawn networks."""

import mpmath as mp
import numpy as np
import pytest
from drawn_signal import draw, scores
from evidence import assert_agree, assert_rejected, close, origins
from scipy import special

from varprop import Network, VarianceScaling, custom_activation, theory
from varprop.theory.chain.first_layer import units
from varprop.theory.orders import FIRST


@pytest.mark.slow
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


def test_lecun_tanh():
    """g(1) = 0.394294...: the second layer of a lecun tanh network, at infinite width."""
    g = float(mp.quad(lambda z: mp.tanh(z) ** 2 * mp.npdf(z), [-11, -3, 0, 3, 11]))
    record = theory.forward(Network([50, 50, 50], "tanh", "lecun"), np.ones(50))
    close(record.variance, [1.0, g])
    close(record.second_moment, [g, g])
    assert record.variance.origin == FIRST


@pytest.mark.parametrize("activation", ["relu", "leaky_relu(0.2)", "linear"])
@pytest.mark.parametrize("law", ["he", "he_uniform", "he_orthogonal"])
def test_first_order_is_the_exact_result_to_first_order(activation, law, monkeypatch):
    """Doubling the width divides the difference by 4."""
    monkeypatch.setattr(units, "MANY", 0)  # the first layer expanded too
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
            logs.append(
                [np.abs(getattr(exact, k).values - getattr(first, k).values) for k in ("log_mean", "log_variance")]
            )
    logs = np.array(logs) + 1e-12
    assert (logs[:-1] / logs[1:] > 3.4)[logs[:-1] > 1e-9].all()


def test_errors_bound_the_quadrature_error_through_the_layers():
    """Waves too fast for panels are known from random points, and the bound says so; a kink is found untold."""
    waves = Network([6] * 8, custom_activation(lambda z: np.sin(1e5 * z)), "lecun")
    rough = theory.forward(waves, np.ones(6), order="infinite").variance
    off = np.abs(rough.values - 0.5)[1:]
    assert off.max() > 1e-9
    assert (off <= rough.errors[1:]).all()
    assert (rough.errors <= 0.05).all()
    steps = [custom_activation(lambda z: np.where(z > 0.37, 1.0, 0.2), kinks=k) for k in ([0.37], [])]
    told, found = (theory.forward(Network([6] * 8, phi, "lecun"), np.ones(6), order="infinite") for phi in steps)
    np.testing.assert_allclose(found.variance.values, told.variance.values, rtol=1e-13)
    assert (found.variance.errors < 1e-12).all()


def test_errors_are_infinite_where_moments_are_out_of_sight():
    """E exp(x)^2 is e^(2q); of a variance of 2 it is seen, of 300 it is not."""
    for gain_squared, seen in ((2.0, True), (120.0, True), (300.0, False)):
        network = Network([6] * 4, [custom_activation(np.exp), "tanh", "tanh"], VarianceScaling(gain_squared))
        variance = theory.forward(network, np.ones(6), order="infinite").variance
        assert (variance[1] == pytest.approx(gain_squared * np.exp(2 * gain_squared))) == seen
        assert np.isfinite(variance.errors[1]) == seen
        assert not np.isnan(variance.errors).any()
        theory.forward(network, np.ones(6), order="first")  # whose errors may pass float64: warnings are errors


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
def test_first_order_of_every_weight_law(law, monkeypatch):
    """E a^2, E z^2 and the spread of q-hat behind one layer of sines: what is left out is of order 1 / n^2."""
    monkeypatch.setattr(units, "MANY", 0)
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
    """x ~ N(0, I) gives E exp(-2 V |x|^2) = (1 + 4V)^(-n/2), whatever n: |x|^2 is integrated over."""
    for n in (1, 2, 3, 7, 16, 48, 49, 64, 1000):
        found = theory.forward(Network([n, n, 2], "sin", VarianceScaling(0.7))).second_moment[0]
        assert found == pytest.approx((1 - (1 + 2.8 / n) ** (-n / 2)) / 2, rel=1e-10)


# Brute force


@pytest.mark.slow
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


def test_rows_that_carry_nothing_add_no_error():
    """Inputs near 0 behind five cubes are beyond float64, and so is their relative error: 0 times infinity warned."""
    cube = custom_activation(lambda z: z * z * z, lambda z: 3 * z * z, name="cube")
    record = theory.forward(Network([1] * 6, cube, "lecun"))
    for name in ("variance", "second_moment"):
        assert not np.isnan(record.profiles[name].errors).any()
