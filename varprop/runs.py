"""Where a simulated record comes from: what was asked, of which networks, by what software, and the sums over them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .checks import quote
from .network import Network
from .sum_tree import Span, SumTree

METHODS = ("auto", "conditional", "dense")  # how weights are drawn, as `simulate.forward` says
MOST_KEPT = 2**20  # bytes of an array that a record keeps; of a larger one it keeps a digest


class Digest(NamedTuple):
    """What is left of an array of data that was too large to keep."""

    shape: tuple[int, ...]
    sha256: str

    @classmethod
    def of(cls, array: np.ndarray) -> "Digest":
        """Return the digest of a float64 array."""
        content = np.ascontiguousarray(array, "<f8").tobytes()
        return cls(array.shape, hashlib.sha256(content).hexdigest())

    def __str__(self) -> str:
        return f"an array {self.shape} of digest {self.sha256[:12]}"


@dataclass(frozen=True, eq=False)
class Question:
    """What is measured, as data: equal questions draw equal networks.

    Attributes
    ----------
    kind
        The function of `simulate`: ``"forward"``, ``"backward"``, ``"pair"``, ``"law"`` or ``"gram"``.
    network
        What is drawn.
    arguments
        What else the function was given, by name: inputs, a loss, a correlation; arrays as float64, or a `Digest`.
        ``moments`` only where they were asked for.
    seed
        Of the random numbers.
    method
        How weights are drawn, as in `simulate.forward`.
    """

    kind: str
    network: Network
    arguments: Mapping[str, Any]
    seed: int
    method: str

    def kept(self) -> "Question":
        """Return the question with a digest in the place of what is too large to keep."""
        return replace(self, arguments={name: _kept(value) for name, value in self.arguments.items()})

    def differences(self, other: "Question") -> list[str]:
        """Return in words how ``other`` differs, a sentence's part each: "seed 1, not 0"."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in ("kind", "network", "seed", "method")}
        if self.kind == other.kind:
            for name in {**self.arguments, **other.arguments}:
                pairs[name] = self.arguments.get(name), other.arguments.get(name)
            if self.kind == "pair" and self.arguments["inputs"] is not None:
                del pairs["correlation"]  # it is of the inputs, and its last digits of the processor
        return [f"{name} {_words(name, b)}, not {_words(name, a)}" for name, (a, b) in pairs.items() if not _same(a, b)]


def _kept(value):
    return Digest.of(value) if isinstance(value, np.ndarray) and value.nbytes > MOST_KEPT else value


def _same(a, b) -> bool:
    if isinstance(a, (np.ndarray, Digest)) and isinstance(b, (np.ndarray, Digest)):
        a, b = (x if isinstance(x, Digest) else Digest.of(x) for x in (a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    return a == b


def _words(name: str, value) -> str:
    if isinstance(value, np.ndarray):
        return str(Digest.of(value))
    if name == "inputs" and value is None:
        return "N(0, I)"
    return str(value) if isinstance(value, Digest | Network) else quote(value)


@dataclass(frozen=True, eq=False)
class Run:
    """Where a simulated record comes from.

    Attributes
    ----------
    question
        What was measured, of which network.
    sums
        Which networks were drawn, and the sums over them.
    builds
        The versions of varprop, NumPy, Numba and LLVM and the processor that drew them, a dict each; more than one
        where records of several were merged. Bits are equal where these are.
    """

    question: Question
    sums: SumTree
    builds: tuple[Mapping[str, str], ...]

    @property
    def mixed(self) -> bool:
        """Whether not all was drawn by the same versions on one type of processor: last digits may differ."""
        return len(self.builds) > 1

    @property
    def spans(self) -> tuple[Span, ...]:
        """The numbers of the networks, as spans (first, last + 1)."""
        return self.sums.spans

    @property
    def gaps(self) -> tuple[Span, ...]:
        """What is missing between them."""
        spans = self.spans
        return tuple((a[1], b[0]) for a, b in pairwise(spans))

    def summary(self) -> dict:
        """Return it as plain values: all but the sums."""
        asked = self.question
        return {
            "kind": asked.kind,
            "seed": asked.seed,
            "method": asked.method,
            "first": self.spans[0][0],
            "networks": self.sums.networks,
            "spans": [list(span) for span in self.spans],
            "arguments": {name: _plain(value) for name, value in asked.arguments.items()},
            "builds": [dict(build) for build in self.builds],
        }

    def __repr__(self) -> str:
        asked, builds = self.question, f"{len(self.builds)} build{'s' * self.mixed}"
        return f"Run({asked.kind}, seed {asked.seed}, networks {self.spans}, {builds})"


def _plain(value):
    """Return an argument as JSON can hold it: of an array its digest, and its numbers where it was kept."""
    if isinstance(value, Digest):
        return {"shape": list(value.shape), "sha256": value.sha256}
    if isinstance(value, np.ndarray):
        return {**_plain(Digest.of(value)), "values": value.tolist()}
    return value
