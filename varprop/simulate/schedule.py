"""Which block of memory holds which value and which gradient: planned once a network, so that blocks serve again."""

from typing import NamedTuple

from ..graph import INPUT


class Blocks:
    """Blocks by number, taken and given back; ``groups`` has how many groups of four units each holds."""

    def __init__(self):
        self.groups: list[int] = []
        self._free: dict[int, list[int]] = {}

    def take(self, width: int) -> int:
        """Return a block of this width that nobody uses."""
        groups = -(-width // 4)
        free = self._free.setdefault(groups, [])
        if not free:
            self.groups.append(groups)
            free.append(len(self.groups) - 1)
        return free.pop()

    def give(self, block: int) -> None:
        """Let others have it."""
        self._free[self.groups[block]].append(block)


class StepBack(NamedTuple):
    """The way back through one node, all but the first in numbers of blocks.

    ``gradient`` is that of its value, ``parts`` those of its sources; ``sums`` are (one, two, total) where a source has
    several readers. At the input, which is no node, nothing is left to do.
    """

    node: int
    gradient: int
    parts: tuple[int, ...] = ()
    sums: tuple[tuple[int, int, int], ...] = ()


def summed(network, instructions: list, records: bool) -> set[int]:
    """Return the nodes of whose values somebody reads sums; with ``records``, what is recorded of places."""
    found = {j for instruction in instructions if instruction.reads_sums for j in instruction.node.sources}
    if records:
        found |= {i for place in network.places for i in (place.node, place.activated)}
    return found


def _unread(network, instructions: list) -> set[int]:
    """Return the nodes whose units nobody reads on the way forward, but those that make them."""
    read = {j for instruction in instructions if instruction.reads_units for j in instruction.node.sources}
    return {i for i, instruction in enumerate(instructions) if instruction.spares_units and i not in read}


def forward(network, instructions: list, blocks: Blocks, *, keep: bool) -> list[int]:
    """Return each node's block and, last, that of the input; one each with ``keep``, else freed after its last use."""
    unread = set() if keep else _unread(network, instructions)
    last = [*range(len(network.nodes)), 0]
    for i, node in enumerate(network.nodes):
        for j in node.sources:
            last[j] = i
    for place in network.places:
        last[place.node] = max(last[place.node], place.activated)
    found = [0] * len(last)
    found[INPUT] = blocks.take(network.width)
    for i, node in enumerate(network.nodes):
        found[i] = blocks.take(0 if i in unread else node.width)
        for j in {*node.sources, i}:
            if last[j] == i and not keep:
                blocks.give(found[j])
    return found


def backward(network, instructions: list, blocks: Blocks) -> list[StepBack]:
    """Return the steps from the top to the input. No block is written while a gradient in it is still to be read."""
    living, steps = {network.top: blocks.take(network.nodes[network.top].width)}, []
    for i in range(network.top, INPUT, -1):
        if i not in living:
            continue
        gradient, node, sums = living.pop(i), network.nodes[i], []
        parts = instructions[i].parts(gradient, blocks.take)
        used = {gradient}
        for j, part in zip(node.sources, parts, strict=True):
            if j in living:
                total = blocks.take(network.nodes[j].width if j != INPUT else network.width)
                sums.append((living[j], part, total))
                used |= {living[j], part}
                part = total
            living[j] = part
        for block in used - set(living.values()):
            blocks.give(block)
        steps.append(StepBack(i, gradient, tuple(parts), tuple(sums)))
    steps.append(StepBack(INPUT, living[INPUT]))
    return steps
