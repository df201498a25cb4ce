"""Blocks of networks in, sums out: threads, progress, interruption.

A sampler fills the records of a block of networks; `run` spreads the blocks over threads, or over the workers of an
executor, and adds their sums to a tree. No bit of the result depends on threads, workers or block size, and memory does
not grow with the number of networks.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from ..kernels import LANES, tally_pair
from ..kernels.layer import EXPONENT, RECORD_FIELDS, SECOND_EXPONENT, SECOND_MOMENT, VARIANCE
from ..kernels.powers import tally_powers
from ..kernels.tally import COLUMNS, tally
from ..progress import bar, says_when_slow
from ..quantities import moments_up_to
from ..sum_tree import Part, Span, SumTree, missing
from ..sums import MOMENT, PIVOTS, columns
from . import builds
from .pool import Pool

BLOCK_DRAWS = 2**25  # random numbers a block, some 30 ms on one core: prompt to stop, cheap to start
BLOCK_BYTES = 2**21  # of records: 1 MiB took 50 layers of 64 units 2 to 10% longer, and 8 MiB two threads up to 80%


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

    def with_moments(self, highest: int | None) -> "Reduction":
        """Return one of records that go on with moments of z up to this one, as `kernels.powers` has them."""
        more = len(moments_up_to(highest))
        if not more:
            return self

        def tally_all(records, networks, pivots, sums):
            self.tally(records, networks, pivots, sums)
            tally_powers(records, networks, pivots, self.fields, self.columns, sums)

        total = self.columns + more * columns(MOMENT)
        return self._replace(tally=tally_all, columns=total, fields=self.fields + more)


class Plan(NamedTuple):
    """How a question is answered by drawing.

    Attributes
    ----------
    sample
        ``sample(first, records, stop)`` fills ``records`` (tiles, rows, fields, LANES) with networks ``first`` and on,
        and returns early once ``stop[0]`` is nonzero.
    rows
        How many rows a record has: layers, places or more.
    reduction
        What is summed.
    draws
        Random numbers that one network takes, for choosing the block size.
    memory
        Bytes that a thread holds beside records.
    """

    sample: Callable
    rows: int
    reduction: Reduction
    draws: int
    memory: int

    @property
    def numbers(self) -> int:
        """How many numbers are recorded of a network."""
        return self.rows * self.reduction.fields

    def compile(self, stop: np.ndarray) -> None:
        """Have every kernel compiled that will run, by calls that draw no network."""
        nothing = self._records(0)
        self.sample(0, nothing, stop)
        self._sums(nothing, 0, np.ones((self.rows, columns(PIVOTS))))

    def pivots(self, stop: np.ndarray) -> np.ndarray:
        """Return typical sizes among networks 0 to 63, whichever networks will be drawn."""
        records = self._records(1)
        self.sample(0, records, stop)
        return self._pivots(records, stop)

    def add(self, tree: SumTree, tile: int, tiles: int, part: int, stop: np.ndarray, pivots=None) -> None:
        """Draw tiles and add them to ``tree``; where ``part`` is not 0, one of which only so many networks count.

        ``pivots`` is a Future of them, set here where the first tile is among those drawn; else the tree has them.
        """
        records = self._records(tiles)
        wanted = pivots is not None and tile == 0 and not pivots.done()  # a first tile may be drawn anew
        try:
            self.sample(tile * LANES, records, stop)
            if wanted:  # other blocks are drawn meanwhile, and then wait for them
                pivots.set_result(self._pivots(records, stop))
        except BaseException as error:
            if wanted:  # so that nobody waits for ever
                pivots.set_exception(error)
            raise
        known = tree.pivots if pivots is None else pivots.result()
        sums = self._sums(records, part or tiles * LANES, known)
        if part:
            tree.part = Part(tile, part, sums[0])
        elif self.reduction.counts:
            tree.add_counts(tile, tiles, sums[0])
        else:
            tree.add(tile, sums)

    def _records(self, tiles: int) -> np.ndarray:
        return np.empty((tiles, self.rows, self.reduction.fields, LANES))

    def _sums(self, records: np.ndarray, networks: int, pivots: np.ndarray | None) -> np.ndarray:
        """Return sums over so many networks: a set of them a tile, and one where they are counts."""
        tiles = min(len(records), 1) if self.reduction.counts else len(records)
        sums = np.empty((tiles, self.rows, self.reduction.columns))
        with np.errstate(all="ignore"):  # matters only where the compiler is off
            self.reduction.tally(records, networks, pivots, sums)
        return sums

    def _pivots(self, records: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Return them; a sampler that was stopped has filled nothing that they could be taken of."""
        return np.ones((self.rows, columns(PIVOTS))) if stop[0] else self.reduction.pivots(records[0])


