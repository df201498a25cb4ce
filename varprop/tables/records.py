"""Records as tables, one layer or place a row, and as data."""

from dataclasses import fields

import numpy as np

from ..exported import plain
from ..own_files import Named
from ..quantities import MOMENTS, QUANTITIES
from ..saved import as_data
from .numbers import estimate, known, probability

DOUBTFUL = "?"  # behind a number that first order may have got wrong
WORDS_ON_DOUBT = f"{DOUBTFUL} marks what is doubtful: first order in 1/width leaves out too much there."


def column(record, quantity: str) -> str:
    """Return what a table or an axis calls one quantity of a record."""
    found = QUANTITIES[quantity]
    return (record.main == "gradient_variance" and found.symbol_of_gradients) or found.symbol


def record_parts(record) -> list:
    """Return a record as a table, one layer a row, under its title."""
    profiles = {name: profile for name, profile in record.profiles.items() if profile.names == record.names}
    show = probability if record.main == "overflow" else known if record.networks is None else estimate
    rows = [[name] + [cell(show, profile, l) for profile in profiles.values()] for l, name in enumerate(record.names)]
    if record.networks is None:
        title = f"{record.description}; theory, {_origins(record)}"
    else:
        error = f"errors of {column(record, record.main)} up to {record.relative_error:.2g} of it"
        title = f"{record.description}; {record.networks:,} networks, {error}"
    words = _words_on_tails(record) + _words_on_moments(record) + _words_on_order(record) + _words_on_resolution(record)
    words = _words_on_input(record, show) + words
    return [title, ([rows_of(record.names), *(column(record, name) for name in profiles)], rows), *words]


def _words_on_input(record, show) -> list[str]:
    """Return what is known of the input, which has no row of its own."""
    name = "input_gradient_variance"
    profile = record.profiles.get(name)
    return [] if profile is None else [f"At the input {column(record, name)} is {cell(show, profile, 0)}."]


def _words_on_tails(record) -> list[str]:
    """Return what to say of layers whose sample is too skewed to tell its own errors."""
    heavy = record.heavy_tailed & np.logical_not(getattr(record, "unresolved", False))
    if not heavy.any():
        return []
    where = _layers(record.names, heavy)
    if "log_mean" not in record.profiles:
        return [f"Heavy tails in {where}: there errors are too small; draw more networks."]
    log_mean, log_variance = column(record, "log_mean"), column(record, "log_variance")
    few = f"{log_mean}, {log_variance} and P(dead)"
    return [
        f"Heavy tails in {where}: there all errors but those of {few} are too small.",
        f"{log_mean} tells of the typical network; for the mean, use theory or draw more networks.",
    ]


def _words_on_moments(record) -> list[str]:
    """Return where moments beyond the second are too skewed, which they are long before the variance."""
    found = []
    for name in MOMENTS.values():
        heavy = record.skewed(name) & ~record.heavy_tailed if name in record.profiles else np.zeros(1, dtype=bool)
        if heavy.any():
            found.append(f"Errors of {column(record, name)} may be too small in {_layers(record.names, heavy)}.")
    return found


def _origins(record) -> str:
    """Return where the columns of theory come from: the origin of most, then the others with the names of theirs."""
    columns: dict[str, list[str]] = {}
    for name, profile in record.profiles.items():
        columns.setdefault(profile.origin, []).append(column(record, name))
    most, *others = sorted(columns, key=lambda origin: -len(columns[origin]))
    return "; ".join([most, *(f"{', '.join(columns[origin])} {origin}" for origin in others)])


def _words_on_order(record) -> list[str]:
    """Return what the mark of doubtful cells means, if there are any."""
    if not any(profile.doubtful.any() for profile in record.profiles.values()):
        return []
    return [f"{WORDS_ON_DOUBT} Simulate instead."]


def _words_on_resolution(record) -> list[str]:
    """Return what to say of layers where two inputs are too nearly equal for float32."""
    lost = getattr(record, "unresolved", np.zeros(0, dtype=bool))
    if not lost.any():
        return []
    return [
        f"1 - |correlation| is not resolved in {_layers(record.names, lost)}: float32 rounds there as much as that is."
    ]


