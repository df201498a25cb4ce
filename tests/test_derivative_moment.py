"""E phi'^2 against mpmath, closed forms against quadrature, with and without a derivative."""

import dataclasses
import functools

import mpmath as mp
import numpy as np
import pytest
from evidence import quick

from varprop import custom_activation
from varprop.activations import CUSTOM, NAMES, activation
from varprop.theory.gaussian import derivative_moment as numerical
from varprop.theory.gaussian.closed import known
from varprop.theory.gaussian.derivative_moment import derivative_moment
from varprop.theory.gaussian.features import features
from varprop.theory.gaussian.quadrature import moments

SELU = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")


def _sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def _mish(x):
    t = mp.tanh(mp.log1p(mp.exp(x)))
    return t + x * (1 - t * t) * _sigmoid(x)


DPHI = {
    "linear": lambda x: mp.mpf(1),
    "relu": lambda x: x > 0,
    "leaky_relu": lambda x: 1 if x > 0 else mp.mpf(0.01),
    "tanh": lambda x: mp.sech(x) ** 2,
    "sigmoid": lambda x: _sigmoid(x) * _sigmoid(-x),
    "erf": lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
    "gelu": lambda x: mp.ncdf(x) + x * mp.npdf(x),
    "silu": lambda x: _sigmoid(x) * (1 + x * _sigmoid(-x)),
    "elu": lambda x: 1 if x > 0 else mp.exp(x),
    "selu": lambda x: SELU[0] * (1 if x > 0 else SELU[1] * mp.exp(x)),
    "softplus": _sigmoid,
    "sin": mp.cos,
    "mish": _mish,
    "softsign": lambda x: (1 + abs(x)) ** -2,
    "hardtanh": lambda x: abs(x) < 1,
}


@functools.cache
def by_mpmath(name, v):
    with mp.workdps(25):
        root = mp.sqrt(v)
        edges = sorted({*range(-11, 12), *(s / root for s in (-2, -1, 1, 2) if s / root < 11)})
        return float(mp.quad(lambda z: DPHI[name](root * z) ** 2 * mp.npdf(z), edges))


@pytest.mark.parametrize("name", quick(*NAMES, slow=["gelu", "mish", "silu", "sin", "softplus", "sigmoid"].count))
def test_it_is_that_of_mpmath(name):
    q = np.array([1e-6, 1.0, 30.0])
    values, errors = derivative_moment(activation(name), q)
    for value, error, v in zip(values, errors, q, strict=True):
        exact = by_mpmath(name, v)
        assert value == pytest.approx(exact, rel=1e-12)
        assert abs(value - exact) <= error + 1e-15 * value
        assert error <= 1e-12 * value


@pytest.mark.parametrize("name", [n for n in NAMES if n != "sin" and known(activation(n)).slope])
def test_closed_form_is_quadrature(name):
    phi, q = activation(name), np.geomspace(1e-30, 1e30, 61)
    values, errors = derivative_moment(phi, q)
    found, relative = moments(phi.dphi, name, features(phi, phi.dphi), q)
    assert (np.abs(values - found[0]) <= errors + relative[0] * found[0]).all()
    np.testing.assert_allclose(values, found[0], rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_derivative_it_is_nearly_as_good(name):
    phi = activation(name)
    bare = dataclasses.replace(phi, dphi=None, code=CUSTOM, slopes=None)
    q = np.geomspace(1e-12, 1e12 if name != "sin" else 1.0, 25)
    values, errors = derivative_moment(bare, q)
    exact, own = derivative_moment(phi, q)
    assert (np.abs(values - exact) <= errors + own).all()
    assert (errors <= 1e-10 * values.max()).all()


def test_a_kink_is_found_untold():
    def bent(z):
        return np.where(z > 0.3, 2 * z - 0.3, z)

    q = np.array([0.01, 1.0, 50.0])
    upper = np.array([float(mp.ncdf(-0.3 / mp.sqrt(v))) for v in q])
    exact = 1 + 3 * upper
    for kinks in ([0.3], []):
        values, errors = derivative_moment(custom_activation(bent, kinks=kinks), q)
        np.testing.assert_allclose(values, exact, rtol=1e-11)
        assert (errors < 1e-10).all()
        assert (np.abs(values - exact) <= errors).all()


def test_shapes_ends_and_bad_variances():
    for name in NAMES:
        values, errors = derivative_moment(activation(name), [[0.0, 1e-300], [1e30, 1e300]])
        assert values.shape == errors.shape == (2, 2)
        assert np.isfinite(values).all()
        assert values[0, 0] == pytest.approx(values[0, 1], rel=1e-12)
    assert derivative_moment(activation("relu"), 0.0)[0] == 0.5
    cube = custom_activation(lambda z: z**3)
    np.testing.assert_allclose(derivative_moment(cube, [0.5, 2.0])[0], 27 * np.array([0.25, 4.0]), rtol=1e-11)
    with pytest.raises(ValueError, match="zero or positive"):
        derivative_moment(activation("tanh"), -1.0)
    with pytest.raises(ValueError, match="strange"):
        derivative_moment(custom_activation(lambda z: z, lambda z: np.where(z > 3, np.nan, 1.0), name="strange"), 4.0)


def test_a_derivative_of_its_own_has_its_own_jumps():
    """As a straight-through estimator has; and beside a large constant phi's own bend is not to be seen."""
    for phi in (np.sign, lambda z: 1e11 + np.maximum(z - 0.3, 0)):
        own = dataclasses.replace(custom_activation(phi), dphi=lambda z: 1.0 * (z > 0.3))
        value, error = derivative_moment(own, 1.0)
        assert value == pytest.approx(float(mp.ncdf(-0.3)), rel=1e-13)
        assert error < 1e-12


@pytest.mark.parametrize("kinks", [(0.3, 0.4), (1e-3, 1e-3 + 5e-10)])
def test_jumps_count_by_how_well_their_places_are_known(kinks):
    """The slope is 0 at 0 and far out: what it jumps by is to be seen beside its places."""
    phi = custom_activation(lambda z: 2 * np.clip(z, *kinks), kinks=kinks)
    found = numerical._misplaced(*numerical.derivative(phi), np.array([1.0, 2.0]))
    exact = [sum(4e-12 * x * mp.npdf(x / s) / s for x in kinks) for s in (1.0, 2.0)]
    np.testing.assert_allclose(found, np.array(exact, dtype=float), rtol=1e-4)


def test_what_is_left_out_counts_by_the_chance_of_its_panel():
    phi = custom_activation(lambda z: np.abs(z) + np.abs(z - 1e-17), kinks=[0.0, 1e-17])
    dphi, scale = numerical._Derivative(phi), np.array([1e-3, 1.0, 1e3])
    dphi.off(scale)
    dphi._series[:], dphi._series[-1] = 0.0, 0.5
    np.testing.assert_allclose(dphi.off(scale), 1.0, rtol=1e-4)  # on all panels alike
    dphi._series[:, dphi._breaks[:-1] != 0] = 0.0  # on the one between the kinks, which float64's Phi does not tell
    np.testing.assert_allclose(dphi.off(scale[1:]) ** 2, 1e-17 / scale[1:] / np.sqrt(2 * np.pi), rtol=1e-12)
