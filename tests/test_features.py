"""Where functions bend, jump, are steep or wave, and what quadrature makes of it: closed forms as the reference."""

import dataclasses

import mpmath as mp
import numpy as np
import pytest
from evidence import fresh_seed
from scipy import special, stats

from varprop import Network, activations, custom_activation, theory
from varprop.theory.gaussian import plane
from varprop.theory.gaussian.correlation_maps import product_moment, product_slope
from varprop.theory.gaussian.derivative_moment import derivative_moment
from varprop.theory.gaussian.expectations import moments, second_moment
from varprop.theory.gaussian.features import features
from varprop.theory.gaussian.slope_moments import slope_moments

Q = np.array([1e-6, 1e-2, 1.0, 30.0, 1e4])


def found(phi, reach=12.0):
    return features(custom_activation(phi)).within(reach)


def test_smooth_functions_need_no_breaks():
    for phi in (np.tanh, lambda z: z**3, lambda z: z * special.expit(1.702 * z), lambda z: np.logaddexp(0, z)):
        assert len(found(phi, 1e15)) == 0


def test_bends_and_jumps_are_found_where_they_are():
    # apart, since a bend beside another of a product is as small as they are near
    at = np.arange(-10, 10, 4) + np.random.default_rng(fresh_seed()).uniform(0.3, 3.7, 5)
    for phi in (
        lambda z: np.abs(z[..., None] - at).sum(axis=-1),
        lambda z: (z[..., None] > at).sum(axis=-1) * 1.0,
        lambda z: np.abs(z[..., None] - at).prod(axis=-1) / (1 + z**4),
    ):
        points = features(custom_activation(phi)).points(10.0)
        assert (np.abs(points[:, None] - at).min(axis=0) < 1e-7).all()
    np.testing.assert_allclose(features(custom_activation(lambda z: np.clip(z, -2, 1))).points(9.0), [-2, 1])


def test_a_bend_or_jump_is_one_break_known_to_rounding():
    for at in (1e-12, 1e-3, 5.3, 700.123):
        (point,) = features(custom_activation(lambda z: (z > at) * 1.0)).within(1e3)  # noqa: B023
        assert abs(point - at) < 64 * np.finfo(float).eps * at + 2.0**-70
    np.testing.assert_allclose(found(lambda z: (z > 5.3) * 1.0 + (z > 12.3), 16.0), [5.3, 12.3])
    small = features(custom_activation(lambda z: 1e-20 * np.maximum(z - 0.5, 0)))
    np.testing.assert_array_equal(small.points(9.0), [0.5])


def test_kinks_that_are_named_and_few_steep_places():
    np.testing.assert_array_equal(features(activations.activation("hardtanh")).points(9.0), [-1, 1])
    steep = features(custom_activation(lambda z: special.erf(100 * z)))
    assert len(steep.points(1e15)) == 0 < len(steep.kinks(9.0))
    assert len(features(OURS).kinks(200.0)) == 0 < len(features(OURS).within(200.0))
    assert steep.noise(np.empty(0)).shape == (0,)


def test_no_more_panels_are_followed_than_are_allowed_for():
    """Up to 2 there are 2,048 at the eighth halving; at the ninth as many waves as panels are left."""
    assert features(custom_activation(lambda z: np.sin(1e4 * np.abs(z)), kinks=[0])).follow(100.0) == 2.0


def test_what_cannot_be_followed_is_owned_up_to():
    waves = features(custom_activation(lambda z: np.sin(1e3 * z)))
    assert waves.follow(10.0) == np.inf
    assert 10 < waves.follow(1e4) < 100
    assert features(custom_activation(lambda z: np.sin(1e9 * z))).follow(1.0) < 1e-4
    rough = features(custom_activation(lambda z: np.tanh(np.float32(z)).astype(float)))
    assert len(rough.within(10.0)) < 3000
    assert 1e-8 < rough.noise(np.array([10.0]))[0] < 1e-5
    steps = features(custom_activation(np.floor))
    steps.follow(1e5)
    assert steps.noise(np.array([100.0]))[0] == 0


def _erf(w):
    def second(q):
        return 2 / np.pi * np.arctan(2 * w * w * q / np.sqrt(1 + 4 * w * w * q))

    return lambda z: special.erf(w * z), second, lambda q: 4 * w * w / np.pi / np.sqrt(1 + 4 * w * w * q)


