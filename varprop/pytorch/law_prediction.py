"""The second moment that a layer's weights must give from its own input: E[z^2] = Var(W) sum E[x^2] + Var(b).

It holds where the weights are independent of their input, of mean 0, and of each other. The weights' variance is the
tensor's own second moment: then measured over predicted has mean 1 whatever the law's variance is, since the squares
of exchangeable weights share their sum equally. What the law's variance should be is `varprop.weight_truth`'s question.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from . import moments

NO_LAW = "theory knows Linear, Conv and Embedding"
SECOND_CALL = "its input depends on the same weights: it was called before"


class Predictor:
    """Predicts second moments in one network, call by call; knows which weights were used before."""

    def __init__(self, model: nn.Module):
        self._users: dict[int, str] = {}
        self._alike: dict[tuple, list[tuple[str, torch.Tensor]]] = {}
        self._owners: dict[int, list[str]] = {}
        for path, module in model.named_modules():
            weight = module._parameters.get("weight")
            if weight is not None:
                self._owners.setdefault(id(weight), []).append(path)

    def __call__(self, path: str, module: nn.Module, x, measured: float) -> tuple[float, float, str]:
        """Return the prediction, measured over it, and, where both are NaN, why."""
        form = _form(module)
        if form is None or x is None:
            return math.nan, math.nan, NO_LAW
        reason = self._seen(path, module.weight)
        if not reason and not isinstance(module, nn.Embedding) and not x.is_floating_point():
            reason = NO_LAW
        if reason:
            return math.nan, math.nan, reason
        predicted = form(module, x)
        if not math.isfinite(predicted) or not math.isfinite(measured):
            return math.nan, math.nan, "it is not finite"
        if predicted == 0:
            return 0.0, 1.0 if measured == 0 else math.nan, ""
        return predicted, measured / predicted, ""

    def _seen(self, path: str, weight: torch.Tensor) -> str:
        """Return why the input may depend on these weights; nothing where it does not."""
        before = self._users.get(id(weight))
        if before == path:
            return SECOND_CALL
        if before is not None:
            return f"its input depends on the same weights: it shares those of {before}"
        self._users[id(weight)] = path
        own = weight.detach().reshape(-1)
        key = (weight.numel(), *own[:8].tolist())
        constant = bool((own == own[0]).all()) if own.numel() else True
        for other, known in self._alike.setdefault(key, []):
            if not constant and torch.equal(known, own):
                return f"its input depends on equal weights: it is a copy of {other}"
        self._alike[key].append((path, own))
        return ""


def _form(module):
    """Return the function that predicts of a module; None where theory does not say."""
    if isinstance(module, nn.Embedding):
        return None if module.max_norm is not None else _embedding
    if isinstance(module, nn.Linear):
        return _linear
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return _conv
    if type(module).__name__ == "Conv1D" and hasattr(module, "nf"):  # of transformers: a Linear, transposed
        return _linear
    return None


def _bias(module) -> float:
    return 0.0 if module.bias is None else moments.mean_square(module.bias)


def _linear(module, x) -> float:
    fan_in = x.shape[-1]
    return moments.mean_square(module.weight) * moments.mean_square(x) * fan_in + _bias(module)


def _conv(module, x) -> float:
    """Each output sees a patch, at edges with what padding puts there: x^2 convolved with ones."""
    spatial = len(module.kernel_size)
    squares = moments.mean_squares(x if x.ndim == spatial + 2 else x.unsqueeze(0), 0)
    groups = squares.reshape(1, module.groups, -1, *squares.shape[1:]).sum(dim=2)
    ones = squares.new_ones(module.groups, 1, *module.kernel_size)
    padding = module.padding
    if module.padding_mode != "zeros":
        groups = functional.pad(groups, module._reversed_padding_repeated_twice, mode=module.padding_mode)
        padding = 0
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[spatial - 1]
    seen = convolve(groups, ones, None, module.stride, padding, module.dilation, module.groups)
    return moments.mean_square(module.weight) * float(seen.mean()) + _bias(module)


def _embedding(module, x) -> float:
    weight = module.weight
    if module.padding_idx is None:
        return moments.mean_square(weight)
    padding = module.padding_idx
    own = torch.cat((weight[:padding], weight[padding + 1 :]))
    padded = float((x == padding).double().mean())
    return moments.mean_square(own) * (1 - padded) + moments.mean_square(weight[padding]) * padded
