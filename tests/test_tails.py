"""How skewed a mean may be: against laws whose moments are known, and samples that are too small to show theirs."""

from types import SimpleNamespace

import numpy as np
import pytest
from evidence import fresh_seed, needs_compiler
from scipy import special

from varprop import LayerProfile, Network, compare, simulate, tails, theory
from varprop.records import Forward
from varprop.scores import skewed_score

GRID = np.linspace(-1, 1, 200)[:, None]


def spreads(cumulants, at_zero):
    """Return what `tails.skewness_from_logs` takes, and the exact skewness of X and X^2, from K(t) = ln E[X^t]."""

    def skewness(power):
        two, three = (np.exp(cumulants(k * power) - k * cumulants(power)) for k in (2, 3))
        return (three - 3 * two + 2) / (two - 1) ** 1.5

    at_half, at_one = 4 * (cumulants(1) - 2 * cumulants(0.5)), cumulants(2) - 2 * cumulants(1)
    return (at_zero, at_half, at_one), (skewness(1), skewness(2))


@pytest.mark.parametrize("variance", [1e-4, 0.1, 1.0, 3.0])
def test_of_a_log_normal_the_skewness_is_exact(variance):
    found, exact = spreads(lambda t: t * t * variance / 2, variance)
    assert tails.skewness_from_logs(*found, 1.0) == pytest.approx(exact[0], rel=1e-6)
    assert tails.skewness_from_logs(*found, 1.0, 2) == pytest.approx(exact[1], rel=1e-6)
    assert tails.lognormal_skewness(np.expm1(variance)) == pytest.approx(exact[0], rel=1e-6)


