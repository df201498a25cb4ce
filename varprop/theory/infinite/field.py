"""What passes between nodes at infinite width: second moments and means of a unit, between all signals of a sample.

There are R scenarios (rows of data, and who is dropped in stochastic depth) and S signals, the (sample, position)
pairs that one network sees side by side.
"""

from dataclasses import dataclass

import numpy as np

from ..scaled import Scaled

EPS = np.finfo(float).eps


@dataclass(frozen=True, eq=False)
class Gram:
    """Second moments of any size: entry (r, a, b) is ``matrix`` * 2^(``exponent``_ra + ``exponent``_rb).

    Attributes
    ----------
    matrix
        Shape (R, S, S), with a diagonal of 0 or within [1/4, 1).
    error
        Bounds on the errors of ``matrix``.
    exponent
        Whole numbers, shape (R, S).
    """

    matrix: np.ndarray
    error: np.ndarray
    exponent: np.ndarray

    @classmethod
    def of(cls, matrix, error, exponent=0) -> "Gram":
        """Return matrix * 2^(exponent + exponent), normalised."""
        matrix = np.asarray(matrix, dtype=np.float64)
        shift = (np.frexp(diagonal(matrix))[1] + 1) // 2
        by = -_outer_sum(shift)
        return cls(np.ldexp(matrix, by), np.ldexp(error, by), np.asarray(exponent, dtype=np.int64) + shift)

    @classmethod
    def exact(cls, matrix) -> "Gram":
        """Return plain numbers that have rounding errors only."""
        return cls.of(matrix, 4 * EPS * np.abs(matrix))

    @property
    def diagonal(self) -> np.ndarray:
        """The diagonal of ``matrix``, shape (R, S)."""
        return diagonal(self.matrix)

    def sizes(self) -> Scaled:
        """Return the second moment of each signal, shape (R, S)."""
        return Scaled.of(self.diagonal, 2 * self.exponent)

    def relative_error(self) -> np.ndarray:
        """Return the relative error of `sizes`."""
        return _over(diagonal(self.error), self.diagonal)

    def values(self) -> np.ndarray:
        """Return plain numbers, shape (R, S, S): inf or 0 where they are beyond float64."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.matrix, _safe(_outer_sum(self.exponent)))

    def value_errors(self) -> np.ndarray:
        """Return bounds on the errors of `values`."""
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(self.error, _safe(_outer_sum(self.exponent)))

    def cosines(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each entry over the roots of its two diagonal ones, NaN where one is 0, and bounds on the errors."""
        root = np.sqrt(self.diagonal)
        size = _outer(root)
        with np.errstate(divide="ignore", invalid="ignore"):
            cosine = np.clip(self.matrix / size, -1.0, 1.0)
            own = self.relative_error()
            error = self.error / size + (own[:, :, None] + own[:, None, :]) / 2
        return cosine, error

    def times(self, factor, error=0.0) -> "Gram":
        """Return the product with plain numbers that broadcast to (R, S, S), entry by entry."""
        matrix = self.matrix * factor
        error = self.error * np.abs(factor) + np.abs(self.matrix) * error + EPS * np.abs(matrix)
        return Gram.of(matrix, error, self.exponent)

    def along(self, factor) -> "Gram":
        """Return each signal times plain numbers that broadcast to (R, S): entry ab times factor_a factor_b."""
        return self.times(_outer(np.broadcast_to(np.asarray(factor, dtype=float), self.exponent.shape)))

    def over(self, root: Scaled, error) -> "Gram":
        """Return each signal over ``root``, shape (R, S), with its relative error; 0 where ``root`` is 0."""
        inverse = np.where(root.mantissa > 0, 1 / np.where(root.mantissa > 0, root.mantissa, 1.0), 0.0)
        found = self.times(_outer(inverse), _outer(inverse) * _outer_sum(error))
        return Gram(found.matrix, found.error, found.exponent - root.exponent)

    def with_exponent(self, power: np.ndarray) -> "Gram":
        """Return each signal times 2^``power``, shape (R, S), whole or not."""
        if not power.any():
            return self
        whole = np.floor(power)
        found = self.along(np.exp2(power - whole))
        return Gram(found.matrix, found.error, found.exponent + whole.astype(np.int64))

    def product(self, other: "Gram") -> "Gram":
        """Return the product of two of them, entry by entry."""
        found = self.times(other.matrix, other.error)
        return Gram(found.matrix, found.error, found.exponent + other.exponent)

    def plus(self, other: "Gram") -> "Gram":
        """Return the sum of two of them."""
        a, b = common(self, other)
        return Gram.of(a.matrix + b.matrix, a.error + b.error + EPS * (abs(a.matrix) + abs(b.matrix)), a.exponent)


