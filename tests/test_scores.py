"""Scores, errors and p-values of records made by hand, against the formulas that DESIGN.md states."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from varprop import LayerProfile, Network, compare, comparison, theory
from varprop.comparison import ROUNDING
from varprop.records import Backward, Forward, Pair
from varprop.scores import skewed_score
from varprop.tails import NEARLY_NORMAL, RESOLUTION, lognormal_skewness

NETWORK = Network([4] * 4)
LAYERS = np.arange(1, 4)
FORWARD = ("variance", "second_moment", "fluctuation", "kurtosis", "log_mean", "log_variance", "dead")
BACKWARD = ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean", "log_variance", "dead")
PAIR = ("correlation", "cosine", "cosine_variance")


def profile(values, errors=0.0, origin="simulation", skewness=None):
    values = np.broadcast_to(np.asarray(values, dtype=float), (3,))
    if skewness is not None:
        skewness = np.broadcast_to(np.asarray(skewness, dtype=float).reshape(2, -1), (2, 3))
    return LayerProfile(values, np.broadcast_to(errors, (3,)), origin, skewness=skewness)


def record(kind, networks=None, **profiles):
    """Return a record by hand; what it must have beside ``profiles`` is 0.5."""
    more = {Backward: {"loss": "linear"}, Pair: {"input_correlation": 0.5}}.get(kind, {})
    profiles.setdefault(kind.main, profile(0.5))
    return kind(NETWORK, **more, **profiles, networks=networks)


NOT_SKEWED = np.zeros((2, 3))


def both(kind, name, measured, errors, predicted, numerical=0.0, networks=1000, skewness=NOT_SKEWED):
    """Return the comparison of one quantity whose error is the sample's."""
    sides = record(kind, networks, **{name: profile(measured, errors, skewness=skewness)})
    if name in ("log_mean", "log_variance"):
        more = {"log_mean": profile(0.0, 0.01), "log_variance": profile(0.01**2 * networks)}
        sides = record(kind, networks, **{**more, name: getattr(sides, name)})
    return compare(sides, record(kind, **{name: profile(predicted, numerical, "infinite width")}), quantity=name)


@pytest.mark.parametrize(
    ("kind", "name"), [(k, n) for k, names in ((Forward, FORWARD), (Backward, BACKWARD), (Pair, PAIR)) for n in names]
)
def test_an_error_is_the_samples_with_theorys_and_the_kernels_rounding(kind, name):
    predicted = np.array([0.3, -0.2, 0.05])
    passed = 6 - LAYERS if kind is Backward else LAYERS
    rounding = 1e-7 * np.sqrt(passed)
    floor = {"fluctuation": 10 * rounding**2, "log_mean": rounding}
    floor |= dict.fromkeys(("kurtosis", "log_variance", "cosine_variance"), floor["fluctuation"])
    rounded = rounding * np.abs(predicted) + floor.get(name, 0.0)
    if name in ("correlation", "cosine"):
        rounded = rounding * (1 - np.abs(predicted)) + 2e-14 * LAYERS
    alone = both(kind, name, 0.4, 0.0, predicted)
    np.testing.assert_allclose(alone.errors, rounded, rtol=1e-12)
    np.testing.assert_allclose(alone.z, (0.4 - predicted) / rounded, rtol=1e-12)
    far = both(kind, name, 0.4, 3e-7, predicted, 2e-7)
    np.testing.assert_allclose(far.errors, np.sqrt(9e-14 + 4e-14 + rounded**2), rtol=1e-12)
    np.testing.assert_allclose(far.z, (0.4 - predicted) / far.errors, rtol=1e-12)
    assert (far.quantity, far.networks, far.level) == (name, 1000, 1e-6)
    assert far.measured.values[0] == 0.4
    np.testing.assert_array_equal(far.predicted.values, predicted)


