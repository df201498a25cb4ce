"""The gradient to first order in 1/width, for any activation and normal weights.

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
Last, Q itself has a mean and a variance over networks, known from `signal.first`.
"""

from dataclasses import replace

import numpy as np

from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....records import LayerProfile
from ....variance_scaling import fourth_cumulant
from ...gaussian.slope_moments import A, B, C, E, F, SlopeMoments
from ...losses.output import Output
from ...orders import at_input as profile_at_input
from ..first_layer.crossings import Crossings, crossings
from ..first_layer.rows import Rows, compressed, mixture
from ..signal.first import First
from ..signal.signal import FLOOR, Signal
from .jets import Jet
from .walk import State, mean_over_rows, renewed

SIGNAL = First
_STEEPEST = 10.0  # power of Q: beyond, the expansion has broken down, and numbers must stay finite


def rows_of(network: Network, inputs: Inputs) -> Rows:
    """Return what the network is fed."""
    return compressed(mixture(network, inputs))


def top(out: Output, loss: str, width: int) -> tuple[State, tuple]:
    """Return the state at the output, and what ln d-hat has there beyond it."""
    return State.of(out), (out.log_mean, out.log_variance)


def step(state: State, m: SlopeMoments, layer: ChainLayer, above: ChainLayer, signals: list[Signal]) -> State:
    """Return the state below, to first order in 1/width."""
    n, (here, there) = layer.fan_out, signals
    point = m.mean.copy()
    point[C] = np.where(point[C] > 0, point[C], 1.0)  # where a = 0 the share is 0 too
    y = Jet.variables(point)
    total = there.z.weight_share * y[C] + (1 - there.z.weight_share)
    rise = total.log() + np.log1p(-there.z.weight_share * (1 - 1 / here.correction))  # of ln Q' from where u' is known
    rise = replace(rise, value=np.clip(rise.value, np.log(FLOOR), -np.log(FLOOR)))
    rho = there.z.weight_share * y[C] / total
    d, eta = (_lifted(u, rise) for u in state.mean.swapaxes(0, 1))
    d2, de, e2 = (_lifted(u, rise) for u in state.square.swapaxes(0, 1))
    jets = _means(y, rho, d, eta, n), _squares(y, m.product, rho, d2, de, e2, n)
    covariance = (m.product - m.mean[:, None] * m.mean) / n
    mean, square = (_below(some, covariance, m) for some in jets)
    return renewed(state, m, layer, above, here, mean, square)


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


def at_input(state: State, signal: Signal, weights: np.ndarray, error: float) -> LayerProfile:
    """Return E (d loss / d x_i)^2 of a feature: the step below with x for a, whose slope is 1.

    Weights of excess kurtosis K change it beyond what they do to z's own law, which is known. Of two or three features
    that is known too; of more it is taken to first order, and may be as wrong.
    """
    layer, weight_share, (size, along) = signal.layer, signal.z.weight_share, state.mean[0]
    assert signal.start is not None  # the first layer's
    n, fresh = layer.fan_in, state.size.times(layer.weight_variance)
    more, excess = weight_share * (along - size) / n, fourth_cumulant(layer.distribution)
    rows = signal.start.rows
    extra = excess / 2 * (1 - rows.fourth) * more
    unsure = np.abs(extra)
    if (known := _crossing(layer, rows)) is not None:
        live, (across, bent, parallel, own) = known
        right = size[live] * across + (along[live] - size[live] * bent) * parallel / n
        extra[live] = right - (size + more)[live]
        unsure[live] = np.abs(extra[live]) / layer.fan_out + own * size[live]
    total = mean_over_rows(fresh.times(np.maximum(size + more + extra, 0.0)), weights)
    left_out = mean_over_rows(fresh.times(unsure), np.abs(weights)).over(total)
    return profile_at_input(total.values(), 2 * error * total.values(), SIGNAL.ORIGIN, left_out)


def _crossing(layer: ChainLayer, rows: Rows) -> tuple[np.ndarray, Crossings] | None:
    """Return the numbers of the rows that are not 0, and their `Crossings`; None where these are not known."""
    live = np.flatnonzero(rows.squared_norms > 0)
    if rows.features is None or not len(live):
        return None
    known = crossings(layer, layer.activation, rows.features[live])
    return None if known is None else (live, known)
