"""Runs in files: what was asked, of which networks, by what, and the sums over them (docs/file_format.md).

Records and checkpoints are one kind of file. Nothing in it is believed before it is checked, and no code in it is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from os import PathLike
from typing import Any

import numpy as np

from . import archive, checks
from .archive import Claim
from .checks import quote
from .inputs import LOSSES
from .network import Network
from .own_files import Given, Written
from .quantities import highest_moment, moments_up_to
from .runs import METHODS, Digest, Question, Run
from .saved import as_data, from_data
from .sum_tree import TILE, Part, SumTree
from .sums import LAYER, MOMENT, PAIR, PIVOTS, PLACE, law_columns

MOST = 10**15  # networks, by number
_MAY_HAVE = {"forward": ("moments",)}  # arguments that are there where they were asked for
_ARGUMENTS = {
    "forward": ("inputs",),
    "backward": ("inputs", "loss"),
    "pair": ("correlation", "inputs"),
    "law": ("inputs",),
    "gram": ("inputs", "backward"),
}
_KEYS = ("kind", "network", "seed", "method", "arguments", "builds", "nodes", "part", "stage")


class Simulated:
    """What may have been simulated, and can then be written to a file with the sums that it was made of."""

    run: Run | None

    def save(self, path: str | PathLike) -> None:
        """Write a simulated record to ``path``, which `varprop.load` reads to equal bits.

        The file holds the sums over networks, so that what is read can be merged and extended. Of a function of one's
        own it holds the name and some values, and `load` asks for it. Raises ValueError for a record of theory, and
        where no file can be written; TypeError for a network with two such functions of one name.
        """
        if self.run is None:
            raise ValueError("only what was simulated is saved, and of .at() a position nobody keeps sums.")
        write(path, self.run)


@dataclass(frozen=True)
class Stage:
    """What a run that keeps a checkpoint was about.

    Attributes
    ----------
    first
        The number of its first network.
    networks
        How many it was drawing.
    relative_error
        That it was asked for, or None.
    """

    first: int
    networks: int
    relative_error: float | None = None


def write(path, run: Run, stage: Stage | None = None) -> None:
    """Write a run to ``path``, whole or not at all.

    Raises TypeError for two functions of one's own of one name, ValueError where the file cannot be written.
    """
    asked, sums, own = run.question, run.sums, Written()
    arrays: dict[str, np.ndarray] = {}
    arguments = {name: _written(name, value, arrays) for name, value in asked.arguments.items()}
    keys = sorted(sums.nodes, key=lambda key: key[1] << key[0])
    if sums.pivots is not None:
        arrays["pivots"] = sums.pivots
    if sums.counts is not None:
        arrays["counts"] = sums.counts
    elif keys:
        arrays["nodes"] = np.stack([sums.nodes[key] for key in keys])
    if sums.part is not None:
        arrays["part"] = sums.part.sums
    header = {
        "kind": asked.kind,
        "network": _network_data(asked.network, own),
        "seed": asked.seed,
        "method": asked.method,
        "arguments": arguments,
        "builds": [dict(build) for build in run.builds],
        "nodes": [list(key) for key in keys],
        "part": None if sums.part is None else {"tile": sums.part.tile, "networks": sums.part.networks},
        "stage": None if stage is None else {f.name: getattr(stage, f.name) for f in fields(stage)},
    }
    if own.functions:
        header["functions"] = own.entries
    archive.write(path, header, arrays)


def _network_data(network: Network, own: Written) -> dict:
    return as_data(network.width, network.sequence, network.positions, own)


def functions_of(network: Network) -> Mapping[str, Any]:
    """Return a network's functions of one's own by name, as `read` takes them."""
    own = Written()
    _network_data(network, own)
    return own.functions


def _written(name: str, value, arrays: dict):
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Digest):
        return {"shape": list(value.shape), "sha256": value.sha256}
    return value


def read(path, functions: Mapping[str, Any] | None = None) -> tuple[Run, Stage | None]:
    """Return the run in a file, and what it was about if it is a checkpoint.

    ``functions`` are of one's own, by name, as `own_files.Given` takes them. Raises ValueError, with the file's name
    and what is wrong, for anything that `write` has not written; OSError where there is none.
    """
    found: list = []

    def check(header, claims):
        try:
            found.append(_checked(header, claims, functions))
        except TypeError as error:  # of a value of another type
            raise ValueError(str(error)) from None

    _, arrays = archive.read(path, check)
    question, builds, keys, part, stage = found[0]
    for name, value in question.arguments.items():
        if isinstance(value, str) and name in arrays:
            question.arguments[name] = arrays[name]
    sums = SumTree(arrays.get("pivots"), counts=arrays.get("counts"))
    if sums.pivots is not None and not np.isfinite(sums.pivots).all():
        raise ValueError(f"{path} cannot be read: its pivots are not finite.")
    if question.kind == "law" and not all(
        ((arrays[name] >= 0) & (arrays[name] <= MOST)).all() for name in ("counts", "part") if name in arrays
    ):
        raise ValueError(f"{path} cannot be read: its counts are no counts.")
    nodes = arrays.get("nodes", np.empty((len(keys), 0, 0)))
    for key, own in zip(keys, nodes, strict=True):
        sums.put(key, own)
    if part is not None:
        sums.part = Part(part[0], part[1], arrays["part"])
    return Run(question, sums, builds), stage


def _checked(header: dict, claims: dict[str, Claim], functions):
    """Return what a header says, checked, and that the arrays are those that it speaks of."""
    own = Given(functions, header.get("functions", {}))
    if sorted(set(header) - {"functions"}) != sorted(_KEYS):
        raise ValueError(f"it has the keys {quote(sorted(header))}; a run has {', '.join(_KEYS)}.")
    kind = header["kind"]
    if not isinstance(kind, str) or kind not in _ARGUMENTS:
        raise ValueError(f"its kind is {quote(kind)}; it may be {', '.join(_ARGUMENTS)}.")
    network = from_data(header["network"], Network.sequential, own)
    seed = checks.seed(header["seed"])
    if header["method"] not in METHODS:
        raise ValueError(f"its method is {quote(header['method'])}; it may be {', '.join(METHODS)}.")
    arguments = _arguments(kind, header["arguments"], claims)
    builds = header["builds"]
    texts = isinstance(builds, list) and all(
        isinstance(build, dict) and all(isinstance(value, str) for value in build.values()) for build in builds
    )
    if not texts or (header["nodes"] and not builds):  # a checkpoint of an executor begins with none
        raise ValueError(f"its builds are {quote(builds)}; they are versions by name.")
    keys, part = _keys(header["nodes"]), _part(header["part"])
    ends = [((index << level) * TILE, ((index + 1) << level) * TILE) for level, index in keys]
    if part is not None:
        ends.append((part[0] * TILE, part[0] * TILE + part[1]))
    if any(b[0] < a[1] for a, b in pairwise(ends)) or (ends and ends[-1][1] > MOST):
        raise ValueError("its nodes are not in order, or networks come twice.")
    question = Question(kind, network, arguments, seed, header["method"])
    _check_arrays(question, keys, part, claims)
    return question, tuple(builds), keys, part, _stage(header["stage"])


def _arguments(kind: str, given, claims: dict[str, Claim]) -> dict[str, Any]:
    """Return arguments; of what is an array in the file its name stands there for now."""
    known = set(_ARGUMENTS[kind])
    if not isinstance(given, dict) or not known <= set(given) <= known | set(_MAY_HAVE.get(kind, ())):
        raise ValueError(f"its arguments are {quote(given)}; {kind} has {', '.join(_ARGUMENTS[kind])}.")
    found = {}
    for name, value in given.items():
        found[name] = value
        if isinstance(value, dict) and name in ("inputs", "loss"):
            found[name] = name if value == {"array": name} and name in claims else _digest(name, value)
        elif name == "correlation":
            found[name] = checks.real(value, name, " between -1 and 1")
        elif name == "moments":
            found[name] = highest_moment(value)
        elif (name, value) != ("inputs", None) and not (name == "loss" and value in LOSSES) and name != "backward":
            raise ValueError(f"its {name} is {quote(value)}.")
        elif name == "backward" and not isinstance(value, bool):
            raise ValueError(f"its backward is {quote(value)}; it is true or false.")
    return found


def _digest(name: str, value: dict) -> Digest:
    shape, sha256 = value.get("shape"), value.get("sha256")
    if sorted(value) != ["sha256", "shape"] or not isinstance(sha256, str) or not isinstance(shape, list):
        raise ValueError(f"its {name} is {quote(value)}; it is an array, or a digest of one.")
    return Digest(tuple(checks.whole(n, f"shape of {name}", 0, 2**48) for n in shape), sha256)


def _keys(nodes) -> list[tuple[int, int]]:
    if not isinstance(nodes, list) or not all(isinstance(key, list) and len(key) == 2 for key in nodes):
        raise ValueError(f"its nodes are {quote(nodes)}; each is a level and an index.")
    return [(checks.whole(a, "level", 0, 60), checks.whole(b, "index", 0, MOST)) for a, b in nodes]


def _part(given) -> tuple[int, int] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or sorted(given) != ["networks", "tile"]:
        raise ValueError(f"its part is {quote(given)}; it is a tile and its networks.")
    return checks.whole(given["tile"], "tile", 0, MOST), checks.whole(given["networks"], "networks", 1, TILE - 1)


def _stage(given) -> Stage | None:
    if given is None:
        return None
    if not isinstance(given, dict) or sorted(given) != ["first", "networks", "relative_error"]:
        raise ValueError(f"its stage is {quote(given)}; it has first, networks, relative_error.")
    error = given["relative_error"]
    return Stage(
        checks.whole(given["first"], "first", 0, MOST),
        checks.whole(given["networks"], "networks", 0, MOST),
        None if error is None else checks.real(error, "relative_error", " such as 0.01"),
    )


def _check_arrays(question: Question, keys, part, claims: dict[str, Claim]) -> None:
    """Raise ValueError unless the arrays are those of the header, of the shapes that its network gives."""
    expected: dict[str, tuple] = {}
    if keys or part is not None:
        rows, columns = sums_shape(question, claims)
        expected["pivots"] = (rows, _columns(PIVOTS))
        if keys and question.kind == "law":
            expected["counts"] = (rows, columns)
        elif keys:
            expected["nodes"] = (len(keys), rows, columns)
        if part is not None:
            expected["part"] = (rows, columns)
    given = [name for name, value in question.arguments.items() if isinstance(value, str) and value == name]
    if sorted(claims) != sorted([*expected, *given]):
        raise ValueError(f"it holds the arrays {quote(sorted(claims))}; it should be {', '.join([*expected, *given])}.")
    for name, claim in claims.items():
        if claim.dtype != "<f8" or claim.shape != expected.get(name, claim.shape):
            raise ValueError(f"array {name!r} is {claim.dtype} of shape {claim.shape}; expected {expected.get(name)}.")


def sums_shape(question: Question, claims: dict[str, Claim]) -> tuple[int, int]:
    """Return how many rows and columns the sums of a question have."""
    network, positions = question.network, question.network.position_count
    places = len(network.places)
    if question.kind == "law":
        return network.depth, law_columns(network.depth)
    if question.kind == "pair":
        return places, _columns(PAIR)
    if question.kind == "gram":
        asked = question.arguments["inputs"]
        shape = asked.shape if isinstance(asked, Digest) else claims["inputs"].shape
        return places, 2 * (shape[0] * positions) ** 2
    rows = places + (question.kind == "backward")
    more = len(moments_up_to(question.arguments.get("moments"))) * _columns(MOMENT)
    if network.is_chain:
        return rows, _columns(LAYER) + more
    return rows * (positions + (positions > 1)), _columns(PLACE) + more


def _columns(names: np.dtype) -> int:
    return len(names.names or ())
