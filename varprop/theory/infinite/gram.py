"""Second moments between all signals, of any size, that keep 1 - cosine where it is small.

Errors are of sizes (relative) and of cosines (absolute), apart: a cosine does not feel what both sizes are off by,
so that errors add up from node to node where a bound on products would grow by a factor.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..scaled import Scaled

EPS = np.finfo(float).eps
NEAR = 1e-3  # of 1 - cosine, below which it is known better than the product


@dataclass(frozen=True, eq=False)
class Gram:
    """Second moments of any size: entry (r, a, b) is ``matrix`` * 2^(``exponent``_ra + ``exponent``_rb).

    Attributes
    ----------
    matrix
        Shape (R, S, S), with a diagonal of 0 or within [1/4, 1).
    gap
        1 - cosine, shape (R, S, S); 1 beside a signal that is 0.
    size_error
        Bounds on the relative errors of the diagonal, shape (R, S).
    cosine_error
        Bounds on the errors of the cosines and of ``gap``, shape (R, S, S), at most 2.
    exponent
        Whole numbers, shape (R, S).
    """

    matrix: np.ndarray
    gap: np.ndarray
    size_error: np.ndarray
    cosine_error: np.ndarray
    exponent: np.ndarray

    @classmethod
    def of(cls, matrix, size_error, cosine_error, exponent=0, gap=None) -> "Gram":
        """Return matrix * 2^(exponent + exponent), normalised; ``gap`` where it is known better than from that."""
        matrix = np.asarray(matrix, dtype=np.float64)
        size = diagonal(matrix)
        shift = (np.frexp(size)[1] + 1) // 2
        matrix = np.ldexp(matrix, -outer_sum(shift))
        if gap is None:
            gap = 1 - np.clip(_over_roots(matrix), -1.0, 1.0)
        off = 1 - np.eye(size.shape[-1])
        live = size > 0
        gap = np.where(live[..., :, None] & live[..., None, :], gap * off, 1.0)
        error = np.minimum(np.broadcast_to(cosine_error, matrix.shape), 2.0) * off
        size_error = np.where(live, size_error, 0.0)
        return cls(matrix, gap, size_error, error, np.broadcast_to(exponent, shift.shape).astype(np.int64) + shift)

    @classmethod
    def exact(cls, matrix) -> "Gram":
        """Return numbers that are right to rounding, cosines of 0 too."""
        found = cls.of(matrix, 4 * EPS, 0.0)
        return replace(found, cosine_error=4 * EPS * np.where(found.gap < NEAR, found.gap, np.abs(1 - found.gap)))

    @classmethod
    def of_numbers(cls, numbers, exponent=0) -> "Gram":
        """Return means over units of products of numbers (R, S, units), whose rounding is that of a sum."""
        matrix = np.einsum("rai,rbi->rab", numbers, numbers) / numbers.shape[2]
        return cls.of(matrix, 4 * EPS, 4 * EPS, exponent)

    @property
    def diagonal(self) -> np.ndarray:
        """The diagonal of ``matrix``, shape (R, S)."""
        return diagonal(self.matrix)

    @property
    def error(self) -> np.ndarray:
        """Bounds on the errors of ``matrix``."""
        size = outer(np.sqrt(self.diagonal))
        return size * self.cosine_error + np.abs(self.matrix) * outer_sum(self.size_error) / 2

    def sizes(self) -> Scaled:
        """Return the second moment of each signal, shape (R, S)."""
        return Scaled.of(self.diagonal, 2 * self.exponent)

    def values(self) -> np.ndarray:
        """Return plain numbers, shape (R, S, S): inf or 0 where they are beyond float64."""
        return self._plain(self.matrix)

    def value_errors(self) -> np.ndarray:
        """Return bounds on the errors of `values`."""
        return self._plain(self.error)

    def _plain(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(x, _safe(outer_sum(self.exponent)))

    def cosines(self) -> np.ndarray:
        """Return each entry over the roots of its two diagonal ones, NaN where one is 0."""
        live = self.diagonal > 0
        cosine = np.where(self.gap < NEAR, 1 - self.gap, np.clip(_over_roots(self.matrix), -1.0, 1.0))
        return np.where(live[:, :, None] & live[:, None, :], cosine, np.nan)

    def times(self, factor: float) -> "Gram":
        """Return the product with one number, zero or positive."""
        return self.along(np.sqrt(factor))

    def along(self, factor, error=0.0, exponent=0) -> "Gram":
        """Return each signal times ``factor`` * 2^``exponent``, which broadcast to (R, S), with its relative error."""
        factor = np.broadcast_to(np.asarray(factor, dtype=float), self.exponent.shape)
        sign = outer(np.sign(factor))
        gap = np.where(sign < 0, 2 - self.gap, np.where(sign == 0, 1.0, self.gap))
        matrix, size_error = self.matrix * outer(factor), self.size_error + 2 * error + 2 * EPS
        return Gram.of(matrix, size_error, self.cosine_error, self.exponent + exponent, gap)

    def over(self, root: Scaled, error) -> "Gram":
        """Return each signal over ``root``, shape (R, S), with its relative error; 0 where ``root`` is 0."""
        inverse = np.where(root.mantissa > 0, 1 / np.where(root.mantissa > 0, root.mantissa, 1.0), 0.0)
        return self.along(inverse, error, -root.exponent)

    def with_exponent(self, power: np.ndarray) -> "Gram":
        """Return each signal times 2^``power``, shape (R, S), whole or not."""
        if not power.any():
            return self
        whole = np.floor(power)
        return self.along(np.exp2(power - whole), 0.0, whole.astype(np.int64))

    def product(self, other: "Gram") -> "Gram":
        """Return the product of two of them, entry by entry."""
        gap = self.gap + other.gap - self.gap * other.gap
        error = self.cosine_error * abs(1 - other.gap) + abs(1 - self.gap) * other.cosine_error
        error += self.cosine_error * other.cosine_error + 2 * EPS * np.minimum(gap, 1.0)
        sizes = self.size_error + other.size_error + EPS
        return Gram.of(self.matrix * other.matrix, sizes, error, self.exponent + other.exponent, gap)

    def plus(self, other: "Gram", cross=None, cross_error=0.0) -> "Gram":
        """Return the sum of two of them, and of ``cross``, plain numbers over the larger's exponents (`common`)."""
        a, b = common(self, other)
        matrix = a.matrix + b.matrix
        crossed = cross is not None and np.any(cross)
        if crossed:
            matrix = matrix + cross
            index = np.arange(matrix.shape[1])
            matrix[:, index, index] = np.maximum(matrix[:, index, index], 0.0)
        size = diagonal(matrix)
        inverse = 1 / zero_free(size)
        roots, products = outer(np.sqrt(inverse)), [outer(np.sqrt(x.diagonal)) for x in (a, b)]
        shares = [x * roots for x in products]
        own = [x.diagonal * x.size_error for x in (a, b)]
        sizes = (own[0] + own[1] + diagonal(np.broadcast_to(cross_error, matrix.shape))) * inverse + EPS
        cosine = sum(share * x.cosine_error for share, x in zip(shares, (a, b), strict=True)) + cross_error * roots
        if crossed:
            gap = None
            turned = sum(s * outer_sum(x.size_error) for s, x in zip(shares, (a, b), strict=True)) / 2
            cosine = cosine + turned + outer_sum(sizes) / 2 + 2 * EPS
        else:
            # (root(Q_a Q_b) - s - t) in a form without cancellation: Q = q + r, s = root(q_a q_b), t = root(r_a r_b)
            odd = np.sqrt(a.diagonal)[:, :, None] * np.sqrt(b.diagonal)[:, None, :]
            odd = (odd - odd.swapaxes(1, 2)) * roots
            gap = odd**2 / (1 + shares[0] + shares[1]) + shares[0] * a.gap + shares[1] * b.gap
            # of the shares, which move against each other
            ratio = a.size_error + b.size_error
            moved = 0.75 * np.abs(odd) * outer_sum(ratio)
            moved += shares[0] * outer_sum(b.diagonal * inverse * ratio) * np.abs(a.gap - b.gap) / 2
            cosine = cosine + moved + 4 * EPS * np.minimum(gap, 1.0)
        return Gram.of(matrix, sizes, cosine, a.exponent, gap)


def common(a: Gram, b: Gram) -> tuple[Gram, Gram]:
    """Return both with the exponents of the larger, signal by signal."""
    top = np.maximum(np.where(a.diagonal > 0, a.exponent, b.exponent), np.where(b.diagonal > 0, b.exponent, a.exponent))

    def moved(gram):
        return replace(gram, matrix=np.ldexp(gram.matrix, _safe(outer_sum(gram.exponent - top))), exponent=top)

    return moved(a), moved(b)


def diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def outer(x: np.ndarray) -> np.ndarray:
    return x[:, :, None] * x[:, None, :]


def outer_sum(x) -> np.ndarray:
    return x[:, :, None] + x[:, None, :]


def zero_free(x: np.ndarray) -> np.ndarray:
    """Return x with 1 where it is 0, to divide by."""
    return np.where(x == 0, 1.0, x)


def _over_roots(matrix: np.ndarray) -> np.ndarray:
    return matrix / outer(zero_free(np.sqrt(diagonal(matrix))))


def _safe(exponent) -> np.ndarray:
    return np.clip(exponent, -4000, 4000).astype(np.int32)
