"""What each public function of simulate asks of the samplers, and what it hands on: no kernel runs here."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from varprop import Network, VarianceScaling, simulate, theory
from varprop.kernels import places
from varprop.layers import Dense, Residual, RMSNorm
from varprop.records import LayerProfile
from varprop.simulate import bins, ensemble, graph, measure, memory, samplers
from varprop.statistics import chain_gradients, forward_profiles, gram_estimates, pair_profiles

ASKED = {"threads": 3, "block_size": 5, "progress": True}
MANY = {"networks": 7, "relative_error": 0.25}
CHAIN = Network([3, 5, 2], "gelu", "lecun")
DENSE = Network([3, 5, 2], "gelu", "he_uniform")
GRAPH = Network.sequential(3, Dense(4), RMSNorm(), "tanh", Dense(2), positions=2)
ONE = Network.sequential(3, Dense(4), RMSNorm(), "tanh", Dense(2))


@pytest.fixture
def asked(monkeypatch):
    """Return what `measure.measure` and the samplers were asked, and give back what is put there as "answer"."""
    found = {"answer": ({}, 7)}
    for module, name in ((samplers, "forward_sampler"), (samplers, "backward_sampler"), (graph, "Program")):
        made = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, made=made: found.update(given=given) or made(*given))

    def measured(sample, network, reduction, estimate, **options):
        found.update(sample=sample, network=network, reduction=reduction, estimate=estimate, options=options)
        return found["answer"]

    monkeypatch.setattr(measure, "measure", measured)
    return found


def answered_by(record):
    return dict(record.profiles), 7


def was_given(asked, network, rows, seed, method, loss=None):
    """Assert what a sampler of a chain was given."""
    given_network, inputs, *more = asked["given"]
    assert given_network == network
    if rows is None:
        assert inputs.rows is None
    else:
        np.testing.assert_array_equal(inputs.rows, rows)
    assert more[-2:] == [seed, method]
    assert len(more) == 2 + (loss is not None)
    if loss is not None:
        np.testing.assert_array_equal(more[0], loss)


def test_what_is_taken_where_nothing_is_said(asked):
    asked["answer"] = answered_by(theory.forward(CHAIN))
    simulate.forward(CHAIN, networks=7)
    was_given(asked, CHAIN, None, 0, "conditional")
    rest = {"threads": None, "block_size": None, "progress": None}
    assert {name: asked["options"][name] for name in rest} == rest
    asked["answer"] = (), 7
    simulate.law(CHAIN, networks=7)
    was_given(asked, CHAIN, None, 0, "conditional")
    asked["answer"] = answered_by(theory.backward(CHAIN, order="infinite"))
    simulate.backward(CHAIN, networks=7)
    was_given(asked, CHAIN, None, 0, "conditional", "linear")
    assert asked["options"]["relative_error"] is None
    asked["answer"] = answered_by(theory.pair(CHAIN, 0.5))
    simulate.pair(CHAIN, 0.5, networks=7)
    assert asked["given"] == (CHAIN, 0.5, 2, 0, "auto", None)
    asked["answer"] = (np.ones((2, 1, 1)), np.zeros((2, 1, 1))), 7
    simulate.gram(CHAIN, np.ones((1, 3)), networks=7)
    assert asked["given"][2:] == (1, 0, "auto", None)
    assert {name: asked["options"][name] for name in rest} == rest


@pytest.mark.parametrize(("network", "method"), [(CHAIN, "conditional"), (CHAIN, "dense"), (DENSE, "auto")])
def test_forward_of_a_chain(asked, network, method):
    asked["answer"] = answered_by(theory.forward(network))
    record = simulate.forward(network, 2 * np.ones(3), seed=9, method=method, **MANY, **ASKED)
    was_given(asked, network, [[2, 2, 2]], 9, samplers.choose_method(network, method))
    assert (record.network, record.networks) == (network, 7)
    assert (asked["network"], asked["reduction"], asked["estimate"]) == (network, ensemble.MOMENTS, forward_profiles)
    drawn_by = samplers.choose_method(network, method)
    expected = {
        "draws": samplers.draws_per_network(network, drawn_by),
        "memory": memory.bytes_per_thread(network, drawn_by),
    }
    assert asked["options"] == MANY | ASKED | expected


@pytest.mark.parametrize(("network", "method"), [(CHAIN, "conditional"), (CHAIN, "dense"), (DENSE, "auto")])
@pytest.mark.parametrize("loss", ["half_square", np.array([1.0, 2.0])])
def test_backward_of_a_chain(asked, network, method, loss):
    asked["answer"] = answered_by(theory.backward(network, loss="linear", order="infinite"))
    record = simulate.backward(network, 2 * np.ones(3), loss=loss, seed=9, method=method, **MANY, **ASKED)
    was_given(asked, network, [[2, 2, 2]], 9, samplers.choose_method(network, method), loss)
    assert (record.network, record.networks) == (network, 7)
    assert record.loss == (loss if isinstance(loss, str) else "given")
    assert (asked["network"], asked["reduction"], asked["estimate"]) == (network, ensemble.MOMENTS, chain_gradients)
    drawn_by = samplers.choose_method(network, method)
    expected = {
        "rows": network.depth + 1,
        "draws": 2 * samplers.draws_per_network(network, drawn_by),
        "memory": memory.bytes_per_thread(network, drawn_by, backward=True),
    }
    assert asked["options"] == MANY | ASKED | expected


@pytest.mark.parametrize(("network", "method"), [(CHAIN, "conditional"), (DENSE, "auto")])
def test_law(asked, network, method):
    asked["answer"] = (), 7
    law = simulate.law(network, 2 * np.ones(3), networks=7, seed=9, method=method, **ASKED)
    was_given(asked, network, [[2, 2, 2]], 9, samplers.choose_method(network, method))
    assert (law.network, law.networks, law.origin) == (network, 7, "simulation")
    assert (asked["network"], asked["estimate"]) == (network, bins.layers)
    assert asked["reduction"].columns == bins.reduction(network.depth).columns
    drawn_by = samplers.choose_method(network, method)
    expected = {
        "networks": 7,
        "relative_error": None,
        "draws": samplers.draws_per_network(network, drawn_by),
        "memory": memory.bytes_per_thread(network, drawn_by),
    }
    assert asked["options"] == ASKED | expected


def of_program(asked):
    program = asked["sample"].__self__
    return program, {"draws": program.draws, "memory": program.memory}


def test_networks_that_are_no_chain(asked):
    asked["answer"] = answered_by(theory.forward(GRAPH))
    record = simulate.forward(GRAPH, np.ones((2, 2, 3)), seed=9, method="dense", **MANY, **ASKED)
    program, expected = of_program(asked)
    assert asked["given"][:1] + asked["given"][2:] == (GRAPH, 2, 9, "dense", None)
    np.testing.assert_array_equal(asked["given"][1], np.ones((2, 2, 3)))
    assert (record.network, record.networks) == (GRAPH, 7)
    assert (asked["sample"], asked["network"], asked["reduction"]) == (program.sample, GRAPH, graph.MOMENTS)
    names = tuple(place.name for place in GRAPH.places)
    assert asked["estimate"].keywords == {"names": names, "positions": 2}
    assert asked["options"] == MANY | ASKED | expected | {"rows": 3 * len(names)}
    simulate.forward(ONE, seed=9, **MANY, **ASKED)
    assert asked["options"]["rows"] == 2
    assert asked["estimate"].keywords == {"names": names, "positions": 1}


@pytest.mark.parametrize("loss", ["linear", "half_square"])
def test_gradients_of_networks_that_are_no_chain(asked, loss):
    found = theory.backward(GRAPH, order="infinite")
    names = (*found.gradient_variance.names, "input")
    longer = {k: v for k, v in answered_by(found)[0].items() if k != "input_gradient_variance"}
    asked["answer"] = {k: extended(v, names) for k, v in longer.items()}, 7
    record = simulate.backward(GRAPH, np.ones((2, 2, 3)), loss=loss, seed=9, **MANY, **ASKED)
    _, expected = of_program(asked)
    assert asked["given"][2:] == (2, 9, "auto", loss)
    np.testing.assert_array_equal(asked["given"][1], np.ones((2, 2, 3)))
    assert (record.loss, record.networks, record.network) == (loss, 7, GRAPH)
    assert asked["estimate"].keywords == {"names": names, "positions": 2}
    assert asked["options"] == MANY | ASKED | expected | {"rows": 3 * len(names)}
    assert float(record.input_gradient_variance) == 5.0
    given = simulate.backward(ONE, loss=np.array([1.0, 2.0]), networks=7)
    assert given.loss == "given"


def test_places_without_weights_have_no_gradient_by_them(asked):
    network = Network.sequential(3, Residual(RMSNorm(), Dense(3)), Dense(2))
    names = tuple(place.name for place in network.places)
    ones = LayerProfile(np.ones(4), np.zeros(4), "simulation", names=(*names, "input"))
    both = ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean", "log_variance", "dead")
    asked["answer"] = dict.fromkeys(both, ones), 7
    record = simulate.backward(network, networks=7)
    assert asked["network"] == network
    np.testing.assert_array_equal(record.weight_gradient_variance.values, [1.0, np.nan, 1.0])
    np.testing.assert_array_equal(record.dead.values, [1.0, np.nan, 1.0])


def extended(profile, names):
    """Return a profile with one more place, the input."""
    values = np.append(profile.values, 5.0)
    return type(profile)(values, 0 * values, profile.origin, names=names)


def test_pairs_and_grams(asked):
    unnamed = {name: replace(p, names=("a", "b")) for name, p in theory.pair(CHAIN, 0.5).profiles.items()}
    asked["answer"] = unnamed, 7
    record = simulate.pair(CHAIN, 0.5, networks=7, seed=9, method="conditional", **ASKED)
    program, expected = of_program(asked)
    assert (record.network, record.networks, record.input_correlation) == (CHAIN, 7, 0.5)
    assert (asked["sample"], asked["reduction"]) == (program.sample_pair, ensemble.PAIR_MOMENTS)
    assert (asked["network"], asked["estimate"]) == (CHAIN, pair_profiles)
    assert record.correlation.names == ("1", "2")
    simulate.pair(CHAIN, inputs=np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), networks=7)
    np.testing.assert_array_equal(asked["given"][1], [[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]])
    simulate.pair(CHAIN, 0.5, networks=7, seed=9, method="conditional", **ASKED)
    assert asked["given"] == (CHAIN, 0.5, 2, 9, "conditional", None)
    assert asked["options"] == ASKED | expected | {"networks": 7, "relative_error": None, "rows": 2}
    asked["answer"] = unnamed, 7
    assert simulate.pair(ONE, 0.5, networks=7).correlation.names == ("dense 1", "dense 2")
    asked["answer"] = (np.ones((2, 6, 6)), np.zeros((2, 6, 6))), 7
    found = simulate.gram(GRAPH, np.ones((3, 2, 3)), networks=7, seed=9, **ASKED)
    program, expected = of_program(asked)
    np.testing.assert_array_equal(asked["given"][1], np.ones((1, 6, 3)))
    assert asked["given"][2:] == (6, 9, "auto", None)
    assert (asked["sample"], asked["reduction"].columns, asked["reduction"].fields) == (program.sample_gram, 72, 36)
    assert asked["options"] == ASKED | expected | {"networks": 7, "relative_error": None, "rows": 2}
    assert (asked["network"], asked["reduction"].tally) == (GRAPH, places.tally_gram)
    assert (found.values == 1).all()
    assert (found.errors == 0).all()
    assert (found.network, found.names, found.origin) == (GRAPH, ("dense 1", "dense 2"), "simulation")
    sums = np.abs(np.random.default_rng(0).normal(size=(2, 72))) + 1
    for ours, theirs in zip(asked["estimate"](sums, None, 5), gram_estimates(sums, 5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    simulate.gram(GRAPH, np.ones((3, 2, 3)), backward=True, networks=7, method="dense")
    assert asked["given"][2:] == (6, 0, "dense", "linear")
    pivots = asked["reduction"].pivots(np.zeros((4, 3, 2)))
    np.testing.assert_array_equal(pivots, np.ones((4, 5)))


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
