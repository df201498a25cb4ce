"""Product of two values behind weights of their own: K is the product of theirs, entry by entry."""

from .field import Field
from .gram import Gram


def forward(node, index: int, sources, kept) -> Field:
    a, w = sources
    mean, error = a.mean * w.mean, abs(a.mean) * w.mean_error + abs(w.mean) * a.mean_error
    return Field(a.gram.product(w.gram), mean, error, False, a.roots | w.roots)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    a, w = sources
    return gradient.product(w.gram), gradient.product(a.gram)
