"""Gaussian expectations against mpmath, closed forms against quadrature."""

import dataclasses
import functools
import itertools

import mpmath as mp
import numpy as np
import pytest
from evidence import quick

from varprop import custom_activation, leaky_relu, theory
from varprop.activations import NAMES, activation
from varprop.theory.gaussian import expectations, first_moment, quadrature
from varprop.theory.gaussian.closed import known
from varprop.theory.gaussian.features import features
from varprop.theory.gaussian.log_moments import layer_log_moments

VARIANCES = [1e-6, 3e-2, 1.0, 40.0, 1e4]
SELU = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")


def _elu(x, alpha=1):
    return x if x > 0 else alpha * mp.expm1(x)


def _softplus(x):
    return max(x, 0) + mp.log1p(mp.exp(-abs(x)))


PHI = {
    "linear": lambda x: x,
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "tanh": mp.tanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "erf": mp.erf,
    "gelu": lambda x: x * mp.ncdf(x),
    "silu": lambda x: x / (1 + mp.exp(-x)),
    "elu": _elu,
    "selu": lambda x: SELU[0] * _elu(x, SELU[1]),
    "softplus": _softplus,
    "sin": mp.sin,
    "mish": lambda x: x * mp.tanh(_softplus(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "hardtanh": lambda x: max(-1, min(1, x)),
}


@functools.cache
def reference(name, q):
    """Return E f, E[f He2], E[f He4] and E f^2 of f = phi(sqrt(q) Z)^2, to about 17 digits."""
    phi, root = PHI[name], mp.sqrt(q)
    # panels of at most 1 in Z and of at most a doubling in x, summed with mpmath's own nodes
    grid = {mp.mpf(i) for i in range(-11, 12)}
    grid |= {s * mp.mpf(2) ** k / root for k in range(-3, 9) for s in (-1, 1)}
    grid |= {mp.mpf(s) / root for s in (-1, 1)}
    grid = sorted(z for z in grid if abs(z) <= 11)
    nodes = [(mp.mpf(float(x)), mp.mpf(float(w))) for x, w in zip(*np.polynomial.legendre.leggauss(20), strict=True)]
    total = [mp.mpf(0)] * 4
    for a, b in itertools.pairwise(grid):
        if name == "sin" and (b - a) * root > 4:
            raise ValueError("too fast to integrate")
        for x, w in nodes:
            z = (a + b) / 2 + (b - a) / 2 * x
            f = phi(root * z) ** 2
            weight = w * (b - a) / 2 * mp.npdf(z)
            for i, factor in enumerate((1, z * z - 1, z**4 - 6 * z * z + 3, f)):
                total[i] += weight * f * factor
    return [float(t) for t in total]


@pytest.mark.parametrize("name", quick(*NAMES, slow=["softplus", "erf", "sigmoid", "mish", "silu", "selu"].count))
def test_expectations_are_those_of_mpmath(name):
    q = np.array([v for v in VARIANCES if not (name == "sin" and v > 1)])
    values, errors = expectations.second_moment(activation(name), q)
    found = expectations.moments(activation(name), q)
    np.testing.assert_allclose(found.second, values, rtol=1e-14)
    for i, v in enumerate(q):
        g, he2, he4, fourth = reference(name, v)
        assert values[i] == pytest.approx(g, rel=1e-12)
        assert abs(values[i] - g) <= errors[i] + 1e-15 * g  # the reference's own rounding
        assert errors[i] <= 1e-10 * g
        ratios = he2 / (2 * g), he4 / (4 * g), fourth / g**2
        bound = found.error[i] + 1e-14 * (1 + ratios[2])
        np.testing.assert_allclose([found.slope[i], found.curvature[i], found.fourth[i]], ratios, rtol=0, atol=bound)
        assert found.error[i] < 1e-10


def test_reference_is_mpmath_quadrature():
    """The tests' own rule against tanh-sinh quadrature."""
    mp.mp.dps = 20
    for name, q in (("tanh", 1.0), ("softsign", 40.0)):
        exact = mp.quad(lambda z: PHI[name](mp.sqrt(q) * z) ** 2 * mp.npdf(z), [-11, -2, -1, 0, 1, 2, 11])  # noqa: B023
        assert reference(name, q)[0] == pytest.approx(float(exact), rel=1e-14)
    mp.mp.dps = 15


WITH_BOTH = [n for n in NAMES if n != "sin" and known(activation(n)).second is not None]


@pytest.mark.parametrize("name", WITH_BOTH)
def test_closed_form_is_quadrature(name):
    q = np.geomspace(1e-12, 1e12, 97)
    values, errors = expectations.second_moment(activation(name), q)
    phi = activation(name)
    found, relative = quadrature.moments(phi.phi, name, features(phi), q)
    assert (np.abs(values - found[0]) <= errors + relative[0] * found[0]).all()
    np.testing.assert_allclose(values, found[0], rtol=1e-12)


def test_sin_has_all_its_moments_in_closed_form():
    q = np.array([1e-9, 1e-3, 0.3, 1.0, 2.0])
    found = expectations.moments(activation("sin"), q)
    by_panels, errors = quadrature.moments(np.sin, "sin", features(activation("sin")), q)
    for ours, theirs, error in zip(
        (found.second, found.slope, found.curvature, found.fourth), by_panels, errors, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13 + error.max())
    huge = expectations.moments(activation("sin"), np.array([0.0, 1e4, 1e300]))
    np.testing.assert_array_equal(huge.second, [0.0, 0.5, 0.5])
    np.testing.assert_array_equal(huge.fourth, [3.0, 1.5, 1.5])
    np.testing.assert_array_equal(huge.slope, [1.0, 0.0, 0.0])


@pytest.mark.parametrize("name", NAMES)
def test_any_size_of_variance(name):
    """At both ends phi is a power, so that the moments are known."""
    phi = activation(name)
    q = np.array([[0.0, 1e-300, 1e-30], [1e30, 1e150, 1e300]])
    values, errors = expectations.second_moment(phi, q)
    assert values.shape == errors.shape == q.shape
    assert np.isfinite(values).all()
    at_zero = float(phi.phi(np.zeros(1))[0])
    assert values[0, 0] == pytest.approx(at_zero**2, rel=1e-13)
    small = at_zero**2 if at_zero else np.array([1e-300, 1e-30]) * _slopes_at_zero(phi)
    np.testing.assert_allclose(values[0, 1:], small, rtol=1e-12)
    ends = phi.phi(np.array([-1e12, 1e12]))
    if name == "sin":
        np.testing.assert_array_equal(values[1], 0.5)
    elif phi.unbounded:
        np.testing.assert_allclose(values[1] / q[1], np.mean((ends / 1e12) ** 2), rtol=1e-9)
    else:
        np.testing.assert_allclose(values[1], np.mean(ends**2), rtol=1e-9)


def _slopes_at_zero(phi):
    return np.mean((phi.phi(np.array([-1e-25, 1e-25])) / 1e-25) ** 2)


def test_many_variances_of_which_some_are_too_large_are_refused_without_a_warning():
    """Their Chebyshev nodes were divided, infinity by infinity, before the refusal."""
    steep = custom_activation(lambda z: 1e153 * z, name="steep")
    assert np.isfinite(expectations.moments(steep, np.exp(np.linspace(-2, 5, 3000))).second).all()
    with pytest.raises(ValueError, match="'steep' is so large that its mean square at variance"):
        expectations.moments(steep, np.exp(np.linspace(-2, 8, 3000)))


def test_many_variances_are_interpolated_within_their_errors():
    rng = np.random.default_rng(1)
    q = np.concatenate([np.exp(rng.uniform(-8, 8, 4000)), [0.0, 0.0]])
    for name in ("tanh", "softplus", "softsign"):
        phi = activation(name)
        found, errors = quadrature.moments(phi.phi, name, features(phi), q)
        some = np.r_[0:4000:131, 4001]
        direct, direct_errors = quadrature._direct(phi.phi, name, features(phi), q[some])
        np.testing.assert_allclose(found[0, some], direct[0], rtol=1e-12)
        np.testing.assert_allclose(found[1:, some], direct[1:], rtol=0, atol=1e-12)
        assert (np.abs(found[1:, some] - direct[1:]) <= errors[1:, some] + direct_errors[1:]).all()
        assert errors[:, :-2].max() < 1e-10
    same = np.full(500, 0.37)
    np.testing.assert_allclose(
        expectations.second_moment(activation("tanh"), same)[0],
        expectations.second_moment(activation("tanh"), 0.37)[0],
        rtol=1e-13,
    )


def test_kinks_are_found_untold():
    def staircase(z):
        return np.where(z > 0.3, 2.0, np.where(z < -1.7, -1.0, 0.5))

    q = np.array([0.01, 0.5, 3.0, 200.0])
    root = np.sqrt(q)
    upper, lower = [1 - _cdf(0.3 / root), _cdf(-1.7 / root)]
    exact = 4 * upper + lower + 0.25 * (1 - upper - lower)
    for kinks in ([0.3, -1.7], []):
        values, errors = expectations.second_moment(custom_activation(staircase, kinks=kinks), q)
        np.testing.assert_allclose(values, exact, rtol=1e-13)
        assert (np.abs(values - exact) <= errors).all()
        assert (errors <= 1e-10 * values).all()


def _cdf(x):
    return np.array([float(mp.ncdf(v)) for v in x])


def test_custom_function_is_as_good_as_the_built_in_one():
    q = np.geomspace(1e-5, 1e5, 21)
    ours = expectations.moments(custom_activation(lambda z: np.tanh(z)), q)
    theirs = expectations.moments(activation("tanh"), q)
    np.testing.assert_array_equal(ours.second, theirs.second)
    slow = custom_activation(lambda z: float(z) ** 3)
    np.testing.assert_allclose(expectations.second_moment(slow, q)[0], 15 * q**3, rtol=1e-12)
    found = expectations.moments(slow, q)
    for ratio, exact in ((found.slope, 3.0), (found.curvature, 6.0), (found.fourth, 10395 / 225)):
        np.testing.assert_allclose(ratio, exact, rtol=1e-12)


def test_exponentials_are_followed_far_from_0():
    """E exp(2 sqrt(q) Z) = exp(2q) comes from around 2 sqrt(q), and its square's mean from twice as far."""
    q = np.array([1.0, 10.0, 50.0, 150.0])
    phi = custom_activation(np.exp)
    values, errors = expectations.second_moment(phi, q)
    np.testing.assert_allclose(values, np.exp(2 * q), rtol=1e-13)
    assert (np.abs(values - np.exp(2 * q)) <= errors).all()
    assert (errors < 1e-12 * values).all()
    found = expectations.moments(phi, q)
    np.testing.assert_allclose(found.slope, 2 * q, rtol=1e-13)
    np.testing.assert_allclose(found.curvature, 4 * q * q, rtol=1e-13)
    np.testing.assert_allclose(found.fourth[:2], np.exp(4 * q[:2]), rtol=1e-13)
    np.testing.assert_array_equal(np.isinf(found.error), [False, False, True, True])
    bell, q = custom_activation(lambda z: np.exp(z * z / 8)), np.array([0.5, 1.5, 1.9])
    np.testing.assert_allclose(expectations.second_moment(bell, q)[0], (1 - q / 2) ** -0.5, rtol=1e-13)
    for strange, variance in ((phi, 1000.0), (bell, 2.0)):  # the first is too far away, the second infinite
        assert expectations.second_moment(strange, variance)[1] == np.inf


@pytest.mark.parametrize("name", ["erf", "hardtanh", "softplus", "tanh"])
def test_moments_are_put_together_from_what_each_is_known_by(name):
    """The closed second moment where there is one, with its relative error; else the quadrature's."""
    phi, q = (
        activation(name),
        np.append(0.0, np.geomspace(1e-6, 1e2, 24)),
    )  # each of three errors is the largest somewhere
    found, (second, error) = expectations.moments(phi, q), expectations.second_moment(phi, q)
    values, errors = quadrature.moments(phi.phi, name, features(phi), q)
    np.testing.assert_array_equal(found.second, second)
    np.testing.assert_array_equal([found.slope, found.curvature, found.fourth], values[1:])
    known_error = np.divide(error, second, out=np.zeros(25), where=second > 0)
    np.testing.assert_array_equal(found.second_error, known_error if known(phi).second else errors[0])
    np.testing.assert_array_equal(found.slope_error, errors[1])
    np.testing.assert_array_equal(found.error, errors[1:].max(axis=0))


def test_variances_may_be_whole_numbers_and_the_one_that_is_too_large_is_named():
    assert expectations.checked_variances([1, 2]).dtype == float
    with pytest.raises(ValueError, match="its mean square at variance 4 is beyond"):
        expectations.second_moment(custom_activation(lambda z: 1e200 * z, name="steep"), [0, 4])


def test_slopes_of_hardtanh_and_gelu_err_by_rounding():
    q = np.array([1e-3, 0.5, 2.0, 90.0])
    for name in ("hardtanh", "gelu", "erf", "sin"):
        value, error = known(activation(name)).slope(q)
        assert ((error > 0) & (error < 1e-14 * value)).all()


def test_the_error_of_hardtanh_is_of_terms_that_cancel():
    """At q = 100 its value is a tenth of q erf(1 / sqrt(2 q)), which is known to rounding."""
    value, error = expectations.second_moment(activation("hardtanh"), 100.0)
    assert 4 * np.finfo(float).eps * 8 < error < 1e-13 * value


def test_the_error_of_selu_is_of_terms_that_cancel():
    """Three that go as (scale alpha)^2, at small q more than the value."""
    value, error = expectations.second_moment(activation("selu"), 0.25)
    assert 4 * np.finfo(float).eps * float(SELU[0] * SELU[1]) ** 2 < error < 1e-12 * value


def test_means_of_any_shape():
    mean, error = first_moment.first_moment(activation("relu"), [[4], [9]])
    np.testing.assert_allclose(mean, np.array([[2.0], [3.0]]) / np.sqrt(2 * np.pi), rtol=1e-15)
    assert error.shape == (2, 1)


def test_phi_that_is_zero_throughout():
    values, errors = expectations.second_moment(custom_activation(lambda z: 0 * z), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(values, 0.0)
    np.testing.assert_array_equal(errors, 0.0)
    found = expectations.moments(custom_activation(lambda z: 0 * z), np.array([0.0, 1.0]))
    assert (found.second_error < 1e-12).all()
    assert (found.error < 1e-12).all()


def test_each_moment_is_cut_by_itself():
    """Of z^0 to z^4 times phi^2, and phi^4, only the last two still count at 12; farther out phi is infinite."""
    phi = custom_activation(lambda z: 1 + 3e7 * np.exp(60 * (z - 12)))
    errors = quadrature.moments(phi.phi, "wall", features(phi), np.ones(1))[1]
    np.testing.assert_array_equal(np.isinf(errors[:, 0]), [False, False, True, True])


@pytest.mark.parametrize(
    ("phi", "words"),
    [(lambda z: np.log(np.abs(z)), "gives -inf at 0"), (lambda z: np.where(z > 3, np.nan, z), "gives nan at")],
)
def test_phi_that_is_no_number_is_named(phi, words):
    strange = dataclasses.replace(activation("tanh"), name="strange", phi=phi, code=-1)
    with pytest.raises(ValueError, match=f"'strange' {words}"):
        quadrature.values(phi, "strange", np.array([-1.0, 0.0, 4.0]))
    with pytest.raises(ValueError, match="'strange' gives"):
        expectations.second_moment(strange, np.array([0.0, 5.0]))


def test_phi_of_another_shape_is_named():
    with pytest.raises(ValueError, match="it must give one number for each"):
        quadrature.values(np.sum, "norm", np.ones(3))


@pytest.mark.parametrize("q", [-1.0, np.nan, np.inf])
def test_bad_variance_is_quoted(q):
    with pytest.raises(ValueError, match="zero or positive"):
        expectations.second_moment(activation("tanh"), np.array([1.0, q]))


def test_gain():
    assert theory.gain("relu") == np.sqrt(2)
    assert theory.gain("relu", 7.0) == pytest.approx(np.sqrt(2), rel=1e-14)
    assert theory.gain("tanh") == pytest.approx(1.59253741972, rel=1e-11)
    assert theory.gain("selu") == pytest.approx(1.0, rel=1e-13)
    assert theory.gain(leaky_relu(0.2)) == pytest.approx(np.sqrt(2 / 1.04), rel=1e-14)
    for q, error, words in ((0.0, ValueError, "positive"), ("1", TypeError, "number"), (np.inf, ValueError, "finite")):
        with pytest.raises(error, match=words):
            theory.gain("tanh", q)
    with pytest.raises(ValueError, match="no gain"):
        theory.gain(lambda z: 0 * z)


def _binomial_mixture(n):
    """Mean and variance of ln chi2_K, K ~ Bin(n, 1/2) given K > 0, with mpmath."""
    weights = [mp.binomial(n, k) for k in range(1, n + 1)]
    total = sum(weights)
    means = [mp.digamma(mp.mpf(k) / 2) + mp.log(2) for k in range(1, n + 1)]
    mean = sum(w * m for w, m in zip(weights, means, strict=True)) / total
    spread = sum(w * (mp.psi(1, mp.mpf(k) / 2) + (means[k - 1] - mean) ** 2) for k, w in enumerate(weights, 1)) / total
    return float(mean), float(spread)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 64, 300])
def test_logarithms_of_a_relu_layer_are_a_mixture_of_digammas(n):
    np.testing.assert_allclose(layer_log_moments(n, (0.0, 1.0)), _binomial_mixture(n), rtol=1e-11, atol=1e-13)
    mean, variance = layer_log_moments(n, (3.0, 0.0))
    np.testing.assert_allclose((mean - np.log(9), variance), _binomial_mixture(n), rtol=1e-11, atol=1e-12)


def test_logarithms_of_a_wide_relu_layer():
    """In powers of 1/n."""
    for n in (1000, 100_000):
        mean, variance = layer_log_moments(n, (0.0, 1.0))
        assert mean - np.log(n / 2) == pytest.approx(-5 / (2 * n) - 49 / 12 / n**2, abs=60 / n**3 + 1e-13)
        assert variance == pytest.approx(5 / n + 18.5 / n**2, abs=400 / n**3 + 1e-13)
    assert layer_log_moments(10, (0.0, 1.0))[1] == pytest.approx(0.8667, abs=5e-5)


@pytest.mark.parametrize("slope", [0.5, 0.01, 1e-6, -0.3])
@pytest.mark.parametrize("n", [1, 2])
def test_logarithms_of_a_leaky_layer(n, slope):
    """One unit: ln z^2 plus the log of either squared slope. Two: z = r (cos t, sin t) leaves one angle."""
    mean, variance = layer_log_moments(n, (slope, 1.0))
    log = 2 * mp.log(abs(slope))
    if n == 1:
        base = float(mp.digamma(0.5) + mp.log(2)), float(mp.psi(1, 0.5))
        exact = base[0] + float(log) / 2, base[1] + float(log) ** 2 / 4
    else:
        # signs (+,+), (-,-) and twice (+,-), where |phi|^2 = r^2 (cos^2 t + slope^2 sin^2 t)
        mixed = [0, *[mp.pi / 2 - mp.mpf(10) ** -k for k in range(1, 9)], mp.pi / 2]

        def angular(power):
            inner = lambda t: mp.log(mp.cos(t) ** 2 + slope**2 * mp.sin(t) ** 2) ** power  # noqa: E731
            return (log**power + 2 * mp.quad(inner, mixed) * 2 / mp.pi) / 4

        first, second = angular(1), angular(2)
        radius = float(mp.digamma(1) + mp.log(2)), float(mp.psi(1, 1))
        exact = radius[0] + float(first), radius[1] + float(second - first**2)
    np.testing.assert_allclose((mean, variance), exact, rtol=1e-10)


def test_logarithms_of_layers_without_a_mixture():
    for slopes in ((1.0, 1.0), (-1.0, 1.0), (2.0, -2.0)):
        mean, variance = layer_log_moments(5, slopes)
        assert mean - 2 * np.log(abs(slopes[0])) == pytest.approx(float(mp.digamma(2.5) + mp.log(2)), rel=1e-13)
        assert variance == pytest.approx(float(mp.psi(1, 2.5)), rel=1e-13)
    assert np.isnan(layer_log_moments(5, (0.0, 0.0))).all()
