import math
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import reference
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, needs_compiler, quick, score

from varprop import Activation, Network, compare, custom_activation, leaky_relu, simulate, theory
from varprop import progress as shown
from varprop.activations import NAMES, activation
from varprop.kernels import LANES, streams
from varprop.kernels.conditional import conditional
from varprop.kernels.dense import dense
from varprop.kernels.options import source_stamp
from varprop.kernels.tally import tally
from varprop.simulate import ensemble, memory, samplers
from varprop.sum_tree import SumTree

FIELDS = ("variance", "second_moment", "fluctuation", "kurtosis", "log_mean", "log_variance", "dead")


def arrays(record):
    return np.array([[p.values, p.errors] for p in record.profiles.values()])


def difference(one, other, field):
    return score(getattr(one, field), getattr(other, field))


# Kernels against the slow reference, number by number


def conditional_by_hand(network, seed, k, x_squared):
    """Return q-hat and the mean of a^2 of each layer of network ``k``, from the definition."""
    power, out = x_squared, []
    for l, layer in enumerate(network.layers, 1):
        q = layer.weight_variance * power + layer.bias_variance
        stream = 16 * l + streams.CONDITIONAL
        z = np.sqrt(q) * np.array([reference.normal(seed, k, stream, i) for i in range(layer.fan_out)])
        a = layer.activation.phi(z)
        power = np.sum(a**2)
        out.append((np.mean(z**2), np.mean(a**2), np.mean(z**4)))
    return np.array(out)