def _layers(names, which) -> str:
    """Return layers or places in words; numbers that follow one another as first and last."""
    numbers = np.flatnonzero(which) + 1
    if rows_of(names) == "place":
        shown = [names[i - 1] for i in numbers]
        some = shown if len(shown) <= 4 else [*shown[:2], "...", shown[-1]]
        return f"{len(shown)} place{'s' * (len(shown) > 1)}, {', '.join(some)}"
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    runs = [str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts]
    if len(runs) > 6:
        runs[3:-2] = ["..."]
    return f"layer {runs[0]}" if len(numbers) == 1 else f"{len(numbers)} layers, {', '.join(runs)}"


def cell(show, profile, l: int) -> str:
    """Return the number of a layer or place, marked where it is doubtful."""
    return show(profile.values[l], profile.errors[l]) + DOUBTFUL * bool(profile.doubtful[l])


def rows_of(names) -> str:
    """Return what the rows of a table are: a chain's layers have numbers, places have paths."""
    return "layer" if names[0].isdigit() else "place"


def network_data(network) -> dict:
    """Return a network as `Network.load` reads it from a file, but for functions of one's own: ``{"own": name}``."""
    return plain(as_data(network.width, network.sequence, network.positions, Named()))


def record_json(record) -> dict:
    """Return a record as plain values; null stands for a number beyond float64 or unknown."""
    return {
        "network": record.description,
        "network_data": network_data(record.network),
        **({"widths": list(record.network.widths)} if record.network.is_chain else {}),
        "names": list(record.names),
        "networks": record.networks,
        **_asked(record),
        **({"positions": plain(record.network.positions)} if _has_positions(record) else {}),
        **{name: _profile_json(profile, record.network) for name, profile in record.profiles.items()},
        **_doubts(record),
        **provenance(record),
    }


def provenance(record) -> dict:
    """Return where a simulated record comes from, by name; nothing of theory's."""
    run = getattr(record, "run", None)
    return {} if run is None else {"run": run.summary()}


def record_columns(record) -> dict:
    """Return a record as columns, a layer or place a row; what is of the input alone has no row."""
    rows = {name: profile for name, profile in record.profiles.items() if profile.names == record.names}
    correction = getattr(record, "correction", None)
    return {
        "place": list(record.names),
        **profile_columns(rows),
        **({} if correction is None else {"correction": correction}),
        **_doubts(record),
    }


def profile_columns(profiles: dict) -> dict:
    """Return profiles by name as columns: values and their errors."""
    return {
        column: values
        for name, profile in profiles.items()
        for column, values in ((name, profile.values), (f"{name}_error", profile.errors))
    }


def _asked(record) -> dict:
    """Return what else a record holds, such as the loss that was asked for; None goes without saying."""
    own = {f.name: getattr(record, f.name) for f in fields(record) if f.metadata.get("plain", True)}
    left_out = {"network", "networks", *record.profiles}
    return {name: plain(value) for name, value in own.items() if name not in left_out and value is not None}


def _doubts(record) -> dict:
    """Return in which layers there is reason to doubt, by the reason."""
    reasons = [name for name in ("heavy_tailed", "doubtful", "unresolved") if hasattr(record, name)]
    return {name: getattr(record, name).tolist() for name in reasons}


def _has_positions(record) -> bool:
    return any(profile.by_position is not None for profile in record.profiles.values())


def _profile_json(profile, network) -> dict:
    """Return a profile as plain values; with positions also those of each, nested as the network's positions are."""
    found = plain(profile)
    del found["names"]  # the record's
    if profile.by_position is not None:
        shape = network.positions if isinstance(network.positions, tuple) else (network.positions,)
        parts = (plain(part.reshape(-1, *shape)) for part in profile.by_position)
        found["by_position"] = dict(zip(("values", "errors"), parts, strict=True))
    return found
