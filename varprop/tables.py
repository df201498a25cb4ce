"""Records as text, HTML and JSON: tables for people, plain values for programs."""

import dataclasses
import html
import math
from io import StringIO

import numpy as np

from .origins import Origin
from .spelling import spelled

COLUMNS = {
    "variance": "E[z²]",
    "second_moment": "E[a²]",
    "activation_mean": "E[a]",
    "fluctuation": "fluctuation",
    "kurtosis": "kurtosis",
    "log_mean": "E[ln q̂]",
    "log_variance": "Var[ln q̂]",
    "dead": "P(dead)",
    "gradient_variance": "E[δ²]",
    "weight_gradient_variance": "E[(∂ℓ/∂W)²]",
    "correlation": "correlation",
    "cosine": "E[cos]",
    "cosine_variance": "Var[cos]",
    "overflow": "P(overflow)",
    "underflow": "P(all underflow)",
    "unit_underflow": "P(one underflows)",
    "unit_subnormal": "P(one below normal)",
}
_NOUGHT = 1e-9  # an error of 0 below this goes without saying
DOUBTFUL = "?"  # behind a number that first order may have got wrong
# A gradient's columns of the same names are of the mean of δ² over units.
GRADIENT_COLUMNS = {**COLUMNS, "log_mean": "E[ln d̂]", "log_variance": "Var[ln d̂]"}


def column(record, quantity: str) -> str:
    """Return what a table or an axis calls one quantity of a record."""
    return (GRADIENT_COLUMNS if record.main == "gradient_variance" else COLUMNS)[quantity]


class Tabular:
    """What reads as lines and tables: text when printed, HTML in a notebook, both of the same ``_parts``.

    A subclass returns these: lines of text, and (headers, rows) pairs, in the order of reading.
    """

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return _html(self._parts())


def text(tabular: Tabular, encoding: str | None = None) -> str:
    """Return lines and tables as text; what ``encoding`` lacks is spelled in letters that it has."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = StringIO()
    # Left to itself, rich shows tables in a notebook instead of writing them to the file.
    console = Console(file=out, width=400, color_system=None, force_jupyter=False)
    for part in spelled(tabular._parts(), encoding or "utf-8"):
        if isinstance(part, str):
            out.write(part + "\n")
            continue
        headers, rows = part
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for header in headers:
            table.add_column(Text(header), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    lines = "\n".join(line.rstrip() for line in out.getvalue().splitlines() if line.strip())
    return spelled(lines, encoding or "utf-8")


def _html(parts) -> str:
    out = []
    for part in parts:
        if isinstance(part, str):
            out.append(f"<p>{html.escape(part)}</p>")
            continue
        headers, rows = part
        lines = [_html_row("th", headers), *(_html_row("td", row) for row in rows)]
        out.append("<table>\n" + "\n".join(lines) + "\n</table>")
    return "\n".join(out)


def _html_row(tag: str, cells) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def number(value: float) -> str:
    """Return a number in five figures; an infinite one in words."""
    if math.isnan(value):
        return "-"
    return "beyond float64" if math.isinf(value) else f"{value:.5g}"


def estimate(value: float, error: float) -> str:
    """Return ``value ± error`` with as many digits as the error leaves."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return number(value)
    digits = 5
    if value:
        digits = min(8, max(2, math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2))
    return f"{value:.{digits}g} ± {error:.1g}"


def known(value: float, error: float, figures: int = 5) -> str:
    """Return a number of theory: in ``figures`` figures, or as many as its error leaves, and then that too."""
    if not math.isfinite(value):
        return number(value)
    if math.isinf(error):
        return "not known"
    if not error > (0.5 * 10.0 ** (1 - figures) * abs(value) or _NOUGHT):
        return f"{value:.{figures}g}"
    return estimate(value, error) if abs(value) > error / 10 else f"0 ± {error:.1g}"


