"""The report on a network: what theory says, what simulation measured, and how the numbers come about."""

import json
from functools import partial

from .. import saved, theory
from ..checks import one_line
from ..comparison import Comparison
from ..network import Network
from ..origins import Origin
from ..tables import column, comparison_parts, record_parts, verdict
from ..tables.tunings import happening
from . import page
from .asked import FILE, Asked
from .repeat import data_words, versions
from .written import Report

_CLASSES = {"agree": "agree", "contradicted": "contradicted", "not judged": "unsure"}
_TITLES = {"forward": "Signal", "backward": "Gradient", "pair": "Two inputs"}


def of_network(network: Network, inputs=None, *, command: str | None = None, **options) -> Report:
    """Return the report on a network, as `report` does; ``command`` is what was typed, if anything was."""
    asked = Asked(network, inputs, **options)
    records, unknown = asked.records()
    compared = asked.comparisons(records)
    pairs = [(records[name][0], one) for name, both in compared.items() for one in both]
    found = [_verdict(*pair) for pair in pairs]
    drawn = records["forward"][1].networks
    tuning = _tuning(asked)
    sections = [
        page.section("Verdict", page.verdicts(found), *_says(tuning), *_no(unknown)),
        page.section("Theory and simulation", page.figures([_figure(*pair) for pair in pairs])),
        *(_numbers(name, records[name], compared[name]) for name in records),
        page.section("Where the numbers come from", page.parts(_derivation(asked), "Derivation")),
        *_kept(tuning),
        page.section("The network", page.parts(network.table()._parts(), "The network"), *_saved(network)),
        _again(asked, command),
    ]
    title = one_line(network, 300)
    words = f"{drawn:,} random networks, seed {asked.seed}"
    end = (
        "A z-score is the difference of measurement and theory in standard errors. Layers that contradict theory by "
        "chance alone are taken for that once in a million such verdicts."
    )
    return Report(title, tuple(f"{words}" for _, words, _ in found), page.page(title, words, sections, end))


def _verdict(predicted, comparison: Comparison) -> tuple[str, str, str]:
    """Return a verdict's class, words, and what to read with it."""
    more = f"Theory: {comparison.predicted.origin}."
    if comparison.verdict == "contradicted" and comparison.predicted.origin in (Origin.FIRST, Origin.INFINITE):
        more += " It leaves out what shows with so many networks; see the notes below the table."
    words = f"{column(predicted, comparison.quantity)}: {verdict(comparison)}."
    return _CLASSES[comparison.verdict], words, more


def _tuning(asked: Asked):
    """Return what multipliers do; None of one layer, or where theory does not know the gradient."""
    try:
        return theory.tune(asked.network, asked.inputs)
    except ValueError:
        return None


def _says(tuning) -> list[str]:
    """Return what happens to signal and gradient."""
    return [] if tuning is None else [page.paragraph(words) for words in happening(tuning)]


def _no(unknown: str) -> list[str]:
    return [page.paragraph(f"No gradient here: {unknown}")] if unknown else []


def _figure(predicted, comparison: Comparison) -> tuple:
    what = column(predicted, comparison.quantity)
    caption = f"{what}: theory and {comparison.networks:,} networks with standard errors; below, z-scores"
    return partial(_draw, comparison, what), caption


def _draw(comparison: Comparison, what: str, ax) -> None:
    comparison.plot(ax=ax)
    ax.set_title("")  # the verdict is said in words already
    ax.set_ylabel(what)


def _numbers(name: str, both: tuple, comparisons) -> str:
    title = _TITLES[name]
    tables = [page.parts(comparison_parts(one)[1:], f"{title}: {one.quantity}") for one in comparisons]
    every = [
        page.parts(record_parts(record), f"{title}: {whose}")
        for whose, record in zip(("theory", "measured"), both, strict=True)
    ]
    return page.section(title, *tables, page.folded("Every number of theory, and every one measured", *every))


def _derivation(asked: Asked) -> list:
    loss = asked.loss if asked.backward is not False else "linear"
    return theory.derivation(asked.network, asked.inputs, loss=loss, order=asked.order)._parts()[1:]


def _kept(tuning) -> list[str]:
    if tuning is None:
        return []
    return [page.section("What would keep it", page.parts(tuning._parts()[1:], "Multipliers"))]


def _saved(network: Network) -> list[str]:
    """Return the network as its file, to look at and to save."""
    try:
        text = json.dumps(saved.as_data(network.width, network.sequence, network.positions), indent=1) + "\n"
    except TypeError:
        return [page.paragraph("It has a function of your own, which no file holds.")]
    return [page.folded(f"The network as {FILE}", page.code(text), page.download(FILE, text))]


def _again(asked: Asked, command: str | None) -> str:
    content = [page.paragraph("This command gives the same numbers, to the bit on one machine:")]
    content.append(page.code(asked.command() if command is None else command))
    if command is None:
        content.append(page.paragraph(f"{FILE} is saved from the section above."))
    content += [page.paragraph(data_words(asked.inputs)), page.parts([versions()], "Versions")]
    return page.section("To repeat it", *content)
