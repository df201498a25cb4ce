"""What an audit borrows and gives back: random states, a model's mode, gradients, buffers."""

import random
from collections.abc import Callable
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def random_states():
    """Give back the random states of torch (every device in use), NumPy and Python as they were, after an error too."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002, since models may use it
    dtype = torch.get_default_dtype()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])
        torch.set_default_dtype(dtype)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)


def seed_all(seed: int, network: int) -> torch.Generator:
    """Seed torch, NumPy and Python for one network; return a generator of its own for the gradient at the output."""
    words = np.random.SeedSequence([seed, network]).generate_state(4, np.uint64)
    torch.manual_seed(int(words[0] >> np.uint64(1)))
    np.random.seed(int(words[1] >> np.uint64(32)))  # noqa: NPY002, since models may use it
    random.seed(int(words[2]))
    return torch.Generator().manual_seed(int(words[3] >> np.uint64(1)))


@contextmanager
def borrowed(model: torch.nn.Module):
    """Ask for the gradient of every floating parameter, and give the model back as it was.

    A factory may return the same model again and again, which is then somebody's own. Yields the names of the
    parameters that were frozen.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    frozen = {name for name, p in parameters.items() if not p.requires_grad}
    gradients = [(p, p.requires_grad, p.grad) for p in parameters.values()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers() if not _is_lazy(buffer)]
    modes = [(module, module.training) for module in model.modules()]
    try:
        for p, _, _ in gradients:
            p.grad = None
            if p.is_floating_point():
                p.requires_grad_(True)
        yield frozen
    finally:
        for p, wanted, gradient in gradients:
            p.grad = gradient
            p.requires_grad_(wanted)
        with torch.no_grad():
            for buffer, was in buffers:
                buffer.copy_(was)
        for module, mode in modes:
            module.training = mode


def _is_lazy(tensor) -> bool:
    return torch.nn.parameter.is_lazy(tensor)


@contextmanager
def gradients_on():
    """Record gradients, wherever the caller is: under no_grad or inference mode, with functions compiled or not."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stance: Callable | None = getattr(torch.compiler, "set_stance", None)
        if stance is not None:
            stack.enter_context(stance("force_eager"))  # compiled code calls no hooks
        yield
