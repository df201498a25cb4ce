"""What passes between nodes at infinite width: second moments and means of a unit, between all signals of a sample.

There are R scenarios (rows of data, and who is dropped in stochastic depth) and S signals, the (sample, position)
pairs that one network sees side by side.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..scaled import Scaled
from .gram import EPS, NEAR, Gram, outer, zero_free
from .together import depth_of


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
    parts
        What it is a sum of, apart from constants: pairs of another field and its factor, (R, S), over the root mean
        squares of both; () where it is no such sum.
    """

    gram: Gram
    mean: np.ndarray
    mean_error: np.ndarray
    gaussian: bool
    roots: frozenset
    numbers: np.ndarray | None = None
    parts: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "depth", depth_of(self.parts))

    def covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the covariances over the root mean squares, (R, S, S), and their errors."""
        error = self.gram.cosine_error + both(np.abs(self.mean), self.mean_error)
        return np.nan_to_num(self.gram.cosines()) - outer(self.mean), error

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
        gram = Gram.of_numbers(unit, exponent[..., 0])
        gap = _gaps(unit, gram)
        gram = replace(gram, gap=gap, cosine_error=4 * EPS * np.where(gap < NEAR, gap, 1.0) * (gap > 0))
        square = (unit * unit).mean(axis=2)
        mean = unit.mean(axis=2) / zero_free(np.sqrt(square)) * (square > 0)
        return cls(gram, mean, 4 * EPS * np.abs(mean), False, roots, numbers)

    @property
    def root_mean_square(self) -> np.ndarray:
        """Of each signal, over 2^exponent; shape (R, S)."""
        return np.sqrt(self.gram.diagonal)

    def means(self) -> Scaled:
        """Return E of the unit's size, without its sign."""
        return Scaled.of(np.abs(self.mean) * self.root_mean_square, self.gram.exponent)


def both(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x_a y_b + y_a x_b, (R, S, S), of two arrays (R, S)."""
    return x[:, :, None] * y[:, None, :] + y[:, :, None] * x[:, None, :]


def _gaps(unit: np.ndarray, gram: Gram) -> np.ndarray:
    """Return 1 - cosine of given numbers, (R, S, units), from differences where they are nearly alike."""
    gap = gram.gap.copy()
    root = zero_free(np.sqrt((unit * unit).sum(axis=2)))
    for a in range(unit.shape[1] - 1):
        if (gap[:, a, a + 1 :] < NEAR).any():
            apart = unit[:, a : a + 1] / root[:, a : a + 1, None] - unit[:, a + 1 :] / root[:, a + 1 :, None]
            found = np.where(gap[:, a, a + 1 :] < NEAR, (apart * apart).sum(axis=2) / 2, gap[:, a, a + 1 :])
            gap[:, a, a + 1 :] = gap[:, a + 1 :, a] = found
    return gap
