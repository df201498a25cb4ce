"""A real Dask cluster of several processes over TCP: killed, frozen, grown and lost, the bits are those drawn here.

`make test-dask` runs it. A worker starts in a second or two, and is frozen for the 10 seconds of worker-ttl.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from evidence import fresh_seed
from test_merging import CHAIN, IMAGE, KINDS, bits

import varprop
from varprop import Network, custom_activation, simulate
from varprop.simulate import ExecutorError, executors, worker

distributed = pytest.importorskip("distributed")
from dask_cluster import Cluster  # noqa: E402

pytestmark = [  # what Dask says of itself while parts of it are being killed
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NETWORK = Network([64] * 4, "relu", "he")
MANY = {"networks": 64 * 2**10 + 7, "block_size": 64 * 2**4}  # in 65 tasks
MIDDLE = 12  # tasks that are done when something happens


@pytest.fixture
def cluster(request, tmp_path):
    with Cluster(tmp_path, "one", "two", ttl="10s" if "frozen" in request.node.name else "5 minutes") as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
        yield client


@pytest.fixture
def in_the_middle(monkeypatch):
    """``in_the_middle(act)`` has something happen once, after some tasks are done."""
    take = executors.There.next_done

    def in_the_middle(act):
        done = []

        def next_done(self, pending):
            done.append(take(self, pending))
            if len(done) == MIDDLE:
                act()
            return done[-1]

        monkeypatch.setattr(executors.There, "next_done", next_done)
        return done

    return in_the_middle


def at_work(client):
    """Return how many tasks each worker has drawn, by name."""
    drawn = client.run(lambda dask_worker: (dask_worker.name, sum(worker._planned.cache_info()[:2])))
    return dict(drawn.values())


def test_four_shards_with_a_murdered_worker_are_one_run(cluster, client, in_the_middle):
    seed, shards, pool = fresh_seed(), [], client.get_executor()
    done = in_the_middle(lambda: cluster.kill("two"))
    for first in range(0, 64 * 64, 64 * 16):
        many = 64 * 16 + (7 if first == 64 * 48 else 0)
        shards.append(simulate.forward(NETWORK, networks=many, first=first, seed=seed, executor=pool, block_size=128))
    assert len(done) == 33
    assert cluster.workers["two"].wait(60) == -9
    whole = simulate.forward(NETWORK, networks=64 * 64 + 7, seed=seed)
    assert bits(varprop.merge(*shards)) == bits(whole)
    for function, network, given in KINDS:
        there = function(network, networks=1000, seed=seed, executor=pool, **given)
        assert bits(there) == bits(function(network, networks=1000, seed=seed, **given))


def test_a_frozen_worker_is_given_up(cluster, client, in_the_middle):
    seed = fresh_seed()
    in_the_middle(lambda: cluster.freeze("two"))
    there = simulate.backward(NETWORK, seed=seed, executor=client.get_executor(), **MANY)
    assert bits(there) == bits(simulate.backward(NETWORK, seed=seed, networks=MANY["networks"]))
    assert cluster.workers["two"].poll() is None


def test_a_worker_that_is_added_draws_too(cluster, client, in_the_middle):
    def add():
        cluster.add("three")
        client.wait_for_workers(3, timeout=120)

    seed, pool = fresh_seed(), client.get_executor()
    in_the_middle(add)
    there = simulate.pair(NETWORK, 0.5, seed=seed, executor=pool, **MANY)
    assert bits(there) == bits(simulate.pair(NETWORK, 0.5, seed=seed, networks=MANY["networks"]))
    assert sorted(at_work(client)) == ["one", "three", "two"]
    assert all(at_work(client).values())


def test_a_lost_scheduler_is_one_error_and_a_checkpoint_goes_on(cluster, client, in_the_middle, tmp_path):
    seed = fresh_seed()
    in_the_middle(cluster.scheduler.kill)
    asked = {"seed": seed, "checkpoint": tmp_path / "run.varprop", **MANY}
    with pytest.raises(ExecutorError, match=r"(\d[\d,]*) of 65,543 networks were drawn: the same call goes on"):
        simulate.forward(NETWORK, executor=client.get_executor(), **asked)
    known = varprop.load(asked["checkpoint"])
    assert 64 * 16 * (MIDDLE - 1) <= known.networks < 65_543
    folder = tmp_path / "again"
    folder.mkdir()
    with Cluster(folder, "three") as again, distributed.Client(again.address, set_as_default=False) as other:
        there = simulate.forward(NETWORK, executor=other.get_executor(), **asked)
    assert bits(there) == bits(simulate.forward(NETWORK, seed=seed, networks=MANY["networks"]))


def test_what_a_worker_says_arrives(cluster, client, monkeypatch):
    pool = client.get_executor()
    own = Network([3, 8, 2], custom_activation(lambda z: z / (1 + abs(z))), "he")
    assert bits(simulate.forward(own, networks=100, executor=pool)) == bits(simulate.forward(own, networks=100))

    def fails_there(z, here=os.getcwd()):  # noqa: B008
        import os

        if np.abs(z).max() > 2.0 and os.getcwd() != here:  # as far as functions are tried
            raise ValueError("in a worker, far from here")
        return z

    with pytest.raises(ValueError, match="in a worker, far from here"):
        simulate.forward(Network([3, 8, 2], custom_activation(fails_there), "he"), networks=999, executor=pool)
    rows = np.random.default_rng(0).normal(size=(2**16, 3))  # 1.5 MiB, fetched once
    there = simulate.forward(CHAIN, rows, networks=3000, block_size=64, executor=pool)
    assert bits(there) == bits(simulate.forward(CHAIN, rows, networks=3000))
    monkeypatch.setattr(worker, "_version", lambda: "0.0.9")
    with pytest.raises(ExecutorError, match=r"a worker has varprop .*, and here is 0\.0\.9"):
        simulate.forward(CHAIN, networks=9, executor=pool)
    with pytest.raises(TypeError, match=r"give client\.get_executor"):
        simulate.gram(IMAGE, np.ones((2, 2, 3)), networks=9, executor=client)


def test_commands_draw_on_a_cluster(cluster, client):
    def run(*words):
        return subprocess.run([sys.executable, "-m", "varprop", *words], capture_output=True, text=True, timeout=120)

    asked = ("simulate", "3,8,2", "--networks", "1000", "--json")
    there, here = run(*asked, "--dask", cluster.address), run(*asked)
    assert (there.returncode, there.stderr) == (0, "")
    assert json.loads(there.stdout) == json.loads(here.stdout)
    assert run("check", "3,8,2", "-n", "1000", "--dask", cluster.address).returncode == 0
    bad = run(*asked, "--dask", "tcp://127.0.0.1:9")
    assert (bad.returncode, len(bad.stderr.splitlines())) == (69, 1)
    assert "--dask 'tcp://127.0.0.1:9': no scheduler answers there" in bad.stderr
