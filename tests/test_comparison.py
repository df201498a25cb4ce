from dataclasses import replace

import numpy as np
import pytest
from evidence import assert_agree, fresh_seed, needs_compiler, quick
from scipy import stats

from varprop import Forward, LayerProfile, Network, compare, simulate, theory
from varprop.tables import comparison_json

FIXED = np.array([1.0, -0.5, 2.0])


def p_values(network, inputs, order, runs, networks, scale=1.0):
    """Return p-values of many small runs; ``scale`` makes the prediction wrong."""
    if scale != 1.0:
        wrong = Network(network.widths, network.activation, network.weights, multiplier=scale)
    predicted = theory.forward(wrong if scale != 1.0 else network, inputs, order=order)
    base = fresh_seed()
    out = []
    for k in range(runs):
        measured = simulate.forward(network, inputs, networks=networks, seed=base + k, threads=1)
        out.append(compare(measured, predicted).p_values)
    return np.array(out)


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    ("network", "inputs", "order"),
    [
        (Network([8, 16], "relu"), None, "exact"),  # theory's standard error
        (Network([3, 64, 64, 32], "relu"), FIXED, "exact"),
        (Network([3, 64, 64], "tanh", "lecun"), FIXED, "infinite"),  # the sample's; exact for two layers
    ],
)
def test_p_values_are_uniform_when_theory_is_right_and_small_when_it_is_not(network, inputs, order):
    right = p_values(network, inputs, order, 300, 16_000)
    for layer in range(network.depth):
        assert stats.kstest(right[:, layer], "uniform").pvalue > 1e-6 / network.depth
    wrong = p_values(network, inputs, order, 300, 16_000, scale=1.01)
    assert stats.kstest(wrong[:, -1], "uniform").pvalue < 1e-6


@needs_compiler
def test_the_family_wise_level_holds_and_one_percent_is_rejected():
    network = Network([32] * 9, "relu")
    predicted, wrong = theory.forward(network), theory.forward(Network([32] * 9, "relu", multiplier=1.01))
    base = fresh_seed()
    runs = [simulate.forward(network, networks=2000, seed=base + k, threads=1) for k in range(200)]
    alarms = sum(compare(m, predicted, level=0.1).verdict == "contradicted" for m in runs)
    assert alarms <= stats.binom.isf(1e-6, 200, 0.1)
    big = simulate.forward(network, networks=1_000_000, seed=base)
    assert compare(big, predicted).agrees
    assert compare(big, wrong).verdict == "contradicted"
    assert compare(big, wrong).p_value < 1e-6


@needs_compiler
def test_every_quantity_can_be_compared():
    network = Network([8, 12, 6, 5], "relu", bias_variance=0.0)
    measured = simulate.forward(network, networks=8_000_000, seed=fresh_seed())
    predicted = theory.forward(network)
    for name in predicted.profiles:
        comparison = compare(measured, predicted, quantity=name)
        assert comparison.verdict != "contradicted", str(comparison)
        assert_agree(comparison.z[~np.isnan(comparison.z)])


def test_a_comparison_reads_as_a_verdict():
    network = Network([4, 3, 2], "relu")
    measured = simulate.forward(network, networks=100)
    comparison = compare(measured, theory.forward(network), level=1e-3)
    assert "4,3,2, relu, he; 100 networks" in str(comparison)
    assert "agree" in str(comparison)
    assert "rejected where p < 0.001)" in str(comparison)
    assert len(comparison.z) == len(comparison.p_values) == 2
    far = theory.forward(Network([4, 3, 2], "relu", multiplier=100.0))
    other = str(compare(measured, far))
    assert "DISAGREE" in other
    assert "held against theory of 4,3,2, relu, he" in other
    with pytest.raises(TypeError, match=r"ask for \.agrees"):
        bool(comparison)


