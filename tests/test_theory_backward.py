"""theory.backward: values by hand in every order, extremes, and what it refuses."""

import warnings

import numpy as np
import pytest
from drawn_signal import SPREAD
from evidence import close

from varprop import Network, VarianceScaling, custom_activation, theory
from varprop.theory.gaussian.derivative_moment import derivative_moment

FIELDS = ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean", "log_variance", "dead")
FIRST = "first order in 1/width"
LOSSES = ("linear", "half_square", "cross_entropy")


# Values by hand


@pytest.mark.parametrize("order", ["infinite", "first", "exact"])
@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_what_initializers_do_to_the_gradient(activation, order):
    """He over fan_in multiplies it by n_(l+1) / n_l, over fan_out keeps it; Glorot by half of a mean of the two."""
    n = np.array([30, 40, 10, 25, 5])
    part = 0.5 if activation == "relu" else 1.0
    for weights, factors in (
        (VarianceScaling(1 / part, "fan_in"), n[2:] / n[1:-1]),
        (VarianceScaling(1 / part, "fan_out"), np.ones(3)),
        ("glorot", 2 * part * n[2:] / (n[1:-1] + n[2:])),
    ):
        record = theory.backward(Network(n, activation, weights), np.ones(30), order=order)
        alive = 1.0
        if activation == "relu" and order == "exact":
            alive = np.r_[np.cumprod(np.r_[1.0, 1 - 0.5 ** n[1:-2].astype(float)]), 1.0]  # delta^L is alive anyway
        close(record.gradient_variance, alive * np.r_[np.cumprod(factors[::-1])[::-1], 1.0])


def test_nothing_to_pass_on():
    network = Network([3, 4, 2], "relu")
    nothing = theory.backward(network, loss=np.zeros(2))
    np.testing.assert_array_equal(nothing.gradient_variance, 0.0)
    np.testing.assert_array_equal(nothing.dead, 1.0)
    assert np.isnan(nothing.log_mean.values).all()
    alone = theory.backward(Network([3, 4, 1], "tanh"), loss="cross_entropy")
    np.testing.assert_array_equal(alone.gradient_variance, 0.0)
    np.testing.assert_array_equal(alone.dead, 1.0)
    for loss in LOSSES:
        for order in ("infinite", "first"):
            lit = theory.backward(Network([3, 4, 2], "sigmoid", "lecun"), np.zeros(3), loss=loss, order=order)
            assert np.isfinite(lit.gradient_variance.values).all()
            assert lit.weight_gradient_variance[0] == 0.0


# Everything at once


@pytest.mark.slow
@pytest.mark.parametrize("order", [None, "infinite"])
@pytest.mark.parametrize("multiplier", [0.25, 4.0])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "silu"])
def test_deep_networks_stay_finite_in_logarithms(activation, multiplier, order):
    inputs = np.array([[1e-3, 0, 0, 0], [30.0, 1, 1, 1], [0, 0, 0, 0]])
    network = Network([4] + [64] * 60 + [3], activation, multiplier=multiplier)
    for loss in (*LOSSES, np.array([1.0, 0, 2])):
        record = theory.backward(network, inputs, loss=loss, order=order)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            str(record)
        for name, profile in record.profiles.items():
            assert not np.isnan(profile.values).any(), name
            assert not np.isnan(profile.errors).any(), name
        for name in ("log_mean", "log_variance"):
            profile = getattr(record, name)
            assert (profile is None) == (isinstance(loss, str) and loss == "cross_entropy")
            assert profile is None or np.isfinite(profile.values).all(), name


@pytest.mark.slow
def test_beyond_float64():
    for multiplier, end in ((4.0, np.inf), (0.25, 0.0)):
        network = Network([8] * 1001, "relu", multiplier=multiplier)
        record = theory.backward(network, np.ones(8))
        assert record.gradient_variance[0] == end
        steps = np.diff(record.log_mean.values)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-10)
        square = theory.backward(Network([8] * 201, "relu", multiplier=multiplier), np.ones(8), loss="half_square")
        assert np.isfinite(square.log_mean.values).all()
        assert not np.isnan(square.fluctuation.values).any()
    one = theory.backward(Network([1] * 1001, "relu"), np.ones(1))
    expected = 0.5 ** np.arange(1000.0)
    expected[-1] = 1.0
    assert (np.abs(one.gradient_variance.values - expected) <= one.gradient_variance.errors + 1e-305).all()
    np.testing.assert_allclose(one.gradient_variance.values, expected, rtol=1e-10)


@pytest.mark.slow
def test_widths_of_one():
    for activation in ("relu", "linear", "tanh", "sin", "softplus", "hardtanh"):
        for order in (None, "first", "infinite"):
            for loss in (*LOSSES, np.ones(1)):
                record = theory.backward(Network([1, 1, 1, 1], activation), loss=loss, order=order)
                for name, profile in record.profiles.items():
                    gone = isinstance(loss, str) and loss == "cross_entropy" and name == "fluctuation"
                    assert np.isnan(profile.values).all() if gone else np.isfinite(profile.values).all(), name