def test_what_rounds_in_the_mean_of_a_is_its_root_mean_square():
    means = {"activation_mean": profile(0.4, 0.0, skewness=NOT_SKEWED)}
    theirs = {"activation_mean": profile([0.3, -0.2, 0.0]), "second_moment": profile([0.25, 1.0, 4.0])}
    found = compare(record(Forward, 1000, **means), record(Forward, **theirs), quantity="activation_mean")
    np.testing.assert_allclose(found.errors, 1e-7 * np.sqrt(LAYERS) * [0.5, 1.0, 2.0], rtol=1e-12)


def test_a_gradient_at_the_input_has_passed_every_layer_twice():
    def at_input(value, error):
        return LayerProfile([value], [error], "simulation", skewness=np.zeros((2, 1)))

    name = "input_gradient_variance"
    sides = record(Backward, 1000, **{name: at_input(0.4, 0.0)}), record(Backward, **{name: at_input(0.3, 0.0)})
    found = compare(*sides, quantity=name)
    np.testing.assert_allclose(found.errors, [0.3 * 1e-7 * np.sqrt(6)], rtol=1e-12)
    assert found.unresolved.shape == (1,)
    sides = record(Backward, 10, **{name: at_input(0.4, 0.1)}), record(Backward, **{name: at_input(0.3, 0.0)})
    np.testing.assert_allclose(compare(*sides, quantity=name).p_values, 2 * stats.t.sf(1, 9), rtol=1e-5)


def test_rounding_is_as_the_constants_say():
    assert (ROUNDING, RESOLUTION, NEARLY_NORMAL) == (1e-7, 2e-14, 0.1)


@pytest.mark.parametrize("networks", [2, 5, 1000])
def test_without_skewness_a_sample_has_students_t(networks):
    z = np.array([-3.0, 0.5, 2.0])
    found = both(Forward, "variance", 1 + 0.1 * z, 0.1, 1.0, networks=networks)
    np.testing.assert_allclose(found.p_values, 2 * stats.t.sf(np.abs(z), networks - 1), rtol=1e-5)


def test_scores_beyond_students_tables_are_what_they_are():
    found = both(Forward, "variance", np.array([1e30, -1e30, 1.0]), 1e-3, 0.5)
    assert (np.abs(found.z) > 100).all()
    np.testing.assert_array_equal(found.p_values, 0.0)


@pytest.mark.parametrize("skewness", [(0.0, 0.1), (-0.1, 0.05), (-0.15, -0.1), (0.02, 0.19)])
def test_of_the_least_and_the_most_skewness_the_weaker_score_counts(skewness):
    """Student's t of a sample that leans right is off by half its skewness and leans left twice as much."""
    z = np.array([-3.0, 0.01, 4.0])
    found = both(Forward, "variance", 1 + 0.1 * z, 0.1, 1.0, networks=10**9, skewness=skewness)
    scores = np.array([skewed_score(z + s / 2, -2 * s) for s in skewness])
    weaker = np.where((scores > 0).all(axis=0) | (scores < 0).all(axis=0), np.abs(scores).min(axis=0), 0.0)
    np.testing.assert_allclose(found.p_values, 2 * stats.norm.sf(weaker), rtol=1e-5)


@pytest.mark.parametrize(("worst", "judged"), [(0.2, True), (0.2001, False), (-0.2, True), (-0.2001, False)])
def test_the_more_skewed_opinion_decides_whether_to_judge(worst, judged):
    found = both(Forward, "variance", 1.1, 0.1, 1.0, skewness=sorted([0.0, worst]))
    np.testing.assert_array_equal(found.judged_layers, judged)
    np.testing.assert_array_equal(np.isnan(found.z), not judged)
    assert np.isfinite(found.errors).all()


