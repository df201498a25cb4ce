import numpy as np
import pytest
import reference
from evidence import Estimate, assert_agree, assert_rejected, fresh_seed, needs_compiler, quick, score

from varprop import Activation, Network, simulate
from varprop.activations import NAMES
from varprop.kernels import LANES, streams
from varprop.kernels.layer import RECORD_FIELDS
from varprop.kernels.tally_pair import ALIVE, COLUMNS, E1, add_cosines

FIELDS = ("correlation", "cosine", "cosine_variance")
INPUTS = np.array([[0.5, -2.0, 1.0], [1.0, 1.0, 0.25]])


def arrays(record):
    return np.array([[p.values, p.errors] for p in record.profiles.values()])


def difference(one, other, field):
    return score(getattr(one, field), getattr(other, field), 1e-6)  # behind one unit cosines are 1 to float32


def estimates(z, z2):
    """Return correlation, mean cosine and its variance from preactivations, a list over layers of (networks, n)."""
    found = []
    for u, v in zip(z, z2, strict=True):
        x, y, p = np.mean(u * u, axis=1), np.mean(v * v, axis=1), np.mean(u * v, axis=1)
        cosine = p / np.sqrt(x * y)
        found.append((p.mean() / np.sqrt(x.mean() * y.mean()), np.nanmean(cosine), np.nanvar(cosine, ddof=1)))
    return np.array(found)


