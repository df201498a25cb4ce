"""RMSNorm: over the root mean square."""

from dataclasses import dataclass
from typing import ClassVar

from .layer import Layer, check_eps


@dataclass(frozen=True, repr=False)
class RMSNorm(Layer):
    """y = x / sqrt(mean x^2 + eps), over the units of each position, as in PyTorch; gains 1.

    Parameters
    ----------
    eps
        Zero or positive; by default float32's 2^-23.

    Raises
    ------
    TypeError, ValueError
        For an eps that is not from 0 to 1e100.
    """

    eps: float = 2**-23

    word: ClassVar[str] = "rms norm"

    def __post_init__(self):
        object.__setattr__(self, "eps", check_eps(self.eps, "RMSNorm"))


RMSNorm.example = RMSNorm()
