"""About how much first order in 1/width leaves out of a signal, layer by layer.

First order replaces E V(Q) by V(m) + V''(m) v / 2, m and v the mean and variance of Q. Here three laws of Q of the same
mean and variance are carried through the layers beside it, by quadrature: a gamma law, a log-normal one, and one of two
points, m (1 -+ sqrt r) or, where the relative variance r is large, 0 and m (1 + r). All agree with first order to first
order, and differ from it by what skewness, kurtosis and the higher derivatives of V do. The true law is like none of
them, but differs from first order by about as much; the largest of the three, times
`SAFETY`, is the estimate.

Logarithms: ln Q is carried as normal, once with the means of ln sum phi(z)^2 of first order, once with those of narrow
layers, where a sum of n squares may come as near to 0 as chi2_n, or be as skewed as a gamma law of its variance.

`analysis/first_order.py` holds all this against simulation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy

from ...gaussian.interpolated import interpolated_moments

if TYPE_CHECKING:
    from .signal import Signal

SAFETY, LOG_SAFETY = 1.25, 1.5
NAMES = ("variance", "second_moment", "activation_mean", "fluctuation", "kurtosis", "log_mean", "log_variance")
_ENOUGH = 3.0  # beyond, all is doubtful, and no more is computed
_LARGEST, _FARTHEST = 1e6, 100.0  # of relative variances; of logarithms and their variances
_ROWS = 8  # of data, that stand for all
_NODES = 5
_NORMAL, _WEIGHTS = (x[:, None] for x in np.polynomial.hermite_e.hermegauss(_NODES))
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_BROAD, _NARROW = 0.2, 3  # relative variance, 1 above wider layers, from which the law of two points has one at 0
_TAILS = 1.8, 1.07  # times what ln chi2_n has beyond first order is what bounded phi have in narrow layers


@dataclass(frozen=True, eq=False)
class _Carried:
    """What is carried along, one entry for each row.

    Of three laws ``mean``, ln of Q's mean over first order's, and ``spread``, Q's relative variance; of two normal laws
    of ln Q ``log_mean``, their mean less ln of first order's mean of Q, and ``log_variance``.
    """

    mean: np.ndarray
    spread: np.ndarray
    log_mean: np.ndarray
    log_variance: np.ndarray


def left_out(signals: list[Signal], weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the estimate for each profile, shape (L,), the largest so far; ``weights`` are the rows'.

    Relative to the value for all but log_mean and log_variance.
    """
    rows = _representative(signals[0], weights)
    if len(rows) == 0:
        return {name: np.zeros(len(signals)) for name in NAMES}
    found, worst = {name: np.empty(len(signals)) for name in NAMES}, dict.fromkeys(NAMES, 0.0)
    state = _started(signals[0], rows)
    for l, signal in enumerate(signals):
        if l == 1 and signals[0].layer.distribution != "normal":  # whose law is known: Q's moments, not its logarithm's
            known = _started(signal, rows)
            state = replace(state, mean=known.mean, spread=known.spread)
        here = _compared(state, signal, rows)
        try:
            above, here["second_moment"], here["activation_mean"] = _through(state, signal, rows)
        except ValueError:  # phi has no moments so far from the mean
            above = None
        for name in NAMES:
            worst[name] = max(worst[name], SAFETY * float(here[name].mean()) if name in here else np.inf)
            found[name][l:] = worst[name]
        if above is None or min(worst[name] for name in NAMES if name != "activation_mean") > _ENOUGH:
            if above is None:
                for name in NAMES:
                    found[name][l + 1 :] = np.inf
            break
        if l + 1 < len(signals):
            state = _next(above, signals[l + 1], rows)
    return found


