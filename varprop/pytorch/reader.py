"""A traced model, read from its output back to its input: every call once, sums and products as branches."""

import inspect
from collections import Counter

import torch
from torch import fx, nn

from . import activations as own
from .joins import Part, PartError, Where, layers, product, total
from .known import (
    LEFT_AS_IT_IS,
    RESHAPED,
    SHAPES,
    WHOLE,
    Half,
    Scale,
    constant,
    known_words,
    matrix,
    name_of,
    read_function,
    read_module,
)
from .laws import Fresh
from .trace import Traced, UnknownPartError

_ADD, _SUBTRACT = ("add", "iadd"), ("sub", "isub", "subtract")
_MULTIPLY, _DIVIDE = ("mul", "imul", "multiply"), ("truediv", "itruediv", "div", "divide", "true_divide")
_POWER, _NEGATIVE = ("pow", "ipow"), ("neg", "negative")
_IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ipow")


class Reader:
    """Reads one traced model, once."""

    def __init__(self, traced: Traced, weights: Fresh):
        self._traced = traced
        self._order = {node: i for i, node in enumerate(traced.nodes)}
        self._forks = _forks(traced)
        self._done: set[fx.Node] = set()
        self._weights = weights
        self._sum_names = self._named_sums()

    def read(self) -> tuple[torch.Size, list[Part]]:
        """Return the shape of what the first layer takes, and the layers. Raises UnknownPartError."""
        nodes = [node for node in self._traced.nodes if self._traced.depends(node)]
        start, end = nodes[0], nodes[-1]
        while len(after := self._readers(start)) == 1 and self._is_shape(after[0]):  # how the input is laid out
            start = after[0]
        while end is not start and self._is_shape(end):
            end = self._traced.sources(end)[0]
        shape = self._traced.values[start].shape
        try:
            self._check_weights()
            return (shape if len(shape) > 1 else torch.Size([1, *shape])), layers(self._branch(end, start))
        except PartError as error:
            raise UnknownPartError(f"{self._traced.path(error.node)}: {error}.") from error

    def _named_sums(self) -> dict[fx.Node, str]:
        """Return the names of sums of two values, numbered within the module that adds them."""
        count: Counter[str] = Counter()
        found = {}
        for node in self._traced.nodes:
            added = node.op != "call_module" and name_of(node.target) in _ADD + _SUBTRACT
            if added and self._traced.depends(node) and len(self._traced.sources(node)) == 2:
                path = self._traced.path(node)
                count[path] += 1
                found[node] = f"{'' if path == WHOLE else path} sum {count[path]}".strip()
        return found

    def _readers(self, node: fx.Node) -> list[fx.Node]:
        return [user for user in node.users if user in self._order and self._traced.depends(user)]

    def _branch(self, end: fx.Node, start: fx.Node) -> list[Part]:
        """Return what gives the value of ``end`` from that of ``start``."""
        found: list[Part] = []
        while end is not start:
            if end in self._done:
                words = "goes into branches that are not joined in pairs; varprop knows blocks within blocks"
                raise PartError(end, f"the value of {self._words(end)} {words}")
            self._done.add(end)
            self._check_in_place(end)
            end, parts = self._call(end)
            found += reversed(parts)
        return found[::-1]

    def _call(self, node: fx.Node) -> tuple[fx.Node, list[Part]]:
        """Return which value a call comes from, and its parts."""
        sources = self._traced.sources(node)
        if len(sources) > 1:
            return self._joined(node, sources)
        (source,) = sources
        try:
            if self._is_shape(node):
                self._check_shape(node, source)
                return source, []
            return source, self._module(node) if node.op == "call_module" else self._function(node, source)
        except PartError:
            raise
        except (TypeError, ValueError) as error:
            raise PartError(node, str(error).rstrip(".")) from error

    def _module(self, node: fx.Node) -> list[Part]:
        module = self._traced.module(node)
        if module._forward_hooks or module._forward_pre_hooks:
            raise PartError(node, "it has forward hooks, which may change what goes in or comes out; remove them first")
        weight = matrix(module)
        if weight is not None:
            names = (self._traced.name(node, own) for own in ("weight", "bias"))
            return [self._dense(node, self._traced.path(node), weight, module.bias, *names)]
        return [Part(step, node) for step in read_module(module) or ()]

    def _function(self, node: fx.Node, source: fx.Node) -> list[Part]:
        name, args, kwargs = name_of(node.target), list(node.args), dict(node.kwargs)
        if name in _ADD + _SUBTRACT + _MULTIPLY + _DIVIDE + _POWER + _NEGATIVE:
            return [Part(step, node) for step in self._arithmetic(node, name, source)]
        if args[:1] != [source]:
            if args or kwargs.pop("input", None) is not source:
                raise ValueError(f"{name}() takes the signal in a way that varprop cannot follow")
            args = [source]
        if name == "linear":
            return self._linear(node, *args[1:], **kwargs)
        if name == "matmul" and len(args) == 2:
            return self._matmul(node, *args)
        if name in ("chunk", "split", "tensor_split"):
            return self._halves(node, source)
        if name == "getitem" and isinstance(self._traced.values[source], (tuple, list)):
            return [Part(Half(args[1] % 2), node)]
        steps = read_function(name, *self._traced.constant((tuple(args[1:]), kwargs)))
        if steps is None:
            raise ValueError(f"it calls {name}(); varprop.pytorch.network knows {known_words()}")
        return [Part(step, node) for step in steps]

    def _dense(self, node: fx.Node, path: str, weight, bias, *names: str) -> Part:
        return Part(self._weights.dense(weight, bias, *names), node, (Where(path, *names),))

    def _linear(self, node: fx.Node, weight, bias=None) -> list[Part]:
        if not isinstance(weight, fx.Node):
            raise ValueError(f"{name_of(node.target)}() has a weight that is no parameter")
        names = [self._traced.name(n) if isinstance(n, fx.Node) and n.op == "get_attr" else "" for n in (weight, bias)]
        numbers, biases = self._traced.constant((weight, bias))
        path = self._traced.owner(weight) if names[0] else self._traced.path(node)
        return [self._dense(node, path, numbers, biases, *names)]

    def _matmul(self, node: fx.Node, source: fx.Node, weight) -> list[Part]:
        """Return x W of a matrix W (fan_in, fan_out)."""
        numbers = self._traced.constant(weight)
        if not isinstance(numbers, torch.Tensor) or numbers.ndim != 2:
            raise ValueError("matmul() of the signal and what is no matrix")
        return [self._dense(node, self._traced.path(node), numbers.T, None, "", "")]

    def _check_weights(self) -> None:
        """Raise PartError where two calls have the same weights."""
        for node in self._traced.nodes:
            if node.op == "call_module" and matrix(self._traced.module(node)) is not None:
                names = [self._traced.name(node, "weight")]
            elif node.op == "get_attr" and getattr(self._traced.values[node], "ndim", 0) == 2:
                names = [self._traced.name(node)] * sum(user in self._order for user in node.users)
            else:
                continue
            try:
                for name in names:
                    self._weights.check(name)
            except ValueError as error:
                raise PartError(node, str(error)) from error

    def _halves(self, node: fx.Node, source: fx.Node) -> list[Part]:
        whole, parts = self._traced.values[source].shape, self._traced.values[node]
        if len(parts) != 2 or any(part.shape != (*whole[:-1], whole[-1] // 2) for part in parts):
            raise ValueError(f"{name_of(node.target)}() gives other parts than two halves of the units")
        return []

    def _arithmetic(self, node: fx.Node, name: str, source: fx.Node) -> list:
        """Return the steps of the signal and a number."""
        if name in _NEGATIVE:
            return [Scale(-1.0)]
        first, second = (*node.args, *(value for key, value in node.kwargs.items() if key != "alpha"))[:2]
        signal_first = first is source
        other = self._number(name, second if signal_first else first)
        if name in _POWER:
            if not signal_first or other != int(other) or other < 1:
                raise ValueError(
                    f"pow() of {'the signal and ' if signal_first else ''}{other:g}; varprop knows whole powers"
                )
            return [own.power(int(other))] if other > 1 else []
        if name in _MULTIPLY:
            return [Scale(other)]
        if name in _DIVIDE:
            if not signal_first or not other:
                raise ValueError("it divides by the signal" if not signal_first else "it divides by 0")
            return [Scale(1 / other)]
        alpha, minus = float(node.kwargs.get("alpha", 1.0)), -1.0 if name in _SUBTRACT else 1.0
        factor, by = (1.0, minus * alpha * other) if signal_first else (minus * alpha, other)
        return [Scale(factor)] * (factor != 1) + [own.shift(by)] * (by != 0)

    def _number(self, name: str, value) -> float:
        """Return a constant as one number. Raises ValueError where it is a tensor of several."""
        value = self._traced.constant(value)
        if isinstance(value, torch.Tensor):
            return constant(value, f"{name}(): a tensor")
        return float(value)

    def _joined(self, node: fx.Node, sources: list[fx.Node]) -> tuple[fx.Node, list[Part]]:
        """Return the sum or the product of two values, from where their branches part."""
        name = name_of(node.target) if node.op != "call_module" else ""
        if name not in _ADD + _SUBTRACT + _MULTIPLY or len(sources) > 2:
            words = f"{self._words(node)} takes {len(sources)} values; varprop.pytorch.network knows {known_words()}"
            raise PartError(node, words)
        shapes = {tuple(self._traced.values[n].shape) for n in (*sources, node)}
        if len(shapes) > 1:
            raise PartError(node, f"{name}() of values of shapes {' and '.join(map(str, sorted(shapes)))}")
        first, second = (self._branch(source, self._forks[node]) for source in sources)
        if name in _MULTIPLY:
            return self._forks[node], product(node, first, second)
        sign = float(node.kwargs.get("alpha", 1.0)) * (-1.0 if name in _SUBTRACT else 1.0)
        return self._forks[node], total(node, self._sum_names[node], first, second, sign)

    def _words(self, node: fx.Node) -> str:
        return self._traced.path(node) if node.op == "call_module" else f"{name_of(node.target)}()"

    def _is_shape(self, node: fx.Node) -> bool:
        """Return whether a call changes the shape alone, or nothing."""
        if node.op == "call_module":
            module = self._traced.module(node)
            return isinstance(module, SHAPES) or type(module) is nn.Identity
        return node.op in ("call_function", "call_method") and name_of(node.target) in RESHAPED + LEFT_AS_IT_IS

    def _check_shape(self, node: fx.Node, source: fx.Node) -> None:
        """Raise ValueError where units are no longer the last dimension."""
        before, after = (tuple(self._traced.values[n].shape) for n in (source, node))
        if before[-1] != after[-1]:
            cure = "varprop keeps units the last dimension; flatten the input before the first layer"
            raise ValueError(f"{self._words(node)} turns {before} into {after}, where {cure}")

    def _check_in_place(self, node: fx.Node) -> None:
        """Raise PartError where a call overwrites what a later one reads."""
        if not self._works_in_place(node):
            return
        source = self._traced.sources(node)[0]
        while True:
            late = [user for user in self._readers(source) if self._order[user] > self._order[node]]
            if late:
                words = f"works in place on a value that {self._words(late[0])} reads after it"
                raise PartError(node, f"{self._words(node)} {words}")
            before = self._traced.sources(source)
            if not before or not (self._is_shape(source) or self._works_in_place(source)):
                return
            source = before[0]

    def _works_in_place(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            return bool(getattr(self._traced.module(node), "inplace", False))
        if node.op not in ("call_function", "call_method"):
            return False
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        return name in _IN_PLACE or name.endswith("_") or _told_in_place(node)


def _told_in_place(node: fx.Node) -> bool:
    """Return whether a function of torch.nn.functional is told to work in place."""
    try:
        given = inspect.signature(node.target).bind(*node.args, **node.kwargs).arguments
    except (TypeError, ValueError):  # a function of C++ has no signature, and none of these takes `inplace`
        given = node.kwargs
    return given.get("inplace") is True


def _forks(traced: Traced) -> dict[fx.Node, fx.Node]:
    """Return for each node the last one through which all paths from the input to it go."""
    order = {node: i for i, node in enumerate(traced.nodes)}
    found: dict[fx.Node, fx.Node] = {}
    for node in traced.nodes:
        if not traced.depends(node) or not (sources := traced.sources(node)):
            continue
        fork = sources[0]
        for other in sources[1:]:
            while fork is not other:
                if order[fork] > order[other]:
                    fork = found[fork]
                else:
                    other = found[other]
        found[node] = fork
    return found
