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
from .inputs import LOSSES, as_correlation
from .network import Network, check_chain
from .own_files import Given, Written
from .quantities import highest_moment, moments_up_to
from .runs import METHODS, Digest, Question, Run
from .saved import as_data, from_data
from .signals import as_rows, as_signal_loss, given_shape
from .sum_tree import TILE, Part, SumTree
from .sums import LAYER, MOMENT, PAIR, PIVOTS, PLACE, columns, law_columns

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
    for name, checked in (("inputs", as_rows), ("loss", as_signal_loss)):
        if name in arrays:
            try:
                checked(arrays[name], question.network)
            except ValueError as error:
                raise ValueError(f"{path} cannot be read: {error}") from None
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
    if kind == "law":
        check_chain(network, kind)
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
    """Return arguments; of what is an array in the file its digest stands there for now."""
    known = set(_ARGUMENTS[kind])
    if not isinstance(given, dict) or not known <= set(given) <= known | set(_MAY_HAVE.get(kind, ())):
        raise ValueError(f"its arguments are {quote(given)}; {kind} has {', '.join(_ARGUMENTS[kind])}.")
    return {name: _argument(kind, name, value, claims) for name, value in given.items()}


def _argument(kind: str, name: str, value, claims: dict[str, Claim]):
    if isinstance(value, dict) and name in ("inputs", "loss"):
        return _digest(name, value, claims)
    if name == "correlation":
        return as_correlation(value)
    if name == "moments":
        return highest_moment(value)
    fits = {"inputs": value is None and kind != "gram", "loss": value in LOSSES, "backward": isinstance(value, bool)}
    if not fits[name]:
        raise ValueError(f"its {name} is {quote(value)}.")
    return value


def _digest(name: str, value: dict, claims: dict[str, Claim]) -> Digest:
    if value == {"array": name} and name in claims:
        return Digest(claims[name].shape, claims[name].sha256)
    shape, sha256 = value.get("shape"), value.get("sha256")
    if sorted(value) != ["sha256", "shape"] or not isinstance(sha256, str) or not isinstance(shape, list):
        raise ValueError(f"its {name} is {quote(value)}; it is an array, or a digest of one.")
    return Digest(tuple(checks.whole(n, f"shape of {name}", 1, 2**48) for n in shape), sha256)


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
        None if error is None else checks.part(error, "relative_error", "0.01"),
    )


def _check_arrays(question: Question, keys, part, claims: dict[str, Claim]) -> None:
    """Raise ValueError unless the arrays are those of the header, of the shapes that its network gives."""
    expected: dict[str, tuple[int, ...]] = {}
    for name, value in question.arguments.items():
        if isinstance(value, Digest):
            shape = _given_shape(question, name, value.shape)
            if value.shape != shape:
                raise ValueError(f"the shape of its {name} is {value.shape}; expected {shape}.")
            if name in claims:
                expected[name] = shape
    if keys or part is not None:
        shape = sums_shape(question)
        expected["pivots"] = (shape[0], columns(PIVOTS))
        if keys and question.kind == "law":
            expected["counts"] = shape
        elif keys:
            expected["nodes"] = (len(keys), *shape)
        if part is not None:
            expected["part"] = shape
    if sorted(claims) != sorted(expected):
        raise ValueError(f"it holds the arrays {quote(sorted(claims))}; it should be {', '.join(expected) or 'none'}.")
    for name, claim in claims.items():
        if (claim.dtype, claim.shape) != ("<f8", expected[name]):
            found, right = (f"{dtype} of shape {shape}" for dtype, shape in (claim[:2], ("<f8", expected[name])))
            raise ValueError(f"array {name!r} is {found}; expected {right}.")


def _given_shape(question: Question, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an argument as it is kept, for as many samples as ``shape`` has."""
    network, there = question.network, given_shape(question.network)
    if name == "loss":
        return (*there, network.nodes[network.top].width)
    return (*((2,) if question.kind == "pair" else shape[:1]), *there, network.width)


def sums_shape(question: Question) -> tuple[int, int]:
    """Return how many rows and columns the sums of a question have."""
    network, positions = question.network, question.network.position_count
    places = len(network.places)
    if question.kind == "law":
        return network.depth, law_columns(network.depth)
    if question.kind == "pair":
        return places, columns(PAIR)
    if question.kind == "gram":
        return places, 2 * (question.arguments["inputs"].shape[0] * positions) ** 2
    rows = places + (question.kind == "backward")
    more = len(moments_up_to(question.arguments.get("moments"))) * columns(MOMENT)
    if network.is_chain:
        return rows, columns(LAYER) + more
    return rows * (positions + (positions > 1)), columns(PLACE) + more
