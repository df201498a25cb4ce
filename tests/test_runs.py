"""What is said of a run, and of how two questions differ. No kernel runs here."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from varprop import Network
from varprop.runs import MOST_KEPT, Digest, Question, Run
from varprop.sum_tree import Part, SumTree

CHAIN = Network([3, 8, 2], "relu", "he")
ROWS = np.arange(9.0).reshape(3, 3)
QUESTION = Question("forward", CHAIN, {"inputs": ROWS}, 7, "auto")


def sha(array):
    return hashlib.sha256(np.array(array, ">f8").byteswap().tobytes()).hexdigest()


def test_a_digest_is_of_the_numbers_in_their_order():
    for array in (ROWS, ROWS.T, ROWS.astype(np.float32), ROWS.astype(">f8")):
        assert Digest.of(array) == ((3, 3), sha(array))
    assert Digest.of(ROWS) != Digest.of(ROWS.T)
    assert str(Digest.of(ROWS)) == f"an array (3, 3) of digest {sha(ROWS)[:12]}"


@pytest.mark.parametrize("more", [0, 1])
def test_data_up_to_a_mebibyte_are_kept(more):
    data = np.zeros(MOST_KEPT // 8 + more)
    assert data.nbytes == 2**20 + 8 * more
    found = replace(QUESTION, arguments={"inputs": data, "loss": "linear"}).kept()
    assert found.arguments == {"inputs": Digest(data.shape, sha(data)) if more else data, "loss": "linear"}
    assert (found.kind, found.network, found.seed, found.method) == ("forward", CHAIN, 7, "auto")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"arguments": {"inputs": Digest.of(ROWS)}}, []),
        ({"arguments": {"inputs": ROWS.copy()}}, []),
        ({"seed": 8}, ["seed 8, not 7"]),
        ({"kind": "law", "arguments": {}}, ["kind 'law', not 'forward'"]),
        ({"method": "dense", "seed": 0}, ["seed 0, not 7", "method 'dense', not 'auto'"]),
        (
            {"network": Network([3, 2], "relu", "lecun")},
            ["network 3,2, relu, lecun, not 3,8,2, relu, he"],
        ),
        (
            {"arguments": {"inputs": ROWS.T}},
            [f"inputs {Digest.of(ROWS.T)}, not {Digest.of(ROWS)}"],
        ),
        ({"arguments": {"inputs": None}}, [f"inputs N(0, I), not {Digest.of(ROWS)}"]),
        ({"arguments": {"inputs": ROWS, "moments": 8}}, ["moments 8, not None"]),
    ],
)
def test_how_questions_differ_is_said(change, said):
    other = replace(QUESTION, **change)
    assert QUESTION.differences(other) == said
    assert bool(other.differences(QUESTION)) == bool(said)
    assert other.differences(other) == []


def test_what_only_one_of_two_questions_asks_is_a_difference():
    drawn = replace(QUESTION, arguments={"inputs": None})
    assert drawn.differences(QUESTION) == [f"inputs {Digest.of(ROWS)}, not N(0, I)"]
    asked = replace(QUESTION, arguments={"inputs": None, "moments": 4, "loss": np.ones(2)})
    digest = Digest.of(np.ones(2))
    assert asked.differences(replace(QUESTION, arguments={"inputs": None})) == [
        "moments None, not 4",
        f"loss None, not {digest}",
    ]


def test_a_correlation_counts_where_no_inputs_give_it():
    pair = replace(QUESTION, kind="pair", arguments={"correlation": 0.5, "inputs": None})
    other = replace(pair, arguments={"correlation": 0.25, "inputs": None})
    assert pair.differences(other) == ["correlation 0.25, not 0.5"]
    given, others = (replace(x, arguments={**x.arguments, "inputs": ROWS[:2]}) for x in (pair, other))
    assert given.differences(others) == []


def test_a_run_in_plain_values_and_in_a_line():
    question = replace(QUESTION, arguments={"inputs": ROWS, "loss": Digest.of(ROWS.T), "moments": 4})
    builds = ({"numba": "1"}, {"numba": "2"})
    tree = SumTree(nodes={(1, 1): np.ones((2, 2)), (0, 8): np.ones((2, 2))}, part=Part(9, 3, np.ones((2, 2))))
    run = Run(question, tree, builds)
    summary = run.summary()
    assert summary == {
        "kind": "forward",
        "seed": 7,
        "method": "auto",
        "first": 128,
        "networks": 195,
        "spans": [[128, 256], [512, 579]],
        "arguments": {
            "inputs": {"shape": [3, 3], "sha256": sha(ROWS), "values": ROWS.tolist()},
            "loss": {"shape": [3, 3], "sha256": sha(ROWS.T)},
            "moments": 4,
        },
        "builds": [{"numba": "1"}, {"numba": "2"}],
    }
    assert summary["builds"][0] is not builds[0]
    assert (run.spans, run.gaps, run.mixed) == (((128, 256), (512, 579)), ((256, 512),), True)
    assert repr(run) == "Run(forward, seed 7, networks ((128, 256), (512, 579)), 2 builds)"
    one = replace(run, builds=builds[:1])
    assert not one.mixed
    assert repr(one) == "Run(forward, seed 7, networks ((128, 256), (512, 579)), 1 build)"
