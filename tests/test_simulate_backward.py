import math

import numpy as np
import pytest
import reference
from evidence import Estimate, assert_agree, assert_rejected, fresh_seed, mean_of, needs_compiler, quick, score

from varprop import Activation, Network, custom_activation, simulate
from varprop.activations import NAMES, activation
from varprop.inputs import as_inputs
from varprop.kernels import LANES, streams
from varprop.kernels.layer import EXPONENT, RECORD_FIELDS, VARIANCE
from varprop.simulate import samplers

FIELDS = ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean", "log_variance")
WEIGHTED = np.array([1.0, -2.0])


def difference(one, other, field):
    return score(getattr(one, field), getattr(other, field))


# Kernels against the definition, number by number


def top(loss, z, seed, k, stream):
    if not isinstance(loss, str):
        return loss
    if loss == "linear":
        return np.array([reference.normal(seed, k, stream, i) for i in range(len(z))])
    if loss == "half_square":
        return z
    word = reference.philox4x32((0, stream, k, 0), (seed & 0xFFFFFFFF, seed >> 32))[0]
    return reference.softmax_gradient(z, (word * len(z)) >> 32)


def forward_by_hand(network, seed, k, x, method):
    """Return W a, z and a of every layer, and the weights if they are drawn."""
    a, weights, out = x, [], []
    for l, layer in enumerate(network.layers, 1):
        if method == "dense":
            padded, stream = -(-layer.fan_in // 4) * 4, 16 * l + streams.WEIGHTS
            shape = (layer.fan_out, layer.fan_in)
            w = [reference.normal(seed, k, stream, i * padded + j) for i in range(shape[0]) for j in range(shape[1])]
            weights.append(np.sqrt(layer.weight_variance) * np.reshape(w, shape))
            b = [reference.normal(seed, k, 16 * l + streams.DENSE_BIAS, i) for i in range(layer.fan_out)]
            z = weights[-1] @ a + np.sqrt(layer.bias_variance) * np.array(b)
        else:
            q = layer.weight_variance * (a @ a) + layer.bias_variance
            stream = 16 * l + streams.CONDITIONAL
            z = np.sqrt(q) * np.array([reference.normal(seed, k, stream, i) for i in range(layer.fan_out)])
        out.append((a, z))
        a = layer.activation.phi(z)
    return out, weights


def backward_by_hand(network, seed, k, x, loss, method):
    passed, weights = forward_by_hand(network, seed, k, x, method)
    delta = top(loss, passed[-1][1], seed, k, streams.LOSS if method == "conditional" else streams.DENSE_LOSS)
    found = []
    for l in range(network.depth, 0, -1):
        a, z = passed[l - 1]
        layer = network.layers[l - 1]
        found.append((np.mean(delta**2), np.mean(np.outer(delta, a) ** 2)))
        if l == 1:
            break
        if method == "dense":
            back = weights[l - 1].T @ delta
        else:
            q = layer.weight_variance * (a @ a) + layer.bias_variance
            rho = 1 - layer.bias_variance / q
            noise = reference.normal(seed, k, 16 * l + streams.GRADIENT_BIAS, 0)
            h_delta = rho * (z @ delta) + np.sqrt(rho * layer.bias_variance * (delta @ delta)) * noise
            g = np.array([reference.normal(seed, k, 16 * l + streams.GRADIENT, i) for i in range(layer.fan_in)])
            across = g - a * (a @ g) / (a @ a)
            back = a * h_delta / (a @ a) + np.sqrt(layer.weight_variance * (delta @ delta)) * across
        delta = network.layers[l - 2].activation.dphi(passed[l - 2][1]) * back
    return np.array(found[::-1])


@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("loss", ["linear", "half_square", "cross_entropy", WEIGHTED])
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_kernels_are_the_definition(method, loss, name):
    network = Network([3, 5, 4, 2], name, ["he", "lecun", "glorot"], multiplier=1.3, bias_variance=[0.2, 0, 0.1])
    x, seed = np.array([0.5, -2.0, 1.0]), 2**63 + 12345
    measured = simulate.backward(network, x, loss=loss, networks=9, seed=seed, method=method)
    by_hand = np.array([backward_by_hand(network, seed, k, x, loss, method) for k in range(9)])
    delta2, dw2 = np.moveaxis(by_hand, 2, 0)
    np.testing.assert_allclose(measured.gradient_variance.values, delta2.mean(0), rtol=1e-5)
    np.testing.assert_allclose(measured.weight_gradient_variance.values, dw2.mean(0), rtol=1e-5)
    logs = [np.log(column[column > 0]).mean() for column in delta2.T]  # a dead layer has no logarithm
    np.testing.assert_allclose(measured.log_mean.values, logs, rtol=1e-5, atol=1e-5)
    spread = delta2.var(0, ddof=1) / delta2.mean(0) ** 2
    np.testing.assert_allclose(measured.fluctuation.values, spread, rtol=5e-5, atol=1e-12)


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_orthogonal_layers_keep_the_gradients_norm(method):
    """Backwards, square and narrowing layers keep |delta|^2 exactly, a widening one its share of it."""
    network, v = Network([3, 4, 5, 5, 2], "linear", "orthogonal"), np.array([3.0, 4.0])
    measured = simulate.backward(network, np.ones(3), loss=v, networks=20, method=method)
    kept = measured.gradient_variance.values * np.array([4, 5, 5, 2])
    np.testing.assert_allclose(kept[1:], 25.0, rtol=1e-6)
    assert 0 < kept[0] < 25
    one = Network([1, 1, 1], "linear", "orthogonal")
    measured = simulate.backward(one, np.ones(1), loss=np.ones(1), networks=20, method=method)
    np.testing.assert_allclose(measured.gradient_variance.values, 1.0, rtol=1e-6)


@pytest.mark.parametrize("method", ["conditional", "dense"])
def test_threads_and_blocks_change_no_bit(method):
    network = Network([4, 5, 3], "tanh", bias_variance=0.1)
    settings = [{"threads": 1}, {"threads": 2, "block_size": 1}, {"block_size": 3 * LANES, "threads": 3}]
    runs = [simulate.backward(network, networks=5 * LANES + 7, seed=5, method=method, **s) for s in settings]
    for run in runs[1:]:
        for field in (*FIELDS, "dead"):
            np.testing.assert_array_equal(getattr(run, field).values, getattr(runs[0], field).values)
            np.testing.assert_array_equal(getattr(run, field).errors, getattr(runs[0], field).errors)


# The two samplers, and a third that shares no code with them

ROWS = np.array([[1.0, 0.2], [3.0, -1.0], [0.0, 0.1]])
CASES = {
    "relu and its outputs": (Network([3, 5, 8, 3], "relu", "he"), None, "half_square"),
    "narrow tanh with biases": (Network([2, 3, 1, 3, 2], "tanh", "he", bias_variance=[0, 0.3, 0.5, 0]), None, "linear"),
    "gelu on data": (Network([2, 5, 4], "gelu", "he"), ROWS, "cross_entropy"),
    "orthogonal": (
        Network([3, 5, 5, 2, 4], "tanh", "he_orthogonal", bias_variance=[0, 0.5, 0, 0.2]),
        None,
        "half_square",
    ),
}


@needs_compiler
@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.slow] * (c == "orthogonal")) for c in CASES])
def test_dense_and_conditional_agree(case):
    network, data, loss = CASES[case]
    dense = simulate.backward(network, data, loss=loss, networks=200_000, seed=fresh_seed(), method="dense")
    settings = {"loss": loss, "networks": 800_000, "method": "conditional"}
    conditional = simulate.backward(network, data, seed=fresh_seed(), **settings)
    # heavy tails spoil errors of second moments, so those are left to the logarithms
    fields = ("gradient_variance", "weight_gradient_variance", "log_mean", "log_variance")
    assert_agree([difference(dense, conditional, f) for f in fields])
    biased = Network(network.widths, network.activation, network.weights, multiplier=1.06)
    wrong = simulate.backward(biased, data, seed=fresh_seed(), **settings)
    assert_rejected([difference(dense, wrong, f) for f in fields])


