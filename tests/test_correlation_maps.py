"""Correlation maps: closed forms against the plane quadrature, mpmath and published values."""

import functools
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, stats

from varprop import activations
from varprop.theory.gaussian.correlation_maps import product_moment, product_slope
from varprop.theory.gaussian.expectations import second_moment

CLOSED = ("linear", "relu", "leaky_relu(0.2)", "leaky_relu(-1.5)", "erf", "gelu", "sin")
KINKED = ("elu", "selu", "hardtanh", "softsign")
SMOOTH = ("tanh", "sigmoid", "silu", "softplus", "mish")
CORRELATIONS = np.array([-1, -1 + 1e-9, -0.7, -0.2, 0, 0.3, 0.8, 0.99, 1 - 1e-6, 1 - 1e-12, 1])


def by_quadrature(name):
    """The same function without its closed form."""
    return replace(activations.activation(name), code=activations.CUSTOM, slopes=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("function", [product_moment, product_slope])
def test_closed_form_is_the_quadrature(name, function):
    q1, q2 = np.array([1e-12, 1e-3, 0.4, 3.0]), np.array([[2e-12], [0.7]])
    if name != "sin":  # which oscillates too fast for a quadrature
        q1, q2 = np.append(q1, [200.0, 1e6]), np.append(q2, [[50.0], [1e6]], axis=0)
    at = (q1[:, None], q2[..., None], CORRELATIONS)
    value, error = function(activations.activation(name), *at)
    other, other_error = function(by_quadrature(name), *at)
    size = np.ones(value.shape)
    if function is product_moment:
        one, two = (second_moment(activations.activation(name), q)[0] for q in at[:2])
        size = np.sqrt(one * two)
    assert value.shape == other.shape == (len(q2), len(q1), len(CORRELATIONS))
    assert (np.abs(value - other) <= error + other_error + 1e-300).all()
    assert (other_error <= 1e-8 * size).all()
    assert (error <= 1e-12 * size).all()


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("function", [product_moment, product_slope])
def test_closed_form_is_the_quadrature_at_a_few_points(name, function):
    """And errors are those of rounding, one for each value."""
    q1, q2, c = np.array([0.4, 3.0]), 0.7, np.array([[-0.95], [-0.3], [0.0], [0.6]])
    value, error = function(activations.activation(name), q1, q2, c)
    other, other_error = function(by_quadrature(name), q1, q2, c)
    assert value.shape == error.shape == (4, 2)
    assert (np.abs(value - other) <= error + other_error).all()
    assert (other_error <= 1e-9).all()
    assert ((error >= 0) & (error <= 1e-12)).all()
    alone = function(activations.activation(name), q1[1], q2, c[1])[1]
    np.testing.assert_allclose(error[1, 1], alone, rtol=1e-9)


def test_a_gap_that_is_known_better_counts():
    value, _ = product_slope(activations.activation("relu"), 1.0, 1.0, 1.0, 1e-20)
    assert value == pytest.approx((np.pi - np.sqrt(2e-20)) / (2 * np.pi), rel=1e-15)
    assert value < 0.5


def test_no_points_have_no_products():
    for name in ("tanh", "erf"):
        values, errors = product_moment(activations.activation(name), [], [], [])
        assert values.shape == errors.shape == (0,)


# One integral is left once E phi(m + d W) is known


def _gelu_mean(m, d):
    root = mp.sqrt(1 + d * d)
    return m * mp.ncdf(m / root) + d * d / root * mp.npdf(m / root)


def _hardtanh_mean(m, d):
    low, high = (-1 - m) / d, (1 - m) / d
    inside = m * (mp.ncdf(high) - mp.ncdf(low)) + d * (mp.npdf(low) - mp.npdf(high))
    return inside + 1 - mp.ncdf(high) - mp.ncdf(low)


def _elu_mean(m, d):
    above = m * mp.ncdf(m / d) + d * mp.npdf(m / d)
    return above + mp.exp(m + d * d / 2) * mp.ncdf(-m / d - d) - mp.ncdf(-m / d)


@pytest.mark.parametrize(
    ("name", "phi", "mean", "kinks"),
    [
        ("gelu", lambda x: x * mp.ncdf(x), _gelu_mean, ()),
        ("hardtanh", lambda x: max(-1, min(1, x)), _hardtanh_mean, (-1, 1)),
        ("elu", lambda x: x if x > 0 else mp.expm1(x), _elu_mean, (0,)),
        ("relu", lambda x: max(x, 0), lambda m, d: m * mp.ncdf(m / d) + d * mp.npdf(m / d), (0,)),
    ],
)
@pytest.mark.parametrize("at", [(0.6, 1.7, 0.37), (30.0, 0.02, -0.91), (5.0, 8.0, 0.999)])
def test_against_mpmath(name, phi, mean, kinks, at):
    exact = by_mpmath(phi, mean, kinks, at)
    value, error = product_moment(activations.activation(name), *at)
    assert abs(exact - value) <= error + 1e-13
    assert error < 1e-9


@functools.cache
def by_mpmath(phi, mean, kinks, at):
    q1, q2, c = at
    s, t, rest = mp.sqrt(q1), mp.sqrt(q2), mp.sqrt(1 - mp.mpf(c) ** 2)
    splits = sorted({-10, -3, 0, 3, 10, *[k / s for k in kinks], *[k / t / c for k in kinks]})
    splits = [x for x in splits if abs(x) <= 10]
    return float(mp.quad(lambda x: phi(s * x) * mp.npdf(x) * mean(t * c * x, t * rest), splits))


def test_against_dblquad():
    at = 0.8, 2.3, -0.45
    assert product_moment(activations.activation("silu"), *at)[0] == pytest.approx(silu_by_dblquad(*at), abs=1e-6)


@functools.cache
def silu_by_dblquad(q1, q2, c):
    density = stats.multivariate_normal(cov=[[1, c], [c, 1]])

    def silu(x):
        return x / (1 + np.exp(-x))

    found, _ = integrate.dblquad(
        lambda y, x: silu(np.sqrt(q1) * x) * silu(np.sqrt(q2) * y) * density.pdf([x, y]), -7, 7, -7, 7, epsabs=1e-7
    )
    return found


@pytest.mark.parametrize("name", CLOSED + KINKED + SMOOTH)
def test_ends_and_middle(name):
    """E phi^2 at c = 1, the mean's square at 0, phi(-x) at -1; continuous into both ends."""
    phi = activations.activation(name)
    q = np.array([1e-12, 1e-4, 0.3, 4.0, 100.0, 1e6] if name != "sin" else [1e-12, 1e-4, 0.3, 4.0])
    one, error = product_moment(phi, q, q, 1.0)
    known, known_error = second_moment(phi, q)
    assert (np.abs(one - known) <= error + known_error).all()
    for c in (1.0, -1.0):
        end, near = (product_moment(phi, q, q, x)[0] for x in (c, c * (1 - 1e-13)))
        np.testing.assert_allclose(near, end, atol=1e-9 * known.max(), rtol=1e-6)
    independent = product_moment(phi, q, q[::-1], 0.0)[0]
    swapped = product_moment(phi, q[::-1], q, 0.0)[0]
    np.testing.assert_allclose(independent, swapped, rtol=1e-9, atol=1e-12)
    assert (independent >= -1e-12 * np.sqrt(known * known[::-1])).all() or name in ("elu", "selu")


@pytest.mark.parametrize("name", ["tanh", "selu", "hardtanh", "gelu", "relu", "mish"])
def test_slope_is_the_derivative(name):
    phi, q1, q2, c, step = activations.activation(name), 0.9, 2.0, 0.35, 1e-3
    up, down = (product_moment(phi, q1, q2, c + k * step)[0] for k in (1, -1))
    up2, down2 = (product_moment(phi, q1, q2, c + k * step)[0] for k in (2, -2))
    derivative = (8 * (up - down) - (up2 - down2)) / (12 * step)
    assert product_slope(phi, q1, q2, c)[0] * np.sqrt(q1 * q2) == pytest.approx(derivative, rel=1e-8)


def test_arc_cosine_kernel():
    """Cho and Saul, degree 1: J(t) = sin t + (pi - t) cos t over 2 pi."""
    t = np.linspace(0, np.pi, 9)
    value, _ = product_moment(activations.activation("relu"), 4.0, 9.0, np.cos(t))
    np.testing.assert_allclose(value, 6 * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2 * np.pi), rtol=1e-12, atol=1e-14)


