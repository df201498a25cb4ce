"""Fixed points, gains and the edge of chaos against published values, polynomials, and samples that share no code."""

import dataclasses
import math
import re

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, score
from scipy import optimize, special

from varprop import Network, VarianceScaling, activations, custom_activation, formulas, leaky_relu, theory
from varprop.activations import NAMES, activation
from varprop.theory.gaussian import hermite
from varprop.theory.gaussian.correlation_maps import product_moment, product_slope
from varprop.theory.gaussian.derivative_moment import derivative_moment
from varprop.theory.gaussian.expectations import second_moment

# Published values. activation, gain_squared, bias_variance, expected

POINTS = [
    ("tanh", 25 / 9, 0.0, {"variance": 1.178480490385908, "chi": 1.2098313203828, "correlation": 0.0}),
    ("tanh", 25 / 9, 0.0, {"correlation_depth": 12.1178965546}),
    ("tanh", 1.76095463960674, 0.05, {"variance": 0.570047881641, "chi": 1.0, "correlation": 1.0}),
    ("tanh", 0.5, 0.0, {"variance": 0.0, "chi": 0.5, "chi_variance": 0.5, "gradient_depth": 1 / math.log(2)}),
    ("erf", 1.37583900734668, 0.05, {"chi": 1.0}),
    ("sin", 1.5020701025579, 0.05, {"chi": 1.0, "variance": 0.5520701025579}),
    ("silu", 1.98800467826949, 0.5, {"correlation": 1.0}),
    ("selu", 1.0, 0.0, {"variance": 1.0, "chi": 1.0715749924557992576, "chi_variance": 0.782647883197}),
    ("selu", 0.5625, 0.0, {"variance": 0.02303378461, "chi": 1.0036703508}),
    ("sigmoid", 1.0, 0.0, {"variance": 0.264686875181892, "chi": 0.0557207067697, "correlation": 1.0}),
    ("relu", 2.0, 0.0, {"variance": 1.0, "chi": 1.0, "correlation": 1.0}),
    ("relu", 1 / 3, 1 / 24, {"variance": 2 / 40, "chi": 1 / 6, "gradient_depth": 1 / math.log(6)}),  # torch.nn.Linear
    ("relu", 3.0, 0.1, {"variance": math.inf, "chi": 1.5, "gradient_depth": -1 / math.log(1.5)}),
    ("gelu", 2.0, 0.0, {"variance": 0.0, "chi": 0.5}),
    ("gelu", 4.0, 0.0, {"variance": math.inf, "chi": 2.0}),
    ("silu", 2.952, 0.04, {"variance": math.inf, "chi": 1.476}),
    ("linear", 0.5, 0.1, {"variance": 0.2, "chi": 0.5, "correlation": 1.0}),
]


@pytest.mark.parametrize(("name", "gain_squared", "bias_variance", "expected"), POINTS)
def test_published_fixed_points(name, gain_squared, bias_variance, expected):
    found = theory.fixed_point(name, gain_squared, bias_variance)
    for field, value in expected.items():
        assert getattr(found, field) == pytest.approx(value, rel=1e-9, abs=1e-13), field


def test_torch_default_layer_at_any_width():
    for n in (1, 10, 1000):
        assert theory.fixed_point("relu", 1 / 3, 1 / (3 * n)).variance == pytest.approx(2 / (5 * n), rel=1e-13)


CRITICAL = [
    ("tanh", 0.0, 1.0, 0.0, True),
    ("tanh", 0.05, 1.76095463960674, 0.570047881641, True),
    ("tanh", 0.04, 1.7007963721367, None, True),
    ("erf", 0.0, math.pi / 4, 0.0, True),
    ("erf", 0.05, 1.37583900734668, None, True),
    ("sin", 0.05, 1.5020701025579, 0.5520701025579, True),
    ("gelu", 0.0, 4.0, 0.0, False),
    ("silu", 0.0, 4.0, 0.0, False),
    ("silu", 0.04, 2.82082639772184, 0.68945250291, False),
    ("gelu", 0.172922390756067, 1.98305825743755, 3.56155281280883, False),
    ("silu", 0.555143170721530, 1.98800467826949, 14.3201736180258, False),
    ("selu", 0.0, 2 / (formulas.SELU_SCALE**2 * (1 + formulas.SELU_ALPHA**2)), 0.0, True),
    ("hardtanh", 0.0, 1.0, 0.0, True),
]


