"""What a report asks of theory and of simulation, and the command that asks it again."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, fields

from numpy.typing import ArrayLike

from .. import simulate, theory
from ..comparison import Comparison, compare
from ..names import choose
from ..network import Network
from ..origins import Origin
from ..records import Record
from ..signals import as_signal_loss

NETWORKS = 100_000
FILE, DATA = "network.json", "inputs.npy"  # what the repeating command calls the network and its inputs


@dataclass(frozen=True)
class Asked:
    """The questions: of the signal, of the gradient, of two inputs; options are those of `report`."""

    network: Network
    inputs: ArrayLike | None = None
    loss: str | ArrayLike = "linear"
    backward: bool | None = None
    pair: bool = False
    correlation: float | None = None
    position: int | tuple[int, ...] | None = None
    networks: int | None = None
    relative_error: float | None = None
    seed: int = 0
    method: str = "auto"
    threads: int | None = None
    order: str | None = None
    quantity: str | None = None

    def records(self) -> tuple[dict, str]:
        """Return (predicted, measured) by the name of the function, and why there is no gradient, if there is none."""
        predicted, unknown = {}, ""
        loss = as_signal_loss(self.loss, self.network)
        demanded = self.backward or not (isinstance(loss, str) and loss == "linear")
        for name, (arguments, options) in self._questions().items():
            try:
                record = getattr(theory, name)(*arguments, **options, order=self.order)
                predicted[name] = self._at(record)
            except ValueError as obstacle:
                if name != "backward" or demanded:  # who asked for gradients is told at once
                    raise
                unknown = str(obstacle)
        self._chosen(predicted.values())  # what nobody has is refused before networks are drawn
        found: dict[str, tuple] = {}
        for name, record in predicted.items():
            arguments, options = self._questions()[name]
            drawn = {"networks": self.count, "relative_error": self.relative_error}
            if name == "pair":
                drawn = {"networks": found["forward"][1].networks}
            how = {"seed": self.seed, "method": self.method, "threads": self.threads}
            measured = getattr(simulate, name)(*arguments, **options, **drawn, **how)
            found[name] = record, self._at(measured)
        return found, unknown

    def _at(self, record):
        return record if self.position is None else record.at(self.position)

    @property
    def count(self) -> int | None:
        """How many networks are drawn, at most where an error is asked for."""
        return NETWORKS if self.networks is None and self.relative_error is None else self.networks

    def _questions(self) -> dict:
        found: dict[str, tuple[tuple, dict]] = {"forward": ((self.network, self.inputs), {})}
        if self.backward is not False:
            found["backward"] = (self.network, self.inputs), {"loss": self.loss}
        if self.pair:
            inputs = None if self.correlation is not None else self.inputs
            correlation = 0.5 if self.correlation is None and inputs is None else self.correlation
            found["pair"] = (self.network, correlation), {"inputs": inputs}
        return found

    def comparisons(self, records: dict) -> dict[str, list[Comparison]]:
        """Return what is held against each other: the main quantity of each record, and one beside it."""
        found, chosen = {}, self._chosen(predicted for predicted, _ in records.values())
        for name, (predicted, measured) in records.items():
            beside = [chosen] if chosen is not None else _beside(predicted)
            both = predicted.profiles.keys() & measured.profiles
            wanted = [each for each in dict.fromkeys((predicted.main, *beside)) if each in both]
            found[name] = [compare(measured, predicted, quantity=each) for each in wanted]
        return found

    def _chosen(self, records: Iterable[Record]) -> str | None:
        """Return the quantity that is asked for, of some record; None where none is. Raises ValueError for another."""
        names = dict.fromkeys(name for record in records for name in record.profiles)
        said = "no record here has the quantity {}"
        return None if self.quantity is None else choose(self.quantity, names, said, kind="quantity")

    def command(self) -> str:
        """Return the command that makes this report, of a network and inputs in files."""
        words = ["varprop", "report", FILE]
        for field in fields(self)[2:]:
            value = getattr(self, field.name)
            flag = f"--{field.name.replace('_', '-')}"
            if value == field.default or field.name == "networks":
                continue
            if isinstance(value, tuple):
                value = ",".join(map(str, value))
            words += [flag] if value is True else [f"--no-{field.name}"] if value is False else [flag, f"{value}"]
        words += ["--inputs", DATA] if self.inputs is not None else []
        words += ["--networks", str(self.count)] if self.count is not None else []
        return shlex.join([*words, *([] if "--seed" in words else ["--seed", "0"])])


def _beside(predicted) -> list[str]:
    """Return what is compared beside the main quantity: the typical network, where theory knows it exactly."""
    profile = predicted.profiles.get("log_mean")
    return [] if profile is None or profile.origin is not Origin.EXACT else ["log_mean"]