HEAVY = [  # each gave p < 1e-6 in up to 10 % of runs while a normal law was trusted
    (Network([8] * 9, "relu"), 1000, "variance"),
    (Network([16] * 17, "relu"), 200, "variance"),
    (Network([1] * 5, "linear", "lecun"), 1000, "variance"),
    (Network([4] * 8, "relu"), 1000, "second_moment"),
    (Network([8] * 4, "relu"), 100, "fluctuation"),
    (Network([8] * 4, "relu"), 100, "kurtosis"),
    (Network([4] * 6, "relu"), 50, "log_variance"),
    (Network([1] * 10, "relu"), 1000, "log_mean"),
    (Network([10] * 3, "relu"), 6000, "dead"),
]


@needs_compiler
@pytest.mark.parametrize("own", [False, True], ids=["theory's error", "the sample's error"])
@pytest.mark.parametrize("case", quick(*HEAVY, slow=HEAVY.index))
def test_skewed_samples_raise_no_false_alarm(case, own):
    network, networks, quantity = case
    predicted, base = theory.forward(network), fresh_seed()
    if own and quantity not in ("variance", "log_mean"):
        pytest.skip("that is the sample's anyway")
    if own:
        predicted = replace(predicted, fluctuation=None, log_variance=None)
    runs = [simulate.forward(network, networks=networks, seed=base + k, threads=1) for k in range(200)]
    p = np.array([compare(m, predicted, quantity=quantity).p_value for m in runs])
    p = np.where(np.isnan(p), 1.0, p)  # no verdict is no alarm
    # at most as many small p-values as there should be, and none that a million runs would not show
    assert np.sum(p < 0.01) <= stats.binom.isf(1e-7, 200, 0.01)
    assert p.min() > 1e-8


@needs_compiler
def test_log_mean_is_sharp_where_the_mean_is_not():
    network = Network([8] * 17, "relu")
    measured = simulate.forward(network, networks=200_000, seed=fresh_seed())
    assert compare(measured, theory.forward(network), quantity="log_mean").agrees
    wrong = theory.forward(Network(network.widths, "relu", multiplier=1.01))
    assert compare(measured, wrong, quantity="log_mean").verdict == "contradicted"


def made(network, values, networks=None):
    """Return a record of given variances, measured if ``networks`` is given."""
    profile = LayerProfile(values, np.zeros(len(values)), "simulation" if networks else "exact")
    spread = LayerProfile(np.full(len(values), 0.01), np.zeros(len(values)), profile.origin)
    return Forward(network, profile, fluctuation=spread, log_variance=spread, networks=networks)


def test_what_cannot_be_judged_is_left_out_and_nobody_reads_success():
    network = Network([4] * 5)
    measured = made(network, [1.0, 0.0, np.inf, np.nan], 10**6)
    right = compare(measured, made(network, [1.0, 0.0, np.inf, np.nan]))
    np.testing.assert_array_equal(right.z, [0.0, 0.0, np.nan, np.nan])
    np.testing.assert_array_equal(right.judged_layers, [True, True, False, False])
    assert (right.judged, right.verdict, right.agrees) == (2, "not judged", False)
    assert right.p_value > 0.99
    assert "2 of 4 layers are not judged" in str(right)
    assert "No verdict: judged only in 2 of 4 layers, where nothing contradicts: p = 1 for these" in str(right)
    found = comparison_json(right)
    assert (found["verdict"], found["agrees"], found["layers_judged"]) == ("not judged", False, 2)
    assert found["judged_layers"] == [True, True, False, False]
    wrong = compare(measured, made(network, [1.0, 0.0, 5.0, np.nan]))
    assert np.isposinf(wrong.z[2])
    assert (wrong.verdict, wrong.agrees) == ("contradicted", False)
    assert "DISAGREE, judged in 3 of 4 layers: p = 0 for these" in str(wrong)
    lost = compare(measured, made(network, [1.0, 0.0, np.inf, 2.0]))  # a simulation must give a number
    assert np.isposinf(lost.z[3])
    assert lost.verdict == "contradicted"
    none = compare(made(network, [np.nan] * 4, 100), made(network, [np.nan] * 4))
    assert (none.verdict, none.agrees, none.judged) == ("not judged", False, 0)
    assert np.isnan(none.p_value)
    assert "No verdict: not judged in any layer." in str(none)