def given(rng, z):
    return np.array([1.0, -2.0])


def half_square(rng, z):
    return z


def cross_entropy(rng, z):
    return reference.softmax_gradient(z, rng.integers(len(z)))


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize(
    ("name", "loss", "reference_loss"),
    [("tanh", WEIGHTED, given), ("relu", "half_square", half_square), ("softplus", "cross_entropy", cross_entropy)],
)
def test_agrees_with_numpy_that_draws_every_weight(method, name, loss, reference_loss):
    """And fresh weights on the way back are found out: the mistake of assuming independent gradients."""
    network = Network([2, 2, 3, 2], name, "he", bias_variance=[0.0, 0.2, 0.1])
    layers = network.layers
    measured = simulate.backward(network, loss=loss, networks=1_000_000, seed=fresh_seed(), method=method)

    def z(fresh, networks):
        samples = reference.backward(
            np.random.default_rng(),
            network.widths,
            [layer.weight_variance for layer in layers],
            [layer.activation.phi for layer in layers],
            [layer.activation.dphi for layer in layers],
            reference_loss,
            networks,
            bias_variances=[layer.bias_variance for layer in layers],
            fresh=fresh,
        )
        alive = samples[0] > 0
        logs = np.log(np.where(alive, samples[0], 1.0))
        count = alive.sum(0)
        mean = np.where(alive, logs, 0).sum(0) / count
        spread = np.sqrt(np.where(alive, (logs - mean) ** 2, 0).sum(0) / count**2)
        profiles = measured.gradient_variance, measured.weight_gradient_variance
        pairs = [(mean_of(sample), profile) for sample, profile in zip(samples, profiles, strict=True)]
        pairs.append((Estimate(mean, spread), measured.log_mean))
        return [score(found, profile, 1e-6 * np.abs(profile.values)) for found, profile in pairs]  # one is exact

    assert_agree(z(fresh=False, networks=15_000))
    assert_rejected(z(fresh=True, networks=45_000))  # at softplus, the hardest of the three, |z| is some 10 +- 1


