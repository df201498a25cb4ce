"""Hooks on one model for one forward and one backward pass: every place in the order of execution, and its numbers."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

from ..activations import Activation
from ..layers import Dropout
from . import moments
from .known import name_of, read_function, read_module
from .law_prediction import NO_LAW, Prediction, Predictor
from .steps import gradients_by_step
from .sums import Sums, first_floating, is_signal, leave_stream, mark, new_origin, tensors_in
from .weights import full_name

CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,  # batch and instance norms
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.ChannelShuffle,
    nn.PixelShuffle,
    nn.Upsample,
    nn.modules.dropout.Dropout2d,
)
# What else makes an activation, written out: z * sigmoid(z) is no sigmoid.
PRODUCTS = ("mul", "rmul", "imul", "multiply", "div", "truediv", "maximum", "minimum", "where")
OF_ITS_OWN = ("exp", "expm1", "log", "log1p", "pow", "rpow", "ipow", "sqrt", "rsqrt", "reciprocal")
UNITS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.modules.rnn.RNNBase)


@dataclass
class Place:
    """A call of a module, or a sum, with what was measured there in one network."""

    name: str
    kind: str
    shape: tuple[int, ...]
    numbers: dict[str, float]
    magnitudes: np.ndarray
    gradient_magnitudes: np.ndarray | None = None
    module: nn.Module | None = None
    path: str = ""
    steps: list[float] = field(default_factory=list)  # of a recurrent module, see `gradients_by_step`
    continues: str = ""  # of a sum, the earlier one whose value it adds a branch to
    rounding: float = 0.0  # the relative distance of numbers in its dtype
    activations: list[str] = field(default_factory=list)  # that it is, or that functions of what it gives are
    prediction: Prediction = field(default_factory=lambda: Prediction(reason=NO_LAW))

    def of(self, name: str) -> str:
        """Return the name in the model of a parameter that the module has by ``name``."""
        return full_name(self.path, name)


@dataclass
class _Call:
    """A call that is under way."""

    path: str
    name: str
    module: nn.Module
    input: torch.Tensor | None
    alone: bool = True  # no other module was called within
    sums: int = 0


class Probe:
    """Measures a model while it is entered.

    Parameters
    ----------
    model
        An `nn.Module`.
    patterns
        Paths to keep, as in a shell; None for all.

    Attributes
    ----------
    places
        `Place` in the order in which outputs came.
    calls
        How often each path was called.
    uncalled
        After `finish`, the paths of modules that were never called, and whose own parameters got no gradient.
    """

    def __init__(self, model: nn.Module, patterns: tuple[str, ...] | None):
        self.model, self.patterns = model, patterns
        self.places: list[Place] = []
        self.calls: Counter = Counter()
        self.uncalled: tuple[str, ...] = ()
        self.predictor = Predictor()
        self._under_way: list[_Call] = []
        self._axes: dict[tuple[int, ...], int] = {}
        self._last: torch.Tensor | None = None  # the tensor that was measured last
        self._sums = Sums(self._found_sum, self._called)

    @contextmanager
    def watching(self, inputs):
        """Measure what is called within; ``inputs`` are the tensors that the model is given."""
        handles = []
        for path, module in self._modules():
            handles += [
                module.register_forward_pre_hook(self._enter(path), with_kwargs=True),
                module.register_forward_hook(self._leave(path), with_kwargs=True),
            ]
        mark(inputs, new_origin())
        try:
            with self._sums:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def finish(self, frozen: set[str]) -> None:
        """After the backward pass: the gradients by weights, and which modules were never called.

        ``frozen`` are names of parameters that get no gradient by rights.
        """
        self._last = None
        self._sums.found = self._sums.called = None  # no ring of references shall keep a model until Python looks
        shared = Counter(id(p) for _, p in self.model.named_parameters(remove_duplicate=False))
        for place in self.places:
            if place.module is None or self.calls[place.path] != 1:
                continue
            own = {name: p for name, p in place.module.named_parameters(recurse=False) if not name.startswith("bias")}
            usable = own and all(
                p.grad is not None and shared[id(p)] == 1 and place.of(name) not in frozen for name, p in own.items()
            )
            if usable:
                total = sum(moments.square_sum(p.grad) for p in own.values())
                place.numbers["weight_gradient_variance"] = total / sum(p.numel() for p in own.values())
        self.uncalled = tuple(path for path, module in self._modules() if self._is_idle(path, module))

    def _modules(self):
        """Return the modules by path, but for those that make weights out of parameters."""
        found = dict(self.model.named_modules())
        makers = [f"{path}." for path, module in found.items() if isinstance(module, ParametrizationList)]
        return [(p, m) for p, m in found.items() if not f"{p}.".startswith(tuple(makers))]

    def _is_idle(self, path: str, module: nn.Module) -> bool:
        own = list(module.parameters(recurse=False))
        leaf = not own and next(module.children(), None) is None
        return not self.calls[path] and (leaf or bool(own)) and all(p.grad is None for p in own)

    @property
    def where(self) -> str:
        """The path of the module whose call is under way: where an error came from."""
        return self._under_way[-1].path if self._under_way else ""

    def _enter(self, path: str):
        def hook(module, args, kwargs):
            if self._under_way:
                self._under_way[-1].alone = False
            self.calls[path] += 1
            name = path if self.calls[path] == 1 else f"{path}:{self.calls[path]}"
            given = next((t for t in tensors_in((args, kwargs))), None)
            self._under_way.append(_Call(path, name, module, given))

        return hook

    def _leave(self, path: str):
        def hook(module, args, kwargs, output):
            while self._under_way:  # a model that catches errors leaves calls behind
                call = self._under_way.pop()
                if call.module is module:
                    break
            with self._paused():
                owns, found = next(module.parameters(recurse=False), None) is not None, first_floating(output)
                own = call.alone or (owns and found is not self._last)  # else what it returns was measured within
                if own and self._kept(call.path):
                    self._measure(call.name or type(module).__name__, found, module, call)
                    if isinstance(module, nn.RNNBase):
                        self.places[-1].steps = gradients_by_step(module, args, kwargs)
            if "Norm" in type(module).__name__ or (owns and call.alone):
                leave_stream(output)
            mark(output, new_origin())

        return hook

    def _found_sum(self, total: torch.Tensor, earlier: str | None) -> str | None:
        owner = self._under_way[-1] if self._under_way else None
        if owner is None:
            return None
        owner.sums += 1
        if not self._kept(owner.path):
            return None
        name = f"{owner.name} sum {owner.sums}".strip()
        with self._paused():
            self._measure(name, total, continues=earlier or "")
        return name

    def _called(self, name: str, args, kwargs) -> None:
        """Note a function of the signal that is an activation, with the place whose output it is given."""
        owner = self._under_way[-1].module if self._under_way else self.model
        within = type(owner).__module__.startswith("torch.nn") and next(owner.children(), None) is None
        if self.places and not within:
            name = name_of(name)
            if name in OF_ITS_OWN or (name in PRODUCTS and any(map(is_signal, args))):
                self.places[-1].activations.append(name)
            else:
                kinds = (Activation, Dropout)  # which, as a module, is a place of its own
                self.places[-1].activations += _names(kinds, read_function, name, args, kwargs)

    def _measure(self, name, x, module=None, call=None, continues="") -> None:
        if x is None or x.numel() == 0:
            return
        self._last = x
        numbers, spread = moments.signal(x, self._axis(x, module)), moments.magnitudes(x)
        kind = "sum" if module is None else type(module).__name__
        rounding = torch.finfo(x.dtype).eps
        place = Place(name, kind, tuple(x.shape), numbers, spread, continues=continues, rounding=rounding)
        if module is not None:
            place.module, place.path = module, call.path
            place.prediction = self.predictor(call.path, module, call.input)
            place.activations += _names(Activation, read_module, module)
        self.places.append(place)
        if x.requires_grad:
            x.register_hook(self._gradient(place))

    @staticmethod
    def _gradient(place: Place):
        def hook(gradient):
            place.numbers["gradient_variance"] = moments.mean_square(gradient)
            place.gradient_magnitudes = moments.magnitudes(gradient)

        return hook

    @contextmanager
    def _paused(self):
        was, self._sums.pause = self._sums.pause, True
        try:
            yield
        finally:
            self._sums.pause = was

    def _kept(self, path: str) -> bool:
        return self.patterns is None or any(fnmatchcase(path, pattern) for pattern in self.patterns)

    def _axis(self, x, module) -> int:
        """Return the axis of units: the module's, else what an output of this shape had, else the field's habit."""
        if isinstance(module, CHANNELS_FIRST):
            self._axes[tuple(x.shape)] = axis = 1
        elif isinstance(module, UNITS_LAST):
            self._axes[tuple(x.shape)] = axis = -1
        else:
            axis = self._axes.get(tuple(x.shape), 1 if x.ndim > 3 else -1)
        return axis if x.ndim > 1 else -1


def _names(kinds, read, *what) -> list[str]:
    """Return the names of the steps of these ``kinds`` that a module or function is read as."""
    try:
        steps = read(*what) or []
    except (TypeError, ValueError):  # it is given what is no constant, or is no activation of one number
        return []
    return [str(step) for step in steps if isinstance(step, kinds)]
