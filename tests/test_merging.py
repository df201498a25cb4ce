"""Records of several runs as one: to the bit what one run gives."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from evidence import fresh_seed, needs_compiler

import varprop
from varprop import Network, progress, simulate, theory
from varprop.kernels import places
from varprop.layer_profile import LayerProfile
from varprop.layers import Dense, Residual, RMSNorm
from varprop.runs import Digest
from varprop.simulate import measure
from varprop.simulate.merging import as_asked

CHAIN = Network([3, 8, 2], "relu", "he")
GRAPH = Network.sequential(3, Dense(8), Residual(RMSNorm(), Dense(8)), Dense(2))
IMAGE = Network.sequential(3, Dense(8), "relu", Dense(2), positions=(2, 2))
KINDS = [
    (simulate.forward, CHAIN, {}),
    (simulate.forward, CHAIN, {"inputs": np.eye(3)}),
    (simulate.forward, GRAPH, {}),
    (simulate.forward, IMAGE, {"inputs": np.ones((5, 2, 2, 3)), "moments": 6}),
    (simulate.forward, CHAIN, {"moments": 8}),
    (simulate.backward, CHAIN, {"loss": "half_square", "inputs": np.ones(3)}),
    (simulate.backward, CHAIN, {"loss": np.array([1.0, 2.0])}),
    (simulate.backward, IMAGE, {"loss": np.ones((2, 2, 2))}),
    (simulate.pair, CHAIN, {"correlation": 0.5}),
    (simulate.pair, GRAPH, {"inputs": np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])}),
    (simulate.law, CHAIN, {}),
    (simulate.gram, IMAGE, {"inputs": np.arange(24.0).reshape(2, 2, 2, 3), "backward": True}),
]


def bits(value):
    """Return all numbers of a record, one after the other."""
    if isinstance(value, LayerProfile):
        return b"".join(np.asarray(getattr(value, name)).tobytes() for name in ("values", "errors"))
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, tuple):
        return b"".join(map(bits, value))
    if hasattr(value, "run"):
        return b"".join(bits(getattr(value, f.name)) for f in fields(value))
    return b""


@needs_compiler
@pytest.mark.parametrize(("function", "network", "given"), KINDS)
def test_shards_are_one_run(function, network, given):
    seed = fresh_seed()
    whole = function(network, networks=1000, seed=seed, **given)
    spans = [(0, 192), (192, 128), (320, 576), (896, 104)]
    shards = [function(network, networks=many, first=first, seed=seed, **given) for first, many in spans]
    merged = varprop.merge(*(shards[i] for i in np.random.default_rng().permutation(4)))
    assert (merged.run.spans, merged.run.gaps, merged.run.mixed) == (((0, 1000),), (), False)
    assert len(bits(whole)) > 50
    assert bits(merged) == bits(whole)
    assert bits(pickle.loads(pickle.dumps(merged))) == bits(whole)
    again = function(network, networks=1000, seed=seed, threads=1, block_size=64, **given)
    assert bits(again) == bits(whole)
    assert bits(shards[0]) != bits(whole)


@pytest.mark.parametrize(("function", "network", "given"), KINDS)
def test_a_record_is_extended_to_what_one_run_gives(function, network, given):
    seed = fresh_seed()
    some = function(network, networks=100, seed=seed, **given)
    for more in (28, 1, 300):
        total = function(network, networks=100 + more, seed=seed, **given)
        assert bits(varprop.extend(some, more)) == bits(total)
    assert some.run.spans == ((0, 100),)


def test_a_bar_shows_how_far_a_record_is_extended(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SHOW_AFTER", -1.0)
    record = simulate.forward(CHAIN, networks=64)
    varprop.extend(record, 128)
    assert capsys.readouterr().err == ""
    varprop.extend(record, 128, progress=True)
    assert "128/128" in capsys.readouterr().err


@pytest.mark.parametrize(("function", "network", "given"), KINDS)
def test_a_question_as_it_is_kept_is_the_same_question(function, network, given):
    question = function(network, networks=2, **given).run.question
    arguments = dict(question.arguments)
    if question.kind == "pair" and arguments["inputs"] is not None:
        arguments["correlation"] = None
    again, _ = measure.planned(replace(question, arguments=arguments))
    assert question.differences(again) == []
    for name, value in question.arguments.items():
        np.testing.assert_array_equal(value, again.arguments[name])


def test_gaps_are_listed():
    shards = [simulate.forward(CHAIN, networks=64, first=first) for first in (0, 640, 256)]
    merged = varprop.merge(*shards)
    assert merged.run.spans == ((0, 64), (256, 320), (640, 704))
    assert merged.run.gaps == ((64, 256), (320, 640))
    assert merged.networks == 192
    summary = merged.run.summary()
    assert (summary["first"], summary["networks"], summary["spans"]) == (0, 192, [[0, 64], [256, 320], [640, 704]])
    assert bits(varprop.merge(merged)) == bits(merged)
    filled = varprop.merge(merged, *(simulate.forward(CHAIN, networks=n, first=f) for f, n in ((64, 192), (320, 320))))
    assert bits(filled) == bits(simulate.forward(CHAIN, networks=704))


OTHERS = [
    ({"seed": 1}, "seed 1, not 0"),
    ({"network": Network([3, 8, 2], "relu", "lecun")}, "network 3,8,2, relu, lecun, not 3,8,2, relu, he"),
    ({"inputs": np.ones(3)}, r"inputs an array \(1, 3\) of digest .*, not N\(0, I\)"),
    ({"method": "dense"}, "method 'dense', not 'conditional'"),
]


@pytest.mark.parametrize(("change", "said"), OTHERS)
def test_other_questions_are_refused_by_their_difference(change, said):
    one = simulate.forward(CHAIN, networks=64)
    given = {"network": CHAIN, "networks": 64, "first": 64, **change}
    with pytest.raises(ValueError, match=f"^these records are of two questions: one has {said}"):
        varprop.merge(one, simulate.forward(**given))


def test_what_cannot_be_merged_is_refused():
    one, two = simulate.forward(CHAIN, networks=100), simulate.forward(CHAIN, networks=64, first=64)
    with pytest.raises(ValueError, match="two of these records hold networks 64 to 99; draw others, by first="):
        varprop.merge(one, two)
    later = simulate.forward(CHAIN, networks=64, first=128)
    with pytest.raises(ValueError, match="a record ends at network 100, within a tile of 64"):
        varprop.merge(later, one)
    with pytest.raises(ValueError, match="one has kind 'law', not 'forward'"):
        varprop.merge(one, simulate.law(CHAIN, networks=64, first=128))
    with pytest.raises(ValueError, match="one has seed 1, not 0; method 'dense', not 'conditional'"):
        varprop.merge(one, simulate.forward(CHAIN, networks=64, first=128, seed=1, method="dense"))
    with pytest.raises(TypeError, match=r"this is Forward\(.*; give a record of varprop\.simulate"):
        varprop.merge(theory.forward(CHAIN))
    part = r"varprop\.simulate\. What is \.at\(\) a position is a part of a record, without its sums\.$"
    with pytest.raises(TypeError, match=part):
        varprop.extend(simulate.forward(IMAGE, networks=64).at(0), 10)
    with pytest.raises(TypeError, match=r"^merge needs records; give one or more\.$"):
        varprop.merge()
    with pytest.raises(TypeError, match=r"^this is 3; give a record of varprop\.simulate\.$"):
        varprop.extend(3, 1)
    for name in ("networks", "threads", "block_size"):
        with pytest.raises(ValueError, match=f"^{name} is 0; it must be from 1 to"):
            varprop.extend(one, **{"networks": 1, name: 0})


def test_large_inputs_are_kept_as_a_digest(monkeypatch):
    monkeypatch.setattr("varprop.runs.MOST_KEPT", 71)
    rows = np.arange(9.0).reshape(3, 3)
    one = simulate.forward(CHAIN, rows, networks=100)
    kept = one.run.question.arguments["inputs"]
    assert isinstance(kept, Digest)
    assert kept.shape == (3, 3)
    assert one.run.summary()["arguments"]["inputs"] == {"shape": [3, 3], "sha256": kept.sha256}
    whole = simulate.forward(CHAIN, rows, networks=160)
    assert bits(varprop.extend(one, 60, inputs=rows)) == bits(whole)
    assert bits(
        varprop.merge(varprop.extend(one, 28, inputs=rows), simulate.forward(CHAIN, rows, networks=32, first=128))
    )
    with pytest.raises(ValueError, match=r"the record holds no inputs, .* give them again, as inputs="):
        varprop.extend(one, 60)
    with pytest.raises(ValueError, match=r"^these inputs are not the record's: they have inputs an array"):
        varprop.extend(one, 60, inputs=rows + 1)


def test_builds_of_two_machines_are_mixed():
    one, two = simulate.forward(CHAIN, networks=64), simulate.forward(CHAIN, networks=64, first=64)
    (build,) = two.run.builds
    assert build["varprop"] == varprop.__version__
    other = replace(two, run=replace(two.run, builds=({**build, "processor": "other"},)))
    merged = varprop.merge(one, other)
    assert merged.run.mixed
    assert len(merged.run.builds) == 2


@pytest.mark.parametrize(
    ("function", "network", "given"), [k for k in KINDS if not k[1].is_chain or k[0] is simulate.pair]
)
def test_a_plan_compiles_what_records_too(monkeypatch, function, network, given):
    """Or each thread would wait for one of them to compile it, and nobody would be told."""
    seen = set()

    def spied(name):
        real = getattr(places, name)
        monkeypatch.setattr(places, name, lambda *arguments: (seen.add(name), real(*arguments))[1])

    for name in ("record_signal", "record_gradient", "record_pair", "record_gram"):
        spied(name)
    question = function(network, networks=2, **given).run.question
    drawn = set(seen)
    seen.clear()
    _, plan = measure.planned(as_asked(question))
    plan.compile(np.zeros(1, np.uint8))
    assert seen == drawn != set()