def by_hand(network, seed, k, method):
    """Return z and z' of each layer of network ``k``, from the definition."""
    a, a2, out = *INPUTS, []
    for l, layer in enumerate(network.layers, 1):
        v, b = layer.weight_variance, layer.bias_variance

        node = 2 * l - 1  # an activation lies between each two

        def draws(purpose, node=node, start=0, n=layer.fan_out):
            return np.array([reference.normal(seed, k, 16 * node + purpose, start + i) for i in range(n)])

        if method == "dense":
            padded, stream = -(-layer.fan_in // 4) * 4, 16 * node + streams.WEIGHTS
            w = [
                [reference.normal(seed, k, stream, i * padded + j) for j in range(layer.fan_in)]
                for i in range(layer.fan_out)
            ]
            bias = np.sqrt(b) * draws(streams.DENSE_BIAS)
            z, z2 = (np.sqrt(v) * np.array(w) @ x + bias for x in (a, a2))
        else:
            x, y, p = v * (a @ a) + b, v * (a2 @ a2) + b, v * (a @ a2) + b
            c = p / np.sqrt(x * y)
            first, second = draws(streams.CONDITIONAL), draws(streams.CONDITIONAL, start=-(-layer.fan_out // 4) * 4)
            z, z2 = np.sqrt(x) * first, np.sqrt(y) * (c * first + np.sqrt(1 - c * c) * second)
        out.append((z, z2))
        a, a2 = layer.activation.phi(z), layer.activation.phi(z2)
    return out


@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("name", ["relu", "tanh", "softplus"])
def test_kernels_are_the_definition(method, name):
    network, seed = Network([3, 5, 4, 2], name, multiplier=1.3, bias_variance=[0.2, 0, 0.1]), 2**63 + 12345
    measured = simulate.pair(network, inputs=INPUTS, networks=9, seed=seed, method=method)
    passed = [by_hand(network, seed, k, method) for k in range(9)]
    z, z2 = ([np.array([p[l][i] for p in passed]) for l in range(3)] for i in range(2))
    expected = estimates(z, z2)
    for i, field in enumerate(FIELDS):
        np.testing.assert_allclose(getattr(measured, field).values, expected[:, i], rtol=2e-5, atol=2e-6)
    u, v = INPUTS
    assert measured.input_correlation == pytest.approx(u @ v / np.sqrt((u @ u) * (v @ v)))


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_threads_and_blocks_change_no_bit(method):
    network = Network([4, 5, 3], "tanh", bias_variance=0.1)
    settings = [{"threads": 1}, {"threads": 2, "block_size": 1}, {"block_size": 3 * LANES, "threads": 3}]
    runs = [arrays(simulate.pair(network, 0.3, networks=5 * LANES + 7, seed=5, method=method, **s)) for s in settings]
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_equal_and_opposite_inputs(method):
    same = simulate.pair(Network([3, 5, 4, 2], "tanh", bias_variance=0.1), 1.0, networks=50, method=method)
    np.testing.assert_allclose(same.correlation.values, 1.0, atol=1e-6)
    opposite = simulate.pair(Network([3, 5, 4, 2], "tanh"), -1.0, networks=50, method=method)
    np.testing.assert_allclose(opposite.cosine.values, -1.0, atol=1e-6)
    twice = simulate.pair(Network([2, 5, 4]), inputs=[[1.0, 2.0], [2.0, 4.0]], networks=50, method=method)
    np.testing.assert_allclose(twice.correlation.values, 1.0, atol=1e-6)


def test_a_dead_input_divides_nothing_by_nothing():
    """Python warns of 0 / 0 where compiled code does not; a dead lane must count for nothing in either."""
    record, sums = np.ones((RECORD_FIELDS, LANES)), np.empty(COLUMNS)
    record[3:], record[:3, 0] = 0.0, 0.0
    getattr(add_cosines, "py_func", add_cosines)(record, LANES, sums)
    assert (sums[ALIVE], sums[E1]) == (LANES - 1, 0.0)


def test_sizes_of_inputs_do_not_matter_to_relu():
    network = Network([3, 5, 4], "relu")
    unit = simulate.pair(network, inputs=INPUTS, networks=20)
    for scale in ([1e-74], [1e74], [[1e-74], [1e74]]):
        far = simulate.pair(network, inputs=INPUTS * np.array(scale), networks=20)
        np.testing.assert_allclose(arrays(far), arrays(unit), rtol=1e-6)


CASES = {
    "relu": (Network([3, 1, 8, 3], "relu", "he"), {"correlation": 0.3}),
    "tanh with biases": (
        Network([3, 8, 3, 2], "tanh", "lecun", multiplier=2, bias_variance=[0, 0.3, 0.1]),
        {"inputs": INPUTS},
    ),
    "gelu": (Network([2, 5, 5], "gelu", "he"), {"correlation": -0.5}),
}


@needs_compiler
@pytest.mark.parametrize("case", quick(*CASES, slow=["tanh with biases", "relu"].count))
def test_dense_and_conditional_agree(case):
    network, inputs = CASES[case]
    dense = simulate.pair(network, networks=200_000, seed=fresh_seed(), method="dense", **inputs)
    conditional = simulate.pair(network, networks=2_000_000, seed=fresh_seed(), method="conditional", **inputs)
    assert_agree([difference(dense, conditional, f) for f in FIELDS])
    biased = Network(network.widths, network.activation, network.weights, bias_variance=0.02)
    wrong = simulate.pair(biased, networks=2_000_000, seed=fresh_seed(), **inputs)
    assert_rejected([difference(dense, wrong, f) for f in FIELDS])


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("weights", ["he", "he_uniform", "he_truncated_normal", "he_orthogonal"])
def test_agrees_with_numpy_that_draws_every_weight(weights):
    network, networks, c = Network([2, 4, 3], "tanh", weights, bias_variance=[0.0, 0.2]), 20_000, 0.4
    rng = np.random.default_rng()
    z, z2 = [np.empty((networks, 4)), np.empty((networks, 3))], [np.empty((networks, 4)), np.empty((networks, 3))]
    for k in range(networks):
        x, y = rng.normal(size=(2, 2))
        a, a2 = x, c * x + np.sqrt(1 - c * c) * y
        for l, layer in enumerate(network.layers):
            w = reference.random_weights(rng, (layer.fan_out, layer.fan_in), layer.weight_variance, layer.distribution)
            b = rng.normal(0, np.sqrt(layer.bias_variance), layer.fan_out)
            z[l][k], z2[l][k] = w @ a + b, w @ a2 + b
            a, a2 = np.tanh(z[l][k]), np.tanh(z2[l][k])
    measured = simulate.pair(network, c, networks=1_000_000, seed=fresh_seed())
    batches = np.array([estimates([u[i::50] for u in z], [v[i::50] for v in z2]) for i in range(50)])
    whole, errors = estimates(z, z2), batches.std(0, ddof=1) / np.sqrt(50)
    scores = [score(Estimate(whole[:, i], errors[:, i]), getattr(measured, f)) for i, f in enumerate(FIELDS)]
    # fifty batches tell an error to a tenth of it, so scores have Student's tails: no more than 1.6 times normal ones
    assert_agree(np.array(scores) / 1.6)
    assert_rejected(score(Estimate(whole[:, 0] * 1.15, errors[:, 0]), measured.correlation))


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("layers", "factor"), [(200, 1e3), pytest.param(1000, 4.0, marks=pytest.mark.slow)])
def test_signals_beyond_float64_stay_cosines(name, layers, factor):
    for multiplier in (1 / factor, factor):
        network = Network([8] * (layers + 1), name, "he", multiplier=multiplier)
        for method in ("conditional", "dense"):
            measured = simulate.pair(network, 0.5, networks=LANES, seed=1, method=method)
            cosine = measured.cosine.values
            assert not np.isinf(cosine).any()
            assert np.all(np.abs(cosine[~np.isnan(cosine)]) <= 1)
            # far up these are relu, which dies at a width of 8
            assert np.isnan(cosine).sum() == 0 or name in ("relu", "hardtanh", "gelu", "silu", "mish", "softplus")


def test_a_users_own_function():
    """It is called, even where it names slopes, by which kernels know built-in functions."""
    mine = Activation("abs", np.abs, np.sign, kinks=(0.0,), slopes=(-1.0, 1.0))
    measured, expected = (
        simulate.pair(Network([3, 4, 2], f), 0.5, networks=20, method="dense") for f in (mine, "leaky_relu(-1)")
    )
    np.testing.assert_allclose(measured.correlation.values, expected.correlation.values, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "words", "change"),
    [
        (ValueError, "neither of correlation and inputs given", {"correlation": None}),
        (ValueError, "both of correlation and inputs given", {"inputs": INPUTS}),
        (ValueError, "correlation is 1.5; it must lie", {"correlation": 1.5}),
        (TypeError, "correlation is '0.5'", {"correlation": "0.5"}),
        (ValueError, "hold 1 rows; a pair is two", {"correlation": None, "inputs": INPUTS[0]}),
        (ValueError, "rescale them above 1e-75", {"correlation": None, "inputs": 1e-170 * INPUTS}),
        (ValueError, "input 2 is all zeros", {"correlation": None, "inputs": [[1.0, 2, 3], [0, 0, 0]]}),
        (ValueError, "needs normal weights here, and layer 1 has orthogonal", {"method": "conditional"}),
        (TypeError, "give networks=", {"networks": None}),
    ],
)
def test_bad_arguments(kind, words, change):
    weights = "orthogonal" if change.get("method") else "he"
    arguments = {"correlation": 0.5, "networks": 10, **change}
    with pytest.raises(kind, match=words):
        simulate.pair(Network([3, 4, 2], weights=weights), **arguments)