@pytest.mark.parametrize("power", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("units", [1, 2, 8, 64, 1000])
def test_of_chi_squares_and_their_powers_it_is_near(units, power):
    """Their logarithms have tails to the left, which are no skewness; a log-normal of that spread is far off."""
    k = units / 2
    found, exact = spreads(
        lambda t: special.gammaln(k + power * t) - special.gammaln(k), power**2 * special.polygamma(1, k)
    )
    for got, right in zip((tails.skewness_from_logs(*found, 1.0, j) for j in (1, 2)), exact, strict=True):
        assert right - 0.01 < got < 3.1 * right + 0.2  # of a square of one unit's it says three times too much
        assert units < 8 or got == pytest.approx(right, rel=0.05, abs=0.005)
    if units == 1:
        assert tails.lognormal_skewness(np.expm1(found[0])) > 3 * exact[0]


def test_networks_that_are_dead_add_to_it():
    alive, variance = 0.25, 0.5
    found, _ = spreads(lambda t: t * t * variance / 2, variance)
    moments = [alive * np.exp(k * k * variance / 2) for k in (1, 2, 3)]
    centred = moments[1] - moments[0] ** 2, moments[2] - 3 * moments[0] * moments[1] + 2 * moments[0] ** 3
    assert tails.skewness_from_logs(*found, alive) == pytest.approx(centred[1] / centred[0] ** 1.5)


def test_a_third_moment_that_many_networks_carry_needs_no_second_opinion():
    of_chi_square = 2.0, 8.0, 60.0  # central moments; its third is carried by n 8^4 / 60^3
    enough = tails.ENOUGH * 60**3 / 8**4
    few, many = (tails.mean_skewness(1.0, *of_chi_square, n, 9.0) * np.sqrt(n) for n in (0.9 * enough, 1.1 * enough))
    np.testing.assert_allclose(few, [8**0.5, 9.0])
    np.testing.assert_allclose(many, [8**0.5, 8**0.5])
    np.testing.assert_array_equal(tails.mean_skewness(1.0, 1e-15, 1e-20, 1e-29, 100.0, 9.0), 0.0)  # rounding alone


def test_the_skewness_of_a_mean_by_hand():
    """Third moments carried by at least a hundred networks speak alone; a sample without a spread has no skewness."""
    mean = np.array([1.0, 1.0, 1e3, 1e3, 1.0])
    variance = np.array([1.0, 4.0, 5e-7, 5e-6, 1e-12])
    third = np.array([2.0, 2.0, 1.0, 1e-8, 1.0])
    fourth = np.array([2.0, 2.1, 1.0, 1e-10, 1.0])
    carried = 50 * third**4 / fourth**3
    assert carried[0] == tails.ENOUGH > carried[1]
    own = third / variance**1.5
    least, most = tails.mean_skewness(mean, variance, third, fourth, 50.0, 0.1) * np.sqrt(50)
    np.testing.assert_allclose(least, [own[0], 0.1, 0.0, 0.1, 0.0])
    np.testing.assert_allclose(most, [own[0], own[1], 0.0, own[3], 0.0])
    most = tails.mean_skewness(mean, variance, third, fourth, 50.0, np.nan)[1] * np.sqrt(50)
    np.testing.assert_allclose(most, [own[0], own[1], 0.0, own[3], 0.0])


def test_the_skewness_of_squares_by_hand():
    values, errors = np.array([2.0, -2.0, 1.0, 1.0, 1.0]), np.array([0.5, 0.5, 0.25e-5, 0.25e-7, 0.25e-6])
    found = tails.square_skewness(values, errors, 16.0, np.array([1.0, 4.0, 0.0, 9.0, 9.0]))
    np.testing.assert_allclose(found[1], np.array([4.0, 16 / 3, 4e-5, 0.0, 0.0]) / 4)
    np.testing.assert_array_equal(found[0], 0.0)


def test_the_skewness_of_logarithms_by_hand():
    """Up to 64 networks anything is possible; with no spread there is none."""
    alive = np.array([25.0, 64.0, 65.0, 400.0, 400.0])
    found = tails.log_skewness(np.array([0.5, 0.5, 0.5, -0.7, np.nan]), alive) * np.sqrt(alive)
    assert tails.networks_to_judge(1.6) == tails.networks_to_judge(-1.6) == pytest.approx(64)
    few = alive < tails.networks_to_judge(-1.6)
    np.testing.assert_allclose(found, np.where(few, [[-1.6], [1.6]], [0.5, 0.5, 0.5, -0.7, 0.0]))
    exactly = np.array([tails.networks_to_judge(tails.LEAST_OF_LOGS)])
    np.testing.assert_allclose(tails.log_skewness(np.array([0.5]), exactly) * np.sqrt(exactly), 0.5)


def test_the_skewness_of_a_cosine_by_hand():
    """A log-normal's from the end that is near, or less; nearer than float32 tells, from there on."""
    away = np.array([0.5, 0.5, 3 * tails.RESOLUTION, 0.25])
    errors = away * 0.5 / np.sqrt(100)
    least, most = tails.cosine_skewness(np.array([0.5, -0.5, 1.0, 0.75]), errors, 100.0)
    np.testing.assert_allclose(most * 10, np.array([-1.0, 1.0, -1.0, -1.0]) * 3.25 * 0.5)
    np.testing.assert_array_equal(least, 0.0)


def test_the_skewness_of_a_ratio_by_hand():
    """Of 1 less it: its own, that moved by what the error does, and a log-normal's where few carry the variance."""
    n, values = 400.0, np.array([0.5, 0.5, -0.5, 0.5, 0.75, 1.0])
    variance = np.array([0.04, 0.04, 0.04, 1e-20, 0.01, 1e-40])
    third, with_size = np.array([0.004, 0.004, 0.004, 1.0, -0.002, 0.0]), np.array([0.0, 0.02, 0.02, 1.0, 0.01, 0.0])
    fourth = 400 / np.array([31.0, 29.0, 29.0, 1.0, 31.0, 1.0]) * variance**2
    errors = np.sqrt(variance / n)
    found = tails.ratio_skewness(values, errors, variance, third, fourth, with_size, n) * np.sqrt(n)
    lean, moved, other = 0.5, 0.5 - 0.3, (3 + 0.16) * 0.4  # 0.04 over 0.5^2 is 0.16
    expected = [(-lean, -lean), (-other, -moved), (-lean, other), (0, 0), (2.0, 2.0 + 0.3), (0, 0)]
    np.testing.assert_allclose(found.T, expected, rtol=1e-12)
    assert tails.CARRIED == 30


def test_what_rounds_to_one_is_held_against_what_float32_resolves():
    far = tails.RESOLUTION * np.arange(1, 3)
    errors = 0.1 * far / np.sqrt(50)
    given = np.ones(2), errors, 50 * errors**2, 50 * (50 * errors**2) ** 1.5, 1.0 * (50 * errors**2) ** 2, 0.0, 50.0
    least, most = tails.ratio_skewness(*given) * np.sqrt(50)
    np.testing.assert_allclose(least, -(3 + 0.01) * 0.1)
    np.testing.assert_array_equal(most, 0.0)


def test_the_skewness_of_a_root_is_a_log_normals():
    """Of ln X spread by v, root X has v/4; the root may have either sign."""
    for v in (0.01, 0.5, 2.0):
        of_x, of_root = (tails.lognormal_skewness(np.expm1(part)) for part in (v, v / 4))
        least, most = tails.root_skewness(np.array([[-of_x, 0.5 * of_x], [0.0, of_x]]) / 10, 100)
        np.testing.assert_allclose(most * 10, of_root, rtol=1e-9)
        np.testing.assert_allclose(least, -most)
    both = np.array([[-3.0, -0.1], [1.0, 0.2]])  # each layer by itself
    alone = [tails.root_skewness(both[:, i : i + 1], 100)[:, 0] for i in range(2)]
    np.testing.assert_allclose(tails.root_skewness(both, 100).T, alone)


def test_a_small_sample_alone_does_not_lower_the_second_opinion():
    """K'' at 1 is the line's or the sample's, whichever is more; at 2 to 5 the line's alone."""
    for at_one in (0.0, 0.6, 0.9):
        at = 1 / (1 + np.arange(1, 6) / 2)  # 1/K'' is 1 + t/2
        at[0] = max(at[0], at_one)
        for power, doubled, tripled in ((1, at[0], 2 * at[0] + at[1]), (2, at @ [1, 2, 1, 0, 0], at @ [2, 4, 3, 2, 1])):
            two, three = np.expm1(doubled), np.expm1(tripled)
            expected = (three - 3 * two) / two**1.5
            assert tails.skewness_from_logs(1.0, 0.8, at_one, 1.0, power) == pytest.approx(expected)
    with np.errstate(all="raise"):  # neither a number beyond all floats nor nobody alive is news
        assert not np.isfinite(tails.skewness_from_logs(400.0, 400.0, 400.0, 1.0))
        assert not np.isfinite(tails.skewness_from_logs(1.0, 1.0, 1.0, 0.0))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_one_threshold_for_all(side):
    """0.2, and nothing else: what a table calls heavy is what `compare` does not judge."""
    network = Network([4] * 5)
    skewness = side * np.array([0.0, 0.19, 0.21, np.nan])
    profile = LayerProfile(np.ones(4), np.full(4, 0.1), "simulation", skewness=[np.zeros(4), skewness])
    measured = Forward(network, profile, networks=100)
    predicted = Forward(network, LayerProfile(np.full(4, 1.1), np.zeros(4), "infinite width"))
    np.testing.assert_array_equal(measured.heavy_tailed, [False, False, True, False])
    comparison = compare(measured, predicted)
    np.testing.assert_array_equal(comparison.judged_layers, [True, True, False, False])
    np.testing.assert_array_equal(np.isnan(comparison.z), [False, False, True, True])
    assert comparison.verdict == "not judged"
    assert tails.networks_to_judge(np.sqrt(100) * 0.2) == pytest.approx(100)


def judged(measured, predicted):
    return compare(measured, predicted).judged_layers.all() and not measured.heavy_tailed.any()


@needs_compiler
@pytest.mark.parametrize(
    ("kind", "network", "inputs", "networks"),
    [
        ("forward", Network([1, 64, 64, 64, 1], "tanh", "glorot"), None, 8_000),
        ("forward", Network([1, 64, 64, 64, 1], "tanh", "glorot"), GRID, 6_000),
        ("backward", Network([64, 64, 64, 64, 1], "tanh", "lecun"), None, 4_000),
        ("forward", Network([64, 64, 1, 64, 64], "tanh", "lecun"), None, 4_000),
        ("backward", Network([1, 32, 32, 1], "gelu", "he"), None, 30_000),
        ("forward", Network([1, 16, 1, 16], "sigmoid", "lecun", bias_variance=0.1), None, 10_000),
    ],
)
def test_a_tail_to_the_left_takes_no_verdict(kind, network, inputs, networks):
    measured = getattr(simulate, kind)(network, inputs, networks=networks, seed=fresh_seed())
    assert judged(measured, getattr(theory, kind)(network, inputs)), str(measured)


@needs_compiler
def test_a_verdict_behind_one_unit_finds_a_wrong_theory():
    network = Network([64, 64, 1, 64, 64], "tanh", "lecun")
    measured = simulate.forward(network, networks=100_000, seed=fresh_seed())
    found = compare(measured, theory.forward(network, order="infinite"))
    assert found.judged_layers.all()
    assert found.verdict == "contradicted"
    assert abs(found.z[3]) > 10


@needs_compiler
def test_a_tail_to_the_left_hides_none_to_the_right():
    """ln q-hat leans to the left here, and the mean is carried by few networks all the same."""
    network = Network([2] * 6, "softplus", "he")
    measured = simulate.forward(network, networks=1000, seed=fresh_seed())
    assert measured.heavy_tailed[2:].all(), str(measured)


@needs_compiler
def test_one_opinion_of_how_many_networks_are_enough():
    network = Network([1, 64, 64, 64, 1], "tanh", "glorot")
    needed = theory.networks_needed(network, 0.01, GRID)
    measured = simulate.forward(network, GRID, relative_error=0.01, seed=fresh_seed())
    assert 0.8 < measured.networks / needed < 1.6
    assert not measured.heavy_tailed.any()
    assert compare(measured, theory.forward(network, GRID)).judged_layers.all()


@needs_compiler
def test_a_sample_that_is_too_skewed_has_not_reached_its_error():
    network = Network([4] * 5, "relu", "he")
    loose = {"relative_error": 0.2, "seed": fresh_seed()}
    measured = simulate.forward(network, **loose)
    assert not measured.heavy_tailed.any()
    assert measured.relative_error < 0.2 / 3  # which 600 networks would do, were they normal
    assert theory.networks_needed(network, 0.2) > 25 * theory.forward(network).fluctuation[-1] / 0.2**2
    capped = simulate.forward(network, networks=500, **loose)
    assert capped.networks == 500
    assert capped.heavy_tailed.any()
    with pytest.raises(ValueError, match=r"error of 0\.01 needs some .* networks.*give networks=.*log_mean"):
        simulate.forward(Network([1] * 24, "linear", "lecun"), relative_error=0.01)


def test_the_verdict_of_a_family_is_sidaks():
    """The exponent is the number of layers judged, and no other."""
    network = Network([4] * 4)
    spread = LayerProfile(np.full(3, 0.01), np.zeros(3), "exact")
    values = np.array([1.0, 1.03, np.inf])
    measured = Forward(network, LayerProfile(values, np.zeros(3), "simulation"), fluctuation=spread, networks=100)
    predicted = Forward(network, LayerProfile([1.0, 1.0, np.inf], np.zeros(3), "exact"), fluctuation=spread)
    comparison = compare(measured, predicted)
    assert comparison.judged == 2
    smallest = np.nanmin(comparison.p_values)
    assert 1e-3 < smallest < 0.01
    assert comparison.p_value == pytest.approx(1 - (1 - smallest) ** 2, rel=1e-12)
    assert compare(measured, predicted, level=comparison.p_value * 1.001).verdict == "contradicted"
    assert compare(measured, predicted, level=comparison.p_value / 1.001).verdict == "not judged"


def test_records_made_by_hand_are_taken_for_log_normals():
    sample = SimpleNamespace(skewness=None, values=np.ones(2), errors=np.array([0.0, 0.1]))
    from varprop.comparison import _skewness

    np.testing.assert_allclose(_skewness(sample, np.full(2, 100.0)), [[0, 0], [0, 0.4]])


@pytest.mark.parametrize(("networks", "far"), [(400, False), (60, True)])
def test_far_from_normal_a_known_spread_may_only_lessen_a_score(networks, far):
    """Skewness of the mean: 0.05 and 0.13 of a log-normal of this fluctuation; at most 0.1 is taken at its word."""
    network, z = Network([4] * 3), np.array([3.0, -3.0])
    spread = LayerProfile(np.full(2, 0.1), np.zeros(2), "exact")
    skewness = tails.lognormal_skewness(0.1) / np.sqrt(networks)
    assert (skewness > tails.NEARLY_NORMAL) == far
    values = 1 + z * np.sqrt(0.1 / networks)
    measured = Forward(network, LayerProfile(values, np.zeros(2), "simulation"), fluctuation=spread, networks=networks)
    predicted = Forward(network, LayerProfile(np.ones(2), np.zeros(2), "exact"), fluctuation=spread)
    full = skewed_score(z, skewness)
    assert full[0] < 3 < -full[1]
    expected = 2 * special.ndtr(-np.abs(np.where(far & (z < 0), z, full)))
    np.testing.assert_allclose(compare(measured, predicted).p_values, expected, rtol=1e-5)
