"""Names that a caller chooses from, and what names known from elsewhere are called here.

A name of ours may be typed in capitals. Any other ends in one error, also where it is a synonym: tables print our
names, and one thing has one name. The error says which of ours may be meant, and where the other means something else.
"""

import difflib
import re
from collections.abc import Iterable

from .checks import quote


def choose(value, names: Iterable[str], said: str, *, kind: str = "", more: str = "") -> str:
    """Return the one of ``names`` that ``value`` is, in whatever case.

    Raises ValueError for any other value: ``said``, such as "unknown loss {}", with the value in it, then the names,
    ``more`` (another way to choose), and a hint: from what names of this ``kind`` mean elsewhere, else from how it
    is spelt.
    """
    names, typed = tuple(names), value.strip().lower() if isinstance(value, str) else None
    if typed in names:
        return typed
    hint = "" if typed is None else _hint(typed, names, kind)
    words = f"{said.format(quote(value))}; choose one of {', '.join(names)}{more}{hint}"
    raise ValueError(words if words.endswith("?") else f"{words}.")


def _hint(typed: str, names: tuple[str, ...], kind: str) -> str:
    found = key(typed)
    if found in ELSEWHERE.get(kind, {}):
        return f"; {ELSEWHERE[kind][found].replace('{}', quote(typed)[1:-1])}"
    if kind == "initializer" and _NUMBER.fullmatch(typed):
        return f"; weights of standard deviation {quote(typed)[1:-1]} are 'torch:normal_(std={quote(typed)[1:-1]})'"
    ours = {key(word): name for name in names for word in (name, *SYNONYMS.get(kind, {}).get(name, "").split())}
    near = [found] if found in ours else difflib.get_close_matches(found, map(key, names), n=1, cutoff=0.7)
    return f"; did you mean {ours[near[0]]}?" if near else ""


_NUMBER = re.compile(r"\d*\.?\d+(e[-+]?\d+)?")


def key(name: str) -> str:
    """Return ``name`` without capitals, spaces and signs: he-normal, HeNormal and he_normal_ are one."""
    return re.sub(r"[\W_]+", "", name[:100].lower())


# Words that mean the same as one of our names, by kind.
SYNONYMS = {
    "activation": {
        "linear": "identity id none",
        "relu": "rectifier rectified_linear",
        "sigmoid": "logistic expit",
        "silu": "swish",
        "sin": "sine siren",
        "softplus": "smooth_relu",
        "elu": "celu",
    },
    "initializer": {"he": "kaiming msra"},
    "layer": {"Dense": "linear fc fullyconnected", "Residual": "skip resblock block", "Gate": "glu geglu swiglu reglu"},
    "loss": {"cross_entropy": "ce softmax nll log_loss categorical_crossentropy"},
    "method": {"dense": "full"},
    "order": {"infinite": "inf infinity infinite_width mean_field nngp 0", "first": "1 first_order"},
    "quantity": {
        "variance": "var q q_hat",
        "log_mean": "mean_log typical",
        "log_variance": "log_var",
        "gradient_variance": "gradient grad",
        "weight_gradient_variance": "weight_gradient",
        "dead": "p_dead",
    },
    "sampled": {"forward": "signal", "backward": "gradient grad", "pair": "cosine correlation"},
    "distribution": {"normal": "gaussian", "truncated_normal": "truncnorm trunc_normal", "orthogonal": "haar"},
    "framework": {"torch": "pytorch pt", "keras": "tensorflow tf", "flax": "linen nnx"},
    "mode": {"fan_avg": "average mean"},
    "dtype": {
        "float16": "half fp16",
        "bfloat16": "bf16",
        "float32": "single fp32",
        "float8_e4m3fn": "fp8 float8 e4m3 float8_e4m3 fp8_e4m3",
        "float8_e5m2": "e5m2 fp8_e5m2",
    },
}

_A_LAYER = "it is a layer of varprop.layers: {}"
_OWN = "give a function, such as custom_activation({})"
_LEAKY = "did you mean leaky_relu, of slope 0.01 as in PyTorch, or leaky_relu(0.3), of another?"
_LAYER = "it takes a whole layer, not one number; as a loss it is cross_entropy"
_NOT_YET = "there is no such layer yet"
_A_NAME = "it is an activation, which its name alone says: '{}'"
_EXACT = "did you mean gelu, which is the exact one here?"
_KERAS = "did you mean {0}, whose normal is not truncated, or {0}_truncated_normal, as Keras's and JAX's {0}_normal is?"
_VARIANCE = "did you mean {}? For a variance of your own, VarianceScaling(variance, 'none', '{}')"
_HALF = "did you mean half_square, |z|² / 2? A mean over outputs has a smaller gradient"