def joint(network, v, networks, method):
    """Return q-hat^L d-hat^1 of each of many networks, and the product of their means."""
    found, seed, inputs = [], fresh_seed(), as_inputs(None, network.widths[0])
    forward = samplers.forward_sampler(network, inputs, seed, method)
    backward = samplers.backward_sampler(network, inputs, v, seed, method)
    for sample, l in ((forward, -1), (backward, 0)):
        records = np.empty((networks // LANES, network.depth, RECORD_FIELDS, LANES))
        sample(0, records, np.zeros(1, np.uint8))
        found.append(records[:, l, VARIANCE] * 2.0 ** records[:, l, EXPONENT])
    return (found[0] * found[1]).ravel(), found[0].mean() * found[1].mean()


@needs_compiler
@pytest.mark.parametrize("name", quick("relu", "linear", slow=["linear"].count))
def test_signal_and_gradient_hang_together(name):
    """With a fixed delta^L each marginal is right under fresh weights too; only joint functionals tell."""
    network, v = Network([4, 5, 6, 2], name, "lecun"), np.array([1.0, -2.0])
    (dense, _), (conditional, apart) = (joint(network, v, 1_000_000, method) for method in ("dense", "conditional"))
    assert_agree(score(mean_of(dense), mean_of(conditional)))
    assert_rejected(score(mean_of(conditional), apart))


@needs_compiler
def test_the_backward_pass_is_of_the_networks_that_forward_draws():
    network = Network([3, 6, 2], "tanh")
    forward = simulate.forward(network, networks=500, seed=9)
    backward = simulate.backward(network, loss="half_square", networks=500, seed=9)
    assert backward.gradient_variance.values[-1] == pytest.approx(forward.variance.values[-1], rel=1e-7)


@needs_compiler
def test_a_dead_layer_kills_the_gradient_by_every_weight():
    network = Network([2, 1, 2, 3], "relu")
    for method in ("dense", "conditional"):
        measured = simulate.backward(network, networks=1_000_000, seed=fresh_seed(), method=method)
        expected = 1 - (1 - 0.5) * (1 - 0.25)  # if any hidden layer is dead, all gradients by weights are 0
        assert_agree(score(measured.dead, expected))
        assert_rejected(score(measured.dead, expected + 0.01))


def test_at_zero_frameworks_take_zero():
    """A dead input: z = 0 in every layer, relu'(0) = 0, and linear passes everything."""
    for method in ("dense", "conditional"):
        dead = simulate.backward(Network([2, 3, 2]), np.zeros(2), networks=20, method=method)
        assert np.all(dead.gradient_variance.values[:1] == 0)
        assert np.all(dead.dead.values == 1)
        linear = simulate.backward(Network([2, 3, 2], "linear"), np.zeros(2), networks=20, method=method)
        assert np.all(linear.gradient_variance.values > 0)
        assert np.all(linear.dead.values == 1)


# Vanishing and exploding


@needs_compiler
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("multiplier", [0.25, 4.0])
def test_a_thousand_layers_stay_finite_in_logarithms(name, multiplier):
    network = Network([8] * 1001, name, "he", multiplier=multiplier)
    for method in ("conditional", "dense"):
        measured = simulate.backward(network, networks=LANES, seed=1, method=method)
        logs, alive = measured.log_mean.values, np.isfinite(measured.log_variance.values)
        assert np.isfinite(logs[alive]).all()
        assert alive[-1]
        # whatever is flat on one side, seen from far enough, loses whole layers, as relu does
        assert alive.all() or name in ("relu", "hardtanh", "gelu", "silu", "elu", "selu", "softplus", "mish")
        assert not np.isnan(measured.gradient_variance.values).any()
        if name == "linear":
            # ln |delta|^2 / 8 of a linear net: one ln(chi2_8 / 8) and one ln(2 multiplier) a layer
            expected = 999 * (math.log(2 * multiplier) - 0.130176689)
            assert logs[0] == pytest.approx(expected, abs=6 * math.sqrt(1000 * 0.2838 / LANES))


def test_scales_far_from_one_are_those_near_one():
    x, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, -2.0])
    for name in ("relu", "tanh"):
        network = Network([3, 4, 2], name)
        unit = simulate.backward(network, x, loss=v, networks=20)
        for scale in (2.0**-200, 2.0**200):
            far = simulate.backward(network, x, loss=scale * v, networks=20)
            np.testing.assert_allclose(
                far.gradient_variance.values, scale**2 * unit.gradient_variance.values, rtol=1e-6
            )
    far = simulate.backward(Network([3, 4, 2], "tanh"), 2.0**-200 * x, loss=v, networks=20)
    linear = simulate.backward(Network([3, 4, 2], "linear"), x, loss=v, networks=20)
    np.testing.assert_allclose(far.gradient_variance.values, linear.gradient_variance.values, rtol=1e-5)


