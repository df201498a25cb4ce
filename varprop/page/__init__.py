"""A page that teaches: signal and gradient through the layers of a random network, live, in one HTML file.

Its parts lie beside this file: page.html, style.css and the scripts. `html` puts them together and adds what the page
must share with the package: names, laws, constants. Nothing is fetched when it is shown.
"""

import json
import os
from pathlib import Path

from .. import __version__, activations, formulas, initializers
from ..files import as_path, check_place, write_whole
from ..layers import LayerNorm

SCRIPTS = ("activations", "theory", "networks", "words", "chart", "page")
LAWS = ("unit", "lecun", "glorot", "he")


def data() -> dict:
    """Return what the page must have in common with the package, as JSON can hold it."""
    return {
        "version": __version__,
        "activations": {name: _known(activations.activation(name)) for name in activations.NAMES},
        "initializers": {name: _law(initializers.initializer(name)) for name in LAWS},
        "selu": {"scale": formulas.SELU_SCALE, "alpha": formulas.SELU_ALPHA},
        "eps": LayerNorm().eps,
    }


def html() -> str:
    """Return the page, complete in one text."""
    parts = {
        "style.css": _part("style.css"),
        "data.js": f"const DATA = {json.dumps(data(), indent=1)};",
        **{f"{name}.js": _part(f"{name}.js") for name in SCRIPTS},
    }
    page = _part("page.html")
    for name, text in parts.items():
        page = page.replace(f"/* {name} */", text.rstrip())
    return page


def write(path) -> Path:
    """Write the page to a new file, whole or not at all, and return its path.

    Raises ValueError that names the file if there is one already, or if it cannot be written.
    """
    path = as_path(path)
    check_place(path)
    if os.path.lexists(path):
        raise ValueError(f"{path} exists already; name another file, or remove it first.")
    write_whole(path, html().encode())
    return path


def _known(activation: activations.Activation) -> dict:
    return {
        "slopes": activation.slopes,
        "kinks": activation.kinks,
        "vanishes_at_zero": activation.vanishes_at_zero,
        "unbounded": activation.unbounded,
    }


def _law(law: initializers.VarianceScaling) -> dict:
    return {"scale": law.scale, "mode": law.mode}


def _part(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
