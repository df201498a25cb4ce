"""Expectations of phi' and phi together, against mpmath, finite differences and closed forms."""

import mpmath as mp
import numpy as np
import pytest
from evidence import quick

from varprop import Network, custom_activation, theory
from varprop.activations import activation
from varprop.theory.gaussian import quadrature
from varprop.theory.gaussian import slope_moments as module
from varprop.theory.gaussian.derivative_moment import derivative_moment
from varprop.theory.gaussian.expectations import second_moment
from varprop.theory.gaussian.slope_moments import slope_at_zero, slope_moments


@pytest.mark.parametrize(
    "activation",
    quick("tanh", "gelu", "softplus", "hardtanh", "selu", "sin", slow=["tanh", "sin", "softplus", "selu"].count),
)
def test_moments_of_the_derivative(activation):
    phi = Network([1, 1], [activation]).layers[0].activation
    q = np.array([1e-6, 0.3, 2.0, 40.0])
    values, errors = derivative_moment(phi, q)
    moments = slope_moments(phi, q)
    np.testing.assert_allclose(moments.size, values, rtol=1e-11)
    cuts = [-12, *np.clip(np.array(phi.kinks or (0,)) / np.sqrt(2.0), -11, 11), 12]
    by_scipy = float(
        mp.quad(
            lambda z: mp.npdf(z) * float(phi.dphi(np.sqrt(2.0) * float(z))) ** 2,
            _refined(cuts),
        )
    )
    assert values[2] == pytest.approx(by_scipy, rel=1e-8)
    step = 1e-3
    for index, name in enumerate(("phi'^2", "phi'^2 a^2", "a^2", "Z^2 phi'^2", "Z phi' a")):
        around = [slope_moments(phi, q * np.exp(k * step)) for k in (-1, 0, 1)]
        squares = [second_moment(phi, q * np.exp(k * step))[0] for k in (-1, 0, 1)]
        power_slope, power_a = ((1, 0), (1, 1), (0, 1), (1, 0), (0.5, 0.5))[index]
        unit = around[1].size ** power_slope * squares[1] ** power_a
        raw = [a.mean[index] * a.size**power_slope * s**power_a / unit for a, s in zip(around, squares, strict=True)]
        first, second = (raw[2] - raw[0]) / 2 / step, (raw[2] - 2 * raw[1] + raw[0]) / step**2
        np.testing.assert_allclose(moments.first[index], first, rtol=2e-5, atol=2e-5, err_msg=name)
        np.testing.assert_allclose(moments.second[index], second, rtol=2e-4, atol=2e-4, err_msg=name)
    assert (errors < 1e-8).all()


def _refined(cuts):
    return sorted({*cuts, *np.linspace(-12, 12, 25)})


def test_homogeneous_moments_agree_with_quadrature():
    leaky = Network([1, 1], ["leaky_relu(0.3)"]).layers[0].activation
    ours = custom_activation(leaky.phi, leaky.dphi, kinks=[0.0])
    q = np.array([0.2, 3.0])
    for name in ("size", "mean", "first", "second", "product"):
        np.testing.assert_allclose(
            getattr(slope_moments(leaky, q), name), getattr(slope_moments(ours, q), name), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize(("name", "at_zero"), [("relu", 0.0), ("linear", 1.0), ("leaky_relu(0.5)", 0.5)])
def test_where_all_is_zero_every_unit_has_the_slope_there(name, at_zero):
    phi = Network([1, 1], [name]).layers[0].activation
    assert slope_at_zero(phi) == at_zero
    found = slope_moments(phi, np.array([0.0, 2.0]))
    assert found.size[0] == at_zero**2
    still = [1.0, 1.0, 1.0, 1.0, 0.0]
    np.testing.assert_array_equal(found.mean[:, 0], still)
    np.testing.assert_array_equal(found.product[..., 0], np.outer(still, still))
    np.testing.assert_array_equal([found.first[:, 0], found.second[:, 0]], 0.0)
    np.testing.assert_allclose(found.product[..., 1], slope_moments(phi, np.array([2.0])).product[..., 0])
    assert (found.error < 1.9e-15).all()


def test_sines_are_known_however_fast_they_wave():
    """Closed form is quadrature where that sees the waves; far out their phase is independent of Z."""
    sine, ours = activation("sin"), custom_activation(np.sin, np.cos)
    near = np.array([1.0, 1.7, 9.0])
    for name in ("size", "mean", "first", "second", "product"):
        found, expected = (getattr(slope_moments(phi, near), name) for phi in (sine, ours))
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11, err_msg=name)
    far = slope_moments(sine, np.array([1e4, 1e12, 1e300]))
    alike = [[1.5, 0.5, 0.5, 1.5, 0], [0.5, 0.375, 0.5, 0.5, 0], [0.5, 0.5, 1.5, 0.5, 0], [1.5, 0.5, 0.5, 4.5, 0]]
    for i in range(3):
        assert far.size[i] == 0.5
        np.testing.assert_allclose(far.mean[:, i], [1.0, 0.5, 1.0, 1.0, 0.0], rtol=1e-14)
        np.testing.assert_allclose([far.first[:, i], far.second[:, i]], 0.0, atol=1e-14)
        np.testing.assert_allclose(far.product[..., i], [*alike, [0, 0, 0, 0, 0.5]], rtol=1e-14)
    assert (far.error < 1e-13).all()


