"""What a model is given: tensors, arrays, tuples, dicts, or a function that makes them anew for each network."""

import inspect
import math
from collections.abc import Mapping

import numpy as np
import torch

from ..checks import quote
from .blame import blaming
from .moments import mean_square
from .sums import tensors_in

USUAL = 0.01, 100.0  # E[x^2] that nobody need be told of
GIVE = "a tensor, a NumPy array, a tuple of arguments, a dict (of named ones), or a function that returns these"


class Inputs:
    """Inputs as a caller gives them: the same for every network, or made anew by a function of no arguments."""

    def __init__(self, inputs):
        self._make = inputs if _is_function(inputs) else None
        self._given = inputs
        if self._make is None:
            _checked(inputs)

    def arguments(self, model: torch.nn.Module) -> tuple[tuple, dict]:
        """Return positional and named arguments: copies on the model's device, floats in its dtype.

        Raises TypeError or ValueError for what is no input.
        """
        given = self._given
        if self._make is not None:
            with blaming("the function that makes inputs fails"):
                given = self._make()
            _checked(given)
        like = next((p for p in model.parameters() if p.is_floating_point()), None)

        def fitted(value):
            if isinstance(value, np.ndarray | np.generic):
                value = torch.from_numpy(np.array(value))
            if isinstance(value, torch.Tensor):
                value = value.detach().clone()
                if like is None:
                    return value
                return value.to(like.device, like.dtype) if value.is_floating_point() else value.to(like.device)
            if isinstance(value, Mapping):
                return {key: fitted(part) for key, part in value.items()}
            if isinstance(value, tuple | list):
                return type(value)(fitted(part) for part in value) if type(value) in (tuple, list) else value
            return value

        if isinstance(given, Mapping):
            return ((), fitted(given)) if _names_arguments(given, model) else ((fitted(given),), {})
        if isinstance(given, tuple):
            return fitted(given), {}
        return (fitted(np.asarray(given) if isinstance(given, list) else given),), {}


def scale_note(given) -> str | None:
    """Return what is unusual in the size of floats among inputs: rules take a mean of 0 and a variance of 1."""
    for tensor in tensors_in(given):
        square = mean_square(tensor) if tensor.is_floating_point() and tensor.numel() else math.nan
        if square < USUAL[0] or USUAL[1] < square < math.inf:  # a mask may be infinite
            return (
                f"Inputs have E[x²] = {square:.3g} and mean {float(tensor.float().mean()):.3g}, where rules of "
                "initialization take 1 and 0: give them scaled as in training."
            )
    return None


def cure_for(given) -> str:
    """Return what to do where a model rejects whole numbers, else nothing."""
    whole = {str(tensor.dtype) for tensor in tensors_in(given) if not tensor.is_floating_point()}
    return f"inputs are {' and '.join(sorted(whole))}, which only embeddings take: else give floats" if whole else ""


def _is_function(inputs) -> bool:
    return callable(inputs) and not isinstance(inputs, torch.Tensor | np.ndarray | Mapping)


def _names_arguments(given: Mapping, model: torch.nn.Module) -> bool:
    """Return whether a dict's keys name the model's arguments, as with transformers' models."""
    taken = inspect.signature(model.forward).parameters.values()
    return any(own.kind is own.VAR_KEYWORD or own.name in given for own in taken)


def _checked(inputs) -> None:
    """Raise TypeError unless there is a tensor or an array in ``inputs``, and ValueError for empty ones and NaN."""
    found = list(_arrays(inputs))
    if not found:
        raise TypeError(f"inputs is {quote(inputs)}; give {GIVE}.")
    for array in found:
        if 0 in array.shape:
            raise ValueError(f"inputs hold an empty array, of shape {tuple(array.shape)}; give at least one row.")
        if bool((array != array).any()):
            raise ValueError("inputs hold NaN; what comes of it says nothing about the model.")


def _arrays(value):
    if isinstance(value, list):
        try:
            value = np.asarray(value)
        except ValueError:
            raise ValueError("inputs is a list that is no array; its rows must be alike.") from None
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "fciub":
            raise TypeError(f"inputs hold an array of type {value.dtype}; give numbers.")
        yield value
    elif isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _arrays(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from _arrays(part)
