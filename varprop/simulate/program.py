"""A network's nodes as instructions on blocks of signals: one walk forward, and one back.

To add a layer, add its kernels to ``kernels/layers/`` and its class here, with a line in ``INSTRUCTIONS``.
"""

import threading

import numpy as np

from ..activations import Activation, known_derivative
from ..graph import INPUT
from ..initializers import DISTRIBUTIONS
from ..inputs import LOSSES
from ..kernels import GROUP, LANES, places
from ..kernels.blocks import Block, Kept, padded
from ..kernels.layer import ACTIVATION_FIELDS
from ..kernels.layers import activation, dense, dropout, ends, gate, norm, residual, weights
from ..layers import Dense, Dropout, LayerNorm, RMSNorm
from ..layers.gate import Product
from ..layers.residual import Sum
from .samplers import activation_row, check_own, link, own_blocks

F = np.float32
BLOCK_BYTES = 2**19  # of units that a walk holds: they stay in cache
MOST_TILES = 16
FEW_SIGNALS = 4  # the conditional draw pays up to some fan_in / 4 signals

ACTIVATION_DTYPE = np.dtype(ACTIVATION_FIELDS, align=True)


class _Instruction:
    """What one node does. ``program`` is whose it is, ``index`` its entry; node numbers of streams count from 1."""

    def __init__(self, program: "Program", index: int):
        self.program, self.index, self.node = program, index, program.network.nodes[index]
        self.key, self.number, self.operation = program.key, index + 1, self.node.operation
        self.prepare()

    def prepare(self) -> None:
        """Choose kernels and numbers, once."""

    def room(self, tiles: int):
        """Return the arrays that `forward` leaves for `backward`, besides its value."""

    def draws(self) -> int:
        """Return about how many random numbers one network takes."""
        return 0


