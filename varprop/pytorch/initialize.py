"""Weights that keep the variance through a model: theory's where it knows the model, else measured."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..checks import one_line
from ..exported import columns_of
from ..tables import Tabular
from ..theory.infinite.keep import keeping
from .inputs import Inputs
from .measured import NORMS, measure
from .network import imported
from .sums import tensors_in
from .trace import UnknownPartError, checked_model
from .weights import full_name

PLAIN = ("set to 0", "set to 1")  # words for biases, shifts and gains, which the table leaves out
_ROWS = 64  # of the inputs that theory looks at, at most
_PAIRS = 200_000  # of positions of a row, over all rows: theory follows them all


@dataclass(frozen=True)
class Change:
    """What became of one parameter, or of the weights of one module.

    Attributes
    ----------
    name
        Of the parameter.
    before, after
        Its mean square before and after; what its weights' variance is drawn with.
    fan_in
        How many weights sum to one output; None where it is no matrix of weights.
    why
        In words.
    """

    name: str
    before: float
    after: float
    fan_in: int | None
    why: str


@dataclass(frozen=True)
class Initialized(Tabular):
    """What `initialize_` changed, parameter by parameter; it prints as a table.

    Attributes
    ----------
    changes
        A `Change` for each parameter that was set, and for those that were left.
    measured
        None where theory knows the whole model; else why the variances were measured.
    """

    changes: tuple[Change, ...]
    measured: str | None = None

    def _parts(self) -> list:
        rows = [
            (c.name, _times(c.before, c.fan_in), _times(c.after, c.fan_in), f"{c.after:.5g}", c.why)
            for c in self.changes
            if c.why not in PLAIN
        ]
        lines = ["weights drawn by theory" if self.measured is None else "weights drawn and measured"]
        if self.measured is not None:
            lines.append(f"Theory does not know this model: {self.measured}")
        headers = ("parameter", "n·Var before", "n·Var now", "E[w²] now", "why")
        end = ["Biases and shifts are 0, gains of norms 1."] if len(rows) < len(self.changes) else []
        return [*lines, (headers, rows), *end]

    def _columns(self) -> dict:
        return columns_of(self.changes, Change)


def _times(square: float, fan_in: int | None) -> str:
    return "-" if fan_in is None else f"{square * fan_in:.5g}"


def initialize_(model: nn.Module, inputs: Any = None) -> Initialized:
    """Set every weight of a model so that theory keeps the variance through it, as it is.

    Each Linear is drawn normal with the variance that gives E[z^2] = 1 from what it reads: 1 / (n E[x^2]), where theory
    knows E[x^2] from the graph: activations, dropout in training mode, norms, gates. The last Linear of a residual
    branch gets what adds 1 / N to the stream, N blocks in a row. Biases and shifts are 0, gains of norms 1.

    Where theory does not know a part of the model, all of it is measured: it is run on the inputs, and each Linear,
    convolution and attention is rescaled, in order of execution, to give a mean square of 1, or what adds 1 / N to
    the stream where it is the last before one of N residual sums. Recurrent layers, embeddings and
    parameters of modules that are not known stay as they are. The record says so.

    Parameters
    ----------
    model
        An `nn.Module`, changed in place. Types, devices, modes and ``requires_grad`` stay, and buffers.
    inputs
        What it will be fed, a batch: its mean square counts. None for E[x^2] = 1, where theory knows the model.

    Returns
    -------
    Initialized
        The changes, a table.

    Raises
    ------
    TypeError
        If the model is no module.
    ValueError
        If it has no parameters, rejects the inputs, or theory does not know it and there are no inputs. The model is
        then as it was.

    Examples
    --------
    >>> import torch
    >>> from varprop.pytorch import initialize_
    >>> nn = torch.nn
    >>> model = nn.Sequential(nn.Linear(784, 512), nn.GELU(), nn.Dropout(0.1), nn.Linear(512, 10))
    >>> for change in initialize_(model).changes:
    ...     if change.fan_in:
    ...         print(f"{change.name}: {change.after * change.fan_in:.4f} / n")
    0.weight: 1.0000 / n
    3.weight: 2.1165 / n
    """
    model = checked_model(model)
    own = dict(model.named_parameters())
    if any(p.device.type == "meta" for p in own.values()):
        raise ValueError("model is on the device meta; give it memory first, by to_empty.")
    kept = {name: p.detach().clone() for name, p in own.items()}
    try:
        with torch.no_grad():
            plain = _made_plain(model)
            try:
                changes, why = _by_theory(model, inputs), None
            except UnknownPartError as error:
                why = one_line(str(error).partition(";")[0].rstrip(".") + ".", 300)
            if why is not None:
                if inputs is None:
                    raise ValueError(f"{why} Give inputs, a batch: what theory does not know is measured.")
                changes = measure(model, inputs)
    except BaseException:
        with torch.no_grad():
            for name, p in own.items():
                p.copy_(kept[name])
        raise
    found = {name: (after, fan_in, words) for name, after, fan_in, words in [*plain, *changes]}
    record = []
    for name, p in own.items():
        before = _mean_square(kept[name])
        after, fan_in, words = found.get(name, (None, None, "left as it was"))
        record.append(Change(name, before, _mean_square(p) if after is None else after, fan_in, words))
    return Initialized(tuple(record), why)


def _mean_square(tensor: torch.Tensor) -> float:
    return float(tensor.detach().double().square().mean()) if tensor.numel() else math.nan


def _made_plain(model: nn.Module) -> list[tuple]:
    """Set biases and shifts to 0 and gains of norms to 1."""
    found = []
    for path, module in model.named_modules():
        for name, p in module.named_parameters(recurse=False):
            whole = full_name(path, name)
            if isinstance(module, NORMS):
                p.fill_(float(name == "weight"))
                found.append((whole, float(name == "weight"), None, PLAIN[name == "weight"]))
            elif p.ndim == 1 and (name == "bias" or name.endswith("_bias")):  # no table of biases, no cell's
                p.zero_()
                found.append((whole, 0.0, None, PLAIN[0]))
    return found


def _by_theory(model: nn.Module, inputs) -> list[tuple]:
    """Draw weights as theory says. Raises UnknownPartError where it does not know the model."""
    found = imported(model, inputs, weights=False)
    network, own = found.network, dict(model.named_parameters(remove_duplicate=False))
    kept = _kept(network, _rows(model, inputs, found.shape))
    wheres = ((place.node, found.places[place.name]) for place in network.places)
    names = {node: where for node, where in wheres if where is not None}
    changes = {}
    for one in kept:
        name, fan_in = names[one.node].weight, network.nodes[one.node].fan_in
        if name not in own:
            raise UnknownPartError(f"{names[one.node].path}: its weight is no parameter.")
        if name in changes:  # the other half of a gate
            continue
        variance = one.gain_squared / fan_in
        own[name].normal_(0.0, math.sqrt(variance))
        words = f"E[z²] = {one.variance:.4g} from E[x²] = {one.input:.4g}"
        if one.blocks:
            words += f": last of a branch, 1/{one.blocks} of the stream" if one.blocks > 1 else ": last of a branch"
        changes[name] = (name, variance, fan_in, words)
    return list(changes.values())


def _kept(network, rows):
    """Return theory's variances; of fewer rows where their products would not fit into memory."""
    try:
        return keeping(network, rows)
    except ValueError as error:
        if rows is not None and len(rows) > 1 and "give fewer" in str(error):
            return _kept(network, rows[: len(rows) // 4 or 1])
        raise UnknownPartError(str(error)) from error


def _rows(model: nn.Module, inputs, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return some rows of the inputs, evenly taken, as the first layer takes them."""
    if inputs is None:
        return None
    (batch,) = tensors_in(Inputs(inputs).arguments(model))
    rows = batch.detach().to("cpu", torch.float64).reshape(shape).numpy()
    most = max(1, min(_ROWS, _PAIRS // math.prod(shape[1:-1]) ** 2))
    return rows[:: -(-len(rows) // most)]
