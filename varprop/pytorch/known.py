"""What modules and functions of PyTorch are here: a table of modules, and functions that are the same as one of them.

To import another layer of `varprop.layers`, add a line to ``MODULES``; where it is a function of PyTorch too, one to
``SAME``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..activations import Activation, activation, leaky_relu
from ..layers import Dropout, LayerNorm, RMSNorm
from ..layers.layer import Layer
from . import activations as own
from .weights import is_conv1d

WHOLE = "the model"  # what its path is called in words


@dataclass(frozen=True)
class Scale:
    """z times a number."""

    factor: float


@dataclass(frozen=True)
class Drop:
    """Stochastic depth of what comes before it in a branch."""

    p: float


@dataclass(frozen=True)
class Half:
    """One half of the units: 0 the first, 1 the second."""

    which: int


@dataclass(frozen=True)
class Split:
    """phi of one half of the units times the other half, as in F.glu."""

    activation: Activation


Step = Layer | Activation | Scale | Drop | Half | Split


def constant(tensor: torch.Tensor, name: str) -> float:
    """Return the one number that a tensor holds everywhere. Raises ValueError if they differ."""
    flat = tensor.detach().flatten()
    if tensor.device.type == "meta" or not len(flat) or not bool((flat == flat[0]).all()):
        raise ValueError(f"{name} of shape {tuple(tensor.shape)} is not one number everywhere")
    return float(flat[0])


def norm(layer: LayerNorm | RMSNorm, weight, bias) -> list[Step]:
    """Return a norm and its gain. Raises ValueError for gains or shifts that are not one number, and 0."""
    gain = 1.0 if weight is None else constant(weight, "its gain (weight)")
    if bias is not None and constant(bias, "its shift (bias)"):
        raise ValueError("its shift (bias) is not 0")
    return [layer] if gain == 1 else [layer, Scale(gain)]


def _width_only(shape) -> None:
    if len(shape) != 1:
        raise ValueError(f"it is over the last {len(shape)} dimensions, where varprop's norms are over units alone")


def _layer_norm_of(shape, weight=None, bias=None, eps=1e-5):
    _width_only(shape)
    return norm(LayerNorm(eps), weight, bias)


def _rms_norm_of(shape, weight=None, eps=None):
    _width_only(shape)
    return norm(RMSNorm(torch.finfo(torch.get_default_dtype()).eps if eps is None else eps), weight, None)


def _layer_norm(m: nn.LayerNorm):
    return _layer_norm_of(m.normalized_shape, m.weight, m.bias, m.eps)


def _rms_norm(m: nn.RMSNorm):
    dtype = torch.get_default_dtype() if m.weight is None else m.weight.dtype
    return _rms_norm_of(m.normalized_shape, m.weight, torch.finfo(dtype).eps if m.eps is None else m.eps)


def _dropout(m: nn.Dropout):
    if m.training and m.p == 1:
        raise ValueError("it drops everything (p=1)")
    return [Dropout(m.p)] if m.training and m.p else []


def _prelu(m: nn.PReLU):
    return leaky_relu(constant(m.weight, "its slope (weight)"))


def _rrelu(m: nn.RReLU):
    if m.training and m.lower != m.upper:
        raise ValueError("in training its slope is drawn for each number; call model.eval() first")
    return leaky_relu((m.lower + m.upper) / 2)


def _glu(m: nn.GLU):
    if m.dim != -1:
        raise ValueError(f"it is over dimension {m.dim}, where units are the last; give dim=-1")
    return Split(activation("sigmoid"))


def _drop_path(m):
    p = getattr(m, "drop_prob", None) or getattr(m, "p", None) or 0.0
    if getattr(m, "mode", "row") != "row":
        raise ValueError("it drops a whole batch at once, where varprop's stochastic depth drops samples")
    return [Drop(p)] if m.training and p else []


def _own_norm(m) -> list[Step]:
    """Return the norm that a module of this name, of another package, is: tried on numbers, since gains differ."""
    weight = getattr(m, "weight", None)
    gain = 1.0 if weight is None else constant(weight, "its gain (weight)")
    eps = next((float(getattr(m, name)) for name in ("eps", "variance_epsilon", "epsilon") if hasattr(m, name)), 0.0)
    like = torch.ones(8) if weight is None else weight.detach()
    x = torch.linspace(-1.0, 3.0, 2 * like.shape[-1], device=like.device, dtype=like.dtype).reshape(2, -1).sin()
    with torch.no_grad():
        y = m(x).double()
    x = x.double()
    centred = x - x.mean(-1, keepdim=True)
    for layer, parts in ((RMSNorm(eps), x), (LayerNorm(eps), centred)):
        plain = parts * torch.rsqrt(parts.square().mean(-1, keepdim=True) + eps)
        for factor in (gain, 1 + gain):  # some packages keep gains less 1
            if torch.allclose(factor * plain, y, rtol=0.02, atol=1e-3):
                return [layer] if factor == 1 else [layer, Scale(factor)]
    raise ValueError(f"a {type(m).__name__} that gives other numbers than varprop's RMSNorm and LayerNorm")


# A module's type to the steps that it is, one or a list; nn.Linear is read by `reader`, with its law.
MODULES: dict[type, Callable] = {
    nn.LayerNorm: _layer_norm,
    nn.RMSNorm: _rms_norm,
    nn.Dropout: _dropout,
    nn.GLU: _glu,
    nn.Identity: lambda m: [],
    nn.ReLU: lambda m: activation("relu"),
    nn.ReLU6: lambda m: own.hardtanh(0.0, 6.0),
    nn.LeakyReLU: lambda m: leaky_relu(m.negative_slope),
    nn.PReLU: _prelu,
    nn.RReLU: _rrelu,
    nn.ELU: lambda m: own.elu(float(m.alpha)),
    nn.CELU: lambda m: own.celu(float(m.alpha)),
    nn.SELU: lambda m: activation("selu"),
    nn.GELU: lambda m: own.gelu_tanh() if m.approximate == "tanh" else activation("gelu"),
    nn.SiLU: lambda m: activation("silu"),
    nn.Mish: lambda m: activation("mish"),
    nn.Softplus: lambda m: own.softplus(float(m.beta)),
    nn.Softsign: lambda m: activation("softsign"),
    nn.Tanh: lambda m: activation("tanh"),
    nn.Sigmoid: lambda m: activation("sigmoid"),
    nn.LogSigmoid: lambda m: own.logsigmoid(),
    nn.Tanhshrink: lambda m: own.tanhshrink(),
    nn.Softshrink: lambda m: own.softshrink(float(m.lambd)),
    nn.Hardtanh: lambda m: own.hardtanh(float(m.min_val), float(m.max_val)),
    nn.Hardsigmoid: lambda m: own.hardsigmoid(),
    nn.Hardswish: lambda m: own.hardswish(),
}
SHAPES = (nn.Flatten, nn.Unflatten)  # modules that change shapes alone
# In other packages, by the end of a name.
ELSEWHERE = {"DropPath": _drop_path, "StochasticDepth": _drop_path, "RMSNorm": _own_norm, "LayerNorm": _own_norm}

# Functions of torch, torch.nn.functional and tensors, by name: modules that take the same arguments, or activations.
SAME: dict[str, type] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "logsigmoid": nn.LogSigmoid,
    "log_sigmoid": nn.LogSigmoid,
    "tanhshrink": nn.Tanhshrink,
    "softshrink": nn.Softshrink,
    "hardtanh": nn.Hardtanh,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "glu": nn.GLU,
}
POINTWISE: dict[str, Callable] = {
    "sin": lambda: activation("sin"),
    "erf": lambda: activation("erf"),
    "cos": own.cos,
    "arctan": own.arctan,
    "atan": own.arctan,
    "abs": lambda: leaky_relu(-1.0),
    "absolute": lambda: leaky_relu(-1.0),
    "square": lambda: own.power(2),
    "clamp": lambda min=None, max=None: own.hardtanh(*_ends(min, max)),
    "clip": lambda min=None, max=None: own.hardtanh(*_ends(min, max)),
    "clamp_min": lambda min: own.hardtanh(float(min), math.inf),
    "clamp_max": lambda max: own.hardtanh(-math.inf, float(max)),
    "dropout": lambda p=0.5, training=True, inplace=False: _dropout(nn.Dropout(p).train(training)),
    "rrelu": lambda lower=1 / 8, upper=1 / 3, training=False, inplace=False: _rrelu(
        nn.RReLU(lower, upper).train(training)
    ),
    "prelu": lambda weight: leaky_relu(constant(weight, "its slope (weight)")),
    "layer_norm": _layer_norm_of,
    "rms_norm": _rms_norm_of,
}
LEFT_AS_IT_IS = ("contiguous", "clone", "float", "double", "half", "to", "type_as", "alias_copy")
RESHAPED = ("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten")


def name_of(function) -> str:
    """Return a function's or method's name without the sign of one that works in place."""
    return (function if isinstance(function, str) else getattr(function, "__name__", str(function))).strip("_")


def matrix(module: nn.Module) -> torch.Tensor | None:
    """Return the weight (fan_out, fan_in) of a Linear, or of the Conv1D of transformers; None for other modules."""
    if type(module) is nn.Linear:
        return module.weight
    return module.weight.T if is_conv1d(module) else None


def shape_of(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the shape that a leaf of another package gives."""
    return x.new_empty((*x.shape[:-1], module.nf)) if is_conv1d(module) else x