def dense_by_hand(network, seed, k, x):
    a, out = x, []
    for l, layer in enumerate(network.layers, 1):
        padded = -(-layer.fan_in // 4) * 4
        stream = 16 * l + streams.WEIGHTS
        draw = getattr(reference, layer.distribution)
        w = [[draw(seed, k, stream, i * padded + j) for j in range(layer.fan_in)] for i in range(layer.fan_out)]
        b = [reference.normal(seed, k, 16 * l + streams.DENSE_BIAS, i) for i in range(layer.fan_out)]
        z = np.sqrt(layer.weight_variance) * np.array(w) @ a + np.sqrt(layer.bias_variance) * np.array(b)
        a = layer.activation.phi(z)
        out.append((np.mean(z**2), np.mean(a**2), np.mean(z**4)))
    return np.array(out)


def by_hand(network, seed, x, networks, method):
    one = conditional_by_hand if method == "conditional" else dense_by_hand
    start = x @ x if method == "conditional" else x
    return np.array([one(network, seed, k, start) for k in range(networks)])


@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("name", ["relu", "tanh", "leaky_relu(0.3)", "softplus"])
def test_kernels_are_the_definition(method, name):
    network = Network([3, 5, 4, 2], name, ["he", "lecun", "glorot"], multiplier=1.3, bias_variance=[0.2, 0, 0.1])
    x, seed = np.array([0.5, -2.0, 1.0]), 2**63 + 12345
    measured = simulate.forward(network, x, networks=9, seed=seed, method=method)
    z2, a2, z4 = np.moveaxis(by_hand(network, seed, x, 9, method), 2, 0)
    np.testing.assert_allclose(measured.variance.values, z2.mean(0), rtol=3e-6)
    np.testing.assert_allclose(measured.variance.errors, z2.std(0, ddof=1) / 3, rtol=2e-5)
    np.testing.assert_allclose(measured.second_moment.values, a2.mean(0), rtol=3e-6)
    np.testing.assert_allclose(measured.fluctuation.values, z2.var(0, ddof=1) / z2.mean(0) ** 2, rtol=2e-5)
    np.testing.assert_allclose(measured.kurtosis.values, z4.mean(0) / z2.mean(0) ** 2, rtol=2e-5)
    np.testing.assert_allclose(measured.log_mean.values, np.log(z2).mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(measured.log_variance.values, np.log(z2).var(0, ddof=1), rtol=2e-5)
    np.testing.assert_allclose(measured.dead.values, (a2 == 0).mean(0))


@pytest.mark.parametrize("law", ["lecun_uniform", "lecun_truncated_normal"])
def test_dense_draws_the_law_it_is_told(law):
    network, x = Network([3, 5, 4, 2], "tanh", law), np.array([0.5, -2.0, 1.0])
    measured = simulate.forward(network, x, networks=5, seed=11)
    z2, a2, _ = np.moveaxis(by_hand(network, 11, x, 5, "dense"), 2, 0)
    np.testing.assert_allclose(measured.variance.values, z2.mean(0), rtol=3e-6)
    np.testing.assert_allclose(measured.second_moment.values, a2.mean(0), rtol=3e-6)


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_orthogonal_layers_keep_the_norm(method):
    """Square and widening layers keep |x|^2 exactly, a narrowing one its share of it."""
    network, x = Network([3, 3, 5, 5, 2], "linear", "orthogonal"), np.array([0.5, -2.0, 1.0])
    measured = simulate.forward(network, x, networks=20, method=method)
    kept = measured.variance.values * np.array([3, 5, 5, 2])
    np.testing.assert_allclose(kept[:3], x @ x, rtol=1e-6)
    assert np.all(measured.fluctuation.values[:3] < 1e-12)
    assert 0 < kept[3] < x @ x


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_orthogonal_layers_take_biases_and_rows(method):
    rows = np.array([[0.5, -2.0, 1.0], [0.0, 0.0, 0.0]])
    network = Network([3, 5, 5, 2], "relu", "he_orthogonal", bias_variance=[0.5, 0, 1.0])
    measured = simulate.forward(network, rows, networks=20, method=method)
    assert np.all(measured.variance.values > 0)


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_threads_and_blocks_change_no_bit(method):
    network = Network([4, 5, 3], "tanh", bias_variance=0.1)
    rows = np.random.default_rng(0).normal(size=(7, 4))
    settings = [{"threads": 1}, {"threads": 2}, {"block_size": np.uint64(1)}, {"block_size": 3 * LANES, "threads": 3}]
    results = [
        arrays(simulate.forward(network, rows, networks=5 * LANES + 7, seed=5, method=method, **s)) for s in settings
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    other = simulate.forward(network, rows, networks=5 * LANES + 7, seed=6, method=method)
    assert np.all(other.variance.values != results[0][0, 0])


# The two samplers, and a third that shares no code with them


CASES = {
    "relu": (Network([3, 1, 8, 3], "relu", "he"), None),
    "tanh with biases": (Network([5, 8, 3, 2], "tanh", "lecun", multiplier=2, bias_variance=[0, 0.3, 0.1]), None),
    "gelu on data": (Network([2, 5, 5], "gelu", "he"), np.array([[1.0, 0.2], [3.0, -1.0], [0.0, 0.1]])),
    "orthogonal": (Network([3, 5, 5, 2], "relu", "he_orthogonal", bias_variance=[0, 0.5, 0]), None),
    "orthogonal sin": (Network([6, 3, 4], "sin", "orthogonal"), np.array([1.0, 2.0, 0, 0, 0, -1.0])),
}


@needs_compiler
@pytest.mark.parametrize("case", quick(*CASES, slow=["relu", "orthogonal"].count))
def test_dense_and_conditional_agree(case):
    network, data = CASES[case]
    dense = simulate.forward(network, data, networks=200_000, seed=fresh_seed(), method="dense")
    conditional = simulate.forward(network, data, networks=2_000_000, seed=fresh_seed(), method="conditional")
    assert_agree([difference(dense, conditional, f) for f in FIELDS if f != "dead"])
    wrong = simulate.forward(
        Network(network.widths, network.activation, network.weights, multiplier=1.06, bias_variance=0.0),
        data,
        networks=2_000_000,
        seed=fresh_seed(),
    )
    assert_rejected([difference(dense, wrong, f) for f in FIELDS if f != "dead"])


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("weights", ["he", "he_uniform", "he_truncated_normal", "he_orthogonal"])
def test_dense_agrees_with_numpy_that_draws_every_weight(weights):
    network, networks = Network([2, 4, 3], "relu", weights, bias_variance=[0.0, 0.2]), 8_000
    layers = network.layers
    z2, z4, a2 = reference.forward(
        np.random.default_rng(),
        network.widths,
        [layer.weight_variance for layer in layers],
        [layer.activation.phi for layer in layers],
        networks,
        distributions=[layer.distribution for layer in layers],
        bias_variances=[layer.bias_variance for layer in layers],
    )
    measured = simulate.forward(network, networks=400_000, seed=fresh_seed(), method="dense")

    def z(sample, profile, scale=1.0):
        return score(mean_of(scale * sample), profile)

    pairs = [(z2, measured.variance), (a2, measured.second_moment), (np.log(z2), measured.log_mean)]
    assert_agree([z(sample, profile) for sample, profile in pairs])
    ratio = z4 / z2.mean(0) ** 2
    kurtosis = measured.kurtosis
    influence = ratio - 2 * ratio.mean(0) * (z2 / z2.mean(0) - 1)
    assert_agree(score(mean_of(influence), kurtosis))
    assert_rejected(z(z2, measured.variance, scale=1.4))


@needs_compiler
def test_death_and_its_share():
    network = Network([2, 1, 1, 3], "relu")
    for method in ("dense", "conditional"):
        measured = simulate.forward(network, networks=1_000_000, seed=fresh_seed(), method=method)
        assert_agree(score(measured.dead, [0.5, 0.75, 0.75]))
        assert_rejected(score(measured.dead, [0.49, 0.74, 0.74]))


def test_a_dead_network_is_no_error():
    measured = simulate.forward(Network([2, 3, 2]), np.zeros(2), networks=20)
    assert np.all(measured.variance.values == 0)
    assert np.all(measured.dead.values == 1)
    assert np.all(np.isnan(measured.log_mean.values))
    kept_up = simulate.forward(Network([2, 3, 2], "softplus"), np.zeros(2), networks=20)
    assert kept_up.variance.values[0] == 0
    assert kept_up.second_moment.values[0] == pytest.approx(math.log(2) ** 2)


# Vanishing and exploding


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("multiplier", [0.25, 4.0])
def test_a_thousand_layers_stay_finite_in_logarithms(name, multiplier):
    network = Network([8] * 1001, name, "he", multiplier=multiplier)
    for method in ("conditional", "dense"):
        measured = simulate.forward(network, networks=LANES, seed=1, method=method)
        logs = measured.log_mean.values
        alive = measured.dead.values < 1
        assert np.isfinite(logs[alive]).all()
        assert not np.isnan(measured.variance.values).any()
        if name == "linear":
            # ln q-hat of a linear net: one ln(chi2_8 / 8) and one ln(2 multiplier) a layer
            expected = 1000 * (math.log(2 * multiplier) - 0.130176689)
            assert logs[-1] == pytest.approx(expected, abs=6 * math.sqrt(1000 * 0.2838 / LANES))


@needs_compiler
@pytest.mark.parametrize("name", quick("tanh", "gelu", "silu", "elu", "softsign", slow=lambda name: name[-2:] == "lu"))
def test_vanishing_networks_vanish_as_theory_says(name):
    """Through 2^-40, 2^-128 and 2^-256, where the kernels change how they hold a scale."""
    network = Network([64] * 101, name, "he", multiplier=1 / 16)
    predicted = theory.forward(network)
    for method, networks in (("conditional", 4000), ("dense", 64)):
        measured = simulate.forward(network, networks=networks, seed=fresh_seed(), method=method)
        late = slice(40, None, 10)  # once phi is linear, the first order has no more errors to make
        growth = np.diff(measured.log_mean.values[late]) - np.diff(predicted.log_mean.values[late])
        error = np.sqrt(np.diff(predicted.log_variance.values[late]) / networks)
        assert np.abs(growth).max() < 0.02 + 6 * error.max()


def test_scales_far_from_one_are_those_near_one():
    """A positively homogeneous net scales exactly; a vanishing tanh is linear."""
    unit = simulate.forward(Network([3, 4, 2], "relu"), np.array([1.0, 2.0, 3.0]), networks=20)
    for scale in (2.0**-200, 2.0**200):
        far = simulate.forward(Network([3, 4, 2], "relu"), scale * np.array([1.0, 2.0, 3.0]), networks=20)
        np.testing.assert_allclose(far.variance.values, scale**2 * unit.variance.values, rtol=1e-12)
        np.testing.assert_allclose(far.kurtosis.values, unit.kurtosis.values, rtol=1e-9)
    linear = simulate.forward(Network([3, 4, 2], "linear"), np.array([1.0, 2.0, 3.0]), networks=20)
    for name in ("tanh", "erf", "sin", "softsign", "hardtanh", "elu"):
        slope = activation(name).dphi(np.zeros(1))[0]
        for k in (30, 40, 60, 64, 75, 88, 100, 130, 200, 240):
            far = simulate.forward(Network([3, 4, 2], name), 2.0**-k * np.array([1.0, 2.0, 3.0]), networks=20)
            expected = 4.0**-k * np.array([1, slope**2]) * linear.variance.values
            np.testing.assert_allclose(far.variance.values, expected, rtol=3e-6)


@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("exponent", [-10, -20, -30, 30])
def test_a_bias_after_a_signal_out_of_sight_is_as_large_as_it_is(method, exponent):
    """Beside what has vanished a bias is all there is, as behind a dead input; beside what explodes it is nothing."""
    multiplier = [10.0**exponent] * 13
    deep = Network([3] * 14, "linear", "lecun", multiplier=multiplier, bias_variance=[0] * 12 + [2.0])
    near, far = (simulate.forward(deep, x, networks=20, method=method) for x in (np.zeros(3), np.ones(3)))
    if exponent < 0:
        np.testing.assert_allclose(far.variance.values[-1], near.variance.values[-1], rtol=1e-12)
    else:
        plain = simulate.forward(Network([3] * 14, "linear", "lecun", multiplier=multiplier), np.ones(3), networks=20)
        assert far.log_mean.values[-1] > 13 * 0.9 * math.log(10.0**exponent)
        assert method == "dense" or far.log_mean.values[-1] == pytest.approx(plain.log_mean.values[-1], rel=1e-12)


# Data, functions of one's own, and being used by people


@needs_compiler
def test_rows_are_drawn_uniformly():
    rows = np.array([[1.0], [2.0], [4.0]])
    for method in ("conditional", "dense"):
        measured = simulate.forward(Network([1, 50], "linear", "lecun"), rows, networks=60_000, method=method)
        assert_agree(score(measured.variance, 7.0))
        assert_rejected(score(measured.variance, 7.0 * 1.06))


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_a_users_own_function(method):
    network = Network([3, 4, 2], custom_activation(lambda z: math.tanh(z), name="mine"))
    built_in = Network([3, 4, 2], "tanh")
    mine, theirs = (simulate.forward(n, networks=20, seed=3, method=method) for n in (network, built_in))
    np.testing.assert_allclose(mine.variance.values, theirs.variance.values, rtol=3e-6)


def test_a_users_own_function_that_names_its_slopes():
    absolute = Activation("abs", np.abs, np.sign, kinks=(0.0,), slopes=(-1.0, 1.0))
    mine, theirs = (
        simulate.forward(Network([3, 4, 4, 2], phi, "lecun"), networks=20, seed=3)
        for phi in (absolute, "leaky_relu(-1)")
    )
    np.testing.assert_allclose(arrays(mine), arrays(theirs), rtol=1e-5, atol=1e-7)


@needs_compiler
@pytest.mark.parametrize("phi", [np.tanh, math.tanh, numba.njit(lambda z: math.tanh(z))])
def test_functions_that_are_not_plain(phi):
    mine, theirs = (simulate.forward(Network([3, 4, 2], f), networks=20, seed=3) for f in (phi, "tanh"))
    np.testing.assert_allclose(mine.variance.values, theirs.variance.values, rtol=3e-6)


@needs_compiler
def test_a_change_in_any_kernel_file_makes_the_disk_cache_stale():
    for kernel in (conditional, dense, tally):
        assert kernel._cache._cache_file._source_stamp == source_stamp()
    assert len(source_stamp()) == 64


def test_one_function_named_in_two_layers_is_one():
    one, other = (simulate.forward(Network([4] * 4, phi), networks=10) for phi in (math.tanh, [math.tanh, math.tanh]))
    np.testing.assert_array_equal(arrays(one), arrays(other))


@needs_compiler
def test_a_relative_error_is_reached_and_said():
    network = Network([8, 16, 16], "relu")
    settings = [{"threads": 1}, {"threads": 2, "block_size": 100}]
    runs = [simulate.forward(network, relative_error=0.002, seed=4, **s) for s in settings]
    np.testing.assert_array_equal(arrays(runs[0]), arrays(runs[1]))
    measured = runs[0]
    assert measured.relative_error <= 0.002
    assert f"{measured.networks:,} networks" in str(measured)
    # the sample's own spread and theory's ask for about as many
    assert 0.8 < measured.networks / theory.networks_needed(network, 0.002) < 2.0
    capped = simulate.forward(network, relative_error=0.002, networks=10_000, seed=4)
    assert capped.networks == 10_000
    assert capped.relative_error > 0.002
    plain = simulate.forward(network, networks=measured.networks, seed=4)
    np.testing.assert_array_equal(arrays(plain), arrays(measured))


@pytest.mark.parametrize(
    ("kind", "words", "change"),
    [
        (TypeError, "give networks=", {"networks": None}),
        (ValueError, "relative_error is 0", {"relative_error": 0}),
        (TypeError, "relative_error is '1%'", {"relative_error": "1%"}),
        (ValueError, "networks is 0", {"networks": 0}),
        (ValueError, "networks is 1", {"networks": 1}),
        (TypeError, "networks is 10.0", {"networks": 10.0}),
        (ValueError, "seed is -1", {"seed": -1}),
        (TypeError, "seed is 'a'", {"seed": "a"}),
        (ValueError, "threads is 0", {"threads": 0}),
        (ValueError, "block_size is 0", {"block_size": 0}),
        (ValueError, "unknown method 'fast'; choose one of auto, conditional, dense", {"method": "fast"}),
        (ValueError, r"shape \(3,\)", {"inputs": np.ones(3)}),
        (TypeError, "varprop.Network", {"network": [2, 2]}),
        (ValueError, "too wide to be drawn", {"network": Network([2, 10**11])}),
        (ValueError, "too wide to be drawn", {"network": Network([10**6, 10**6]), "method": "dense"}),
        (
            ValueError,
            "uniform ones; use method='dense'",
            {"network": Network([2, 2], weights="he_uniform"), "method": "conditional"},
        ),
    ],
)
def test_bad_arguments(kind, words, change):
    arguments = {"network": Network([2, 2]), "networks": 10, **change}
    with pytest.raises(kind, match=words):
        simulate.forward(arguments.pop("network"), arguments.pop("inputs", None), **arguments)


def test_auto_takes_the_conditional_sampler_where_it_is_exact():
    assert samplers.choose_method(Network([2, 2]), "auto") == "conditional"
    assert samplers.choose_method(Network([2, 2], weights="orthogonal"), "auto") == "conditional"
    assert samplers.choose_method(Network([2, 2], weights="he_uniform"), "auto") == "dense"


@needs_compiler
def test_memory_does_not_grow_with_networks():
    network, peaks = Network([3, 4, 2]), []
    for networks in (100_000, 3_000_000):
        tracemalloc.start()
        simulate.forward(network, networks=networks, block_size=20_000, threads=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_a_bar_shows_on_request(capsys, monkeypatch):
    monkeypatch.setattr(shown, "SHOW_AFTER", 0.0)
    simulate.forward(Network([2, 3]), networks=5 * LANES, block_size=LANES, progress=True)
    assert "320/320" in capsys.readouterr().err
    simulate.forward(Network([2, 3]), networks=5 * LANES, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("progress", [None, True])
def test_a_notebook_shows_progress_as_text(capsys, monkeypatch, progress):
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    displayed = []

    def display(text, *, raw, display_id):
        displayed.append(text["text/plain"])
        return SimpleNamespace(update=lambda text, raw: displayed.append(text["text/plain"]))

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(shown, "SHOW_AFTER", 0.0)
    simulate.forward(Network([2, 3]), networks=5 * LANES, block_size=LANES, progress=progress)
    assert re.fullmatch(r"networks [█░]+ \d+ of 320", displayed[0])
    assert displayed[-1].endswith(" 320 of 320")
    said = ""
    capsys.readouterr()
    with shown.says_when_slow("compiling ...", progress):
        for _ in range(600):
            said += capsys.readouterr().err
            if said:
                break
            time.sleep(0.05)
    assert said == "varprop: compiling ...\n"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # imported, not in charge
    simulate.forward(Network([2, 3]), networks=5 * LANES)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@needs_compiler
@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_ends_a_long_run():
    code = (
        "import signal\n"
        "from varprop import Network, simulate\n"
        # A shell's background jobs, and their children, ignore Ctrl-C until they ask for it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "simulate.forward(Network([64] * 9), networks=1000)\n"
        "print('ready', flush=True)\n"
        "simulate.forward(Network([1024] * 9), networks=10**9, method='dense')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            time.sleep(1.0)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=300)  # the run itself would take years
        finally:
            child.kill()
    assert child.returncode != 0
    assert "KeyboardInterrupt" in errors


def test_a_failure_in_the_first_block_ends_the_run():
    def fails(first, records, stop):
        if len(records):
            raise MemoryError("as a sampler might")

    crew = ensemble.Here(ensemble.Plan(fails, 2, ensemble.MOMENTS, 1, 0), 2, LANES)
    with pytest.raises(MemoryError, match="as a sampler might"):
        ensemble.run(crew, SumTree(), lambda tree: 10 * LANES)


@needs_compiler
@pytest.mark.parametrize("slope", [1e-12, 1e12, -1e-12])
def test_extreme_slopes_are_carried(slope):
    network = Network([3, 2, 2, 2], leaky_relu(slope), "lecun")
    found, right = simulate.forward(network, networks=20_000, seed=fresh_seed()), theory.forward(network)
    for quantity in ("log_mean", "dead"):
        assert compare(found, right, quantity=quantity).agrees
    assert (found.dead.values == 0).all()


@pytest.mark.parametrize("slope", [1e-100, 1e-160, -1e-13, 1e19, 1e80])
def test_slopes_beyond_float32_are_refused_at_the_door(slope):
    with pytest.raises(ValueError, match="must be 0, or from 1e-12 to 1e12"):
        leaky_relu(slope)


def test_memory_beyond_the_machine_is_refused_before_it_is_spent(monkeypatch, capsys):
    network = Network([10**6] * 3, "tanh", "lecun")
    each = memory.bytes_per_thread(network, "conditional", backward=True)
    assert each == 4 * 64 * 6 * 10**6
    monkeypatch.setattr(memory, "machine_bytes", lambda: 2 * 10**9)
    with pytest.raises(ValueError, match=r"takes 3.07 GB of memory, 1.54 GB a thread, .* has 2 GB; threads=1 fit"):
        simulate.backward(network, networks=1000, threads=2)
    memory.check_memory(each, 1, 1000, say=True)
    assert "this takes 1.54 GB of memory" in capsys.readouterr().err
    assert memory.bytes_per_thread(network, "conditional") == 0
