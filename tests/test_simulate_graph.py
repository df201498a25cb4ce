"""Networks of any layers, drawn by kernels: against weights drawn in NumPy, one method against the other; limits."""

import drawn_graph
import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler, quick

from varprop import Network, VarianceScaling, compare, simulate, theory
from varprop.graph import INPUT
from varprop.kernels import LANES
from varprop.layers import LAYERS, Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm
from varprop.simulate.program import Program

NETWORKS = {
    "pre-norm": (
        Dense(5, "lecun", bias_variance=0.3),
        Residual(LayerNorm(eps=0.05), Dense(7, "he"), "relu", Dense(5, "lecun"), scale=0.8),
        RMSNorm(),
        Dense(3, "lecun"),
    ),
    "post-norm": (Residual(Dense(6), "tanh", Dense(6, "lecun")), LayerNorm(), Dense(4, "glorot", bias_variance=0.1)),
    "gated": (Residual(RMSNorm(0.01), Gate(5, "silu", "lecun", bias_variance=0.1), Dense(6, "lecun")), Dense(2)),
    "dropped": (
        Dense(6, "he"),
        Residual(Dense(6, "he"), "relu", Dropout(0.3), Dense(6), drop=0.25),
        "relu",
        Dropout(0.2),
        Dense(3),
    ),
    "shortcut": (
        Residual(Dense(4), "gelu", Dense(5), shortcut=Dense(5, "lecun"), skip=0.7),
        "erf",
        Dense(3, "he_uniform"),
    ),
}
WIDTH = 6


def network_of(name, positions=1):
    return Network.sequential(WIDTH, *NETWORKS[name], positions=positions)


def logs(x, power):
    """Return mean and standard error of (ln x)^power: the mean of x itself may be heavy tailed."""
    x = np.log(x[x > 0]) ** power
    return x.mean(), x.std(ddof=1) / np.sqrt(len(x))


