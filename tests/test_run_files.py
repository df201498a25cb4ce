"""Runs in files: what is written and comes back, and what is refused of files made by hand. No kernel runs here."""

from dataclasses import replace

import numpy as np
import pytest

import varprop
from varprop import Network, archive, custom_activation, custom_weights, run_files
from varprop.layers import Dense, Residual, RMSNorm
from varprop.own_files import Written
from varprop.run_files import Stage
from varprop.runs import Digest, Question, Run
from varprop.saved import as_data
from varprop.sum_tree import Part, SumTree

CHAIN = Network([3, 8, 2], "relu", "he")
GRAPH = Network.sequential(3, Dense(8), Residual(RMSNorm(), Dense(8)), Dense(2))
IMAGE = Network.sequential(3, Dense(8), "relu", Dense(2), positions=(2, 2))
TOKENS = Network.sequential(3, Dense(8), "relu", Dense(2), positions=2)
ROWS = np.arange(9.0).reshape(3, 3)
IMAGES = np.arange(60.0).reshape(5, 2, 2, 3)
KINDS = {  # and rows and columns of its sums
    "forward": (CHAIN, {"inputs": None}, 2, 20),
    "forward of rows": (CHAIN, {"inputs": ROWS}, 2, 20),
    "forward with moments": (CHAIN, {"inputs": None, "moments": 6}, 2, 28),
    "forward of a graph": (GRAPH, {"inputs": None, "moments": 4}, 4, 27),
    "forward of tokens": (TOKENS, {"inputs": None}, 2 * 3, 23),
    "forward of images": (IMAGE, {"inputs": IMAGES}, 2 * 5, 23),
    "backward": (CHAIN, {"inputs": Digest.of(ROWS), "loss": "half_square"}, 3, 20),
    "backward of a loss": (CHAIN, {"inputs": None, "loss": np.ones(2)}, 3, 20),
    "backward of images": (IMAGE, {"inputs": None, "loss": np.ones((2, 2, 2))}, 3 * 5, 23),
    "pair": (GRAPH, {"correlation": -0.5, "inputs": None}, 4, 39),
    "pair of rows": (CHAIN, {"correlation": 0.5, "inputs": ROWS[1:]}, 2, 39),
    "law": (CHAIN, {"inputs": ROWS}, 2, 2**14 + 3),
    "gram": (IMAGE, {"inputs": IMAGES, "backward": False}, 2, 2 * 20**2),
    "gram of a digest": (CHAIN, {"inputs": Digest.of(ROWS), "backward": True}, 2, 2 * 3**2),
}
BUILDS = ({"varprop": "1", "numba": "2"}, {"numba": "3"})


def made(name, nodes=((1, 1), (0, 0)), part=True, seed=2**64 - 1):
    """Return a run whose sums are any numbers."""
    network, arguments, rows, columns = KINDS[name]
    question = Question(name.split()[0], network, arguments, seed, "dense")
    random = np.random.default_rng()
    sums = SumTree(random.normal(size=(rows, 5)) if nodes or part else None)
    if name == "law":
        sums.counts = random.integers(0, 10**15, (rows, columns)) * 1.0 if nodes else None
        sums.nodes = {key: np.empty((0, 0)) for key in nodes}
    else:
        sums.nodes = {key: random.normal(size=(rows, columns)) for key in nodes}
    if part:
        sums.part = Part(9, 5, np.abs(np.round(random.normal(size=(rows, columns)))))
    return Run(question, sums, BUILDS)


def same(one, other):
    """Assert that two runs are equal to the bit."""
    assert one.question.differences(other.question) == []
    assert [(k, type(v)) for k, v in one.question.arguments.items()] == [
        (k, type(v)) for k, v in other.question.arguments.items()
    ]
    assert one.builds == other.builds
    a, b = one.sums, other.sums
    assert sorted(a.nodes) == sorted(b.nodes)
    for x, y in [
        (a.pivots, b.pivots),
        (a.counts, b.counts),
        (a.part and a.part.sums, b.part and b.part.sums),
        *((a.nodes[key], b.nodes[key]) for key in a.nodes),
    ]:
        assert (x is None) == (y is None)
        assert x is None or (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
    assert (a.part and a.part[:2]) == (b.part and b.part[:2])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("nodes", "part"), [(((0, 8), (1, 2), (2, 0)), True), (((3, 2),), False), ((), True), ((), False)]
)
def test_a_run_comes_back_to_the_bit(tmp_path, name, nodes, part):
    run = made(name, nodes, part)
    run_files.write(tmp_path / "a", run)
    found, stage = run_files.read(tmp_path / "a")
    assert stage is None
    same(found, run)