# What is asked for wrongly


def test_what_is_refused():
    network = Network([4, 3, 2], ["tanh", "linear"])
    cases = (
        ({"order": "second"}, r"unknown order 'second'; choose one of infinite, first, exact"),
        ({"order": "exact"}, r"layer 1 is tanh; use order='first' or order='infinite'"),
        ({"loss": "hinge"}, r"unknown loss 'hinge'; choose one of linear, half_square, cross_entropy, or give"),
        ({"loss": np.ones(3)}, r"loss has shape \(3,\); a given gradient of this network"),
        ({"loss": np.array([1.0, np.nan])}, "loss is nan in size"),
        ({"inputs": np.ones(5)}, "this network takes"),
    )
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            theory.backward(network, **arguments)
    with pytest.raises(TypeError, match="loss is None"):
        theory.backward(network, loss=None)
    with pytest.raises(TypeError, match=r"give a varprop\.Network"):
        theory.backward([4, 3, 2])
    with pytest.raises(ValueError, match="activation mine has no derivative; give one"):
        theory.backward(Network([4, 3, 2], custom_activation(lambda z: np.sin(3e4 * z), name="mine")))
    with pytest.raises(ValueError, match="variances must be zero or positive"):
        derivative_moment(network.layers[0].activation, -1.0)


@pytest.mark.parametrize("order", ["infinite", "first"])
def test_a_derivative_that_is_not_given_is_found(order):
    bare, full = (custom_activation(np.arctan, *dphi) for dphi in ((), (lambda z: 1 / (1 + z * z),)))
    found, expected = (theory.backward(Network([4, 3, 3, 2], phi, "lecun"), order=order) for phi in (bare, full))
    for name in ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean"):
        profile = getattr(found, name)
        np.testing.assert_allclose(profile, getattr(expected, name), rtol=1e-10)
        assert (profile.errors < 1e-8).all()
    assert (found.gradient_variance.errors >= expected.gradient_variance.errors).all()


def test_orders_that_weights_and_losses_allow():
    uniform = Network([4, 3, 2], "relu", "he_uniform")
    with pytest.raises(
        ValueError, match=r"normal weights in every layer, but layer 1 is uniform; use order='infinite'"
    ):
        theory.backward(uniform, order="first", loss="half_square")
    with pytest.raises(ValueError, match="layer 1 is uniform"):
        theory.backward(uniform, order="exact", loss="half_square")
    with pytest.raises(ValueError, match=r"but this is cross_entropy; use order='first'"):
        theory.backward(Network([4, 3, 2]), order="exact", loss="cross_entropy")
    assert theory.backward(uniform, loss="half_square").gradient_variance.origin == "infinite width"
    record = theory.backward(uniform)
    assert record.gradient_variance.origin == record.fluctuation.origin == "exact"
    assert record.log_mean.origin == "exact"  # one step, in a random direction of two dimensions
    assert theory.backward(Network([4, 3, 3, 2], "relu", "he_uniform")).log_mean.origin == FIRST
    square = theory.backward(Network([4, 3, 2], bias_variance=0.1), loss="half_square")
    assert square.gradient_variance.origin == square.weight_gradient_variance.origin == "exact"
    assert square.fluctuation.origin == square.log_mean.origin == FIRST
    assert theory.backward(Network([4, 3, 2], "hardtanh")).dead is None


def test_custom_activation_is_as_good_as_the_built_in_one():
    mine = custom_activation(np.tanh, lambda z: 1 / np.cosh(z) ** 2, name="mine")
    ours, theirs = (theory.backward(Network([5, 6, 7, 3], a, "lecun"), SPREAD) for a in (mine, "tanh"))
    for name in FIELDS[:-1]:
        close(getattr(ours, name), getattr(theirs, name).values)
    assert ours.dead is None
    output_only = Network([5, 6, 3], ["tanh", custom_activation(np.arctan)], "lecun")
    close(
        theory.backward(output_only).gradient_variance,
        theory.backward(Network([5, 6, 3], "tanh", "lecun")).gradient_variance.values,
    )


@pytest.mark.parametrize("bias_variance", [0.0, 0.3])
def test_the_output_of_half_square_is_that_of_the_signal(bias_variance):
    """delta^L = z^L, so forward's exact numbers are backward's."""
    network = Network([16] * 31, "relu", "he", bias_variance=bias_variance)
    signal, gradient = theory.forward(network), theory.backward(network, loss="half_square")
    names = {"gradient_variance": "variance", "fluctuation": "fluctuation"}
    names |= {} if bias_variance else {"log_mean": "log_mean", "log_variance": "log_variance"}
    for ours, theirs in names.items():
        assert gradient.profiles[ours][-1] == pytest.approx(signal.profiles[theirs][-1], rel=1e-12)
    if not bias_variance:
        assert gradient.log_mean[-1] == pytest.approx(-4.550, abs=1e-3)