@pytest.mark.parametrize(("name", "bias_variance", "gain_squared", "variance", "stable"), CRITICAL)
def test_published_critical_points(name, bias_variance, gain_squared, variance, stable):
    (point,) = theory.critical(name, bias_variance)
    assert point.gain_squared == pytest.approx(gain_squared, rel=1e-11)
    assert point.stable == stable
    if variance is not None:
        assert point.variance == pytest.approx(variance, rel=1e-9)


def test_the_edge_where_the_variance_is_critical_too():
    """Doubly critical: half-stable, so that from below gelu stops at another fixed point, and silu at this one."""
    for name, gain_squared, bias_variance, variance in (
        ("gelu", 1.98305825743755, 0.172922390756067, 3.56155281280883),
        ("silu", 1.98800467826949, 0.555143170721530, 14.3201736180258),
    ):
        (point,) = theory.critical(name, bias_variance)
        assert point.chi_variance == pytest.approx(1.0, abs=1e-10)
        found = theory.fixed_point(name, gain_squared, bias_variance)
        (half,) = (p for p in found.points if p.half_stable)
        assert half.variance == pytest.approx(variance, rel=1e-5)
        assert half.chi == pytest.approx(1.0, abs=1e-6)
        assert (found.variance == half.variance) == (name == "silu")
        assert len(found.points) == 2


def test_silu_has_three_ends():
    found = theory.fixed_point("silu", 2.82082639772184, 0.04)
    low, middle, high = found.points
    assert (low.stable, middle.stable, high.stable) == (True, False, True)
    assert middle.variance == pytest.approx(0.68945, abs=5e-6)
    assert middle.chi_variance == pytest.approx(1.0987, abs=5e-5)
    assert (found.variance, found.signal, high.variance) == (math.inf, "explodes", math.inf)
    assert found.others == (low, middle)
    below = theory.fixed_point("silu", 2.82082639772184, 0.04, start=0.6)
    assert (below.variance, below.signal) == (low.variance, "settles")
    at = theory.fixed_point("silu", 2.82082639772184, 0.04, start=middle.variance)
    assert (at.variance, at.stable) == (middle.variance, False)


def test_no_edge_of_chaos_and_where_it_is_far():
    for bias_variance in (0.0, 0.1, 100.0):
        none = theory.critical("softplus", bias_variance)
        assert len(none) == 0
        assert "no edge of chaos" in str(none)
        assert "softplus is never positive" in none.reason
    biased = theory.critical("relu", 0.1)
    assert not biased.points
    assert "only at gain_squared 2" in str(biased)
    for bias_variance, about in ((0.0, 103.0), (0.1, 103.25), (1e-6, 103.0)):
        (point,) = theory.critical("sigmoid", bias_variance)
        assert point.gain_squared == pytest.approx(about, abs=0.05)
        assert point.stable
        assert theory.fixed_point("sigmoid", point.gain_squared, bias_variance).phase == "critical"
    assert "0 almost everywhere" in theory.critical(custom_activation(np.sign, np.zeros_like), 0.1).reason
    assert "0 throughout" in theory.critical(leaky_relu_of_slopes(0.0, 0.0)).reason


