"""Weights that keep the variance of any network, at infinite width: E[z^2] = 1 at each Dense, bounded sums."""

from dataclasses import dataclass, replace

import numpy as np

from ...activations import Activation
from ...initializers import VarianceScaling
from ...layers import Dense, Dropout
from ...layers.residual import Sum
from ...signals import as_rows
from .evaluate import RULES
from .scenarios import check_bytes, scenarios

_STEPS, _CLOSE = 60, 1e-9  # of the search for the variance of weights whose z goes through an activation to the sum


@dataclass(frozen=True)
class Kept:
    """What one Dense is given.

    Attributes
    ----------
    node
        Its entry in the network's ``nodes``.
    gain_squared
        fan_in Var(W).
    input
        E[x^2] of a number that it reads.
    variance
        E[z^2] that it gives.
    blocks
        How many residual blocks its stream has, where it is the last Dense of a branch; else 0.
    """

    node: int
    gain_squared: float
    input: float
    variance: float
    blocks: int = 0


def keeping(network, inputs=None) -> list[Kept]:
    """Return the variances of weights, without biases, that keep the signal through a network.

    Each Dense gets E[z^2] = 1, given what comes in. The last Dense of a residual branch gets what adds 1 / N of the
    stream's first second moment to it, where N blocks follow one another: the stream at most doubles.

    Parameters
    ----------
    network
        A `Network`; its own weights are not looked at.
    inputs
        As in `theory.forward`: None, or rows.

    Raises
    ------
    TypeError, ValueError
        As `theory.forward` does; also where a Dense reads nothing but 0.
    """
    rows = as_rows(inputs, network)
    check_bytes(network, rows)
    given, streams = scenarios(network, rows), _streams(network)
    fields: list = [None] * len(network.nodes) + [given.input]
    found: list[Kept] = []

    def size(i: int) -> float:
        return float(given.mean(fields[i].gram.sizes().values().mean(axis=1)))

    def run(i: int, node) -> None:
        fields[i] = RULES[type(node.operation)].forward(node, i, [fields[j] for j in node.sources], given.kept.get(i))

    for i, node in enumerate(network.nodes):
        if not isinstance(node.operation, Dense):
            run(i, node)
            continue
        below = size(node.sources[0])
        if not below > 0:
            raise ValueError(f"{node.path} reads nothing but 0: no weights give it a variance.")
        gain = 1 / below
        run(i, _with(node, gain))
        stream = streams.get(i)
        if stream is not None:
            wanted = (size(stream.start) if stream.start < i else 1.0) / stream.blocks
            share = (stream.scale**2 / (1 - stream.drop)) or 1.0
            for _ in range(_STEPS):
                for j in stream.behind:
                    run(j, network.nodes[j])
                ratio = wanted / (share * size(stream.end))
                if abs(ratio - 1) < _CLOSE or not 0 < ratio < np.inf:
                    break
                gain *= ratio
                run(i, _with(node, gain))
        found.append(Kept(i, gain, below, size(i), stream.blocks if stream else 0))
    return found


@dataclass(frozen=True)
class _Stream:
    """A branch that ends in a Dense: its end, what is behind the Dense, its factors, its stream's start and length."""

    end: int
    behind: tuple[int, ...]
    scale: float
    drop: float
    start: int
    blocks: int


def _streams(network) -> dict[int, _Stream]:
    """Return for the last Dense of each residual branch what it ends, where nothing but phi and dropout follows."""
    nodes = network.nodes
    first: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        if isinstance(node.operation, Sum) and node.operation.skip and node.operation.scale:
            first[i] = first.get(node.sources[0], i)
            members.setdefault(first[i], []).append(i)
    found = {}
    for head, sums in members.items():
        for i in sums:
            behind, last = [], nodes[i].sources[1]
            while last >= 0 and isinstance(nodes[last].operation, (Activation, Dropout)):
                behind.append(last)
                last = nodes[last].sources[0]
            if last >= 0 and isinstance(nodes[last].operation, Dense):
                sum_, start = nodes[i].operation, nodes[head].sources[0]
                end = nodes[i].sources[1]
                found[last] = _Stream(end, tuple(behind[::-1]), sum_.scale, sum_.drop, start, len(sums))
    return found


def _with(node, gain_squared: float):
    """Return a Dense's node with this gain and no biases."""
    law = VarianceScaling(gain_squared, "fan_in")
    return replace(node, operation=Dense(node.width, law, bias_variance=0.0))
