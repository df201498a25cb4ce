"""Weights that come once: theory takes every layer's for a draw of their own."""

import torch

from ..checks import quote

_WRONG = "theory takes every layer's weights for a draw of their own, and would be wrong here"


class Weights:
    """The weights read so far."""

    def __init__(self):
        self._paths: dict[tuple, str] = {}
        self._alike: dict[tuple, list[tuple[str, torch.Tensor]]] = {}

    def add(self, path: str, weight) -> None:
        """Add the weight of the layer at ``path``.

        Raises ValueError unless it is a matrix, and where it was added before or one of those has the same numbers.
        """
        if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
            raise ValueError(f"its weight is {quote(weight)}; varprop knows matrices (fan_out, fan_in)")
        if weight.device.type == "meta":
            return
        shape = tuple(weight.shape)
        place = (weight.data_ptr(), shape)
        if place in self._paths:
            other = self._paths[place]
            raise ValueError(f"{'it is called twice' if other == path else f'it has the weights of {other}'}: {_WRONG}")
        self._paths[place] = path
        own = weight.detach()
        sums = (shape, float(own.double().sum()), float(own.double().abs().sum()))
        if weight.numel() == 1 or not sums[2]:
            return
        for other, before in self._alike.setdefault(sums, []):
            if torch.equal(before.cpu(), own.cpu()):
                raise ValueError(f"it has the same numbers as {other}, a copy: {_WRONG}; draw them again")
        self._alike[sums].append((path, own))
