"""Blocks, threads, pivots and progress, with samplers and sums of NumPy: no kernel runs here."""

import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from varprop import progress
from varprop.kernels import LANES
from varprop.kernels.histogram import histogram
from varprop.kernels.layer import EXPONENT, RECORD_FIELDS, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from varprop.simulate import bins, ensemble
from varprop.simulate.pool import PATIENCE, Pool
from varprop.statistics import law_layers
from varprop.sum_tree import SumTree
from varprop.sums import FIRST_BIN

DEPTH = 3


class Draw:
    """Samples whose first field is the network's number, squared in the second layer; it keeps what it was asked."""

    def __init__(self):
        self.asked, self.pivots_of, self.names, self.counts = [], [], set(), False

    def sample(self, first, records, stop):
        assert (stop.dtype, stop.shape) == (np.uint8, (1,))
        assert records.shape[1:] == (DEPTH, RECORD_FIELDS, LANES)
        self.asked.append((first, len(records)))
        self.names.add(threading.current_thread().name)
        numbers = first + np.arange(len(records) * LANES, dtype=float).reshape(-1, LANES)
        records[:, :, 0] = numbers[:, None]
        records[:, 1, 0] = numbers**2

    def pivots(self, records):
        self.pivots_of.append(records.copy())
        return np.full((DEPTH, 5), 2.0)

    def tally(self, records, networks, pivots, sums):
        assert pivots.shape == (DEPTH, 5)
        if len(records) == 0:
            np.testing.assert_array_equal(pivots, 1.0)
            assert sums.shape == (0, DEPTH, 2)
            assert networks == 0
            return
        np.testing.assert_array_equal(pivots, 2.0)
        assert len(sums) == (1 if self.counts else len(records))
        np.log(np.zeros(1))  # warns, as kernels do where the compiler is off
        sums[:] = 0.0
        for tile in range(len(records)):
            count = min(LANES, networks - tile * LANES)
            sums[min(tile, len(sums) - 1), :, 0] += records[tile, :, 0, :count].sum(axis=-1)
            sums[min(tile, len(sums) - 1), :, 1] += count

    def reduction(self, counts=False):
        self.counts = counts
        return ensemble.Reduction(self.tally, 2, self.pivots, counts)


