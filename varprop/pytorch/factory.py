"""A fresh model a network: from a factory, or a copy of a model whose modules draw their own weights again."""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..checks import quote
from .blame import blaming
from .given import same_law, some_of

GIVE = "give a factory, a function that makes a fresh model, or networks=1, which judges the model as it stands"
DRAWS, MOST_DRAWS = 4, 200  # fresh draws that the given weights are held against
NUMBERS = 2 * 10**6  # that may be drawn for more than the fewest
MARK = 0.123  # what parameters are filled with before a reset: those that keep it are not reset


class Factory:
    """Models that a class or a function makes, one a network."""

    as_given = False

    def __init__(self, make: Callable):
        self._make = make
        self.name = getattr(make, "__qualname__", None) or type(make).__name__
        self._sums: dict[str, set] = {}

    def __call__(self, network: int) -> nn.Module:
        """Return the model of a network, counted from 0. Raises ValueError or TypeError where there is none."""
        with blaming(f"the factory {self.name} fails"):
            model = self._make()
        if not isinstance(model, nn.Module):
            raise TypeError(f"the factory {self.name} returns {quote(model)}; it must return a torch.nn.Module.")
        return model

    def look(self, model: nn.Module) -> None:
        """Keep what tells whether parameters are the same in every network."""
        for name, p in model.named_parameters():
            some = p.detach().reshape(-1)
            some = some[:: max(1, len(some) // 1024)].double()
            constant = some.numel() < 2 or bool((some == some[0]).all())
            self._sums.setdefault(name, set()).add((constant, float(some.sum())))

    @property
    def kept(self) -> tuple[str, ...]:
        """Parameters that are the same in every network, and not just a constant such as a norm's 1."""
        return tuple(name for name, sums in self._sums.items() if len(sums) == 1 and not next(iter(sums))[0])

    def check_drawn(self) -> None:
        """Raise ValueError where no parameter differs between networks."""
        if self._sums and all(len(sums) == 1 for sums in self._sums.values()):
            raise ValueError(
                f"{self.name} gives the same weights every time; let it draw anew (without a seed of its own), "
                "or audit one with networks=1."
            )


class AsGiven:
    """A copy of one model, judged as it stands."""

    as_given, kept = True, ()

    def __init__(self, model: nn.Module):
        self.name = type(model).__name__
        self._model = _copied(model)

    def __call__(self, network: int) -> nn.Module:
        """Return the copy."""
        return self._model

    def look(self, model: nn.Module) -> None:
        """There is nothing to compare."""

    def check_drawn(self) -> None:
        """One network needs no other."""


class Reset:
    """A copy of a model whose modules draw their weights again, by their own reset_parameters or _reset_parameters.

    Raises ValueError where the model's weights are not what the resets draw: it was trained, or set afterwards.
    """

    as_given = False

    def __init__(self, model: nn.Module, first_pass: Callable):
        self.name = type(model).__name__
        self._model = _copied(model)
        lazy = any(torch.nn.parameter.is_lazy(p) for p in self._model.parameters())
        if lazy:  # they draw their weights in their first pass
            with torch.no_grad():
                first_pass(self._model)
        given = {name: p.detach().clone() for name, p in self._model.named_parameters()}
        self.kept = self._find_kept(given)
        if len(self.kept) == len(given):
            raise ValueError(
                f"no parameter of {self.name} changes when its modules reset themselves; {GIVE}, without error bars."
            )
        if not lazy:
            self._check_given(given)

    def __call__(self, network: int) -> nn.Module:
        """Return the copy with weights drawn again."""
        reset(self._model)
        return self._model

    def look(self, model: nn.Module) -> None:
        """What is kept is known from the start."""

    def check_drawn(self) -> None:
        """Some parameter changes: `__init__` saw to that."""

    def _find_kept(self, given) -> tuple[str, ...]:
        """Reset from a mark, and give back their values to the parameters that keep it."""
        with torch.no_grad():
            for p in self._model.parameters():
                p.fill_(MARK)
            marks = {name: p.flatten()[:1].clone() for name, p in self._model.named_parameters()}
            reset(self._model)
            kept = [name for name, p in self._model.named_parameters() if bool((p == marks[name]).all())]
            for name, p in self._model.named_parameters():
                if name in kept:
                    p.copy_(given[name])
        return tuple(kept)

    def _check_given(self, given) -> None:
        fresh: dict[str, list] = {}
        numbers = sum(p.numel() for p in given.values())
        for _ in range(min(max(DRAWS, NUMBERS // numbers), MOST_DRAWS)):
            reset(self._model)
            for name, p in self._model.named_parameters():
                if name not in self.kept:
                    fresh.setdefault(name, []).append(some_of(p))
        for name, draws in fresh.items():
            what = same_law(some_of(given[name]), draws)
            if what:
                raise ValueError(
                    f"{name} of {self.name} is not what its module's reset draws: {what}; {GIVE}, without error bars."
                )


def reset(module: nn.Module) -> None:
    """Let a module draw its weights again: children first, then itself, as they are made.

    Weights under a parametrization are drawn by the module without it, and set through it.
    """
    for child in module.children():
        if not isinstance(child, parametrize.ParametrizationList):
            reset(child)
    draws = _draws(module)
    if draws is None:
        return
    if parametrize.is_parametrized(module):
        _reset_parametrized(module)
    else:
        _draw(module, draws)


def _draws(module: nn.Module) -> Callable | None:
    found = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    return found if callable(found) else None


def _draw(module: nn.Module, draws: Callable | None) -> None:
    with blaming(f"the reset of {type(module).__name__} fails", GIVE), torch.no_grad():
        if draws is not None:
            draws()


def _reset_parametrized(module: nn.Module) -> None:
    """Draw on a module of the class before parametrization, which shares all but the weights in question."""
    kind = parametrize.type_before_parametrizations(module)
    bare = kind.__new__(kind)
    names = list(module.parametrizations)
    with torch.no_grad():
        drawn = {name: nn.Parameter(getattr(module, name).detach().clone()) for name in names}
        bare.__dict__.update(module.__dict__, _parameters={**module._parameters, **drawn})
        _draw(bare, _draws(bare))
        for name, p in drawn.items():
            try:
                setattr(module, name, p.detach())
            except (NotImplementedError, RuntimeError):  # it has no inverse: then what it is made of is drawn
                module.parametrizations[name].original.copy_(p)


def _copied(model: nn.Module) -> nn.Module:
    with blaming(f"{type(model).__name__} cannot be copied", "give a factory, a function that makes a fresh model"):
        return copy.deepcopy(model)
