"""The gradient at infinite width, and to first order in 1/width, for any activation and normal weights.

The derivation is in docs/derivations/backward.md. In short: given the whole forward pass, W^(l+1) is known
along a = a^l only, so that delta^l = phi' (a e / |a|^2 + g), with e = (W a) . delta^(l+1) and g normal of
variance v D across a. Let Q be the variance of z^l, zeta = z / sqrt(Q), D = |delta^l|^2 and
eta = (zeta . delta^l)^2; D', eta' and v = Var(W) are those of layer l + 1, n is the width of layer l, rho the
weights' share of Q'. With A = <phi'^2>, B = <phi'^2 a^2>, C = <a^2>, F = <zeta^2 phi'^2>, E = <zeta phi' a>,
means over the n units,

    E D   = v n (A D' + (B / C) rho (eta' - D') / n),
    E eta = v n (F D' + (E^2 / C) rho (eta' - D')).

The means over units are their expectations at Q plus noise of covariance 1 / n, and Q' is a function of C.
So u(Q) = E[(D, eta) | Q] obeys a recursion from the output down: a function of A to F, which `jets`
differentiates twice. Half its second derivative times the covariance is the first order in 1/width; its
derivatives along Q are those of the next u. The second moments (D^2, D eta, eta^2) go down in the same way.
Last, Q itself has a mean and a variance over networks, known from `signal.wide`.
"""

from dataclasses import dataclass, replace

import numpy as np

from ....initializers import EXCESS_KURTOSIS
from ....inputs import Inputs
from ....network import Layer, Network
from ....records import LayerProfile
from ...gaussian.slope_moments import A, B, C, E, F, SlopeMoments, slope_moments
from ...losses.output import output
from ...orders import FIRST, INFINITE, at_input
from ...scaled import Scaled
from ..first_layer.rows import Rows, mixture
from ..signal import wide
from ..signal.layer import EPS, carried
from ..signal.wide import FLOOR, Signal
from .jets import Jet

_STEEPEST = 10.0  # power of Q: beyond, the expansion has broken down, and numbers must stay finite
_NODES = 24  # for rows of data, in each stretch of 2 in ln |x|^2: exact to 3.4^-24


@dataclass(frozen=True, eq=False)
class _State:
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


def profiles(
    network: Network, inputs: Inputs, loss: str, given, *, infinite: bool, mixed: bool | None = None
) -> dict[str, LayerProfile]:
    """Return every profile but dead, at infinite width or to first order in 1/width.

    ``mixed`` is whether |x|^2 varies where x ~ N(0, I), by default at finite width only. Errors estimate rounding and
    quadrature errors, not the order's truncation.
    """
    rows = _compressed(mixture(network, inputs, infinite=infinite if mixed is None else not mixed))
    weights = rows.weights
    signals = list(wide.signals(network, wide.Start.of(network, rows), infinite=infinite))
    out = output(loss, network.widths[-1], given, signals[-1].z.mean)
    ratio = np.where(out.square[0, 0] > 0, out.square[0, 0], 1.0)
    spread = np.log(ratio)
    if infinite:  # the outputs go along, but for softmax, which may have few
        spread *= loss == "cross_entropy"
        out.mean[0, 1] = network.widths[-1] if loss == "half_square" else 0.0
    error = np.full(len(ratio), out.error)
    state = _State(out.size, out.mean, out.square / ratio, spread, np.expm1(spread), error)
    own = (None, None) if out.log_mean is None else (0.0, 0.0) if infinite else (out.log_mean, out.log_variance)
    found = np.empty((5, network.depth))
    errors = np.empty(network.depth)
    for l in reversed(range(network.depth)):
        layer, signal = network.layers[l], signals[l]
        if l < network.depth - 1:
            moments = _slope_moments(signal)
            if infinite:
                state = _wide_step(state, moments, layer, network.layers[l + 1], signals[l : l + 2])
            else:
                state = _step(state, moments, layer, network.layers[l + 1], signals[l : l + 2])
        found[:, l], errors[l] = _values(state, layer, signal, weights, own)
    origin = INFINITE if infinite else FIRST
    found = _profiles_of(found, errors, origin)
    return found | {"input_gradient_variance": _at_input(state, signals[0], weights, errors[0], infinite)}


