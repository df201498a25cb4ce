"""One walk over a network's instructions, forward and back, and the blocks that a thread holds for it."""

from typing import TYPE_CHECKING

import numpy as np

from ..graph import INPUT
from ..inputs import LOSSES
from ..kernels import GROUP, LANES, places
from ..kernels.blocks import Block, padded
from ..kernels.layers import ends, residual
from ..layers import Dense

if TYPE_CHECKING:
    from .program import Program

F = np.float32


class Walk:
    """The blocks of one thread: values, what layers keep of the way forward, gradients."""

    def __init__(self, program: "Program", tiles: int):
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
