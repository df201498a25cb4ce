"""Dropout: numbers are dropped at random, the others divided by the share that is kept."""

from dataclasses import dataclass
from typing import ClassVar

from .. import checks
from .layer import Layer


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """Each number is 0 with probability ``p``, else divided by 1 - p; independently for every number.

    Parameters
    ----------
    p
        The probability of dropping, as in PyTorch.

    Raises
    ------
    TypeError, ValueError
        Unless ``p`` is a number from 0 to below 1.
    """

    p: float

    word: ClassVar[str] = "dropout"

    def __post_init__(self):
        object.__setattr__(self, "p", checks.below_one(self.p, "p of Dropout"))

    def __str__(self) -> str:
        return f"dropout {self.p:.6g}"


Dropout.example = Dropout(0.2)
