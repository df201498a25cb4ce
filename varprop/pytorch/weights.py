"""The weights of a PyTorch model: their fans, who shares them, and the rules they were drawn by."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..entries import Entries
from ..weight_truth import Fans, WeightTruth, of_one_model, weight_truth

if TYPE_CHECKING:
    import torch
    from torch import nn

_SAMPLE = 64  # numbers of a tensor that tell apart most that are not equal
_TINY = 8  # numbers below which two tensors may be equal by chance


@dataclass(frozen=True)
class _Tensor:
    """A parameter where a module has it: what it is of, and a tensor of its numbers."""

    name: str
    module: "nn.Module"
    own: str
    value: "torch.Tensor"


class Survey:
    """The weights of one model after another, alike but for their numbers."""

    def __init__(self):
        self._entries: dict[str, Entries] = {}
        self._about: dict[str, dict] = {}

    def add(self, model) -> None:
        """Look at one more network's parameters."""
        tensors = list(_tensors(model))
        if not self._about:
            tied, equal = _tied(tensors), _equal(tensors)
            for tensor in tensors:
                owner = type(tensor.module).__name__
                self._about[tensor.name] = {
                    "fans": fans_of(tensor.module, tensor.own, tensor.value),
                    "shape": tuple(tensor.value.shape),
                    "owner": {"NonDynamicallyQuantizableLinear": "Linear"}.get(owner, owner),
                    "kind": kind_of(tensor.module, tensor.own, tensor.value),
                    "tied": tied.get(tensor.name, ()),
                    "equal_to": equal.get(tensor.name, ()),
                }
                self._entries[tensor.name] = Entries(_rounding(tensor.value))
        for tensor in tensors:
            entries = self._entries.get(tensor.name)
            if entries is not None and not entries.enough:
                entries.add(_numbers(tensor))

    def truths(self) -> tuple[WeightTruth, ...]:
        """Return what they are; biases of 0 and gains of 1 are left out."""
        found = (weight_truth(name, self._entries[name], **about) for name, about in self._about.items())
        return of_one_model(truth for truth in found if not _plain(truth))


def weights(models) -> tuple[WeightTruth, ...]:
    """Return the truth about the weights of an ``nn.Module``, or of several networks of one kind taken together.

    Biases that are all 0 and gains that are all 1 are left out. Convolutions count their groups, transposed ones the
    inputs that reach an output; an Embedding's fan_in is 1, since each output is one of its numbers. Of what module a
    tensor is that varprop does not know, its shape decides as in ``torch.nn.init``; a bare parameter that is no
    ``weight`` has no fan_in.
    """
    from torch import nn

    survey = Survey()
    for model in [models] if isinstance(models, nn.Module) else models:
        survey.add(model)
    return survey.truths()


def fans_of(module, own: str, value) -> Fans:
    """Return the fans of a module's parameter ``own``, whose numbers are ``value``; of a bias those of its weight."""
    from torch import nn

    if value.ndim < 2:
        weight = getattr(module, _weight_beside(own), None)
        if weight is None or weight.ndim < 2 or isinstance(module, nn.Embedding | nn.EmbeddingBag):
            return Fans(None, None)
        return fans_of(module, _weight_beside(own), weight)
    rows, columns, kernel = value.shape[0], value.shape[1], math.prod(value.shape[2:])
    counted = columns * kernel, rows * kernel
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return Fans(1, columns, *counted)
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return Fans(columns, rows, stacked=rows // module.hidden_size or 1, hidden=module.hidden_size)
    if isinstance(module, nn.MultiheadAttention) and own == "in_proj_weight":
        return Fans(columns, rows // 3, *counted, stacked=3)
    if isinstance(module, nn.modules.conv._ConvNd):
        groups = module.groups
        if module.transposed:  # a stride puts zeros between its inputs
            reach = max(rows // groups * kernel // math.prod(module.stride), 1)
            return Fans(reach, columns * kernel, *counted, groups)
        return Fans(columns * kernel, rows // groups * kernel, *counted, groups)
    if is_conv1d(module):
        return Fans(rows, columns)
    if "weight" in own.split("_") or own == "weight":
        return Fans(*counted)
    return Fans(None, None)


def is_conv1d(module) -> bool:
    """Return whether a module is the Conv1D of transformers: a Linear, its weight transposed."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def full_name(path: str, own: str) -> str:
    """Return the name in the model of a parameter that the module at ``path`` has by the name ``own``."""
    return f"{path}.{own}" if path else own


def _weight_beside(own: str) -> str:
    return own.replace("bias", "weight")


def kind_of(module, own: str, value) -> str:
    """Return whether a parameter is a ``"weight"``, a ``"bias"`` or a ``"gain"``."""
    if "bias" in own.split("_"):
        return "bias"
    return "weight" if value.ndim >= 2 else "gain"


def _plain(truth: WeightTruth) -> bool:
    """Return whether a tensor goes without saying: a bias of 0, a gain of 1."""
    return (truth.kind, truth.rule) in (("bias", "all zeros"), ("gain", "all ones"))


def _tensors(model) -> Iterator[_Tensor]:
    """Yield every floating parameter under each of its names; of a parametrized one what the module computes by it."""
    from torch.nn.parameter import is_lazy
    from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

    for path, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, ParametrizationList):
            continue
        own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
        if is_parametrized(module):
            own.update((name, getattr(module, name)) for name in module.parametrizations)
        for name, value in own.items():
            if not is_lazy(value) and value.is_floating_point() and value.numel():
                yield _Tensor(full_name(path, name), module, name, value.detach())


def _numbers(tensor: _Tensor):
    """Return a parameter's numbers as a NumPy array; of an Embedding without the row that stays 0."""
    import torch

    value, spared = tensor.value, getattr(tensor.module, "padding_idx", None)
    if spared is not None and value.ndim == 2 and not value[spared].any():
        value = torch.cat([value[:spared], value[spared + 1 :]])
    if value.dtype not in (torch.float32, torch.float64):
        value = value.to(torch.float32)
    return value.cpu().numpy()


def _rounding(value) -> float:
    import torch

    return torch.finfo(value.dtype).eps


def _tied(tensors: Iterable[_Tensor]) -> dict[str, tuple[str, ...]]:
    """Return for each name the others of the same memory."""
    groups: dict[tuple, list[str]] = {}
    for tensor in tensors:
        value = tensor.value
        groups.setdefault((value.device, value.data_ptr(), value.shape, value.stride()), []).append(tensor.name)
    return _others(groups.values())


def _equal(tensors: Iterable[_Tensor]) -> dict[str, tuple[str, ...]]:
    """Return for each name those of other memory with equal numbers, which are not all one number."""
    import torch

    groups: dict[tuple, list[list[_Tensor]]] = {}
    for tensor in tensors:
        value = tensor.value
        some = value.reshape(-1)[:_SAMPLE]
        if value.numel() < _TINY or (some == some[0]).all():
            continue
        alike = groups.setdefault((value.dtype, value.shape, tuple(some.tolist())), [])
        if any(value.data_ptr() == other.value.data_ptr() for group in alike for other in group):
            continue
        group = next((group for group in alike if torch.equal(group[0].value, value)), None)
        if group is None:
            alike.append([tensor])
        else:
            group.append(tensor)
    return _others([t.name for t in group] for alike in groups.values() for group in alike)


def _others(groups: Iterable[list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(n for n in group if n != name) for group in groups if len(group) > 1 for name in group}