def _representative(signal: Signal, weights) -> np.ndarray:
    """Return a few rows, each of which stands for as many others; none whose signal is 0."""
    live = np.flatnonzero(signal.z.mean.mantissa > 0)
    if len(live) <= _ROWS and (weights is None or np.ptp(weights) == 0):
        return live
    order = live[np.argsort(signal.z.mean.log()[live])]
    chances = np.ones(len(order)) if weights is None else np.maximum(weights[order], 0.0)
    below = np.cumsum(chances) / chances.sum()
    return order[np.searchsorted(below, (np.arange(_ROWS) + 0.5) / _ROWS).clip(max=len(order) - 1)]


def _spread(signal: Signal, rows) -> np.ndarray:
    """Return the relative variance of Q, for normal weights E z_i^2 z_j^2 / Q^2 - 1."""
    layer, pair = signal.layer, signal.z.pair[rows]
    if layer.distribution == "orthogonal":
        pair = pair + 2 / (max(layer.fan_in, layer.fan_out) + 2) * signal.z.weight_share[rows] ** 2
    return np.clip(pair, 0.0, _LARGEST)


def _cumulant(signal: Signal, rows) -> np.ndarray:
    """Return the excess kurtosis of z given the layer below; 0 for normal weights."""
    return np.clip(signal.z.kurtosis[rows] - 3 - 3 * _spread(signal, rows), -_LARGEST, _LARGEST)


def _started(signal: Signal, rows) -> _Carried:
    spread = _spread(signal, rows)
    return _Carried(
        *(np.tile(x, (count, 1)) for x, count in ((0 * spread, 3), (spread, 3), (-spread / 2, 2), (spread, 2)))
    )


def _compared(state: _Carried, signal: Signal, rows) -> dict[str, np.ndarray]:
    """Return how far the laws are from first order in one layer, for each row."""
    spread, n = _spread(signal, rows), signal.layer.fan_out
    cumulant = _cumulant(signal, rows)

    def moments_of(spread):
        kurtosis = np.maximum(3 * (1 + spread) + cumulant, 1.0)
        return np.maximum(spread + (kurtosis - 1 - spread) / n, 1e-300), kurtosis

    fluctuation, kurtosis = (
        np.abs(np.log(mine / ours)).max(axis=0)
        for mine, ours in zip(moments_of(state.spread), moments_of(spread), strict=True)
    )
    # Where z is not normal its logarithm has cumulants of its own.
    own = np.abs(cumulant) / n * (np.abs(cumulant) + 2 / n)
    if signal.units is not None:  # on a sphere ln |z| is known where there is no bias
        exact = _known(signal, rows) & ((signal.units.sphere is None) | (signal.z.weight_share[rows] == 1))
        own = np.where(exact, 0.0, own)
    return {
        "variance": np.abs(state.mean).max(axis=0),
        "fluctuation": fluctuation,
        "kurtosis": kurtosis,
        "log_mean": _two_steps(state.log_mean, -spread / 2) + own / 2,
        "log_variance": _two_steps(state.log_variance, spread) + own,
    }


def _two_steps(carried: np.ndarray, first_order: np.ndarray) -> np.ndarray:
    """Return the distance to the first of the laws and from there to the second: the two may cancel."""
    return LOG_SAFETY / SAFETY * (np.abs(carried[0] - first_order) + np.abs(carried[1] - carried[0]))


@dataclass(frozen=True, eq=False)
class _Above:
    """A layer's activations.

    Of three laws ``ratio``, E |phi|^2 over first order's, and ``spread``, the relative variance of |phi|^2. At the
    nodes of two laws of ln Q the same ratio, ``at_nodes``, and the relative variance given Q, ``noise``.
    """

    ratio: np.ndarray
    spread: np.ndarray
    at_nodes: np.ndarray
    noise: np.ndarray