def _sine(w):
    def slope(q):
        return w * w * (1 + np.exp(-2 * w * w * q)) / 2

    return lambda z: np.sin(w * z), lambda q: -np.expm1(-2 * w * w * q) / 2, slope


def _spike(a, c):
    def second(q):
        return np.exp(-2 * a * c * c / (1 + 4 * a * q)) / np.sqrt(1 + 4 * a * q)

    return lambda z: np.exp(-a * (z - c) ** 2), second, None


def _above(c, q):
    """E max(x - c, 0)^2."""
    t = c / np.sqrt(q)
    return (q + c * c) * stats.norm.sf(t) - c * np.sqrt(q) * stats.norm.pdf(t)


def _floor(q):
    k = np.arange(-4000, 4001)
    edges = stats.norm.cdf(np.append(k, 4001)[:, None] / np.sqrt(q))
    below = stats.norm.sf(-np.append(k, 4001)[:, None] / np.sqrt(q))
    share = np.where(k[:, None] < 0, np.diff(edges, axis=0), 0 * np.diff(below, axis=0))
    upper = stats.norm.sf(k[:, None] / np.sqrt(q)) - stats.norm.sf((k[:, None] + 1) / np.sqrt(q))
    return (np.where(k[:, None] < 0, share, upper) * k[:, None] ** 2).sum(axis=0)


CASES = {
    **{f"erf {w}": _erf(w) for w in (1, 20, 100, 1000)},
    **{f"sin {w}": _sine(w) for w in (1, 10, 30)},
    "spike at 0": _spike(1e4, 0.0),
    "spike at 5": _spike(1e4, 5.0),
    "bend at 0.3": (lambda z: np.maximum(z - 0.3, 0), lambda q: _above(0.3, q), lambda q: stats.norm.sf(0.3 / q**0.5)),
    "bend at 7.1": (lambda z: np.maximum(z - 7.1, 0), lambda q: _above(7.1, q), lambda q: stats.norm.sf(7.1 / q**0.5)),
    "|z|": (np.abs, lambda q: q, np.ones_like),
    "floor": (np.floor, _floor, None),
    "step at -1.7": (lambda z: np.where(z < -1.7, 3.0, 1.0), lambda q: 1 + 8 * stats.norm.cdf(-1.7 / q**0.5), None),
    "z sin 10z": (lambda z: z * np.sin(10 * z), lambda q: (q - (q - 400 * q * q) * np.exp(-200 * q)) / 2, None),
}


@pytest.mark.parametrize("name", CASES)
def test_expectations_of_functions_of_ones_own(name):
    phi, second, slope = CASES[name]
    values, errors = second_moment(custom_activation(phi), Q)
    exact = second(Q)
    assert (np.abs(values - exact) <= errors + 1e-12 * exact + 1e-300).all()
    seen = np.sqrt(Q) * float([*name.split(), "1"][1] if name.startswith("sin") else 1) < 1000
    assert (errors <= 1e-10 * exact + 1e-300)[seen].all()
    if slope is not None:
        values, errors = derivative_moment(custom_activation(phi), Q)
        assert (np.abs(values - slope(Q)) <= errors + 1e-13 * slope(Q) + 1e-300).all()
        assert (errors <= 1e-8 * slope(Q) + 1e-300)[seen].all()


@pytest.mark.parametrize("w", [1, 20, 100, 1000])
def test_steep_sigmoids_are_those_of_mpmath(w):
    for q in (0.01, 1.0):
        root = mp.sqrt(q)
        edges = sorted({s * x / w / root for s in (-1, 1) for x in (0, 1, 3, 10, 30)} | {-9, -3, 3, 9})
        edges = [x for x in edges if abs(x) <= 9]
        sigmoid = lambda x: 1 / (1 + mp.exp(-w * x))  # noqa: E731
        square = float(mp.quad(lambda z: sigmoid(root * z) ** 2 * mp.npdf(z), edges))  # noqa: B023
        slope = float(mp.quad(lambda z: (w * sigmoid(root * z) * sigmoid(-root * z)) ** 2 * mp.npdf(z), edges))  # noqa: B023
        for dphi in (None, lambda z: w * special.expit(w * z) * special.expit(-w * z)):
            phi = custom_activation(lambda z: special.expit(w * z), dphi)
            assert second_moment(phi, q)[0] == pytest.approx(square, rel=1e-10)
            value, error = derivative_moment(phi, q)
            assert value == pytest.approx(slope, rel=1e-10)
            assert error <= 1e-9 * value


