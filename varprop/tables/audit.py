"""An audit of a model as tables, a place a row or blocks folded, and as data."""

import math

import numpy as np

from ..exported import plain
from .folding import folded
from .numbers import estimate
from .records import profile_columns
from .text import Tabular

MOST_ROWS, MOST_WEIGHTS = 30, 12  # places, and weights, that are shown one by one
_CUT = (
    "A std whatever the width is a normal's, or that of PyTorch's trunc_normal_, whose cut at ±2 then changes nothing."
)
_LONG = 20  # characters of a path in a narrow column
_UNKNOWN = "–"


class AuditTable(Tabular):
    """An audit with its verdict, as text or HTML.

    Parameters
    ----------
    audit, verdict
        What was measured, and what it comes to.
    unfold
        Whether every place and weight has a row of its own.
    """

    def __init__(self, audit, verdict, unfold: bool = False):
        self.audit, self.verdict, self.unfold = audit, verdict, unfold

    def _parts(self) -> list:
        audit, verdict = self.audit, self.verdict
        drawn = "as it stands" if audit.as_given else f"{audit.networks} network{'s' * (audit.networks != 1)}"
        lines = [f"{audit.description}; {drawn}", verdict.words]
        lines += _findings(verdict.findings)
        parts = [*lines, places_part(audit, self.unfold), *chains_parts(verdict)]
        if audit.weights:
            parts += weights_parts(audit.weights, self.unfold)
        return [*parts, *verdict.remarks, *audit.notes]

    def _fields(self) -> dict:
        return audit_json(self.audit, self.verdict)

    def _columns(self) -> dict:
        return audit_columns(self.audit)


def _findings(findings) -> list[str]:
    """Return what is wrong, and behind all that one change mends, the change."""
    mends: dict[str, list[str]] = {}
    for finding in findings:
        mends.setdefault(finding.mend, []).append(f"* {finding.sentence}")
    return [line for mend, said in mends.items() for line in [*said, *([f"  Mend: {mend}"] if mend else [])]]


def places_part(audit, unfold: bool) -> tuple:
    """Return the table of places."""
    names, count = audit.names, len(audit.names)
    keys = list(zip(audit.kinds, audit.shapes, strict=True))
    rows = [(name, [l]) for l, name in enumerate(names)] if unfold or count <= MOST_ROWS else folded(names, keys)
    predicted = audit.predicted
    columns = {
        "E[x²]": lambda ls: _cell(audit.second_moment, ls),
        "by its weights": lambda ls: _cell(predicted.second_moment, ls, bare=True),
        "z": lambda ls: _worst(predicted.z[ls]),
        "E[(∂ℓ/∂x)²]": lambda ls: _cell(audit.gradient_variance, ls),
        "E[(∂ℓ/∂W)²]": lambda ls: _cell(audit.weight_gradient_variance, ls),
        "zeros": lambda ls: _share(audit.zeros.values[ls]),
    }
    if predicted.network is not None:
        columns = {
            name: cell
            for pair in columns.items()
            for name, cell in ([pair, ("theory", lambda ls: _cell(predicted.network, ls, bare=True))])[
                : 2 if pair[0] == "z" else 1
            ]
        }
    shown = {name: [cell(np.array(ls)) for _, ls in rows] for name, cell in columns.items()}
    shown = {name: cells for name, cells in shown.items() if set(cells) != {_UNKNOWN}}
    table = [[name, audit.kinds[ls[0]], *(cells[i] for cells in shown.values())] for i, (name, ls) in enumerate(rows)]
    return ["place", "module", *shown], table


def _cell(profile, ls, bare: bool = False) -> str:
    """Return a place's number, or of several the first, the last and the factor from one to the next."""
    values, errors = profile.values[ls], profile.errors[ls]
    if len(ls) == 1:
        value, error = float(values[0]), float(errors[0])
        if math.isnan(value):
            return _UNKNOWN
        return f"{value:.3g}" if bare or not error > 0 else estimate(value, error)
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return _UNKNOWN
    first, last = values[known[0]], values[known[-1]]
    if bare or not (first > 0 and last > 0) or len(known) < 2:
        return f"{first:.3g} → {last:.3g}"
    factor = (last / first) ** (1 / (known[-1] - known[0]))
    return f"{first:.3g} → {last:.3g} (× {factor:.3g})"


def _worst(z) -> str:
    z = z[np.isfinite(z)]
    return f"{z[np.argmax(np.abs(z))]:+.2f}" if z.size else _UNKNOWN


def _share(values) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.0%}" if round(low, 2) == round(high, 2) else f"{low:.0%} to {high:.0%}"


