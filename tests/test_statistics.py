import numpy as np
from evidence import needs_compiler

from varprop import Network, simulate, theory
from varprop.kernels import LANES
from varprop.kernels.layer import EXPONENT, FOURTH, RECORD_FIELDS, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from varprop.kernels.tally import COLUMNS, log64, tally
from varprop.simulate.ensemble import MOMENTS
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
    pivots = MOMENTS.pivots(records[0])
    sums, total = np.empty((tiles, depth, COLUMNS)), np.zeros((depth, COLUMNS))
    tally(records, networks, pivots, sums)
    total += sums.sum(axis=0)
    return forward_profiles(total, pivots, networks)


def jackknife(statistic, *samples):
    """Return a standard error that knows nothing of influence functions."""
    n = len(samples[0])
    left_out = np.array([statistic(*(np.delete(s, i, 0) for s in samples)) for i in range(n)])
    return np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean(0)) ** 2, 0))


@needs_compiler
def test_profiles_are_the_textbook_estimates():
    rng = np.random.default_rng()
    # so many that a jackknife and an influence function, two estimates of an error, hardly ever differ by a tenth
    q = rng.lognormal(0.3, 0.5, (20 * LANES + 5, 2)) * [1.0, 40.0]
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
        np.testing.assert_allclose(got[name].errors, errors, rtol=0.1, err_msg=name)


@needs_compiler
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


@needs_compiler
def test_nothing_dead_still_has_an_error():
    got = profiles_of(np.ones((100, 1)), np.ones((100, 1)), np.ones((100, 1)))
    assert got["dead"].values == 0
    assert 0.005 < got["dead"].errors[0] < 0.02


@needs_compiler
def test_the_logarithm_is_the_logarithm():
    rng = np.random.default_rng()
    x = np.concatenate([2.0 ** rng.uniform(-1022, 1023, 500), rng.uniform(0.5, 2.0, 500), [1.0, 2.0, 2.0**-1022]])
    got = np.array([log64(np.float64(v)) for v in x])
    np.testing.assert_allclose(got, np.log(x), rtol=1e-15, atol=2e-16)
    assert log64(np.float64(np.inf)) == np.inf


@needs_compiler
def test_heavy_tails_are_said():
    deep = simulate.forward(Network([8] * 12), networks=3000)
    heavy = np.flatnonzero(deep.heavy_tailed)
    assert set(heavy) <= set(range(3, 11))  # skewness of the mean: 0.11 in layer 3, 0.19 in layer 4,
    assert set(heavy) >= set(range(7, 11))  # 0.9 in layer 8
    said = f"Heavy tails in {len(heavy)} layers, {heavy[0] + 1} to 11: there all errors but those of E[ln q̂]"
    assert said in str(deep)
    gradient = simulate.backward(Network([8] * 9), networks=3000)
    assert gradient.heavy_tailed[0]
    assert not gradient.heavy_tailed[-1]
    assert "E[ln d̂] tells of the typical network" in str(gradient)
    for calm in (simulate.forward(Network([64] * 4), networks=3000), theory.forward(Network([8] * 12))):
        assert not calm.heavy_tailed.any()
        assert "Heavy" not in str(calm)