@pytest.mark.slow
def test_no_frequency_deceives_the_error():
    """E sin^2, E cos^2 of waves from slow to far too fast: off by no more than the error, small up to 1,000 radians."""
    w = 10 ** np.random.default_rng(fresh_seed()).uniform(0, 8, 6)
    for x in [83055.78, 2e5 * np.pi + 29.22, *w]:  # the second looks slow to steps of 1e-5
        phi = custom_activation(lambda z: np.sin(x * z), lambda z: x * np.cos(x * z))  # noqa: B023
        for value, error in (second_moment(phi, 1.0), np.array(derivative_moment(phi, 1.0)) / x**2):
            assert abs(value - 0.5) <= error + np.exp(-2 * x * x)
            assert error < (1e-10 if x < 1000 else 0.05)


def test_moments_that_first_order_needs():
    found, exact = (
        moments(phi, np.array([0.2, 3.0])) for phi in (custom_activation(np.sin), activations.activation("sin"))
    )
    for name in ("slope", "curvature", "fourth"):
        np.testing.assert_allclose(getattr(found, name), getattr(exact, name), atol=1e-11)
    step = custom_activation(lambda z: np.where(z > 0.3, 2.0, 1.0), lambda z: 0 * z)
    above = stats.norm.sf(0.3 / np.sqrt(2.0))
    found = moments(step, np.array([2.0]))
    assert found.fourth[0] == pytest.approx((1 + 15 * above) / (1 + 3 * above) ** 2, rel=1e-12)


@pytest.mark.slow
def test_products_of_two_inputs():
    """Waves and bends that nobody named, against the closed forms of the built-in functions."""
    q, c = np.array([0.3, 30.0]), np.array([[-0.3], [0.999]])
    for phi, dphi, name, scale in (
        (lambda z: np.sin(5 * z), lambda z: 5 * np.cos(5 * z), "sin", 5.0),
        (lambda z: np.where(z > 0, z, 0.2 * z), lambda z: np.where(z > 0, 1.0, 0.2), "leaky_relu(0.2)", 1.0),
        (lambda z: special.erf(100 * z), None, "erf", 100.0),
        (lambda z: np.sin(1e3 * z), lambda z: 1e3 * np.cos(1e3 * z), "sin", 1e3),
    ):
        ours, known = custom_activation(phi, dphi), activations.activation(name)
        for function, factor in ((product_moment, 1.0), (product_slope, scale**2)):
            if function is product_slope and dphi is None:
                continue
            value, error = function(ours, q, q, c)
            exact, own = (factor * x for x in function(known, scale**2 * q, scale**2 * q, c))
            assert (np.abs(value - exact) <= error + own).all()
            assert (error <= (1e-9 if scale < 1e3 else 0.05) * factor * np.maximum(q, 1.0)).all()


def test_what_is_summed_over_random_points():
    """Two waves too fast for panels, and how uncertain such means are; waves that are followed and bends have none."""
    fast = custom_activation(lambda z: np.cos(1e3 * z))
    looks, one = (features(fast), features(activations.activation("linear"))), np.ones(1)
    values, errors = plane.expectation(
        (lambda z: np.cos(1e3 * z) ** 2, lambda z: 3 + 0 * z), looks, (one, one), 0 * one, one
    )
    assert abs(values[0] - 1.5) <= errors[0] < 0.05
    assert plane.scatter(looks, (1.0, 1.0), 0.8, 0.6) == 1 / 64
    for phi in (lambda z: np.sin(5 * z), np.abs, np.tanh):
        assert plane.scatter((features(custom_activation(phi)),) * 2, (30.0, 0.1), 0.8, 0.6) == 0


def test_the_outer_variable_breaks_only_where_two_kinks_meet():
    """At each of (0, 0.3, -1.7) less another, and multiples of 2.25, and -4, -1, 1, 4; nearly equal inputs ask less."""
    looks = (features(custom_activation(lambda z: np.clip(z, -1.7, 0.3), kinks=[-1.7, 0.3])),) * 2
    for r, most in ((0.5, 18), (1e-9, 9)):
        _, d, _, random = plane.rule(looks, (1.0, 1.0), np.sqrt(1 - r * r), r, 0)
        assert not random
        assert len(np.unique(d)) <= most * plane.ORDERS[0]