def test_confident_outputs_keep_their_digits():
    """Logits of thousands saturate softmax: the gradient of a wrong label is 1, of the right one next to nothing."""
    network = Network([2, 2], "linear", multiplier=1e6)
    measured = simulate.backward(network, loss="cross_entropy", networks=2000)
    assert np.isfinite(measured.gradient_variance.values).all()
    assert measured.gradient_variance.values[0] == pytest.approx(0.5, abs=0.1)


# Being used by people


def test_a_users_own_function():
    """It is called, even where it names slopes, by which kernels know built-in functions."""
    mine = Activation("abs", np.abs, np.sign, kinks=(0.0,), slopes=(-1.0, 1.0))
    measured, expected = (
        simulate.backward(Network([3, 4, 2], f), networks=20, seed=3, method="conditional")
        for f in (mine, "leaky_relu(-1)")
    )
    np.testing.assert_allclose(measured.gradient_variance.values, expected.gradient_variance.values, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "words", "change"),
    [
        (TypeError, "give networks=", {"networks": None}),
        (ValueError, "unknown loss 'mse'; choose one of linear, half_square, cross_entropy", {"loss": "mse"}),
        (ValueError, r"loss has shape \(3,\)", {"loss": np.ones(3)}),
        (ValueError, "loss is nan in size", {"loss": np.array([np.nan, 1])}),
        (ValueError, "loss is 1e-170 in size", {"loss": np.array([1e-170, 0])}),
        (TypeError, "real numbers", {"loss": None}),
        (ValueError, "seed is -1", {"seed": -1}),
        (ValueError, "uniform ones; use method='dense'", {"weights": "he_uniform", "method": "conditional"}),
        (ValueError, "activation tanh has no derivative; give one", {"activation": custom_activation(np.tanh)}),
    ],
)
def test_bad_arguments(kind, words, change):
    arguments = {"networks": 10, **change}
    network = Network([2, 2, 2], arguments.pop("activation", "relu"), arguments.pop("weights", "he"))
    with pytest.raises(kind, match=words):
        simulate.backward(network, **arguments)


def test_an_output_activation_plays_no_part():
    plain, curved = (Network([3, 4, 2], a) for a in (["tanh"], ["tanh", "tanh"]))
    one, other = (simulate.backward(n, loss="half_square", networks=50) for n in (plain, curved))
    np.testing.assert_array_equal(one.gradient_variance.values, other.gradient_variance.values)


def test_the_derivative_of_an_activation_is_what_is_used():
    assert activation("relu").dphi(np.zeros(1))[0] == 0