@pytest.mark.slow
def test_where_the_edge_lies_is_said():
    exponential = custom_activation(np.exp, np.exp)
    assert theory.critical(exponential, 3.0)[0].variance == pytest.approx(4.0, rel=1e-12)
    assert "is at most" in theory.critical(exponential, 100.0).reason
    assert "beyond which" in theory.critical(exponential, 100.0).reason
    square = custom_activation(lambda z: 1 + z + z * z, lambda z: 1 + 2 * z)
    for b in (0.0, 0.1, 1e9):  # q - (1 + 3q + 3q^2) / (1 + 4q) = b
        (point,) = theory.critical(square, b)
        assert point.variance == pytest.approx(1 + 2 * b + math.sqrt((1 + 2 * b) ** 2 + 1 + b), rel=1e-9)
        assert point.gain_squared == pytest.approx(1 / (1 + 4 * point.variance))
    cube = theory.critical(lambda z: z**3, 0.0)
    assert len(cube) == 0
    assert "elsewhere: at least" in cube.reason
    text = str(theory.critical("tanh", 0.05))
    for words in ("1.76095464", "0.5700478816", "stable: a deviation of q falls by e in 1.5211 layers", "one point"):
        assert words in text
    assert "every variance is kept" in str(theory.critical("relu"))
    assert theory.critical("tanh", 0.05)[0].gain_squared == pytest.approx(1.76095463960674)


def leaky_relu_of_slopes(minus, plus):
    return dataclasses.replace(leaky_relu(0.5), name="two slopes", slopes=(minus, plus), code=-1)


def test_lines_of_fixed_points():
    for name, gain_squared, correlation in (
        ("relu", 2.0, 1.0),
        ("linear", 1.0, math.nan),
        ("leaky_relu", 2 / 1.0001, 1),
    ):
        found = theory.fixed_point(name, gain_squared, start=7.0)
        assert (found.every_variance, found.signal, found.variance, found.phase) == (True, "is kept", 7.0, "critical")
        np.testing.assert_equal(found.correlation, correlation)
        (point,) = theory.critical(name)
        assert point.every_variance
        assert point.gain_squared == pytest.approx(gain_squared)


# Rates: theory.forward iterates the same map layer by layer


@pytest.mark.parametrize(
    ("name", "gain_squared", "bias_variance"),
    [("tanh", 25 / 9, 0.0), ("selu", 1.0, 0.0), ("gelu", 1.5, 0.3), ("relu", 1.0, 0.2), ("hardtanh", 2.0, 0.1)],
)
def test_forward_converges_at_the_rate_of_the_slope(name, gain_squared, bias_variance):
    found = theory.fixed_point(name, gain_squared, bias_variance)
    law = VarianceScaling(gain_squared, "fan_in")
    network = Network([8] * 200, name, law, bias_variance=bias_variance)
    start = np.full(8, np.sqrt((1.01 * found.variance - bias_variance) / gain_squared))
    variance = theory.forward(network, start, order="infinite").variance.values
    assert variance[-1] == pytest.approx(found.variance, rel=1e-12)
    off = variance - found.variance
    seen = np.abs(off) > 1e-7
    rates = off[1:][seen[1:]] / off[:-1][seen[1:]]
    assert rates[-1] == pytest.approx(found.chi_variance, rel=1e-4)
    layers = np.flatnonzero(seen)[-1]
    assert off[layers] / off[0] == pytest.approx(math.exp(-layers / found.variance_depth), rel=0.05)


# All roots: a polynomial phi has a polynomial variance map