@dataclass(frozen=True, eq=False)
class Field:
    """The law of one unit's value.

    Attributes
    ----------
    gram
        E of its products.
    mean
        E of itself over its root mean square, shape (R, S); where it is 0, 0.
    mean_error
        Bound on the error of ``mean``.
    gaussian
        Whether it is Gaussian with mean 0, the same for every unit.
    roots
        The nodes whose units it is made of, each of its own unit only; two fields without a common one are
        independent, unit by unit.
    numbers
        The values themselves where they are given, shape (R, S, units); else None.
    """

    gram: Gram
    mean: np.ndarray
    mean_error: np.ndarray
    gaussian: bool
    roots: frozenset
    numbers: np.ndarray | None = None

    @classmethod
    def normal(cls, gram: Gram, root: int) -> "Field":
        """Return Gaussian units of mean 0, fresh at node ``root``."""
        zero = np.zeros(gram.exponent.shape)
        return cls(gram, zero, zero, True, frozenset([root]))

    @classmethod
    def given(cls, numbers: np.ndarray, roots: frozenset) -> "Field":
        """Return given numbers, shape (R, S, units), which the units are."""
        size = np.abs(numbers).max(axis=2, keepdims=True)
        exponent = np.where(size > 0, np.frexp(size)[1], 0)
        unit = np.ldexp(numbers, -exponent)
        gram = Gram.exact(np.einsum("rai,rbi->rab", unit, unit) / numbers.shape[2])
        gram = Gram(gram.matrix, gram.error, gram.exponent + exponent[..., 0])
        mean = _over(unit.mean(axis=2), np.sqrt((unit * unit).mean(axis=2)))
        return cls(gram, mean, 4 * EPS * np.abs(mean), False, roots, numbers)

    @property
    def root_mean_square(self) -> np.ndarray:
        """Of each signal, over 2^exponent; shape (R, S)."""
        return np.sqrt(self.gram.diagonal)

    def means(self) -> Scaled:
        """Return E of the unit's size, without its sign."""
        return Scaled.of(np.abs(self.mean) * self.root_mean_square, self.gram.exponent)


def common(a: Gram, b: Gram) -> tuple[Gram, Gram]:
    """Return both with the exponents of the larger, signal by signal."""
    top = np.maximum(np.where(a.diagonal > 0, a.exponent, b.exponent), np.where(b.diagonal > 0, b.exponent, a.exponent))

    def moved(gram):
        by = _safe(_outer_sum(gram.exponent - top))
        return Gram(np.ldexp(gram.matrix, by), np.ldexp(gram.error, by), top)

    return moved(a), moved(b)


def both(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x_a y_b + y_a x_b, (R, S, S), of two arrays (R, S)."""
    return x[:, :, None] * y[:, None, :] + y[:, :, None] * x[:, None, :]


def zero_free(x: np.ndarray) -> np.ndarray:
    """Return x with 1 where it is 0, to divide by."""
    return np.where(x == 0, 1.0, x)


def _over(x, y) -> np.ndarray:
    return x / zero_free(y) * (y != 0)


def diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _outer(x: np.ndarray) -> np.ndarray:
    return x[:, :, None] * x[:, None, :]


def _outer_sum(x) -> np.ndarray:
    return x[:, :, None] + x[:, None, :]


def _safe(exponent) -> np.ndarray:
    return np.clip(exponent, -4000, 4000).astype(np.int32)
