"""The second moment that a layer's weights must give from its own input: E[z^2] = Var(W) sum E[x^2] + E[b^2].

It holds where the weights are independent of their input, of mean 0, and of each other. Var(W) is that of the law where
`varprop.weight_truth` finds one. Else it is the tensor's own mean square, and measured over predicted still has mean 1
whatever the law's variance is, since the squares of exchangeable weights share their sum equally.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from . import moments
from .weights import is_conv1d

NO_LAW = "theory knows Linear, Conv and Embedding"
NOT_FINITE = "it is not finite"
SECOND_CALL = "its input depends on the same weights: it was called before"


@dataclass(frozen=True)
class Prediction:
    """What one network's weights must give at one call: ``own * seen + bias``.

    Attributes
    ----------
    own
        The mean square of the weights.
    seen
        The sum of E[x^2] over what a unit sees of its input, on average.
    bias
        The mean square of what is added.
    reason
        Why there is no prediction; empty where there is one.
    """

    own: float = 0.0
    seen: float = 0.0
    bias: float = 0.0
    reason: str = ""

    @property
    def value(self) -> float:
        """The prediction."""
        return self.own * self.seen + self.bias


class Predictor:
    """Predicts second moments in one network, call by call; knows which weights were used before."""

    def __init__(self):
        self._users: dict[int, str] = {}
        self._alike: dict[tuple, list[tuple[str, torch.Tensor]]] = {}

    def __call__(self, path: str, module: nn.Module, x) -> Prediction:
        """Return the prediction of a call from its input."""
        form = _form(module)
        if form is None or x is None:
            return Prediction(reason=NO_LAW)
        reason = self._seen(path, module.weight)
        if reason:
            return Prediction(reason=reason)
        seen, bias = form(module, x)
        found = Prediction(_own(module), seen, bias)
        return found if math.isfinite(found.value) else Prediction(reason=NOT_FINITE)

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
    if is_conv1d(module):
        return _linear
    return None


def _own(module) -> float:
    """Return the mean square of the weights, those of an embedding's padding left out."""
    weight, padding = module.weight, getattr(module, "padding_idx", None)
    if padding is not None:
        weight = torch.cat((weight[:padding], weight[padding + 1 :]))
    return moments.mean_square(weight)


def _bias(module) -> float:
    return 0.0 if module.bias is None else moments.mean_square(module.bias)


def _linear(module, x) -> tuple[float, float]:
    return moments.mean_square(x) * x.shape[-1], _bias(module)


def _conv(module, x) -> tuple[float, float]:
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
    return float(seen.mean()), _bias(module)


def _embedding(module, x) -> tuple[float, float]:
    """Each output is one weight, or one of the row of padding."""
    if module.padding_idx is None:
        return 1.0, 0.0
    padded = float((x == module.padding_idx).double().mean())
    return 1 - padded, padded * moments.mean_square(module.weight[module.padding_idx])