def walked(network, networks, seed, method, *, signals=1, fresh=False):
    """Return (networks,) mean squares by (quantity, place), and functionals that join signal and gradient.

    ``fresh`` breaks the way back: it draws weights anew instead of those of the forward pass.
    """
    program = Program(network, None, signals, seed, method, "linear")
    stop, found = np.zeros(1, np.uint8), {}
    for _, walk, first in program.walks(0, -(-networks // LANES)):
        rows = (len(network.places) + 1) * (signals + (signals > 1))
        back = np.empty((walk.tiles, rows, 7, LANES))
        ahead = np.empty((walk.tiles, rows, 7, LANES))
        walk.forward(first, stop, ahead)
        if fresh:
            for kept in walk.kept:
                if hasattr(kept, "inverse"):
                    kept.inverse[:] = 0.0
                    kept.share[:] = 0.0
        walk.backward(first, stop, back)
        assert not back[:, len(network.places) * signals :][:, :signals, 2].any()  # the input has no weights
        for j, name in enumerate([*(place.name for place in network.places), "input"]):
            parts = {"variance": (ahead, 0, 3), "gradient_variance": (back, 0, 3)}
            parts["weight_gradient_variance"] = (back, 2, 4)
            for quantity, (records, field, exponent) in parts.items():
                some = records[:, j * signals : (j + 1) * signals]
                if name == "input" and quantity != "gradient_variance":
                    continue
                mean = (some[:, :, field] * 2.0 ** some[:, :, exponent]).mean(axis=1)
                found.setdefault((quantity, name), []).append(mean.ravel())
    found = {key: np.concatenate(parts)[:networks] for key, parts in found.items()}
    found = {key: value for key, value in found.items() if value.any()}  # a sum has no weights
    last = network.places[-1].name
    found["input_gradient_variance", "input"] = found.pop(("gradient_variance", "input"))
    found["joint", "input"] = found["input_gradient_variance", "input"] * found["variance", last]
    for place in network.places[:-1]:
        found["joint", place.name] = found["gradient_variance", place.name] * found["variance", last]
    return found


def scores(one, other, keys, power=1):
    found = []
    for key in keys:
        (a, da), (b, db) = logs(one[key], power), logs(other[key], power)
        found.append((a - b) / np.hypot(da, db))
    return np.array(found)


@needs_compiler
@pytest.mark.parametrize("positions", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_numpy_that_draws_every_weight(name, positions):
    network = network_of(name, positions)
    by_hand = drawn_graph.measure(np.random.default_rng(), network, 4_000, positions=positions)
    keys = [key for key in by_hand if key[0] != "cosine"]
    for method in ("conditional", "dense") if name != "shortcut" else ("auto", "dense"):
        drawn = walked(network, 20_000, fresh_seed(), method, signals=positions)
        assert_agree(scores(drawn, by_hand, keys))
    wrong = Network.sequential(WIDTH, *NETWORKS[name][:-1], Dense(3, "he", multiplier=2.0), positions=positions)
    last = network.places[-1].name
    assert_rejected(
        scores(walked(wrong, 20_000, fresh_seed(), "auto", signals=positions), by_hand, [("variance", last)])
    )


@needs_compiler
@pytest.mark.parametrize("positions", [1, 3])
def test_conditional_is_dense_jointly_and_fresh_weights_are_not(positions):
    network = network_of("pre-norm", positions)
    networks = 120_000 // positions
    dense = walked(network, networks, fresh_seed(), "dense", signals=positions)
    conditional = walked(network, networks, fresh_seed(), "conditional", signals=positions)
    assert_agree(scores(conditional, dense, dense))
    assert_agree(scores(conditional, dense, dense, 2))
    fresh = walked(network, networks, fresh_seed(), "conditional", signals=positions, fresh=True)
    assert_rejected(scores(fresh, dense, dense, 2))


@needs_compiler
@pytest.mark.parametrize("method", ["auto", "dense"])
@pytest.mark.parametrize("positions", [1, 3])
def test_threads_and_blocks_change_no_bit(method, positions):
    network = network_of("dropped", positions)
    settings = [{"threads": 1}, {"threads": 2, "block_size": 1}, {"block_size": 3 * LANES, "threads": 3}]
    options = {"networks": 20 * LANES + 7, "seed": 5, "method": method}
    for measured in (simulate.forward, simulate.backward):
        runs = [measured(network, **options, **s) for s in settings]
        for run in runs[1:]:
            for name, profile in run.profiles.items():
                np.testing.assert_array_equal(profile.values, runs[0].profiles[name].values)
                np.testing.assert_array_equal(profile.errors, runs[0].profiles[name].errors)


@needs_compiler
@pytest.mark.parametrize("multiplier", quick(0.25, 1.0, 4.0, slow=[0.25, 1.0].count))
def test_a_thousand_blocks_stay_finite(multiplier):
    block = Residual(Dense(8, "he", multiplier=multiplier), "relu", Dense(8, "he"))
    network = Network.sequential(8, *[block] * 1000, Dense(4))
    forward, backward = simulate.forward(network, networks=64), simulate.backward(network, networks=64)
    assert np.isfinite(forward.log_mean.values).all()
    assert np.isfinite(backward.log_mean.values).all()
    growth = np.diff(forward.log_mean.values[2:-1:3])
    assert abs(growth.mean() - np.log1p(2 * multiplier)) < 1.5


def test_equal_samples_stay_equal_and_close_ones_close():
    network = Network([8, 16, 8], "tanh", bias_variance=0.2)
    rows = np.random.default_rng().standard_normal((2, 8))
    gram = simulate.gram(network, [rows[0], rows[1], rows[0]], networks=200)
    for place in gram.names:
        matrix = gram.at(place)
        assert matrix[0, 0] == matrix[0, 2] == matrix[2, 2]
        np.testing.assert_array_equal(matrix, matrix.T)


@needs_compiler
@pytest.mark.parametrize("distance", [1e-2, 1e-6, 1e-9, 1e-12])
def test_one_less_the_correlation_keeps_its_digits(distance):
    network, networks = Network([64] * 4, "relu", "he"), 20_000
    measured = simulate.pair(network, 1 - distance, networks=networks, seed=fresh_seed())
    lost, error = 1 - measured.correlation.values, measured.correlation.errors
    exact = Network([64] * 4, "linear", "lecun")  # keeps angles on average
    assert (error < 0.01 * distance).all()
    assert abs(lost[0] / (1 - (1 - distance)) - 1) < 8 * error[0] / distance
    if distance < 1e-5:  # relu loses 1 - c only to a higher power of it
        assert_agree((lost / (1 - (1 - distance)) - 1) / np.hypot(error / distance, np.sqrt(distance)))
    kept = simulate.pair(exact, 1 - distance, networks=networks, seed=fresh_seed())
    assert_agree(((1 - kept.correlation.values) / (1 - (1 - distance)) - 1) * distance / kept.correlation.errors)


@needs_compiler
def test_grams_agree_with_theory():
    network = Network.sequential(3, Dense(400, "he"), "relu", Dense(400, "lecun"), positions=2)
    inputs = np.array([[[1.0, 0.0, 1.0], [0.0, 2.0, 1.0]], [[1.0, 1.0, 1.0], [-1.0, 0.5, 0.0]]])
    for backward in (False, True):
        measured = simulate.gram(network, inputs, networks=20_000, seed=fresh_seed(), backward=backward)
        expected = theory.gram(network, inputs, backward=backward)
        upper = np.triu_indices(4)
        z = ((measured.values - expected.values) / np.where(measured.errors > 0, measured.errors, 1.0))[:, *upper]
        bias = np.abs(expected.values)[:, *upper] / 400  # what infinite width leaves out
        keep = np.abs(z) * measured.errors[:, *upper] > 3 * bias
        assert_agree(np.where(keep, z, 0.0))


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("layer", LAYERS.values() if isinstance(LAYERS, dict) else LAYERS)
def test_every_layer_is_drawn_like_its_weights(layer):
    network = Network.sequential(8, Dense(8, "lecun"), layer.example, Dense(3, "lecun"))
    dense, conditional = (walked(network, 40_000, fresh_seed(), method) for method in ("dense", "conditional"))
    assert_agree(scores(conditional, dense, dense))


def test_a_function_of_ones_own():
    network = [
        Network.sequential(4, Residual(Dense(4), f, Dense(4)), Dense(2)) for f in (lambda z: np.maximum(z, 0), "relu")
    ]
    mine, built_in = (simulate.forward(n, networks=100) for n in network)
    np.testing.assert_allclose(mine.variance.values, built_in.variance.values, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "words", "change"),
    [
        (ValueError, "unknown method", {"method": "fast"}),
        (
            ValueError,
            "^method 'conditional' needs normal weights here, and block 1 / dense 1 has uniform ones; "
            "use method='dense', or 'auto' to have it chosen.$",
            {"method": "conditional"},
        ),
        (TypeError, "give networks=", {"networks": None}),
        (ValueError, "inputs have shape", {"inputs": np.ones((2, 5, 4))}),
    ],
)
def test_bad_arguments(kind, words, change):
    network = Network.sequential(4, Residual(Dense(4, "he_uniform"), "relu", Dense(4)), Dense(2), positions=3)
    with pytest.raises(kind, match=words):
        simulate.forward(network, **{"networks": 10, **change})


def test_a_program_counts_what_it_draws():
    network = Network.sequential(4, Dense(5, "he"), "relu", Dense(3, "he"))
    assert [instruction.number for instruction in Program(network, None, 1, 0, "auto").instructions] == [1, 2, 3]
    for method, draws in (("dense", 5 * 4 + 3 * 5), ("conditional", 5 + 3)):
        assert Program(network, None, 1, 0, method).draws == 4 + draws
        assert Program(network, None, 1, 0, method, "linear").draws == 2 * (4 + draws)
        assert Program(network, np.ones((1, 1, 4)), 1, 0, method).draws == draws
    wide = Network.sequential(4, Dense(2**32, "he"))
    with pytest.raises(ValueError, match="would take 1,099,511,627,776 bytes for its units"):
        Program(wide, None, 1, 0, "dense")


def test_an_input_and_the_gradient_at_the_output_are_drawn_apart():
    program = Program(Network.sequential(4, Dense(4, "he")), None, 1, fresh_seed(), "auto", "linear")
    ((_, walk, first),) = program.walks(0, 1)
    walk.forward(first, np.zeros(1, np.uint8))
    walk._loss(first, np.zeros(1, np.uint8))
    x, d = (block.units.ravel() for block in (walk.values[INPUT], walk.gradient))
    assert len(x) == len(d) == 4 * LANES
    assert np.mean(x == d) < 0.1


def test_tiles_that_are_walked_at_once_are_a_power_of_2_of_little_memory():
    """Up to 16, whose units take two MiB; one where they take more."""
    for width, tiles in ((4, 16), (700, 8), (1100, 4), (2**14, 1)):
        program = Program(Network.sequential(4, Dense(width, "he")), None, 1, 0, "auto")
        assert program.tiles == tiles, program.bytes_per_tile
        assert tiles == 1 or tiles * program.bytes_per_tile <= 2**21


@pytest.mark.parametrize(("fan_in", "most"), [(64, 16), (3, 1), (8, 2)])
def test_signals_are_drawn_conditionally_up_to_a_quarter_of_what_a_unit_reads(fan_in, most):
    network = Network.sequential(fan_in, Dense(5, "he"))

    def drawn(signals):
        return Program(network, np.ones((1, signals, fan_in)), signals, 0, "auto").draws

    assert [drawn(signals) for signals in (1, most, most + 1)] == [5, 5 * most, 5 * fan_in]


@pytest.mark.parametrize(
    ("fan_in", "width", "signals", "method"),
    [(2**17, 2**17, 1, "dense"), (2**18 - 3, 2**16, 1, "dense"), (1, 2**18 - 3, 2**16, "conditional")],
)
def test_a_layer_is_drawn_up_to_2_to_the_32_draws_of_four(fan_in, width, signals, method):
    def program(signals, width):
        return Program(Network.sequential(fan_in, Dense(width, "he")), None, signals, 0, method)

    with pytest.raises(ValueError, match="too wide to be drawn"):
        program(signals, width)
    assert program(signals - 1, width) if signals > 1 else program(1, width - 1)


def test_what_float32_loses_before_a_norm_is_lost_backward_too():
    """Where every gate is shut at e^-87, squares are 0: its value, times 10^44, must not come back in gradients."""
    gate = Gate(None, "sigmoid", VarianceScaling(1e88, "fan_in"))
    network = Network.sequential(3, gate, RMSNorm(), LayerNorm())
    program = Program(network, None, 1, 0, "auto", "linear")
    for _, walk, first in program.walks(0, 1):
        ahead, back = (np.empty((1, rows, 7, LANES)) for rows in (len(network.places), len(network.places) + 1))
        walk.forward(first, np.zeros(1, np.uint8), ahead)
        walk.backward(first, np.zeros(1, np.uint8), back)
        assert np.isfinite(ahead).all()
        assert np.isfinite(back).all()


@needs_compiler
def test_theory_and_simulation_are_compared_place_by_place():
    block = Residual(LayerNorm(0.0), Dense(16, "he"), "gelu", Dense(8, "lecun"))
    network = Network.sequential(8, Dense(8, "lecun"), *[block] * 2, Dense(4, "lecun"))
    measured = simulate.forward(network, networks=100_000, seed=fresh_seed())
    for quantity in ("variance", "fluctuation"):
        comparison = compare(measured, theory.forward(network), quantity=quantity)
        assert comparison.verdict == "agree", comparison
    assert "block 2 / dense 1" in str(comparison)
    wrong = Network.sequential(8, Dense(8, "lecun", multiplier=1.05), *[block] * 2, Dense(4, "lecun"))
    assert compare(measured, theory.forward(wrong)).verdict == "contradicted"
    back = simulate.backward(network, networks=100_000, seed=fresh_seed())
    assert back.input_gradient_variance.names == ("input",)
    assert np.isnan(back.weight_gradient_variance.values[3])  # a sum has no weights