class Here:
    """The threads of this process.

    Parameters
    ----------
    plan
        How networks are drawn.
    threads, block_size
        As in `simulate.forward`.
    """

    def __init__(self, plan: Plan, threads: int | None = None, block_size: int | None = None):
        self.plan, self.threads = plan, threads or default_threads()
        self._size = Size(block_size, plan.draws, plan.numbers)
        self._stop, self._pivots = np.zeros(1, np.uint8), Future[np.ndarray]()

    @property
    def builds(self) -> tuple:
        """By what networks are drawn."""
        return (builds.here(),)

    @property
    def most(self) -> int:
        """How many blocks are asked for before the first must be done."""
        return 2 * self.threads

    def block(self, tiles: int) -> int:
        """Return how many tiles a block has, of so many."""
        return self._size.block(tiles)

    @contextmanager
    def at_work(self, tree: SumTree, first: int, progress):
        """Be ready to draw networks from ``first`` on, which go with what ``tree`` knows."""
        with says_when_slow("compiling the kernels that this needs, each once for a version and machine ...", progress):
            self.plan.compile(self._stop)
        with pool_of(self.threads, self._stop) as self._pool:
            if tree.pivots is not None:
                self._pivots.set_result(tree.pivots)
            elif first > 0:
                self._pool.submit(self._find_pivots)
            yield

    def submit(self, tile: int, tiles: int, part: int) -> Future:
        """Return the future of a `SumTree` of these networks; see `Plan.add`."""
        return self._pool.submit(self._draw, tile, tiles, part)

    def next_done(self, pending: deque) -> SumTree:
        """Take a future out of those that are ``pending``, and return what it found as soon as may be."""
        return pending.popleft().result()

    def pivots(self) -> np.ndarray:
        """Return the pivots, once a block is done."""
        return self._pivots.result()

    def _draw(self, tile: int, tiles: int, part: int) -> SumTree:
        found = SumTree()
        self.plan.add(found, tile, tiles, part, self._stop, self._pivots)
        return found

    def _find_pivots(self) -> None:
        try:
            self._pivots.set_result(self.plan.pivots(self._stop))
        except BaseException as error:  # so that nobody waits for ever
            self._pivots.set_exception(error)


def run(crew, tree: SumTree, stages: Callable, *, first: int = 0, keep: Callable | None = None, progress=None) -> None:
    """Add networks from ``first`` on to ``tree``.

    Parameters
    ----------
    crew
        Who draws them: a `Here`, or what has its methods.
    tree
        What is known already; it is added to.
    stages
        ``stages(tree)`` says how many networks there should be, given what has been drawn so far; it is asked again
        until it asks for no more.
    first
        The number of the first network, a multiple of LANES.
    keep
        ``keep(tree, goal)`` is told after every block, so that it may write down what is known, and how many networks
        the stage asks for.
    progress
        As in `simulate.forward`.
    """
    goal = stages(tree)
    if goal <= tree.networks:
        return
    with crew.at_work(tree, first, progress), bar(goal, progress) as advance:
        advance(tree.networks, goal)
        while goal > tree.networks:
            _run_stage(crew, tree, (first, first + goal), advance, keep)
            goal = stages(tree)


def _run_stage(crew, tree: SumTree, span: Span, advance, keep) -> None:
    """Add to ``tree`` what it lacks of a span of networks."""
    tree.part = None  # it is drawn anew, up to where this stage ends
    lacks, goal = missing(span, tree.spans), span[1] - span[0]
    pending: deque[Future] = deque()
    block = crew.block(sum(-(-(last - first) // LANES) for first, last in lacks))

    def take():
        found = crew.next_done(pending)
        tree.include(found)
        tree.pivots = crew.pivots()
        advance(found.networks, goal)
        if keep is not None:
            keep(tree, goal)

    for tile, tiles, part in blocks(lacks, block):
        pending.append(crew.submit(tile, tiles, part))
        if len(pending) > crew.most:
            take()
    while pending:
        take()


def blocks(spans, block: int):
    """Yield (tile, tiles, part) of blocks that end at multiples of ``block`` tiles, and of a last part of a tile."""
    for first, last in spans:
        tile, whole = first // LANES, last // LANES
        while tile < whole:
            end = min((tile // block + 1) * block, whole)
            yield tile, end - tile, 0
            tile = end
        if last % LANES:
            yield whole, 1, last % LANES


@dataclass(frozen=True)
class Size:
    """How many tiles a block has: what was asked for, or some 30 ms of work in little memory."""

    block_size: int | None
    draws: int
    numbers: int

    def block(self, tiles: int) -> int:
        if self.block_size is not None:
            return max(1, min(tiles, -(-self.block_size // LANES)))
        by_time = BLOCK_DRAWS // (self.draws * LANES)
        by_memory = BLOCK_BYTES // (8 * LANES * self.numbers)
        return 2 ** (max(1, min(by_time, by_memory, tiles)).bit_length() - 1)  # a subtree


def pivots_of_two(records: np.ndarray, *, fields: tuple) -> np.ndarray:
    """Return typical sizes (L, 5) of two quantities: geometric means of one tile's records.

    ``records`` has shape (L, RECORD_FIELDS, lanes); ``fields`` are each quantity's mantissa and exponent in it.
    A row has the columns of `sums.PIVOTS`; where every lane is 0 the pivot is 1 and the offset 0.
    """
    pivots = np.ones((len(records), columns(PIVOTS)))
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
PAIR_MOMENTS = Reduction(
    tally_pair.tally_pair, tally_pair.COLUMNS, partial(pivots_of_two, fields=_PAIR_FIELDS), fields=tally_pair.FIELDS
)


def default_threads() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool_of(threads: int, stop: np.ndarray) -> Iterator[Pool]:
    """A pool of threads that an exception, Ctrl-C above all, tells to stop, and does not wait for long."""
    with Pool(threads) as pool:
        try:
            yield pool
        except BaseException:
            stop[0] = 1
            raise
