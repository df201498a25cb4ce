"""The workers of an executor give what threads here give, to the bit; or one error says what was lost."""

import multiprocessing
import pickle
import random
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from evidence import fresh_seed, needs_compiler
from test_merging import CHAIN, GRAPH, IMAGE, KINDS, bits

import varprop
from varprop import simulate
from varprop.cli import program
from varprop.cli.cluster import cluster
from varprop.kernels import LANES
from varprop.runs import Question
from varprop.simulate import ExecutorError, builds, ensemble, executors, measure, worker
from varprop.sum_tree import SumTree

TINY = [(simulate.forward, CHAIN, {}), (simulate.backward, GRAPH, {}), (simulate.pair, CHAIN, {"correlation": 0.5})]
TINY += [(simulate.law, CHAIN, {}), (simulate.gram, IMAGE, {"inputs": np.ones((2, 2, 2, 3))})]


class Manual(Executor):
    """Runs tasks when there are as many as it holds, in any order; ``spoil(count, future)`` may end one otherwise."""

    def __init__(self, held=3, spoil=lambda count, future: False):
        self.held, self.spoil, self.waiting, self.count, self.most = held, spoil, [], 0, 0
        self._max_workers = held

    def submit(self, function, *given):
        future = Future()
        self.count += 1
        if function is worker.find_pivots:
            future.set_result(function(*given))
        elif not self.spoil(self.count, future):
            self.waiting.append((future, function, pickle.dumps(given)))
            self.most = max(self.most, len(self.waiting))
            if len(self.waiting) == 1:
                threading.Timer(0.005, self._work).start()
        return future

    def _work(self):
        random.shuffle(self.waiting)
        while self.waiting:
            future, function, given = self.waiting.pop()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*pickle.loads(given)))
                except Exception as error:
                    future.set_exception(error)


@needs_compiler
@pytest.mark.parametrize(("function", "network", "given"), KINDS)
def test_threads_of_an_executor_give_the_same_bits(function, network, given):
    seed = fresh_seed()
    with ThreadPoolExecutor(2) as pool:
        there = function(network, networks=1000, first=640, seed=seed, executor=pool, **given)
    here = function(network, networks=1000, first=640, seed=seed, **given)
    assert bits(there) == bits(here)
    assert there.run.builds == here.run.builds == (builds.here(),)
    assert there.run.question.differences(here.run.question) == []


