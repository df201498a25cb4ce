"""LayerNorm: less the mean over units, over the root of their variance."""

from dataclasses import dataclass
from typing import ClassVar

from .layer import Layer, check_eps


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """y = (x - mean x) / sqrt(var x + eps), over the units of each position, as in PyTorch; gains 1, shifts 0.

    Parameters
    ----------
    eps
        Zero or positive.

    Raises
    ------
    TypeError, ValueError
        For an eps that is not from 0 to 1e100; in a network, for a width of 1.
    """

    eps: float = 1e-5

    word: ClassVar[str] = "layer norm"

    def __post_init__(self):
        object.__setattr__(self, "eps", check_eps(self.eps, "LayerNorm"))

    def output_width(self, width: int, path: str) -> int:
        if width == 1:
            raise ValueError(f"{path} has a width of 1; what is left of one number without its mean is 0.")
        return width


LayerNorm.example = LayerNorm()
