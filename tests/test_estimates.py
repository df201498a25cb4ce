"""Sums to estimates, with no kernel: NumPy sums a sample, and the textbook says what is right."""

import itertools

import numpy as np
import pytest

from varprop import statistics, tails
from varprop.quantities import MOMENTS
from varprop.sums import LAYER, PIVOTS

N = 500


def powers(x):
    return np.array([(x**k).sum(0) for k in (1, 2, 3, 4)])


def summed(q, z4, a2, pivots, a=None):
    """Return the sums (L, 20) that `kernels.tally` makes of samples (networks, L); ``a`` is 0.8 √a2 unless given."""
    scale, a_scale = (pivots[:, i] * 2.0 ** pivots[:, i + 1] for i in (0, 2))
    d, f, second = q / scale - pivots[:, 4], z4 / scale**2 - 3 * pivots[:, 4], a2 / a_scale - pivots[:, 4]
    logs = np.log(np.where(q > 0, q, scale) / scale)
    rows = [*powers(d), np.sqrt(q / scale).sum(0), f.sum(0), (f * f).sum(0), (d * f).sum(0), *powers(second)]
    a = (0.8 * np.sqrt(a2) if a is None else a) / np.sqrt(a_scale)
    return np.array([*rows, (q > 0).sum(0), *powers(logs), (a2 == 0).sum(0), a.sum(0), (a * a).sum(0)]).T


def spread_of(influence):
    """Return a standard error from what each network moves an estimate by."""
    return influence.std(0) / np.sqrt(len(influence))


def centred(x):
    """Return mean, variance, third and fourth central moments as `statistics` defines them."""
    d = x - x.mean(0)
    return x.mean(0), x.var(0, ddof=1), (d**3).mean(0), (d**4).mean(0)