def _at_input(state: _State, signal: Signal, weights, error: float, infinite: bool) -> LayerProfile:
    """Return E (d loss / d x_i)^2 of a feature: the step below with x for a, whose slope is 1.

    Weights of excess kurtosis K change it beyond what they do to z's own law, which is known. That is taken to first
    order, and may be as wrong.
    """
    layer, share, (size, along) = signal.layer, signal.z.share, state.mean[0]
    n, fresh = layer.fan_in, state.size.times(layer.weight_variance)
    if infinite:
        lost = along * n / max(n, layer.fan_out) if layer.distribution == "orthogonal" else 0.0
        value = _mixture(fresh.times(size + share * (along - lost) / n), weights).values()
        return at_input(value, 2 * error * value, INFINITE)
    more, excess = share * (along - size) / n, EXCESS_KURTOSIS.get(layer.distribution, 0.0)
    extra = excess / 2 * (1 - signal.start.rows.fourth) * more
    value = _mixture(fresh.times(np.maximum(size + more + extra, 0.0)), weights).values()
    left_out = np.abs(extra / np.where(size > 0, size, 1.0)).max()
    return at_input(value, 2 * error * value, FIRST, left_out)


def _compressed(rows: Rows) -> Rows:
    """Return few rows, so that means over them are means over these.

    Where all that follows depends on a row by ln |x|^2 alone, and smoothly, it is interpolated at Chebyshev points.
    """
    if rows.features is not None or (rows.weights != rows.weights[0]).any():
        return rows
    squares = rows.squares
    logs = np.log(squares[squares > 0])
    if len(logs) > _NODES:
        low, high = logs.min(), logs.max()
        panels = max(1, int(np.ceil((high - low) / 2)))
        if panels * _NODES < len(logs) / 2:
            nodes, weights = _nodes_and_weights(logs, low, max(high - low, 1e-3) / panels, panels)
            dark = (len(squares) - len(logs)) / len(squares)
            squares = np.concatenate([np.exp(nodes), [0.0]])
            return Rows(squares, np.concatenate([weights * (1 - dark), [dark]]), 0 * squares, None)
    return rows


def _nodes_and_weights(logs, low, length, panels):
    points = np.polynomial.chebyshev.chebpts1(_NODES)
    inverse = np.linalg.inv(np.polynomial.chebyshev.chebvander(points, _NODES - 1))
    panel = np.clip(((logs - low) / length).astype(int), 0, panels - 1)
    nodes, weights = [], []
    for i in range(panels):
        centre = low + (i + 0.5) * length
        mine = np.polynomial.chebyshev.chebvander(2 * (logs[panel == i] - centre) / length, _NODES - 1)
        nodes.append(centre + length / 2 * points)
        weights.append(mine.sum(axis=0) @ inverse / len(logs))
    return np.concatenate(nodes), np.concatenate(weights)


def _slope_moments(signal: Signal) -> SlopeMoments:
    """Return the `SlopeMoments` of a layer, in the first one by the law of its weights where that shows."""
    found = slope_moments(signal.layer.activation, signal.q)
    if signal.units is not None:
        exact, few = signal.units.slope_moments(signal.layer.activation, signal.q), signal.units.few
        for name in ("size", "mean", "first", "second", "product", "error"):
            getattr(found, name)[..., few] = getattr(exact, name)
    return found