def ran(draw, networks, counts=False, *, tree=None, first=0, stages=None, draws=10, keep=None, progress=None, **given):
    """Return the sums over networks that ``draw`` makes."""
    tree = SumTree() if tree is None else tree
    plan = ensemble.Plan(draw.sample, DEPTH, draw.reduction(counts), draws, 0)
    stages = stages or (lambda tree: networks)
    ensemble.run(ensemble.Here(plan, **given), tree, stages, first=first, keep=keep, progress=progress)
    return tree


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("block_size", [None, 1, LANES, 2 * LANES - 1, 10**6])
@pytest.mark.parametrize("networks", [2, LANES, 6 * LANES + 5])
def test_every_network_is_summed_once(networks, block_size, threads, counts):
    draw = Draw()
    tree = ran(draw, networks, counts, threads=threads, block_size=block_size)
    assert (tree.networks, tree.spans) == (networks, ((0, networks),))
    numbers, sums = np.arange(networks), tree.total()
    np.testing.assert_array_equal(sums[:, 0], [numbers.sum(), (numbers**2).sum(), numbers.sum()])
    np.testing.assert_array_equal(sums[:, 1], networks)
    np.testing.assert_array_equal(tree.pivots, 2.0)
    (pilot,) = draw.pivots_of  # asked once, of all of the first tile
    np.testing.assert_array_equal(pilot[0, 0], np.arange(LANES))
    assert draw.asked[0] == (0, 0)  # which compiles
    whole, tiles = networks // LANES, -(-networks // LANES)
    each = 4 if block_size is None else max(1, min(tiles, -(-block_size // LANES)))
    blocks = [(first * LANES, min(each, whole - first)) for first in range(0, whole, each)]
    blocks += [(whole * LANES, 1)] if tiles > whole else []
    assert sorted(draw.asked[1:]) == blocks
    assert all(name.startswith("varprop") for name in draw.names - {"MainThread"})
    assert len(draw.names - {"MainThread"}) <= threads


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("first", [LANES, 5 * LANES])
def test_a_run_may_begin_at_any_tile(first, counts):
    """Its pivots are those of networks 0 to 63 all the same, which are drawn for them and not counted."""
    draw = Draw()
    tree = ran(draw, 2 * LANES + 1, counts, first=first, block_size=LANES, threads=2)
    assert tree.spans == ((first, first + 2 * LANES + 1),)
    assert tree.total()[0, 0] == np.arange(first, first + 2 * LANES + 1).sum()
    (pilot,) = draw.pivots_of
    np.testing.assert_array_equal(pilot[0, 0], np.arange(LANES))


@pytest.mark.parametrize("counts", [False, True])
def test_a_run_goes_on_where_it_ended(counts):
    """A part of a tile is drawn anew, what is whole is not."""
    draw = Draw()
    tree = ran(draw, 3 * LANES + 7, counts, threads=1)
    draw.asked.clear()
    ran(draw, 5 * LANES, counts, tree=tree, threads=1)
    assert sorted(draw.asked) == [(0, 0), (3 * LANES, 1), (4 * LANES, 1)]
    assert len(draw.pivots_of) == 1
    assert tree.spans == ((0, 5 * LANES),)
    assert tree.total()[0, 0] == np.arange(5 * LANES).sum()
    draw.asked.clear()
    ran(draw, 5 * LANES, counts, tree=tree)
    assert draw.asked == []  # nor is anything compiled


def test_stages_are_asked_again():
    draw, seen = Draw(), []

    def stages(tree):
        seen.append(tree.networks)
        return [2 * LANES, 3 * LANES + 7, 3 * LANES + 7][len(seen) - 1]

    tree = ran(draw, None, stages=stages, threads=2)
    assert seen == [0, 2 * LANES, 3 * LANES + 7]
    assert tree.networks == tree.total()[0, 1] == 3 * LANES + 7
    assert tree.total()[0, 0] == np.arange(tree.networks).sum()


def test_who_keeps_is_told_of_every_block():
    told = []
    ran(Draw(), 4 * LANES + 1, block_size=LANES, threads=2, keep=lambda tree, goal: told.append((tree.networks, goal)))
    assert told == [(n, 4 * LANES + 1) for n in (LANES, 2 * LANES, 3 * LANES, 4 * LANES, 4 * LANES + 1)]


@pytest.mark.parametrize(
    ("draws", "numbers", "tiles", "expected"),
    [
        (10, 64, 10**6, 64),  # two MiB of records
        (10, 3, 20, 16),
        (2**25 // 64 // 5, 1, 100, 4),  # 2^25 draws
        (10**9, 1, 100, 1),
        (10, 10**6, 100, 1),
    ],
)
def test_a_block_takes_little_time_and_memory(draws, numbers, tiles, expected):
    assert ensemble.Size(None, draws, numbers).block(tiles) == expected
    assert (ensemble.BLOCK_DRAWS, ensemble.BLOCK_BYTES) == (2**25, 2**21)


def test_a_failure_to_find_pivots_ends_the_run():
    def fails(first, records, stop):
        if len(records) and first == 0:
            raise MemoryError("as a sampler might")
        records[:] = 1.0

    crew = ensemble.Here(ensemble.Plan(fails, DEPTH, Draw().reduction(), 1, 0), 2, LANES)
    with pytest.raises(MemoryError, match="as a sampler might"):
        ensemble.run(crew, SumTree(), lambda tree: 9 * LANES, first=LANES)


@pytest.mark.parametrize("where", [0, 5])
def test_a_failure_ends_the_run_and_stops_the_others(where):
    stops = []

    def fails(first, records, stop):
        stops.append(stop)
        if len(records) and first == where * LANES:
            raise MemoryError("as a sampler might")
        records[:] = 1.0

    crew = ensemble.Here(ensemble.Plan(fails, DEPTH, Draw().reduction(), 1, 0), 2, LANES)
    with pytest.raises(MemoryError, match="as a sampler might"):
        ensemble.run(crew, SumTree(), lambda tree: 9 * LANES)
    assert stops[0][0] == 1
    assert all(stop is stops[0] for stop in stops)


@pytest.mark.parametrize("counts", [False, True])
def test_who_knows_the_pivots_needs_no_first_tile(counts):
    draw, tree = Draw(), SumTree()
    tree.pivots = np.full((DEPTH, 5), 2.0)
    plan = ensemble.Plan(draw.sample, DEPTH, draw.reduction(counts), 1, 0)
    plan.add(tree, 2, 2, 0, np.zeros(1, np.uint8))
    plan.add(tree, 4, 1, 7, np.zeros(1, np.uint8))
    assert tree.spans == ((2 * LANES, 4 * LANES + 7),)
    assert tree.total()[0, 0] == np.arange(2 * LANES, 4 * LANES + 7).sum()
    assert draw.pivots_of == []


def test_interrupted_before_the_pivots_nobody_waits():
    """A sampler that stopped early has filled nothing that pivots could be taken of."""
    draw = Draw()

    def stops(first, records, stop):
        if len(records):
            stop[0] = 1

    seen = []
    reduction = draw.reduction()._replace(tally=lambda records, networks, pivots, sums: seen.append(pivots))
    crew = ensemble.Here(ensemble.Plan(stops, DEPTH, reduction, 1, 0), 1)
    ensemble.run(crew, SumTree(), lambda tree: LANES)
    np.testing.assert_array_equal(seen, np.ones((2, DEPTH, 5)))
    assert draw.pivots_of == []


def test_moments_go_on_behind_what_is_summed_anyway(monkeypatch):
    """Three more numbers of each network for z^4, z^6 and z^8, and of each of them four powers."""
    asked = []
    monkeypatch.setattr(ensemble, "tally_powers", lambda *given: asked.append(given))
    plain = ensemble.Reduction(lambda *given: asked.append(given), 7, np.copy, True, 6)
    assert plain.with_moments(None) is plain
    for highest, more in ((4, 1), (8, 3)):
        reduction = plain.with_moments(highest)
        assert reduction[1:] == (7 + 4 * more, np.copy, True, 6 + more)
        asked.clear()
        reduction.tally("records", 5, "pivots", "sums")
        assert asked == [("records", 5, "pivots", "sums"), ("records", 5, "pivots", 6, 7, "sums")]


def made(layers):
    """Return records (L, RECORD_FIELDS, lanes) of (q, power, a2, power) a layer."""
    records = np.zeros((len(layers), RECORD_FIELDS, len(layers[0][0])))
    for l, layer in enumerate(layers):
        for field, values in zip((VARIANCE, EXPONENT, SECOND_MOMENT, SECOND_EXPONENT), layer, strict=True):
            records[l, field] = values
    return records


def test_pivots_are_geometric_means():
    q, a = np.array([1.0, 4.0, 16.0]), np.array([2.0, 2.0, 2.0])
    some, far = np.array([0.0, 8.0, np.inf]), np.array([2.0**-140, 1.0, 1.0])
    records = made(
        [
            (q, 0.0, a, 0.0),
            (q, 512.0, a, -256.0),
            (some, 0.0, a, 0.0),
            (np.zeros(3), 0.0, a, 0.0),
            (q, 0.0, np.zeros(3), 0.0),
            (q, [0.0, 0.0, -1e20], far, [-1024.0, 0.0, 0.0]),
            (np.array([np.nan, 2.0, 0.0]), 128.0, a, 130.0),
            (np.array([0.0, 2.0, 8.0]), [1024.0, 0.0, 0.0], np.full(3, 2**0.3), 128.0),
        ]
    )
    found = ensemble.MOMENTS.pivots(records)
    expected = [
        [4, 0, 2, 0, 1],
        [4, 512, 2, -256, 1],
        [8, 0, 2, 0, 1],
        [1, 0, 2, 0, 0],
        [4, 0, 1, 0, 0],
        # of far tails what lies 2^512 below the largest counts as that
        [2.0 ** ((0 + 2 - 510) / 3 + 256), -256, 2.0 ** (-512 / 3 + 256), -256, 1],
        [2.0 ** (129 - 256), 256, 2.0 ** (131 - 256), 256, 1],
        [4, 0, 2.0 ** (128.3 - 256), 256, 1],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    pair = ensemble.PAIR_MOMENTS
    assert pair.pivots is not ensemble.MOMENTS.pivots
    swapped = np.zeros((1, RECORD_FIELDS, 3))
    swapped[0, 0], swapped[0, 1], swapped[0, 3], swapped[0, 4] = q, a, 256.0, 512.0
    np.testing.assert_allclose(pair.pivots(swapped), [[4, 256, 2, 512, 1]])


def test_a_bar_or_words_only_where_somebody_reads_them(monkeypatch):
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    assert progress.wanted(None)
    assert not progress.wanted(False)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: False))
    assert not progress.wanted(None)
    assert progress.wanted(True)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    assert progress.wanted(None)
    assert not progress.wanted(False)
    for shell in (None, SimpleNamespace(), SimpleNamespace(kernel=None)):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not progress.wanted(None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    assert not progress.wanted(None)
    with progress.bar(10, False) as advance:
        assert advance(1, 10) is None


def drawn(networks=5 * LANES, **options):
    ran(Draw(), networks, draws=1, block_size=LANES, **options)


def test_a_notebook_has_one_bar_of_text_that_is_drawn_again(monkeypatch, capsys):
    shown = []

    class Handle:
        def update(self, data, *, raw):
            assert raw
            shown[-1].append(data)

    def display(data, *, raw, display_id):
        assert (raw, display_id) == (True, True)
        shown.append([data])
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with progress.bar(1_000_000, True) as advance:
        clock.now = 1.49
        advance(1000, 1_000_000)
        assert shown == []
        clock.now = 1.5
        advance(499_000, 1_000_000)
        clock.now = 1.99
        advance(1000, 1_000_000)
        advance(10**6, 1_000_000)  # the last block is not whole
    half, full = "█" * 15 + "░" * 15, "█" * 30
    words = [f"networks {half} 500,000 of 1,000,000", f"networks {full} 1,000,000 of 1,000,000"]
    assert shown == [[{"text/plain": line} for line in words]]
    with progress.bar(10, True) as advance:
        advance(10, 10)
    assert len(shown) == 1
    assert capsys.readouterr().err == ""


def test_a_bar_of_a_terminal_counts_networks(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SHOW_AFTER", -1.0)
    drawn(progress=True)
    said = capsys.readouterr().err
    assert "networks" in said
    assert "320/320" in said
    drawn(networks=4 * LANES + 1, progress=True)
    assert "257/257" in capsys.readouterr().err
    drawn(progress=False)
    assert capsys.readouterr().err == ""


def test_a_bar_waits_and_stops_with_the_run(monkeypatch):
    from rich import progress as rich_progress

    bars = []

    class Bar(rich_progress.Progress):
        def __init__(self, *columns, console, **options):
            bars.append(self)
            self.columns_given, self.console_given, self.options_given = columns, console, options
            super().__init__(*columns, console=console, **options)

    monkeypatch.setattr(rich_progress, "Progress", Bar)
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with progress._rich_bar(1000) as advance:
        assert bars[0].tasks[0].total == 1000
        clock.now = 1.5
        advance(200, 1000)
        (bar,) = bars
        assert not bar.live.is_started
        clock.now = 1.51
        advance(300, 2000)
        assert bar.live.is_started
        assert (bar.tasks[0].completed, bar.tasks[0].total) == (500, 2000)
        advance(10**6, 2000)
        assert bar.tasks[0].completed == 2000
    assert not bar.live.is_started
    assert bar.columns_given[0].text_format == "networks"
    assert len(bar.columns_given) == 4
    assert bar.console_given.stderr
    assert not bar.console_given.is_jupyter
    assert bar.options_given == {"transient": bar.console_given.is_terminal}


def test_a_bar_is_told_how_many_are_to_come(monkeypatch):
    told = []
    real = progress.bar
    monkeypatch.setattr(progress, "_rich_bar", lambda networks: told.append(networks))
    progress.bar(123, True)
    monkeypatch.setattr(ensemble, "bar", lambda *arguments: told.append(arguments) or real(1, False))
    drawn(progress=False)
    assert told == [123, (5 * LANES, False)]


def test_compiling_is_said_once_it_takes_long(monkeypatch, capsys):
    made = []

    class Timer:
        def __init__(self, after, call):
            self.after, self.call, self.state = after, call, ""
            made.append(self)

        def start(self):
            self.state += "started "

        def cancel(self):
            self.state += "cancelled"

    monkeypatch.setattr(progress.threading, "Timer", Timer)
    with progress.says_when_slow("compiling ...", True):
        assert (made[0].after, made[0].state) == (1.5, "started ")
        made[0].call()
    assert made[0].state == "started cancelled"
    assert capsys.readouterr().err == "varprop: compiling ...\n"
    with progress.says_when_slow("compiling ...", False):
        assert made[1].state == ""
    made.clear()
    drawn(progress=True, threads=1)
    assert made[0].state == "started cancelled"
    made[0].call()
    said = "varprop: compiling the kernels that this needs, each once for a version and machine ...\n"
    assert capsys.readouterr().err.endswith(said)


def test_all_cores_that_a_process_may_use(monkeypatch):
    monkeypatch.setattr(ensemble, "os", SimpleNamespace(sched_getaffinity=lambda pid: {0: {1, 2, 5}}[pid]))
    assert ensemble.default_threads() == 3
    with ensemble.pool_of(ensemble.default_threads(), np.zeros(1)) as pool:
        assert pool.threads == 3
        assert pool.submit(lambda: threading.current_thread().name).result() == "varprop_0"
    with ensemble.pool_of(2, np.zeros(1)) as pool:
        assert pool.threads == 2
    for cores, expected in ((8, 8), (None, 1)):
        monkeypatch.setattr(ensemble, "os", SimpleNamespace(cpu_count=lambda cores=cores: cores))
        assert ensemble.default_threads() == expected


def test_an_interruption_cancels_what_waits():
    stop, ran = np.zeros(1, np.uint8), []
    holding = threading.Event()

    def interrupted():
        with ensemble.pool_of(1, stop) as pool:
            pool.submit(holding.wait, 30)
            pool.submit(ran.append, 1)
            threading.Timer(0.05, holding.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stop[0] == 1
    assert ran == []
    stop = np.zeros(1, np.uint8)
    with ensemble.pool_of(1, stop) as pool:
        pool.submit(ran.append, 2)
    assert stop[0] == 0
    assert ran == [2]


def test_an_interruption_waits_for_no_kernel_that_does_not_look_at_its_flag():
    started, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def kernel():
        started.set()
        let_go.wait(300)
        ended.set()

    def interrupted():
        with ensemble.pool_of(2, np.zeros(1, np.uint8)) as pool:
            pool.submit(kernel)
            started.wait(300)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not ended.is_set()
    let_go.set()
    assert ended.wait(300)


def test_nor_does_python_as_it_ends():
    code = (
        "import time\n"
        "from varprop.simulate.pool import PATIENCE, Pool\n"
        "with Pool(1) as pool:\n"
        "    pool.submit(time.sleep, 10**5)\n"
        "    raise KeyboardInterrupt\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "KeyboardInterrupt" in done.stderr


def test_a_pool_hands_on_results_and_errors():
    with Pool(3) as pool:
        futures = [pool.submit(divmod, 7, k) for k in range(4)]
    with pytest.raises(ZeroDivisionError):
        futures[0].result()
    assert [future.result() for future in futures[1:]] == [(7, 0), (3, 1), (2, 1)]


def test_no_more_blocks_wait_than_threads_can_take_soon():
    """Sums of blocks that are done early must wait in memory: two a thread, and one."""
    waiting, most, advanced = [], [], []

    class Crew(ensemble.Here):
        def submit(self, tile, tiles, part):
            waiting.append(tile)
            most.append(len(waiting))

            def result():
                waiting.remove(tile)
                found = SumTree()
                found.add(tile, np.full((tiles, 2, 2), float(tile)))
                return found

            return SimpleNamespace(result=result)

        def pivots(self):
            return 1.0

    tree = SumTree()
    crew = Crew(ensemble.Plan(None, 1, ensemble.MOMENTS, 1, 0), 2, LANES)
    ensemble._run_stage(crew, tree, (2 * LANES, 12 * LANES), lambda *a: advanced.append(a), None)
    assert max(most) == 5
    assert waiting == []
    assert (tree.total() == sum(range(2, 12))).all()
    assert advanced == [(LANES, 10 * LANES)] * 10


@pytest.mark.parametrize(("depth", "expected"), [(1, 2**14), (128, 2**14), (200, 2**21 // 200), (10**4, 2**10)])
def test_deep_networks_have_fewer_bins(depth, expected):
    reduction = bins.reduction(depth)
    assert reduction.tally is histogram
    assert reduction.columns == FIRST_BIN + expected + 1
    assert type(reduction.columns) is int
    assert reduction.counts
    found = reduction.pivots(made([(np.array([1.0, np.e**2]), 0.0, 1.0, 0.0)] * 2))
    assert found.shape == (2, 5)
    np.testing.assert_allclose(found[0], [1 - 20.0, 40.0 / expected, 0, 0, 0])


def test_bins_reach_twenty_spreads_of_the_pilot():
    q = np.array([1.0, np.e**4, 0.0, np.inf, np.nan])
    one, two, none = np.array([0.0, 0, 0, 0, np.e]), np.array([0.0, 0, 2.0, 0, 2.0]), np.zeros(5)
    records = made([(x, power, 1.0, 0.0) for x, power in ((q, 512.0), (one, 0.0), (two, 0.0), (none, 0.0))])
    found = bins._ranges(records, 100)[:, :2]
    centres = [2 + 512 * np.log(2), 1.0, np.log(2), 0.0]
    spreads = np.array([2.0, 1.0, 1e-6, 1.0])  # one that lives tells of no spread, two tell that theirs is none
    np.testing.assert_allclose(found[:, 0], centres - 20 * spreads, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], 40 * spreads / 100, rtol=1e-12)


def test_counts_are_a_distribution_function():
    """One dead of ten, one below the bins of 0.5 from -1 on, two in the second, three in the fourth, three above."""
    counts = np.array([[1, 1, 0, 2, 0, 3, 0, 3], [10, 0, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 2, 1, 4, 1]], dtype=float)
    pivots = np.array([[-1.0, 0.5, 0, 0, 0]] * 3)
    some, none, last = law_layers(counts, pivots, 10)
    np.testing.assert_allclose(some.edges, [-0.5, 0.0, 0.5, 1.0])
    below = np.array([0.2, 0.4, 0.4, 0.7])
    np.testing.assert_allclose(some.cumulative, below)
    np.testing.assert_allclose(some.errors, np.sqrt(below * (1 - below) / 10))
    assert (some.zero, none.zero, last.zero) == (0.1, 1.0, 0.0)
    np.testing.assert_allclose(none.cumulative, 1.0)
    np.testing.assert_allclose(none.edges, [-1.0, -0.5])
    np.testing.assert_allclose(none.errors, 0.1)  # at least that of one network
    np.testing.assert_allclose(last.edges, [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(last.cumulative, [0.0, 0.1, 0.2, 0.4, 0.5, 0.9])


def test_threads_are_daemons_that_an_error_waits_for_a_while():
    """All together as long as PATIENCE, and without an error until each is done."""
    crew = Pool(2)
    with crew:
        crew.submit(int).result()
        crew.submit(int).result()
        assert [thread.daemon for thread in crew._started] == [True, True]
    waits = []
    for error in (None, ValueError()):
        crew = Pool(4)
        crew._started = [SimpleNamespace(join=waits.append)] * 4
        crew.__exit__(None, error, None)
    assert waits == [None] * 4 + [PATIENCE / 4] * 4
