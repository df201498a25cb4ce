"""What a network is fed: standard normal features, one fixed input, or rows of data; and the loss at its other end."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np

from . import checks
from .checks import quote
from .names import choose

LOSSES = ("linear", "half_square", "cross_entropy")
SMALLEST, LARGEST = 1e-75, 1e75  # what the largest number of an input or a loss may be: its fourth power is a float64
_BLOCK = 1024  # rows at a time, so that no copy of all of them is made


@dataclass(frozen=True, eq=False)
class Inputs:
    """The law of the input x.

    ``rows`` is None for x ~ N(0, I), else a float64 array (rows, n_0) of which each network is
    fed one, drawn uniformly.
    """

    width: int
    rows: np.ndarray | None = None

    @property
    def data(self) -> np.ndarray:
        """The rows, of which somebody knows that they are given."""
        assert self.rows is not None
        return self.rows

    @cached_property
    def squared_norms(self) -> np.ndarray:
        """|x|^2 of every row, shape (rows,)."""
        return _sums(self.data, lambda x: x * x)

    @cached_property
    def fourth_powers(self) -> np.ndarray:
        """Sum over features of x^4, of every row, shape (rows,)."""
        return _sums(self.data, lambda x: (x * x) ** 2)


def _sums(rows: np.ndarray, power: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return sums over each row; their bits depend on numbers alone, those of einsum on their place in memory too."""
    parts = [power(np.ascontiguousarray(rows[i : i + _BLOCK])).sum(axis=1) for i in range(0, len(rows), _BLOCK)]
    return np.concatenate(parts)


def as_inputs(inputs, width: int, positions: tuple[int, ...] = ()) -> Inputs:
    """Return ``inputs`` checked against the network's input width.

    Parameters
    ----------
    inputs
        None for x ~ N(0, I) (mean 0 and variance 1 for each feature), an array (n_0,) for one
        fixed input, or an array (rows, n_0) of data.
    width
        n_0.
    positions
        The shape of the positions that the rows go over, sample by sample: so errors say where.

    Raises
    ------
    TypeError
        If the data are not real numbers, or no array can be made of them, as of a sparse one.
    ValueError
        If the shape is wrong, there are no rows, a value is masked, NaN or infinite, or a row's largest is beyond
        1e75 or, unless it is 0, below 1e-75.
    """
    if inputs is None:
        return Inputs(width)
    raw = as_array(inputs, "inputs")
    check_numbers(raw)
    rows = np.atleast_2d(_as_float64(raw, "inputs"))
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
            f"inputs hold {rows[row, column]} at {_where(row, positions)}, column {column} "
            f"({len(bad)} such values); remove or fill them first."
        )
    sizes = np.abs(rows).max(axis=1)
    if sizes.max() > LARGEST:
        raise ValueError(f"inputs reach {sizes.max():g} in size; rescale them below {LARGEST:g}.")
    small = np.flatnonzero((sizes > 0) & (sizes < SMALLEST))
    if len(small):
        raise ValueError(
            f"inputs are {sizes[small[0]]:g} in size at {_where(small[0], positions)}; rescale them above {SMALLEST:g}."
        )
    return Inputs(width, rows)


def check_numbers(raw: np.ndarray) -> None:
    """Raise TypeError unless the inputs are an array of real numbers."""
    if raw.dtype.kind not in "biuf":
        other = (quote(value) for value in raw.ravel().tolist() if not isinstance(value, Real))
        held = "".join(f", and hold {value}" for value in itertools.islice(other, 1))
        raise TypeError(f"inputs have dtype {raw.dtype}{held}; give an array of real numbers.")


def _where(row: int, positions: tuple[int, ...]) -> str:
    """Return a row's name: with positions, its sample and position."""
    if not positions:
        return f"row {row}"
    sample, *position = (int(i) for i in np.unravel_index(row, (row + 1, *positions)))
    return f"sample {sample}, position {position[0] if len(position) == 1 else tuple(position)}"