def record_parts(record) -> list:
    """Return a record as a table, one layer a row, under its title."""
    profiles = record.profiles
    show = known if record.networks is None else estimate
    rows = [[name] + [_cell(show, profile, l) for profile in profiles.values()] for l, name in enumerate(record.names)]
    if record.networks is None:
        title = f"{record.description}; theory, {_origins(record)}"
    else:
        error = f"errors of {column(record, record.main)} up to {record.relative_error:.2g} of it"
        title = f"{record.description}; {record.networks:,} networks, {error}"
    words = _words_on_tails(record) + _words_on_order(record) + _words_on_resolution(record)
    return [title, ([_what(record.names), *(column(record, name) for name in profiles)], rows), *words]


def _words_on_tails(record) -> list[str]:
    """Return what to say of layers whose sample is too skewed to tell its own errors."""
    heavy = np.flatnonzero(record.heavy_tailed & ~getattr(record, "unresolved", False)) + 1
    if not heavy.size:
        return []
    if "log_mean" not in record.profiles:
        return [f"Heavy tails in {_layers(heavy)}: there errors are too small; draw more networks."]
    log_mean, log_variance = column(record, "log_mean"), column(record, "log_variance")
    few = f"{log_mean}, {log_variance} and P(dead)"
    return [
        f"Heavy tails in {_layers(heavy)}: there all errors but those of {few} are too small.",
        f"{log_mean} tells of the typical network; for the mean, use theory or draw more networks.",
    ]


def _origins(record) -> str:
    """Return where the columns of theory come from: the origin of most, then the others with the names of theirs."""
    columns = {}
    for name, profile in record.profiles.items():
        columns.setdefault(profile.origin, []).append(column(record, name))
    most, *others = sorted(columns, key=lambda origin: -len(columns[origin]))
    return "; ".join([most, *(f"{', '.join(columns[origin])} {origin}" for origin in others)])


def _words_on_order(record) -> list[str]:
    """Return what the mark of doubtful cells means, if there are any."""
    if not any(profile.doubtful.any() for profile in record.profiles.values()):
        return []
    return [f"{DOUBTFUL} marks what is doubtful: first order in 1/width leaves out too much there. Simulate instead."]


def _words_on_resolution(record) -> list[str]:
    """Return what to say of layers where two inputs are too nearly equal for float32."""
    lost = np.flatnonzero(getattr(record, "unresolved", np.zeros(0))) + 1
    if not lost.size:
        return []
    return [f"1 - |correlation| is not resolved in {_layers(lost)}: float32 rounds there as much as that is."]


def _layers(numbers) -> str:
    """Return numbers of layers, in words; those that follow one another as first and last."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    runs = [str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    if len(runs) > 6:
        runs[3:-2] = ["..."]
    return f"layer {runs[0]}" if len(numbers) == 1 else f"{len(numbers)} layers, {', '.join(runs)}"


def _cell(show, profile, l: int) -> str:
    return show(profile.values[l], profile.errors[l]) + DOUBTFUL * bool(profile.doubtful[l])


def _what(names) -> str:
    """Return what the rows of a table are: a chain's layers have numbers, places have paths."""
    return "layer" if names[0].isdigit() else "place"


def comparison_parts(comparison) -> list:
    """Return a `comparison.Comparison` as a table with its verdict."""
    measured, predicted, z = comparison.measured, comparison.predicted, comparison.z
    headers = [_what(measured.names), f"measured {comparison.quantity}", f"predicted ({predicted.origin})", "z-score"]
    rows = [
        [
            name,
            estimate(measured.values[l], comparison.errors[l]),
            known(predicted.values[l], predicted.errors[l]),
            "not judged" if np.isnan(z[l]) else f"{z[l]:+.2f}",
        ]
        for l, name in enumerate(measured.names)
    ]
    words = [verdict(comparison)]
    if comparison.judged:
        level = np.format_float_positional(comparison.level, trim="-")
        words[0] += f" for {'all layers' if comparison.judged_layers.all() else 'these'} together"
        words[0] += f" (rejected where p < {level})"
    words[0] += "."
    if not comparison.judged_layers.all():
        words.append(_words_on_left_out(comparison))
    elif not comparison.agrees and predicted.origin is Origin.FIRST:
        words.append("The prediction leaves out the second order in 1/width, which shows with enough networks.")
    return [f"{comparison.description}; {comparison.networks:,} networks", (headers, rows), *words]


