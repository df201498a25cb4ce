"""The forward signal from layer to layer, in the order of a `Signal`; and the profiles it leaves."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ....network import Network
from ....origins import Origin
from ....records import LayerProfile
from ...gaussian import often
from ...scaled import Scaled
from .layer import EPS, SquaredNorm, carried, profiles_of, relative_profile
from .signal import Signal, Start


@dataclass
class _Record:
    """What the layers leave behind, one entry a layer; ``weights`` are the rows' probabilities."""

    weights: np.ndarray
    layers: list = field(default_factory=list)
    second: list = field(default_factory=list)
    means: list = field(default_factory=list)
    log_mean: list = field(default_factory=list)
    log_variance: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    second_errors: list = field(default_factory=list)
    mean_errors: list = field(default_factory=list)
    spread_errors: list = field(default_factory=list)


def signals(network: Network, start: Start, kind: type[Signal]) -> Iterator[Signal]:
    """Yield the `Signal` of every layer, of the ``kind`` of one order."""
    rows = start.rows
    squared_norm, error = (
        SquaredNorm(Scaled.of(rows.squared_norms), 0 * rows.squared_norms, rows.fourth),
        np.full(1, 4 * EPS),
    )
    visits: Counter[tuple] = Counter()
    for l, layer in enumerate(network.layers, 1):
        signal = kind.of(layer, squared_norm, error, start if l == 1 else None)
        here = [(layer.activation, number) for number in often.stretches(signal.q)]
        signal = replace(signal, often=all(visits[place] >= often.OFTEN for place in here))
        yield signal
        visits.update(here)
        if l < network.depth:
            squared_norm, error = signal.above


def profiles(passed: list[Signal], weights: np.ndarray) -> dict[str, LayerProfile]:
    """Return every profile but dead from the signals of all layers; ``weights`` are the rows' probabilities.

    Errors bound the rounding and quadrature errors carried through the layers, not the order's truncation.
    """
    record, spread_error = _Record(weights), np.zeros(1)
    for signal in passed:
        z = signal.z
        _note_logs(record, signal)
        record.layers.append((signal.width, z))
        record.errors.append(_mixture_error(z.mean, signal.error, weights))
        record.spread_errors.append(carried(spread_error, z.weight_share**2).max())
        spread_error = signal.spread_error(spread_error)
        squared_norm, error = signal.above
        second = squared_norm.size.times(1 / signal.layer.fan_out)
        record.second.append(second.mean(weights).values())
        record.second_errors.append(_mixture_error(second, error, weights))
        mean, error = signal.activation_mean
        record.means.append((weights * mean).sum())
        record.mean_errors.append((np.abs(weights) * error).sum())
    return _profiles_of(record, passed[0].ORIGIN)


def _note_logs(record: _Record, signal: Signal) -> None:
    """Mean and variance of ln q-hat over the rows whose q is not 0."""
    live = signal.z.mean.mantissa > 0
    mean, variance = signal.logs(live)
    total = np.nan
    if live.any():
        chances = record.weights[live] / record.weights[live].sum()
        total = (chances * mean).sum()
    record.log_mean.append(total)
    record.log_variance.append((chances * (variance + (mean - total) ** 2)).sum() if live.any() else np.nan)


def _mixture_error(mean: Scaled, error: np.ndarray, weights: np.ndarray) -> float:
    """Return the relative error of a mean over rows; a row of nothing adds none, whatever its own relative error."""
    total = mean.mean(weights)
    if total.mantissa == 0:
        return 0.0
    share = weights * mean.over(total)
    return float((share * np.where(share == 0, 0.0, error)).sum()) + 2 * EPS


def _profiles_of(record: _Record, origin: Origin) -> dict[str, LayerProfile]:
    errors = np.array(record.errors)
    found = profiles_of(record.layers, errors, origin, record.weights)
    found["second_moment"] = relative_profile(np.array(record.second), np.array(record.second_errors), origin)
    found["activation_mean"] = LayerProfile(np.array(record.means), np.array(record.mean_errors), origin)
    spread_errors = np.array(record.spread_errors)
    for name in ("log_mean", "log_variance"):
        values = np.array(getattr(record, name))
        found[name] = LayerProfile(values, errors + spread_errors + 4 * EPS * np.abs(values), origin)
    kurtosis = found["kurtosis"].values
    for name in ("fluctuation", "kurtosis"):
        found[name] = LayerProfile(found[name].values, found[name].errors + kurtosis * spread_errors, origin)
    return found