def as_array(value, name: str) -> np.ndarray:
    """Return ``value`` as an array; a PyTorch tensor without its gradient, from wherever it is.

    Raises ValueError if an entry is masked, or rows differ in length, TypeError if NumPy cannot hold it.
    """
    if isinstance(value, np.ma.MaskedArray):
        masked = np.argwhere(np.ma.getmaskarray(value))
        if len(masked):
            where = f"{len(masked)} such values, the first at {masked[0].tolist()}"
            raise ValueError(f"{name} are masked in places ({where}); remove or fill them first.")
        return value.data
    if hasattr(value, "detach"):  # a tensor, which NumPy cannot read while it may need a gradient
        value = value.detach()
        value = value.cpu() if hasattr(value, "cpu") else value
    dense = "to_dense" if hasattr(value, "to_dense") and getattr(value, "is_sparse", False) else "toarray"
    if hasattr(value, dense) and not isinstance(value, np.ndarray):
        raise TypeError(f"{name} are sparse ({type(value).__name__}); give them as .{dense}().")
    try:
        return np.asarray(value)
    except Exception as error:  # whatever an array of another library says
        dtype = f" of dtype {value.dtype}" if hasattr(value, "dtype") else ""
        raise (ValueError if isinstance(error, ValueError) else TypeError)(
            f"NumPy cannot read {name}{dtype}: {quote(str(error))} Give an array of float32 or float64."
        ) from error


def _as_float64(raw: np.ndarray, name: str) -> np.ndarray:
    """Return ``raw`` as float64. Raises ValueError for what is beyond it, as a long double may be."""
    with np.errstate(all="ignore"):
        values = raw.astype(np.float64)
        lost = (np.isinf(values) & np.isfinite(raw)) | ((values == 0) & (raw != 0))
    if lost.any():
        raise ValueError(f"{name} hold {raw[lost][0]!s}, which is beyond float64; rescale them.")
    return values


def as_pair(correlation, inputs, width: int) -> tuple[float, np.ndarray | None]:
    """Return the correlation of two inputs, and the inputs themselves (2, n_0) if they are given.

    Parameters
    ----------
    correlation
        Between -1 and 1, for two inputs of N(0, 1) features, each pair of features of this correlation; or None.
    inputs
        An array (2, n_0), or None. Its correlation is the cosine of the angle between the two.
    width
        n_0.

    Raises
    ------
    TypeError, ValueError
        Unless exactly one of the two is given and is what it should be.
    """
    if (correlation is None) == (inputs is None):
        both = "neither" if inputs is None else "both"
        raise ValueError(f"{both} of correlation and inputs given; give one: correlation=0.5, or two inputs (2, n_0).")
    if inputs is None:
        if np.ndim(correlation):
            given = quote(correlation)
            raise TypeError(f"correlation is {given}; two inputs, of shape (2, {width}), are given as inputs=.")
        return as_correlation(correlation), None
    rows = as_inputs(inputs, width).data
    if len(rows) != 2:
        raise ValueError(f"inputs hold {len(rows)} rows; a pair is two inputs, of shape (2, {width}).")
    silent = np.flatnonzero(~rows.any(axis=1))
    if len(silent):
        raise ValueError(f"input {silent[0] + 1} is all zeros, which has no angle with another; give one that is not.")
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float(np.clip((units[0] * units[1]).sum(), -1.0, 1.0)), rows


def as_correlation(value) -> float:
    """Return ``value`` as a float. Raises TypeError unless it is a number, ValueError unless it is from -1 to 1."""
    value = checks.real(value, "correlation", " between -1 and 1")
    if not -1 <= value <= 1:
        raise ValueError(f"correlation is {value!r}; it must lie between -1 and 1.")
    return value


def as_loss(loss, width: int) -> "str | np.ndarray":
    """Return ``loss`` checked: a name, or the gradient by z^L as a float64 array (n_L,).

    Raises TypeError or ValueError for an unknown name, or an array of another shape, with numbers that are
    not finite, or whose largest is beyond 1e75 or, unless it is 0, below 1e-75.
    """
    if isinstance(loss, str):
        return choose(loss, LOSSES, "unknown loss {}", kind="loss", more=f", or give an array ({width},)")
    raw = as_array(loss, "loss")
    if raw.dtype.kind not in "biuf":
        raise TypeError(
            f"loss is {quote(loss)}; give one of {', '.join(LOSSES)}, or an array ({width},) of real numbers."
        )
    if raw.shape != (width,):
        raise ValueError(f"loss has shape {raw.shape}; a given gradient of this network's outputs has ({width},).")
    given = _as_float64(raw, "loss")
    size = np.abs(given).max()  # NaN if one is
    if not (size == 0 or SMALLEST <= size <= LARGEST):
        raise ValueError(
            f"loss is {size:g} in size; give finite numbers, the largest from {SMALLEST:g} to {LARGEST:g}."
        )
    return given
