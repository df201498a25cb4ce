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
from .sums import Sums, mark, new_origin, tensors_in

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

    The last one before a residual sum gets 1 / N of that, N sums in all. Returns (name, Var(W), fan_in, words) of each
    parameter. Raises ValueError where the model fails on the inputs, or gives NaN.
    """
    arguments, named = Inputs(inputs).arguments(model)
    weights, changes = _drawn(model)
    with borrowed(model), torch.no_grad(), blaming("the model fails on these inputs"):
        ends = _ends(model, weights, arguments, named)
        handles = [
            m.register_forward_hook(_rescale(weights.get(m), len(ends), m in ends, changes, path))
            for path, m in model.named_modules()
        ]
        try:
            model(*arguments, **named)
        finally:
            for handle in handles:
                handle.remove()
    for weight in {id(w): w for w in weights.values()}.values():
        changes.append((weight.name, moments.mean_square(weight.parameter), weight.fan_in, weight.words))
    return changes


def _drawn(model: nn.Module) -> tuple[dict[nn.Module, _Weight], list[tuple]]:
    """Draw each weight with variance 1 / n; return those by module."""
    shared = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    found, changes, known = {}, [], {}
    for path, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention):  # which calls no Linear, but uses its weight
            p = module.out_proj.weight
            found[module] = known[id(p)] = _Weight(f"{path}.out_proj.weight".strip("."), p, p.shape[1])
        for own, fan_in in _matrices(module):
            name, p = f"{path}.{own}" if path else own, module._parameters.get(own)
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
    if type(module).__name__ == "Conv1D" and hasattr(module, "nf"):  # of transformers: a Linear, transposed
        return [("weight", weight.shape[0])]
    return []


def _ends(model: nn.Module, weights: dict, arguments, named) -> set[nn.Module]:
    """Return the modules that end a residual branch: the last one of these called before each sum, if no norm was."""
    ends, last = set(), [None]

    def leave(module, args, output):
        if module in weights or isinstance(module, (*NORMS, nn.Embedding)):
            last[0] = module if module in weights else None
        mark(output, new_origin())

    def found(total) -> None:
        if last[0] is not None:
            ends.add(last[0])
        last[0] = None

    handles = [module.register_forward_hook(leave) for module in model.modules()]
    mark((arguments, named), new_origin())
    try:
        with Sums(found):
            model(*arguments, **named)
    finally:
        for handle in handles:
            handle.remove()
    return ends


def _rescale(weight: "_Weight | None", sums: int, ends: bool, changes: list, path: str):
    """Return a hook that rescales a weight, and what its module gives, when that is first called."""

    def hook(module, args, output):
        first = next((t for t in tensors_in(output) if t.is_floating_point()), None)
        if first is None:
            return None
        square = moments.mean_square(first)
        if not math.isfinite(square):
            raise ValueError(f"{path or 'the model'} gives NaN or infinity")
        if weight is None and isinstance(module, nn.RNNBase):
            words = f"left as it was: nn.{type(module).__name__}, which gives E[h²] = {square:.4g}"
            names = (f"{path}.{name}" if path else name for name in module._parameters)
            changes.extend((name, None, None, words) for name in names)
        if weight is None or weight.called:
            return None
        weight.called = True
        if not square:
            weight.words = "1/n: what it reads is 0"
            return None
        target = 1 / sums if ends else 1.0
        factor = math.sqrt(target / square)
        weight.parameter.mul_(factor)
        weight.words = f"measured: E[z²] = {target:.4g}, was {square:.4g} at 1/n"
        if ends:
            weight.words += f"; last before a sum, 1/{sums} each" if sums > 1 else "; last before a sum"
        scaled = first * factor
        return scaled if output is first else (scaled, *output[1:])

    return hook
