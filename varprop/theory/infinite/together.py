"""How far two values, or two gradients, go together that reach each other by paths without a Dense.

A block's sum, a norm and a dropout give what they read times a known factor: their value has ``parts``. Two values
are taken apart until what is left is the same, or shares no root and is independent.
"""

from dataclasses import dataclass

import numpy as np

from .gram import EPS, Gram


class TogetherError(Exception):
    """Two values share a root, but by an activation: not second moments alone say how far they go together."""


@dataclass(eq=False)
class Gradient:
    """The derivatives by one node's units: of mean 0, and of ``parts`` and ``roots`` as a `field.Field` has them."""

    gram: Gram
    roots: frozenset
    parts: tuple = ()
    numbers = None

    def __post_init__(self):
        self.depth = depth_of(self.parts)

    def covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the cosines of two signals, and their errors."""
        return np.nan_to_num(self.gram.cosines()), self.gram.cosine_error


def depth_of(parts) -> int:
    """Return how often a value must be taken apart, at most."""
    return 1 + max(part.depth for part, _ in parts) if parts else 0


def covariance(x, y) -> tuple[np.ndarray, np.ndarray] | None:
    """Return Cov(x_a, y_b) over the two root mean squares, (R, S, S), and its error; None if they are independent.

    Raises `TogetherError`.
    """
    if not x.roots & y.roots:
        return None
    if x is y:
        return x.covariance()
    if x.numbers is not None and y.numbers is not None:
        return _of_numbers(x.numbers, y.numbers)
    if x.depth < y.depth:
        turned = covariance(y, x)
        return None if turned is None else (turned[0].swapaxes(1, 2), turned[1].swapaxes(1, 2))
    total, error = np.zeros(()), np.zeros(())
    todo = {id(x): (x, 1.0)}
    while todo:
        field, weight = todo.pop(max(todo, key=lambda key: todo[key][0].depth))
        if field.parts and field is not y and field.depth >= y.depth:
            for part, own in field.parts:
                if part.roots & y.roots:
                    _, before = todo.get(id(part), (part, 0.0))
                    todo[id(part)] = part, before + weight * own
            continue
        if field is x:
            raise TogetherError
        found = covariance(field, y)
        if found is not None:
            factor = np.asarray(weight)[..., None]
            total = total + factor * found[0]
            error = error + np.abs(factor) * (found[1] + 4 * EPS)
    return (total, error) if np.ndim(total) else None


def crossed(x, y, a: Gram, b: Gram) -> tuple[np.ndarray, np.ndarray] | None:
    """Return E of x y' + y x' without the means, ``a`` and ``b`` their `Gram` of one exponent, and its error."""
    found = covariance(x, y)
    if found is None:
        return None
    size = np.sqrt(a.diagonal)[:, :, None] * np.sqrt(b.diagonal)[:, None, :]
    value, error = size * found[0], size * found[1]
    return value + value.swapaxes(1, 2), error + error.swapaxes(1, 2)


def _of_numbers(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sides = []
    for numbers in (x, y):
        size = np.abs(numbers).max(axis=2, keepdims=True)
        unit = np.ldexp(numbers, -np.where(size > 0, np.frexp(size)[1], 0))
        root = np.sqrt((unit * unit).mean(axis=2, keepdims=True))
        sides.append((unit - unit.mean(axis=2, keepdims=True)) / np.where(root > 0, root, 1.0))
    found = np.einsum("rai,rbi->rab", *sides) / x.shape[2]
    return found, np.full(found.shape, 8 * EPS)