def _wide_step(state: _State, m: SlopeMoments, layer: Layer, above: Layer, signals) -> _State:
    """Return the state below at infinite width, where only |z|^2 / 2 has a gradient that points along z."""
    mean = np.zeros(state.mean.shape)
    mean[0] = state.mean[0]
    along = signals[1].z.share * mean[0, 1] / np.where(m.mean[C] > 0, m.mean[C], 1.0)
    lost = 0.0  # orthogonal weights keep lengths, so that what goes along a is taken from across
    if above.distribution == "orthogonal":
        lost = signals[1].z.share * mean[0, 1] / max(above.fan_in, above.fan_out)
    mean[0] = np.stack([1.0 - lost + m.mean[B] * along / layer.fan_out, m.mean[E] ** 2 * along])
    found = _renewed(state, m, layer, above, signals[0], mean, state.square)
    return replace(found, square=state.square, spread=state.spread, log_variance=state.log_variance)


def _step(state: _State, m: SlopeMoments, layer: Layer, above: Layer, signals: list[Signal]) -> _State:
    """Return the state below, to first order in 1/width."""
    n, (here, there) = layer.fan_out, signals
    point = m.mean.copy()
    point[C] = np.where(point[C] > 0, point[C], 1.0)  # where a = 0 the share is 0 too
    y = Jet.variables(point)
    total = there.z.share * y[C] + (1 - there.z.share)
    rise = total.log() + np.log1p(-there.z.share * (1 - 1 / here.correction))  # of ln Q' from where u' is known
    rise = replace(rise, value=np.clip(rise.value, np.log(FLOOR), -np.log(FLOOR)))
    rho = there.z.share * y[C] / total
    mean = _means(y, rho, *(_lifted(u, rise) for u in state.mean.swapaxes(0, 1)), n)
    square = _squares(y, m.product, rho, *(_lifted(u, rise) for u in state.square.swapaxes(0, 1)), n)
    covariance = (m.product - m.mean[:, None] * m.mean) / n
    mean, square = (_below(jets, covariance, m) for jets in (mean, square))
    return _renewed(state, m, layer, above, here, mean, square)


def _lifted(u: np.ndarray, rise: Jet) -> Jet:
    """Return u, 0 or more, at ln Q' a little away from where its value and derivatives are known.

    ln u is expanded, not u: it stays positive, and powers of Q' stay exact.
    """
    known = np.where(u[0] > 0, u[0], 1.0)
    slope = np.clip(u[1] / known, -_STEEPEST, _STEEPEST)
    bend = np.clip(u[2] / known - slope**2, -(_STEEPEST**2), _STEEPEST**2)
    return u[0] * (rise * slope + rise * rise * (0.5 * bend)).exp()


def _means(y: list[Jet], rho: Jet, d: Jet, eta: Jet, n: int) -> list[Jet]:
    """Return E D and E eta over v n E phi'^2."""
    excess = rho * (eta - d) / y[C]
    return [y[A] * d + y[B] * excess / n, y[F] * d + y[E] * y[E] * excess]


def _squares(y: list[Jet], product, rho: Jet, d2: Jet, de: Jet, e2: Jet, n: int) -> list[Jet]:
    """Return E D^2, E[D eta] and E eta^2 over (v n E phi'^2)^2.

    kappa = e^2 / (v n C): its mean given the layer above is rho eta' + (1 - rho) D'.
    """
    G, H, J, K = product[A, A], product[A, B], product[A, E], product[A, F]
    rest = 1 - rho
    kd = rho * de + rest * d2
    kk = rho * rho * e2 + 6 * (rho * rest * de) + 3 * (rest * rest * d2)
    b, e = y[B] / y[C], y[E] / y[C]
    a, ee, f = y[A] - b / n, y[E] * e, y[F] - y[E] * e
    square = b * b * kk / n**2 + 2 / n * (a * b * kd) + a * a * d2
    square = square + (4 / n**2) * (kd * (H / y[C] - b * b)) + (2 / n) * (d2 * (b * b / n - 2 / n * H / y[C] + G))
    mixed = b * ee * kk / n + (b * f / n + a * ee) * kd + a * f * d2
    mixed = mixed + (4 / n) * (kd * e * (J - b * y[E])) + (2 / n) * (d2 * (K - 2 * J * e + e * e * y[B]))
    return [square, mixed, ee * ee * kk + 6 * (ee * f * kd) + 3 * (f * f * d2)]