@pytest.mark.parametrize("stage", [Stage(64, 1000), Stage(0, 0, 0.25), Stage(10**15, 10**15, 1e-9)])
def test_what_a_checkpoint_is_about_comes_back(tmp_path, stage):
    run_files.write(tmp_path / "a", made("forward", (), False), stage)
    assert run_files.read(tmp_path / "a")[1] == stage


def test_what_stands_in_a_file(tmp_path):
    run = made("backward of a loss")
    run_files.write(tmp_path / "a", run, Stage(0, 640, 0.5))
    header, arrays = archive.read(tmp_path / "a")
    assert header == {
        "kind": "backward",
        "network": as_data(CHAIN.width, CHAIN.sequence, CHAIN.positions, Written()),
        "seed": 2**64 - 1,
        "method": "dense",
        "arguments": {"inputs": None, "loss": {"array": "loss"}},
        "builds": [dict(build) for build in BUILDS],
        "nodes": [[0, 0], [1, 1]],
        "part": {"tile": 9, "networks": 5},
        "stage": {"first": 0, "networks": 640, "relative_error": 0.5},
    }
    assert list(arrays) == ["loss", "pivots", "nodes", "part"]
    np.testing.assert_array_equal(arrays["nodes"], [run.sums.nodes[0, 0], run.sums.nodes[1, 1]])
    np.testing.assert_array_equal(arrays["part"], run.sums.part.sums)
    run_files.write(tmp_path / "a", made("gram of a digest", (), False))
    header, arrays = archive.read(tmp_path / "a")
    digest = Digest.of(ROWS)
    assert header["arguments"] == {"inputs": {"shape": [3, 3], "sha256": digest.sha256}, "backward": True}
    assert (header["nodes"], header["part"], header["stage"], arrays) == ([], None, None, {})
    run_files.write(tmp_path / "a", made("law", part=False))
    assert list(archive.read(tmp_path / "a")[1]) == ["inputs", "pivots", "counts"]


class Record(run_files.Simulated):
    """What `save` needs of a record."""

    def __init__(self, run):
        self.run = run


def test_a_record_is_saved_and_one_of_theory_is_not(tmp_path):
    run = made("backward")
    Record(run).save(tmp_path / "a")
    same(run_files.read(tmp_path / "a")[0], run)
    with pytest.raises(ValueError, match="only what") as caught:
        Record(None).save(tmp_path / "b")
    assert str(caught.value) == "only what was simulated is saved, and of .at() a position nobody keeps sums."


def test_functions_of_ones_own_are_those_of_the_network(tmp_path):
    wave, law = (
        custom_activation(np.sin, np.cos, name="wave"),
        custom_weights(lambda u: 3**0.5 * (2 * u - 1), name="law"),
    )
    run = made("forward")
    question = replace(run.question, network=Network([3, 8, 2], wave, law))
    run_files.write(tmp_path / "a", replace(run, question=question))
    functions = run_files.functions_of(question.network)
    assert functions == {"law": law.distribution, "wave": wave}
    found, _ = run_files.read(tmp_path / "a", functions)
    assert found.question.network == question.network
    assert sorted(archive.read(tmp_path / "a")[0]["functions"]) == ["law", "wave"]
    with pytest.raises(ValueError, match=r"cannot be read: its .* is a function of the writer's own"):
        run_files.read(tmp_path / "a")
    assert run_files.functions_of(CHAIN) == {}


def changed(path, **changes):
    """Write a file again with another header, or other arrays."""
    header, arrays = archive.read(path)
    arrays = {**arrays, **changes.pop("arrays", {})}
    archive.write(path, {**header, **changes}, {k: v for k, v in arrays.items() if v is not None})


def of(width, **more):
    return {"network": {"width": width, "layers": [{"Dense": {"width": 4}}], **more}}