def chains_parts(verdict) -> list:
    """Return what becomes of signal and gradient with depth, and where each number format loses them."""
    if not verdict.fates:
        return []
    formats = list(verdict.formats)
    each = {"sum": "a sum", "layer": "a layer", "step": "a call", "time": "a step"}
    rows = []
    for fate in verdict.fates:
        back = ", going back" if fate.of == "gradient" else ""
        factor = "adds alike" if fate.adds else f"× {estimate(fate.factor, fate.factor_error)} {each[fate.chain]}"
        cells = [_depth(fate, name, verdict.formats[name][fate.of]) for name in formats]
        rows.append([f"{fate.of}{back}, {fate.names[0]} to {fate.names[-1]}", factor, *cells])
    words = "How many of them a number format bears; a place of this model is where it has already lost it:"
    return [words, (["", "factor", *formats], rows)]


def _depth(fate, name: str, place: str | None) -> str:
    """Return where a format loses a chain: the place, else the depth that a longer one may have."""
    if place is not None:
        return f"at {place}" if len(place) <= _LONG else f"at …{place[-_LONG:]}"
    depth = fate.lost[name]
    return "never" if math.isinf(depth) else f"{math.ceil(depth):,}"


def weights_parts(weights, unfold: bool) -> list:
    """Return the truth about the weights as a table, and in a line what biases and gains are."""
    main = [truth for truth in weights if truth.kind == "weight"]
    keys = [(truth.rule, truth.shape, bool(truth.equal_to), truth.tied) for truth in main]
    names = [truth.name for truth in main]
    few = unfold or len(main) <= MOST_WEIGHTS
    rows = [(name, [i]) for i, name in enumerate(names)] if few else folded(names, keys)
    table = []
    for name, members in rows:
        some = [main[i] for i in members]
        said = some[0].rule
        if some[0].tied:
            said += f"; tied to {', '.join(some[0].tied)}"
        if some[0].equal_to:
            said += f"; equal to {_few(some[0].equal_to)}"
        table.append([name, str(some[0].fan_in or _UNKNOWN), _gains(some), _kurtosis(some), said])
    parts: list = [(["weights", "n", "n Var(w)", "kurtosis", "rule"], table)]
    if any(truth.rule.startswith("std 0.") for truth in main):
        parts.append(_CUT)
    for kind, plural in (("bias", "Biases"), ("gain", "Gains")):
        rules: dict[str, int] = {}
        for truth in weights:
            if truth.kind == kind:
                rule = truth.rule.partition(", as far as")[0].partition(" (")[0]
                rules[rule] = rules.get(rule, 0) + 1
        if rules:
            parts.append(f"{plural}: {'; '.join(f'{rule} ({count})' for rule, count in rules.items())}.")
    return parts


def _gains(some) -> str:
    if len(some) == 1:
        return estimate(some[0].gain_squared, some[0].gain_squared_error)
    return f"{np.mean([truth.gain_squared for truth in some]):.3g}"


def _kurtosis(some) -> str:
    value = float(np.mean([truth.kurtosis for truth in some]))
    return _UNKNOWN if math.isnan(value) else f"{value:.2f}"


def _few(names) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} others"


def audit_json(audit, verdict) -> dict:
    """Return an audit and its verdict as plain values; null stands for a number that there is none of."""
    return {
        "model": audit.model,
        "networks": audit.networks,
        "seed": audit.seed,
        "training": audit.training,
        "loss": audit.loss,
        "as_given": audit.as_given,
        "healthy": verdict.healthy,
        "verdict": verdict.words,
        "findings": plain(verdict.findings),
        "remarks": list(verdict.remarks),
        "names": list(audit.names),
        "kinds": list(audit.kinds),
        "shapes": plain(audit.shapes),
        **{name: plain(profile) for name, profile in audit.profiles.items()},
        "steps": plain(audit.steps),
        "predicted": plain(audit.predicted),
        "weights": plain(audit.weights),
        "chains": plain(verdict.fates),
        "formats": plain(verdict.formats),
        "kept": list(audit.kept),
        "uncalled": list(audit.uncalled),
        "notes": list(audit.notes),
    }


def audit_columns(audit) -> dict:
    """Return an audit as columns, a place a row; of what its weights must give, NaN where theory does not say."""
    predicted = audit.predicted
    theory = {"predicted_second_moment": predicted.second_moment, "predicted_network": predicted.network}
    return {
        "place": list(audit.names),
        "kind": list(audit.kinds),
        "shape": [str(tuple(shape)) for shape in audit.shapes],
        **profile_columns(audit.profiles),
        **profile_columns({name: profile for name, profile in theory.items() if profile is not None}),
        "predicted_z": predicted.z,
    }
