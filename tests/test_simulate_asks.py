"""What each public function of simulate asks of the samplers, and what it hands on: no kernel runs here."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from varprop import Network, VarianceScaling, simulate
from varprop.kernels import places
from varprop.layers import Dense, Residual, RMSNorm
from varprop.runs import Question, Run
from varprop.simulate import answers, bins, ensemble, graph, measure, memory, samplers
from varprop.statistics import (
    chain_gradients,
    forward_profiles,
    gram_estimates,
    law_layers,
    pair_profiles,
    place_profiles,
)
from varprop.sum_tree import Part, SumTree
from varprop.sums import LAYER, PAIR, PLACE

ASKED = {"threads": 3, "block_size": 5, "progress": True, "first": 64}
MANY = {"networks": 7, "relative_error": 0.25}
CHAIN = Network([3, 5, 2], "gelu", "lecun")
DENSE = Network([3, 5, 2], "gelu", "he_uniform")
GRAPH = Network.sequential(3, Dense(4), RMSNorm(), "tanh", Dense(2), positions=2)
ONE = Network.sequential(3, Dense(4), RMSNorm(), "tanh", Dense(2))


@pytest.fixture
def asked(monkeypatch):
    """Return what samplers and `measure.draw` were asked by a function of simulate."""
    found = {}
    for module, name in ((samplers, "forward_sampler"), (samplers, "backward_sampler"), (graph, "Program")):
        made = getattr(module, name)

        def asks(*given, made=made, **more):
            found["given"] = given
            return made(*given, **more)

        monkeypatch.setattr(module, name, asks)

    stages = measure._stages

    def run(crew, tree, stages, **options):
        assert options.pop("keep") is None
        found.update(plan=crew.plan, options=found["asked"] | options)

    def here(plan, threads, block_size):
        found["asked"] |= {"threads": threads, "block_size": block_size}
        return SimpleNamespace(plan=plan, builds=())

    def kept(networks, relative_error, profile):
        found["asked"] = {"networks": networks, "relative_error": relative_error}
        return stages(networks, relative_error, profile)

    monkeypatch.setattr(measure, "_stages", kept)
    monkeypatch.setattr(measure.ensemble, "Here", here)
    monkeypatch.setattr(measure.ensemble, "run", run)
    monkeypatch.setattr(measure.answers, "answer", lambda run: run)
    return found


def was_given(asked, network, rows, seed, method, loss=None):
    """Assert what a sampler of a chain was given."""
    given_network, inputs, *more = asked["given"]
    assert given_network == network
    if rows is None:
        assert inputs.rows is None
    else:
        np.testing.assert_array_equal(inputs.rows, rows)
    end = [seed, method, None] if loss is None else [seed, method]  # forward and law: no moments are asked for
    assert more[-len(end) :] == end
    assert len(more) == len(end) + (loss is not None)
    if loss is not None:
        np.testing.assert_array_equal(more[0], loss)


def test_what_is_taken_where_nothing_is_said(asked):
    simulate.forward(CHAIN, networks=7)
    was_given(asked, CHAIN, None, 0, "conditional")
    rest = {"threads": None, "block_size": None, "progress": None, "first": 0}
    assert asked["options"] == {"networks": 7, "relative_error": None} | rest
    simulate.law(CHAIN, networks=7)
    was_given(asked, CHAIN, None, 0, "conditional")
    simulate.backward(CHAIN, networks=7)
    was_given(asked, CHAIN, None, 0, "conditional", "linear")
    assert asked["options"]["relative_error"] is None
    simulate.pair(CHAIN, 0.5, networks=7)
    assert asked["given"] == (CHAIN, 0.5, 2, 0, "auto", None)
    simulate.gram(CHAIN, np.ones((1, 3)), networks=7)
    assert asked["given"][2:] == (1, 0, "auto", None)
    assert {name: asked["options"][name] for name in rest} == rest


@pytest.mark.parametrize(("network", "method"), [(CHAIN, "conditional"), (CHAIN, "dense"), (DENSE, "auto")])
def test_forward_of_a_chain(asked, network, method):
    run = simulate.forward(network, 2 * np.ones(3), seed=9, method=method, **MANY, **ASKED)
    drawn_by = samplers.choose_method(network, method)
    was_given(asked, network, [[2, 2, 2]], 9, drawn_by)
    assert (run.question.kind, run.question.network, run.question.seed) == ("forward", network, 9)
    assert run.question.method == drawn_by
    np.testing.assert_array_equal(run.question.arguments["inputs"], [[2, 2, 2]])
    plan = asked["plan"]
    assert (plan.rows, plan.reduction) == (network.depth, ensemble.MOMENTS)
    assert plan.draws == samplers.draws_per_network(network, drawn_by)
    assert plan.memory == memory.bytes_per_thread(network, drawn_by)
    assert asked["options"] == MANY | ASKED


@pytest.mark.parametrize("network", [CHAIN, GRAPH])
def test_moments_where_they_are_asked_for(asked, network):
    run = simulate.forward(network, networks=7, moments=np.int64(6))
    assert run.question.arguments == {"inputs": None, "moments": 6}
    assert type(run.question.arguments["moments"]) is int
    columns = len((LAYER if network is CHAIN else PLACE).names) + 8  # four powers of each moment
    assert asked["plan"].reduction.columns == columns
    if network is CHAIN:
        assert asked["given"][-1] == 6
    with pytest.raises(ValueError, match=r"^moments is 5; give 4, 6 or 8"):
        simulate.forward(network, networks=7, moments=5)


@pytest.mark.parametrize(("network", "method"), [(CHAIN, "conditional"), (CHAIN, "dense"), (DENSE, "auto")])
@pytest.mark.parametrize("loss", ["half_square", np.array([1.0, 2.0])])
def test_backward_of_a_chain(asked, network, method, loss):
    run = simulate.backward(network, 2 * np.ones(3), loss=loss, seed=9, method=method, **MANY, **ASKED)
    drawn_by = samplers.choose_method(network, method)
    was_given(asked, network, [[2, 2, 2]], 9, drawn_by, loss)
    assert (run.question.network, run.question.method) == (network, drawn_by)
    assert sorted(run.question.arguments) == ["inputs", "loss"]
    np.testing.assert_array_equal(run.question.arguments["inputs"], [[2, 2, 2]])
    np.testing.assert_array_equal(run.question.arguments["loss"], loss)
    plan = asked["plan"]
    assert (plan.rows, plan.reduction) == (network.depth + 1, ensemble.MOMENTS)
    assert plan.draws == 2 * samplers.draws_per_network(network, drawn_by)
    assert plan.memory == memory.bytes_per_thread(network, drawn_by, backward=True)
    assert asked["options"] == MANY | ASKED


@pytest.mark.parametrize(("network", "method"), [(CHAIN, "conditional"), (DENSE, "auto")])
def test_law(asked, network, method):
    run = simulate.law(network, 2 * np.ones(3), networks=7, seed=9, method=method, **ASKED)
    drawn_by = samplers.choose_method(network, method)
    was_given(asked, network, [[2, 2, 2]], 9, drawn_by)
    assert run.question.kind == "law"
    plan = asked["plan"]
    assert plan.reduction.columns == bins.reduction(network.depth).columns
    assert plan.draws == samplers.draws_per_network(network, drawn_by)
    assert plan.memory == memory.bytes_per_thread(network, drawn_by)
    assert asked["options"] == ASKED | {"networks": 7, "relative_error": None}


def of_program(asked, records=False):
    """Return the program that samples, and assert what the plan has from it."""
    program = asked["plan"].sample.__self__
    assert program.records is records
    assert asked["plan"][3:] == (program.draws, program.memory)
    return program


def test_networks_that_are_no_chain(asked):
    run = simulate.forward(GRAPH, np.ones((2, 2, 3)), seed=9, method="dense", **MANY, **ASKED)
    program = of_program(asked, records=True)
    assert asked["given"][:1] + asked["given"][2:] == (GRAPH, 2, 9, "dense", None)
    np.testing.assert_array_equal(asked["given"][1], np.ones((2, 2, 3)))
    np.testing.assert_array_equal(run.question.arguments["inputs"], np.ones((2, 2, 3)))
    assert asked["plan"][:3] == (program.sample, 3 * len(GRAPH.places), graph.MOMENTS)
    assert asked["options"] == MANY | ASKED
    simulate.forward(ONE, seed=9, **MANY, **ASKED)
    assert asked["plan"].rows == 2


LOSSES = ["half_square", np.array([1.0, 2.0]), np.array([[1.0, 2.0], [3.0, 4.0]])]


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_networks_that_are_no_chain(asked, loss):
    run = simulate.backward(GRAPH, np.ones((2, 2, 3)), loss=loss, seed=9, **MANY, **ASKED)
    of_program(asked)
    given = loss if isinstance(loss, str) else np.broadcast_to(loss, (2, 2))
    assert asked["given"][2:5] == (2, 9, "auto")
    np.testing.assert_array_equal(asked["given"][1], np.ones((2, 2, 3)))
    np.testing.assert_array_equal(asked["given"][5], given)
    assert sorted(run.question.arguments) == ["inputs", "loss"]
    np.testing.assert_array_equal(run.question.arguments["inputs"], np.ones((2, 2, 3)))
    np.testing.assert_array_equal(run.question.arguments["loss"], given)
    assert asked["plan"].rows == 3 * (len(GRAPH.places) + 1)
    assert asked["options"] == MANY | ASKED


def test_data_are_kept_in_the_shape_in_which_they_are_given(asked):
    """With no axis of positions where there is one, else with theirs; always of samples."""
    one, image = ONE, Network.sequential(3, Dense(4), "tanh", Dense(2), positions=(2, 3))
    for network, shape in ((one, ()), (image, (2, 3))):
        rows, loss = np.ones((*shape, 3)), np.ones((*shape, 2))
        for ask in (simulate.forward, simulate.backward, simulate.gram):
            found = ask(network, rows, networks=7).question.arguments
            np.testing.assert_array_equal(found["inputs"], rows[None])
        found = simulate.backward(network, loss=loss, networks=7).question.arguments
        assert found["inputs"] is None
        np.testing.assert_array_equal(found["loss"], loss)


def test_pairs_and_grams(asked):
    run = simulate.pair(CHAIN, 0.5, networks=7, seed=9, method="conditional", **ASKED)
    program = of_program(asked)
    assert asked["given"] == (CHAIN, 0.5, 2, 9, "conditional", None)
    assert asked["plan"][:3] == (program.sample_pair, 2, ensemble.PAIR_MOMENTS)
    assert asked["given"][0] is run.question.network
    assert run.question.arguments == {"correlation": 0.5, "inputs": None}
    assert asked["options"] == ASKED | {"networks": 7, "relative_error": None}
    run = simulate.pair(CHAIN, inputs=np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), networks=7)
    np.testing.assert_array_equal(asked["given"][1], [[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]])
    assert list(run.question.arguments) == ["correlation", "inputs"]
    np.testing.assert_array_equal(run.question.arguments["inputs"], asked["given"][1][0])
    assert run.question.arguments["correlation"] == pytest.approx(0.5**0.5)
    run = simulate.gram(GRAPH, np.ones((3, 2, 3)), networks=7, seed=9, **ASKED)
    program = of_program(asked)
    np.testing.assert_array_equal(asked["given"][1], np.ones((1, 6, 3)))
    assert asked["given"][2:] == (6, 9, "auto", None)
    reduction = asked["plan"].reduction
    assert asked["plan"][:2] == (program.sample_gram, 2)
    assert (reduction.tally, reduction.columns, reduction.fields) == (places.tally_gram, 72, 36)
    assert asked["options"] == ASKED | {"networks": 7, "relative_error": None}
    assert list(run.question.arguments) == ["inputs", "backward"]
    np.testing.assert_array_equal(run.question.arguments["inputs"], np.ones((3, 2, 3)))
    assert run.question.arguments["backward"] is False
    run = simulate.gram(GRAPH, np.ones((3, 2, 3)), backward=np.True_, networks=7, method="dense")
    assert run.question.arguments["backward"] is True
    assert not of_program(asked).records
    assert asked["given"][2:] == (6, 0, "dense", "linear")
    np.testing.assert_array_equal(reduction.pivots(np.zeros((4, 3, 2))), np.ones((4, 5)))


def made_sums(rows, columns, networks=5):
    """Return sums of so many networks, whatever they are, with pivots of 1."""
    sums = np.abs(np.random.default_rng(0).normal(size=(rows, columns))) + 1
    return SumTree(np.ones((rows, 5)), part=Part(0, networks, sums))


def answered(kind, network, sums, **arguments):
    run = Run(Question(kind, network, arguments, 0, "auto"), sums, ({},))
    record = answers.answer(run)
    assert record.run is run
    assert record.network == network
    return record


def equal(record, profiles):
    for name, profile in profiles.items():
        np.testing.assert_array_equal(getattr(record, name).values, profile.values)
        np.testing.assert_array_equal(getattr(record, name).errors, profile.errors)


def test_what_sums_are_answered_by():
    sums = made_sums(2, len(LAYER.names))
    record = answered("forward", CHAIN, sums, inputs=None)
    assert record.networks == 5
    equal(record, forward_profiles(sums.total(), sums.pivots, 5))
    np.testing.assert_array_equal(answers.main_profile(record.run.question, sums).values, record.variance.values)
    sums = made_sums(3, len(LAYER.names))
    record = answered("backward", CHAIN, sums, loss=np.ones(2))
    assert (record.loss, record.networks) == ("given", 5)
    equal(record, chain_gradients(sums.total(), sums.pivots, 5))
    names = tuple(place.name for place in GRAPH.places)
    sums = made_sums(6, len(PLACE.names))
    record = answered("forward", GRAPH, sums)
    equal(record, place_profiles(sums.total(), sums.pivots, 5, names=names, positions=2))
    assert record.names == names
    sums = made_sums(9, len(PLACE.names))
    record = answered("backward", GRAPH, sums, loss="linear")
    assert (record.loss, record.networks, record.names) == ("linear", 5, names)
    assert record.input_gradient_variance.names == ("input",)
    sums = made_sums(2, len(PAIR.names))
    record = answered("pair", ONE, sums, correlation=0.5)
    assert (record.input_correlation, record.networks, record.names) == (0.5, 5, ("dense 1", "dense 2"))
    equal(record, pair_profiles(sums.total(), sums.pivots, 5))
    sums = made_sums(2, 72)
    record = answered("gram", GRAPH, sums)
    for ours, theirs in zip((record.values, record.errors), gram_estimates(sums.total(), 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (record.names, record.origin) == (("dense 1", "dense 2"), "simulation")
    sums = made_sums(2, 20)
    record = answered("law", CHAIN, sums)
    assert (record.origin, record.networks) == ("simulation", 5)
    np.testing.assert_array_equal(record.layers[1].cumulative, law_layers(sums.total(), sums.pivots, 5)[1].cumulative)


def test_of_infinite_sums_means_are_nan():
    sums = made_sums(6, len(PLACE.names))
    sums.part.sums[:] = np.inf * np.array([[1], [-1]] * 3)  # one of a place's two positions, and the other
    assert np.isnan(answered("forward", GRAPH, sums).variance.values).all()


def test_places_without_weights_have_no_gradient_by_them():
    network = Network.sequential(3, Residual(RMSNorm(), Dense(3)), Dense(2))
    record = answered("backward", network, made_sums(4, len(PLACE.names)), loss="linear")
    for profile in (record.weight_gradient_variance, record.dead):
        np.testing.assert_array_equal(np.isnan(profile.values), [False, True, False])


def test_signatures():
    for function in (simulate.forward, simulate.backward, simulate.pair, simulate.law, simulate.gram):
        defaults = {name: p.default for name, p in inspect.signature(function).parameters.items()}
        assert (defaults["seed"], defaults["method"]) == (0, "auto")
    assert inspect.signature(simulate.backward).parameters["loss"].default == "linear"


def test_what_is_refused():
    several = Network.sequential(3, Dense(4), positions=2)
    with pytest.raises(ValueError, match="pair takes a network of one position, but this has 2"):
        simulate.pair(several, 0.5, networks=7)
    for ask in (simulate.forward, simulate.backward):
        with pytest.raises(ValueError, match=r"^unknown method 'exact'; choose"):
            ask(GRAPH, networks=7, method="exact")
        with pytest.raises(ValueError, match="did you mean dense"):
            ask(GRAPH, networks=7, method="full")
        with pytest.raises(ValueError, match="seed is -1"):
            ask(CHAIN, networks=7, seed=-1)
    with pytest.raises(ValueError, match=r"^simulate\.law"):
        simulate.law(GRAPH, networks=7)
    with pytest.raises(ValueError, match=r"\bgram\b"):
        simulate.gram(GRAPH, None, networks=7)
    with pytest.raises(TypeError, match="Network"):
        simulate.pair("relu", 0.5, networks=7)
    unknown = Network([2, 2, 2, 2], ["tanh", lambda z: np.maximum(z, 0.0) ** 1.5], VarianceScaling(1.0))
    with pytest.raises(ValueError, match="derivative"):
        simulate.backward(unknown, networks=7)
