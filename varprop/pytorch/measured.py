"""Weights rescaled by what a model is measured to give: what `initialize_` does where theory does not know it.

Without biases a Linear's or a convolution's output is linear in its weights, so that one pass suffices: each is
rescaled when it is first called, and what it gives with it.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from . import moments
from .blame import blaming
from .inputs import Inputs
from .state import borrowed
from .sums import Sums, first_floating, mark, new_origin
from .weights import full_name, is_conv1d

NORMS = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.modules.batchnorm._BatchNorm,  # of all dimensions, synchronised or not
    nn.modules.instancenorm._InstanceNorm,
)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass
class _Weight:
    """A weight that its module's output is linear in."""

    name: str
    parameter: nn.Parameter
    fan_in: int
    words: str = "1/n: the inputs do not reach it"
    called: bool = False


def measure(model: nn.Module, inputs) -> list[tuple]:
    """Draw the weights of Linears, convolutions and attention, and rescale each so that it gives a mean square of 1.

    The last one before each of N residual sums gets 1 / N of what the stream has where all branches are 0. Returns
    (name, Var(W), fan_in, words) of each parameter. Raises ValueError where the model fails on the inputs, or gives
    NaN.
    """
    arguments, named = Inputs(inputs).arguments(model)
    weights, changes = _drawn(model)

    def run(watch: _Watch) -> None:
        for weight in weights.values():
            weight.called = False
        handles = [m.register_forward_hook(watch.hook(path)) for path, m in model.named_modules()]
        mark((arguments, named), new_origin())
        try:
            with Sums(watch.found):
                model(*arguments, **named)
        finally:
            for handle in handles:
                handle.remove()

    with borrowed(model), torch.no_grad(), blaming("the model fails on these inputs"):
        first = _Watch(weights, {}, rescales=False)
        run(first)  # which modules end a branch
        second = _Watch(weights, dict.fromkeys(first.streams, 0.0))
        run(second)  # what the stream is without branches
        count = len(first.streams)
        targets = {module: (second.streams.get(module) or 1.0) / count for module in first.streams}
        third = _Watch(weights, targets)
        run(third)
    for weight in {id(w): w for w in weights.values()}.values():
        changes.append((weight.name, moments.mean_square(weight.parameter), weight.fan_in, weight.words))
    return changes + third.left


class _Watch:
    """One pass through a model, which may rescale weights as they are called, and what the modules give.

    Attributes
    ----------
    streams
        The modules that end a branch: the last one of weights before each residual sum, unless a norm comes after it;
        with the mean square of the sum.
    left
        What is left as it was, with what it gives.
    """

    def __init__(self, weights: dict, targets: dict, rescales: bool = True):
        self.weights, self.targets, self.rescales = weights, targets, rescales
        self.streams: dict[nn.Module, float] = {}
        self.left: list[tuple] = []
        self._last: nn.Module | None = None

    def found(self, total: torch.Tensor, earlier) -> None:
        """Note a residual sum."""
        if self._last is not None:
            self.streams[self._last] = moments.mean_square(total)
        self._last = None

    def hook(self, path: str):
        """Return the forward hook of the module at ``path``."""

        def leave(module, args, output):
            if module in self.weights or isinstance(module, (*NORMS, nn.Embedding)):
                self._last = module if module in self.weights else None
            if self.rescales:
                output = self._rescaled(path, module, output)
            mark(output, new_origin())
            return output

        return leave

    def _rescaled(self, path: str, module: nn.Module, output):
        first = first_floating(output)
        if first is None:
            return output
        square = moments.mean_square(first)
        if not math.isfinite(square):
            raise ValueError(f"{path or 'the model'} gives NaN or infinity")
        if isinstance(module, nn.RNNBase):
            words = f"left as it was: nn.{type(module).__name__}, which gives E[h²] = {square:.4g}"
            names = (full_name(path, name) for name in module._parameters)
            self.left.extend((name, None, None, words) for name in names)
        weight = self.weights.get(module)
        if weight is None or weight.called:
            return output
        weight.called, target = True, self.targets.get(module, 1.0)
        if not square:
            weight.words = "1/n: what it reads is 0"
            return output
        factor = math.sqrt(target / square)
        if target:
            weight.parameter.mul_(factor)
            weight.words = f"measured: E[z²] = {target:.4g}"
            if module in self.targets:
                weight.words += f", the last before one of {len(self.targets)} sums"
        scaled = first * factor
        return scaled if output is first else (scaled, *output[1:])


def _drawn(model: nn.Module) -> tuple[dict[nn.Module, _Weight], list[tuple]]:
    """Draw each weight with variance 1 / n; return those by module."""
    shared = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    found, changes, known = {}, [], {}
    for path, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention):  # which calls no Linear, but uses its weight
            p = module.out_proj.weight
            found[module] = known[id(p)] = _Weight(f"{path}.out_proj.weight".strip("."), p, p.shape[1])
        for own, fan_in in _matrices(module):
            name, p = full_name(path, own), module._parameters.get(own)
            if p is None or id(p) in shared:  # computed from others, as weight_norm does; or an embedding's
                continue
            p.normal_(0.0, 1 / math.sqrt(fan_in))
            if isinstance(module, nn.MultiheadAttention):
                changes.append((name, 1 / fan_in, fan_in, "1/n: queries, keys and values"))
            else:
                found[module] = known.setdefault(id(p), _Weight(name, p, fan_in))
    return found, changes


def _matrices(module: nn.Module) -> list[tuple[str, int]]:
    """Return the names of a module's weights, which it is linear in but for attention's first, and their fan_in."""
    if isinstance(module, nn.MultiheadAttention):
        return [(name, p.shape[1]) for name, p in module._parameters.items() if p is not None and p.ndim == 2]
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor):
        return []
    if isinstance(module, (nn.Linear, *_CONVOLUTIONS)):
        return [("weight", weight[0].numel())]
    if isinstance(module, _TRANSPOSED):
        return [("weight", max(module.in_channels * math.prod(module.kernel_size) // math.prod(module.stride), 1))]
    if is_conv1d(module):
        return [("weight", weight.shape[0])]
    return []