def _through(state: _Carried, signal: Signal, rows) -> tuple[_Above, np.ndarray, np.ndarray]:
    """Return what each law makes of a layer, and how far its E |phi|^2 and E phi are from first order."""
    n, q = signal.layer.fan_out, signal.q[rows]
    r = state.spread
    broad = r[2] > (_BROAD if signal.layer.fan_in <= _NARROW else 1.0)
    laws = _gamma(r[0]), _log_normal(r[1]), _two_points(r[2], broad)
    points = [np.exp(mean) * x for mean, (x, _) in zip(state.mean, laws, strict=True)]
    points += [np.exp(m + np.sqrt(v) * _NORMAL) for m, v in zip(state.log_mean, state.log_variance, strict=True)]
    ends = np.cumsum([len(x) for x in points])[:-1]
    points = np.clip(np.concatenate(points) * q, 1e-250, 1e250)
    if signal.units is None:
        second, fourth, mean_of = (np.split(x, ends) for x in interpolated_moments(signal.layer.activation, points))
    else:  # in the first layer, where each row has one Q and z a law that is known
        f = signal.moments.second[rows], signal.moments.fourth[rows], signal.activation_mean[0][rows]
        second, fourth, mean_of = (np.split(np.tile(x, (len(points), 1)), ends) for x in f)
    expected, bent, cumulant = _first_order(signal, rows)
    own = np.minimum(np.abs(_own_noise(signal, rows, cumulant)) / n, _LARGEST)
    ratio, spread, means = (np.empty(state.mean.shape) for _ in range(3))
    for i, (_, weights) in enumerate(laws):
        means[i] = (weights * mean_of[i]).sum(axis=0)
        g = np.minimum(_over(second[i], expected), 1e100)
        mean = (weights * g).sum(axis=0)
        square = (weights * g**2 * np.minimum(1 + (fourth[i] - 1) / n, 1e100)).sum(axis=0)
        ratio[i] = np.maximum(mean * (1 + bent), 1e-300)  # a cumulant may weigh more than all the rest
        if i == 1:  # not in all: it is what the laws differ by
            square = square + mean**2 * own
        spread[i] = np.clip(_over(square, mean**2) - 1, 0.0, _LARGEST)
    distance = np.abs(np.log(ratio)).max(axis=0) + np.abs(bent * cumulant)
    ratio[1] *= 1 + np.abs(bent * cumulant)  # which goes on into the next layer
    at_nodes = np.stack([_over(g, expected) for g in second[3:]])
    noise = np.clip(np.stack(fourth[3:]) - 1, 1e-9, _LARGEST) / n
    noise[1] += own
    above = _Above(ratio, spread, at_nodes, noise)
    return above, distance, _distance_of_means(means, signal, rows)


def _own_noise(signal: Signal, rows, cumulant: np.ndarray) -> np.ndarray:
    """Return what z's own cumulant K adds to E phi^4 over (E phi^2)^2, of second order in Q's relative variance.

    That is K E[phi^4 He4] / 24, and E[f He4] = 4 (d^2 - d) E f, d the derivative by ln q.
    """
    unknown = ~_known(signal, rows)
    if not (cumulant * unknown).any():
        return 0 * cumulant
    step, q = 0.1, np.clip(signal.q[rows], 1e-250, 1e250)
    second, fourth, _ = interpolated_moments(signal.layer.activation, q * np.exp([[-step], [0.0], [step]]))
    below, here, above = fourth * _over(second, second[1]) ** 2
    bend = (above - 2 * here + below) / step**2 - (above - below) / (2 * step)
    return np.where(unknown, cumulant * bend / 6, 0.0)


def _distance_of_means(means: np.ndarray, signal: Signal, rows) -> np.ndarray:
    """Return how far E phi of each law, less what z's own cumulant adds, is from first order."""
    ours, known = signal.activation_mean[0][rows], _known(signal, rows)
    cumulant = np.where(known, 0.0, _cumulant(signal, rows))
    own = signal.first_moments.curvature[rows] * cumulant / 6
    size = np.abs(ours) + 1e-12 * np.sqrt(signal.moments.second[rows])  # 0 but for rounding where phi is odd
    return (np.abs(means + own - ours).max(axis=0) + np.abs(own * cumulant)) / np.maximum(size, 1e-300)


