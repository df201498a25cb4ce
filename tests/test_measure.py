"""How many networks are drawn, in what stages, and what is known of memory before: no kernel runs here."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from varprop import Network
from varprop.kernels import LANES
from varprop.simulate import builds, ensemble, measure, memory
from varprop.tails import JUDGED


def asked(networks=None, relative_error=None, error=0.0, skewness=(0.0,)):
    """Return stages whose sample, whatever it is, has this relative error and these skewnesses."""
    main = SimpleNamespace(relative_error=error, skewness=np.array(skewness))

    def profile(tree):
        assert tree.networks > 0
        return main

    stages = measure._stages(networks, relative_error, profile)
    return lambda done: stages(SimpleNamespace(networks=done))


def test_a_number_of_networks_is_drawn_in_one_stage():
    plan = asked(1000)
    assert [plan(done) for done in (0, 1000)] == [1000, 1000]


def test_an_error_is_drawn_towards_in_stages():
    first = 64 * LANES
    assert measure.FIRST_STAGE == first == 4096
    assert asked(None, 0.01)(0) == first
    assert asked(1000, 0.01)(0) == 1000  # the most
    reached = asked(None, 0.01, error=0.01)
    assert reached(first) == first
    for error, factor in ((0.011, 1.1 * 1.21), (0.015, 1.1 * 2.25), (0.03, 4.0)):  # at most four times what was seen
        wanted = -(-int(factor * first) // LANES) * LANES
        assert asked(None, 0.01, error=error)(first) == wanted
        assert wanted % LANES == 0
    assert asked(10_001, 0.01, error=0.03)(first) == 10_001
    assert asked(10_001, 0.01, error=0.03)(10_001) == 10_001


@pytest.mark.parametrize("side", [1, -1])
def test_a_sample_that_is_too_skewed_has_reached_no_error(side):
    plan = asked(None, 0.01, error=0.001, skewness=(np.nan, 0.1, side * 1.2 * JUDGED))
    assert plan(6400) == -(-int(1.1 * 1.44 * 6400) // LANES) * LANES
    for enough in (side * JUDGED, np.nan):
        assert asked(None, 0.01, error=0.001, skewness=(np.nan, enough))(6400) == 6400


def test_what_no_number_of_networks_reaches_is_an_error():
    """Once a million are drawn: before, a sample may only look so."""
    few = asked(None, 1e-6, error=0.1)
    assert few(999_936) == 4 * 999_936
    said = (
        "a relative error of 1e-06 needs some 1e+16 networks, so much do they differ; give networks=, the most to "
        "draw, or look at log_mean, which a few thousand tell."
    )
    with pytest.raises(ValueError, match="a relative error of 1e-06") as caught:
        few(10**6)
    assert str(caught.value) == said
    assert asked(None, 1e-3, error=1.0)(10**6) == 4 * 10**6  # 10^12, the most that may be asked for
    assert asked(10**9, 1e-6, error=0.1)(10**6) == 4 * 10**6


def test_how_many_is_checked():
    with pytest.raises(TypeError) as caught:
        asked()
    assert str(caught.value) == "give networks=, how many to draw, or relative_error=, such as 0.01."
    for networks in (1, 10**12 + 1):
        with pytest.raises(ValueError, match=f"^networks is {networks}; it must be from 2 to 1,000,000,000,000"):
            asked(networks)
    assert asked(2)(0) == 2
    assert asked(10**12)(0) == 10**12
    for wrong in (0, 1, 1.5):
        with pytest.raises(ValueError, match=r"^relative_error is .*such as 0\.01"):
            asked(None, wrong)
    with pytest.raises(ValueError, match=r"^relative_error is 1e-15"):
        asked(None, 1e-15)


NETWORK = Network([4] * 4)
NOTHING_SAID = {"threads": None, "block_size": None, "progress": False}


@pytest.fixture
def seen(monkeypatch):
    """Stand in for what draws and answers: keep what these are asked."""
    seen = SimpleNamespace()

    def run(crew, tree, stages, **options):
        seen.crew, seen.tree, seen.stages, seen.options = crew, tree, stages, options

    monkeypatch.setattr(measure.ensemble, "run", run)
    monkeypatch.setattr(measure, "check_memory", lambda *a, **k: setattr(seen, "memory", (a, k)))
    monkeypatch.setattr(measure.answers, "answer", lambda run: run)
    return seen


def measured(**options):
    options = {"networks": 128, **NOTHING_SAID, **options}
    return measure.measure("forward", NETWORK, {"inputs": None}, seed=5, method="auto", **options)


def test_a_measurement_passes_on_what_it_is_given(seen):
    run = measured(threads=2, block_size=640, progress=True, first=192)
    assert (run.question.kind, run.question.network, run.question.seed) == ("forward", NETWORK, 5)
    assert (run.question.arguments, run.question.method) == ({"inputs": None}, "conditional")
    assert run.sums is seen.tree
    assert run.builds == (builds.here(),)
    assert (seen.crew.threads, seen.crew.block(100)) == (2, 10)
    assert seen.stages(seen.tree) == 128
    assert seen.options == {"first": 192, "keep": None, "progress": True}
    plan = seen.crew.plan
    assert seen.memory == ((plan.memory, 2, 128), {"say": True})
    assert (plan.rows, plan.draws) == (3, 16)


def test_a_measurement_may_be_asked_for_an_error(seen, monkeypatch):
    main = SimpleNamespace(relative_error=0.02, skewness=np.zeros(1))
    monkeypatch.setattr(measure.answers, "main_profile", lambda question, tree: main)
    measured(networks=None, relative_error=0.01)
    assert seen.stages(seen.tree) == measure.FIRST_STAGE
    assert seen.stages(SimpleNamespace(networks=6400)) == 4 * 6400


def test_by_default_a_measurement_takes_all_cores(seen):
    measured()
    assert seen.memory[0][1:] == (None, 128)
    assert seen.memory[1] == {"say": False}
    assert seen.crew.threads == ensemble.default_threads()
    assert seen.options == {"first": 0, "keep": None, "progress": False}


@pytest.mark.parametrize("name", ["threads", "block_size"])
def test_threads_and_blocks_are_counted_from_one(seen, name):
    for wrong in (0, 2**20 + 1):
        with pytest.raises(ValueError, match=f"^{name} is {wrong}; it must be from 1 to 1,048,576"):
            measured(**{name: wrong})
    measured(**{name: np.int64(2**20)})
    assert type(seen.crew.threads) is int


def test_an_executor_has_workers_of_its_own(seen):
    pool = ThreadPoolExecutor(1)
    measured(executor=pool, block_size=640, progress=True)
    assert seen.crew.block(100) == 10
    assert "memory" not in vars(seen)  # workers have their own
    with pytest.raises(ValueError, match=r"^block_size is 0; it must be from 1 to 1,048,576"):
        measured(executor=pool, block_size=0)
    with pytest.raises(ValueError, match=r"^threads= ") as caught:
        measured(executor=pool, threads=2)
    assert str(caught.value) == (
        "threads= is of this process; executor= has workers of its own, of a thread each: give one."
    )


def test_a_network_and_a_seed_are_checked(seen):
    for seed in (0, 2**64 - 1):
        measure.measure("forward", NETWORK, {"inputs": None}, seed=seed, method="auto", networks=9, **NOTHING_SAID)
    for wrong in (-1, 2**64):
        with pytest.raises(ValueError, match=f"^seed is {wrong}; it must be from 0 to"):
            measure.measure("forward", NETWORK, {"inputs": None}, seed=wrong, method="auto", networks=9)
    with pytest.raises(TypeError, match="network is 3"):
        measure.measure("forward", 3, {"inputs": None}, seed=0, method="auto", networks=9)


def test_the_first_network_begins_a_tile(seen):
    measured(first=np.int64(640))
    assert seen.options["first"] == 640
    for wrong, said in ((100, "first is 100; it must be a multiple of 64, such as 64 or 128."), (-64, "first is -64")):
        with pytest.raises(ValueError, match=said):
            measured(first=wrong)
    with pytest.raises(TypeError, match=r"first is 1\.5"):
        measured(first=1.5)


@pytest.mark.parametrize(
    ("weights", "method", "backward", "units"),
    [
        ("he", "conditional", False, 0),
        ("he", "conditional", True, 2 * (5 + 201 + 3) + 2 * 201),
        ("he", "dense", False, 3 * 201),
        ("he", "dense", True, 2 * (5 + 201 + 3) + 2 * 201 + 7),
        ("orthogonal", "conditional", False, 0),
        ("orthogonal", "dense", False, 3 * 201 + 201 + 2 * 201**2 // 64),
        ("orthogonal", "dense", True, 2 * (5 + 201 + 3) + 2 * 201 + 7 + 201 + 2 * 201**2 // 64),
    ],
)
def test_a_thread_holds_a_tile_of_activations_in_float32(weights, method, backward, units):
    """3 layers' worth forward; ζ, a and two of δ backward; a matrix a network where weights are orthogonal."""
    network = Network([7, 5, 201, 3], "tanh", weights)
    assert memory.bytes_per_thread(network, method, backward=backward) == 4 * 64 * units
    assert backward or memory.bytes_per_thread(network, method) == 4 * 64 * units


