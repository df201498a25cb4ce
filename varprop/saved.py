"""Networks in files: JSON, written and read, and TOML, read.

A file holds ``width``, ``positions`` (1 where it is left out) and ``layers``, a list. An entry is the name of an
activation; or one key, the class of a layer, with its fields, defaults left out; or a list ``layers`` of entries.
Beside either of these, ``repeat`` says how many times it comes.
"""

import json
import re
import tomllib
from dataclasses import MISSING, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from . import checks, strict_json
from .activations import CUSTOM, Activation, Kind, activation
from .checks import quote
from .files import as_path
from .initializers import VarianceScaling
from .layers import LAYERS, Layer, Residual
from .names import choose
from .own_files import Given, Written
from .own_weights import OwnDistribution

_MOST = 10**6  # repeats, and layers of a list
_LISTS = ("branch",)  # fields that hold layers
_KEYS = ("width", "positions", "layers")


def save(path, width: int, layers: tuple, positions) -> None:
    """Write a network to ``path`` as JSON. Raises TypeError for a function of one's own, ValueError for a .toml."""
    path = as_path(path)
    if path.suffix.lower() == ".toml":
        raise ValueError(f"{path} would be read as TOML, and what is written is JSON; name it {path.stem}.json.")
    path.write_text(json.dumps(as_data(width, layers, positions), indent=1) + "\n", encoding="utf-8")


def as_data(width: int, layers: tuple, positions, own: Written | None = None) -> dict:
    """Return a network as JSON can hold it.

    Functions of one's own stand by their names, and are noted in ``own``. Raises TypeError, which names it, for one
    where that is None.
    """
    found: dict[str, Any] = {"width": width}
    if positions != 1:
        found["positions"] = positions
    return {**found, "layers": _written_list(layers, own)}


def load(path, make):
    """Return ``make(width, *layers, positions=)`` of the JSON or TOML file at ``path``.

    Raises ValueError, which names the file and where in it the fault is; FileNotFoundError for no file.
    """
    path = as_path(path)
    try:
        return from_data(_parsed(path), make)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def from_data(found: dict, make, own: Given | None = None):
    """Return ``make(width, *layers, positions=)`` of what `as_data` returned; ``own`` has functions of one's own.

    Raises TypeError or ValueError, which says where in it the fault is, for anything else.
    """
    if not isinstance(found, dict):
        raise ValueError(f"it holds {quote(found)}; a network is an object with {', '.join(_KEYS)}.")
    unknown = next((key for key in found if key not in _KEYS), None)
    if unknown is not None:
        raise ValueError(f"it has the key {quote(unknown)}; a network has {', '.join(_KEYS)}.")
    for key in ("width", "layers"):
        if key not in found:
            raise ValueError(f"it has no {key!r}.")
    positions = found.get("positions", 1)
    return make(found["width"], *_read_list(found["layers"], "layers", own), positions=positions)


