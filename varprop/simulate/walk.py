"""One walk over a network's instructions, forward and back, and the blocks that a thread holds for it."""

from typing import TYPE_CHECKING

import numpy as np

from ..graph import INPUT
from ..inputs import LOSSES
from ..kernels import GROUP, LANES, places
from ..kernels.blocks import Block, padded
from ..kernels.layers import ends, residual
from ..kernels.powers import record_powers
from ..layers import Dense
from . import schedule
from .schedule import StepBack

if TYPE_CHECKING:
    from .program import Program

F = np.float32


class Walk:
    """The blocks of one thread: values, what layers keep of the way forward, gradients."""

    def __init__(self, program: "Program", tiles: int):
        self.program, self.tiles = program, tiles
        blocks = [self._new(groups) for groups in program.groups]
        self.values = self._values(blocks)
        self.kept = [instruction.room(tiles) for instruction in program.instructions]
        self.ones = np.ones((2, tiles, program.signals, LANES))
        self.steps = self._steps()
        places = program.network.places
        self.rows = {place.node: row for row, place in enumerate(places)} | {INPUT: len(places)}
        self.gradient = blocks[program.way_back[0].gradient] if program.way_back else None  # of the last node
        self.steps_back = [self._step_back(step, blocks) for step in program.way_back]

    def _new(self, groups: int) -> Block:
        """Return a block of zeros."""
        signals = self.program.signals
        shape, units = (self.tiles, signals, LANES), (self.tiles, groups, padded(signals), GROUP)
        return Block(np.zeros(units, F), np.zeros(shape), np.zeros(shape), np.zeros((3, 0, signals, LANES)))

    def _values(self, blocks: list[Block]) -> list[Block]:
        """Return by node the block of its value, with sums where somebody reads them; last, that of the input."""
        program, shape = self.program, (3, self.tiles, self.program.signals, LANES)
        sums = {k: np.zeros(shape) for k in program.values}
        summed = schedule.summed(program.network, program.instructions, program.records)
        nodes = [*range(len(program.instructions)), INPUT]
        return [
            blocks[k]._replace(sums=sums[k]) if i in summed else blocks[k]
            for i, k in zip(nodes, program.values, strict=True)
        ]

    def _steps(self) -> list[tuple]:
        """Return by node its instruction, the blocks it reads and sets, what it keeps, and the places then ready."""
        ready: list[list] = [[] for _ in self.program.instructions]
        for j, place in enumerate(self.program.network.places):
            values = self.values[place.node], self.values[place.activated]
            ready[max(place.node, place.activated)].append((j, *values))
        return [
            (
                instruction,
                tuple(self.values[j] for j in instruction.node.sources),
                self.values[i],
                self.kept[i],
                ready[i],
            )
            for i, instruction in enumerate(self.program.instructions)
        ]

    def _step_back(self, step: StepBack, blocks: list[Block]) -> tuple:
        """Return what is recorded of a node's gradient, and what its instruction's `backward` takes and is to be added.

        What is recorded is its row, width and fan_in, the gradient and what its weights multiply: 0 and the gradient
        again where it has none.
        """
        network, rows, d, i = self.program.network, self.rows, blocks[step.gradient], step.node
        if i == INPUT:
            return (rows[i], network.width, 0, d, d), None, ()
        node, recorded = network.nodes[i], None
        if i in rows:
            dense = isinstance(node.operation, Dense)
            below = (node.fan_in, d, self.values[node.sources[0]]) if dense else (0, d, d)
            recorded = rows[i], node.width, *below
        sources = tuple(self.values[j] for j in node.sources)
        taken = sources, self.values[i], self.kept[i], d, tuple(blocks[k] for k in step.parts)
        sums = [tuple(blocks[k] for k in three) for three in step.sums]
        return recorded, (self.program.instructions[i].backward, taken), sums

    def forward(self, first, stop, records=None, grams=None, pairs=None) -> None:
        """Draw the networks; write the rows of their places into ``records``, or products into one of the others."""
        program, network = self.program, self.program.network
        assert records is None or program.records, "blocks have no sums to record"
        if isinstance(program.rows, float):
            ends.pair_block(program.key, first, program.rows, network.width, self.values[INPUT], stop)
        elif program.rows is None:
            ends.normal_block(program.key, first, 0, program.signals, network.width, self.values[INPUT], stop)
        else:
            ends.given_block(program.key, first, *program.rows, self.values[INPUT], stop)
        count = len(network.places)
        for instruction, sources, value, kept, ready in self.steps:
            instruction.forward(first, sources, value, kept, stop)
            if stop[0]:
                return
            for j, z, a in ready:
                width = instruction.node.width
                if records is not None:
                    places.record_signal(j, count, width, z, a, records, stop)
                    if records.shape[2] > places.FIELDS:
                        record_powers(j, count, width, z, records, stop)
                if pairs is not None:
                    places.record_pair(j, width, z, pairs, stop)
                if grams is not None:
                    places.record_gram(j, width, z, grams, stop)

    def backward(self, first, stop, records=None, grams=None) -> None:
        """Draw the gradients of the networks that `forward` drew last."""
        count = len(self.program.network.places) + 1
        if records is not None:
            records[:] = 0.0
        self._loss(first, stop)
        for recorded, work, sums in self.steps_back:
            if recorded is not None:
                row, width, fan_in, d, x = recorded
                if records is not None:
                    places.record_gradient(row, count, width, fan_in, d, x, records, stop)
                if grams is not None and work is not None:
                    places.record_gram(row, width, d, grams, stop)
            if work is not None:
                backward, taken = work
                backward(first, *taken, stop)
            if stop[0]:
                return
            for one, two, total in sums:
                residual.forward(one, two, self.ones, total, stop)

    def _loss(self, first, stop) -> None:
        """Set the gradient at the last node."""
        program, top = self.program, self.program.top
        width, z, d, loss = program.network.nodes[top].width, self.values[top], self.gradient, program.loss
        if not isinstance(loss, str):
            ends.given_block(program.key, first, *program.loss_rows, d, stop)
        elif loss == LOSSES[0]:
            ends.normal_block(program.key, first, 1, program.network.position_count, width, d, stop)
        elif loss == LOSSES[1]:
            ends.copy_block(z, d, stop)
        else:
            ends.softmax_block(program.key, first, width, z, d, stop)
