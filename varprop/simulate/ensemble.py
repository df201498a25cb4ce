"""Blocks of networks in, merged sums out: threads, progress, interruption.

A sampler fills the records of a block of networks; `run` spreads the blocks over threads and adds
their sums in index order. No bit of the result depends on threads or block size, and memory does
not grow with the number of networks.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..kernels import LANES, tally_pair
from ..kernels.layer import EXPONENT, RECORD_FIELDS, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from ..kernels.tally import COLUMNS, fold, tally
from ..progress import bar, says_when_slow
from ..sums import PIVOTS
from .pool import Pool

BLOCK_DRAWS = 2**25  # random numbers a block, some 30 ms on one core: prompt to stop, cheap to start
BLOCK_BYTES = 2**20  # of records: they stay in cache, and 8 MiB took up to 1.8 times as long on two threads


class Reduction(NamedTuple):
    """How the records of networks become sums over them.

    Attributes
    ----------
    tally
        ``tally(records, networks, pivots, sums)`` sets ``sums`` (tiles, L, columns).
    columns
        How many sums a layer has.
    pivots
        ``pivots(records)`` returns typical sizes (L, 5) from the records (L, RECORD_FIELDS, lanes) of a tile.
    fields
        How many numbers a record has of each network.
    counts
        Whether sums are whole numbers, whose order does not matter: then a block has one set of them,
        ``sums`` (1, L, columns), not one a tile.
    """

    tally: Callable
    columns: int
    pivots: Callable
    counts: bool = False
    fields: int = RECORD_FIELDS


def run(
    sample: Callable,
    depth: int,
    plan: Callable,
    reduction: Reduction,
    *,
    draws: int,
    threads=None,
    block_size=None,
    progress=None,
):
    """Return ``(sums, pivots, networks)``: sums over networks as ``reduction`` defines them.

    Parameters
    ----------
    sample
        ``sample(first, records, stop)`` fills ``records`` (tiles, L, RECORD_FIELDS, LANES) with
        networks ``first`` and on, and returns early once ``stop[0]`` is nonzero.
    depth
        L.
    plan
        ``plan(sums, pivots, networks)`` says how many networks there should be, given what has been
        drawn so far; it is asked again until it asks for no more. It first gets None and 0.
    reduction
        What is summed.
    draws
        Random numbers that one network takes, for choosing the block size.
    threads, block_size, progress
        As in `simulate.forward`.
    """
    stop, nothing = np.zeros(1, np.uint8), np.empty((0, depth, reduction.fields, LANES))
    sizes = depth, len(PIVOTS.names)
    total, done, goal = np.zeros((depth, reduction.columns)), 0, plan(None, None, 0)
    with says_when_slow("compiling the sampling kernels (once for each version and machine) ...", progress):
        sample(0, nothing, stop)
        reduction.tally(nothing, 0, np.ones(sizes), np.empty((0, *total.shape)))
        fold(total, np.empty((0, *total.shape)))
    pivots, pilot, size = Future(), min(LANES, goal), _Size(block_size, draws, depth)

    def work(tile, tiles, last):
        records = np.empty((tiles, *nothing.shape[1:]))
        sums = np.empty((1 if reduction.counts else tiles, *total.shape))
        try:
            sample(tile * LANES, records, stop)
            if tile == 0:  # its first tile sets the pivots; other blocks are drawn meanwhile, and then wait for them
                pivots.set_result(np.ones(sizes) if stop[0] else reduction.pivots(records[0, :, :, :pilot]))
        except BaseException as error:
            if tile == 0:  # so that nobody waits for ever
                pivots.set_exception(error)
            raise
        reduction.tally(records, last - tile * LANES, pivots.result(), sums)
        return sums

    with _pool(threads, stop) as pool, bar(goal, progress) as advance:
        while done < goal:
            _run_stage(pool, work, total, (done, goal), size, advance)
            done, goal = goal, plan(total, pivots.result(), goal)
    return total, pivots.result(), done


def _run_stage(pool, work, total, span, size, advance) -> None:
    """Add networks from ``span[0]``, a whole number of tiles, up to ``span[1]`` to ``total``, in order."""
    first, last = span[0] // LANES, -(-span[1] // LANES)
    block = size.block(last - first)
    pending = deque()
    for tile in range(first, last, block):
        pending.append(pool.submit(work, tile, min(block, last - tile), span[1]))
        if len(pending) > 2 * pool.threads:
            fold(total, pending.popleft().result())
            advance(block * LANES, span[1])
    while pending:
        fold(total, pending.popleft().result())
        advance(block * LANES, span[1])


@dataclass(frozen=True)
class _Size:
    """How many tiles a block has: what was asked for, or some 30 ms of work in little memory."""

    block_size: int | None
    draws: int
    depth: int

    def block(self, tiles: int) -> int:
        if self.block_size is not None:
            return max(1, min(tiles, -(-self.block_size // LANES)))
        by_time = BLOCK_DRAWS // (self.draws * LANES)
        by_memory = BLOCK_BYTES // (8 * RECORD_FIELDS * LANES * self.depth)
        return max(1, min(by_time, by_memory, tiles))


def pivots_of_two(records: np.ndarray, *, fields: tuple) -> np.ndarray:
    """Return typical sizes (L, 5) of two quantities: geometric means of one tile's records.

    ``records`` has shape (L, RECORD_FIELDS, lanes); ``fields`` are each quantity's mantissa and exponent in it.
    A row has the columns of `sums.PIVOTS`; where every lane is 0 the pivot is 1 and the offset 0.
    """
    pivots = np.ones((len(records), len(PIVOTS.names)))
    for column, (value, power) in zip((0, 2), fields, strict=True):
        sizes = records[:, value]
        usable = (sizes > 0) & np.isfinite(sizes)
        count = usable.sum(axis=1)
        log2s = np.log2(sizes, out=np.zeros_like(sizes), where=usable) + records[:, power]
        least = log2s.max(axis=1, initial=-np.inf, where=usable, keepdims=True) - 512  # a far tail may be 2^(-10^20)
        log2 = np.maximum(log2s, least).sum(axis=1, where=usable) / np.maximum(count, 1)
        # exponents move in steps of 256, so most values share the pivot's
        exponent = 256.0 * np.rint(log2 / 256.0)
        pivots[:, column], pivots[:, column + 1] = 2.0 ** (log2 - exponent), exponent
        pivots[count == 0, 4] = 0.0
    return pivots


_FIELDS = ((VARIANCE, EXPONENT), (SECOND_MOMENT, SECOND_EXPONENT))
MOMENTS = Reduction(tally, COLUMNS, partial(pivots_of_two, fields=_FIELDS))
_PAIR_FIELDS = (
    (tally_pair.FIRST, tally_pair.FIRST_EXPONENT),
    (tally_pair.SECOND, tally_pair.SECOND_EXPONENT),
)
PAIR_MOMENTS = Reduction(tally_pair.tally_pair, tally_pair.COLUMNS, partial(pivots_of_two, fields=_PAIR_FIELDS))


def default_threads() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _pool(threads, stop):
    """A pool of threads that an exception, Ctrl-C above all, tells to stop, and does not wait for long."""
    with Pool(threads or default_threads()) as pool:
        try:
            yield pool
        except BaseException:
            stop[0] = 1
            raise
