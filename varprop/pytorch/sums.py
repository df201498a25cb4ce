"""Residual sums, found while the model runs: an addition of two signals that went through different modules.

Tracing (torch.fx) sees sums only in models without control flow on data; most of `transformers` is none. Here each
tensor carries the module calls that it stems from, which torch's function mode hands on from operation to operation;
a functional such as F.multi_head_attention_forward is one operation, whose inner additions are its own affair.
"""

from collections.abc import Mapping
from itertools import count

import torch
from torch.overrides import TorchFunctionMode

ADDITIONS = {"add", "add_", "__add__", "__radd__", "__iadd__"}
_ORIGIN = "_varprop_origin"  # of a tensor: a frozenset of numbers of calls
_STREAM = "_varprop_stream"  # of a tensor: the residual sum whose value it still is, up to activations and dropout
_numbers = count()


def is_signal(value) -> bool:
    """Return whether a value is a tensor that stems from the inputs or from a module."""
    return isinstance(value, torch.Tensor) and bool(getattr(value, _ORIGIN, None))


def new_origin() -> frozenset:
    """Return an origin that no tensor had before."""
    return frozenset((next(_numbers),))


def mark(value, origin: frozenset) -> None:
    """Let all tensors in nested tuples, lists and dicts stem from ``origin``."""
    for tensor in tensors_in(value):
        setattr(tensor, _ORIGIN, origin)


def leave_stream(value) -> None:
    """Let no tensor in nested tuples, lists and dicts be a residual sum's value any more."""
    for tensor in tensors_in(value):
        setattr(tensor, _STREAM, None)


def tensors_in(value):
    """Yield the tensors in nested tuples, lists, dicts and dataclasses, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        for name in value.__dataclass_fields__:
            yield from tensors_in(getattr(value, name))


def first_floating(value) -> torch.Tensor | None:
    """Return the first floating tensor in nested tuples, lists and dicts; None without one."""
    return next((t for t in tensors_in(value) if t.is_floating_point()), None)


class Sums(TorchFunctionMode):
    """Calls ``found(sum, earlier)`` for each residual sum while it is entered, but while ``pause``.

    ``earlier`` names the sum that a branch is added to, None where a norm or weights lie between; ``found`` returns
    the new sum's name, or None to let the stream go on as it was. ``called(name, args, kwargs)``, if
    given, hears of each function of a signal, with what that is given beside it.
    """

    def __init__(self, found, called=None):
        super().__init__()
        self.found, self.called, self.pause = found, called, False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if self.pause:
            return out
        name = getattr(func, "__name__", "")
        if name == "__setitem__":
            out_tensor, operands = args[0], args
        else:
            out_tensor, operands = out, args
        origins = [getattr(t, _ORIGIN, frozenset()) for t in _near(operands)]
        origin = frozenset().union(*origins)
        stream = next((s for t in _near(operands) if (s := getattr(t, _STREAM, None))), None)
        if not origin:
            return out
        if self.called is not None and args and isinstance(args[0], torch.Tensor):
            self.called(name, args[1:], kwargs or {})
        if name in ADDITIONS and isinstance(out, torch.Tensor) and _is_residual(args, origins):
            origin = new_origin()
            stream = self.found(out, stream) or stream
        elif "norm" in name:
            stream = None
        for tensor in _near((out_tensor,)):
            setattr(tensor, _ORIGIN, origin)
            setattr(tensor, _STREAM, stream)
        return out


def _near(values):
    """Yield the tensors among ``values`` and in lists and tuples of them: what torch's functions take and give."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            for part in value:
                if isinstance(part, torch.Tensor):
                    yield part


def _is_residual(args, origins) -> bool:
    """Whether two floating signals of one shape are added that do not stem from the same modules."""
    if len(args) < 2 or not all(isinstance(t, torch.Tensor) for t in args[:2]):
        return False
    one, other = args[:2]
    return (
        one.is_floating_point()
        and other.is_floating_point()
        and one.shape == other.shape
        and bool(origins[0])
        and bool(origins[1])
        and origins[0] != origins[1]
    )