def test_relu_keeps_its_accuracy_at_both_ends():
    relu = activations.activation("relu")
    for gap in (1e-4, 1e-8, 1e-12):
        t = mp.acos(1 - mp.mpf(float(1 - (1 - gap))))
        minus = float((mp.sin(t) - t * mp.cos(t)) / (2 * mp.pi))
        assert product_moment(relu, 1.0, 1.0, -(1 - gap))[0] == pytest.approx(minus, rel=1e-13)
        slope = float((mp.pi - t) / (2 * mp.pi))
        assert product_slope(relu, 1.0, 1.0, 1 - gap)[0] == pytest.approx(slope, rel=1e-14)


def test_a_function_with_kinks_of_its_own():
    """relu6 = clip(x, 0, 6) is 3 + 3 hardtanh((x - 3) / 3): the same numbers in two ways."""
    relu6 = activations.custom(lambda x: np.clip(x, 0.0, 6.0), name="relu6", kinks=(0, 6))
    shifted = activations.custom(lambda x: 3 + 3 * np.clip((x - 3) / 3, -1, 1), name="shifted", kinks=(0, 6))
    untold = activations.custom(lambda x: np.clip(x, 0.0, 6.0), name="relu6")
    q, c = np.array([0.01, 4.0, 1e4]), np.array([[-0.99], [0.5], [1 - 1e-5]])
    value, error = product_moment(relu6, q, 9.0, c)
    assert (np.abs(value - product_moment(shifted, q, 9.0, c)[0]) <= 2 * error + 1e-12 * value.max()).all()
    assert (error <= 1e-8 * value.max()).all()
    found, found_error = product_moment(untold, q, 9.0, c)
    assert (np.abs(found - value) <= found_error + error).all()
    assert (found_error <= 1e-8 * value.max()).all()