class _Dense(_Instruction):
    def prepare(self) -> None:
        law, node, signals = self.operation.law, self.node, self.program.signals
        self.variance, self.bias = self.operation.weight_variance(node.fan_in), self.operation.bias_variance
        self.law = DISTRIBUTIONS.index(law.distribution)
        few = signals == 1 or FEW_SIGNALS * signals <= node.fan_in
        method = self.program.method
        if method == "conditional" and law.distribution != "normal":
            where = f"layer {node.path}" if self.program.network.is_chain else node.path
            raise ValueError(
                f"method 'conditional' needs normal weights here, and {where} has {law.distribution} ones; "
                "use method='dense', or 'auto' to have it chosen."
            )
        auto = law.distribution == "normal" and few
        self.conditional = method == "conditional" or (method == "auto" and auto)
        rows = -(-max(node.fan_in, node.width) // 4)
        if rows * (signals if self.conditional else node.width) >= 2**32:
            size = 4 * LANES * max(node.width, node.fan_in) * signals
            raise ValueError(
                f"{node.path} of {node.width} × {node.fan_in} is too wide to be drawn: {LANES} networks would take "
                f"{size:,} bytes for its units."
            )

    def draws(self) -> int:
        return self.node.width * (self.program.signals if self.conditional else self.node.fan_in)

    def room(self, tiles: int) -> Kept:
        signals = self.program.signals
        shape = (tiles, signals, LANES)
        rows = (tiles, signals, padded(signals), LANES) if self.conditional else (0, 1, 1, LANES)
        return Kept(np.zeros(rows), np.zeros(shape), np.zeros(shape))

    def forward(self, first, sources, out, kept, stop) -> None:
        node, sizes = self.node, (self.variance, self.bias)
        if self.conditional:
            dense.forward(self.key, first, self.number, node.width, *sizes, sources[0], out, kept, stop)
        else:
            fans = node.width, node.fan_in
            weights.forward(self.key, first, self.number, self.law, *fans, *sizes, sources[0], out, kept, stop)

    def backward(self, first, sources, value, kept, d, stop, new) -> tuple:
        node, e = self.node, new(self.node.fan_in)
        fans = node.width, node.fan_in, self.variance
        if self.conditional:
            dense.backward(self.key, first, self.number, *fans, sources[0], value, kept, d, e, stop)
        else:
            weights.backward(self.key, first, self.number, self.law, *fans, d, e, stop)
        return (e,)


class _Activation(_Instruction):
    def prepare(self) -> None:
        rows = np.array([activation_row(self.operation, self.program.codes)], ACTIVATION_DTYPE).view(np.recarray)
        link(rows, backward=self.program.loss is not None)
        self.row = rows[0]

    def forward(self, first, sources, out, kept, stop) -> None:
        activation.forward(self.row, self.node.width, sources[0], out, stop)

    def backward(self, first, sources, value, kept, d, stop, new) -> tuple:
        e = new(self.node.width)
        activation.backward(self.row, sources[0], d, e, stop)
        return (e,)


class _Norm(_Instruction):
    def prepare(self) -> None:
        self.centred = isinstance(self.operation, LayerNorm)

    def room(self, tiles: int) -> np.ndarray:
        return np.zeros((2, tiles, self.program.signals, LANES))

    def forward(self, first, sources, out, kept, stop) -> None:
        norm.forward(self.node.width, self.centred, self.operation.eps, sources[0], out, kept, stop)

    def backward(self, first, sources, value, kept, d, stop, new) -> tuple:
        e = new(self.node.width)
        norm.backward(self.node.width, self.centred, value, kept, d, e, stop)
        return (e,)


class _Dropout(_Instruction):
    def forward(self, first, sources, out, kept, stop) -> None:
        dropout.masked(self.key, first, self.number, self.operation.p, sources[0], out, stop)

    def backward(self, first, sources, value, kept, d, stop, new) -> tuple:
        e = new(self.node.width)
        dropout.masked(self.key, first, self.number, self.operation.p, d, e, stop)
        return (e,)


class _Sum(_Instruction):
    def room(self, tiles: int) -> np.ndarray:
        return np.zeros((2, tiles, self.program.signals, LANES))

    def forward(self, first, sources, out, kept, stop) -> None:
        sum_ = self.operation
        positions = self.program.network.position_count
        residual.set_factors(self.key, first, self.number, positions, sum_.skip, sum_.scale, sum_.drop, kept)
        residual.forward(*sources, kept, out)

    def backward(self, first, sources, value, kept, d, stop, new) -> tuple:
        sum_, found = self.operation, []
        for factor, own in ((sum_.skip, kept[0]), (sum_.scale if not sum_.drop else None, kept[1])):
            if factor == 1.0:  # the gradient itself: nobody writes into it
                found.append(d)
            else:
                found.append(new(self.node.width))
                residual.backward(d, own, found[-1])
        return tuple(found)


class _Product(_Instruction):
    def forward(self, first, sources, out, kept, stop) -> None:
        gate.product(*sources, out)

    def backward(self, first, sources, value, kept, d, stop, new) -> tuple:
        found = new(self.node.width), new(self.node.width)
        gate.product(d, sources[1], found[0])
        gate.product(d, sources[0], found[1])
        return found


INSTRUCTIONS: dict[type, type] = {
    Dense: _Dense,
    Activation: _Activation,
    Sum: _Sum,
    LayerNorm: _Norm,
    RMSNorm: _Norm,
    Dropout: _Dropout,
    Product: _Product,
}


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

    Raises
    ------
    ValueError
        Where the method does not fit the weights, or a derivative is not known that is needed.
    """

    def __init__(self, network, rows, signals: int, seed: int, method: str, loss=None):
        self.network, self.signals, self.method = network, signals, method
        self.key, self.loss = np.uint64(seed), loss
        self.own = own_blocks(n.operation for n in network.nodes if isinstance(n.operation, Activation))
        self.codes = {function: block.code for function, block in self.own.items()}
        self.rows = _unit_rows(rows) if isinstance(rows, np.ndarray) else rows
        self.instructions = [INSTRUCTIONS[type(node.operation)](self, i) for i, node in enumerate(network.nodes)]
        self.top = network.top
        if loss is not None:
            for instruction in self.instructions[: self.top + 1]:
                if isinstance(instruction, _Activation):
                    known_derivative(instruction.operation)
        if loss is not None and not isinstance(loss, str):
            self.loss_rows = _unit_rows(loss[None])
        self.slots = _slots(network, keep=loss is not None)
        self.tiles = min(MOST_TILES, max(1, BLOCK_BYTES // self.bytes_per_tile))
        self._local = threading.local()

    @property
    def bytes_per_tile(self) -> int:
        """How many bytes the units of a tile of networks take."""
        widths = {}
        for node, slot in zip(self.network.nodes, self.slots, strict=True):
            widths[slot] = max(widths.get(slot, 0), node.width)
        groups = sum(-(-width // 4) for width in [self.network.width, *widths.values()])
        return 4 * GROUP * padded(self.signals) * groups * (1 if self.loss is None else 3)

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
        """Yield ``(span, walk)``: slices of tiles, and the `_Walk` that draws them, ready."""
        for start in range(0, tiles, self.tiles):
            count = min(self.tiles, tiles - start)
            yield slice(start, start + count), self._walk(count), np.uint64(first + start * LANES)

    def _walk(self, count: int) -> "_Walk":
        held = self._local.__dict__.setdefault("walks", {})
        if count not in held:
            if len(held) > 1:  # the whole one, and a last one
                held.pop(min(held))
            held[count] = _Walk(self, count)
        return held[count]

    def sample(self, first: int, records: np.ndarray, stop: np.ndarray) -> None:
        """Fill ``records`` (tiles, rows, FIELDS, LANES), as `ensemble.run` asks."""
        self._fill(first, records, records, stop, "records")

    def sample_pair(self, first: int, records: np.ndarray, stop: np.ndarray) -> None:
        """Fill ``records`` (tiles, places, RECORD_FIELDS, LANES) with what `tally_pair` reads."""
        self._fill(first, records, records, stop, "pairs")

    def sample_gram(self, first: int, records: np.ndarray, stop: np.ndarray) -> None:
        """Fill ``records`` (tiles, places, S S, LANES) with products between signals."""
        shape = (len(records), len(self.network.places), self.signals, self.signals, LANES)
        self._fill(first, records, records.reshape(shape), stop, "grams")

    def _fill(self, first, records, shaped, stop, kind: str) -> None:
        """Walk forward, and back where there is a loss, and write what is asked for; without records, compile."""
        with np.errstate(all="ignore"):  # matters only where the compiler is off
            for span, walk, network in self.walks(first, max(len(records), 1)):
                some = {kind: shaped[span]}
                walk.forward(network, stop, **some if self.loss is None else {})
                if self.loss is not None:
                    walk.backward(network, stop, **some)
                if stop[0]:
                    return
        if self.own:
            check_own(self.own, records)


class _Walk:
    """The blocks of one thread: values, what layers keep of the way forward, gradients."""

    def __init__(self, program: Program, tiles: int):
        self.program, self.tiles = program, tiles
        slots: dict = {}
        self.values: list = []
        for node, slot in zip(program.network.nodes, program.slots, strict=True):
            key = slot, -(-node.width // 4)
            if key not in slots:
                slots[key] = self.new(node.width)
            self.values.append(slots[key])
        self.values.append(self.new(program.network.width))  # at -1: the input
        self.kept = [instruction.room(tiles) for instruction in program.instructions]
        self.ones = np.ones((2, tiles, program.signals, LANES))
        self.pool: dict = {}

    def new(self, width: int) -> Block:
        """Return a block of zeros."""
        signals = self.program.signals
        shape = (self.tiles, signals, LANES)
        return Block(
            np.zeros((self.tiles, -(-width // 4), padded(signals), GROUP), F), np.zeros(shape), np.zeros(shape)
        )

    def forward(self, first, stop, records=None, grams=None, pairs=None) -> None:
        """Draw the networks; write the rows of their places into ``records``, or products into one of the others."""
        program, network = self.program, self.program.network
        if isinstance(program.rows, float):
            ends.pair_block(program.key, first, program.rows, network.width, self.values[INPUT])
        elif program.rows is None:
            ends.normal_block(program.key, first, 0, program.signals, network.width, self.values[INPUT])
        else:
            ends.given_block(program.key, first, *program.rows, self.values[INPUT])
        ready: dict = {}
        for j, place in enumerate(network.places):
            ready.setdefault(max(place.node, place.activated), []).append((j, place))
        for i, instruction in enumerate(program.instructions):
            sources = tuple(self.values[j] for j in instruction.node.sources)
            instruction.forward(first, sources, self.values[i], self.kept[i], stop)
            if stop[0]:
                return
            for j, place in ready.get(i, ()):
                if records is not None and len(records):
                    z, a = self.values[place.node], self.values[place.activated]
                    width = instruction.node.width
                    places.record_signal(j, len(network.places), width, width, z, a, records)
                if pairs is not None and len(pairs):
                    places.record_pair(j, instruction.node.width, self.values[place.node], pairs)
                if grams is not None and len(grams):
                    places.record_gram(j, instruction.node.width, self.values[place.node], grams)

    def backward(self, first, stop, records=None, grams=None) -> None:
        """Draw the gradients of the networks that `forward` drew last."""
        program, network = self.program, self.program.network
        count = len(network.places) + 1
        where = {place.node: j for j, place in enumerate(network.places)} | {INPUT: count - 1}
        if records is not None:
            records[:] = 0.0
        taken: dict = {}

        def new(width: int) -> Block:
            """Return a block that no gradient lives in."""
            groups = -(-width // 4)
            blocks = self.pool.setdefault(groups, [])
            at = taken.get(groups, 0)
            if at == len(blocks):
                blocks.append(self.new(width))
            taken[groups] = at + 1
            return blocks[at]

        gradients = {program.top: self._loss(first, new)}
        for i in range(program.top, INPUT - 1, -1):
            d = gradients.pop(i, None)
            if d is None:
                continue
            node = network.nodes[i] if i >= 0 else None
            if i in where:
                dense_below = node is not None and isinstance(node.operation, Dense)
                x = self.values[node.sources[0]] if dense_below else d
                width, fan_in = (node.width, node.fan_in if dense_below else 0) if node else (network.width, 0)
                if records is not None and len(records):
                    places.record_gradient(where[i], count, width, fan_in, d, x, records)
                if grams is not None and len(grams) and node is not None:
                    places.record_gram(where[i], width, d, grams)
            if node is None:
                break
            instruction = program.instructions[i]
            sources = tuple(self.values[j] for j in node.sources)
            parts = instruction.backward(first, sources, self.values[i], self.kept[i], d, stop, new)
            if stop[0]:
                return
            for j, part in zip(node.sources, parts, strict=True):
                if j in gradients:
                    total = new(network.nodes[j].width if j >= 0 else network.width)
                    residual.forward(gradients[j], part, self.ones, total)
                    part = total
                gradients[j] = part

    def _loss(self, first, new) -> Block:
        program, top = self.program, self.program.top
        width, z = program.network.nodes[top].width, self.values[top]
        d, loss = new(width), program.loss
        if not isinstance(loss, str):
            ends.given_block(program.key, first, *program.loss_rows, d)
        elif loss == LOSSES[0]:
            ends.normal_block(program.key, first, 1, program.network.position_count, width, d)
        elif loss == LOSSES[1]:
            ends.copy_block(z, d)
        else:
            ends.softmax_block(program.key, first, width, z, d)
        return d


def _slots(network, *, keep: bool) -> list[int]:
    """Return which slot holds each node's value: one each, or, unless all are kept, freed after its last use."""
    count = len(network.nodes)
    if keep:
        return list(range(count))
    last = list(range(count))
    for i, node in enumerate(network.nodes):
        for j in node.sources:
            if j >= 0:
                last[j] = i
    for place in network.places:
        last[place.node] = max(last[place.node], place.activated)
    found, free, used = [], {}, 0
    for i, node in enumerate(network.nodes):
        groups = -(-node.width // 4)
        if free.get(groups):
            found.append(free[groups].pop())
        else:
            found.append(used)
            used += 1
        for j in {j for j in (*node.sources, i) if j >= 0 and last[j] == i}:
            free.setdefault(-(-network.nodes[j].width // 4), []).append(found[j])
    return found


def _unit_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return samples (samples, S, n) as float32 numbers of order one, and what they are to be multiplied by."""
    sizes = np.sqrt(np.mean(np.square(rows / _largest(rows)[..., None]), axis=2)) * _largest(rows)
    return (rows / np.where(sizes > 0, sizes, 1.0)[..., None]).astype(F), sizes


def _largest(rows: np.ndarray) -> np.ndarray:
    largest = np.abs(rows).max(axis=2)
    return np.where(largest > 0, largest, 1.0)