@pytest.mark.slow
def test_every_fixed_point_of_a_polynomial():
    """phi = a + c z + d z^2 + e z^3: E phi^2 by the moments 1, 3, 15 of Z, and its roots by NumPy."""
    rng = np.random.default_rng(fresh_seed())
    several = 0
    for _ in range(8):
        a, c, d, e = rng.normal(0, (0.3, 1.0, 0.1, 0.05))
        s, b = rng.uniform(0.3, 2.5), rng.uniform(0, 0.1)
        phi = custom_activation(
            lambda z: a + z * (c + z * (d + z * e)),  # noqa: B023
            lambda z: c + z * (2 * d + z * 3 * e),  # noqa: B023
        )
        found = theory.fixed_point(phi, s, b)
        second = np.array([a * a, c * c + 2 * a * d, 3 * (d * d + 2 * c * e), 15 * e * e])
        exact = np.roots((s * second + [b, -1, 0, 0])[::-1])
        slopes = s * np.polyval(np.polyder(second[::-1]), exact)
        if (np.abs(slopes - 1) < 0.02).any():
            continue  # two roots so near each other, or to the real line, that neither is well known
        exact = np.sort(exact[(np.abs(exact.imag) < 1e-9) & (exact.real > 0)].real)
        finite = [p for p in found.points if p.variance < math.inf]
        several += len(finite) > 1
        np.testing.assert_allclose([p.variance for p in finite], exact, rtol=1e-8)
        for p in finite:
            slope = s * np.polyval(np.polyder(second[::-1]), p.variance)
            assert p.chi_variance == pytest.approx(slope, rel=1e-7, abs=1e-7)
            assert p.stable == (slope < 1)
        q = 1.0
        for _ in range(3000):
            q = min(s * np.polyval(second[::-1], q) + b, 1e40)
        assert found.variance == (math.inf if q == 1e40 else pytest.approx(q, rel=1e-3))


def test_exponential():
    """phi = exp: E phi^2 = E phi'^2 = e^{2q}; fixed points by Lambert's W, beyond which float64 itself ends."""
    phi = custom_activation(np.exp, np.exp)
    found = theory.fixed_point(phi, 0.1, start=1.2)
    exact = [-special.lambertw(-0.2, k).real / 2 for k in (0, -1)]
    np.testing.assert_allclose([p.variance for p in found.points], [*exact, np.inf], rtol=1e-12)
    assert [p.stable for p in found.points] == [True, False, True]
    assert found.variance == pytest.approx(exact[0])
    for bias_variance in (0.0, 0.4):
        (point,) = theory.critical(phi, bias_variance)
        assert point.variance == pytest.approx(1 + bias_variance, rel=1e-12)
        assert point.gain_squared == pytest.approx(math.exp(-2 * (1 + bias_variance)), rel=1e-12)
        assert point.chi_variance == pytest.approx(2.0)
    with pytest.raises(ValueError, match="grows too fast"):
        theory.fixed_point(phi, 1e-10, 100.0)
    pole = dataclasses.replace(phi, name="pole", phi=lambda z: np.maximum(np.abs(z), 1e-30) ** -8.0)
    with pytest.raises(ValueError, match=r"not a number below 1e\+75 near 0"):
        theory.fixed_point(pole, 1.0)


def test_two_fixed_points_within_one_step_of_the_grid():
    """silu just below its doubly critical bias: the half-stable point splits."""
    gain_squared, bias_variance = 1.98800467826949, 0.555143170721530 - 1e-11
    points = theory.fixed_point("silu", gain_squared, bias_variance).points
    assert [p.stable for p in points] == [True, False, True]
    near = np.array([p.variance for p in points])
    assert 0 < np.log(near[1] / near[0]) < 1 / 128
    mapped = gain_squared * second_moment(activation("silu"), near)[0] + bias_variance
    np.testing.assert_allclose(mapped, near, rtol=1e-14)
    assert points[0].chi_variance < 1 < points[1].chi_variance


def test_a_map_that_falls():
    """phi = cos: V = s (1 + e^{-2q}) / 2 + b falls, and the iteration turns about its fixed point."""
    found = theory.fixed_point(custom_activation(np.cos, lambda z: -np.sin(z)), 1.2, 0.1, start=0.01)
    q = 0.01
    for _ in range(100):
        q = 1.2 * (1 + math.exp(-2 * q)) / 2 + 0.1
    assert found.variance == pytest.approx(q, rel=1e-13)
    assert found.chi_variance == pytest.approx(-1.2 * math.exp(-2 * q), rel=1e-10)
    assert found.variance_depth > 0
    assert found.stable


# Correlations