def test_products_of_slopes_break_where_the_slope_does():
    """Beside 1e12 no wave of phi is seen; those of phi' have the period of the trapezoid rule's step."""
    w = 2 * np.pi / 0.09
    waves = activations.custom(lambda z: 1e12 + np.sin(w * z), lambda z: w * np.cos(w * z))
    value, error = product_slope(waves, 1.0, 1.0, 0.0)
    assert abs(value) <= error < 1.0


def test_what_is_asked_for_wrongly():
    relu = activations.activation("relu")
    with pytest.raises(ValueError, match=r"correlation is 1\.5; it must lie between"):
        product_moment(relu, 1.0, 1.0, [0.2, 1.5])
    with pytest.raises(ValueError, match=r"a variance is -1\.0"):
        product_slope(relu, 1.0, -1.0, 0.0)
    with pytest.raises(ValueError, match="activation mine has no derivative; give one"):
        product_slope(activations.custom(np.tanh, name="mine"), 1.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="gives nan"):
        product_moment(activations.custom(lambda x: np.where(x > 40, np.nan, x), name="bad"), 100.0, 1.0, 0.0)


@pytest.mark.parametrize("kinks", [(), (0.0,)])
def test_a_bend_at_zero_is_seen_where_two_inputs_are_nearly_alike(kinks):
    """Rules with a node at 0 agree with one another there, and are 3e-7 off, unless panels break at the bend."""
    relu = activations.activation("relu")
    ours = activations.custom(relu.phi, relu.dphi, kinks=kinks)
    gap = np.array([0.1, 1e-4, 1e-6])
    for function in (product_moment, product_slope):
        (values, errors), (exact, _) = (function(phi, 2.0, 2.0, 1 - gap, gap) for phi in (ours, relu))
        assert (np.abs(values - exact) <= errors + 1e-15).all()
        np.testing.assert_allclose(values, exact, rtol=1e-12)
