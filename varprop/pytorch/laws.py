"""The weights of a model's Linears as `Dense`: by the laws that `weights` finds, and each once."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from ..initializers import VarianceScaling, initializer
from ..layers import Dense
from ..layers.dense import SMALLEST
from ..weight_rules import REJECT, Fans, fits, rules
from ..weight_truth import WeightTruth, weight_truth
from .weights import weights

_LINEAR = initializer("torch:linear")
_NONE = VarianceScaling(SMALLEST, "none")  # stands for weights of 0: the least variance that a Dense may have
_FELT = 0.01  # share of E[z^2] that comes from a mean of the weights other than 0, from which theory would be wrong
_FRESH = "theory takes every layer's weights for a draw of their own, and would be wrong here"


class Fresh:
    """The weights of a model that will be drawn anew, as they are read layer by layer: their numbers do not matter."""

    def __init__(self, model: nn.Module, truths: Iterable[WeightTruth] = ()):
        self._own = dict(model.named_parameters(remove_duplicate=False))
        self._truths = {truth.name: truth for truth in truths}
        self._read: set[str] = set()

    def check(self, name: str) -> None:
        """Raise ValueError where a weight is read a second time, or is one with, or equal to, one that was read."""
        if name in self._read:
            raise ValueError(f"it is called twice: {_FRESH}")
        equal = self._truths[name].equal_to if name in self._truths else ()
        for other in self._read:
            if other in self._own and self._own[other] is self._own.get(name):
                raise ValueError(f"it has the weights of {other.removesuffix('.weight')}: {_FRESH}")
            if other in equal:
                raise ValueError(f"it is a copy of the weights of {other.removesuffix('.weight')}: {_FRESH}")
        self._read.add(name)

    def dense(self, weight: torch.Tensor, bias: torch.Tensor | None, name: str = "", bias_name: str = "") -> Dense:
        """Return a Dense of LeCun's law. Raises ValueError for a weight that is no parameter, since none is drawn."""
        if not name:
            raise ValueError("its weight is no parameter")
        return Dense(weight.shape[0], "lecun")


class Weights(Fresh):
    """The weights of one model as they are."""

    def __init__(self, model: nn.Module):
        super().__init__(model, weights(model))

    def dense(self, weight: torch.Tensor, bias: torch.Tensor | None, name: str = "", bias_name: str = "") -> Dense:
        """Return the Dense of a weight (fan_out, fan_in) and its biases, parameters of these names or computed.

        Weights of no known law are normal, of their own mean square. Raises ValueError where the numbers are not
        what a draw of mean 0 gives.
        """
        if weight.ndim != 2 or weight.device.type == "meta":
            raise ValueError("its weight is no matrix of numbers (fan_out, fan_in)")
        fans = Fans(weight.shape[1], weight.shape[0])
        truth = self._truths.get(name) or weight_truth(name, [_array(weight)], fans, owner="Linear")
        law, biases = _law(truth, weight, fans), self._bias_variance(bias, bias_name, fans)
        if _LINEAR.without_biases() == law and biases == _LINEAR.bias_variance(*fans.known):
            return Dense(weight.shape[0], "torch:linear")
        return Dense(weight.shape[0], law, bias_variance=biases)

    def _bias_variance(self, bias: torch.Tensor | None, name: str, fans: Fans) -> float:
        if bias is None or not bool(bias.detach().any()):
            return 0.0
        truth = self._truths.get(name) or weight_truth(name, [_array(bias)], fans, owner="Linear", kind="bias")
        if not math.isfinite(truth.variance):
            raise ValueError(f"its biases are {truth.rule}")
        law = truth.law or _default(truth, bias, fans)
        if law is not None:
            return law.variance(*fans.known)
        square = truth.variance + truth.mean**2
        if truth.count > 1 and truth.mean**2 > 0.5 * square and _far(truth):
            raise ValueError(f"its biases have the mean {truth.mean:.3g}, where varprop's have mean 0")
        return square


def _law(truth: WeightTruth, weight: torch.Tensor, fans: Fans) -> VarianceScaling:
    if truth.finding == "zeros":
        return _NONE
    if truth.finding is not None:
        raise ValueError(f"its weights are {truth.rule}")
    law = truth.law or _default(truth, weight, fans)
    if law is not None:
        return law
    square = truth.variance + truth.mean**2
    fan_in, _ = fans.known
    if _far(truth) and fan_in * truth.mean**2 > _FELT * square:
        raise ValueError(f"its weights have the mean {truth.mean:.3g}, which z feels, where varprop's have mean 0")
    return VarianceScaling(square * fan_in, "fan_in")


def _default(truth: WeightTruth, tensor: torch.Tensor, fans: Fans) -> VarianceScaling | None:
    """Return PyTorch's default law where a tensor of few numbers, which tell no law apart, may well be of it."""
    rule = rules(fans, "Linear", True)[0]
    kurtosis = truth.kurtosis if math.isfinite(truth.kurtosis) else 1.0
    size, eps = float(tensor.detach().abs().max()), torch.finfo(tensor.dtype).eps
    numbers = truth.count, truth.mean, truth.variance + truth.mean**2, kurtosis, size, eps
    return rule.law if fits(rule, *numbers) else None


def _far(truth: WeightTruth) -> bool:
    """Return whether the mean of a tensor is further from 0 than chance explains."""
    return abs(truth.mean) * math.sqrt(truth.count) > REJECT * math.sqrt(truth.variance)


def _array(tensor: torch.Tensor):
    return tensor.detach().to("cpu", torch.float64).numpy()