def test_a_machine_that_does_not_say_has_any_memory(monkeypatch, capsys):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(memory.os, "sysconf", sizes.get)
    assert memory.machine_bytes() == 4_096_000
    with pytest.raises(ValueError, match="the machine has"):
        memory.check_memory(10**12, 1, None, say=False)
    for error in (AttributeError, OSError, ValueError):

        def fails(name, error=error):
            raise error

        monkeypatch.setattr(memory.os, "sysconf", fails)
        assert memory.machine_bytes() is None
    memory.check_memory(10**12, 1, None, say=False)
    assert capsys.readouterr().err == ""


def test_memory_is_said_and_refused(monkeypatch, capsys):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 4 * 10**9)
    monkeypatch.setattr(memory, "default_threads", lambda: 4)
    each = 10**9
    memory.check_memory(each, None, None, say=True)  # just all of it
    assert capsys.readouterr().err == "varprop: this takes 4 GB of memory, 1 GB a thread\n"
    memory.check_memory(each, None, None, say=False)
    memory.check_memory(2**29, 2, None, say=True)
    memory.check_memory(0, None, None, say=True)
    assert capsys.readouterr().err == ""
    memory.check_memory(each, 8, 4 * LANES, say=False)  # no more threads than tiles
    with pytest.raises(ValueError, match="this takes") as caught:
        memory.check_memory(each, 8, 4 * LANES + 1, say=False)
    said = "this takes 5 GB of memory, 1 GB a thread, and the machine has 4 GB; threads=4 fit."
    assert str(caught.value) == said
    with pytest.raises(ValueError, match="this takes") as caught:
        memory.check_memory(5 * 10**9, 1, None, say=True)
    assert str(caught.value) == (
        "this takes 5 GB of memory, 5 GB a thread, and the machine has 4 GB; make the layers narrower, or fewer."
    )
    with pytest.raises(ValueError, match="threads=1 fit"):
        memory.check_memory(4 * 10**9, 2, None, say=False)