def _parsed(path: Path):
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = tomllib.loads(text) if path.suffix.lower() == ".toml" else strict_json.parsed(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no text in UTF-8, at byte {error.start}.") from None
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None
    except tomllib.TOMLDecodeError as error:
        words = re.sub(r"(.*) \(at (line \d+, column \d+|end of document)\)", r"\2: \1", str(error))
        raise ValueError(f"{checks.one_line(words)}.") from None
    except ValueError as error:
        if "integer string conversion" not in str(error):
            raise
        raise ValueError("it holds a number of thousands of digits.") from None
    return found


def _written_list(layers, own: Written | None) -> list:
    """Return layers as plain values; equal neighbours are one entry with ``repeat``."""
    found: list = []
    for entry, same in groupby(_written(layer, own) for layer in layers):
        count = len(list(same))
        if count > 1:
            entry = {"layers": [entry]} if isinstance(entry, str) else entry
            entry = {**entry, "repeat": count}
        found.append(entry)
    return found


def _written(layer, own: Written | None):
    if isinstance(layer, Activation):
        if layer.code == CUSTOM:
            return _own_name(layer, f"activation {layer}", own)
        return f"leaky_relu({layer.slope!r})" if layer.kind is Kind.LEAKY_RELU else layer.name
    if isinstance(layer, VarianceScaling):
        found = {f.name: getattr(layer, f.name) for f in fields(layer) if getattr(layer, f.name) != f.default}
        if isinstance(layer.distribution, OwnDistribution):
            found["distribution"] = _own_name(layer.distribution, f"weight law {layer.distribution}", own)
        return found
    if isinstance(layer, Layer):
        given = {
            name: _written_list(value, own) if name in _LISTS else _written(value, own)
            for name, value in layer.given().items()
            if value is not None
        }
        return {type(layer).__name__: given}
    return _written_list(layer, own) if isinstance(layer, tuple) else layer


def _own_name(function: Activation | OwnDistribution, words: str, own: Written | None) -> dict[str, str]:
    """Return what stands for a function of one's own. Raises TypeError where ``own`` notes none."""
    if own is None:
        raise TypeError(f"{words} is a function of your own, which a file cannot hold; use a name.")
    return own.name(function)


def _read_list(entries, where: str, functions: Given | None) -> list:
    if not isinstance(entries, list):
        raise ValueError(f"{where} is {quote(entries)}; give a list of layers.")
    found: list = []
    for i, entry in enumerate(entries):
        layers, repeat = _read(entry, f"{where}[{i}]", functions)
        if len(found) + len(layers) * repeat > _MOST:
            raise ValueError(f"{where}[{i}] makes it more than {_MOST:,} layers.")
        found += layers * repeat
    return found


def _read(entry, where: str, functions: Given | None) -> tuple[list, int]:
    """Return the layers of one entry, and how many times they come."""
    if isinstance(entry, str):
        return [_made(activation, where, entry)], 1
    if not isinstance(entry, dict):
        raise ValueError(
            f"{where} is {quote(entry)}; give the name of an activation, or a layer such as {{'Dense': ...}}."
        )
    repeat = _made(checks.whole, f"{where}.repeat", entry.get("repeat", 1), "repeat", 1, _MOST)
    keys = [key for key in entry if key != "repeat"]
    if functions is not None and keys == ["own"]:
        return [_made(functions.get, where, {"own": entry["own"]}, Activation)], repeat
    if len(keys) == 1 and keys[0] not in (*LAYERS, "layers"):
        choose(keys[0], LAYERS, f"{where} has the key {{}}", kind="layer", more=", or layers")
    if len(keys) != 1:
        raise ValueError(f"{where} has the keys {keys}; give one of {', '.join(LAYERS)}, or layers.")
    (key,) = keys
    if key == "layers":
        return _read_list(entry[key], f"{where}.layers", functions), repeat
    return [_layer(LAYERS[key], entry[key], f"{where}.{key}", functions)], repeat


def _layer(kind, given, where: str, functions: Given | None):
    if not isinstance(given, dict):
        raise ValueError(f"{where} is {quote(given)}; give its fields, or {{}}.")
    known = _known(kind, given, where)
    own = dict(given)
    if "width" in known:
        own.setdefault("width", None)  # which TOML has no word for
    if isinstance(own.get("weights"), dict):
        _known(VarianceScaling, own["weights"], f"{where}.weights")
        distribution = own["weights"].get("distribution")
        if functions is not None and isinstance(distribution, dict):
            found = _made(functions.get, f"{where}.weights", distribution, OwnDistribution)
            own["weights"] = {**own["weights"], "distribution": found}
        own["weights"] = _made(lambda: VarianceScaling(**own["weights"]), f"{where}.weights")
    if functions is not None and isinstance(own.get("activation"), dict):
        own["activation"] = _made(functions.get, f"{where}.activation", own["activation"], Activation)
    if kind is Residual:
        branch = _read_list(own.pop("branch"), f"{where}.branch", functions)
        if "shortcut" in own:
            path = own["shortcut"]
            own["shortcut"] = _read_list(path if isinstance(path, list) else [path], f"{where}.shortcut", functions)
        return _made(lambda: Residual(*branch, **own), where)
    return _made(lambda: kind(**own), where)


def _known(kind, given: dict, where: str) -> dict:
    """Return the fields of ``kind`` by name. Raises ValueError where ``given`` has another, or lacks one."""
    known = {f.name: f for f in fields(kind)}
    for name in given:
        if name not in known:
            raise ValueError(f"{where} has the field {quote(name)}; it may have {', '.join(known) or 'none'}.")
    for name, f in known.items():
        if name not in given and name != "width" and f.default is MISSING:
            raise ValueError(f"{where} has no {name!r}.")
    return known


def _made(function, where: str, *args):
    """Return ``function(*args)``; raise ValueError that says ``where`` for what it does not take."""
    try:
        return function(*args)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None
