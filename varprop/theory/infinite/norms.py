"""What LayerNorm and RMSNorm share: each signal over a root mean square, with eps in both directions."""

from dataclasses import replace

import numpy as np

from ..scaled import Scaled
from .field import EPS, Field, Gram, both, zero_free


def normalised(x: Field, eps: float, *, centred: bool) -> Field:
    """Return (x - mean) / s or x / s, s^2 = q - mean^2 + eps or q + eps, q the mean square of x."""
    s, error = scale(x, eps, centred=centred)
    if x.numbers is not None:
        numbers = x.numbers - x.numbers.mean(axis=2, keepdims=True) if centred else x.numbers
        return Field.given(numbers * _inverse(s)[..., None], x.roots)
    gram = x.gram
    if centred and x.mean.any():
        mean = x.mean * x.root_mean_square
        error_of = gram.error + both(np.abs(mean), x.mean_error * x.root_mean_square)
        gram = Gram.of(gram.matrix - both(mean, mean) / 2, error_of, gram.exponent)
    zero = np.zeros(x.mean.shape)
    found = replace(x, gram=_own_diagonal(gram.over(s, error), eps, s))
    return replace(found, mean=zero, mean_error=zero) if centred else found


def scale(x: Field, eps: float, *, centred: bool) -> tuple[Scaled, np.ndarray]:
    """Return s, shape (R, S), and its relative error."""
    gram, share = x.gram, np.ones(x.mean.shape)
    error = gram.relative_error()
    if centred and x.numbers is not None:
        share = x.numbers.var(axis=2) / zero_free((x.numbers**2).mean(axis=2))
    elif centred:
        share = np.maximum(1 - x.mean**2, 0.0)
        error = error + 2 * np.abs(x.mean) * x.mean_error / zero_free(share)
    square = Scaled.of(gram.diagonal * share, 2 * gram.exponent).plus(eps)
    odd = square.exponent % 2
    root = Scaled.of(np.sqrt(square.mantissa * (1 + odd)), (square.exponent - odd) // 2)
    return root, error / 2 + EPS


def _own_diagonal(gram: Gram, eps: float, s: Scaled) -> Gram:
    """Return ``gram`` with the diagonal's own, smaller error: q / (q + eps) hardly depends on q."""
    share = np.clip(Scaled.of(np.full(s.mantissa.shape, eps)).over(s.times(s)), 0.0, 1.0) if eps else 0 * s.mantissa
    index = np.arange(gram.matrix.shape[1])
    error = gram.error.copy()
    error[:, index, index] = error[:, index, index] * share + 4 * EPS * gram.diagonal
    return Gram(gram.matrix, error, gram.exponent)


def _inverse(s: Scaled) -> np.ndarray:
    plain = s.values()
    return np.where(plain > 0, 1 / zero_free(plain), 0.0)