def test_tanh_is_chaotic_with_biases():
    """The C-map by Gauss-Hermite nodes in the plane, iterated: no code shared."""
    nodes, weights = special.roots_hermitenorm(120)
    weights = weights / weights.sum()
    u, v = np.meshgrid(nodes, nodes, indexing="ij")
    w = weights[:, None] * weights
    s, b, q, c = 3.0, 0.05, 1.0, 0.9
    for _ in range(150):
        q = s * (weights * np.tanh(math.sqrt(q) * nodes) ** 2).sum() + b
    for _ in range(250):
        second = np.tanh(math.sqrt(q) * (c * u + math.sqrt(1 - c * c) * v))
        c = (s * (w * np.tanh(math.sqrt(q) * u) * second).sum() + b) / q
    slope = s * (w * np.cosh(math.sqrt(q) * u) ** -2.0 * (1 - second**2)).sum()
    found = theory.fixed_point("tanh", s, b)
    assert found.variance == pytest.approx(q, rel=1e-9)
    assert found.correlation == pytest.approx(c, rel=1e-8)
    assert found.correlation_slope == pytest.approx(slope, rel=1e-8)
    assert found.phase == "chaotic"


@pytest.mark.parametrize(
    ("name", "gain_squared", "bias_variance"),
    [
        ("erf", 3.0, 0.01),
        pytest.param("sin", 3.0, 0.05, marks=pytest.mark.slow),
        ("gelu", 1.99, 0.3),
        ("hardtanh", 3.0, 0.05),
        ("softsign", 5.0, 0.1),
    ],
)
def test_c_star_solves_the_correlation_map(name, gain_squared, bias_variance):
    found, phi = theory.fixed_point(name, gain_squared, bias_variance), activation(name)
    q, c = found.variance, found.correlation
    assert 0 < c < 1
    mapped = (gain_squared * product_moment(phi, q, q, c)[0] + bias_variance) / q
    assert mapped == pytest.approx(c, abs=1e-9)
    assert found.correlation_slope == pytest.approx(gain_squared * float(product_slope(phi, q, q, c)[0]), rel=1e-8)
    assert found.correlation_slope < 1 < found.chi
    bare = dataclasses.replace(phi, dphi=None, code=activations.CUSTOM)
    again = theory.fixed_point(bare, gain_squared, bias_variance)
    assert again.correlation == pytest.approx(c, abs=1e-8)
    assert again.chi == pytest.approx(found.chi, rel=1e-10)


@pytest.mark.slow
def test_series_and_plane_agree_where_correlations_are_nearly_one():
    for name, gain_squared in (("tanh", 1.77), ("tanh", 1.7611), ("hardtanh", 1.17)):
        found, phi = theory.fixed_point(name, gain_squared, 0.05), activation(name)
        assert 0.98 < found.correlation < 1
        q = np.array([found.variance])
        second = second_moment(phi, q)[0]
        for same in (phi, dataclasses.replace(phi, dphi=None, code=activations.CUSTOM)):
            c, rate, error = hermite._by_plane(same, q, gain_squared * second / q)
            np.testing.assert_allclose(1 - found.correlation, 1 - c, rtol=1e-5)
            np.testing.assert_allclose(found.correlation_slope, rate, rtol=1e-8)
            assert abs(found.correlation - c) <= error + found.correlation_error
            assert error < 1e-6
    # 1024 terms do not do; with kinks the slope is chi - k sqrt(1 - c) near 1, so that c* halves the excess
    near = theory.fixed_point("hardtanh", 1.1657, 0.05)
    assert 1e-8 < 1 - near.correlation < 1e-6
    assert 1 - near.correlation_slope == pytest.approx((near.chi - 1) / 2, rel=1e-3)


def test_fractions_of_many_variances_are_those_of_each():
    q = np.array([2.0, 0.3, 900.0])
    found = hermite.fractions(activation("gelu"), q, 64)
    for row, one in zip(found, q, strict=True):
        np.testing.assert_allclose(row, hermite.fractions(activation("gelu"), np.array([one]), 64)[0], atol=1e-14)


