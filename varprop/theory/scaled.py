"""Non-negative numbers beyond float64's range: a thousand layers neither overflow nor underflow."""

from dataclasses import dataclass

import numpy as np

_TRUST = 500  # powers of two; between 2^-500 and 2^500 a plain float is safe to square


@dataclass(frozen=True, eq=False)
class Scaled:
    """An array of ``mantissa`` * 2^``exponent``, with mantissa 0 or in [1/2, 1)."""

    mantissa: np.ndarray
    exponent: np.ndarray

    @classmethod
    def of(cls, values, exponent=0) -> "Scaled":
        """Return ``values`` * 2^``exponent``, normalised."""
        mantissa, shift = np.frexp(np.asarray(values, dtype=np.float64))
        return cls(mantissa, np.where(mantissa == 0, 0, shift + np.asarray(exponent, dtype=np.int64)))

    def times(self, factor) -> "Scaled":
        """Return the product with ``factor``, plain numbers or `Scaled`."""
        if isinstance(factor, Scaled):
            return Scaled.of(self.mantissa * factor.mantissa, self.exponent + factor.exponent)
        return Scaled.of(self.mantissa * factor, self.exponent)

    def times_power_of_two(self, power) -> "Scaled":
        """Return the product with 2^``power``, of any size, whole or not."""
        whole = np.floor(power)
        return Scaled.of(self.mantissa * np.exp2(power - whole), self.exponent + whole.astype(np.int64))

    def plus(self, other: "float | Scaled") -> "Scaled":
        """Return the sum with one plain number, or with another array of this shape."""
        if not isinstance(other, Scaled):
            if other == 0:
                return self
            other = Scaled.of(np.full(self.mantissa.shape, other))
        top = np.maximum(
            np.where(self.mantissa == 0, other.exponent, self.exponent),
            np.where(other.mantissa == 0, self.exponent, other.exponent),
        )
        return Scaled.of(_shift(self.mantissa, self.exponent - top) + _shift(other.mantissa, other.exponent - top), top)

    def over(self, other: "Scaled") -> np.ndarray:
        """Return the quotient as plain floats; 0 where ``other``, of this shape or one number, is 0."""
        ratio = self.mantissa / np.where(other.mantissa > 0, other.mantissa, 1.0)
        return np.where(other.mantissa > 0, _shift(ratio, self.exponent - other.exponent), 0.0)

    def values(self) -> np.ndarray:
        """Return plain floats: inf or 0 where they are beyond float64."""
        with np.errstate(over="ignore", under="ignore"):
            return _shift(self.mantissa, self.exponent)

    def log(self) -> np.ndarray:
        """Return the natural logarithm; -inf of 0."""
        with np.errstate(divide="ignore"):
            return np.log(self.mantissa) + self.exponent * np.log(2.0)

    def clipped(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest numbers that are safe to square, and the powers of two still missing."""
        kept = np.clip(self.exponent, -_TRUST, _TRUST)
        return _shift(self.mantissa, kept), (self.exponent - kept).astype(np.float64)

    def mean(self, weights: np.ndarray | None = None) -> "Scaled":
        """Return the mean of all entries, by ``weights`` that sum to 1."""
        live = self.mantissa > 0
        top = self.exponent[live].max() if live.any() else 0
        plain = _shift(self.mantissa, self.exponent - top)
        return Scaled.of(plain.mean() if weights is None else (weights * plain).sum(), top)


def _shift(mantissa, exponent) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(mantissa, np.clip(exponent, -3000, 3000).astype(np.int32))


def top_exponent(live, exponent, axis: int) -> np.ndarray:
    """Return the largest ``exponent`` along ``axis`` of what is ``live``, numbers above 0; 0 where nothing is."""
    top = np.where(live, exponent, np.iinfo(np.int64).min // 4).max(axis=axis)
    return np.where(live.any(axis=axis), top, 0)
