"""The gradient from the output down, layer by layer, by the rules of one order: the module `infinite` or `first`."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ....network import ChainLayer, Network
from ....origins import Origin
from ....records import LayerProfile
from ...gaussian import often
from ...gaussian.slope_moments import A, SlopeMoments, slope_moments
from ...losses.output import Output, output
from ...scaled import Scaled
from ..signal.layer import EPS, carried
from ..signal.signal import FLOOR, Signal, Start
from ..signal.walk import signals


@dataclass(frozen=True, eq=False)
class State:
    """The moments of one layer's gradient given Q, one entry for each row.

    ``mean`` and ``square`` are as in `losses.Output`, but ``square`` is over E D^2. ``spread`` is
    ln(E D^2 / (E D)^2), a sum over layers, and ``log_variance`` the same sum with e^x - 1 for each of its
    terms x: of the same order, and closer to the variance of ln D.
    """

    size: Scaled
    mean: np.ndarray
    square: np.ndarray
    spread: np.ndarray
    log_variance: np.ndarray
    error: np.ndarray

    @classmethod
    def of(cls, out: Output, *, spreads: bool = True) -> "State":
        """Return the state at the output, whose gradient has the same length in every network unless it ``spreads``."""
        ratio = np.where(out.square[0, 0] > 0, out.square[0, 0], 1.0)
        spread = np.log(ratio) * spreads
        error = np.full(len(ratio), out.error)
        return cls(out.size, out.mean, out.square / ratio, spread, np.expm1(spread), error)


def profiles(
    network: Network, start: Start, loss: str, given, rules: ModuleType, passed: list | None = None
) -> dict[str, LayerProfile]:
    """Return every profile but dead, of a gradient that starts from a ``loss`` or a ``given`` vector.

    ``passed`` are the signals, if they are known. Errors estimate rounding and quadrature errors, not
    the order's truncation.
    """
    passed, rows = passed or list(signals(network, start, rules.SIGNAL)), start.rows
    state, own = rules.top(output(loss, network.widths[-1], given, passed[-1].z.mean), loss, network.widths[-1])
    found, errors = np.empty((5, network.depth)), np.empty(network.depth)
    for l in reversed(range(network.depth)):
        layer, signal = network.layers[l], passed[l]
        if l < network.depth - 1:
            state = rules.step(state, _slope_moments(signal), layer, network.layers[l + 1], passed[l : l + 2])
        found[:, l], errors[l] = _values(state, layer, signal, rows.weights, own)
    profiles = _profiles_of(found, errors, rules.SIGNAL.ORIGIN)
    return profiles | {"input_gradient_variance": rules.at_input(state, passed[0], rows.weights, errors[0])}


def _slope_moments(signal: Signal) -> SlopeMoments:
    """Return the `SlopeMoments` of a layer, in the first one by the law of its weights where that shows."""
    found = (often.slopes if signal.often else slope_moments)(signal.layer.activation, signal.q)
    if signal.units is not None:
        exact, few = signal.units.slope_moments(signal.layer.activation, signal.q), signal.units.few
        for name in ("size", "mean", "first", "second", "product", "error", "size_error"):
            getattr(found, name)[..., few] = getattr(exact, name)
    return found


def renewed(state: State, m: SlopeMoments, layer: ChainLayer, above: ChainLayer, here: Signal, mean, square) -> State:
    """Return the state below, rescaled; where Q was clipped, E phi'^2 goes on as a power of it."""
    d, d2 = (np.where(u[0, 0] > 0, u[0, 0], 1.0) for u in (mean, square))
    size = state.size.times(above.weight_variance * layer.fan_out * d).times(m.size)
    size = size.times_power_of_two(here.missing * m.first[A])
    error = state.error + m.error * (2 + np.log(2) * np.abs(here.missing)) + 16 * EPS
    error = error + carried(here.error, np.abs(mean[1, 0] / d))
    more = np.log(d2) - 2 * np.log(d)
    spread, log_variance = state.spread + more, state.log_variance + np.expm1(more)
    return State(size, mean / d, square / d2, spread, log_variance, error)


def _values(state: State, layer: ChainLayer, signal: Signal, weights, own) -> tuple[np.ndarray, float]:
    """Return the five profiles' entries and the relative error of the first."""
    u, s = state.mean[:, 0], state.square[:, 0]
    r = signal.z.weight_share**2 * signal.squared_norm.spread  # the relative variance of Q
    factor = np.maximum(u[0] + (u[2] - u[1]) * r / 2, FLOOR)
    more = np.log(np.maximum(s[0] + (s[2] - s[1]) * r / 2, FLOOR)) - 2 * np.log(factor)
    spread = np.maximum(state.spread + more, 0.0)
    variance = np.maximum(state.log_variance + np.expm1(more), 0.0)
    mean = state.size.times(factor / layer.fan_out)
    along = np.maximum(factor + u[1] * signal.z.weight_share * signal.squared_norm.spread, FLOOR)
    weight = state.size.times(along / layer.fan_out).times(signal.squared_norm.size.times(1 / layer.fan_in))
    total = mean_over_rows(mean, weights)
    u = mean.over(total)
    with np.errstate(over="ignore", divide="ignore"):
        squares = np.exp(2 * np.log(u) + spread)
        fluctuation = max((weights * squares).sum() - 1, 0.0) if total.mantissa > 0 else np.nan
    live = mean.mantissa > 0
    log_mean = log_variance = np.nan
    if own[0] is not None and live.any():
        chances = weights[live] / weights[live].sum()
        logs = mean.log()[live] - variance[live] / 2 + own[0]
        log_mean = (chances * logs).sum()
        log_variance = max((chances * (variance[live] + own[1] + (logs - log_mean) ** 2)).sum(), 0.0)
    values = total.values(), mean_over_rows(weight, weights).values(), fluctuation, log_mean, log_variance
    return np.array([float(value) for value in values]), float(state.error.max())


def mean_over_rows(values: Scaled, weights: np.ndarray) -> Scaled:
    """Return the weighted mean over rows; weights may be negative."""
    if not values.mantissa.any():
        return Scaled.of(0.0)
    top = int(values.exponent[values.mantissa > 0].max())
    plain = Scaled(values.mantissa, values.exponent - top).values()
    return Scaled.of(max((weights * plain).sum(), 0.0), top)


def _profiles_of(found: np.ndarray, errors: np.ndarray, origin: Origin) -> dict[str, LayerProfile]:
    mean, weight, fluctuation, log_mean, log_variance = found
    profiles = {
        "gradient_variance": LayerProfile(mean, _relative(mean, errors), origin),
        "weight_gradient_variance": LayerProfile(weight, _relative(weight, 2 * errors), origin),
        "fluctuation": LayerProfile(fluctuation, 4 * errors * (1 + np.abs(fluctuation)), origin),
    }
    if not np.isnan(log_mean).all():
        profiles["log_mean"] = LayerProfile(log_mean, errors + 8 * EPS * np.abs(log_mean), origin)
        profiles["log_variance"] = LayerProfile(log_variance, 4 * errors + 8 * EPS * np.abs(log_variance), origin)
    return profiles


def _relative(values, errors):
    with np.errstate(invalid="ignore"):
        return np.abs(values) * errors
