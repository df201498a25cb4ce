"""Dense: z = W a + b, with weights of any law and Gaussian biases."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from .. import checks
from ..initializers import VarianceScaling, initializer, named
from .layer import Layer

if TYPE_CHECKING:
    from ..graph import Builder, Level

MOST = 2**62  # units
SMALLEST, LARGEST = 1e-100, 1e100  # of Var(W): with |x|^2 up to 1e150 a layer's variance stays within float64


@dataclass(frozen=True, repr=False)
class Dense(Layer):
    """A fully connected layer: z = W a + b, the same W at every position.

    Parameters
    ----------
    width
        Number of units; None keeps the width.
    weights
        A name (``"he"``, ``"lecun"``, ``"glorot"``, ...) or a `VarianceScaling`.
    multiplier
        Factor on the weights' variance.
    bias_variance
        Variance of the Gaussian biases; None for the weights' own, which is 0 but for ``"torch:linear"`` and its like,
        whose uniform biases count as normal ones.

    Raises
    ------
    TypeError, ValueError
        For a width that is not a positive whole number, an unknown name, or a number out of range.

    Examples
    --------
    >>> from varprop.layers import Dense
    >>> Dense(512, "lecun", bias_variance=0.1)
    Dense(512, 'lecun', bias_variance=0.1)
    """

    width: int | None
    weights: "str | VarianceScaling" = "he"
    multiplier: float = field(default=1.0, kw_only=True)
    bias_variance: float | None = field(default=None, kw_only=True)

    word: ClassVar[str] = "dense"

    def __post_init__(self):
        if self.width is not None:
            object.__setattr__(self, "width", checks.whole(self.width, "width of Dense", 1, MOST))
        law = initializer(self.weights)
        object.__setattr__(self, "multiplier", checks.positive(self.multiplier, "multiplier"))
        if self.bias_variance is not None:
            law = law.without_biases()
            object.__setattr__(self, "bias_variance", checks.positive(self.bias_variance, "bias_variance", zero=True))
        elif law.bias_ratio == 0:
            object.__setattr__(self, "bias_variance", 0.0)
        object.__setattr__(self, "weights", named(law))  # one law, one description

    def output_width(self, width: int, path: str) -> int:
        return width if self.width is None else self.width

    def expand(self, graph: "Builder", source: int, level: "Level") -> int:
        path, fan_in = level.name(self.word), graph.width(source)
        return graph.add(path, self.between(fan_in, path), (source,), self.output_width(fan_in, path), place=True)

    def between(self, fan_in: int, path: str) -> "Dense":
        """Return this layer with its width and biases filled in. Raises ValueError for a variance out of range."""
        width, biases, found = self.output_width(fan_in, path), self.biases(fan_in), self
        if self.width is None or self.bias_variance is None:
            found = Dense(width, self.weights, multiplier=self.multiplier, bias_variance=biases)
        check_sizes(path, found.weight_variance(fan_in), biases)
        return found

    @property
    def law(self) -> VarianceScaling:
        """The weights' law."""
        return initializer(self.weights)

    def weight_variance(self, fan_in: int) -> float:
        """Return Var(W_ij) behind ``fan_in`` units."""
        return self.law.variance(fan_in, self.output_width(fan_in, "")) * self.multiplier

    def biases(self, fan_in: int) -> float:
        """Return Var(b_i) behind ``fan_in`` units."""
        if self.bias_variance is not None:
            return self.bias_variance
        return self.law.bias_variance(fan_in, self.output_width(fan_in, ""))

    def given(self) -> dict:
        found = super().given()
        if not self.bias_variance:  # none are what there is without a word, but for a law that has its own
            found.pop("bias_variance", None)
        return found

    def shown(self) -> list[str]:
        width, *terms = super().shown()
        law = [] if self.weights == "he" else [repr(self.weights)]
        return [width.removeprefix("width="), *law, *(term for term in terms if not term.startswith("weights="))]

    def __str__(self) -> str:
        words = ["dense", *([] if self.width is None else [str(self.width)]), str(self.weights)]
        words += [f"multiplier {self.multiplier:.6g}"] * (self.multiplier != 1.0)
        words += [f"bias variance {self.bias_variance:.6g}"] if self.bias_variance else []
        return " ".join(words)


Dense.example = Dense(8, "lecun", bias_variance=0.1)


def check_sizes(path: str, weights: float, bias: float) -> None:
    """Raise ValueError unless the variances at ``path`` are within what both sides can carry."""
    for value, whose, low in ((weights, "weights", SMALLEST), (bias, "biases", 0.0)):
        if not low <= value <= LARGEST:
            raise ValueError(
                f"the variance of the {whose} of {path} is {value:g}; it must be from {low:g} to {LARGEST:g}."
            )