KEYS = "kind, network, seed, method, arguments, builds, nodes, part, stage"
HOSTILE = [  # a run of CHAIN, with nodes (0, 0) and (1, 1) and a part of tile 9; what is changed, what is said
    ({"kind": "sum"}, "its kind is 'sum'; it may be forward, backward, pair, law, gram."),
    ({"kind": []}, "its kind is []; it may be forward, backward, pair, law, gram."),
    ({"network": {"width": 3}}, "it has no 'layers'."),
    ({"network": None}, "it holds None; a network is an object with width, positions, layers."),
    (
        {"network": {"width": 3, "layers": [{"Dense": {"width": 10**20}}]}},
        f"layers[0].Dense: width of Dense is {10**20}; it must be from 1 to 4,611,686,018,427,387,904.",
    ),
    (of(3), "array 'pivots' is <f8 of shape (2, 5); expected <f8 of shape (1, 5)."),
    ({"seed": -1}, "seed is -1; it must be from 0 to 18,446,744,073,709,551,615."),
    ({"seed": "0"}, "seed is '0'; give a whole number."),
    ({"method": "exec"}, "its method is 'exec'; it may be auto, conditional, dense."),
    ({"arguments": {}}, "its arguments are {}; forward has inputs."),
    ({"kind": "gram"}, "its arguments are {'inputs': None}; gram has inputs, backward."),
    ({"arguments": None}, "its arguments are None; forward has inputs."),
    (
        {"arguments": {"inputs": None, "loss": "linear"}},
        "its arguments are {'inputs': None, 'loss': 'linear'}; forward has inputs.",
    ),
    ({"arguments": {"inputs": None, "moments": 5}}, "moments is 5; give 4, 6 or 8, up to which moment of z."),
    ({"arguments": {"inputs": "import os"}}, "its inputs is 'import os'."),
    (
        {"arguments": {"inputs": {"array": "pivots"}}},
        "its inputs is {'array': 'pivots'}; it is an array, or a digest of one.",
    ),
    (
        {"arguments": {"inputs": {"array": "inputs"}}},
        "its inputs is {'array': 'inputs'}; it is an array, or a digest of one.",
    ),
    (
        {"arguments": {"inputs": {"shape": [10**40, 3], "sha256": ""}}},
        "shape of inputs is 10000000000000000000000000000000000000000; it must be from 1 to 281,474,976,710,656.",
    ),
    (
        {"arguments": {"inputs": {"shape": [0, 3], "sha256": ""}}},
        "shape of inputs is 0; it must be from 1 to 281,474,976,710,656.",
    ),
    ({"arguments": {"inputs": {"shape": [2, 4], "sha256": ""}}}, "the shape of its inputs is (2, 4); expected (2, 3)."),
    ({"arguments": {"inputs": {"shape": [], "sha256": ""}}}, "the shape of its inputs is (); expected (3,)."),
    (
        {"arguments": {"inputs": {"shape": 3, "sha256": ""}}},
        "its inputs is {'sha256': '', 'shape': 3}; it is an array, or a digest of one.",
    ),
    (
        {"arguments": {"inputs": {"shape": [2, 3], "sha256": 3}}},
        "its inputs is {'sha256': 3, 'shape': [2, 3]}; it is an array, or a digest of one.",
    ),
    (
        {"arguments": {"inputs": {"shape": [2, 3], "sha256": "", "more": 1}}},
        "its inputs is {'more': 1, 'sha256': '', 'shape': [2, 3]}; it is an array, or a digest of one.",
    ),
    (
        {"arguments": {"inputs": {"array": "inputs"}}, "arrays": {"inputs": np.array(1.0)}},
        "the shape of its inputs is (); expected (3,).",
    ),
    (
        {"arguments": {"inputs": {"array": "inputs"}}, "arrays": {"inputs": np.ones((2, 4))}},
        "the shape of its inputs is (2, 4); expected (2, 3).",
    ),
    (
        {"arguments": {"inputs": {"array": "inputs"}}, "arrays": {"inputs": np.ones((2, 3), np.float32)}},
        "array 'inputs' is <f4 of shape (2, 3); expected <f8 of shape (2, 3).",
    ),
    (
        {"arguments": {"inputs": {"array": "inputs"}}, "arrays": {"inputs": np.array([[1.0, np.nan, 0]])}},
        "inputs hold nan at row 0, column 1 (1 such values); remove or fill them first.",
    ),
    (
        {"arguments": {"inputs": {"array": "inputs"}}, "arrays": {"inputs": np.ones((0, 3))}},
        "inputs have shape (0, 3); give at least one row.",
    ),
    ({"kind": "backward", "arguments": {"inputs": None, "loss": "square"}}, "its loss is 'square'."),
    ({"kind": "backward", "arguments": {"inputs": None, "loss": None}}, "its loss is None."),
    (
        {"kind": "backward", "arguments": {"inputs": None, "loss": {"shape": [3], "sha256": ""}}},
        "the shape of its loss is (3,); expected (2,).",
    ),
    (
        {"kind": "pair", "arguments": {"inputs": None, "correlation": 1.5}},
        "correlation is 1.5; it must lie between -1 and 1.",
    ),
    (
        {"kind": "pair", "arguments": {"inputs": None, "correlation": [1]}},
        "correlation is [1]; give a number between -1 and 1.",
    ),
    (
        {"kind": "pair", "arguments": {"inputs": None, "correlation": "1"}},
        "correlation is '1'; give a number between -1 and 1.",
    ),
    (
        {"kind": "pair", "arguments": {"inputs": {"shape": [3, 3], "sha256": ""}, "correlation": 0.5}},
        "the shape of its inputs is (3, 3); expected (2, 3).",
    ),
    ({"kind": "gram", "arguments": {"inputs": None, "backward": True}}, "its inputs is None."),
    ({"kind": "gram", "arguments": {"inputs": {"shape": [3, 3], "sha256": ""}, "backward": 1}}, "its backward is 1."),
    (
        {"kind": "law", **of(3, positions=2)},
        "law needs a chain of Dense layers, each with one activation at most, but this has 2 positions.",
    ),
    ({"builds": []}, "its builds are []; they are versions by name."),
    ({"builds": {}}, "its builds are {}; they are versions by name."),
    ({"builds": ["numba"]}, "its builds are ['numba']; they are versions by name."),
    ({"builds": [{"numba": 1}]}, "its builds are [{'numba': 1}]; they are versions by name."),
    ({"nodes": [[0, 0], [0, 0]]}, "its nodes are not in order, or networks come twice."),
    ({"nodes": [[61, 0]]}, "level is 61; it must be from 0 to 60."),
    ({"nodes": [[60, 10**15]]}, "its nodes are not in order, or networks come twice."),
    ({"nodes": [[0, -1]]}, "index is -1; it must be from 0 to 1,000,000,000,000,000."),
    ({"nodes": [[0, 10**15 + 1]]}, "index is 1000000000000001; it must be from 0 to 1,000,000,000,000,000."),
    ({"nodes": [[0]]}, "its nodes are [[0]]; each is a level and an index."),
    ({"nodes": [3]}, "its nodes are [3]; each is a level and an index."),
    ({"nodes": "all"}, "its nodes are 'all'; each is a level and an index."),
    ({"nodes": [[0, 0], [0, 1], [1, 0]]}, "its nodes are not in order, or networks come twice."),
    (
        {"nodes": [[0, 0], [0, 2]], "part": None},
        "it holds the arrays ['nodes', 'part', 'pivots']; it should be pivots, nodes.",
    ),
    ({"part": {"tile": 3, "networks": 5}}, "its nodes are not in order, or networks come twice."),
    ({"part": {"tile": 9, "networks": 64}}, "networks is 64; it must be from 1 to 63."),
    ({"part": {"tile": 9, "networks": 0}}, "networks is 0; it must be from 1 to 63."),
    ({"part": {"tile": -1, "networks": 5}}, "tile is -1; it must be from 0 to 1,000,000,000,000,000."),
    (
        {"part": {"tile": 10**15 + 1, "networks": 5}},
        "tile is 1000000000000001; it must be from 0 to 1,000,000,000,000,000.",
    ),
    ({"part": {"tile": 15625000000000, "networks": 1}}, "its nodes are not in order, or networks come twice."),
    ({"part": {"tile": 9}}, "its part is {'tile': 9}; it is a tile and its networks."),
    ({"part": [1, 2]}, "its part is [1, 2]; it is a tile and its networks."),
    ({"stage": 3}, "its stage is 3; it has first, networks, relative_error."),
    ({"stage": {"first": 0}}, "its stage is {'first': 0}; it has first, networks, relative_error."),
    (
        {"stage": {"first": 0, "networks": -1, "relative_error": None}},
        "networks is -1; it must be from 0 to 1,000,000,000,000,000.",
    ),
    (
        {"stage": {"first": -1, "networks": 0, "relative_error": None}},
        "first is -1; it must be from 0 to 1,000,000,000,000,000.",
    ),
    (
        {"stage": {"first": 10**15 + 1, "networks": 0, "relative_error": None}},
        "first is 1000000000000001; it must be from 0 to 1,000,000,000,000,000.",
    ),
    (
        {"stage": {"first": 0, "networks": 10**15 + 1, "relative_error": None}},
        "networks is 1000000000000001; it must be from 0 to 1,000,000,000,000,000.",
    ),
    (
        {"stage": {"first": 0, "networks": 0, "relative_error": "1"}},
        "relative_error is '1'; give a number such as 0.01.",
    ),
    (
        {"stage": {"first": 0, "networks": 0, "relative_error": 0.0}},
        "relative_error is 0.0; it must lie between 0 and 1, such as 0.01.",
    ),
    (
        {"more": 1},
        f"it has the keys {sorted([*KEYS.split(', '), 'more'])}; a run has {KEYS}.",
    ),
    ({"functions": 3}, "its functions are 3; each is what it gives, by name."),
    ({"arrays": {"pivots": np.full((2, 5), np.inf)}}, "its pivots are not finite."),
    ({"arrays": {"pivots": np.ones((2, 4))}}, "array 'pivots' is <f8 of shape (2, 4); expected <f8 of shape (2, 5)."),
    (
        {"arrays": {"pivots": np.ones((2, 5), np.float32)}},
        "array 'pivots' is <f4 of shape (2, 5); expected <f8 of shape (2, 5).",
    ),
    ({"arrays": {"nodes": None}}, "it holds the arrays ['part', 'pivots']; it should be pivots, nodes, part."),
    (
        {"arrays": {"other": np.ones(1)}},
        "it holds the arrays ['nodes', 'other', 'part', 'pivots']; it should be pivots, nodes, part.",
    ),
    ({"nodes": [], "part": None}, "it holds the arrays ['nodes', 'part', 'pivots']; it should be none."),
]


