"""What repeats a report: the command, the versions, the seed, and what data went in."""

import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from ..runs import Digest

PACKAGES = ("numpy", "scipy", "numba")


def versions(*more: str) -> tuple[list[str], list[list[str]]]:
    """Return a table of versions: varprop's, Python's, those of the packages that numbers come from, the machine."""
    from .. import __version__

    rows = [["varprop", __version__], ["Python", platform.python_version()]]
    for name in (*PACKAGES, *more):
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:
            continue
    rows.append(["machine", f"{platform.system()} {platform.machine()}"])
    return ["of", "version"], rows


def data_words(inputs) -> str:
    """Return what inputs there were, with a number that tells whether others are the same."""
    if inputs is None:
        return "Inputs: x ~ N(0, I), drawn anew for each network."
    array = np.ascontiguousarray(inputs, dtype="<f8")
    shape = " × ".join(map(str, array.shape))
    return f"Inputs: an array of {shape} numbers, SHA-256 of its float64 {Digest.of(array).sha256}."
