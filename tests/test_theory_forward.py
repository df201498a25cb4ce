"""theory.forward: values by hand in every order, extremes, and what it refuses."""

import math
import warnings

import mpmath as mp
import numpy as np
import pytest
from drawn_signal import SPREAD
from evidence import close, origins, quick
from scipy import special

from varprop import Network, VarianceScaling, custom_activation, theory

FIELDS = ("variance", "second_moment", "fluctuation", "kurtosis", "log_mean", "log_variance", "dead")
FIRST = "first order in 1/width"

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
        assert set(origins(record).values()) == {"exact"}
        assert record.variance.origin == "exact"


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
@pytest.mark.parametrize("multiplier", [0.03, 30.0])
@pytest.mark.parametrize("activation", quick("relu", "leaky_relu", "tanh", "silu", slow=["silu"].count))
def test_deep_networks_stay_finite_in_logarithms(activation, multiplier, order):
    inputs = np.array([[1e-3, 0, 0, 0], [30.0, 1, 1, 1], [0, 0, 0, 0]])
    record = theory.forward(Network([4] + [64] * 60 + [3], activation, multiplier=multiplier), inputs, order=order)
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


@pytest.mark.slow
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
