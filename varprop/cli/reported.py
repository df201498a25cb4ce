"""Reports of the command line: where they are written, and the command that is in them."""

import re
import shlex
import sys
from pathlib import Path

from ..reports import Report, of_audit, of_network
from ..reports.written import checked_place
from .question import position_of
from .words import say


def network_report(words: str, network, data, output: Path | None, *, loss, correlation, position, pair, **options):
    """Return the report on a network that ``words`` named, written to ``output`` or to a name that the words make."""
    if correlation is not None and not pair:
        raise ValueError("--correlation says something about --pair; give that too.")
    if loss is not None and options["backward"] is False:
        raise ValueError("--loss says something about gradients; leave out --no-backward.")
    place = checked_place(named_after(words, network) if output is None else output)
    asked = {"pair": pair, "correlation": correlation, "position": position_of(position), "loss": loss or "linear"}
    try:
        found = of_network(network, data, command=_typed(), **asked, **options)
    except IndexError as error:
        raise ValueError(f"--{error}") from None
    return _written(found, place)


def audit_report(audit, output: Path) -> Report:
    """Return the report on an audit, written to ``output``."""
    return _written(of_audit(audit, command=_typed()), output)


def _written(found: Report, place: Path) -> Report:
    found.save(place)
    say(f"wrote {place}.")
    return found


def named_after(words: str, network) -> str:
    """Return the name of a report: after the network's file, or after the network itself."""
    what = Path(words).stem if re.search(r"\.(json|toml)$", words, re.IGNORECASE) else str(network).replace("*", "x")
    return re.sub(r"[^A-Za-z0-9._]+", "-", what).strip("-.")[:80] + "-report.html"


def _typed() -> str:
    """Return the command as it was typed, as a shell reads it."""
    return shlex.join(["varprop", *sys.argv[1:]])