def _below(jets: list[Jet], covariance: np.ndarray, m: SlopeMoments) -> np.ndarray:
    """Return values with their correction, and derivatives along ln Q, shape (3, len(jets), R)."""
    found = np.stack([np.stack([jet.value, *jet.along(m.first, m.second)]) for jet in jets], axis=1)
    shift = np.stack([jet.mean_shift(covariance) for jet in jets])
    safe = np.where(found[0, 0] > 0, found[0, 0], 1.0)
    factor = np.maximum(1 + shift[0] / safe, FLOOR)  # beyond, the expansion has broken down
    found[0, 1:] += shift[1:]
    found[0, 0] *= factor
    found[1:] *= factor
    return found


def _renewed(state: _State, m: SlopeMoments, layer: Layer, above: Layer, here: Signal, mean, square) -> _State:
    """Return the state below, rescaled; where Q was clipped, E phi'^2 goes on as a power of it."""
    d, d2 = (np.where(u[0, 0] > 0, u[0, 0], 1.0) for u in (mean, square))
    size = state.size.times(above.weight_variance * layer.fan_out * d).times(m.size)
    size = size.times_power_of_two(here.missing * m.first[A])
    error = state.error + m.error * (2 + np.log(2) * np.abs(here.missing)) + 16 * EPS
    error = error + carried(here.error, np.abs(mean[1, 0] / d))
    more = np.log(d2) - 2 * np.log(d)
    spread, log_variance = state.spread + more, state.log_variance + np.expm1(more)
    return _State(size, mean / d, square / d2, spread, log_variance, error)


def _values(state: _State, layer: Layer, signal: Signal, weights, own) -> tuple[np.ndarray, float]:
    """Return the five profiles' entries and the relative error of the first."""
    u, s = state.mean[:, 0], state.square[:, 0]
    r = signal.z.share**2 * signal.norm.spread  # the relative variance of Q
    factor = np.maximum(u[0] + (u[2] - u[1]) * r / 2, FLOOR)
    more = np.log(np.maximum(s[0] + (s[2] - s[1]) * r / 2, FLOOR)) - 2 * np.log(factor)
    spread = np.maximum(state.spread + more, 0.0)
    variance = np.maximum(state.log_variance + np.expm1(more), 0.0)
    mean = state.size.times(factor / layer.fan_out)
    along = np.maximum(factor + u[1] * signal.z.share * signal.norm.spread, FLOOR)
    weight = state.size.times(along / layer.fan_out).times(signal.norm.size.times(1 / layer.fan_in))
    total = _mixture(mean, weights)
    u = mean.over(total)
    with np.errstate(over="ignore", divide="ignore"):
        squares = np.exp(2 * np.log(u) + spread)
        fluctuation = max((weights * squares).sum() - 1, 0.0) if total.mantissa > 0 else np.nan
    live = mean.mantissa > 0
    log_mean = log_variance = np.nan
    if own[0] is not None and live.any():
        share = weights[live] / weights[live].sum()
        logs = mean.log()[live] - variance[live] / 2 + own[0]
        log_mean = (share * logs).sum()
        log_variance = max((share * (variance[live] + own[1] + (logs - log_mean) ** 2)).sum(), 0.0)
    values = total.values(), _mixture(weight, weights).values(), fluctuation, log_mean, log_variance
    return np.array([float(value) for value in values]), float(state.error.max())


def _mixture(values: Scaled, weights: np.ndarray) -> Scaled:
    """Return the weighted mean over rows; weights may be negative."""
    if not values.mantissa.any():
        return Scaled.of(0.0)
    top = int(values.exponent[values.mantissa > 0].max())
    plain = Scaled(values.mantissa, values.exponent - top).values()
    return Scaled.of(max((weights * plain).sum(), 0.0), top)


def _profiles_of(found: np.ndarray, errors: np.ndarray, origin: str) -> dict[str, LayerProfile]:
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
