"""What differs from network to network even at infinite width: the row of data, and who is dropped by stochastic depth.

Given these, all second moments are known. Means over them are exact where there are few gates; else gates are drawn,
always the same, and the error says what that leaves.
"""

from dataclasses import dataclass, fields

import numpy as np

from ...layers.residual import Sum
from .field import Field
from .gram import Gram

ALL = 10  # gates, up to which every pattern counts
DRAWN = 4096  # patterns otherwise
MOST_BYTES = 2**33
SPREAD = 4.0  # standard errors of a mean over drawn patterns that its error states


@dataclass(frozen=True, eq=False)
class Scenarios:
    """R scenarios of S signals.

    Attributes
    ----------
    input
        The law of the input's units.
    weights
        The scenarios' probabilities, shape (R,).
    kept
        For each node that may drop its branch, whether a signal keeps it, (R, S).
    drawn
        How many patterns of gates were drawn; None where all count.
    """

    input: Field
    weights: np.ndarray
    kept: dict
    drawn: int | None

    def mean(self, x, axis: int = 0) -> np.ndarray:
        """Return the mean of ``x`` over scenarios, which are its ``axis``."""
        return np.einsum("r...,r->...", np.moveaxis(x, axis, 0), self.weights)

    def noise(self, x, axis: int = 0) -> np.ndarray:
        """Return what drawing the gates leaves in the `mean` of ``x``; 0 where all patterns count."""
        mean = self.mean(x, axis)
        if self.drawn is None:
            return np.zeros_like(mean)
        square = self.mean((x - np.expand_dims(mean, axis)) ** 2, axis)
        return SPREAD * np.sqrt(square / self.drawn)


def check_bytes(network, rows, samples: int = 1) -> int:
    """Return how many patterns of gates there are. Raises ValueError if the fields would not fit into memory."""
    signals = samples * network.position_count
    gates = sum(isinstance(node.operation, Sum) and node.operation.drop > 0 for node in network.nodes)
    bits = gates * samples
    count = 1 if rows is None else len(rows)
    patterns = 1 if not gates else 2**bits if bits <= ALL else DRAWN
    size = 8 * 3 * count * patterns * signals**2 * (len(network.nodes) + 1)
    if size > MOST_BYTES:
        raise ValueError(
            f"theory would take {size:,} bytes for products of all pairs of {signals:,} signals, at "
            f"{len(network.nodes)} nodes and {count * patterns:,} times over; give fewer positions or rows."
        )
    return patterns


def scenarios(network, rows, samples: int = 1, correlation: float = 0.0) -> Scenarios:
    """Return the scenarios of a network and its input.

    Parameters
    ----------
    network
        A `Network`.
    rows
        None for x ~ N(0, I), else numbers (rows, samples * positions, n_0), of which each network gets one row.
    samples
        How many samples one network sees side by side.
    correlation
        Of the samples, where they are N(0, I).

    Raises
    ------
    ValueError
        If the fields would not fit into memory; the message says how many bytes they would take.
    """
    patterns = check_bytes(network, rows, samples)
    gates = [i for i, node in enumerate(network.nodes) if isinstance(node.operation, Sum) and node.operation.drop > 0]
    count = 1 if rows is None else len(rows)
    drops = np.repeat([network.nodes[i].operation.drop for i in gates], samples)
    pattern, weights = _patterns(drops, patterns)
    kept = {}
    for k, i in enumerate(gates):
        own = np.repeat(pattern[:, k * samples : (k + 1) * samples], network.position_count, axis=1)
        kept[i] = np.repeat(own, count, axis=0)
    if rows is None:
        alike = np.full((samples, samples), correlation) + (1 - correlation) * np.eye(samples)
        field = Field.normal(Gram.exact(np.kron(alike, np.eye(network.position_count))[None]), -1)
    else:
        field = Field.given(rows, frozenset([-1]))
    if patterns > 1:
        field = _repeated(field, patterns)
    weights = np.repeat(weights, count) / count
    return Scenarios(field, weights, kept, patterns if patterns > 2**ALL else None)


def _patterns(drops: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who is kept, shape (patterns, gates), and their probabilities."""
    if len(drops) <= ALL:
        kept = (np.arange(count)[:, None] >> np.arange(len(drops))) & 1
        return kept.astype(float), np.where(kept, 1 - drops, drops).prod(axis=1)
    rng = np.random.default_rng(0)
    # for each gate a shuffled even grid, so that each is kept as often as it should be, to 1 in `count`
    grid = (np.arange(count)[:, None] + rng.random((count, len(drops)))) / count
    return (rng.permuted(grid, axis=0) >= drops).astype(float), np.full(count, 1 / count)


def _repeated(field: Field, times: int) -> Field:
    def again(x):
        return None if x is None else np.tile(x, (times,) + (1,) * (x.ndim - 1))

    gram = Gram(*(again(getattr(field.gram, f.name)) for f in fields(Gram)))
    return Field(gram, again(field.mean), again(field.mean_error), field.gaussian, field.roots, again(field.numbers))
