"""Sums over networks that merge to the bit: a fixed binary tree over tiles of 64 networks.

Floating-point addition depends on its order. Here the order is a property of the networks' numbers, not of a run: tile
t holds networks 64 t to 64 t + 63, and the sum of 2^k tiles from a multiple of 2^k on is that of its halves. What is
known of any set of tiles is the sums of its largest such subtrees, O(log tiles) of them, in whatever order they came.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

TILE = 64  # networks
Span = tuple[int, int]  # from a first network up to another, which is not in it
_NOTHING = np.empty((0, 0))
_silent = np.errstate(over="ignore", invalid="ignore")  # powers of what explodes end as infinity


class Part(NamedTuple):
    """A last tile of which only the first ``networks`` count."""

    tile: int
    networks: int
    sums: np.ndarray


@dataclass(eq=False)
class SumTree:
    """What is known of some networks.

    Attributes
    ----------
    pivots
        What was subtracted and divided by, (rows, columns of `sums.PIVOTS`): typical sizes among networks 0 to 63.
    nodes
        Sums (rows, columns) of the tiles from ``index 2^level`` up to ``(index + 1) 2^level``, by (level, index).
    part
        A last tile that is not whole, or None. It is drawn anew where a run goes on beyond it.
    counts
        Where sums are counts, whose order does not matter, those of all whole tiles together, and ``nodes`` only say
        which these are; else None.
    """

    pivots: np.ndarray | None = None
    nodes: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    part: Part | None = None
    counts: np.ndarray | None = None

    @_silent
    def add(self, tile: int, sums: np.ndarray) -> None:
        """Add whole tiles from ``tile`` on; ``sums`` (tiles, rows, columns) is used up."""
        end, step = tile + len(sums), 1
        while 2 * step <= len(sums):  # pairs of neighbours, then of pairs, where both are there
            first, last = -(-tile // (2 * step)) * 2 * step - tile, end // (2 * step) * 2 * step - tile
            if first < last:
                sums[first : last : 2 * step] += sums[first + step : last : 2 * step]
            step *= 2
        for level, index in _subtrees(tile, end):
            self.put((level, index), sums[(index << level) - tile].copy())

    def add_counts(self, tile: int, tiles: int, counts: np.ndarray) -> None:
        """Add the counts (rows, columns) of whole tiles, all together."""
        self._count(counts)
        for key in _subtrees(tile, tile + tiles):
            self.put(key, _NOTHING)

    @_silent
    def put(self, key: tuple[int, int], sums: np.ndarray) -> None:
        """Add the sums of one subtree, which must not be there yet."""
        level, index = key
        while (level, index ^ 1) in self.nodes:
            sums = self.nodes.pop((level, index ^ 1)) + sums
            level, index = level + 1, index >> 1
        self.nodes[level, index] = sums

    def include(self, other: "SumTree") -> None:
        """Add what ``other`` knows, of other networks."""
        for key, sums in other.nodes.items():
            self.put(key, sums)
        if other.counts is not None:
            self._count(other.counts)
        self.part = other.part or self.part

    def _count(self, counts: np.ndarray) -> None:
        self.counts = counts if self.counts is None else self.counts + counts

    def copy(self) -> "SumTree":
        """Return a tree that may be added to while this one stays."""
        return SumTree(self.pivots, dict(self.nodes), self.part, self.counts)

    @property
    def results(self) -> tuple[np.ndarray, np.ndarray, int]:
        """What records are made of: the sums over all networks, their pivots, and how many networks these are."""
        assert self.pivots is not None  # which the first block brings
        return self.total(), self.pivots, self.networks

    @property
    def spans(self) -> tuple[Span, ...]:
        """The networks that are known, as spans in order, none of which touches another."""
        found = [(index << level, (index + 1) << level) for level, index in self.nodes]
        found = [(first * TILE, last * TILE) for first, last in found]
        if self.part is not None:
            found.append((self.part.tile * TILE, self.part.tile * TILE + self.part.networks))
        return joined(found)

    @property
    def networks(self) -> int:
        """How many networks are known."""
        return sum(last - first for first, last in self.spans)

    @_silent
    def total(self) -> np.ndarray:
        """Return the sums over all of them, (rows, columns): subtrees in order, then the part of a tile."""
        if self.counts is not None:
            found = [self.counts]
        else:
            found = [self.nodes[key] for key in sorted(self.nodes, key=lambda key: key[1] << key[0])]
        found += [] if self.part is None else [self.part.sums]
        total = found[0].copy()
        for sums in found[1:]:
            total += sums
        return total


def joined(spans) -> tuple[Span, ...]:
    """Return spans in order; those that touch or overlap are one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return tuple(found)


def overlap(spans, others) -> Span | None:
    """Return the first networks that are in both, or None."""
    both = [(max(a, c), min(b, d)) for a, b in spans for c, d in others if max(a, c) < min(b, d)]
    return min(both, default=None)


def missing(span: Span, known) -> tuple[Span, ...]:
    """Return what of ``span`` is in none of the spans ``known``, which are in order."""
    found, (start, end) = [], span
    for first, last in known:
        if start < min(first, end):
            found.append((start, min(first, end)))
        start = max(start, last)
    return (*found, (start, end)) if start < end else tuple(found)


def _subtrees(first: int, last: int):
    """Yield (level, index) of the largest subtrees that make up the tiles from ``first`` up to ``last``."""
    while first < last:
        level = (last - first).bit_length() - 1
        if first:
            level = min(level, (first & -first).bit_length() - 1)
        yield level, first >> level
        first += 1 << level