GLUS = {"": "sigmoid", "ge": "gelu", "swi": "silu", "re": "relu", "bilinear": "linear"}  # by what stands before GLU

# Names that mean something else than any of ours, or more than one: what to do, by kind and `key`; {} is the name.
ELSEWHERE = {
    "activation": {
        **dict.fromkeys(("leakyrelu", "lrelu"), _LEAKY),
        "prelu": "did you mean leaky_relu(0.25), which PyTorch's PReLU is before training?",
        "relu6": _OWN.format("lambda z: min(max(z, 0.0), 6.0), kinks=[0, 6]"),
        **dict.fromkeys(("gelutanh", "gelunew"), _EXACT),
        "hardsigmoid": _OWN.format("lambda z: min(max(z / 6 + 0.5, 0.0), 1.0), kinks=[-3, 3]"),
        "hardswish": _OWN.format("lambda z: z * min(max(z / 6 + 0.5, 0.0), 1.0), kinks=[-3, 3]"),
        **dict.fromkeys(("atan", "arctan"), _OWN.format("np.arctan")),
        **dict.fromkeys(("cos", "cosine"), _OWN.format("np.cos")),
        **dict.fromkeys(("softmax", "logsoftmax"), _LAYER),
        **dict.fromkeys(("layernorm", "ln", "norm"), _A_LAYER.format("LayerNorm()")),
        "rmsnorm": _A_LAYER.format("RMSNorm()"),
        "dropout": _A_LAYER.format("Dropout(0.1)"),
        **dict.fromkeys(("dense", "fc", "fullyconnected"), _A_LAYER.format("Dense(64)")),
        **dict.fromkeys(("residual", "skip"), _A_LAYER.format("Residual(Dense(64), 'relu', Dense(64))")),
        **{f"{glu}glu": _A_LAYER.format(f"Gate(64, '{phi}')") for glu, phi in GLUS.items()},
        **dict.fromkeys(("batchnorm", "attention", "conv", "embedding", "maxpool"), _NOT_YET),
        **dict.fromkeys(("he", "lecun", "glorot", "orthogonal"), "it is a law of weights: Dense(64, '{}')"),
    },
    "initializer": {
        **{f"{name}normal": _KERAS.format(name) for name in ("he", "lecun", "glorot")},
        "kaimingnormal": "PyTorch's {} is here 'he'",
        "kaiminguniform": "PyTorch's {} is here 'he_uniform'; with a=sqrt(5), nn.Linear's, 'torch:linear'",
        "xavier": "PyTorch's xavier is glorot here, the lecture's is lecun",
        "xaviernormal": "PyTorch's {} is here 'glorot'; the lecture's Xavier is 'lecun'",
        "xavieruniform": "PyTorch's {} is here 'glorot_uniform'; the lecture's Xavier is 'lecun_uniform'",
        "orthogonal": "PyTorch's {} is here 'orthogonal'",
        "truncnormal": "PyTorch's trunc_normal_ cuts at -2 and 2, whatever its std: 'torch:trunc_normal_(std=0.02)'; "
        "he_truncated_normal and its like cut at two standard deviations",
        "truncatednormal": _VARIANCE.format("he_truncated_normal or its like", "truncated_normal"),
        **dict.fromkeys(("normal", "randomnormal", "gaussian"), _VARIANCE.format("he, lecun or glorot", "normal")),
        **dict.fromkeys(("uniform", "randomuniform"), _VARIANCE.format("he_uniform or its like", "uniform")),
        "variancescaling": "did you mean lecun_truncated_normal, which Keras's is by default, or VarianceScaling(...)?",
        **dict.fromkeys(
            ("relu", "tanh", "gelu", "silu", "sigmoid", "linear"), "it is an activation, which comes behind Dense"
        ),
        "default": "did you mean torch:linear, which PyTorch's nn.Linear has?",
    },
    "layer": {
        **dict.fromkeys(("batchnorm", "attention", "conv", "embedding", "maxpool", "meanpool"), _NOT_YET),
        **dict.fromkeys(("relu", "tanh", "gelu", "silu", "sigmoid"), _A_NAME),
    },
    "loss": dict.fromkeys(("mse", "l2", "squarederror", "meansquarederror", "mseloss"), _HALF),
}
