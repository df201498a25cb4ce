"""Audit a PyTorch model: what each call of its modules does to signal and gradient, between networks."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from .. import checks
from ..audits import Audit
from ..checks import quote
from ..progress import bar
from .architecture import Whole, whole
from .blame import blaming, no_memory
from .factory import AsGiven, Factory, Reset
from .inputs import Inputs, cure_for, scale_note
from .measure import Probe
from .state import borrowed, gradients_on, random_states, seed_all
from .summary import Summary
from .sums import tensors_in

MOST = 10**6  # networks


def audit(
    model: nn.Module | Callable[[], nn.Module],
    inputs: Any,
    *,
    networks: int = 20,
    seed: int = 0,
    loss: Callable[[Any], torch.Tensor] | None = None,
    modules: str | Sequence[str] | None = None,
    progress: bool | None = None,
) -> Audit:
    """Measure signal and gradient at each call of a model's modules, with standard errors between networks.

    Parameters
    ----------
    model
        A factory, a class or a function that makes a fresh model, called once a network; or a model, a copy of which
        draws its weights again by its modules' own ``reset_parameters`` or ``_reset_parameters``. The model itself,
        its hooks, mode, gradients and buffers, and all random states are left as they are. Hooks that the model has
        run on the copy too.
    inputs
        A tensor, an array, a tuple of arguments, a dict (of named ones, where a key is an argument's name), or a
        function that makes such anew for each network. Floats are cast to the model's dtype, and all moves to its
        device; the first axis is the batch.
    networks
        How many networks to draw. One takes a model as it stands, without error bars.
    seed
        Equal seeds draw equal networks, and the first ten of twenty are those of ten.
    loss
        None for an independent N(0, 1) gradient on each floating output; or a function from the model's output to a
        scalar.
    modules
        Patterns of module paths to keep, such as ``"encoder.*"``; all by default.
    progress
        Whether to show a progress bar on stderr; by default where a terminal or a notebook reads it.

    Raises
    ------
    TypeError, ValueError
        For bad arguments; a factory that fails or makes no module; a model without parameters, one that rejects its
        inputs (with the path of the module), or of which nothing requires a gradient; one whose weights are not what
        its resets draw.

    Examples
    --------
    >>> from torch import nn, randn
    >>> from varprop.pytorch import audit
    >>> found = audit(lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8)), randn(32, 64), seed=1)
    >>> found.names
    ('0', '1', '2')
    """
    networks = checks.whole(networks, "networks", 1, MOST)
    seed = checks.seed(seed)
    if loss is not None and not callable(loss):
        raise TypeError(f"loss is {quote(loss)}; give None, or a function from the model's output to a scalar.")
    patterns = _patterns(modules)
    with random_states(), gradients_on():
        given = Inputs(inputs)
        seed_all(seed, MOST)
        source = _source(model, given, networks)
        summary = Summary()
        with bar(networks, progress) as advance:
            for network in range(networks):
                try:
                    _add_one(summary, source, given, loss, seed, network, patterns)
                except (MemoryError, RuntimeError) as error:
                    if not no_memory(error):
                        raise
                    which = f"out of memory in network {network + 1} of {networks}"
                    if network == 0:
                        raise ValueError(f"{which}; give a smaller batch.") from error
                    summary.notes.append(f"{which}; the {network} before it are kept.")
                    break
                advance(1, networks)
        if summary.networks > 1:
            source.check_drawn()
        if not summary.names:
            raise ValueError(f"modules is {quote(modules)}, which fits no module that was called.")
        return summary.audit(source, seed=seed, loss="linear" if loss is None else "own")


def _patterns(modules) -> tuple[str, ...] | None:
    if modules is None:
        return None
    found = (modules,) if isinstance(modules, str) else tuple(modules) if checks.is_list(modules) else ()
    if not found or not all(isinstance(pattern, str) for pattern in found):
        raise TypeError(f"modules is {quote(modules)}; give patterns of module paths, such as ['encoder.*'].")
    return found


def _source(model, inputs: Inputs, networks: int):
    """Return where the model of each network comes from."""
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("model is a scripted one, whose modules cannot be watched; give the model before torch.jit.")
    if isinstance(model, nn.Module):
        _check_model(model, type(model).__name__)
        if networks == 1:
            return AsGiven(model)

        def first_pass(copy):
            args, kwargs = inputs.arguments(copy)
            copy(*args, **kwargs)

        return Reset(model, first_pass)
    if callable(model):
        return Factory(model)
    raise TypeError(f"model is {quote(model)}; give a torch.nn.Module, or a class or function that makes one afresh.")


def _check_model(model: nn.Module, name: str) -> None:
    """Raise ValueError for a model in which nothing can be measured."""
    parameters = list(model.parameters())
    if not parameters:
        raise ValueError(f"{name} has no parameters: it has no weights to draw.")
    if any(p.device.type == "meta" for p in parameters):
        raise ValueError(f"{name} is on the meta device, which holds no numbers; make it on the CPU.")
    if not any(p.requires_grad for p in parameters):
        raise ValueError(f"no parameter of {name} requires a gradient; call requires_grad_() on some.")


def _add_one(summary: Summary, source, inputs: Inputs, loss, seed: int, network: int, patterns) -> None:
    """Make one network, measure it, and add what was found to the summary."""
    generator = seed_all(seed, network)
    model = source(network)
    _check_model(model, source.name)
    source.look(model)
    args, kwargs = inputs.arguments(model)
    prediction = Whole()
    if network == 0:
        summary.notes += filter(None, [scale_note((args, kwargs))])
        with random_states():
            prediction = whole(model, args, kwargs)
    probe = Probe(model, patterns)
    with borrowed(model) as frozen:
        output = _forward(model, args, kwargs, probe, source.name)
        _backward(output, loss, generator, source.name)
        probe.finish(frozen)
        summary.add(model, probe, prediction)


def _forward(model, args, kwargs, probe: Probe, name: str):
    def who():
        where = f"the module {probe.where}" if probe.where else "its own forward"
        return f"{name} raises an error in {where}, given these inputs"

    with blaming(who, cure_for((args, kwargs))), probe.watching((args, kwargs)):
        return model(*args, **kwargs)


def _backward(output, loss, generator: torch.Generator, name: str) -> None:
    """Send a gradient back from the output: of ``loss``, or N(0, 1) on each number."""
    if loss is None:
        found = {id(t): t for t in tensors_in(output) if t.is_floating_point() and t.requires_grad and t.numel()}
        outputs = list(found.values())
        gradients = [torch.randn(t.shape, generator=generator).to(t.device, t.dtype) for t in outputs]
    else:
        with blaming("the loss fails"):
            value = loss(output)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise TypeError(f"loss returns {quote(value)}; it must return a scalar tensor.")
        outputs, gradients = ([value.reshape(())] if value.requires_grad else []), None
    if not outputs:
        raise ValueError(f"nothing that {name} returns requires a gradient; is it detached, or under no_grad?")
    with blaming(f"the backward pass of {name} fails"):
        torch.autograd.backward(outputs, gradients)