def test_c_star_of_a_cubic():
    """Its series ends: R(c) = c is share (p_1 + p_3 (1 + c + c^2)) = 1, and 64 terms leave nothing out."""
    cubic, q, p3 = custom_activation(lambda z: z + z**3), np.ones(4), 6 / 22
    slope = np.array([1.3, 1.01, 1 + 1e-6, 1 - 1e-9])  # at 1; the last was above 1 but for the errors of a derivative
    degree = np.full(4, 1 + 2 * p3)
    share = slope / degree
    c, _, error = hermite._by_series(cubic, q, share, degree + 2e-9 * (slope < 1), 64)
    exact = np.minimum((np.sqrt(1 - 4 * (1 - (1 / share - 1 + p3) / p3)) - 1) / 2, 1.0)
    np.testing.assert_allclose(c, exact, atol=1e-11)
    assert (c <= 1).all()
    assert (error[:3] < 1e-10).all()


@pytest.mark.parametrize(
    ("name", "phi", "dphi", "gain_squared", "bias_variance"),
    [
        ("tanh", np.tanh, lambda z: np.cosh(z) ** -2.0, 3.0, 0.05),
        ("hardtanh", lambda z: np.clip(z, -1, 1), lambda z: 1.0 * (np.abs(z) < 1), 3.0, 0.1),
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z)), None, 200.0, 0.3),
    ],
)
def test_samples_of_preactivations_stay_where_they_are(name, phi, dphi, gain_squared, bias_variance):
    """Pairs at (q*, c*) have the same variance and correlation one layer up; a q* wrong by 1% has not."""
    found = theory.fixed_point(name, gain_squared, bias_variance)
    rng = np.random.default_rng(fresh_seed())
    g, h = rng.standard_normal((2, 1_500_000))

    def z_scores(q):
        u = math.sqrt(q) * g
        v = math.sqrt(q) * (found.correlation * g + math.sqrt(1 - found.correlation**2) * h)
        quantities = [
            gain_squared * phi(u) ** 2 + bias_variance - q,
            gain_squared * phi(u) * phi(v) + bias_variance - found.correlation * q,
        ]
        if dphi:
            quantities += [gain_squared * dphi(u) ** 2 - found.chi]
            quantities += [gain_squared * dphi(u) * dphi(v) - found.correlation_slope]
        return [score(mean_of(x), 0.0) for x in quantities]

    assert_agree(z_scores(found.variance))
    assert_rejected(z_scores(found.variance * 1.01))


# Gains


def test_gains():
    tanh = theory.gains("tanh")
    assert (tanh.forward, tanh.critical, tanh.torch) == pytest.approx((1.59253741972, 1.0, 5 / 3))
    assert tanh.forward == theory.gain("tanh")
    assert tanh.backward == pytest.approx(1 / math.sqrt(derivative_moment(activation("tanh"), 1.0)[0]))
    assert tanh.torch_point.chi == pytest.approx(1.2098313203828)
    for words in ("5/3", "1.17848", "1.20983", "chaotic", "multiplier of he"):
        assert words in str(tanh)
    assert "between" not in str(tanh)  # 5/3 lies above both gains here, and below both at variance 2
    selu = theory.gains("selu")
    assert (selu.forward, selu.torch) == pytest.approx((1.0, 0.75))
    assert "0.0230338" in selu.torch_note
    assert "0.0557207" in theory.gains("sigmoid").torch_note
    for phi, torch in (("relu", 2**0.5), ("linear", 1.0), ("leaky_relu(0.2)", math.sqrt(2 / 1.04))):
        found = theory.gains(phi, 3.0)
        assert (found.forward, found.backward, found.critical, found.torch) == pytest.approx((torch,) * 4)
        assert "is the forward gain" in str(found)
    gelu = theory.gains("gelu")
    assert gelu.torch is None
    assert "does not know gelu" in str(gelu)
    assert (gelu.critical, gelu.critical_point.stable) == (pytest.approx(2.0), False)
    assert "no edge of chaos" in str(theory.gains("softplus"))
    steps = theory.gains(custom_activation(np.sign, np.zeros_like, kinks=[0], name="relu"))
    assert (steps.forward, steps.backward, steps.critical, steps.torch) == (pytest.approx(1.0), None, None, None)