def _words_on_left_out(comparison) -> str:
    """Return why layers are not judged, and what may help."""
    values = np.array([comparison.measured.values, comparison.predicted.values])
    left_out = ~comparison.judged_layers
    beyond = left_out & ~np.isfinite(values).all(axis=0)
    alike = left_out & comparison.unresolved
    skewed = left_out & ~beyond & ~alike
    reasons = {
        "beyond float64 or unknown": beyond,
        "nearer to 1 than float32 resolves": alike,
        "too skewed for so few networks": skewed,
    }
    whys = [why for why, layers in reasons.items() if layers.any()]
    cures = ["draw more"] * bool(skewed.any())
    if comparison.quantity not in ("log_mean", "log_variance", "dead", "correlation", "cosine", "cosine_variance"):
        cures.append("compare log_mean")
    cure = f"; {', or '.join(cures)}" if cures else ""
    return f"{left_out.sum()} of {len(left_out)} layers are not judged: {', or '.join(whys)}{cure}."


def verdict(comparison) -> str:
    """Return the verdict of a `comparison.Comparison`, in words."""
    layers = len(comparison.measured)
    if comparison.judged == 0:
        return "No verdict: not judged in any layer"
    part = "" if comparison.judged == layers else f" in {comparison.judged} of {layers} layers"
    found = {
        "agree": "Theory and simulation agree",
        "contradicted": f"Theory and simulation DISAGREE{part and ', judged' + part}",
        "not judged": f"No verdict: judged only{part}, where nothing contradicts",
    }
    return f"{found[comparison.verdict]}: p = {comparison.p_value:.2g}"


def record_json(record) -> dict:
    """Return a record as plain values; null stands for a number beyond float64 or unknown."""
    return {
        "network": record.description,
        **({"widths": list(record.network.widths)} if record.network.is_chain else {}),
        "names": list(record.names),
        "networks": record.networks,
        **{name: {**plain(p), "doubtful": p.doubtful.tolist()} for name, p in record.profiles.items()},
        "heavy_tailed": record.heavy_tailed.tolist(),
        "doubtful": record.doubtful.tolist(),
    }


def law_json(law) -> dict:
    """Return the median, the 5% and the 95% quantile of a `law.Law`, and P(q-hat = 0), as plain values."""
    logs = {f"log_quantile_{p}": plain(law.log_quantile(p).values) for p in (0.05, 0.5, 0.95)}
    return {
        "network": str(law.network),
        "networks": law.networks,
        "origin": law.origin,
        **logs,
        "zero": plain(law.zero),
    }


def comparison_json(comparison) -> dict:
    """Return a `comparison.Comparison` as plain values."""
    return {
        "network": comparison.description,
        "networks": comparison.networks,
        "quantity": comparison.quantity,
        "names": list(comparison.measured.names),
        "verdict": comparison.verdict,
        "agrees": comparison.agrees,
        "p_value": plain(comparison.p_value),
        "layers_judged": comparison.judged,
        "judged_layers": plain(comparison.judged_layers),
        "level": comparison.level,
        "z": plain(comparison.z),
        "errors": plain(comparison.errors),
        "p_values": plain(comparison.p_values),
        "measured": {"values": plain(comparison.measured.values), "errors": plain(comparison.measured.errors)},
        "predicted": {"values": plain(comparison.predicted.values), "origin": comparison.predicted.origin},
    }


def plain(value, digits: int | None = None):
    """Return a dataclass, a dict, a list or an array, with all it holds, as JSON can hold it.

    None stands for a number that is infinite or unknown; floats keep ``digits`` figures, all by default.
    """
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.metadata.get("plain", True)}
    if isinstance(value, dict):
        return {str(k): plain(v, digits) for k, v in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v, digits) for v in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else float(f"{value:.{digits}g}")
    return value