def test_a_record_by_hand_leans_as_a_log_normal_of_its_spread():
    errors = np.array([0.01, 0.0, 0.2])  # of means of 2: spread 0.005, 0 and 0.1 of them, times root 100
    values = np.array([1.95, 0.0, 1.95])
    found = both(Forward, "variance", values, errors, 2.0, networks=100, skewness=None)
    np.testing.assert_array_equal(found.judged_layers, [True, True, False])
    most = lognormal_skewness(100 * (0.01 / 1.95) ** 2) / 10
    t = -stats.norm.isf(stats.t.sf(-found.z[0], 99))
    weaker = skewed_score(t + most / 2, -2 * most)
    assert t < weaker < 0
    np.testing.assert_allclose(found.p_values[0], 2 * stats.norm.sf(-weaker), rtol=1e-5)


def test_how_many_are_alive_is_what_spread_and_error_say():
    """Where ln q-hat varies at all: rounding spreads it by 1e-13."""
    own, errors = np.array([0.99e-13, 1.01e-13, 0.5]), np.sqrt(np.array([0.99e-13, 1.01e-13, 0.5]) / 5)
    measured = record(Forward, 400, log_mean=profile(0.0, errors), log_variance=profile(own, 0.2, skewness=NOT_SKEWED))
    found = compare(measured, record(Forward, log_variance=profile(0.3)), quantity="log_variance")
    np.testing.assert_allclose(found.p_values, 2 * stats.t.sf(np.abs(found.z), [399, 4, 4]), rtol=1e-5)


def test_a_sample_of_logarithms_by_hand_leans_left_by_the_most_that_they_can():
    z = np.array([-2.5, 2.5, -1.0])
    measured = record(Forward, 400, log_mean=profile(z / 20, 1 / 20), log_variance=profile(1.0))
    exact = {"log_mean": profile(0.0, 0.0, "exact"), "log_variance": profile(1.0, 0.0, "exact")}
    found = compare(measured, record(Forward, **exact), quantity="log_mean")
    np.testing.assert_allclose(found.p_values, known(z, -1.6 / 20), rtol=1e-5)


def known(z, skewness):
    """Return p-values where theory knows the spread and how the mean leans."""
    full = skewed_score(z, skewness)
    if abs(skewness) <= 0.1:
        return 2 * stats.norm.sf(np.abs(full))
    lessened = np.clip(np.sign(z) * full, 0.0, np.abs(z))
    return 2 * stats.norm.sf(np.where(np.sign(z) == np.sign(skewness), lessened, np.abs(z)))


@pytest.mark.parametrize("networks", [10, 100, 10_000])
@pytest.mark.parametrize("kind", [Forward, Backward])
def test_the_spread_of_a_mean_is_theorys_where_that_is_exact(kind, networks):
    values, f, z = np.array([0.5, 1.0, 3.0]), np.array([0.2, 0.5, 1.0]), np.array([-2.0, 0.3, 3.0])
    errors = values * np.sqrt(f / networks)
    predicted = record(kind, **{kind.main: profile(values, 0.0, "exact"), "fluctuation": profile(f, 0.0, "exact")})
    measured = record(kind, networks, **{kind.main: profile(values + z * errors, 9.0, skewness=[9.0, 9.0])})
    found = compare(measured, predicted)
    np.testing.assert_allclose(found.errors, errors, rtol=1e-8)
    np.testing.assert_allclose(found.z, z, rtol=1e-8)
    expected = [known(x, s) for x, s in zip(z, (3 + f) * np.sqrt(f / networks), strict=True)]
    np.testing.assert_allclose(found.p_values, expected, rtol=1e-6)
    for lost in (None, profile(f, 0.0, "infinite width")):  # else it is the sample's, and too skewed
        other = record(kind, **{kind.main: profile(values, 0.0, "exact"), "fluctuation": lost})
        assert compare(measured, other).judged == 0
    second = "second_moment" if kind is Forward else "weight_gradient_variance"
    predicted = record(kind, **{second: profile(values, 0.0, "exact")}, fluctuation=profile(f, 0.0, "exact"))
    sides = record(kind, networks, **{second: profile(values, 0.1, skewness=NOT_SKEWED)}), predicted
    np.testing.assert_allclose(compare(*sides, quantity=second).errors, 0.1, rtol=1e-9)


