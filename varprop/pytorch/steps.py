"""How fast a recurrent module forgets: the gradient of its last step by the inputs of the steps before."""

import torch
from torch import nn

from ..fates import SHORTEST
from . import moments

MOST = 32  # steps back that are kept: enough to tell a factor, and float32 seldom loses such a gradient


def gradients_by_step(module: nn.RNNBase, args, kwargs) -> list[float]:
    """Return E[(d loss / d x_t)^2] of the input of each step, the last step's first; of N(0, 1) at the last output.

    Empty where the module is given no whole sequence as a tensor. What is cut off of the graph leaves the gradients
    of parameters alone.
    """
    x = args[0] if args else kwargs.get("input")
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        return []
    time = 1 if module.batch_first and x.ndim == 3 else 0
    if x.shape[time] < SHORTEST:
        return []
    x = x.detach().clone().requires_grad_()
    rest = {name: value for name, value in kwargs.items() if name != "input"}
    with torch.enable_grad():
        output, _ = module.forward(x, *args[1:], **rest)  # not the module itself, whose hooks would count it
        last = output.select(time, -1)
        (found,) = torch.autograd.grad(last, x, torch.randn_like(last))
    return [moments.mean_square(step) for step in found.unbind(time)[::-1][:MOST]]
