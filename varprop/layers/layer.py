"""What all layers share, and how a caller's layers are read."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import MISSING, dataclass, fields
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar, TypeAlias, Union

from .. import checks
from ..activations import Activation, ActivationLike, activation
from ..checks import quote

if TYPE_CHECKING:
    from ..graph import Builder, Level


@dataclass(frozen=True, repr=False)
class Layer:
    """One layer of `Network.sequential`; a frozen dataclass with a word that names its places.

    A subclass has ``word``, ``example`` (a layer that goes on a width of 8 and keeps it) and, where it is more
    than one operation on one value, its own ``expand``.
    """

    word: ClassVar[str]
    example: ClassVar["Layer"]
    composite: ClassVar[bool] = False  # whether it is made of other layers, which have names of their own

    def output_width(self, width: int, path: str) -> int:
        """Return how many units it gives for ``width``. Raises ValueError that names ``path`` where it cannot be."""
        return width

    def expand(self, graph: "Builder", source: int, level: "Level") -> int:
        """Add its nodes to a `graph.Builder`; return the one that holds its value."""
        path = level.name(self.word)
        return graph.add(path, self, (source,), self.output_width(graph.width(source), path))

    def multiplied(self, factor: float) -> "Layer":
        """Return this layer with the variance of all weights in it times ``factor``."""
        found = copy(self)
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "multiplier":
                value *= factor
            elif isinstance(value, Layer):
                value = value.multiplied(factor)
            elif isinstance(value, tuple):
                value = tuple(part.multiplied(factor) if isinstance(part, Layer) else part for part in value)
            object.__setattr__(found, f.name, value)
        return found

    def given(self) -> dict:
        """Return its fields by name, those left out that are as they are by default."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in values.items() if default is MISSING or value != default}

    def shown(self) -> list[str]:
        """Return the arguments that make this layer, defaults left out."""
        return [f"{name}={value!r}" for name, value in self.given().items()]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.shown())})"

    def __str__(self) -> str:
        return self.word


# What `as_layers` takes for one
LayerLike: TypeAlias = Union[Layer, ActivationLike, "Sequence[LayerLike]"]
LARGEST_EPS = 1e100
DEEPEST = 50  # lists within lists


def as_layers(layers: Iterable[LayerLike], depth: int = 0) -> "tuple[Layer | Activation, ...]":
    """Return ``layers`` as one flat tuple of layers and activations.

    Parameters
    ----------
    layers
        Layers, activations (a name, an `Activation` or a function), and lists of these.

    Raises
    ------
    TypeError, ValueError
        For anything else, such as a class of layers or a network; the message quotes it.
    """
    if depth > DEEPEST:
        raise ValueError(f"layers are lists within lists, more than {DEEPEST} deep; give one list.")
    found: list[Layer | Activation] = []
    for layer in layers:
        if isinstance(layer, (list, tuple)):
            found += as_layers(layer, depth + 1)
        elif isinstance(layer, Layer):
            found.append(layer)
        elif isinstance(layer, type) and issubclass(layer, Layer):
            raise TypeError(f"a layer is the class {layer.__name__}; give an object: {layer.__name__}(...).")
        elif isinstance(layer, (str, Activation)) or (callable(layer) and not isinstance(layer, type)):
            found.append(activation(layer))
        else:
            raise TypeError(
                f"a layer is {quote(layer)}; give an object of varprop.layers, an activation, or a list of layers."
            )
    return tuple(found)


def check_eps(eps, norm: str) -> float:
    """Return the eps of a norm as a float. Raises TypeError or ValueError unless it is from 0 to 1e100.

    A whole number beyond 1 is refused: PyTorch's LayerNorm(64) names a width.
    """
    if isinstance(eps, Integral) and not isinstance(eps, bool) and int(eps) > 1:
        raise ValueError(
            f"eps of {norm} is {quote(eps)}, which looks like a width; {norm}() takes that of its input. "
            f"For such an eps write {norm}(eps={quote(eps)}.0)."
        )
    found = checks.positive(eps, f"eps of {norm}", zero=True)
    if found > LARGEST_EPS:
        raise ValueError(f"eps of {norm} is {found!r}; it must be from 0 to {LARGEST_EPS:g}.")
    return found
