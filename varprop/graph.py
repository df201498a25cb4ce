"""A network as data: named nodes, each an operation on earlier ones, and the places that readers ask about."""

from collections import Counter
from dataclasses import dataclass

from .activations import Activation, activation
from .layers import Dense
from .layers.gate import Product
from .layers.residual import Sum

INPUT = -1  # the source that is no node: what the network is fed


@dataclass(frozen=True)
class Node:
    """One operation on earlier values.

    Attributes
    ----------
    path
        Its name, such as ``"block 2 / dense 1"``.
    operation
        What it does: an `Activation`, or an object of `varprop.layers`: a `Dense` whose width is filled in, a
        norm, a `Dropout`, the `Sum` of a residual block or the `Product` of a gate.
    sources
        The nodes it reads, as entries of the network's ``nodes``; -1 is the input.
    fan_in, width
        Units of its first source, and of its own value.
    """

    path: str
    operation: object
    sources: tuple[int, ...]
    fan_in: int
    width: int


@dataclass(frozen=True)
class Place:
    """What a reader asks about: a Dense's z, or a residual block's sum.

    Attributes
    ----------
    name
        Its path, or in a chain the layer's number.
    node
        Which node holds it.
    activated
        Which node holds the activation right after it; ``node`` itself where there is none.
    """

    name: str
    node: int
    activated: int


class Level:
    """One level of names, which counts each word from 1."""

    def __init__(self, prefix: str = "", *, only: str | None = None, numbered: bool = False):
        self._prefix, self._only, self._numbered = prefix, only, numbered
        self._counts: Counter[str] = Counter()

    def name(self, word: str) -> str:
        """Return the next name for ``word``."""
        if self._only is not None:
            return self._only
        self._counts[word] += 1
        count = self._counts[word]
        return f"{count}" if self._numbered and word == Dense.word else f"{self._prefix}{word} {count}"

    def within(self, path: str) -> "Level":
        """Return the level below ``path``."""
        return Level(f"{path} / ")

    def fixed(self, path: str) -> "Level":
        """Return a level that holds one layer, of that name."""
        return Level(only=path)


class Builder:
    """Nodes in order of execution, as layers add them."""

    def __init__(self, width: int):
        self.input_width = width
        self.nodes: list[Node] = []
        self.places: list[Place] = []

    def width(self, source: int) -> int:
        """Return the number of units of a node's value, or of the input."""
        return self.input_width if source == INPUT else self.nodes[source].width

    def add(self, path: str, operation, sources: tuple[int, ...], width: int, *, place: bool = False) -> int:
        """Add a node, and a place if it is one; return its entry."""
        self.nodes.append(Node(path, operation, sources, self.width(sources[0]), width))
        found = len(self.nodes) - 1
        if place:
            self.places.append(Place(path, found, found))
        return found

    def activate(self, level: Level, activation: Activation, source: int) -> int:
        """Add an activation right after ``source``, which is of the same sequence."""
        found = self.add(level.name(activation.name), activation, (source,), self.width(source))
        if self.places and self.places[-1].node == source and found == source + 1:
            self.places[-1] = Place(self.places[-1].name, source, found)
        return found

    def sequence(self, layers, source: int, level: Level) -> int:
        """Add layers one after the other; return the node that holds the last one's value."""
        start = source
        for layer in layers:
            if not isinstance(layer, Activation):
                source = layer.expand(self, source, level)
            elif is_identity(layer):
                continue
            elif source == start:  # nothing of this sequence is before it
                source = self.add(level.name(layer.name), layer, (source,), self.width(source))
            else:
                source = self.activate(level, layer, source)
        return source


def is_identity(layer) -> bool:
    """Return whether a layer is the linear activation, which is no operation."""
    return isinstance(layer, Activation) and layer == activation("linear")


def build(width: int, layers) -> tuple[tuple[Node, ...], tuple[Place, ...], int]:
    """Return the nodes and places of a sequence, and the node that holds its output."""
    builder = Builder(width)
    numbered = all(isinstance(layer, (Dense, Activation)) for layer in layers)
    output = builder.sequence(layers, INPUT, Level(numbered=numbered))
    return tuple(builder.nodes), tuple(builder.places), output


__all__ = ["INPUT", "Builder", "Level", "Node", "Place", "Product", "Sum", "build"]