@pytest.mark.parametrize(
    ("name", "q", "place"),
    [("tanh", 0.1, "above"), ("tanh", 1.0, "above"), ("tanh", 1.5, "between"), ("tanh", 2.0, "below"),
     ("selu", 1e-4, "above"), ("selu", 0.0231, "between"), ("selu", 1.0, "below"),
     ("sigmoid", 0.1, "between"), ("sigmoid", 1.0, "below"), ("sigmoid", 1e3, "below")],
)  # fmt: skip
def test_where_pytorchs_gain_lies_is_said_by_the_numbers(name, q, place):
    found = theory.gains(name, q)
    known = sorted([found.forward, found.backward])
    assert place == ("below", "between", "above")[np.searchsorted(known, found.torch)]
    assert re.search(rf"is none of these: .* is {place} those", found.torch_note)


def test_pytorchs_gain_may_be_one_of_them():
    assert "is the forward gain." in theory.gains("tanh", 1.178480490385908).torch_note
    slope = lambda q: derivative_moment(activation("tanh"), np.float64(q))[0].item()  # noqa: E731
    q = optimize.brentq(lambda q: slope(q) - 9 / 25, 1.5, 2, xtol=1e-13)
    assert "is the backward gain; with it the variance comes to 1.17848" in theory.gains("tanh", q).torch_note


# Phase diagrams


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "relu", "silu"])
def test_phase_diagram_is_fixed_point_at_every_pair(name):
    s, b = [0.5, 1.0, 1.9, 3.0], [0.0, 0.05, 0.7]
    diagram = theory.phase_diagram(name, s, b)
    fields = [f.name for f in dataclasses.fields(theory.FixedPoint) if hasattr(diagram, f.name)]
    assert {"variance", "chi", "correlation", "variance_depth", "correlation_depth", "gradient_depth"} <= set(fields)
    for i, gain_squared in enumerate(s):
        for j, bias_variance in enumerate(b):
            found = theory.fixed_point(name, gain_squared, bias_variance)
            for field in set(fields) - {"activation", "start", "phase"}:
                ours, theirs = getattr(diagram, field)[i, j], getattr(found, field)
                np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12, err_msg=field)
            assert diagram.phase[i, j] == found.phase
    text = str(theory.phase_diagram(name, np.linspace(0.1, 4, 25), np.linspace(0, 1, 61)))
    assert len(text.splitlines()) == 26
    assert max(map(len, text.splitlines()[1:-1])) <= 68
    assert "#" in text
    assert "0" in text


def test_edge_divides_the_phase_diagram():
    (point,) = theory.critical("tanh", 0.05)
    diagram = theory.phase_diagram("tanh", point.gain_squared * np.array([0.999, 1.0, 1.001]), [0.05])
    assert diagram.phase.ravel().tolist() == ["ordered", "critical", "chaotic"]
    assert (diagram.gradient_depth > 0).ravel().tolist() == [True, True, False]
    assert np.isinf(diagram.correlation_depth[1, 0])


# Every activation, every size