@pytest.mark.parametrize("leaning", [None, -0.05, -0.3])
def test_the_spread_of_logarithms_is_theorys_where_that_is_exact(leaning):
    """So many networks are alive as the sample's own spread and error say; a mean of logarithms leans left."""
    alive, spread = 400, np.array([0.5, 2.0, 0.0])
    own = profile([0.7, 1.9, 1e-20], 0.1)
    errors = np.array([0.05, 0.07, 0.1])  # so those alive are 280, 388 and, where all are equal, all
    count = np.array([0.7 / 0.05**2, 1.9 / 0.07**2, alive])
    z = np.array([-2.5, 2.5, 0.0])
    skewness = None if leaning is None else [leaning, 0.3]
    means = profile(1.0 + z * np.sqrt(spread / count), errors, skewness=skewness)
    measured = record(Forward, alive, log_mean=means, log_variance=own)
    predicted = record(Forward, log_mean=profile(1.0, 0.0, "exact"), log_variance=profile(spread, 0.0, "exact"))
    found = compare(measured, predicted, quantity="log_mean")
    np.testing.assert_allclose(found.errors[:2], np.sqrt(spread / count)[:2], rtol=1e-9)
    np.testing.assert_allclose(found.errors[2], 2e-7 * np.sqrt(3), rtol=1e-9)
    lean = -1.6 / np.sqrt(count) if leaning is None else np.full(3, leaning)
    np.testing.assert_allclose(found.z, z, rtol=1e-8)
    expected = [known(x, s) for x, s in zip(z[:2], lean, strict=False)]
    np.testing.assert_allclose(found.p_values[:2], expected, rtol=1e-6)
    assert found.p_values[2] > 0.9
    for lost in (None, profile(spread, 0.0, "infinite width")):
        other = record(Forward, log_mean=profile(1.0, 0.0, "exact"), log_variance=lost)
        np.testing.assert_allclose(compare(measured, other, quantity="log_mean").errors, errors, rtol=1e-9)
    of_spread = record(Forward, alive, log_mean=means, log_variance=profile(own.values, 0.2, skewness=NOT_SKEWED))
    found = compare(of_spread, predicted, quantity="log_variance")
    np.testing.assert_allclose(found.errors, 0.2, rtol=1e-9)
    np.testing.assert_allclose(found.p_values[:2], 2 * stats.t.sf(np.abs(found.z), count - 1)[:2], rtol=1e-5)


def test_deaths_are_counted():
    n, dead, p = 50, np.array([0.0, 0.1, 1.0]), np.array([0.05, 0.04, 0.9])
    found = both(Forward, "dead", dead, 0.03, p, networks=n)
    k = (n * dead).round()
    tails = np.minimum(stats.binom.cdf(k, n, p), stats.binom.sf(k - 1, n, p))
    np.testing.assert_allclose(found.p_values, np.minimum(1.0, 2 * tails), rtol=1e-9)
    few = both(Forward, "dead", np.array([0.0, 0.02, 0.02]), 0.03, np.array([0.5, 0.5, 0.001]), networks=n)
    exact = [2 * stats.binom.cdf(0, n, 0.5), 2 * stats.binom.cdf(1, n, 0.5), 2 * stats.binom.sf(0, n, 0.001)]
    np.testing.assert_allclose(few.p_values, exact, rtol=1e-9)
    np.testing.assert_allclose(both(Forward, "dead", 0.04, 0.03, 0.04, networks=n).p_values, 1.0)


