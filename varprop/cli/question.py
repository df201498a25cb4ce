"""What is asked: of which network, with which data, in which direction; of theory and of simulation alike."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import files, simulate
from ..checks import quote
from ..grams import Grams, Kernel
from ..network import Network
from ..signals import as_rows
from ..tables.records import rows_of
from ..widths import parse_widths
from .words import say

_ENDINGS = (".json", ".toml")


def read_network(words: str, **terms) -> Network:
    """Return the network of widths and of the ``terms`` that are given (not None), or of a file, which holds all."""
    given = {name: value for name, value in terms.items() if value is not None}
    path = Path(words)
    if path.suffix.lower() not in _ENDINGS and (re.fullmatch(r"[\d*,\s]*", words) or not _is_file(path)):
        if re.search(r"[a-z]", words.split(",")[0], re.IGNORECASE):
            raise ValueError(f"{quote(words)} is no file, nor widths such as 784,512*20,10.")
        return Network(parse_widths(words), **given)
    if given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValueError(f"{words} says all of its network; leave out {options}, or write it there.")
    try:
        return Network.load(path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}.") from None


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or holds a null
        return False


def read_data(path: Path | None, network: Network) -> np.ndarray | None:
    """Return the rows of a file, or None where none is named."""
    return None if path is None else read_samples(path, network)


def read_samples(path: Path, network: Network) -> np.ndarray:
    """Return the rows of a file, checked here so that what is wrong with them names the file."""
    rows = files.read_rows(path, say)
    try:
        as_rows(rows, network)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return rows


def two_fans(words: str) -> tuple[int, int]:
    """Return fan_in and fan_out. Raises ValueError for anything but two whole numbers."""
    if not re.fullmatch(r"\s*\d{1,18}\s*,\s*\d{1,18}\s*", words):
        raise ValueError(f"--fans is {quote(words)}; give fan_in and fan_out, such as 784,256.")
    fan_in, fan_out = map(int, words.split(","))
    return fan_in, fan_out


def position_of(words: str | None) -> int | tuple[int, ...] | None:
    """Return a position, a number or several. Raises ValueError for anything but whole numbers."""
    if words is None:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", words):
        raise ValueError(f"--position is {quote(words)}; give a whole number from 0 on, such as 3, or 3,5.")
    where = tuple(map(int, words.split(",")))
    return where if len(where) > 1 else where[0]


def at_place(found: Grams, name: str) -> Kernel:
    """Return the matrix of one place. Raises ValueError for a name that is none."""
    try:
        values, errors = found.at(name), found.errors[found.names.index(name)]
    except KeyError as error:
        raise ValueError(f"--{error.args[0]}") from None
    return Kernel(found.network, values, errors, found.origin, f"{rows_of(found.names)} {name}")


def drawn(networks: int | None, **options) -> dict | None:
    """Return what is given of how networks are drawn, or None where none are: then theory answers, and has no seed."""
    given = {name: value for name, value in options.items() if value is not None}
    if networks is not None:
        return {"networks": networks, **given}
    if given:
        raise ValueError(f"--{next(iter(given))} says how networks are drawn; give --networks, how many, too.")
    return None


@dataclass(frozen=True)
class Question:
    """What is asked of a network: its signal, its gradient, or two inputs."""

    network: Network
    data: np.ndarray | None
    backward: bool
    loss: str | None
    pair: bool = False
    correlation: float | None = None
    position: str | None = None
    moments: int | None = None

    def __post_init__(self):
        if self.backward and self.pair:
            raise ValueError("--backward and --pair are two questions; ask one at a time.")
        for name, needed in (("loss", "backward"), ("correlation", "pair")):
            if getattr(self, name) is not None and not getattr(self, needed):
                raise ValueError(f"--{name} says something about --{needed}; give that too.")
        if self.moments is not None and (self.backward or self.pair):
            raise ValueError(f"--moments are of the signal; leave out --{'backward' if self.backward else 'pair'}.")
        position_of(self.position)

    def ask(self, side, **options):
        """Return the record of ``side``, which is `theory` or `simulate`."""
        record = self._whole(side, **options)
        if self.position is None:
            return record
        try:
            return record.at(position_of(self.position))
        except IndexError as error:
            raise ValueError(f"--{error}") from None

    def _whole(self, side, **options):
        if self.backward:
            return side.backward(self.network, self.data, loss=self.loss or "linear", **options)
        if not self.pair:
            return side.forward(self.network, self.data, moments=self.moments, **options)
        correlation = 0.5 if self.correlation is None and self.data is None else self.correlation
        return side.pair(self.network, correlation, inputs=self.data, **options)

    def measure(self, networks: int | None, relative_error: float | None, **options):
        """Return the record of `simulate`, of 100,000 networks if nobody says how many."""
        if relative_error is not None:
            if self.pair:
                raise ValueError("--relative-error is for variances; with --pair give --networks.")
            options["relative_error"] = relative_error
        elif networks is None:
            networks = 100_000
        return self.ask(simulate, networks=networks, **options)
