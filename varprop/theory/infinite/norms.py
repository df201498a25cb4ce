"""What LayerNorm and RMSNorm share: each signal over a root mean square, with eps in both directions."""

from dataclasses import replace

import numpy as np

from ..scaled import Scaled
from .field import Field
from .gram import EPS, Gram, outer, outer_sum, zero_free


def normalised(x: Field, eps: float, *, centred: bool) -> Field:
    """Return (x - mean) / s or x / s, s^2 = q - mean^2 + eps or q + eps, q the mean square of x."""
    s, error = scale(x, eps, centred=centred)
    if x.numbers is not None:
        numbers = x.numbers - x.numbers.mean(axis=2, keepdims=True) if centred else x.numbers
        return Field.given(numbers * _inverse(s)[..., None], x.roots)
    gram = _centred(x) if centred and x.mean.any() else x.gram
    zero = np.zeros(x.mean.shape)
    rest = np.maximum(1 - x.mean**2, 0.0) if centred else zero + 1
    parts = ((x, 1 / zero_free(np.sqrt(rest))),)
    found = replace(x, gram=_own_diagonal(gram, gram.over(s, error), eps, s), parts=parts)
    return replace(found, mean=zero, mean_error=zero) if centred else found


def scale(x: Field, eps: float, *, centred: bool) -> tuple[Scaled, np.ndarray]:
    """Return s, shape (R, S), and its relative error."""
    gram, share = x.gram, np.ones(x.mean.shape)
    error = gram.size_error
    if centred and x.numbers is not None:
        share = x.numbers.var(axis=2) / zero_free((x.numbers**2).mean(axis=2))
    elif centred:
        share = np.maximum(1 - x.mean**2, 0.0)
        error = error + 2 * np.abs(x.mean) * x.mean_error / zero_free(share)
    square = Scaled.of(gram.diagonal * share, 2 * gram.exponent).plus(eps)
    odd = square.exponent % 2
    root = Scaled.of(np.sqrt(square.mantissa * (1 + odd)), (square.exponent - odd) // 2)
    return root, error / 2 + EPS


def _centred(x: Field) -> Gram:
    """Return the covariances, K - mean mean^T; cosines are (c - m m') / root((1 - m^2) (1 - m'^2))."""
    gram, m, off = x.gram, x.mean, x.mean_error
    rest = np.maximum(1 - m * m, 0.0)
    inverse = 1 / zero_free(np.sqrt(rest))
    apart, both_means = m[:, :, None] - m[:, None, :], outer(m)
    size = outer(np.sqrt(rest))
    gap = (gram.gap - apart**2 / zero_free(size + 1 - both_means)) * outer(inverse)
    error = gram.cosine_error * outer(inverse)
    moved = np.abs(apart) * outer_sum(off * inverse) + np.abs(gap) * outer_sum(np.abs(m) * off * inverse**2)
    sizes = gram.size_error + 2 * np.abs(m) * off * inverse**2
    matrix = gram.matrix - both_means * outer(x.root_mean_square)
    error = error + moved + 4 * EPS * np.minimum(np.abs(gap), 1.0)
    return Gram.of(matrix, sizes + 4 * EPS * inverse**2, error, gram.exponent, np.clip(gap, 0.0, 2.0))


def _own_diagonal(x: Gram, found: Gram, eps: float, s: Scaled) -> Gram:
    """Return ``found``, ``x`` over s, with the smaller errors of its sizes: q / (q + eps) hardly depends on q."""
    share = np.clip(Scaled.of(np.full(s.mantissa.shape, eps)).over(s.times(s)), 0.0, 1.0) if eps else 0 * s.mantissa
    return replace(found, size_error=np.where(found.diagonal > 0, x.size_error * share + 4 * EPS, 0.0))


def _inverse(s: Scaled) -> np.ndarray:
    plain = s.values()
    return np.where(plain > 0, 1 / zero_free(plain), 0.0)