SPREADLESS = [  # measured, predicted, z and p of a size; what another quantity has, where that differs
    (0.0, 0.0, (0.0, 1.0), None),
    (np.inf, np.inf, (np.nan, np.nan), None),
    (-np.inf, np.inf, (np.nan, np.nan), None),
    (np.inf, 1.0, (np.inf, 0.0), None),
    (1.0, np.inf, (-np.inf, 0.0), None),
    (np.nan, np.inf, (np.inf, 0.0), (np.nan, np.nan)),
    (np.nan, 1.0, (np.inf, 0.0), (np.nan, np.nan)),
    (np.nan, np.nan, (np.nan, np.nan), None),
    (1.0, np.nan, (np.nan, np.nan), None),
    (0.5, -np.inf, (-np.inf, 0.0), None),
    (np.inf, np.nan, (np.nan, np.nan), None),
]


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize(("measured", "predicted", "size", "other"), SPREADLESS)
def test_where_there_is_no_spread_equal_agrees_and_what_is_lost_does_not(name, measured, predicted, size, other):
    expected = size if other is None or name in ("variance", "second_moment", "dead") else other
    found = both(Forward, name, measured, 0.0, predicted)
    np.testing.assert_array_equal(found.z, expected[0])
    if name != "dead" or expected[1] != 1:
        np.testing.assert_array_equal(found.p_values, expected[1])


def test_equal_numbers_keep_a_p_value_that_they_have():
    found = both(Forward, "variance", 1.0, 0.1, 1.0, skewness=[0.1, 0.15])
    np.testing.assert_array_equal(found.z, 0.0)
    s = np.array([0.1, 0.15])
    weaker = np.abs(skewed_score(s / 2, -2 * s)).min()
    np.testing.assert_allclose(found.p_values, 2 * stats.norm.sf(weaker), rtol=1e-3)
    assert (both(Forward, "variance", 1.0, 0.1, 1.0, skewness=[0.0, 0.5]).p_values == 1).all()


@pytest.mark.parametrize("name", PAIR)
@pytest.mark.parametrize("side", [1, -1])
def test_a_layer_is_not_resolved_where_both_sides_are_too_near_to_an_end(name, side):
    near, far = side * (1 - 1.5e-14), side * (1 - 5e-14)
    seen = "correlation" if name == "cosine_variance" else name

    def found(measured, predicted):
        more = {name: profile(0.5, 0.1, skewness=NOT_SKEWED)}
        sides = record(Pair, 1000, **{**more, seen: profile(measured, 0.1, skewness=NOT_SKEWED)})
        return compare(sides, record(Pair, **{**more, seen: profile(predicted)}), quantity=name)

    np.testing.assert_array_equal(found(near, near).unresolved, True)
    np.testing.assert_array_equal(found(near, far).unresolved, [False, False, True])  # 2e-14 a layer
    np.testing.assert_array_equal(found(far, near).unresolved, [False, False, True])
    both_far = found(far, far)
    np.testing.assert_array_equal(np.isnan(both_far.z), [False, False, True])
    np.testing.assert_array_equal(both_far.judged_layers, [True, True, False])
    assert not found(0.5, 0.5).unresolved.any()
    assert not both(Forward, "variance", 1.0, 0.1, 1.0).unresolved.any()
    assert both(Forward, "variance", 1.0, 0.1, 1.0).unresolved.shape == (3,)


def test_what_is_compared_by_default_and_what_it_is_called():
    measured = record(Forward, 100, variance=profile(1.0, 0.1, skewness=NOT_SKEWED))
    found = compare(measured, record(Forward, variance=profile(1.0, 0.0, "exact")), level=0.5)
    assert (found.quantity, found.level, found.networks) == ("variance", 0.5, 100)
    assert found.description == "4*4, relu, he"
    other = Forward(Network([4] * 4, "tanh", "lecun"), profile(1.0, 0.0, "exact"))
    assert compare(measured, other).description == "4*4, relu, he, held against theory of 4*4, tanh, lecun"


