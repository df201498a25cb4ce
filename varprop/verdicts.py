"""What is wrong with an audited model, in words, and the change that mends it with theory's numbers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .audits import Audit
from .fates import SHORTEST, Fate, fates, is_weighted, lost_at
from .mends import keeps, shrinks_branches
from .remarks import has_weights, remarks, some
from .theory.precision import FORMATS

# Where a finding begins. All are of variances or shares.
SIGNAL_DRIFT = (
    10.0  # from a chain's first place to its last: the std is 3 times another, and activations bend elsewhere
)
GRADIENT_DRIFT = 100.0  # the std of gradients is 10 times another: no learning rate of plain SGD fits both ends
SURE = 3.0  # standard errors, between networks, by which a drift must pass its limit's logarithm
ALIKE = 0.98  # mean cosine: two rows differ by a fifth of their size, which later layers hardly tell apart
ALIKE_AT_FIRST = 0.9  # rows that are as alike at the first place came alike; no layer made them so
DEAD = 0.75  # share of units that are 0 for all of a batch: where all rows are alike ReLU silences half, give or take
ENOUGH_ROWS = 16  # rows in a batch: by chance a ReLU is silent for as many once in 65,536
_UNFOLLOWED = (
    "Healthy as far as one sees: nothing is dead or equal; there are no three layers, sums or calls to follow."
)
OF_FORMATS = ("float32", "bfloat16", "float16", "float8_e5m2", "float8_e4m3fn")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind
        Such as ``"signal vanishes"``, ``"gradient explodes"``, ``"inputs alike"``, ``"dead units"``, ``"copies"``,
        ``"zeros"``, ``"not finite"``, ``"uncalled"``.
    places
        Where: places of the audit, or names of weights.
    figures
        The numbers that the sentence tells.
    sentence
        What is the matter.
    mend
        What to change, with theory's numbers where it knows them.
    """

    kind: str
    places: tuple[str, ...]
    figures: dict[str, float]
    sentence: str
    mend: str = ""