def test_the_table_shows_the_error_that_its_scores_use():
    network = Network([4] * 3)
    measured = made(network, [1.3, 0.9], 100)
    comparison = compare(measured, made(network, [1.0, 1.0]))
    np.testing.assert_allclose(comparison.errors, 0.01, rtol=1e-6)  # theory's, sqrt(0.01 / 100); the sample says 0
    np.testing.assert_allclose(comparison.z, (np.array([1.3, 0.9]) - 1.0) / comparison.errors)
    assert "1.3 ± 0.01" in str(comparison)
    assert comparison_json(comparison)["errors"] == comparison.errors.tolist()


def test_an_input_of_zeros_agrees_with_itself():
    network = Network([4, 3, 2])
    measured = simulate.forward(network, np.zeros(4), networks=50)
    assert compare(measured, theory.forward(network, np.zeros(4))).agrees


def test_first_order_says_what_it_leaves_out():
    wide, narrow = (Network([n] * 6, "gelu") for n in (256, 2))
    found = str(compare(made(wide, np.full(5, 2.0), 10**6), theory.forward(wide)))
    assert "leaves out the second order" in found
    assert "?" not in found
    found = compare(made(narrow, np.full(5, 2.0), 10**6), theory.forward(narrow))
    lines = str(found).splitlines()
    assert [line.split()[4].endswith("?") for line in lines[3:8]] == found.predicted.doubtful.tolist()
    assert lines[-1].startswith("? marks what is doubtful")
    assert comparison_json(found)["predicted"]["doubtful"] == found.predicted.doubtful.tolist()


def test_bad_comparisons():
    network = Network([4, 3], "relu")
    measured, predicted = simulate.forward(network, networks=10), theory.forward(network)
    with pytest.raises(ValueError, match="first what simulate measured"):
        compare(predicted, measured)
    with pytest.raises(TypeError, match="predicted is 3"):
        compare(measured, 3)
    with pytest.raises(ValueError, match="'energy' is not in both records; choose one of variance"):
        compare(measured, predicted, quantity="energy")
    with pytest.raises(ValueError, match="the two networks differ"):
        compare(measured, theory.forward(Network([4, 4])))
    with pytest.raises(TypeError, match="level is 'a'"):
        compare(measured, predicted, level="a")
    with pytest.raises(ValueError, match="level is 0"):
        compare(measured, predicted, level=0)


@needs_compiler
@pytest.mark.parametrize("away", [2e-15, 1e-14])
def test_nearly_equal_inputs_are_not_judged_where_float32_ends(away):
    network = Network([64] * 4, "relu", "he")
    measured = simulate.pair(network, 1 - away, networks=10_000, seed=fresh_seed())
    assert measured.unresolved.all()
    assert "1 - |correlation| is not resolved in 3 layers, 1 to 3" in str(measured)
    for quantity in ("correlation", "cosine", "cosine_variance"):
        comparison = compare(measured, theory.pair(network, 1 - away), quantity=quantity)
        assert (comparison.judged, comparison.verdict) == (0, "not judged")
        assert np.isnan(comparison.z).all()
    assert "nearer to 1 than float32 resolves" in str(comparison)
    assert compare(measured, theory.pair(network, 0.999)).verdict == "contradicted"  # that it resolves


@needs_compiler
def test_inputs_that_are_less_alike_are_resolved():
    network = Network([64] * 4, "relu", "he")
    for away in (1e-6, 1e-9, 1e-11):
        measured = simulate.pair(network, 1 - away, networks=20_000, seed=fresh_seed())
        assert not measured.unresolved.any()
        assert "resolved" not in str(measured)
        assert compare(measured, theory.pair(network, 1 - away)).agrees
        assert compare(measured, theory.pair(network, 1 - 1.1 * away)).verdict == "contradicted"
    assert not theory.pair(network, 1.0).unresolved.any()
