"""Gate: phi(W1 y) times W2 y, as in GLU, GEGLU and SwiGLU."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ..activations import Activation, ActivationLike, activation
from ..initializers import VarianceScaling
from .dense import Dense
from .layer import Layer

if TYPE_CHECKING:
    from ..graph import Builder, Level


@dataclass(frozen=True)
class Product:
    """The operation of a gate: its two sources, unit by unit."""


@dataclass(frozen=True, repr=False)
class Gate(Layer):
    """phi(W1 y + b1) * (W2 y + b2), unit by unit: GLU (sigmoid), GEGLU (gelu), SwiGLU (silu).

    Its places are ``gate``, W1 y + b1, and ``value``, W2 y + b2.

    Parameters
    ----------
    width
        Number of units; None keeps the width.
    activation
        phi: a name, an `Activation` or a function.
    weights, multiplier, bias_variance
        Of both W1 and W2, as in `Dense`.

    Raises
    ------
    TypeError, ValueError
        As `Dense` does, and for an unknown activation.
    """

    width: int | None
    activation: ActivationLike
    weights: "str | VarianceScaling" = "he"
    multiplier: float = field(default=1.0, kw_only=True)
    bias_variance: float | None = field(default=None, kw_only=True)

    word: ClassVar[str] = "gate"
    composite: ClassVar[bool] = True

    def __post_init__(self):
        object.__setattr__(self, "activation", activation(self.activation))
        dense = self.dense
        for name in ("width", "weights", "multiplier", "bias_variance"):
            object.__setattr__(self, name, getattr(dense, name))

    @property
    def dense(self) -> Dense:
        """What both W1 and W2 are."""
        return Dense(self.width, self.weights, multiplier=self.multiplier, bias_variance=self.bias_variance)

    @property
    def phi(self) -> Activation:
        """The activation."""
        return activation(self.activation)

    def output_width(self, width: int, path: str) -> int:
        return self.dense.output_width(width, path)

    def expand(self, graph: "Builder", source: int, level: "Level") -> int:
        path, other, fan_in = level.name("gate"), level.name("value"), graph.width(source)
        dense, width = self.dense.between(fan_in, path), self.output_width(fan_in, path)
        gate = graph.add(path, dense, (source,), width, place=True)
        gate = graph.activate(level, self.phi, gate)
        value = graph.add(other, dense, (source,), width, place=True)
        return graph.add(level.name("product"), Product(), (gate, value), width)

    def given(self) -> dict:
        return {"width": self.width, "activation": self.activation, **self.dense.given()}

    def shown(self) -> list[str]:
        width, *rest = self.dense.shown()
        return [width, repr(self.phi.name), *rest]

    def __str__(self) -> str:
        return f"{self.activation} gate {str(self.dense).removeprefix('dense ')}"


Gate.example = Gate(8, "gelu", "lecun")