def test_exponentials_are_followed_far_from_0_by_slopes_too():
    """phi = phi' = exp: E (phi'^2 phi^2)^2 / (E phi^2)^4 = e^(24 q), from around 8 sqrt(q) standard deviations."""
    q = np.array([0.01, 1.0, 3.0, 10.0])
    found = slope_moments(custom_activation(np.exp, np.exp), q)
    np.testing.assert_allclose(found.product[1, 1, :3], np.exp(24 * q[:3]), rtol=1e-12)
    np.testing.assert_array_equal(np.isinf(found.error), [False, False, False, True])


# A sine of one's own is the built-in one, everywhere in theory

OURS = custom_activation(np.sin, np.cos)


def _assert_within(ours, known, names, least=1e-13):
    for name in names:
        value, exact = getattr(ours, name), getattr(known, name)
        error = getattr(ours, f"{name}_error") + getattr(known, f"{name}_error")
        np.testing.assert_array_less(
            np.abs(np.subtract(value, exact)), error + least * np.abs(exact) + 1e-300, err_msg=name
        )


NUMBERS = ("variance", "chi", "chi_variance", "correlation", "correlation_slope")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gain_squared", "bias_variance"), [(0.5, 0.0), (1.5, 0.05), (3.0, 0.0), (50.0, 2.0), (2000.0, 0.0), (1e10, 1.0)]
)
def test_fixed_points_of_a_sine(gain_squared, bias_variance):
    ours, known = (theory.fixed_point(phi, gain_squared, bias_variance) for phi in (OURS, "sin"))
    _assert_within(ours, known, NUMBERS)
    assert len(ours.points) == len(known.points)
    if gain_squared < 1e4:
        assert ours.phase == known.phase
        assert ours.chi_error < 1e-9 * ours.chi


@pytest.mark.slow
def test_the_rest_of_theory_of_a_sine():
    for bias_variance in (0.0, 0.3):
        (ours,), (known,) = (theory.critical(phi, bias_variance) for phi in (OURS, "sin"))
        _assert_within(ours, known, ("gain_squared", "variance", "chi_variance", "gain"))
        assert ours.stable == known.stable
    assert theory.gain(OURS, 3.0) == pytest.approx(theory.gain("sin", 3.0), rel=1e-13)
    ours, known = (theory.phase_diagram(phi, [0.5, 2.0, 2000.0], [0.0, 0.1]) for phi in (OURS, "sin"))
    _assert_within(ours, known, NUMBERS)
    np.testing.assert_array_equal(ours.phase, known.phase)
    ours, known = (Network([64] * 4, phi, "he") for phi in (OURS, "sin"))
    for ask in (theory.forward, theory.backward, theory.pair):
        options = {"correlation": 0.5} if ask is theory.pair else {}
        ours_found, known_found = ask(ours, **options), ask(known, **options)
        for name, profile in ours_found.profiles.items():
            other = known_found.profiles[name]
            off = np.abs(profile.values - other.values)
            assert (off <= profile.errors + other.errors + 1e-11 * np.abs(other.values)).all(), name


# What was wrong


def own(phi):
    return custom_activation(phi)


@pytest.mark.slow
def test_right_values_where_quadrature_could_not_see():
    (point,) = theory.critical(OURS, 0.1)
    assert (point.variance, point.gain_squared) == pytest.approx((0.7118115549, 1.6118115549), rel=1e-9)
    (point,) = theory.critical(own(lambda z: special.expit(100 * z)), 0.1)
    assert (point.variance, point.gain_squared) == pytest.approx((0.126119749, 0.0534385506), rel=1e-8)
    assert point.variance_error < 1e-9
    for w, chi in ((20, 1.93068419119), (50, 4.75360)):
        found = theory.fixed_point(own(lambda z: special.expit(w * z)), 1.0)  # noqa: B023
        assert found.chi == pytest.approx(chi, abs=6e-6 if w == 50 else 1e-11)
        assert found.chi_error < 1e-8
    found = theory.fixed_point(OURS, 2000.0)
    assert (found.variance, found.chi) == pytest.approx((1000.0, 1000.0), rel=1e-12)
    assert len(found.points) == 2
    assert theory.gain(own(lambda z: np.sin(30 * z))) == pytest.approx(np.sqrt(2), rel=1e-13)
    table = str(theory.forward(Network([64] * 5, own(lambda z: np.sin(30 * z)), "lecun")))
    assert table.splitlines()[4].split()[:3] == ["2", "0.5", "0.5"]


