"""What networks are made of, as a list: the layers with their fields, activations and weight laws."""

from dataclasses import MISSING, fields

from ..activations import NAMES as ACTIVATIONS
from ..initializers import NAMES as WEIGHTS
from ..layers import LAYERS
from ..tables import Tabular

_EXAMPLE = (
    '{"width": 64, "layers": [',
    '  {"Residual": {"branch": [{"LayerNorm": {}}, {"Dense": {"width": 256}}, "gelu", {"Dense": {"width": 64}}]},',
    '   "repeat": 24},',
    '  {"LayerNorm": {}}, {"Dense": {"width": 10, "weights": {"scale": 1, "mode": "fan_avg"}}}]}',
)


class Catalogue(Tabular):
    """Every kind of layer: lines when printed, and plain values."""

    def _fields(self) -> dict:
        """Return it as JSON can hold it; a field that must be given has no default."""
        found = {name: {"meaning": _meaning(kind), "fields": _fields(kind)} for name, kind in LAYERS.items()}
        return {"layers": found, "activations": list(ACTIVATIONS), "weights": list(WEIGHTS)}

    def _parts(self) -> list:
        lines = []
        for name, kind in LAYERS.items():
            lines += [f"{name}({_shown(_fields(kind))})", f"    {_meaning(kind)}"]
        return [
            *lines,
            f"Activations, by name between them: {', '.join(ACTIVATIONS)}; leaky_relu(0.2) sets a slope.",
            f"Weights: {', '.join(WEIGHTS)}; or a framework's, as torch:linear (see: varprop "
            "weights); or scale, mode and distribution, as VarianceScaling has them.",
            "In Python these are of varprop.layers, for Network.sequential. In a file, .json or .toml, they are keys; "
            "a width left out is kept (None in Python), repeat says how many times a layer comes:",
            *_EXAMPLE,
        ]


def _meaning(kind) -> str:
    """Return the first line of its docstring."""
    return kind.__doc__.strip().splitlines()[0].replace("``", "")


def _fields(kind) -> dict:
    """Return its fields with their defaults; {} for one that must be given, None for a width, which is kept."""
    return {f.name: _default(f) for f in fields(kind)}


def _default(field):
    if field.name == "width":
        return {"default": None}
    return {} if field.default is MISSING else {"default": field.default}


def _shown(found: dict) -> str:
    return ", ".join(f"{name}={info['default']!r}" if info else name for name, info in found.items())
