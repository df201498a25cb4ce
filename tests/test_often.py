"""Moments that are interpolated in ln q are those of quadrature, within their errors; and a walk's are nearly those."""

import numpy as np
import pytest

from varprop import Network, theory
from varprop.activations import activation
from varprop.theory.gaussian import expectations, first_moment, often, slope_moments


@pytest.mark.parametrize("name", ["tanh", "softplus", "hardtanh"])
def test_moments(name):
    phi, q = activation(name), np.array([1e-6, 0.3, 0.31, 7.0, 900.0])
    pairs = (
        (often.moments, expectations.moments, ("second", "slope", "curvature", "fourth")),
        (often.first_moments, first_moment.first_moments, ("mean", "slope", "curvature")),
        (often.slopes, slope_moments.slope_moments, ("size", "mean", "first", "second", "product")),
    )
    for found, expected in ((f(phi, q), g(phi, q)) for f, g, _ in pairs):
        for field in vars(expected):
            value, other = getattr(found, field), getattr(expected, field)
            if "error" in field:
                assert (value < 1e-9 * (1 + q)).all()
            else:
                np.testing.assert_allclose(value, other, rtol=1e-10, atol=1e-11)


def test_what_was_interpolated_once_is_integrated_no_more(monkeypatch):
    phi, asked = activation("softplus"), []
    ask = [(often.moments, expectations, "moments"), (often.first_moments, first_moment, "first_moments")]
    for interpolated, module, integrated in [*ask, (often.slopes, slope_moments, "slope_moments")]:
        interpolated(phi, np.array([60.0]))  # of a stretch that no other test asks for
        monkeypatch.setattr(module, integrated, lambda *given: asked.append(given))
        interpolated(phi, np.array([61.0, 90.0]))
    assert asked == []


def test_where_there_are_none():
    """Zeros, closed forms and functions without moments so far out go to quadrature."""
    zero = often.moments(activation("tanh"), np.array([0.0, 1.0]))
    assert zero.second[0] == 0.0
    assert often.moments(activation("relu"), np.array([2.0])).second[0] == 1.0


def test_a_deep_network_is_as_if_every_layer_were_integrated(monkeypatch):
    network = Network([16] * 20, "tanh", "lecun", multiplier=1.3, bias_variance=0.01)
    quick = theory.backward(network, np.ones(16)), theory.forward(network, np.ones(16))
    monkeypatch.setattr(often, "OFTEN", 10**9)
    slow = theory.backward(network, np.ones(16)), theory.forward(network, np.ones(16))
    for one, other in zip(quick, slow, strict=True):
        for name, profile in other.profiles.items():
            np.testing.assert_allclose(one.profiles[name].values, profile.values, rtol=1e-10, atol=1e-12)
