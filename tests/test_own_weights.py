"""A weight law of one's own: its moments, what is drawn, theory beside simulation, and wrong in every way."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, needs_compiler, quick, score
from numba import njit
from own_laws import exponential, heavy, laplace, sign, sparse, student5, uniform
from scipy import integrate, special, stats

from varprop import Network, VarianceScaling, compare, custom_weights, simulate, theory
from varprop.kernels import GROUP, LANES
from varprop.kernels.dense import two_sided, weights_of_four
from varprop.kernels.options import cached
from varprop.kernels.own import weights_block
from varprop.kernels.streams import WEIGHTS, stream
from varprop.layers import Dense
from varprop.network import check_network
from varprop.own_weights import LEAST

QUARTER = sparse(0.25)
LAWS = {"laplace": laplace, "student5": student5, "sparse": QUARTER}


@cached
def draw_four(code, seed, network, index, out):  # what only kernels may call
    weights_of_four(code, np.uint64(seed), np.uint64(network), stream(1, WEIGHTS), np.uint64(index), out)


def distribution(quantile):
    return custom_weights(quantile).distribution


@pytest.mark.parametrize(
    ("quantile", "excess", "extent", "atoms", "symmetric"),
    [
        (laplace, 3.0, math.inf, False, True),
        (student5, 6.0, math.inf, False, True),
        (QUARTER, 9.0, math.inf, True, True),
        (sign, -2.0, 1.0, True, True),
        (uniform, -1.2, math.sqrt(3), False, True),
        (exponential, 6.0, math.inf, False, False),
        (lambda u: float(np.floor(3 * u) - 1) * math.sqrt(1.5), -1.5, math.sqrt(1.5), True, True),
        (heavy, math.inf, math.inf, False, True),
    ],
)
def test_moments_are_those_of_the_law(quantile, excess, extent, atoms, symmetric):
    found = distribution(quantile)
    assert (found.extent, found.atoms, found.symmetric) == (pytest.approx(extent), atoms, symmetric)
    assert found.excess_kurtosis == pytest.approx(excess, abs=1e-6)
    law = VarianceScaling(1.0, "fan_in", found)
    assert (law.excess_kurtosis(5, 5), law.extent(5, 5)) == (found.excess_kurtosis, found.extent)


def test_moments_are_those_of_another_quadrature():
    found = distribution(student5)
    density = stats.t(5, scale=math.sqrt(3 / 5)).pdf
    for most in (2.0, 10.0):
        inner = 2 * integrate.quad(lambda x: x**6 * density(x), 0, most)[0]
        outer = 2 * most**2 * integrate.quad(lambda x: x**4 * density(x), most, math.inf)[0]
        assert found.sixth_moment(most) == pytest.approx(inner + outer, rel=1e-3)  # of weights that are drawn


def test_any_scale_and_fan():
    law = custom_weights(student5, 2.0, "fan_avg", name="t5")
    assert str(law) == "Var(W) = 2/fan_avg t5"
    assert repr(law) == "VarianceScaling(scale=2.0, mode='fan_avg', distribution=<'t5'>)"
    same = VarianceScaling(2.0, "fan_avg", law.distribution)
    assert same == law
    assert hash(same) == hash(law)
    assert Network([4, 6, 2], "relu", law).layers[0].weight_variance == pytest.approx(0.4)
    found = theory.weight_law(law, 4, 6)
    assert (found.distribution, found.largest) == ("t5", math.inf)
    assert found.excess_kurtosis == pytest.approx(6, abs=1e-6)
    assert "t5" in str(found)
    assert "t5" in str(Network.sequential(4, Dense(6, law)))


@pytest.mark.parametrize(
    ("quantile", "kind", "words"),
    [
        ("normal", TypeError, "give a function of one number"),
        (lambda u: 1 / 0, ValueError, "quantile of weight law '<lambda>' fails at"),
        (lambda u: math.sqrt(u - 0.3), ValueError, "quantile gives [       nan"),
        (lambda u: -uniform(u), ValueError, "a quantile function never does"),
        (lambda u: uniform(u) + 0.01, ValueError, "has the mean 0.01; it must be 0"),
        (lambda u: 1.1 * uniform(u), ValueError, "variance 1.21; it must be 1. Divide it by 1.1."),
        (lambda u: math.copysign((2 * min(u, 1 - u)) ** -0.6, u - 0.5), ValueError, "infinite variance"),
        (lambda u: stats.t(2.3).ppf(u) / math.sqrt(2.3 / 0.3), ValueError, "its tails must be lighter"),
        (lambda u: uniform(u) if u > 1e-4 else -math.inf, ValueError, "must be a finite number for every u"),
        (lambda u: "x", ValueError, "real number for every u between 0 and 1"),
    ],
)
def test_what_is_no_law_is_one_error(quantile, kind, words):
    with pytest.raises(kind) as caught:
        custom_weights(quantile)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_with_one_pickles_and_no_file_holds_it(tmp_path):
    network = Network([8, 8, 2], "tanh", custom_weights(student5))
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        check_network(other)
        assert other == network
    with pytest.raises(TypeError, match="weight law student5 is a function of your own"):
        network.save(tmp_path / "network.json")


def test_two_words_reach_either_end():
    assert two_sided(np.uint64(0), np.uint64(0)) == LEAST == -two_sided(np.uint64(2**31), np.uint64(0))
    most = np.uint64(2**31 - 1), np.uint64(2**32 - 1)
    assert two_sided(*most) == 0.5 == -two_sided(most[0] | np.uint64(2**31), most[1])


@needs_compiler
@pytest.mark.parametrize("quantile", [laplace, student5, QUARTER, exponential, sign])
def test_weights_follow_the_law(quantile):
    law = distribution(quantile)
    block = weights_block(law.quantile, law.quantile.function, symmetric=law.symmetric)
    drawn, out, seed = [], np.empty(GROUP, np.float32), fresh_seed()
    for index in range(400):
        draw_four(block.code, seed, 0, index, out)
        drawn.append(out.copy())
    drawn = np.ravel(drawn).astype(float)
    assert drawn.size == 400 * 4 * LANES
    # shares below quantiles; of laws with jumps, below and above what lies between
    u = np.array([0.5]) if quantile is sign else np.array([0.02, 0.05, 0.1, 0.9, 0.97])
    u = u if law.atoms else np.linspace(0.005, 0.995, 30)
    places = np.zeros(1) if quantile is sign else law.quantile(u)
    found = np.array([np.mean(drawn < x) for x in places])
    error = np.sqrt(u * (1 - u) / drawn.size)
    assert_agree((found - u) / error)
    assert_rejected((found - np.sqrt(u)) / error)


@needs_compiler
def test_machine_code_and_python_draw_the_same():
    law = distribution(student5)
    compiled = weights_block(law.quantile, student5, symmetric=True)
    called = weights_block(law.quantile, special.ndtri, symmetric=True)  # which Numba cannot compile
    found = [np.empty(GROUP, np.float32) for _ in range(2)]
    for block, out in zip((compiled, called), found, strict=True):
        draw_four(block.code, 7, 3, 5, out)
    np.testing.assert_allclose(*found, rtol=1e-6)


def z_scores(measured, predicted, names):
    """Return how far apart they are, in standard errors, less what theory says of its own errors and leaves out."""
    found = []
    for name in names:
        mine, other = getattr(measured, name), getattr(predicted, name)
        rest = 0.0 if other.left_out is None else other.left_out * np.abs(other.values)
        apart = np.maximum(np.abs(mine.values - other.values) - other.errors - rest, 0.0)
        found.append(apart / mine.errors)
    return np.concatenate(found)


@needs_compiler
@pytest.mark.parametrize("quantile", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("phi", quick("relu", "tanh", slow=["relu"].count))
def test_theory_and_simulation_agree(quantile, phi):
    network = Network([16, 16, 16, 8], phi, custom_weights(quantile, 2.0))
    measured = simulate.forward(network, networks=4_000, seed=fresh_seed())
    predicted = theory.forward(network)
    assert compare(measured, predicted).verdict != "contradicted"
    names = ["variance", "second_moment", "activation_mean"]
    assert_agree(z_scores(measured, predicted, names))
    wrong = theory.forward(Network([16, 16, 16, 8], phi, "he", multiplier=1.25))
    assert_rejected(score(measured.variance, wrong.variance.values))


@needs_compiler
def test_the_fourth_cumulant_is_seen():
    def fluctuation(weights):
        return theory.forward(Network([24, 24, 8], "relu", weights)).fluctuation.values

    law = custom_weights(laplace, 2.0)
    measured = simulate.forward(Network([24, 24, 8], "relu", law), networks=40_000, seed=fresh_seed()).fluctuation
    assert_agree(score(measured, fluctuation(law)))
    assert_rejected(score(measured, fluctuation("he")))


@needs_compiler
@pytest.mark.parametrize("quantile", LAWS.values(), ids=LAWS)
def test_simulation_is_that_of_a_sampler_by_hand(quantile):
    rng, count, widths = np.random.default_rng(fresh_seed()), 20_000, (6, 6, 3)
    draw = {
        laplace: lambda size: rng.laplace(size=size) / math.sqrt(2),
        student5: lambda size: rng.standard_t(5, size=size) * math.sqrt(3 / 5),
        QUARTER: lambda size: rng.normal(size=size) * 2 * (rng.random(size) < 0.25),
    }[quantile]
    a = rng.normal(size=(count, widths[0]))
    network = Network(widths, "tanh", custom_weights(quantile, 2.0))
    measured = simulate.forward(network, networks=count, seed=fresh_seed())
    drawn = []
    for fan_in, fan_out in itertools.pairwise(widths):
        z = np.einsum("noi,ni->no", draw((count, fan_out, fan_in)) * math.sqrt(2 / fan_in), a)
        q, a = (z**2).mean(axis=1), np.tanh(z)
        drawn.append(q)
    assert_agree(score(measured.variance, mean_of(np.transpose(drawn))))


@needs_compiler
@pytest.mark.parametrize("quantile", [student5, QUARTER], ids=["student5", "sparse"])
def test_gradients_go_back_through_the_same_weights(quantile):
    network = Network([12, 12, 12, 4], "relu", custom_weights(quantile, 2.0))
    measured = simulate.backward(network, networks=4_000, seed=fresh_seed())
    if quantile is QUARTER:  # z is 0 by chance, where relu' is 0
        with pytest.raises(ValueError, match="without values of a probability of their own, but layer 1 is sparse"):
            theory.backward(network, order="exact")
        predicted = theory.backward(network)
        assert predicted.gradient_variance.origin == "infinite width"
        assert predicted.dead is not None
        assert theory.forward(network).dead is None
        return
    predicted = theory.backward(network)
    assert predicted.gradient_variance.origin == "exact"
    assert_agree(z_scores(measured, predicted, ["gradient_variance", "weight_gradient_variance"]))
    assert_rejected(
        (measured.gradient_variance.values * 1.5 - predicted.gradient_variance.values)[:1]
        / measured.gradient_variance.errors[:1]
    )


@pytest.mark.slow
@needs_compiler
def test_pairs_and_graphs_draw_it():
    law = custom_weights(student5, 2.0)
    network = Network([16, 16, 16], "relu", law)
    measured = simulate.pair(network, correlation=0.5, networks=4_000, seed=fresh_seed()).correlation
    predicted = theory.pair(network, 0.5).correlation
    rest = predicted.left_out * np.abs(predicted.values) + predicted.errors
    assert_agree(np.maximum(np.abs(measured.values - predicted.values) - rest, 0) / measured.errors)
    graph = Network.sequential(8, Dense(8, law), "relu", Dense(4, law), positions=3)
    found = simulate.forward(graph, networks=4_000, seed=fresh_seed()).variance
    assert_agree(score(found, theory.forward(graph).variance.values))


@pytest.mark.parametrize("quantile", [heavy, exponential])
def test_without_fourth_moment_or_symmetry_infinite_width_is_left(quantile):
    network = Network([16, 16, 4], "relu", custom_weights(quantile, 2.0))
    words = (
        "fourth moment, but that of heavy is infinite" if quantile is heavy else "symmetric about 0, but exponential"
    )
    for order in ("first", "exact"):
        with pytest.raises(ValueError, match=words):
            theory.forward(network, order=order)
        with pytest.raises(ValueError, match=words):
            theory.pair(network, 0.5, order="first")
    found = theory.forward(network)
    assert found.variance.origin == "infinite width"
    normal = theory.forward(Network([16, 16, 4], "relu", "he"), order="infinite")
    np.testing.assert_allclose(found.variance.values, normal.variance.values)
    np.testing.assert_allclose(found.kurtosis.values, normal.kurtosis.values)
    with pytest.raises(ValueError, match=words):
        theory.networks_needed(network, 0.01)


@pytest.mark.parametrize("freedom", [3, 4, 4.05, 5])
def test_students_t_has_a_fourth_moment_from_four_degrees_on(freedom):
    law = custom_weights(lambda u: special.stdtrit(freedom, u) * math.sqrt(1 - 2 / freedom), name="t")
    network = Network([16] * 3, "relu", law)
    if freedom <= 4:
        with pytest.raises(ValueError, match="order 'first' needs weights of a finite fourth moment, but that of t is"):
            theory.forward(network, order="first")
        return
    assert law.distribution.excess_kurtosis == pytest.approx(6 / (freedom - 4), rel=1e-6)
    assert theory.forward(network, order="first").variance.origin == "first order in 1/width"


def test_conditional_sampling_says_that_it_cannot():
    network = Network([4, 4], "relu", custom_weights(laplace))
    with pytest.raises(ValueError, match="this network has laplace ones"):
        simulate.forward(network, networks=10, method="conditional")


@needs_compiler
def test_one_that_breaks_later_is_one_error():
    broken = []

    def quantile(u):
        if broken:
            raise ArithmeticError("broken")
        return special.ndtri(u)

    network = Network([4, 4], "relu", custom_weights(quantile))
    broken.append(1)
    with pytest.raises(ValueError, match="quantile of weight law 'quantile' fails at "):
        simulate.forward(network, networks=10)


@needs_compiler
def test_a_compiled_function_serves():
    own = njit(lambda u: math.sqrt(3.0) * (2 * u - 1))
    network = Network([8, 8], "relu", custom_weights(own, name="flat"))
    assert simulate.forward(network, networks=64).variance.values[0] > 0


def test_what_heavy_weights_leave_out_is_doubted():
    """Logarithms of a ReLU chain are off by more standard errors than chance has, and theory says so."""
    rng, count, width = np.random.default_rng(fresh_seed()), 2_000, 32
    predicted = theory.forward(Network([width] * 5, "relu", custom_weights(QUARTER, 2.0)))
    a, logs = rng.standard_normal((count, width, 1), dtype=np.float32), []
    for _ in range(4):
        shape = (count, width, width)
        w = rng.standard_normal(shape, dtype=np.float32) * (rng.random(shape, dtype=np.float32) < 0.25)
        z = w @ a * math.sqrt(2 / 0.25 / width)
        logs.append(np.log((z.astype(float) ** 2).mean(axis=(1, 2))))
        a = np.maximum(z, 0)
    logs = np.array(logs)
    squares = (logs - logs.mean(axis=1, keepdims=True)) ** 2
    for name, terms in (("log_mean", logs), ("log_variance", squares)):
        profile, error = getattr(predicted, name), terms.std(axis=1) / math.sqrt(count)
        off = terms.mean(axis=1) - profile.values
        assert_agree(np.maximum(np.abs(off) - profile.left_out - profile.errors, 0.0) / error)
        assert_rejected(off / error)
        assert profile.doubtful[2:].all()
    tanh = theory.forward(Network([16] * 5, "tanh", custom_weights(QUARTER, 2.0)))
    assert tanh.variance.doubtful[2:].all()  # as is the second moment below, which it is made of