def _known(signal: Signal, rows) -> np.ndarray:
    """Return whether the law of z, given the row, is known and not Gaussian."""
    return np.isin(rows, [] if signal.units is None else signal.units.few)


def _first_order(signal: Signal, rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first order's E phi^2, what z's own cumulant adds to it, relatively, and that cumulant."""
    correction, cumulant, excess = signal.correction[rows], _cumulant(signal, rows), signal.z.kurtosis[rows] - 3
    bent = np.divide((correction - 1) * cumulant, excess, out=0 * excess, where=excess != 0)
    return signal.moments.second[rows] * correction, bent, cumulant


def _next(above: _Above, signal: Signal, rows) -> _Carried:
    """Return what reaches the next layer, ``signal``."""
    layer, weight_share = signal.layer, signal.z.weight_share[rows]
    mean = np.maximum(weight_share * above.ratio + 1 - weight_share, 1e-300)
    spread = above.spread * np.minimum(weight_share * above.ratio / mean, 1.0) ** 2
    if layer.distribution == "orthogonal":
        larger = max(layer.fan_in, layer.fan_out)
        spread = spread * larger / (larger + 2)
    at_nodes = np.maximum(weight_share * above.at_nodes + 1 - weight_share, 1e-300)
    part = np.minimum(weight_share * above.at_nodes / at_nodes, 1.0)
    lower, wider = tails(layer.fan_in, above.noise[1])
    own, more = -(part**2) * above.noise / 2, part**2 * above.noise
    own[1] -= part[1] * lower
    more[1] += part[1] ** 2 * wider
    logs = np.log(at_nodes) + own
    log_mean = (_WEIGHTS * logs).sum(axis=1)
    log_variance = (_WEIGHTS * ((logs - log_mean[:, None]) ** 2 + more)).sum(axis=1)
    logs = np.log(mean), log_mean
    mean, log_mean = (np.clip(x, -_FARTHEST, _FARTHEST) for x in logs)
    return _Carried(mean, np.minimum(spread, _LARGEST), log_mean, np.minimum(log_variance, _FARTHEST))


def tails(n: int, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much the mean of ln sum phi^2 may be lower, and its variance larger, than first order says."""
    chi = _TAILS[0] * (np.log(n / 2) - scipy.special.digamma(n / 2) - 1 / n)
    gamma = -scipy.special.digamma(1 / noise) - np.log(noise) - noise / 2
    wider = _TAILS[1] * (scipy.special.polygamma(1, n / 2) - 2 / n), scipy.special.polygamma(1, 1 / noise) - noise
    return np.maximum(chi, gamma), np.maximum(*wider)


def _over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, and 1 where b is 0; above 0, since its logarithm is taken."""
    return np.maximum(np.divide(a, b, out=np.ones(np.broadcast(a, b).shape), where=b > 0), 1e-300)


# Nodes and weights, shape (nodes, R), of laws of mean 1 and relative variance r, shape (R,).


def _gamma(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's rule, from its Jacobi matrix."""
    k = np.arange(_NODES)
    matrix = np.zeros((len(r), _NODES, _NODES))
    matrix[:, k, k] = 1 + 2 * k * r[:, None]
    matrix[:, k[1:], k[:-1]] = np.sqrt(k[1:] * r[:, None] * (1 + k[:-1] * r[:, None]))
    nodes, vectors = np.linalg.eigh(matrix)
    return nodes.T, vectors[:, 0].T ** 2


def _log_normal(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    s = np.sqrt(np.log1p(r))
    return np.exp(s * _NORMAL - s * s / 2), _WEIGHTS


def _two_points(r: np.ndarray, broad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    root = np.sqrt(r)
    nodes = np.stack([np.where(broad, 0.0, 1 - root), np.where(broad, 1 + r, 1 + root)])
    return nodes, np.stack([np.where(broad, r, 1.0), np.ones_like(r)]) / np.where(broad, 1 + r, 2.0)
