import numpy as np
import pytest
from evidence import assert_agree, needs_compiler
from scipy import stats

from varprop import Network, compare, simulate, theory
from varprop.kernels import LANES
from varprop.kernels.layer import EXPONENT, FOURTH, RECORD_FIELDS, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from varprop.kernels.tally import COLUMNS, fold, tally
from varprop.simulate.ensemble import _pivots
from varprop.statistics import forward_profiles


def profiles_of(q, z4, a2, exponent=0.0):
    """Return the profiles of given per-network numbers, shape (networks, L), times 2^exponent."""
    networks, depth = q.shape
    tiles = -(-networks // LANES)
    records = np.zeros((tiles * LANES, depth, RECORD_FIELDS))
    for field, values in ((VARIANCE, q), (FOURTH, z4), (SECOND_MOMENT, a2)):
        records[:networks, :, field] = values
    records[:, :, [EXPONENT, SECOND_EXPONENT]] = exponent
    records = np.ascontiguousarray(records.reshape(tiles, LANES, depth, RECORD_FIELDS).transpose(0, 2, 3, 1))
    pivots = _pivots(records[0])
    sums, total = np.empty((tiles, depth, COLUMNS)), np.zeros((depth, COLUMNS))
    tally(records, networks, pivots, sums)
    fold(total, sums)
    return forward_profiles(total, pivots, networks)


def jackknife(statistic, *samples):
    """Return a standard error that knows nothing of influence functions."""
    n = len(samples[0])
    left_out = np.array([statistic(*(np.delete(s, i, 0) for s in samples)) for i in range(n)])
    return np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean(0)) ** 2, 0))


def test_profiles_are_the_textbook_estimates():
    rng = np.random.default_rng()
    q = rng.lognormal(0.3, 0.5, (3 * LANES + 5, 2)) * [1.0, 40.0]
    z4, a2 = 3 * q**2 * rng.lognormal(0, 0.1, q.shape), 0.5 * q
    got, n = profiles_of(q, z4, a2), len(q)

    def fluctuation(x):
        return x.var(0, ddof=1) / x.mean(0) ** 2

    def kurtosis(f, x):
        return f.mean(0) / x.mean(0) ** 2

    def log_variance(x):
        return np.log(x).var(0, ddof=1)

    exact = {
        "variance": (q.mean(0), q.std(0, ddof=1) / np.sqrt(n)),
        "second_moment": (a2.mean(0), a2.std(0, ddof=1) / np.sqrt(n)),
        "log_mean": (np.log(q).mean(0), np.log(q).std(0, ddof=1) / np.sqrt(n)),
    }
    for name, (values, errors) in exact.items():
        np.testing.assert_allclose(got[name].values, values, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(got[name].errors, errors, rtol=1e-9, err_msg=name)
    ratios = {
        "fluctuation": (fluctuation(q), jackknife(fluctuation, q)),
        "kurtosis": (kurtosis(z4, q), jackknife(kurtosis, z4, q)),
        "log_variance": (log_variance(q), jackknife(log_variance, q)),
    }
    for name, (values, errors) in ratios.items():
        np.testing.assert_allclose(got[name].values, values, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(got[name].errors, errors, rtol=0.1, err_msg=name)  # two estimates of an error


def test_huge_and_tiny_numbers_lose_nothing():
    rng = np.random.default_rng()
    q = rng.lognormal(0, 0.5, (100, 1))
    plain = profiles_of(q, 3 * q**2, q)
    for exponent in (-768.0, 512.0, 2560.0, -25600.0):
        far = profiles_of(q, 3 * q**2, q, exponent)
        np.testing.assert_allclose(far["fluctuation"].values, plain["fluctuation"].values, rtol=1e-9)
        np.testing.assert_allclose(far["kurtosis"].values, plain["kurtosis"].values, rtol=1e-9)
        np.testing.assert_allclose(far["log_mean"].values, plain["log_mean"].values + exponent * np.log(2), rtol=1e-12)
        with np.errstate(over="ignore"):
            np.testing.assert_allclose(far["variance"].values, np.ldexp(plain["variance"].values, int(exponent)))


def test_nothing_dead_still_has_an_error():
    got = profiles_of(np.ones((100, 1)), np.ones((100, 1)), np.ones((100, 1)))
    assert got["dead"].values == 0
    assert 0.005 < got["dead"].errors[0] < 0.02


FIXED = np.array([1.0, -0.5, 2.0])


def p_values(network, inputs, order, runs, networks, scale=1.0):
    """Return p-values of many small runs; ``scale`` makes the prediction wrong."""
    if scale != 1.0:
        wrong = Network(network.widths, network.activation, network.weights, multiplier=scale)
    predicted = theory.forward(wrong if scale != 1.0 else network, inputs, order=order)
    base = int(np.random.SeedSequence().generate_state(1)[0])
    out = []
    for k in range(runs):
        measured = simulate.forward(network, inputs, networks=networks, seed=base + k, threads=1)
        out.append(compare(measured, predicted).p_values)
    return np.array(out)


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
    base = int(np.random.SeedSequence().generate_state(1)[0])
    runs = [simulate.forward(network, networks=2000, seed=base + k, threads=1) for k in range(200)]
    alarms = sum(not compare(m, predicted, level=0.1).agrees for m in runs)
    assert alarms <= stats.binom.isf(1e-6, 200, 0.1)
    big = simulate.forward(network, networks=1_000_000, seed=base)
    assert compare(big, predicted).agrees
    assert not compare(big, wrong).agrees
    assert compare(big, wrong).p_value < 1e-6


@needs_compiler
def test_every_quantity_can_be_compared():
    network = Network([8, 12, 6, 5], "relu", bias_variance=0.0)
    measured = simulate.forward(network, networks=1_000_000, seed=int(np.random.SeedSequence().generate_state(1)[0]))
    predicted = theory.forward(network)
    for name in predicted.profiles:
        comparison = compare(measured, predicted, quantity=name)
        assert comparison.agrees, str(comparison)
        assert_agree(comparison.z)


def test_a_comparison_reads_as_a_verdict():
    network = Network([4, 3, 2], "relu")
    measured = simulate.forward(network, networks=100)
    comparison = compare(measured, theory.forward(network), level=1e-3)
    assert "4,3,2, relu, he; 100 networks" in str(comparison)
    assert "agree" in str(comparison)
    assert "one false alarm in 1,000" in str(comparison)
    assert len(comparison.z) == len(comparison.p_values) == 2
    far = theory.forward(Network([4, 3, 2], "relu", multiplier=100.0))
    assert "DISAGREE" in str(compare(measured, far))
    with pytest.raises(TypeError, match=r"ask for \.agrees"):
        bool(comparison)


def test_layers_beyond_float64_are_left_out_and_said_so():
    network = Network([4] * 1001, "relu", multiplier=4.0)
    measured = simulate.forward(network, networks=4)
    comparison = compare(measured, theory.forward(network))
    assert np.isnan(comparison.z[-1])
    assert "beyond float64" in str(comparison)


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
    with pytest.raises(ValueError, match="level is 0"):
        compare(measured, predicted, level=0)
