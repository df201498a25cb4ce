"""Functions of a few variables, with their first and second derivatives at one point."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Jet:
    """A function of m variables for each of R rows: ``value`` (R,), ``slope`` (m, R), ``curve`` (m, m, R)."""

    value: np.ndarray
    slope: np.ndarray
    curve: np.ndarray
    __array_ufunc__ = None  # so that array * jet is left to __rmul__

    @classmethod
    def variables(cls, point: np.ndarray) -> "list[Jet]":
        """Return the m variables themselves at ``point``, shape (m, R)."""
        m, rows = point.shape
        return [cls(point[i], np.tile(np.eye(m)[i][:, None], (1, rows)), np.zeros((m, m, rows))) for i in range(m)]

    def __add__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.slope, self.curve)
        return Jet(self.value + other.value, self.slope + other.slope, self.curve + other.curve)

    __radd__ = __add__

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.slope * other, self.curve * other)
        cross = self.slope[:, None] * other.slope
        return Jet(
            self.value * other.value,
            self.value * other.slope + self.slope * other.value,
            self.value * other.curve + self.curve * other.value + cross + cross.swapaxes(0, 1),
        )

    __rmul__ = __mul__

    def __truediv__(self, other):
        if not isinstance(other, Jet):
            return self * (1 / other)
        inverse = 1 / other.value
        return self * other.through(inverse, -(inverse**2), 2 * inverse**3)

    def __rtruediv__(self, other):
        inverse = 1 / self.value
        return self.through(other * inverse, -other * inverse**2, 2 * other * inverse**3)

    def through(self, value, first, second) -> "Jet":
        """Return f of this, from f, f' and f'' at its value."""
        outer = self.slope[:, None] * self.slope
        return Jet(value, first * self.slope, first * self.curve + second * outer)

    def log(self) -> "Jet":
        """Return the natural logarithm."""
        inverse = 1 / self.value
        return self.through(np.log(self.value), inverse, -(inverse**2))

    def exp(self) -> "Jet":
        """Return the exponential."""
        value = np.exp(self.value)
        return self.through(value, value, value)

    def mean_shift(self, covariance: np.ndarray) -> np.ndarray:
        """Return E of this less its value where the variables have small noise of ``covariance``, (m, m, R)."""
        return 0.5 * (self.curve * covariance).sum(axis=(0, 1))

    def along(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first two derivatives along a curve of the variables that has these, both (m, R)."""
        bend = (self.curve * first[:, None] * first).sum(axis=(0, 1))
        return (self.slope * first).sum(axis=0), bend + (self.slope * second).sum(axis=0)
