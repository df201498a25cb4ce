"""Functions of one's own in files: their names, and what they give in a few places, by which they are known again.

No code is written and none is read: who reads such a file gives the functions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .activations import CUSTOM, Activation
from .checks import quote
from .own_weights import OwnDistribution
from .variance_scaling import VarianceScaling

_Z = np.array([-5.3, -2.1, -0.7, -0.2, 0.0, 0.3, 0.9, 1.7, 4.1])
_U = np.array([1e-6, 0.01, 0.137, 0.31, 0.46, 0.62, 0.77, 0.93, 0.999])
_CLOSE = 1e-9  # relative: another machine's sine may differ in the last digits
_A = {"activation": "an activation", "weight law": "a weight law"}
_MAKERS = {"activation": "custom_activation", "weight law": "custom_weights"}


class Written:
    """The functions of one's own in what is written.

    Attributes
    ----------
    functions
        By name, activations and distributions.
    """

    def __init__(self):
        self.functions: dict[str, Activation | OwnDistribution] = {}

    def name(self, function: Activation | OwnDistribution) -> dict[str, str]:
        """Return what stands for a function. Raises TypeError where another one has its name."""
        if self.functions.setdefault(function.name, function) != function:
            raise TypeError(f"two functions of your own are called {quote(function.name)}; give each a name=.")
        return {"own": function.name}

    @property
    def entries(self) -> dict[str, dict]:
        """By name, what each gives."""
        return {name: _entry(function) for name, function in self.functions.items()}


class Named(Written):
    """The same by names alone, for who only reads: two functions may have one name."""

    def name(self, function: Activation | OwnDistribution) -> dict[str, str]:
        """Return what stands for a function."""
        return {"own": function.name}


class Given:
    """The functions that a reader gives for those of a file.

    Parameters
    ----------
    functions
        By name, what `custom_activation` and `custom_weights` returned.
    entries
        What the file says of those that it needs.

    Raises
    ------
    ValueError
        With a name, where it needs one that is not given, or what is given is another.
    """

    def __init__(self, functions: Mapping[str, Any] | None, entries):
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise ValueError(f"its functions are {quote(entries)}; each is what it gives, by name.")
        self._found = {name: _checked(name, entry, (functions or {}).get(name)) for name, entry in entries.items()}

    def get(self, value, kind: type):
        """Return the function that ``value``, {"own": name}, stands for."""
        name = value.get("own") if isinstance(value, dict) and len(value) == 1 else None
        found = self._found.get(name) if isinstance(name, str) else None
        if not isinstance(found, kind):
            raise ValueError(f"{quote(value)} is none of its functions, which are {quote(sorted(self._found))}.")
        return found


def _entry(function: Activation | OwnDistribution) -> dict[str, Any]:
    if isinstance(function, OwnDistribution):
        return {"kind": "weight law", "quantile": _values(function.quantile, _U)}
    slopes = None if function.dphi is None else _values(function.dphi, _Z)
    return {"kind": "activation", "phi": _values(function.phi, _Z), "dphi": slopes}


def _values(function, at: np.ndarray) -> list:
    """Return values as JSON can hold them: None for what is not finite."""
    return [float(x) if np.isfinite(x) else None for x in function(at)]


def _checked(name: str, entry: dict, given):
    """Return the function given for one of a file."""
    kind = entry.get("kind")
    if kind not in _MAKERS:
        raise ValueError(f"its function {quote(name)} is {quote(entry)}; it is an activation or a weight law.")
    if given is None:
        how = f"functions={{{name!r}: {_MAKERS[kind]}(...)}}"
        raise ValueError(f"its {kind} {quote(name)} is a function of the writer's own; give it, as {how}.")
    if isinstance(given, VarianceScaling) and isinstance(given.distribution, OwnDistribution):
        given = given.distribution
    own = isinstance(given, OwnDistribution) if kind == "weight law" else isinstance(given, Activation)
    if not own or getattr(given, "code", CUSTOM) != CUSTOM:
        raise ValueError(f"{quote(name)} is given as {quote(given)}; it must be {_A[kind]}, of {_MAKERS[kind]}.")
    now = _entry(given)
    for part, values in now.items():
        if part != "kind" and not _alike(values, entry.get(part)):
            raise ValueError(f"the {kind} given as {quote(name)} is not the file's: it has another {part}.")
    return given


def _alike(one, other) -> bool:
    if one is None or other is None:
        return one is other
    if not isinstance(other, list) or len(one) != len(other):
        return False
    if not all(x is None or isinstance(x, float) for x in other):
        return False
    a, b = (np.array(values, dtype=float) for values in (one, other))  # NaN for None
    return bool(np.allclose(a, b, rtol=_CLOSE, atol=1e-12, equal_nan=True))
