"""What simulation sums over networks, by name: rows of float64 that kernels fill by column and statistics read."""

from itertools import combinations_with_replacement

import numpy as np


def _row(*names: str) -> np.dtype:
    return np.dtype([(name, np.float64) for name in names])


# A typical q-hat, a number times a power of two, a typical mean of a^2, and what is taken from their ratios, 0 or 1.
PIVOTS = _row("size", "exponent", "second_size", "second_exponent", "offset")

# Powers of q-hat, of the mean f of z^4, of that of a^2, of ln q-hat and of the mean of a; products and counts.
_OF_LAYER = (
    *("q1", "q2", "q3", "q4", "root", "f1", "f2", "qf", "a1", "a2", "a3", "a4"),
    *("alive", "log1", "log2", "log3", "log4", "dead", "mean1", "mean2"),
)
LAYER = _row(*_OF_LAYER)

# Of a place: those of its q-hat and so on, and number and powers of the cosine between positions.
PLACE = _row(*_OF_LAYER, "cosines", "cosine1", "cosine2")

# Of a moment of z beyond the second: four powers of what has that mean.
MOMENT = _row("m1", "m2", "m3", "m4")

# Of a law: columns of its counts, q-hat = 0, below the bins, the bins, and one more above them.
ZERO, BELOW, FIRST_BIN = range(3)

_MOST_BINS, _FEWEST_BINS, _ALL_BINS = 2**14, 2**10, 2**21  # of a law's layer, and of all together

# Which of three numbers a product of one to four of them is made of, in the order of its names below.
PRODUCTS = [factors for power in (1, 2, 3, 4) for factors in combinations_with_replacement((1, 2, 3), power)]


def product(factors) -> str:
    """Return the name of the sum of a product: "m1", "m23", "m1133"."""
    return "m" + "".join(map(str, sorted(factors)))


# Of two inputs: products of up to four of q-hat, q-hat' and z z' less half of both; count and powers of 1 - cosine.
PAIR = _row(*map(product, PRODUCTS), *("alive", "e1", "e2", "e3", "e4"))


def columns(names: np.dtype) -> int:
    """Return how many columns these are."""
    return len(names.names or ())


def named(rows: np.ndarray, names: np.dtype) -> np.ndarray:
    """Return the columns of ``rows`` (L, columns) by name, each (L,)."""
    return np.ascontiguousarray(rows, np.float64).view(names)[:, 0]


def law_bins(depth: int) -> int:
    """Return how many bins each of ``depth`` layers has."""
    return int(np.clip(_ALL_BINS // depth, _FEWEST_BINS, _MOST_BINS))


def law_columns(depth: int) -> int:
    """Return how many counts that makes."""
    return FIRST_BIN + law_bins(depth) + 1