def test_a_comparison_is_plotted_and_read_as_a_table(monkeypatch):
    found = both(Forward, "variance", 1.0, 0.1, 1.0)
    drawer = SimpleNamespace(plot_comparison=lambda comparison, ax: (comparison, ax))
    monkeypatch.setattr(comparison, "plots", lambda: drawer)
    assert found.plot(ax="here") == (found, "here")
    assert repr(found) == str(found)
    assert "agree: p = 1 for all layers" in str(found)
    with pytest.raises(TypeError) as caught:
        bool(found)
    assert str(caught.value) == "a Comparison is not true or false; ask for .agrees."


def test_skewed_score_is_a_log_normals():
    for s in (0.01, 0.2, 1.0):
        w = np.exp(s * s)
        skewness = (w + 2) * np.sqrt(w - 1)
        normal = np.array([-3.0, -1.0, 0.0, 0.5, 4.0])
        z = (np.exp(s * normal) - np.exp(s * s / 2)) / (np.exp(s * s / 2) * np.sqrt(w - 1))
        np.testing.assert_allclose(skewed_score(z, skewness), normal, atol=1e-8)
    np.testing.assert_array_equal(skewed_score(np.array([-1.0, 2.0]), 0.0), [-1.0, 2.0])
    assert np.isneginf(skewed_score(-5.0, 3.0))


def test_a_score_of_a_wide_array_and_of_one_number():
    np.testing.assert_allclose(skewed_score([1.0, -1.0], [0.5, -0.5]), np.array([1, -1]) * skewed_score(1.0, 0.5))
    assert skewed_score(-3.0, -0.5) == -skewed_score(3.0, 0.5)
    assert skewed_score(2, 1e-9) == 2.0


@pytest.mark.parametrize(
    ("measured", "predicted", "error", "words"),
    [
        (3, record(Forward), TypeError, "measured is 3; give what simulate or theory returned."),
        (record(Forward, 9), "x", TypeError, "predicted is 'x'; give what simulate or theory returned."),
        (
            record(Forward, 9),
            record(Backward),
            TypeError,
            "a Forward was measured and a Backward predicted; compare two of a kind.",
        ),
        (
            record(Forward),
            record(Forward),
            ValueError,
            "compare takes first what simulate measured, then what theory predicted.",
        ),
        (
            record(Forward, 9),
            record(Forward, 9),
            ValueError,
            "compare takes first what simulate measured, then what theory predicted.",
        ),
        (
            record(Backward, 9),
            Backward(NETWORK, "half_square", profile(1.0)),
            ValueError,
            "the two losses differ: 'linear' was measured, 'half_square' was predicted.",
        ),
    ],
)
def test_two_that_cannot_be_compared(measured, predicted, error, words):
    with pytest.raises(error) as caught:
        compare(measured, predicted)
    assert str(caught.value) == words


@pytest.mark.parametrize(("widths", "words"), [([4, 4, 4, 3], "4*3,3"), ([3, 4, 4, 4], "3,4*3"), ([4, 4, 4], "4*3")])
def test_networks_of_other_widths_cannot_be_compared(widths, words):
    with pytest.raises(ValueError, match="the two networks differ: ") as caught:
        compare(record(Forward, 9), theory.forward(Network(widths, "relu", "he"), order="infinite"))
    said = f"the two networks differ: 4*4, relu, he was measured, {words}, relu, he was predicted."
    assert str(caught.value) == said


def test_a_level_and_a_quantity_are_checked_by_name():
    sides = record(Forward, 9), record(Forward)
    with pytest.raises(ValueError, match=r"^quantity 'dead' is not in both records; choose one of variance"):
        compare(*sides, quantity="dead")
    with pytest.raises(ValueError, match="did you mean variance"):
        compare(*sides, quantity="q_hat")
    with pytest.raises(ValueError, match=r"^level is 2.0; it must lie between 0 and 1, such as 1e-6"):
        compare(*sides, level=2)
