"""Blocks of networks in, merged sums out: threads, progress, interruption.

A sampler fills the records of a block of networks; `run` spreads the blocks over threads and adds
their sums in index order. No bit of the result depends on threads or block size, and memory does
not grow with the number of networks.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ..kernels import LANES
from ..kernels.layer import EXPONENT, RECORD_FIELDS, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from ..kernels.tally import COLUMNS, fold, tally
from ..network import Network

BLOCK_DRAWS = 2**25  # random numbers a block, some 30 ms on one core: prompt to stop, cheap to start
BLOCK_BYTES = 2**23
SHOW_AFTER = 1.5  # seconds of silence before a progress bar or a word on compilation


def run(sample: Callable, network: Network, networks: int, *, draws: int, threads=None, block_size=None, progress=None):
    """Return ``(sums, pivots)`` over ``networks`` networks, as `kernels.tally` defines them.

    Parameters
    ----------
    sample
        ``sample(first, records, stop)`` fills ``records`` (tiles, L, RECORD_FIELDS, LANES) with
        networks ``first`` and on, and returns early once ``stop[0]`` is nonzero.
    draws
        Random numbers that one network takes, for choosing the block size.
    threads, block_size, progress
        As in `simulate.forward`.
    """
    depth, stop = network.depth, np.zeros(1, np.uint8)
    pilot = np.zeros((1, depth, RECORD_FIELDS, LANES))
    with _says_when_slow("compiling the sampling kernels (once for each version and machine) ...", progress):
        sample(0, pilot[:0], stop)
        tally(pilot[:0], 0, np.ones((depth, 5)), np.empty((0, depth, COLUMNS)))
        fold(np.empty((depth, COLUMNS)), np.empty((0, depth, COLUMNS)))
    tiles = -(-networks // LANES)
    block = _block_tiles(block_size, draws, depth, tiles)
    total = np.zeros((depth, COLUMNS))

    def work(first_tile):
        records = np.empty((min(block, tiles - first_tile), depth, RECORD_FIELDS, LANES))
        sums = np.empty((len(records), depth, COLUMNS))
        sample(first_tile * LANES, records, stop)
        tally(records, networks - first_tile * LANES, pivots, sums)
        return sums

    with _pool(threads, stop) as pool:
        # The first tile sets the pivots, so it is drawn ahead of the rest, and once more with them.
        pool.submit(sample, 0, pilot, stop).result()
        pivots = _pivots(pilot[0, :, :, : min(LANES, networks)])
        with _bar(networks, progress) as advance:
            pending = deque()
            for first_tile in range(0, tiles, block):
                pending.append(pool.submit(work, first_tile))
                if len(pending) > 2 * pool._max_workers:
                    fold(total, pending.popleft().result())
                    advance(block * LANES)
            while pending:
                fold(total, pending.popleft().result())
                advance(block * LANES)
    return total, pivots


def _block_tiles(block_size, draws: int, depth: int, tiles: int) -> int:
    if block_size is not None:
        return max(1, min(tiles, -(-block_size // LANES)))
    by_time = BLOCK_DRAWS // (draws * LANES)
    by_memory = BLOCK_BYTES // (8 * RECORD_FIELDS * LANES * depth)
    return max(1, min(by_time, by_memory, tiles))


def _pivots(records: np.ndarray) -> np.ndarray:
    """Return typical sizes from the first tile's records (L, RECORD_FIELDS, lanes): geometric means.

    Where every lane is 0 the pivot is 1 and the offset 0.
    """
    pivots = np.empty((len(records), 5))
    for l, record in enumerate(records):
        offset = 1.0
        for column, value, power in ((0, VARIANCE, EXPONENT), (2, SECOND_MOMENT, SECOND_EXPONENT)):
            usable = (record[value] > 0) & np.isfinite(record[value])
            if usable.any():
                log2 = float(np.mean(np.log2(record[value][usable]) + record[power][usable]))
                # exponents move in steps of 256, so most values share the pivot's
                exponent = 256.0 * np.rint(log2 / 256.0)
                pivots[l, column : column + 2] = 2.0 ** (log2 - exponent), exponent
            else:
                pivots[l, column : column + 2] = 1.0, 0.0
                offset = 0.0
        pivots[l, 4] = offset
    return pivots


def default_threads() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _pool(threads, stop):
    """A pool of threads that an exception, Ctrl-C above all, ends within one row of one layer."""
    pool = ThreadPoolExecutor(threads or default_threads(), thread_name_prefix="varprop")
    try:
        yield pool
    except BaseException:
        stop[0] = 1
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _wanted(progress) -> bool:
    return sys.stderr.isatty() if progress is None else progress


@contextmanager
def _says_when_slow(message: str, progress):
    timer = threading.Timer(SHOW_AFTER, lambda: print(f"varprop: {message}", file=sys.stderr, flush=True))
    if _wanted(progress):
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _bar(networks: int, progress):
    """Yield ``advance(count)``, which moves a bar that appears once the work takes a while."""
    if not _wanted(progress):
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("networks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=console.is_terminal)
    task, start = bar.add_task("networks", total=networks), time.monotonic()

    def advance(count):
        bar.advance(task, count)
        if not bar.live.is_started and time.monotonic() - start > SHOW_AFTER:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