@pytest.mark.parametrize(("change", "said"), HOSTILE)
def test_a_file_that_was_put_together_by_hand_is_one_error(tmp_path, change, said):
    path = tmp_path / "a"
    run_files.write(path, made("forward"))
    changed(path, **change)
    with pytest.raises(ValueError, match=" cannot be read: ") as caught:
        run_files.read(path)
    assert str(caught.value) == f"{path} cannot be read: {said}"


@pytest.mark.parametrize("column", ["counts", "part"])
@pytest.mark.parametrize("number", [-1.0, 10.0**15 + 1, np.nan, np.inf])
def test_counts_that_are_none_are_refused(tmp_path, column, number):
    path, run = tmp_path / "a", made("law")
    run_files.write(path, run)
    sums = run.sums.counts if column == "counts" else run.sums.part.sums
    sums[1, 7] = number
    run_files.write(path, run)
    with pytest.raises(ValueError, match=r"cannot be read: its counts are no counts\.$"):
        run_files.read(path)
    sums[1, 7] = 10.0**15
    run_files.write(path, run)
    same(run_files.read(path)[0], run)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "law"])
def test_any_numbers_in_its_arrays_are_read(tmp_path, name):
    """They are wrong then, as whoever wrote them; but no fault comes of it."""
    run, random = made(name), np.random.default_rng()
    for sums in (*run.sums.nodes.values(), run.sums.part.sums):
        sums[:] = random.choice([0.0, -1.0, 1e300, -1e300, np.nan, np.inf], size=sums.shape)
    run_files.write(tmp_path / "a", run)
    repr(varprop.load(tmp_path / "a"))


def test_the_last_network_that_has_a_number_is_read(tmp_path):
    run = made("forward", ((0, 15_624_999_999_999),), part=False)
    run_files.write(tmp_path / "a", run)
    assert run_files.read(tmp_path / "a")[0].spans == ((10**15 - 64, 10**15),)
    run = made("forward", ((0, 8),))  # the part of the tile that follows
    run_files.write(tmp_path / "a", run)
    assert run_files.read(tmp_path / "a")[0].spans == ((512, 581),)


def test_a_run_that_has_not_begun_may_have_no_builds(tmp_path):
    """A checkpoint of an executor begins with none."""
    run = made("forward", (), part=False)
    run = Run(run.question, run.sums, ())
    run_files.write(tmp_path / "a", run, Stage(0, 100))
    found, stage = run_files.read(tmp_path / "a")
    assert (found.builds, found.spans, stage) == ((), (), Stage(0, 100))