@pytest.mark.slow
def test_errors_reach_every_result():
    """Waves of 1e5 radians are known to a few percent: results say so, none is wrong by more, and none made up."""
    w = 1e5
    fast = custom_activation(lambda z: np.sin(w * z), lambda z: w * np.cos(w * z))
    table = str(theory.forward(Network([64] * 5, fast, "lecun")))
    assert " ± 0.0" in table.splitlines()[4]
    assert " ± " in str(theory.gains(fast))
    found = theory.gains(fast)
    assert abs(found.forward - np.sqrt(2)) <= found.forward_error < 0.1
    assert abs(found.backward * w - np.sqrt(2)) <= found.backward_error * w < 0.1
    (point,) = theory.critical(fast, 0.1)
    assert abs(point.variance - 0.1 - 1 / w**2) <= point.variance_error < 1e-9
    assert abs(point.gain_squared - 2 / w**2) <= point.gain_squared_error < 0.2 / w**2
    found = theory.fixed_point(fast, 2.0)
    assert abs(found.variance - 1) <= found.variance_error < 0.1
    assert abs(found.chi - w**2) <= found.chi_error < 0.1 * w**2
    assert " ± " in str(found)
    blind = dataclasses.replace(fast, dphi=None)
    found = theory.fixed_point(blind, 2.0)
    assert (found.phase, found.chi_error) == ("unknown", np.inf)
    assert "not known" in str(found)
    assert "?" in str(theory.phase_diagram(blind, [2.0], [0.1]))
    with pytest.raises(ValueError, match="hides whether the variance"):
        theory.fixed_point(lambda z: z * np.sqrt(2.0) * np.sin(w * z), 1.0)


def test_none_is_claimed_only_where_it_is_proved():
    reason = theory.critical(custom_activation(lambda z: np.logaddexp(0, z), special.expit), 0.1).reason
    assert "where it was searched, from variance" in reason
    assert "there is none" not in reason
    assert "there is none" in theory.critical("softplus", 0.1).reason


def test_derivatives_of_functions_that_jump_or_have_none():
    """Between jumps it is counted; of a root, whose E phi'^2 is infinite, an error is given that hides no less."""
    steps = custom_activation(lambda z: np.round(z * 7.3) / 7.3 + z)
    value, error = derivative_moment(steps, 1.0)
    assert abs(value - 1) <= error < 1e-6
    value, error = derivative_moment(custom_activation(lambda z: np.sqrt(np.maximum(z, 0))), 1.0)
    assert error > 1e-3 * value


def test_a_slope_of_infinity_does_not_fall():
    found = theory.fixed_point(custom_activation(lambda z: z**3, lambda z: 3 * z * z), 1.0)
    assert found.chi == np.inf
    assert "0 layers" not in str(found)
    assert "the gradient's variance grows without bound in one layer" in str(found)


@pytest.mark.parametrize("dphi", [None, lambda z: 0 * z])
def test_a_function_that_is_0_everywhere(dphi):
    nothing = custom_activation(lambda z: 0 * z, dphi)
    network = Network([8] * 4, nothing, "he")
    assert not theory.forward(network).variance[1:].any()
    assert theory.law(network).zero.tolist() == [0.0, 1.0, 1.0]
    assert theory.fixed_point(nothing, 1.0).variance == 0
    assert not theory.critical(nothing, 0.1).points
    assert theory.pair(network, correlation=0.5)
    if dphi is not None:
        assert not theory.backward(network).gradient_variance[:-1].any()


def test_a_function_too_large_is_refused_in_one_line():
    huge = custom_activation(lambda z: 1e200 * z, lambda z: 1e200 + 0 * z)
    network = Network([8] * 4, huge, "he")
    for call in (
        lambda: theory.forward(network),
        lambda: theory.backward(network),
        lambda: theory.pair(network, correlation=0.5),
        lambda: theory.law(network),
        lambda: theory.gain(huge),
        lambda: theory.fixed_point(huge, 1.0),
        lambda: theory.critical(huge),
    ):
        with pytest.raises(ValueError, match=r"beyond float64|below 1e\+75"):
            call()


def test_bends_between_smooth_panels_are_points():
    """Halving cuts a panel at 0 or 3/8 itself, so that no ladder of panels leads there."""
    for bend in (0.0, 0.375, -0.1875, 96.0):
        phi = custom_activation(lambda z, bend=bend: np.maximum(z - bend, 0.0))
        np.testing.assert_array_equal(features(phi).points(200.0), [bend])
    for smooth in (np.sin, np.tanh, lambda z: np.tanh(100 * z)):
        assert not len(features(custom_activation(smooth)).points(200.0))
