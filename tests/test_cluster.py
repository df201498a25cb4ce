"""What is asked of a Dask cluster, of a client made by hand; tests/test_dask.py has a real one."""

import pickle
import sys
import types
from concurrent.futures import Executor, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from varprop import Network
from varprop.runs import Question
from varprop.simulate import ExecutorError, executors, worker


class Own(Executor):
    """The executor that a client makes for us."""

    waits: tuple = ()

    def shutdown(self, wait=True, **_):
        self.waits += (wait,)


class Client:
    """As Dask's, as far as it is asked."""

    def __init__(self):
        self.status, self.scheduler, self.cores = "running", SimpleNamespace(ncores="ncores"), {"a": 4, "b": 3}
        self.own, self.said = Own(), []

    def get_executor(self, **options):
        self.said.append(options)
        return self.own

    def sync(self, ask, callback_timeout):
        self.said.append((ask, callback_timeout))
        if isinstance(self.cores, Exception):
            raise self.cores
        return self.cores

    def submit(self, function, asked, *, pure):
        self.said.append((function, asked, pure))
        return "a future"


Theirs = types.new_class("Theirs", (Executor,))
Theirs.__module__ = "distributed.cfexecutor"


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def clock(monkeypatch):
    found = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(executors, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def given(client):
    """Return what a user gives: an executor of the client."""
    found = Theirs()
    found._client, found._kwargs = client, {"retries": 3, "pure": True}
    return found


def asked(size):
    return worker.Asked("digest", "version", bytes(size))


def test_a_cluster_is_looked_at_now_and_then(client, clock):
    cluster = executors._Cluster(given(client))
    assert client.said == [{"retries": 3, "pure": False}]
    assert cluster.executor is client.own
    assert cluster.slots() == 7
    assert client.said[1:] == [("ncores", executors.PATIENCE)]
    client.cores = {"a": 1}
    clock.now += executors.LOOK - 0.1
    assert cluster.slots() == 7
    clock.now = 1000.0 + executors.LOOK
    assert cluster.slots() == 1
    client.cores = {}
    clock.now += executors.LOOK
    assert cluster.slots() == executors.SLOTS


def test_a_scheduler_that_is_gone_is_one_error(client, clock):
    cluster = executors._Cluster(given(client))
    client.cores = OSError("nobody there.")
    with pytest.raises(ExecutorError, match=r"Dask's scheduler does not answer: OSError: nobody there"):
        cluster.check()
    client.status = "closed"
    with pytest.raises(ExecutorError, match="connection to Dask's scheduler is lost: its client is closed"):
        cluster.check()
    cluster.cancel(set())
    assert client.own.waits == ()
    client.status = "running"
    cluster.cancel(set())
    assert client.own.waits == (False,)


def test_a_large_question_is_fetched_once(client):
    cluster, small, large = executors._Cluster(given(client)), asked(executors.HEAVY - 1), asked(executors.HEAVY)
    assert cluster.carry(small) is small
    assert cluster.carry(large) == "a future"
    assert client.said[1:] == [(worker.carried, large, False)]


def test_executors_are_told_apart(client):
    plan = SimpleNamespace(draws=100, numbers=3)
    assert type(executors.There(None, plan, given(client))._workers) is executors._Cluster
    crew = executors.There(None, plan, Own(), 1000)
    assert type(crew._workers) is executors._Workers
    assert crew.block(100) == executors.Size(1000, 100, 3).block(100)
    assert crew._workers.slots() == executors.SLOTS
    crew._workers.executor._max_workers = 5
    assert crew._workers.slots() == 5
    other = type("Client", (), {"get_executor": None, "__module__": "elsewhere"})()
    with pytest.raises(TypeError, match=r"executor is .*; give a concurrent.futures.Executor"):
        executors.check_executor(other)
    type(other).__module__ = "distributed.client"
    with pytest.raises(TypeError, match=r"^executor is a Dask Client; give client.get_executor\(\).$"):
        executors.check_executor(other)


def test_what_is_done_is_cancelled_no_more():
    crew = executors.There(None, SimpleNamespace(draws=100, numbers=3), ThreadPoolExecutor(1))
    crew._submit(int)
    assert len(crew._open) == 1
    assert crew._wait().result() == 0
    assert not crew._open


def test_who_waits_looks_at_its_workers():
    def gone():
        raise ExecutorError("nobody is there")

    crew = executors.There(None, SimpleNamespace(draws=100, numbers=3), Own())
    crew._workers.check = gone
    with pytest.raises(ExecutorError, match="nobody is there"):
        crew._wait()


def test_errors_are_named_on_a_line_without_a_stop():
    assert executors._named(ValueError("it ends in X.")) == "ValueError: it ends in X"
    assert executors._named(ValueError()) == "ValueError"
    theirs = type("CommClosed", (Exception,), {"__module__": "distributed.comm.core"})
    assert executors._is_executors(theirs())
    assert executors._is_executors(OSError())
    assert not executors._is_executors(ValueError())


def test_a_worker_takes_what_was_pickled_and_gives_sums_alone(monkeypatch):
    question = Question("forward", Network([2, 2]), {"inputs": None}, 7, "auto")
    for module in ("cloudpickle", None):
        if module is None:
            monkeypatch.setitem(sys.modules, "cloudpickle", None)
        found = pickle.loads(worker.Asked.of(question).content)
        assert (found.network, found.seed) == (question.network, 7)
    plan = SimpleNamespace(draws=1, numbers=1, add=lambda tree, *block: tree.add(block[0], np.ones((block[1], 1, 1))))
    monkeypatch.setattr(worker, "_ready", lambda asked: plan)
    sums, _ = worker.draw(None, 4, 3, 0, np.ones((1, 5)))
    assert sums.pivots is None
    assert sums.spans == ((4 * 64, 7 * 64),)
