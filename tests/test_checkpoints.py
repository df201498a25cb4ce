"""Records in files, and runs that go on where they were stopped, to equal bits."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import kills
import numpy as np
import pytest
from evidence import fresh_seed, needs_compiler, quick
from test_merging import CHAIN, IMAGE, KINDS, bits

import varprop
from varprop import Network, run_files, simulate, theory
from varprop.layers import Dense, Residual, RMSNorm
from varprop.run_files import Stage
from varprop.runs import Question, Run
from varprop.simulate import checkpoints, measure
from varprop.sum_tree import SumTree


@needs_compiler
@pytest.mark.parametrize(("function", "network", "given"), KINDS)
def test_a_record_comes_back_from_its_file_to_the_bit(tmp_path, function, network, given):
    record = function(network, networks=1000, seed=fresh_seed(), **given)
    record.save(tmp_path / "a")
    found = varprop.load(tmp_path / "a")
    assert bits(found) == bits(record)
    assert type(found) is type(record)
    assert found.network == record.network
    assert found.run.question.differences(record.run.question) == []
    assert json.dumps(found.to_dict()) == json.dumps(record.to_dict())
    assert bits(varprop.extend(found, 100)) == bits(varprop.extend(record, 100))
    found.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@needs_compiler
@pytest.mark.parametrize(("function", "network", "given"), KINDS)
def test_a_run_goes_on_from_its_checkpoint(tmp_path, function, network, given):
    seed, path = fresh_seed(), tmp_path / "checkpoint"
    whole = function(network, networks=1000, seed=seed, **given)
    for networks in (2, 100, 640, 999, 1000, 1000):
        found = function(network, networks=networks, seed=seed, checkpoint=path, **given)
        assert found.run.sums.networks == networks
        assert bits(varprop.load(path)) == bits(found)
    assert bits(found) == bits(whole)
    assert os.listdir(tmp_path) == ["checkpoint"]


class StoppedError(Exception):
    """What a test stops a run with."""


QUESTION = Question("forward", CHAIN, {"inputs": None}, 3, "auto")


def known(tiles):
    """Return sums of so many tiles."""
    tree = SumTree(np.ones((2, 5)))
    for tile in range(tiles):
        tree.put((0, tile), np.ones((2, 20)))
    return tree


def test_writing_takes_a_hundredth_of_the_time_and_rests_a_second(tmp_path, monkeypatch):
    now, cost, written, real = [1000.0], [0.0], [], run_files.write

    def write(path, run, stage):
        real(path, run, stage)
        written.append((run.sums.networks, run.builds, stage))
        now[0] += cost[0]

    monkeypatch.setattr(checkpoints.run_files, "write", write)
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    builds = ({"numba": "1"},)
    with checkpoints.kept(tmp_path / "a", QUESTION, builds, 64, 1000, 0.25) as kept:
        assert (kept.goal, kept.sums.networks, len(written)) == (0, 0, 1)
        steps = [(0.5, 0, 1), (1.0, 2, 2), (1.5, 2, 3), (41.0, 2, 4), (202.5, 2, 5), (203.0, 2, 6)]
        for at, took, tiles in steps:
            now[0], cost[0] = 1000.0 + at, took
            kept.keep(known(tiles), 640)
            assert kept.sums.networks == 64 * tiles
        kept.write()
        kept.write()
    stage = Stage(64, 640, 0.25)
    # at 1.0 first, which takes 2 seconds; so it rests until 3.0 + 200
    assert written == [(0, builds, Stage(64, 0, 0.25)), (128, builds, stage), (384, builds, stage)]
    assert kept.goal == 0
    with checkpoints.kept(tmp_path / "a", QUESTION, ({"numba": "2"},), 64, 1000, None) as kept:
        assert (kept.goal, kept.builds, kept.sums.networks) == (640, builds, 384)
        kept.sums.put((0, 9), np.ones((2, 20)))
        assert kept.sums.networks == 384


def test_what_is_known_is_written_whatever_ends_a_run(tmp_path):
    def run(kept):
        tree = known(2)
        kept.keep(tree, 640)
        tree.put((1, 1), np.ones((2, 20)))  # an interruption may come while it is added to
        kept.builds = ({"numba": "1"},)
        raise StoppedError

    with checkpoints.kept(tmp_path / "a", QUESTION, (), 0, None, None) as kept, pytest.raises(StoppedError):
        run(kept)
    run, stage = run_files.read(tmp_path / "a")
    assert (run.spans, run.builds, stage) == (((0, 128),), ({"numba": "1"},), Stage(0, 640))
    with checkpoints.kept(None, QUESTION, (), 0, None, None) as kept:
        assert kept is None


def test_functions_of_ones_own_are_the_questions(tmp_path):
    wave = varprop.custom_activation(np.sin, name="wave")
    question = replace(QUESTION, network=Network([3, 8, 2], wave, "he"))
    for tiles in (1, 2):
        with checkpoints.kept(tmp_path / "a", question, ({"numba": "1"},), 0, 1000, None) as kept:
            assert kept.sums.networks == 64 * (tiles - 1)
            kept.keep(known(tiles), 1000)


def test_a_saved_record_is_a_checkpoint(tmp_path):
    simulate.forward(CHAIN, networks=100, first=640).save(tmp_path / "a")
    found = simulate.forward(CHAIN, networks=200, first=640, checkpoint=tmp_path / "a")
    assert bits(found) == bits(simulate.forward(CHAIN, networks=200, first=640))


@pytest.mark.parametrize(("first", "tiles"), [(0, 2), (640, 3), (64, 0)])
def test_a_record_says_where_it_begins_and_how_many_it_holds(tmp_path, first, tiles):
    tree = SumTree(np.ones((2, 5)) if tiles else None)
    for tile in range(tiles):
        tree.put((0, first // 64 + tile), np.ones((2, 20)))
    run_files.write(tmp_path / "a", Run(QUESTION, tree, ({"numba": "1"},)))
    with checkpoints.kept(tmp_path / "a", QUESTION, (), first, 1000, None) as kept:
        assert (kept.goal, kept.sums.networks) == (64 * tiles, 64 * tiles)
    run_files.write(tmp_path / "a", Run(QUESTION, tree, ({"numba": "1"},)))
    if tiles:
        other = checkpoints.kept(tmp_path / "a", QUESTION, (), first + 64, 1000, None)
        with pytest.raises(ValueError, match=f"it has first {first}, not {first + 64}"), other:
            pass


def test_a_checkpoint_of_another_machine_makes_a_mixed_record(tmp_path):
    record = simulate.forward(CHAIN, networks=100)
    (here,) = record.run.builds
    other = {**here, "processor": "other"}
    replace(record, run=replace(record.run, builds=(other,))).save(tmp_path / "a")
    found = simulate.forward(CHAIN, networks=200, checkpoint=tmp_path / "a")
    assert found.run.builds == varprop.load(tmp_path / "a").run.builds == (other, here)


def stopped_after(monkeypatch, blocks):
    """Have a run stopped after so many blocks."""
    left = [blocks]
    real = checkpoints.Checkpoint.keep

    def keep(self, tree, goal):
        real(self, tree, goal)
        left[0] -= 1
        if left[0] == 0:
            raise StoppedError

    monkeypatch.setattr(checkpoints.Checkpoint, "keep", keep)


@needs_compiler
@pytest.mark.parametrize("blocks", quick(1, 64, 90, slow=[90].count))  # within a stage, and at the end of one
def test_stages_towards_an_error_are_those_of_a_run_never_stopped(tmp_path, monkeypatch, blocks):
    network, seed = Network([4] * 4, "relu", "he"), fresh_seed()
    given = {"relative_error": 0.01, "seed": seed, "block_size": 64}
    whole = simulate.forward(network, **given)
    assert whole.networks > 64 * 90
    with monkeypatch.context() as patch:
        stopped_after(patch, blocks)
        with pytest.raises(StoppedError):
            simulate.forward(network, checkpoint=tmp_path / "a", **given)
    assert run_files.read(tmp_path / "a")[0].sums.networks == 64 * blocks
    assert bits(simulate.forward(network, checkpoint=tmp_path / "a", **given)) == bits(whole)


def test_what_takes_long_is_said_of_what_is_left(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(measure, "say_time", lambda draws, threads, networks: told.append(networks))
    for networks in (100, 640):
        simulate.forward(CHAIN, networks=networks, checkpoint=tmp_path / "a", progress=True)
    assert told == [100, 540]


def test_a_checkpoint_without_networks_is_no_record(tmp_path, monkeypatch):
    def stops(*given, **more):
        raise StoppedError

    path = tmp_path / "a"
    with monkeypatch.context() as patch:
        patch.setattr(measure.ensemble, "run", stops)
        with pytest.raises(StoppedError):
            simulate.forward(CHAIN, networks=100, checkpoint=path)
    with pytest.raises(ValueError, match=f"^{path} is a checkpoint of 0 networks; a record needs two.$"):
        varprop.load(path)
    simulate.forward(CHAIN, networks=2, checkpoint=path)
    assert varprop.load(path).networks == 2


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "a"
    simulate.forward(CHAIN, networks=200, seed=3, checkpoint=path)
    before = path.read_bytes()
    given = {"network": CHAIN, "networks": 300, "seed": 3, "checkpoint": path}
    for change, said in (
        ({"seed": 4}, "it has seed 3, not 4"),
        ({"inputs": np.ones(3)}, r"it has inputs N\(0, I\), not an array"),
        ({"network": IMAGE}, "it has network 3,8,2, relu, he, not 3 at 2"),
        ({"first": 64}, "it has first 0, not 64"),
        ({"relative_error": 0.1}, r"it has relative_error None, not 0\.1"),
        ({"seed": 4, "first": 64}, r"it has seed 3, not 4; first 0, not 64\.$"),
        (
            {"networks": 199},
            r"holds 200 networks, and 199 are asked for; ask for as many or more, or read it by varprop\.load\.$",
        ),
    ):
        with pytest.raises(ValueError, match=f"^checkpoint .*{said}"):
            simulate.forward(**{**given, **change})
    with pytest.raises(ValueError, match="kind 'forward', not 'law'"):
        simulate.law(CHAIN, networks=300, seed=3, checkpoint=path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_known_at_once(tmp_path):
    drawn = []
    own = varprop.custom_activation(lambda z: drawn.append(1) or np.tanh(z), name="own")
    other = varprop.custom_activation(np.sin, name="own")
    for path in (tmp_path / "no" / "a", tmp_path, "/dev/full"):
        with pytest.raises((ValueError, OSError), match=str(path)):
            simulate.forward(CHAIN, networks=100, checkpoint=path)
    drawn.clear()
    with pytest.raises(TypeError, match="two functions of your own are called 'own'"):
        simulate.forward(Network([3, 8, 8], [own, other]), networks=100, checkpoint=tmp_path / "a")
    assert drawn == []
    assert os.listdir(tmp_path) == []
    with pytest.raises(TypeError, match="path is 3"):
        simulate.forward(CHAIN, networks=100, checkpoint=3)


def test_theory_has_nothing_to_save(tmp_path):
    for record in (theory.forward(CHAIN), simulate.forward(IMAGE, networks=64).at(0)):
        with pytest.raises(ValueError, match="only what was simulated is saved"):
            record.save(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        varprop.load(tmp_path / "a")


def test_what_a_killed_writer_left_is_taken_away(tmp_path):
    (tmp_path / (".a." + "0" * 16)).write_bytes(b"half")
    (tmp_path / ".a.other").write_bytes(b"somebody's")
    simulate.forward(CHAIN, networks=100, checkpoint=tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == [".a.other", "a"]
    long = "b" * 100
    (tmp_path / f".{long[:60]}.{'f' * 16}").write_bytes(b"half")
    simulate.forward(CHAIN, networks=100, checkpoint=tmp_path / long)
    assert sorted(os.listdir(tmp_path)) == [".a.other", "a", long]


def test_half_a_file_is_refused_and_kept(tmp_path):
    path = tmp_path / "a"
    simulate.forward(CHAIN, networks=100, checkpoint=path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        path.write_bytes(content)
        for ask in (lambda: varprop.load(path), lambda: simulate.forward(CHAIN, networks=200, checkpoint=path)):
            with pytest.raises(ValueError, match=f"^{path} cannot be read"):
                ask()
        assert path.read_bytes() == content


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize(
    "given", [(2, 64 * 4000, ["forward"], ["seldom"]), pytest.param((4, 64 * 4000), marks=pytest.mark.slow)]
)
def test_a_killed_run_goes_on_to_equal_bits(given):
    found = kills.soak(*given)
    assert found["runs"] == found["equal to the bit"] >= 1
    assert found["unfinished files left"] == 0


@needs_compiler
@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files")
def test_a_full_disk_leaves_what_was_there(tmp_path):
    """A limit on the size of files stands for it: writing fails half way."""
    path = tmp_path / "a"
    network = Network([4] * 4, "relu", "he")
    simulate.forward(network, networks=128, checkpoint=path)
    before, code = path.read_bytes(), (
        "import resource, signal, sys\n"
        "from varprop import Network, simulate\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "simulate.forward(Network([4] * 4, 'relu', 'he'), networks=640, checkpoint=sys.argv[1])\n"
    )  # fmt: skip
    assert len(before) > 1000
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=300)
    assert f"ValueError: cannot write {path}: File too large" in done.stderr
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a"]
    whole = simulate.forward(network, networks=640)
    assert bits(simulate.forward(network, networks=640, checkpoint=path)) == bits(whole)


def test_a_graph_keeps_its_network(tmp_path):
    network = Network.sequential(3, Dense(8), *[Residual(RMSNorm(), Dense(8), "gelu", Dense(8), scale=0.5)] * 3, "tanh")
    record = simulate.forward(network, networks=64)
    record.save(tmp_path / "a")
    assert varprop.load(tmp_path / "a").network == network