@dataclass(frozen=True)
class Verdict:
    """What an audit comes to.

    Attributes
    ----------
    findings
        What is wrong, worst first.
    fates
        What each chain of places does to signal and gradient, with the depth at which each format loses them.
    formats
        The same as measured: for each format the first place whose signal, and whose gradient, it loses; None if none.
    remarks
        What is no fault, but good to know.
    """

    findings: tuple[Finding, ...]
    fates: tuple[Fate, ...] = field(repr=False, default=())
    formats: dict[str, dict[str, str | None]] = field(repr=False, default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def words(self) -> str:
        """The verdict in one line."""
        if self.findings:
            kinds = list(dict.fromkeys(finding.kind for finding in self.findings))
            return f"{len(self.findings)} finding{'s' * (len(self.findings) > 1)}: {', '.join(kinds)}."
        worst = {}
        for fate in sorted(self.fates, key=lambda fate: abs(math.log(fate.total or 1))):
            worst[fate.of, fate.chain] = fate
        kept = [
            f"{fate.of} {_times(fate.total)} over {fate.count} {_plural(fate.chain)}"
            for fate in self.fates
            if worst[fate.of, fate.chain] is fate
        ]
        return f"Healthy: {'; '.join(kept)}." if kept else _UNFOLLOWED

    def __str__(self) -> str:
        return self.words


def judge(audit: Audit) -> Verdict:
    """Return the verdict on an audit."""
    found = fates(audit, {name: FORMATS[name] for name in OF_FORMATS})
    findings = [*_broken(audit), *_drifts(audit, found), *_alike(audit), *_dead(audit), *_weights(audit)]
    idle = tuple(path for path in audit.uncalled if has_weights(audit, path))
    if idle:
        sentence = f"Never called, and without gradient: {some(idle)}."
        findings.append(Finding("uncalled", idle, {}, sentence, "Call them in forward, or leave them out."))
    formats = {name: {of: lost_at(audit, of, FORMATS[name]) for of in ("signal", "gradient")} for name in OF_FORMATS}
    return Verdict(tuple(findings), tuple(found), formats, tuple(remarks(audit)))


def _broken(audit: Audit) -> Iterator[Finding]:
    first = audit.first_nonfinite
    if first is not None:
        share = float(np.nanmax(audit.nonfinite.values))
        sentence = f"{first} is the first module whose output holds NaN or infinity."
        yield Finding("not finite", (first,), {"share": share}, sentence, "Look at its input and its weights first.")
    silent = np.flatnonzero((audit.second_moment.values == 0) & _not_dropout(audit))
    if silent.size:
        name = audit.names[silent[0]]
        sentence = f"The signal is exactly 0 from {name} on, in every network."
        yield Finding(
            "signal is 0",
            (name,),
            {},
            sentence,
            "Look at the weights and biases before it: all is 0, or below what the activation lets through.",
        )


def _drifts(audit: Audit, found: list[Fate]) -> Iterator[Finding]:
    for fate in found:
        limit = SIGNAL_DRIFT if fate.of == "signal" else GRADIENT_DRIFT
        size = abs(math.log(fate.total)) if fate.total > 0 else math.inf
        unsure = SURE * fate.total_error if fate.total_error > 0 else 0.0  # NaN with one network
        if size - unsure <= math.log(limit):
            continue
        grows = fate.total > 1
        kind = f"{fate.of} {'explodes' if grows else 'vanishes'}"
        back = "" if fate.of == "signal" else " going back"
        each = {"sum": "block's sum", "layer": "layer", "step": "call", "time": "step"}[fate.chain]
        a, b = fate.names[0], fate.names[-1]
        quantity = "E[x²]" if fate.of == "signal" else "the gradient, squared,"
        quantity += " times E[x²]" if fate.relative else ""
        by = f"× {fate.factor:.3g} a {each}{back}"
        over = f"{fate.count} {_plural(fate.chain)}"
        sentence = f"From {a} to {b} {quantity} goes {by}: {_times(fate.total)} over {over}."
        if fate.adds:
            sentence = f"From {a} to {b} {quantity} grows {_times(fate.total)} over {over}, by about as much at each."
        figures = {"factor": fate.factor, "factor_error": fate.factor_error, "total": fate.total}
        mend, more = _mend(audit, fate)
        yield Finding(kind, (a, b), {**figures, **more}, sentence, mend)


def _mend(audit: Audit, fate: Fate) -> tuple[str, dict[str, float]]:
    """Return what mends a chain, and the numbers in it."""
    if fate.chain == "sum":
        return shrinks_branches(audit, fate)
    if fate.chain in ("step", "time"):
        lstm = "LSTM" in audit.kinds[audit.index(fate.names[-1].partition(", ")[0])]
        usual = "a bias of 1 on the forget gate" if lstm else "orthogonal weights, or fewer steps"
        return f"Theory does not know weights that are used again; {usual} may help. Audit it again.", {}
    return keeps(audit, fate)


def _alike(audit: Audit) -> Iterator[Finding]:
    for kind, profile, what in (
        ("inputs alike", audit.cosine_of_inputs, "rows of the batch"),
        ("positions alike", audit.cosine_of_positions, "positions of a row"),
    ):
        values, errors = profile.values, np.nan_to_num(profile.errors)
        known = np.flatnonzero(np.isfinite(values))
        if not known.size:
            continue
        first = values[known[0]]
        # where there is a stream, that is judged: what attention adds is a mean over positions, alike by itself
        sums = [l for l in known if audit.kinds[l] == "sum"]
        weighted = sums if len(sums) >= SHORTEST else [l for l in known if is_weighted(audit.kinds[l])]
        pooled = next(
            (l for l, each in enumerate(audit.kinds) if "Pool" in each and "Max" not in each), len(audit.kinds)
        )
        weighted = [l for l in weighted if l < pooled]  # means over many positions are alike, whatever the model
        where = [l for l in weighted if values[l] - SURE * errors[l] > ALIKE]
        if not where or first > ALIKE_AT_FIRST:
            continue
        at, last = where[0], weighted[-1]
        figures = {"cosine": float(values[at]), "first": float(first)}
        came = f"{first:.2f} at {audit.names[known[0]]}"
        sentence = f"From {audit.names[at]} on {what} are nearly one: cosine {values[at]:.4f}, {came}."
        yield Finding(kind, (audit.names[at], audit.names[last]), figures, sentence, _against_alike(audit))


def _against_alike(audit: Audit) -> str:
    biased = [truth for truth in audit.weights if truth.kind == "bias" and truth.variance > 0]
    if biased:
        return "Set the biases to 0: every input gets the same, and what is left of the signal is small beside them."
    return "Larger weights, residual sums or norms keep inputs apart; theory.gram tells how far."


def _dead(audit: Audit) -> Iterator[Finding]:
    rows = np.array([shape[0] if shape else 1 for shape in audit.shapes])
    values = audit.dead.values
    where = np.flatnonzero((values > DEAD) & (rows >= ENOUGH_ROWS) & (audit.second_moment.values > 0))
    if where.size:
        worst = where[np.argmax(values[where])]
        name, share = audit.names[worst], float(values[worst])
        sentence = f"{share:.0%} of the units of {name} are 0 for the whole batch."
        mend = "Their input lies below 0 whatever comes: look at biases, and at inputs whose mean is not 0."
        yield Finding("dead units", tuple(audit.names[l] for l in where), {"share": share}, sentence, mend)


def _weights(audit: Audit) -> Iterator[Finding]:
    copies = [truth for truth in audit.weights if truth.equal_to and truth.kind == "weight"]
    if copies:
        groups = {frozenset((truth.name, *truth.equal_to)) for truth in copies}
        names = tuple(sorted(next(iter(groups)), key=lambda name: (len(name), name)))
        more = f", and {len(groups) - 1} more sets" if len(groups) > 1 else ""
        sentence = f"Weights are equal in several modules: {some(names)}{more}."
        mend = (
            "They were copied after they were drawn, as nn.TransformerEncoder copies its layer: draw each anew, with "
            "torch.nn.init.xavier_uniform_ on every matrix, or reset_parameters of each module."
        )
        yield Finding("copies", tuple(truth.name for truth in copies), {"sets": len(groups)}, sentence, mend)
    residual = "sum" in audit.kinds
    for finding, what, mend in (
        ("not finite", "hold NaN or infinity", "Draw them anew."),
        ("zeros", "are all 0", "Draw them at random, unless they end a residual branch."),
        ("constant", "are constant, so that all units do the same", "Draw them at random."),
    ):
        names = tuple(truth.name for truth in audit.weights if truth.finding == finding)
        if names and not (finding == "zeros" and residual):
            yield Finding(finding, names, {"tensors": len(names)}, f"Weights {what}: {some(names)}.", mend)


def _not_dropout(audit: Audit) -> np.ndarray:
    return np.array(["Drop" not in kind for kind in audit.kinds])


def _times(ratio: float) -> str:
    """Return a ratio as a factor people read: × 12, or ÷ 340."""
    return f"× {ratio:.3g}" if ratio >= 1 else f"÷ {1 / ratio:.3g}" if ratio > 0 else "× 0"


def _plural(kind: str) -> str:
    return {"sum": "residual sums", "layer": "layers", "step": "calls", "time": "steps"}[kind]