@pytest.fixture
def sample():
    """Two layers, of which the second loses a fifth of its networks, and pivots that are not the means."""
    rng = np.random.default_rng(5)
    q = rng.lognormal(0.3, [0.3, 0.7], (N, 2)) * [1.0, 40.0]
    q[: N // 5, 1] = 0.0
    a2 = q * rng.gamma(2.0, 0.25, q.shape)
    z4 = q**2 * rng.lognormal(1.0, 0.2, q.shape)
    pivots = np.array([[1.2, 0.0, 0.7, 0.0, 1.0], [1.1, 4.0, 0.9, 2.0, 1.0]])
    return q, z4, a2, pivots


def test_networks_that_are_all_alike_have_no_spread():
    """Rounding made their variance -3e-16, and its root NaN."""
    pivots = np.array([[0.3, 0.0, 0.3, 0.0, 1.0]])
    for size in np.random.default_rng(1).uniform(0.2, 0.4, 50):
        q = np.full((200, 1), size)
        found = statistics.backward_profiles(summed(q, 3 * q**2, q, pivots), pivots, 200)
        for name in ("gradient_variance", "weight_gradient_variance"):
            assert 0 <= found[name].errors[0] < 1e-8 * size
        assert 0 <= found["fluctuation"].values[0] < 1e-14


def test_a_network_beyond_float64_over_a_pivot_below_it_leaves_nothing_known(sample):
    """Gradients behind tanh at z of 10^17 lie at e^-10^12 or near 1: the mean of a later tile is lost, and was NaN."""
    sums, pivots = summed(*sample), sample[3].copy()
    sums[1, [0, 1, 2, 3, 8, 9, 10, 11]] = np.inf
    pivots[1, [1, 3]] = -1e12
    found = statistics.backward_profiles(sums, pivots, N)
    for name in ("gradient_variance", "weight_gradient_variance"):
        profile = found[name]
        assert (profile.values[1], profile.errors[1]) == (0.0, np.inf)
        assert np.isfinite([profile.values[0], profile.errors[0]]).all()
    pivots[1, [1, 3]] = 3000.0
    sums[1, [0, 8]] = np.nan
    exploded = statistics.backward_profiles(sums, pivots, N)["gradient_variance"]
    assert (exploded.values[1], exploded.errors[1]) == (np.inf, np.inf)
    sums[1, [0, 8]] = np.inf
    pivots[1, [1, 3]] = 4.0
    assert statistics.backward_profiles(sums, pivots, N)["gradient_variance"].values[1] == np.inf


def test_a_sum_that_is_no_number_stays_none_over_a_pivot_that_float64_holds(sample):
    q, z4, a2, pivots = sample
    sums = summed(q, z4, a2, pivots)
    sums[0, 0] = np.nan
    found = statistics.forward_profiles(sums, pivots, N)["variance"]
    np.testing.assert_array_equal(np.isnan([found.values, found.errors]), [[True, False]] * 2)


def test_a_forward_sample_is_estimated_by_the_textbook(sample):
    q, z4, a2, pivots = sample
    a = np.sqrt(a2) * np.random.default_rng(7).normal(0.5, 0.2, a2.shape)
    found = statistics.forward_profiles(summed(*sample, a), pivots, N)
    alive = [q[q[:, l] > 0, l] for l in range(2)]
    logs, living = [np.log(x) for x in alive], np.array([len(x) / N for x in alive])

    mean, off = q.mean(0), q - q.mean(0)
    fluctuation, kurtosis = (x.mean(0) / mean**2 for x in (off**2 * N / (N - 1), z4))
    spread = np.array([x.std(ddof=1) for x in logs])
    dead = (a2 == 0).mean(0)
    guarded = ((a2 == 0).sum(0) + 1) / (N + 2)
    exact = {
        "variance": (q.mean(0), q.std(0, ddof=1) / np.sqrt(N)),
        "second_moment": (a2.mean(0), a2.std(0, ddof=1) / np.sqrt(N)),
        "log_mean": ([x.mean() for x in logs], spread / np.sqrt(N * living)),
        "activation_mean": (a.mean(0), a.std(0, ddof=1) / np.sqrt(N)),
        "dead": (dead, np.sqrt(guarded * (1 - guarded) / N)),
    }
    for name, (values, errors) in exact.items():
        np.testing.assert_allclose(found[name].values, values, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(found[name].errors, errors, rtol=1e-9, err_msg=name)
    assert 0.15 < dead[1] < 0.25
    ratios = {
        "fluctuation": (fluctuation, spread_of(off**2 / mean**2 - 2 * fluctuation * off / mean)),
        "kurtosis": (kurtosis, spread_of(z4 / mean**2 - 2 * kurtosis * off / mean)),
        "log_variance": (spread**2, [spread_of((x - x.mean()) ** 2) for x in logs]),
    }
    for name, (values, errors) in ratios.items():
        np.testing.assert_allclose(found[name].values, values, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(found[name].errors, errors, rtol=3 / N, err_msg=name)


@pytest.mark.parametrize("kind", ["forward", "backward"])
def test_both_opinions_of_skewness_are_made_from_the_sample(sample, kind):
    """The moments of q-hat, and how ln q-hat of the living spreads where roots and the mean come from."""
    q, _, a2, pivots = sample
    found = getattr(statistics, f"{kind}_profiles")(summed(*sample), pivots, N)
    logs = [np.log(q[q[:, l] > 0, l]) for l in range(2)]
    living = np.array([len(x) for x in logs]) / N
    at_zero = np.array([x.var(ddof=1) for x in logs])
    at_half = 4 * np.log([np.exp(x).mean() / np.exp(x / 2).mean() ** 2 for x in logs])
    at_one = np.log1p(q.var(0, ddof=1) / q.mean(0) ** 2) + np.log(living)
    once, twice = (tails.skewness_from_logs(at_zero, at_half, at_one, living, power) for power in (1, 2))
    of_a = once
    if kind == "backward":
        of_a = np.fmax(once, tails.lognormal_skewness(a2.var(0, ddof=1) / a2.mean(0) ** 2))
        assert (of_a > 1.01 * once).any()
    names = {"forward": ("variance", "second_moment"), "backward": ("gradient_variance", "weight_gradient_variance")}
    expected = {
        names[kind][0]: tails.mean_skewness(*centred(q), N, once),
        names[kind][1]: tails.mean_skewness(*centred(a2), N, of_a),
        "log_mean": tails.log_skewness(np.array([centred(x)[2] / x.var(ddof=1) ** 1.5 for x in logs]), N * living),
    }
    squares = {"fluctuation": (N, twice), "kurtosis": (N, twice), "log_variance": (N * living, 18**0.5)}
    for name in squares.keys() & found.keys():
        profile, (n, second) = found[name], squares[name]
        expected[name] = tails.square_skewness(profile.values, profile.errors, n, second)
    if kind == "forward":  # of a quarter of the units
        expected["activation_mean"] = 2 * tails.root_skewness(expected["second_moment"], N)
    for name, skewness in expected.items():
        np.testing.assert_allclose(found[name].skewness, skewness, rtol=1e-8, err_msg=name)
    assert found["dead"].skewness is None
    assert set(found) == {*expected, "dead"}


def test_backward_is_estimated_as_forward_is(sample):
    sums, pivots = summed(*sample), sample[3]
    forward, backward = statistics.forward_profiles(sums, pivots, N), statistics.backward_profiles(sums, pivots, N)
    twins = {"gradient_variance": "variance", "weight_gradient_variance": "second_moment"}
    for name, profile in backward.items():
        twin = forward[twins.get(name, name)]
        np.testing.assert_array_equal([profile.values, profile.errors], [twin.values, twin.errors], err_msg=name)
        assert profile.origin == "simulation"


def test_the_last_row_of_a_chains_gradients_is_the_inputs(sample):
    sums, pivots = (np.concatenate([rows, rows[:1]]) for rows in (summed(*sample), sample[3]))
    backward, found = statistics.backward_profiles(sums, pivots, N), statistics.chain_gradients(sums, pivots, N)
    assert set(found) == {*backward, "input_gradient_variance"}
    at_input = found.pop("input_gradient_variance")
    assert at_input.names == ("input",)
    last = backward["gradient_variance"]
    assert (len(at_input), len(last)) == (1, 3)
    np.testing.assert_array_equal([at_input.values, at_input.errors], [last.values[2:], last.errors[2:]])
    for name, profile in found.items():
        whole = backward[name]
        np.testing.assert_array_equal([profile.values, profile.errors], [whole.values[:2], whole.errors[:2]])


def test_no_network_alive_has_no_logarithm_and_warns_of_nothing():
    dead = np.zeros((N, 1))
    found = statistics.forward_profiles(summed(dead, dead, dead, np.array([[1.0, 0, 1, 0, 0]])), np.eye(1, 5), N)
    assert found["dead"].values == 1
    assert np.isnan(found["log_mean"].values)
    assert np.isnan(found["kurtosis"].values)
    assert found["variance"].values == found["variance"].errors == 0


def pair_sums(x, y, p, pivots):
    """Return the sums (L, 39) that `kernels.tally_pair` makes of mean z^2, z'^2 and z z', each (networks, L)."""
    first, second = (pivots[:, i] * 2.0 ** pivots[:, i + 1] for i in (0, 2))
    rest = p / np.sqrt(first * second) - 0.5 * (x / first + y / second)
    x, y, cosine = x / first - pivots[:, 4], y / second - pivots[:, 4], p / np.sqrt(x * y)
    orders = [k for power in (1, 2, 3, 4) for k in itertools.combinations_with_replacement((x, y, rest), power)]
    products = [np.prod(factors, axis=0).sum(0) for factors in orders]
    return np.array([*products, np.full(x.shape[1], len(x)), *powers(1 - cosine)]).T


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_pair_is_estimated_by_the_textbook(side):
    rng = np.random.default_rng(6)
    x, y = rng.lognormal(0.1, 0.4, (2, N, 2)) * np.array([[1.0, 3.0], [2.0, 5.0]])[:, None]
    cosine = side * rng.beta(6.0, 2.0, x.shape)
    p = cosine * np.sqrt(x * y)
    pivots = np.array([[1.1, 0.0, 0.9, 1.0, 1.0], [1.3, 1.0, 1.2, 2.0, 1.0]])
    found = statistics.pair_profiles(pair_sums(x, y, p, pivots), pivots, N)

    size = np.sqrt(x.mean(0) * y.mean(0))
    correlation = p.mean(0) / size
    moved = p / size - correlation * (x / x.mean(0) + y / y.mean(0)) / 2
    variance = cosine.var(0, ddof=1)
    expected = {
        "correlation": (correlation, spread_of(moved), 3 / N),
        "cosine": (cosine.mean(0), np.sqrt(variance / N), 1e-9),
        "cosine_variance": (variance, spread_of((cosine - cosine.mean(0)) ** 2), 3 / N),
    }
    for name, (values, errors, rtol) in expected.items():
        np.testing.assert_allclose(found[name].values, values, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(found[name].errors, errors, rtol=rtol, err_msg=name)
        assert found[name].origin == "simulation"
    sizes = (x / x.mean(0) + y / y.mean(0)) / 2
    for name, terms, with_size in (("correlation", -moved, mean_product(-moved, sizes)), ("cosine", 1 - cosine, 0.0)):
        terms = terms - terms.mean(0)
        moments = terms.var(0, ddof=1), (terms**3).mean(0), (terms**4).mean(0)
        expected = tails.ratio_skewness(found[name].values, found[name].errors, *moments, with_size, N)
        np.testing.assert_allclose(found[name].skewness, expected, rtol=1e-7)
        assert (np.abs(expected) > 1e-3).all()
    spread = variance / (1 - np.abs(cosine.mean(0))) ** 2
    of_squares = np.fmax(tails.lognormal_skewness((1 + spread) ** 4 - 1), 18**0.5)
    profile = found["cosine_variance"]
    most = tails.square_skewness(profile.values, profile.errors, N, of_squares)
    np.testing.assert_allclose(profile.skewness, most, rtol=1e-8)


def mean_product(u, v):
    """Return the covariance of two samples over networks, (networks, L)."""
    return ((u - u.mean(0)) * (v - v.mean(0))).sum(0) / (len(u) - 1)


def test_equal_inputs_have_a_correlation_of_one_and_no_error():
    x = np.random.default_rng(7).lognormal(0.0, 0.5, (N, 1))
    found = statistics.pair_profiles(
        pair_sums(x, x, x, np.array([[1.0, 0, 1, 0, 1]])), np.array([[1.0, 0, 1, 0, 1]]), N
    )
    assert found["correlation"].values == found["cosine"].values == 1
    assert found["correlation"].errors < 1e-9


def place_sums(sample, rng):
    """Return sums of two places and two positions, their means behind them, and the samples (networks, 6)."""
    q, z4, a2, pivots = (
        np.concatenate([part] * 2, axis=-1 if part.ndim == 2 and len(part) == N else 0) for part in sample
    )
    mean = [np.stack([part[:, :2].mean(1), part[:, 2:].mean(1)], axis=1) for part in (q, z4, a2)]
    rows = [np.concatenate(parts, axis=1) for parts in zip((q, z4, a2), mean, strict=True)]
    pivots = np.concatenate([pivots, pivots[:2]])
    a, cosine = rng.normal(0.4, 1.0, (2, N, 6))
    more = [np.full(6, N), cosine.sum(0), (cosine * cosine).sum(0)]
    size = np.sqrt(pivots[:, 2] * 2.0 ** pivots[:, 3])
    return np.concatenate([summed(*rows, pivots, a * size), np.array(more).T], axis=1), pivots, rows, a, cosine


NAMES = ("dense 1", "block 2")


def test_places_have_a_value_each_and_one_a_position(sample):
    sums, pivots, rows, a, cosine = place_sums(sample, np.random.default_rng(8))
    found = statistics.place_profiles(sums, pivots, N, NAMES, 2)
    size = np.sqrt(pivots[:, 2] * 2.0 ** pivots[:, 3])
    a = a * size
    expected = {
        "variance": rows[0],
        "second_moment": rows[2],
        "activation_mean": a,
        "cosine": cosine,
    }
    for name, x in expected.items():
        each = x[:, :4].mean(0).reshape(2, 2)
        profile = found[name]
        np.testing.assert_allclose(profile.values, each.mean(1), rtol=1e-9, err_msg=name)
        error = x.std(0, ddof=1) / np.sqrt(N)
        np.testing.assert_allclose(profile.errors, error[4:], rtol=1e-8, err_msg=name)  # that of the mean itself
        np.testing.assert_allclose(profile.by_position[0], each, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(profile.by_position[1], error[:4].reshape(2, 2), rtol=1e-8, err_msg=name)
        assert profile.names == NAMES
        assert profile.origin == "simulation"
    plain = statistics.forward_profiles(sums[:, :20], pivots, N)
    for name in ("fluctuation", "log_mean", "dead"):
        each = plain[name].errors[:4].reshape(2, 2)
        np.testing.assert_allclose(found[name].errors, each.mean(1), rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(found["variance"].skewness, plain["variance"].skewness[:, 4:])
    least, most = plain["fluctuation"].skewness[:, :4].reshape(2, 2, 2)
    np.testing.assert_array_equal(found["fluctuation"].skewness, [least.min(1), most.max(1)])
    assert found["dead"].skewness is None
    each = cosine.mean(0), cosine.std(0, ddof=1) / np.sqrt(N)
    expected = tails.cosine_skewness(*each, np.full(6, N))
    np.testing.assert_allclose(found["cosine"].skewness, expected[:, 4:], rtol=1e-7)
    roots = 2 * tails.root_skewness(plain["second_moment"].skewness, N)
    np.testing.assert_array_equal(found["activation_mean"].skewness, roots[:, 4:])


def test_gradients_of_places_have_the_error_of_their_mean(sample):
    sums, pivots, rows, *_ = place_sums(sample, np.random.default_rng(11))
    found = statistics.place_gradients(sums, pivots, N, NAMES, 2)
    for name, x in (("gradient_variance", rows[0]), ("weight_gradient_variance", rows[2])):
        np.testing.assert_allclose(found[name].values, x[:, 4:].mean(0), rtol=1e-9)
        np.testing.assert_allclose(found[name].errors, x[:, 4:].std(0, ddof=1) / np.sqrt(N), rtol=1e-8)


def test_places_without_a_pair_that_is_alive_have_no_cosine(sample):
    sums, pivots, *_ = place_sums(sample, np.random.default_rng(12))
    sums[0, -3:] = 0.0
    found = statistics.place_profiles(sums, pivots, N, NAMES, 2)["cosine"]
    np.testing.assert_array_equal(np.isnan(found.values), [True, False])


def test_one_position_is_its_own_mean(sample):
    sums, pivots, *_ = place_sums(sample, np.random.default_rng(9))
    sums, pivots = sums[:2], pivots[:2]
    found = statistics.place_profiles(sums, pivots, N, NAMES, 1)
    plain = statistics.forward_profiles(sums[:, :20], pivots, N)
    assert "cosine" not in found
    for name, profile in plain.items():
        np.testing.assert_array_equal(found[name].values, profile.values, err_msg=name)
        np.testing.assert_array_equal(found[name].errors, profile.errors, err_msg=name)
        if profile.skewness is not None:
            np.testing.assert_array_equal(found[name].skewness, profile.skewness, err_msg=name)
    gradients = statistics.place_gradients(sums, pivots, N, NAMES, 1)
    plain = statistics.backward_profiles(sums[:, :20], pivots, N)
    assert set(gradients) == set(plain)
    for name, profile in plain.items():
        np.testing.assert_array_equal(gradients[name].values, profile.values, err_msg=name)
        np.testing.assert_array_equal(gradients[name].by_position[0][:, 0], profile.values, err_msg=name)
        assert gradients[name].names == NAMES


def test_products_are_means_and_their_errors():
    products = np.random.default_rng(10).normal(1.0, 2.0, (N, 3, 2, 2))
    sums = np.concatenate([part.sum(0).reshape(3, 4) for part in (products, products**2)], axis=1)
    values, errors = statistics.gram_estimates(sums, N)
    np.testing.assert_allclose(values, products.mean(0), rtol=1e-12)
    np.testing.assert_allclose(errors, products.std(0, ddof=1) / np.sqrt(N), rtol=1e-9)
    same = np.full((N, 1, 1, 1), 0.1)  # rounding makes its variance negative
    sums = np.concatenate([part.sum(0).reshape(1, 1) for part in (same, same**2 * (1 - 1e-13))], axis=1)
    assert statistics.gram_estimates(sums, N)[1] == 0
    found = statistics.gram_estimates(np.array([[1e200, np.inf]]), N)
    assert found[0] == 1e200 / N
    assert not np.isfinite(found[1])


def test_a_law_is_counted_up_from_its_first_edge():
    """A network of zeros, two below, then 0, 3, 0, 4 and 0 in bins from -1.5 on, and none above; empty ends are cut."""
    counts = np.array([[1.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 0.0], [0.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    layer, empty = statistics.law_layers(counts, np.array([[-1.5, 0.5, 0.0], [3.0, 2.0, 0.0]]), 10)
    np.testing.assert_array_equal(layer.edges, [-1.0, -0.5, 0.0, 0.5])
    np.testing.assert_allclose(layer.cumulative, [0.3, 0.6, 0.6, 1.0])
    spread = np.array([0.21, 0.24, 0.24, 0.1])  # at the end what one network in ten may be
    np.testing.assert_allclose(layer.errors, np.sqrt(spread / 10))
    assert (layer.zero, empty.zero) == (0.1, 0.0)
    (full,) = statistics.law_layers(np.array([[0.0, 0.0, 2.0, 1.0, 3.0, 4.0, 0.0]]), np.array([[0.0, 1.0, 0.0]]), 10)
    np.testing.assert_array_equal(full.edges, [0.0, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(full.cumulative, [0.0, 0.2, 0.3, 0.6, 1.0])
    np.testing.assert_array_equal(empty.edges, [3.0, 5.0])
    np.testing.assert_allclose(empty.cumulative, [1.0, 1.0])


def test_moments_of_z_are_estimated_by_the_textbook():
    """From powers of what each network has over that power of the pivot, less what a Gaussian has there."""
    rng = np.random.default_rng(3)
    pivots = np.zeros((2, len(PIVOTS.names)))
    pivots[:] = [[1.5, 3.0, 1.0, 0.0, 1.0], [0.7, -2.0, 1.0, 0.0, 0.0]]
    size, offset = np.array([12.0, 0.175]), pivots[:, 4]
    held, exact = [], {}
    for power, gaussian in ((4, 3), (6, 15)):
        own = rng.gamma(3.0, size=(N, 2)) * gaussian
        deviations = own - offset * gaussian
        held.append(np.stack([(deviations**k).sum(axis=0) for k in (1, 2, 3, 4)], axis=1))
        exact[power] = own * size ** (power // 2)
    found = statistics._high_moments(np.concatenate(held, axis=1), pivots, N, 6)
    assert list(found) == [MOMENTS[4], MOMENTS[6]]
    for power, own in exact.items():
        profile = found[MOMENTS[power]]
        np.testing.assert_allclose(profile.values, own.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(profile.errors, own.std(axis=0, ddof=1) / np.sqrt(N), rtol=1e-9)
        off = own - own.mean(axis=0)
        skewness = (off**3).mean(axis=0) / own.var(axis=0) ** 1.5 / np.sqrt(N)
        np.testing.assert_allclose(profile.skewness[0], skewness, rtol=0.01)
        relative = own.var(axis=0, ddof=1) / own.mean(axis=0) ** 2
        expected = tails.mean_skewness(*centred(own), N, tails.lognormal_skewness(relative))
        np.testing.assert_allclose(profile.skewness, expected, rtol=1e-9)
    assert statistics._high_moments(np.zeros((2, 0)), pivots, N, None) == {}
    exploded = pivots.copy()
    exploded[:, 1] = 5000.0
    beyond = statistics._high_moments(np.concatenate(held, axis=1), exploded, N, 6)
    assert np.isinf([profile.values for profile in beyond.values()]).all()
    both = np.concatenate([rng.gamma(2.0, size=(2, len(LAYER.names))) * N, *held], axis=1)
    of_places = np.concatenate([both[:, : len(LAYER.names)], np.zeros((2, 3)), *held], axis=1)
    for record in (
        statistics.forward_profiles(both, pivots, N, 6),
        statistics.place_profiles(of_places, pivots, N, ("a", "b"), 1, 6),
    ):
        for name, profile in found.items():
            np.testing.assert_array_equal(record[name].values, profile.values)
