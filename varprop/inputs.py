"""What a network is fed: standard normal features, one fixed input, or rows of real data."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Inputs:
    """The law of the input x.

    ``rows`` is None for x ~ N(0, I), else a float64 array (rows, n_0) of which each network is
    fed one, drawn uniformly.
    """

    width: int
    rows: np.ndarray | None = None

    @cached_property
    def squared_norms(self) -> np.ndarray:
        """|x|^2 of every row, shape (rows,)."""
        return np.einsum("ij,ij->i", self.rows, self.rows)

    @cached_property
    def fourth_powers(self) -> np.ndarray:
        """Sum over features of x^4, of every row, shape (rows,)."""
        squares = self.rows**2
        return np.einsum("ij,ij->i", squares, squares)


def as_inputs(inputs, width: int) -> Inputs:
    """Return ``inputs`` checked against the network's input width.

    Parameters
    ----------
    inputs
        None for x ~ N(0, I) (mean 0 and variance 1 for each feature), an array (n_0,) for one
        fixed input, or an array (rows, n_0) of data.
    width
        n_0.

    Raises
    ------
    TypeError
        If the data are not real numbers.
    ValueError
        If the shape is wrong, there are no rows, or a value is NaN, infinite or too large to square.
    """
    if inputs is None or isinstance(inputs, Inputs):
        return inputs or Inputs(width)
    raw = np.asarray(inputs)
    if raw.dtype.kind not in "biuf":
        raise TypeError(f"inputs have dtype {raw.dtype}; give an array of real numbers.")
    rows = np.atleast_2d(raw.astype(np.float64))
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(
            f"inputs have shape {raw.shape}; this network takes ({width},) for one input or (rows, {width}) for data."
        )
    if len(rows) == 0:
        raise ValueError(f"inputs have shape {raw.shape}; give at least one row.")
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"inputs hold {rows[row, column]} at row {row}, column {column} "
            f"({len(bad)} such values); remove or fill them first."
        )
    if np.abs(rows).max() > 1e75:
        raise ValueError(f"inputs reach {np.abs(rows).max():g} in size; rescale them below 1e75.")
    return Inputs(width, rows)