@pytest.mark.parametrize(
    ("draws", "networks", "threads", "words"),
    [
        (10**9, 100, 2, "1.0e+11 random numbers, which may take 3 minutes"),
        (10**9, 100, 1, "1.0e+11 random numbers, which may take 6 minutes"),
        (10**9, 100, 8, "1.0e+11 random numbers, which may take 3 minutes"),  # two tiles of 64
        (10**12, 10**6, 2, "1.0e+18 random numbers, which may take 416,693 hours"),
        (10**8, 200, 2, "2.0e+10 random numbers, which may take 38 seconds"),
        (10**8, 65, 1, "6.5e+09 random numbers, which may take 38 seconds"),
        (5 * 10**8, 64, 1, "3.2e+10 random numbers, which may take 96 seconds"),
        (55 * 10**7, 64, 1, "3.5e+10 random numbers, which may take 2 minutes"),
        (523_500_000, 64, 1, "3.4e+10 random numbers, which may take 2 minutes"),
        (3 * 10**10, 64, 1, "1.9e+12 random numbers, which may take 96 minutes"),
        (31_253_000_000, 64, 1, "2.0e+12 random numbers, which may take 2 hours"),
        (10**11, 64, 1, "6.4e+12 random numbers, which may take 5 hours"),
        (10**7, 200, 2, None),
        (1000, 10**6, 2, None),
    ],
)
def test_what_takes_long_is_said_before(monkeypatch, draws, networks, threads, words):
    said = []
    monkeypatch.setattr(memory.asides, "say", said.append)
    memory.say_time(draws, threads, networks)
    assert said == ([] if words is None else [f"varprop: this draws {words}"])


def test_what_takes_long_is_said_to_those_who_wait(seen, monkeypatch):
    told = []
    monkeypatch.setattr(measure, "say_time", lambda *given: told.append(given))
    measured(threads=2)
    assert told == []
    measured(threads=2, progress=True)
    assert told == [(16, 2, 128)]
