"""The report on an audit of a model: what is wrong and what mends it, the numbers, and what weights make of them."""

from functools import partial

from ..audits import Audit
from ..checks import one_line
from ..tables.audit import chains_parts, places_part, weights_parts
from ..tables.audit_steps import steps_parts
from . import page
from .repeat import versions
from .written import Report


def of_audit(audit: Audit, *, command: str | None = None) -> Report:
    """Return the report on an audit; ``command`` is what was typed, if anything was."""
    verdict = audit.judged
    found = [
        ("contradicted", finding.sentence, f"Mend: {finding.mend}" if finding.mend else "")
        for finding in verdict.findings
    ] or [("agree", verdict.words, "")]
    chains = chains_parts(verdict)
    weights = weights_parts(audit.weights, True) if audit.weights else []
    remarks = [page.paragraph(words) for words in (*verdict.remarks, *audit.notes)]
    drawn = "one network as it stands" if audit.as_given else f"{audit.networks:,} networks, seed {audit.seed}"
    figure = partial(_draw, audit), "Signal and squared gradient in the order of modules", 7.2, 4.8
    sections = [
        page.section("Verdict", page.verdicts(found), *remarks),
        page.section("Signal and gradient", page.figures([figure]), page.parts([places_part(audit, True)], "Places")),
        *([page.section("With depth", page.parts(chains, "With depth"))] if chains else []),
        *([page.section("The weights", page.parts(weights, "The weights"))] if weights else []),
        page.section("Where the numbers come from", page.parts(steps_parts(audit), "Derivation")),
        _again(audit, command),
    ]
    words = f"{audit.description.removeprefix(audit.model + ', ')}; {drawn}"
    end = (
        "Points are measured, with standard errors between networks. What the weights give comes from their own "
        "variance and the input that was measured; z is the difference in standard errors."
    )
    return Report(audit.model, (verdict.words,), page.page(one_line(audit.model, 200), words, sections, end))


def _draw(audit: Audit, ax) -> None:
    audit.plot(ax=ax)
    ax.set_title("")


def _again(audit: Audit, command: str | None) -> str:
    asked = ["networks=" + str(audit.networks), "seed=" + str(audit.seed)]
    if audit.loss != "linear":
        asked.append("loss=...")
    call = f'varprop.report(varprop.pytorch.audit({audit.model}, inputs, {", ".join(asked)})).save("report.html")'
    words = "This command measures the same networks on one machine, of the same model and batch:"
    return page.section(
        "To repeat it",
        page.paragraph(words),
        page.code(call if command is None else command),
        page.parts([versions("torch")], "Versions"),
    )
