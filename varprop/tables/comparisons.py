"""A comparison as a table with its verdict, and as data."""

import numpy as np

from ..exported import plain
from ..origins import Origin
from .numbers import estimate, known
from .records import WORDS_ON_DOUBT, cell, network_data, profile_columns, rows_of


def comparison_parts(comparison) -> list:
    """Return a `comparison.Comparison` as a table with its verdict."""
    measured, predicted, z = comparison.measured, comparison.predicted, comparison.z
    headers = [rows_of(measured.names), f"measured {comparison.quantity}", f"predicted ({predicted.origin})", "z-score"]
    rows = [
        [
            name,
            estimate(measured.values[l], comparison.errors[l]),
            cell(known, predicted, l),
            "not judged" if np.isnan(z[l]) else f"{z[l]:+.2f}",
        ]
        for l, name in enumerate(measured.names)
    ]
    words = [verdict(comparison)]
    if comparison.judged:
        level = np.format_float_positional(comparison.level, trim="-")
        words[0] += f" for {f'all {rows_of(measured.names)}s' if comparison.judged_layers.all() else 'these'} together"
        words[0] += f" (rejected where p < {level})"
    words[0] += "."
    if not comparison.judged_layers.all():
        words.append(_words_on_left_out(comparison))
    if predicted.doubtful.any():
        words.append(WORDS_ON_DOUBT)
    elif comparison.verdict == "contradicted" and predicted.origin is Origin.FIRST:
        words.append("The prediction leaves out the second order in 1/width, which shows with enough networks.")
    elif comparison.verdict == "contradicted" and predicted.origin is Origin.INFINITE:
        words.append("The prediction is of infinite width: what is of order 1/width shows with enough networks.")
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
    what = rows_of(comparison.measured.names)
    return f"{left_out.sum()} of {len(left_out)} {what}s are not judged: {', or '.join(whys)}{cure}."


def verdict(comparison) -> str:
    """Return the verdict of a `comparison.Comparison`, in words."""
    layers, what = len(comparison.measured), rows_of(comparison.measured.names)
    if comparison.judged == 0:
        return f"No verdict: not judged in any {what}"
    part = "" if comparison.judged == layers else f" in {comparison.judged} of {layers} {what}s"
    found = {
        "agree": "Theory and simulation agree",
        "contradicted": f"Theory and simulation DISAGREE{part and ', judged' + part}",
        "not judged": f"No verdict: judged only{part}, where nothing contradicts",
    }
    return f"{found[comparison.verdict]}: p = {comparison.p_value:.2g}"


def comparison_json(comparison) -> dict:
    """Return a `comparison.Comparison` as plain values."""
    return {
        "network": comparison.description,
        **_networks(comparison),
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
        "measured": _profile(comparison.measured),
        "predicted": _profile(comparison.predicted),
    }


def _networks(comparison) -> dict:
    """Return the network that was measured as data, and that of theory where it is another."""
    measured, predicted = comparison.network, comparison.predicted_network
    found = {} if measured is None else {"network_data": network_data(measured)}
    if predicted is not None and predicted != measured:
        found["predicted_network_data"] = network_data(predicted)
    return found


def _profile(profile) -> dict:
    return {
        "values": plain(profile.values),
        "errors": plain(profile.errors),
        "origin": plain(profile.origin),
        "doubtful": plain(profile.doubtful),
    }


def comparison_columns(comparison) -> dict:
    """Return a `comparison.Comparison` as columns, a layer or place a row."""
    return {
        "place": list(comparison.measured.names),
        **profile_columns({"measured": comparison.measured, "predicted": comparison.predicted}),
        **{name: getattr(comparison, name) for name in ("z", "errors", "p_values", "judged_layers")},
    }