def is_leaf(module: nn.Module) -> bool:
    """Return whether a module is one that is read as a whole."""
    return _elsewhere(module) is not None or is_conv1d(module)


def read_module(module: nn.Module) -> "list[Step] | None":
    """Return the steps that a module is, None where it is not known. Raises ValueError that says what it has."""
    reader = MODULES.get(type(module)) or _elsewhere(module)
    return None if reader is None else _steps(reader(module))


def read_function(name: str, args, kwargs) -> "list[Step] | None":
    """Return the steps of a function of the input and constants, None where it is not known."""
    if name in POINTWISE:
        return _steps(POINTWISE[name](*args, **{key.lstrip("_"): value for key, value in kwargs.items()}))
    if name in SAME:
        return read_module(SAME[name](*args, **kwargs))
    return None


def known_words() -> str:
    """Return what is known, in words."""
    modules = ", ".join(kind.__name__ for kind in MODULES)
    return f"Linear, {modules}, Flatten, their functions, sums, scales and products of two branches"


def is_known(module: nn.Module) -> bool:
    """Return whether a module has a line here."""
    return type(module) in (nn.Linear, *MODULES) or isinstance(module, SHAPES) or is_leaf(module)


def unknown(path: str, module: nn.Module) -> str:
    """Return the words that refuse a module."""
    kind = type(module)
    name = (
        f"an nn.{kind.__name__}" if kind.__module__.startswith("torch.nn") else f"a {kind.__module__}.{kind.__name__}"
    )
    return f"{path or WHOLE} is {name}; varprop.pytorch.network knows {known_words()}."


def _elsewhere(module) -> Callable | None:
    if type(module) in MODULES:
        return None
    return next((read for end, read in ELSEWHERE.items() if type(module).__name__.endswith(end)), None)


def _steps(found) -> list[Step]:
    return found if isinstance(found, list) else [found]


def _ends(low, high) -> tuple[float, float]:
    low = -math.inf if low is None else float(low)
    return low, math.inf if high is None else float(high)
