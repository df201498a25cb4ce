"""Residual: a branch beside a path that skips it."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from .. import checks
from ..activations import Activation
from ..checks import quote
from .dense import Dense
from .layer import Layer, LayerLike, as_layers

if TYPE_CHECKING:
    from ..graph import Builder, Level

SMALLEST, LARGEST = 1e-50, 1e50  # of a factor: its square is within what a Dense may have for Var(W)
DEEPEST = 20  # blocks within blocks: Python's own calls end somewhere beyond


@dataclass(frozen=True)
class Sum:
    """The operation of a residual block: skip times its first source and scale times its second.

    With probability ``drop`` the second is left out, for all units and positions of a sample together; else it
    is divided by 1 - drop.
    """

    skip: float = 1.0
    scale: float = 1.0
    drop: float = 0.0


@dataclass(frozen=True, repr=False, init=False)
class Residual(Layer):
    """skip * x + scale * branch(x).

    Parameters
    ----------
    branch
        Layers, as in `Network.sequential`; at least one.
    skip, scale
        Factors of the two paths.
    drop
        Stochastic depth: the branch is dropped with this probability, for a whole sample, and divided by
        1 - drop where it is kept.
    shortcut
        A layer on the skip path, for a block that changes the width; None for x itself.

    Raises
    ------
    TypeError, ValueError
        For a branch of no layers, factors that are neither 0 nor from 1e-50 to 1e50 in size, a ``drop`` that is not
        from 0 to below 1; in a network, where the two paths give different widths.

    Examples
    --------
    >>> from varprop.layers import Dense, LayerNorm, Residual
    >>> Residual(LayerNorm(), Dense(256), "relu", Dense(64), scale=0.5)
    Residual(LayerNorm(), Dense(256), 'relu', Dense(64), scale=0.5)
    """

    branch: tuple
    skip: float = 1.0
    scale: float = 1.0
    drop: float = 0.0
    shortcut: "Layer | Activation | tuple | None" = None

    word: ClassVar[str] = "block"
    composite: ClassVar[bool] = True

    def __init__(
        self,
        *branch: LayerLike,
        skip: float = 1.0,
        scale: float = 1.0,
        drop: float = 0.0,
        shortcut: LayerLike | None = None,
    ) -> None:
        found = as_layers(branch)
        if not found:
            raise ValueError(
                f"Residual has the branch {quote(list(branch))}, with nothing in it; give at least one layer."
            )
        values: dict[str, Any] = {"branch": found}
        for name, value in (("skip", skip), ("scale", scale)):
            values[name] = checks.real(value, f"{name} of Residual")
            if not (values[name] == 0 or SMALLEST <= abs(values[name]) <= LARGEST):
                raise ValueError(
                    f"{name} of Residual is {values[name]!r}; it must be 0, or {SMALLEST:g} to {LARGEST:g} in size."
                )
        values["drop"] = checks.below_one(drop, "drop of Residual")
        if shortcut is not None:
            path = as_layers([shortcut])
            shortcut = path[0] if len(path) == 1 else path or None
        values["shortcut"] = shortcut
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if _depth(self) > DEEPEST:
            raise ValueError(f"this Residual has blocks within blocks, more than {DEEPEST} deep; put them in a row.")

    def expand(self, graph: "Builder", source: int, level: "Level") -> int:
        path = level.name(self.word)
        inner = level.within(path)
        end = graph.sequence(self.branch, source, inner)
        start = source
        if self.shortcut is not None:
            one = not isinstance(self.shortcut, tuple) and not getattr(self.shortcut, "composite", False)
            name = f"{path} / shortcut"
            layers = (self.shortcut,) if not isinstance(self.shortcut, tuple) else self.shortcut
            start = graph.sequence(layers, source, level.fixed(name) if one else level.within(name))
        widths = graph.width(start), graph.width(end)
        if widths[0] != widths[1]:
            help = "end the branch with that width" if self.shortcut else f"give a shortcut such as Dense({widths[1]})"
            raise ValueError(f"{path} adds {widths[0]} units of its skip path to {widths[1]} of its branch; {help}.")
        return graph.add(path, Sum(self.skip, self.scale, self.drop), (start, end), widths[0], place=True)

    def shown(self) -> list[str]:
        numbers = [f for f in fields(self) if f.name in ("skip", "scale", "drop")]  # a repr of the rest doubles a level
        terms = [f"{f.name}={getattr(self, f.name)!r}" for f in numbers if getattr(self, f.name) != f.default]
        if self.shortcut is not None:
            path = self.shortcut
            terms.append(f"shortcut={_sources(path) if isinstance(path, tuple) else _source(path)}")
        return [*map(_source, self.branch), *terms]

    def __str__(self) -> str:
        words = [", ".join(map(str, self.branch))]
        words += [f"{name} {getattr(self, name):.6g}" for name in ("skip", "scale") if getattr(self, name) != 1.0]
        words += [f"drop {self.drop:.6g}"] * (self.drop != 0.0)
        if self.shortcut is not None:
            path = self.shortcut if isinstance(self.shortcut, tuple) else (self.shortcut,)
            words.append(f"shortcut {', '.join(map(str, path))}")
        return f"residual({'; '.join(words)})"


def _depth(layer) -> int:
    """Return how deep blocks lie within blocks here; its own depth is found once, when it is made."""
    if not isinstance(layer, Residual):
        return 0
    if "_deep" not in layer.__dict__:
        path = layer.shortcut if isinstance(layer.shortcut, tuple) else (layer.shortcut,)
        layer.__dict__["_deep"] = 1 + max(map(_depth, (*layer.branch, *path)))
    return layer.__dict__["_deep"]


def _sources(layers: tuple) -> str:
    return f"[{', '.join(map(_source, layers))}]"


def _source(layer) -> str:
    return repr(layer.name) if isinstance(layer, Activation) else repr(layer)


Residual.example = Residual(Dense(8), "relu", Dense(8, "lecun"), skip=0.9, scale=0.7)