def test_processes_give_the_same_bits():
    """The other functions: tests/test_dask.py."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = simulate.forward(CHAIN, networks=3000, executor=pool)
    assert bits(there) == bits(simulate.forward(CHAIN, networks=3000))


@needs_compiler
@pytest.mark.parametrize("networks", [1000, 64 * 37 + 1])
def test_tasks_end_in_any_order(networks):
    seed, pool = fresh_seed(), Manual()
    for function, network, given in TINY:
        there = function(network, networks=networks, seed=seed, executor=pool, block_size=128, **given)
        assert bits(there) == bits(function(network, networks=networks, seed=seed, **given))
    assert 2 <= pool.most <= 9


@needs_compiler
def test_an_error_is_drawn_towards_in_the_same_stages():
    with ThreadPoolExecutor(2) as pool:
        there = simulate.forward(CHAIN, relative_error=0.01, executor=pool)
    here = simulate.forward(CHAIN, relative_error=0.01)
    assert there.networks == here.networks
    assert bits(there) == bits(here)


def test_a_record_is_extended_by_an_executor():
    record = simulate.forward(CHAIN, networks=100)
    rows = np.arange(6.0).reshape(2, 3)
    pair = simulate.pair(CHAIN, inputs=rows, networks=100)
    with ThreadPoolExecutor(2) as pool:
        assert bits(varprop.extend(record, 900, executor=pool)) == bits(simulate.forward(CHAIN, networks=1000))
        more = varprop.extend(pair, 900, executor=pool)
    assert bits(more) == bits(simulate.pair(CHAIN, inputs=rows, networks=1000))


def test_tasks_are_subtrees_of_half_a_second():
    def tasks(draws, tiles, workers, block_size=None):
        plan = ensemble.Plan(None, 2, ensemble.MOMENTS, draws, 0)
        question = Question("forward", CHAIN, {}, 0, "auto")
        crew = executors.There(question, plan, Manual(workers), block_size)
        return crew.block(tiles), crew.most

    assert executors.TASK_DRAWS == 2**28
    assert tasks(2**12, 10**6, 2) == (2**10, 8)  # by time
    assert tasks(2**12, 10**6, 1000) == (128, 2000)  # 250 tiles for each of 4000 tasks
    assert tasks(2**12, 10**9, 1024)[0] == 2**14  # a thousand ask less often
    assert tasks(2**12, 10, 1000)[0] == tasks(2**30, 10**6, 2)[0] == 1
    assert tasks(2**12, 10**6, 2, 6400)[0] == 100
    assert tasks(2**12, 10**6, None)[1] == 2 * executors.SLOTS


def _breaks(error):
    def spoil(count, future):
        if count > 6:
            future.set_exception(error)
        return count > 6

    return spoil


def _of(module):
    return type("KilledWorker", (Exception,), {"__module__": module})("twice\nkilled")


LOST = [BrokenProcessPool("a child died"), _of("distributed.scheduler"), _of("mpi4py.futures"), ImportError("no x")]


@pytest.mark.parametrize("error", LOST)
def test_a_lost_executor_is_one_error_that_counts(error):
    said = (
        rf"the executor failed: {type(error).__name__}: [\w ]+; (\d+) of 2,000 networks were drawn: with a checkpoint, "
    )
    pool = Manual(4, _breaks(error))
    with pytest.raises(ExecutorError, match=said) as caught:
        simulate.forward(CHAIN, networks=2000, block_size=64, executor=pool)
    assert caught.value.__cause__ is error
    assert isinstance(caught.value, RuntimeError)
    record = simulate.forward(CHAIN, networks=640)
    with pytest.raises(ExecutorError, match=r"; \d+ of 2,000 networks"):
        varprop.extend(record, 2000, block_size=64, executor=Manual(4, _breaks(error)))
    with pytest.raises(ExecutorError, match=r"; \d+ networks were drawn"):
        simulate.forward(CHAIN, relative_error=1e-5, executor=Manual(4, _breaks(error)), block_size=64)


@pytest.mark.parametrize("error", [MemoryError("too wide"), ValueError("phi fails"), IndexError("a fault of ours")])
def test_errors_of_varprop_in_a_worker_arrive_as_they_are(error):
    with pytest.raises(type(error)) as caught:
        simulate.forward(CHAIN, networks=2000, block_size=64, executor=Manual(4, _breaks(error)))
    assert caught.value is error


def test_what_is_cancelled_or_shut_down_is_lost():
    def cancels(count, future):
        return count > 6 and future.cancel() and future.set_running_or_notify_cancel() is False

    with pytest.raises(ExecutorError, match="CancelledError"):
        simulate.forward(CHAIN, networks=2000, block_size=64, executor=Manual(4, cancels))
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(ExecutorError, match=r"takes no work: RuntimeError: .*; 0 of 100 networks were drawn"):
        simulate.forward(CHAIN, networks=100, executor=pool)


def test_an_interruption_cancels_what_waits(monkeypatch):
    futures = []

    def holds(count, future):
        futures.append(future)
        return True

    def presses(tree):
        raise KeyboardInterrupt

    crew = executors.There(*_asked(), Manual(4, holds), 64)
    monkeypatch.setattr(crew, "next_done", presses)
    with pytest.raises(KeyboardInterrupt):
        ensemble.run(crew, SumTree(np.ones((2, 5))), lambda tree: 5 * LANES)
    assert len(futures) == 5
    assert all(future.cancelled() for future in futures)


def _asked():
    question = Question("forward", CHAIN, {"inputs": None}, 0, "auto")
    return question, measure.planned(question)[1]


def test_a_worker_of_another_version_is_refused():
    asked = worker.Asked.of(_asked()[0])
    with pytest.raises(ExecutorError, match=rf"a worker has varprop {varprop.__version__}, and here is 0\.0\.9; "):
        worker.draw(replace(asked, version="0.0.9"), 0, 1, 0, np.ones((2, 5)))
    with pytest.raises(ExecutorError, match="a worker cannot read the network: No module named 'far'"):
        worker.find_pivots(worker.Asked("0", asked.version, b"cfar\naway\n."))


def test_workers_of_two_builds_make_a_mixed_record(monkeypatch):
    other = {**builds.here(), "processor": "other"}
    pool = Manual(2)
    found = iter([builds.here(), *([other, builds.here()] * 100)])
    monkeypatch.setattr(worker.builds, "here", lambda: next(found))
    record = simulate.forward(CHAIN, networks=1000, executor=pool, block_size=64)
    assert record.run.mixed
    assert len(record.run.builds) == 2


def test_what_is_no_executor_is_refused():
    with pytest.raises(TypeError, match=r"executor is 3; give a concurrent\.futures\.Executor"):
        simulate.forward(CHAIN, networks=10, executor=3)
    client = type("Client", (), {"__module__": "distributed.client", "get_executor": 1})()
    with pytest.raises(TypeError, match=r"executor is a Dask Client; give client\.get_executor"):
        simulate.forward(CHAIN, networks=10, executor=client)


def test_one_process_of_a_machine_compiles_and_those_that_waited_go_on_at_once(monkeypatch, tmp_path):
    pytest.importorskip("fcntl")
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path))
    inside, both, waiting = threading.Event(), threading.Barrier(2, timeout=60), set()

    def sleep(seconds):
        waiting.add(threading.get_ident())
        time.sleep(seconds)

    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))

    def compiles():
        with worker._alone_here():
            inside.set()
            while len(waiting) < 2:
                time.sleep(0.01)

    def comes_later():
        inside.wait(60)
        with worker._alone_here():
            both.wait()  # the two that waited are in it at once

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(compiles), pool.submit(comes_later), pool.submit(comes_later)]:
            done.result()
    monkeypatch.setattr(worker, "LONGEST", -1.0)  # whom a frozen process holds up goes on
    with worker._alone_here():
        pass
    monkeypatch.setattr(worker.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    with worker._alone_here():
        pass


def test_the_client_draws_and_compiles_nothing(monkeypatch):
    """What it does itself is the plan and the estimates."""
    question, plan = _asked()
    tree, seen = SumTree(np.ones((2, 5))), []

    def draw(asked, tile, tiles, part, pivots):
        seen.append((tile, tiles, part))
        found = SumTree()
        found.add(tile, np.ones((tiles, 2, ensemble.COLUMNS)))
        return found, {}

    monkeypatch.setattr(worker, "draw", draw)
    monkeypatch.setattr(ensemble.Plan, "compile", None)
    monkeypatch.setattr(ensemble.Plan, "add", None)
    monkeypatch.setattr(ensemble.Plan, "pivots", None)
    with ThreadPoolExecutor(1) as pool:
        ensemble.run(executors.There(question, plan, pool), tree, lambda tree: 16 * LANES)
    assert tree.networks == 16 * LANES
    assert len(seen) == 4  # of one worker


def test_a_command_needs_dask_for_a_cluster(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    asked = cluster("tcp://far:8786")
    with pytest.raises(ValueError, match=r"--dask needs the package distributed: pip install 'varprop\[dask\]'"):
        asked.__enter__()
    with cluster(None) as executor:
        assert executor is None


def test_a_lost_cluster_has_an_exit_status_of_its_own_and_a_command_that_goes_on(monkeypatch, tmp_path, capsys):
    path = tmp_path / "run of mine"
    for given in ({}, {"checkpoint": path}):
        pool = Manual(4, _breaks(BrokenProcessPool("a child died")))
        with pytest.raises(ExecutorError) as caught:
            simulate.forward(CHAIN, networks=2000, block_size=64, executor=pool, **given)
        assert caught.value.checkpoint == given.get("checkpoint")
        words = ["/bin/varprop", "simulate", "3,8,2", "--checkpoint", str(path)]
        monkeypatch.setattr(sys, "argv", words[: 5 if given else 3])
        assert program._status(caught.value) == 69
        said = capsys.readouterr().err
        assert " of 2,000 networks were drawn: " in said
        assert ("varprop: To go on, " in said) == bool(given)
    assert said.endswith(f"here: varprop simulate 3,8,2 --checkpoint '{path}'\n")
    assert f"goes on from there, by checkpoint {path}" in said
