"""A model as the graph of its calls, by torch.fx, with every value's shape; nothing of the model is run on data."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from ..checks import one_line, quote
from .inputs import Inputs
from .known import WHOLE, is_known, is_leaf, shape_of, unknown
from .sums import tensors_in


class UnknownPartError(ValueError):
    """A part of a model that varprop has no layer for, or that theory would be wrong for; it is named by its path."""


@dataclass(frozen=True)
class Traced:
    """The graph of a model of one input tensor and one output tensor.

    Attributes
    ----------
    model
        What was traced.
    nodes
        The calls that the output depends on, in order of execution, the input first and the output's own call last.
    values
        Of each node what it gives: tensors on the device "meta" where they depend on the input, else the value itself.
    """

    model: nn.Module
    nodes: tuple[fx.Node, ...]
    values: dict[fx.Node, Any]

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """Return the nodes that a node reads and that depend on the input's numbers, in order, once each read."""
        found: list[fx.Node] = []
        fx.node.map_arg((node.args, node.kwargs), lambda n: found.append(n) if self.depends(n) else None)
        return found

    def depends(self, node: fx.Node) -> bool:
        """Return whether a node's value depends on the input's numbers, not only on its shape."""
        return _is_meta(self.values[node])

    def constant(self, argument):
        """Return an argument with what nodes within it hold, none of which depends on the input's numbers."""
        return fx.node.map_arg(argument, lambda n: self.values[n])

    def module(self, node: fx.Node) -> nn.Module:
        """Return the module that a node of op "call_module" calls."""
        return self.model.get_submodule(_own(node.target))

    def path(self, node: fx.Node) -> str:
        """Return where a node is: its module's path, or for a function the path of the module that calls it."""
        if node.op == "get_attr":
            return self.owner(node)
        stack = list(node.meta.get("nn_module_stack", {}).values())
        return _own(node.target if node.op == "call_module" else stack[-1][0] if stack else "") or WHOLE

    def name(self, node: fx.Node, own: str = "") -> str:
        """Return the name of the parameter that a node reads, or of one of the module that it calls."""
        return ".".join(part for part in (_own(node.target), own) if part)

    def owner(self, parameter: fx.Node) -> str:
        """Return the path of the module that a parameter is of, whose own name ends it if that is no weight."""
        name = parameter.target if parameter.op == "get_attr" else ""
        return _own(name.removesuffix(".weight").removesuffix(".bias")) or WHOLE


def trace(model: nn.Module, inputs=None) -> Traced:
    """Return a model's graph.

    Parameters
    ----------
    model
        An `nn.Module` whose forward takes one tensor; other arguments keep their defaults.
    inputs
        A batch (rows, ..., features) for its shape, in a tuple or a dictionary of one or not; None for rows as wide
        as the first module that tells its width.

    Raises
    ------
    TypeError
        If the model is no module, or the inputs are no tensor.
    UnknownPartError
        If torch.fx cannot trace it: the flow of control depends on data, or it calls what takes no proxies.
    ValueError
        If the model rejects inputs of that shape; the message holds PyTorch's own.
    """
    name, batch = _one_tensor(model, inputs) if inputs is not None else (None, None)
    wrapped = _Fed(model, name)
    tracer = _Tracer()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = tracer.trace(wrapped)
    except Exception as error:  # whatever a model's own code says to a proxy
        raise UnknownPartError(
            f"torch.fx cannot trace this {type(model).__name__}: {one_line(error, 200).rstrip('.')}. "
            "varprop.pytorch.network reads models whose calls do not depend on the input's numbers."
        ) from error
    output = _one_output(graph, type(model).__name__)
    needed, waiting = set(), [output]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    for node in graph.nodes:
        if node in needed and node.op == "call_module" and not is_known(module := wrapped.get_submodule(node.target)):
            raise UnknownPartError(unknown(_own(node.target), module))
    if batch is None:
        batch = torch.empty(2, _width(wrapped, graph), dtype=_dtype(model), device="meta")
    values = _shapes(wrapped, graph, batch.to("meta"))
    found = Traced(model, tuple(node for node in graph.nodes if node in needed), values)
    if not _is_meta(values[output]):
        raise UnknownPartError(f"the output of this {type(model).__name__} does not depend on its input.")
    return found


def checked_model(model) -> nn.Module:
    """Return a model without what torch.compile or DataParallel put around it.

    Raises TypeError unless it is an `nn.Module`, ValueError unless it has parameters and is no TorchScript.
    """
    while isinstance(model, nn.DataParallel) or hasattr(model, "_orig_mod"):
        model = model.module if isinstance(model, nn.DataParallel) else model._orig_mod
    if isinstance(model, torch.jit.ScriptModule):
        raise UnknownPartError(
            f"model is a {type(model).__name__} of TorchScript; give the nn.Module that it was made of."
        )
    if isinstance(model, nn.Module):
        if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
            raise UnknownPartError("model has a lazy module that has seen no batch; call the model once first.")
        if next(model.parameters(), None) is None:
            raise ValueError(f"model is a {type(model).__name__} without parameters; give one with weights.")
        return model
    hint = "give a model that it makes: model()" if callable(model) else "give an nn.Module"
    raise TypeError(f"model is {quote(model)}; {hint}.")