def test_gradients_through_fast_waves():
    """768 E cos^2 behind a variance of 7.7 million; of one's own by random points, which say how far off."""
    network = Network([512] * 3, "sin", "unit", multiplier=1.5)
    for order in ("infinite", "first"):
        found = theory.backward(network, np.full(512, 100.0), order=order).gradient_variance
        assert found[0] == pytest.approx(384, rel=1e-13 if order == "infinite" else 1e-3)
        assert found.errors[0] < 1e-9
    ours = Network([512] * 3, custom_activation(np.cos, lambda z: -np.sin(z)), "unit", multiplier=1.5)
    found = theory.backward(ours, np.full(512, 100.0), order="infinite").gradient_variance
    assert abs(found[0] - 384) < found.errors[0] < 0.1 * 384


def test_exponentials_are_followed_beyond_twelve_deviations():
    """phi = e^z: the mean of Z^i e^(k sqrt(q) Z) is known, and products of phi'^2 a^2 have k = 8."""
    exponential = custom_activation(np.exp, np.exp)
    q = np.array([0.2, 3.0, 8.0])  # the largest integrand is at Z = 8 sqrt(q)
    found = slope_moments(exponential, q)
    assert (found.error[:2] < 1e-9).all()
    np.testing.assert_allclose(found.size, np.exp(2 * q), rtol=1e-12)
    t = 2 * np.sqrt(q)
    means = [np.ones(3), np.exp(4 * q), np.ones(3), 1 + t * t, t]
    np.testing.assert_allclose(found.mean, means, rtol=1e-10)
    np.testing.assert_allclose(found.product[1, 1, :2], np.exp(24 * q[:2]), rtol=1e-9)
    np.testing.assert_allclose(found.product[0, 4, :2], 2 * t[:2] * np.exp(4 * q[:2]), rtol=1e-9)
    far = slope_moments(exponential, np.array([0.2, 25.0, 100.0]))
    assert far.error[0] < 1e-9
    assert (far.error[1:] == np.inf).all()


def test_nothing_is_looked_for_where_the_density_is_beyond_float64(monkeypatch):
    """The mean square of phi'^2 a^2 is infinite: its integrand is z^4 at any distance."""
    seen, bell = [], custom_activation(lambda z: np.exp(z * z / 16), lambda z: z / 8 * np.exp(z * z / 16))
    size_at = quadrature.size_at
    monkeypatch.setattr(quadrature, "size_at", lambda f, x: seen.append(x.max()) or size_at(f, x))
    assert slope_moments(bell, np.array([1.0])).error == np.inf
    assert max(seen) == 36


def test_an_error_beside_a_mean_of_0_is_infinite_without_a_word(monkeypatch):
    def integrals(sums, looks, q, reach):
        return np.zeros((42, len(q))), np.full((42, len(q)), 1e20)

    monkeypatch.setattr(quadrature, "integrals", integrals)
    found = slope_moments(custom_activation(np.tanh), np.ones(2))
    np.testing.assert_array_equal([found.error, found.size_error], np.inf)


def test_the_largest_integrand_at_an_end():
    """Products of two of phi'^2, phi'^2 a^2, a^2 and Z^2 phi'^2, and He4 times one of them."""
    found = np.zeros((42, 3))
    found[0], found[41] = 4.0, 9.0
    slope, a = np.array([1e4, 1e-3, 1e3]), np.array([0.0, 3.0, 3e3])
    s2, a2, z2 = slope**2 / 4, a**2 / 9, 144.0
    exact = [(z2 * s2[0]) ** 2, z2**2 * a2[1], (s2[2] * a2[2]) ** 2]
    np.testing.assert_allclose(module._last((slope, a), found, 12.0), np.exp(-72.0) * np.array(exact), rtol=0.02)
