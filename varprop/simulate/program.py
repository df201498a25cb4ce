"""A network's nodes as instructions on blocks of signals, and how they are drawn: slots, memory, tiles a thread."""

import threading

import numpy as np

from ..activations import Activation, known_derivative
from ..kernels import GROUP, LANES
from ..kernels.blocks import padded
from ..layers import Dense
from . import schedule
from .instructions import INSTRUCTIONS
from .samplers import check_own, own_blocks
from .schedule import Blocks
from .walk import Walk

F = np.float32
BLOCK_BYTES = 2**21  # of units that a walk holds: they stay near, and calls of kernels are few
MOST_TILES = 16


class Program:
    """How a network is drawn: its instructions, and a work space a thread.

    Parameters
    ----------
    network
        What to draw.
    rows
        Samples, float64 (samples, S, n_0), of which each network is fed one; None for x ~ N(0, I); or a number, the
        correlation of two inputs of N(0, 1) features.
    signals
        S: how many signals one network sees side by side, positions of one or more samples.
    seed, method
        As in `simulate.forward`.
    loss
        None to go forward alone; else a loss as `inputs` gives it.
    records
        Whether places are recorded on the way forward.

    Raises
    ------
    ValueError
        Where the method does not fit the weights, or a derivative is not known that is needed.
    """

    def __init__(self, network, rows, signals: int, seed: int, method: str, loss=None, *, records: bool = True):
        self.network, self.signals, self.method = network, signals, method
        self.key, self.loss, self.records = np.uint64(seed), loss, records
        operations = [node.operation for node in network.nodes]
        self.own = own_blocks(
            (phi for phi in operations if isinstance(phi, Activation)),
            (dense.law.distribution for dense in operations if isinstance(dense, Dense)),
        )
        self.codes = {function: block.code for function, block in self.own.items()}
        self.activations: dict[Activation, np.recarray] = {}  # as kernels read them, for all nodes of each
        self.rows = _unit_rows(rows) if isinstance(rows, np.ndarray) else rows
        self.instructions = [INSTRUCTIONS[type(node.operation)](self, i) for i, node in enumerate(network.nodes)]
        self.top = network.top
        if loss is not None:
            for instruction in self.instructions[: self.top + 1]:
                if isinstance(instruction.operation, Activation):
                    known_derivative(instruction.operation)
        if loss is not None and not isinstance(loss, str):
            self.loss_rows = _unit_rows(loss[None])
        blocks = Blocks()
        self.values = schedule.forward(network, self.instructions, blocks, keep=loss is not None)
        self.way_back = [] if loss is None else schedule.backward(network, self.instructions, blocks)
        self.groups = blocks.groups
        most = min(MOST_TILES, max(1, BLOCK_BYTES // self.bytes_per_tile))
        self.tiles = 2 ** (most.bit_length() - 1)  # as a block has: none is left over
        self._local = threading.local()

    @property
    def bytes_per_tile(self) -> int:
        """How many bytes the units of a tile of networks take."""
        return 4 * GROUP * padded(self.signals) * sum(self.groups)

    @property
    def memory(self) -> int:
        """How many bytes a thread takes."""
        products = 8 * LANES * self.signals * padded(self.signals)  # of all pairs, at one place after the other
        return self.tiles * (self.bytes_per_tile + products * (1 if self.loss is None else 2))

    @property
    def draws(self) -> int:
        """About how many random numbers one network takes."""
        total = self.network.width * self.signals * (self.rows is None)
        total += sum(instruction.draws() for instruction in self.instructions)
        return max(1, total * (1 if self.loss is None else 2))

    def walks(self, first: int, tiles: int):
        """Yield ``(span, walk)``: slices of tiles, and the `Walk` that draws them, ready."""
        for start in range(0, tiles, self.tiles):
            count = min(self.tiles, tiles - start)
            yield slice(start, start + count), self._walk(count), np.uint64(first + start * LANES)

    def _no_tiles(self):
        """Return what `walks` yields, for no network: it takes no time at any width."""
        return slice(0), Walk(self, 0), np.uint64(0)

    def _walk(self, count: int) -> Walk:
        held = self._local.__dict__.setdefault("walks", {})
        if count not in held:
            if len(held) > 1:  # the whole one, and a last one
                held.pop(min(held))
            held[count] = Walk(self, count)
        return held[count]

    def sample(self, first: int, records: np.ndarray, stop: np.ndarray) -> None:
        """Fill ``records`` (tiles, rows, FIELDS, LANES), as `ensemble.run` asks."""
        self._fill(first, records, records, stop, "records")

    def sample_pair(self, first: int, records: np.ndarray, stop: np.ndarray) -> None:
        """Fill ``records`` (tiles, places, FIELDS, LANES) with what `tally_pair` reads."""
        self._fill(first, records, records, stop, "pairs")

    def sample_gram(self, first: int, records: np.ndarray, stop: np.ndarray) -> None:
        """Fill ``records`` (tiles, places, S S, LANES) with products between signals."""
        shape = (len(records), len(self.network.places), self.signals, self.signals, LANES)
        self._fill(first, records, records.reshape(shape), stop, "grams")

    def _fill(self, first, records, shaped, stop, kind: str) -> None:
        """Walk forward, and back where there is a loss, and write what is asked for; without records, compile alone."""
        with np.errstate(all="ignore"):  # matters only where the compiler is off
            for span, walk, network in self.walks(first, len(records)) if len(records) else [self._no_tiles()]:
                some = {kind: shaped[span]}
                walk.forward(network, stop, **some if self.loss is None else {})
                if self.loss is not None:
                    walk.backward(network, stop, **some)
                if stop[0]:
                    return
        if self.own:
            check_own(self.own, records)


def _unit_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return samples (samples, S, n) as float32 numbers of order one, and what they are to be multiplied by."""
    sizes = np.sqrt(np.mean(np.square(rows / _largest(rows)[..., None]), axis=2)) * _largest(rows)
    return (rows / np.where(sizes > 0, sizes, 1.0)[..., None]).astype(F), sizes


def _largest(rows: np.ndarray) -> np.ndarray:
    largest = np.abs(rows).max(axis=2)
    return np.where(largest > 0, largest, 1.0)