def _one_tensor(model: nn.Module, inputs) -> tuple[str | None, torch.Tensor]:
    """Return the keyword of the one tensor that the model takes, None for its first argument, and the tensor."""
    arguments, named = Inputs(inputs).arguments(model)
    found = list(tensors_in((arguments, named)))
    if len(found) != 1:
        raise UnknownPartError(f"inputs hold {len(found)} tensors; varprop.pytorch.network reads models of one.")
    if found[0].ndim == 0:
        raise ValueError("inputs are one number; give a batch (rows, features).")
    return next(iter(named), None), found[0]


class _Fed(nn.Module):
    """A model that is called with one tensor, so that its other arguments have their defaults while it is traced."""

    def __init__(self, model: nn.Module, name: str | None):
        super().__init__()
        self.model, self.name = model, name

    def forward(self, x):
        return self.model(x) if self.name is None else self.model(**{self.name: x})


class _Tracer(fx.Tracer):
    """Calls of modules that have a line in `known` are nodes; all others are traced through."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_leaf(m) or super().is_leaf_module(m, module_qualified_name)


def _own(target: str) -> str:
    """Return a path below `_Fed` as the path in the model."""
    return target.removeprefix("model").removeprefix(".")


def _one_output(graph: fx.Graph, kind: str) -> fx.Node:
    (end,) = (node for node in graph.nodes if node.op == "output")
    found = end.args[0]
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, (tuple, list)):
        found = [part for part in found if part is not None]
        found = found[0] if len(found) == 1 else found
    if not isinstance(found, fx.Node):
        raise UnknownPartError(
            f"this {kind} gives {quote(type(end.args[0]).__name__)}; "
            "varprop.pytorch.network reads models that give one tensor."
        )
    return found


def _width(wrapped: nn.Module, graph: fx.Graph) -> int:
    """Return the width of the first module, in order of execution, that tells its own."""
    for node in graph.nodes:
        if node.op == "call_module":
            module = wrapped.get_submodule(node.target)
            if isinstance(module, nn.Linear):
                return module.in_features
            if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
                return module.normalized_shape[-1]
        if node.op == "get_attr":
            weight = wrapped.get_parameter(node.target) if node.target in dict(wrapped.named_parameters()) else None
            if weight is not None and weight.ndim == 2:
                return weight.shape[1]
    raise UnknownPartError("no nn.Linear tells how wide the input is; give inputs, a batch for its shape.")


def _dtype(model: nn.Module) -> torch.dtype:
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())


class _Shapes(fx.Interpreter):
    """Runs a graph on tensors without numbers; what does not depend on the input is computed as it is."""

    def __init__(self, module: nn.Module, graph: fx.Graph):
        super().__init__(module, garbage_collect_values=False, graph=graph)
        self.reading: fx.Node | None = None

    def run_node(self, n: fx.Node):
        self.reading = n
        return super().run_node(n)

    def call_module(self, target, args, kwargs):
        module = self.fetch_attr(target)
        if not _is_meta((args, kwargs)):
            return module(*args, **kwargs)
        if is_leaf(module):  # of another package, which may draw its own numbers
            return shape_of(module, args[0])
        state = {name: t.to("meta") for name, t in (*module.named_parameters(), *module.named_buffers())}
        return torch.func.functional_call(module, state, args, kwargs)

    def call_function(self, target, args, kwargs):
        return super().call_function(target, *_together(args, kwargs))

    def call_method(self, target, args, kwargs):
        return super().call_method(target, *_together(args, kwargs))


def _shapes(wrapped: nn.Module, graph: fx.Graph, batch: torch.Tensor) -> dict:
    run = _Shapes(wrapped, graph)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run.run(batch)
    except Exception as error:
        node, cause = run.reading, str(error).split("\n\nWhile executing")[0]
        where = _own(node.target) if node is not None and node.op == "call_module" else "the model"
        raise ValueError(f"{where} rejects inputs of shape {tuple(batch.shape)}: {one_line(cause, 300)}") from error
    return run.env


def _is_meta(value) -> bool:
    found = []
    fx.node.map_aggregate(value, lambda x: found.append(isinstance(x, torch.Tensor) and x.device.type == "meta"))
    return any(found)


def _together(args, kwargs):
    """Return arguments on the device "meta" where one of them is."""
    if not _is_meta((args, kwargs)):
        return args, kwargs
    return fx.node.map_aggregate((args, kwargs), lambda x: x.to("meta") if isinstance(x, torch.Tensor) else x)
