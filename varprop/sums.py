"""What simulation sums over networks, by name: rows of float64 that kernels fill by column and statistics read."""

import numpy as np


def _row(*names: str) -> np.dtype:
    return np.dtype([(name, np.float64) for name in names])


# A typical q-hat, a number times a power of two, a typical mean of a^2, and what is taken from their ratios, 0 or 1.
PIVOTS = _row("size", "exponent", "second_size", "second_exponent", "offset")

# Powers of q-hat, of the mean f of z^4, of that of a^2, of ln q-hat and of the mean of a; products and counts.
LAYER = _row(
    *("q1", "q2", "q3", "q4", "root", "f1", "f2", "qf", "a1", "a2", "a3", "a4"),
    *("alive", "log1", "log2", "log3", "log4", "dead", "mean1", "mean2"),
)

# Of a place: those of its q-hat and so on, and number and powers of the cosine between positions.
PLACE = _row(*LAYER.names, "cosines", "cosine1", "cosine2")

# Of two inputs: first powers of q-hat, q-hat' and z z' less half of both, their second ones, powers of e = 1 - cosine.
PAIR = _row(
    *("m1", "m2", "m3", "s11", "s22", "s33", "s12", "s13", "s23"),
    *("alive", "e1", "e2", "e3", "e4"),
)


def named(rows: np.ndarray, names: np.dtype) -> np.ndarray:
    """Return the columns of ``rows`` (L, columns) by name, each (L,)."""
    return np.ascontiguousarray(rows, np.float64).view(names)[:, 0]
