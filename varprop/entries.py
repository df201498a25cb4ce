"""What is known of a tensor's numbers: moments, ends, whether rows are orthogonal; added up network by network."""

import math

import numpy as np

ENOUGH = 1_000_000  # numbers of one tensor that are looked at: they give a variance to 0.14%
_CHUNK = 1 << 16
_LOOSE = 1e-4  # of the length squared, by which rows may miss being orthogonal
_FEW_ROWS, _ROWS = 8, 1024  # of a matrix whose products are taken, first and then


class Entries:
    """The numbers of a weight, of one network or of several alike.

    Attributes
    ----------
    count, mean, variance, kurtosis
        Moments about the mean, E[(w - mean)^4] / variance^2; NaN where a number is not finite, kurtosis also where
        all are equal.
    least, largest
        The ends.
    zeros
        How many are exactly 0.
    broken
        How many are NaN or infinite.
    constant
        Whether all are equal.
    orthogonal
        The size of its rows (or columns, where those are fewer) if they are orthogonal and of one length, else None.
    identity
        Whether it is 1 on the diagonal and 0 elsewhere; of a convolution, at the kernel's middle.
    rounding
        The relative rounding of its format.
    """

    def __init__(self, rounding: float = 2.0**-23):
        self.count = self.zeros = self.broken = 0
        self.least, self.largest = math.inf, -math.inf
        self.orthogonal: float | None = None
        self.identity = False
        self.rounding = rounding
        self._first: float | None = None
        self._sums = np.zeros(4)

    @property
    def enough(self) -> bool:
        """Whether more networks would tell little more."""
        return self.count >= ENOUGH

    def add(self, array) -> None:
        """Add the numbers of one more network, an array of any shape."""
        array = np.asarray(array)
        numbers = array.reshape(-1)
        if not numbers.size:
            return
        begun = self._first is not None
        first = float(numbers[0]) if self._first is None else self._first
        self._first, about = first, first if math.isfinite(first) else 0.0
        for start in range(0, numbers.size, _CHUNK):
            part = numbers[start : start + _CHUNK].astype(np.float64)
            finite = np.isfinite(part)
            if not finite.all():
                self.broken += int((~finite).sum())
                part = part[finite]
            if not part.size:
                continue
            self.zeros += part.size - int(np.count_nonzero(part))
            self.least, self.largest = min(self.least, float(part.min())), max(self.largest, float(part.max()))
            moved = part - about
            square = moved * moved
            with np.errstate(over="ignore"):
                self._sums += moved.sum(), square.sum(), (square * moved).sum(), (square * square).sum()
            self.count += part.size
        if array.ndim >= 2 and not self.broken:
            found = _orthogonal(array, self.rounding)
            self.orthogonal = found if not begun or (found and self.orthogonal) else None
            self.identity = (self.identity or not begun) and _identity(array)

    @property
    def constant(self) -> bool:
        """Whether all numbers are equal."""
        return self.least == self.largest

    @property
    def mean(self) -> float:
        """The mean."""
        return self._first + self._sums[0] / self.count if self._known else math.nan

    @property
    def variance(self) -> float:
        """The mean square about the mean."""
        if not self._known:
            return math.nan
        first, second = self._sums[:2] / self.count
        return 0.0 if self.constant else max(second - first**2, 0.0)

    @property
    def kurtosis(self) -> float:
        """E[(w - mean)^4] / variance^2."""
        variance = self.variance
        if not variance > 0:
            return math.nan
        a, b, c, d = self._sums / self.count
        return float((d - 4 * a * c + 6 * a * a * b - 3 * a**4) / variance**2)

    @property
    def size(self) -> float:
        """The largest absolute value."""
        return max(abs(self.least), abs(self.largest))

    @property
    def variance_error(self) -> float:
        """The standard error of the variance as one of independent numbers."""
        if self.constant or not self._known:
            return 0.0
        return self.variance * math.sqrt(max(self.kurtosis - 1, 0.0) / self.count)

    @property
    def _known(self) -> bool:
        return self.count > 0 and not self.broken


def _orthogonal(array: np.ndarray, rounding: float) -> float | None:
    """Return the size of the rows, or columns, of a matrix if they are orthogonal and equally long, else None."""
    matrix = array.reshape(len(array), -1)
    matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    if len(matrix) < 2:
        return None
    square = 0.0
    for most in (_FEW_ROWS, _ROWS):  # a few rows tell of most matrices that they are not
        some = matrix[:: -(-len(matrix) // most)].astype(np.float64)
        products = some @ some.T
        square = float(np.trace(products)) / len(some)
        # rounded one by one, numbers move a product by some rounding / sqrt(columns); what made them, by some 1e-6
        bound = _LOOSE + 8 * rounding / math.sqrt(some.shape[1])
        if not np.abs(products - square * np.eye(len(some))).max() <= bound * square:
            return None
    return math.sqrt(square) if square > 0 else None


def _identity(array: np.ndarray) -> bool:
    """Return whether a matrix is 1 on its diagonal and 0 elsewhere; of a kernel its middle is, group by group too."""
    middle = array[(slice(None), slice(None), *(n // 2 for n in array.shape[2:]))]
    ones = min(middle.shape)
    groups = len(middle) // middle.shape[1] if len(middle) % middle.shape[1] == 0 and array.ndim > 2 else 1
    if np.count_nonzero(array) not in (ones, ones * groups):
        return False
    parts = np.split(middle, groups) if np.count_nonzero(array) == ones * groups else [middle]
    return all(np.array_equal(part, np.eye(*part.shape)) for part in parts)