@pytest.mark.parametrize("name", NAMES)
def test_critical_points_are_fixed_points_with_chi_one(name):
    for bias_variance in (0.0, 1e-6, 0.3, 20.0):
        for point in theory.critical(name, bias_variance):
            start = 2.0 if point.every_variance else max(point.variance, 1e-3)
            found = theory.fixed_point(name, point.gain_squared, bias_variance, start=start)
            assert found.chi == pytest.approx(1.0, abs=1e-5) or not point.stable
            if not point.every_variance:
                near = min(found.points, key=lambda p: abs(p.variance - point.variance))
                assert near.variance == pytest.approx(point.variance, rel=1e-5)
                assert near.chi == pytest.approx(1.0, abs=1e-6)
                assert near.chi_variance == pytest.approx(point.chi_variance, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_any_size_is_finite_or_an_honest_error(name):
    for gain_squared, bias_variance in (
        (1e-20, 0.0),
        (1e-20, 1e-20),
        (1e20, 0.0),
        (1e20, 1e20),
        (1.0, 1e25),
        (1.0, 1e-29),
    ):
        found = theory.fixed_point(name, gain_squared, bias_variance, start=1e-10)
        assert not math.isnan(found.variance)
        assert found.chi >= 0
        assert 0 <= found.correlation <= 1 or math.isnan(found.correlation)
        assert not any(map(math.isnan, (found.chi_variance, found.variance_depth, found.correlation_depth)))
        assert str(found)
        if math.isfinite(found.variance) and found.variance and not found.every_variance:
            mapped = gain_squared * second_moment(activation(name), found.variance)[0] + bias_variance
            assert mapped == pytest.approx(found.variance, rel=1e-10)


def test_just_beyond_critical():
    """tanh, gain_squared = 1 + e: q* = e/2 to first order (V = s (q - 2 q^2))."""
    for e in (1e-4, 1e-7, 1e-9):
        found = theory.fixed_point("tanh", 1 + e)
        assert found.variance == pytest.approx(e / 2, rel=10 * e + 1e-6)
        assert found.stable
    cube = theory.fixed_point(custom_activation(lambda z: z**3, lambda z: 3 * z * z), 1.0)
    assert [(p.variance, p.chi, p.stable) for p in cube.points[::2]] == [(0.0, 0.0, True), (math.inf, math.inf, True)]
    assert cube.points[1].variance == pytest.approx(15**-0.5)
    assert (cube.gradient_depth, cube.signal, cube.phase) == (0.0, "explodes", "chaotic")


def test_bad_arguments_are_quoted():
    for call, error, words in (
        (lambda: theory.fixed_point("tanh", 0.0), ValueError, "gain_squared is 0.0"),
        (lambda: theory.fixed_point("tanh", "2"), TypeError, "gain_squared is '2'"),
        (lambda: theory.fixed_point("tanh", 1.0, -0.1), ValueError, "zero or positive"),
        (lambda: theory.fixed_point("tanh", 1.0, start=math.inf), ValueError, "start is inf"),
        (lambda: theory.fixed_point("tanh", 1e40), ValueError, "between 1e-30 and 1e"),
        (lambda: theory.fixed_point("sigmoid", 1e-30), ValueError, "fixed point below 1e-30"),
        (lambda: theory.fixed_point("rely", 1.0), ValueError, "choose one of"),
        (lambda: theory.critical("tanh", math.nan), ValueError, "bias_variance is nan"),
        (lambda: theory.phase_diagram("tanh", 1.0, [0.0]), ValueError, "gains_squared has shape"),
        (lambda: theory.phase_diagram("tanh", [1.0], [-1.0]), ValueError, "an entry of bias_variances is -1.0"),
        (lambda: theory.gains("tanh", 0.0), ValueError, "q is 0.0"),
        (lambda: theory.gains("tanh", 1e26), ValueError, r"^q is 1e\+26; this is worked out between"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_words_on_slopes_are_those_of_the_numbers():
    kept = str(theory.fixed_point("linear", 1.0))  # every variance and every correlation stays as it is
    assert kept.count("slower than exponentially") == 1
    assert "the gradient's variance changes slower than exponentially" in kept
    assert str(theory.fixed_point("relu", 2.0)).count("slower than exponentially") == 2
    sign = custom_activation(np.sign, np.zeros_like, kinks=[0], name="sign")
    assert "the gradient's variance is gone in one layer" in str(theory.fixed_point(sign, 1.0))
    assert "grows by e in 5.2499 layers" in str(theory.fixed_point("tanh", 25 / 9))
    assert "the gradient's variance falls by e in" in str(theory.fixed_point("tanh", 0.9))
