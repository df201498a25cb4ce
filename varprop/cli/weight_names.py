"""The names that weight laws have, as a list."""

from ..frameworks import signatures
from ..initializers import NAMES
from ..tables import Tabular


class WeightNames(Tabular):
    """Every name of a weight law: lines when printed, and plain values."""

    def _fields(self) -> dict:
        """Return the names by whose they are, a framework's with its arguments and their defaults."""
        return {"varprop": list(NAMES), **signatures()}

    def _parts(self) -> list:
        lines = [f"Ours: {', '.join(NAMES)}."]
        for framework, names in signatures().items():
            short = ", ".join(name.removeprefix(f"{framework}:") for name in names)
            lines.append(f"Behind {framework}: {short}.")
        return [
            *lines,
            "A framework's name stands behind it, with its own arguments: torch:trunc_normal_(std=0.02). "
            "varprop weights NAME --fans 784,256 says what a name gives.",
        ]
