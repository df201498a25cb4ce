"""The law of S = phi(z_1)^2 + ... + phi(z_n)^2 for independent z_i ~ N(0, q), for many q at once.

One unit's phi(x)^2 is known at nodes x of a quadrature that serves every q, since only the normal density
depends on q. Its law is put on a uniform grid of s (see `grids`), and the n-th power of its Fourier
transform is that of the sum. One grid cannot show both S near its mean and S near 0, where networks
narrower than some tens of units spend part of their time, so there is one for each factor 4 in s: since no
term is negative, the law of S below a cap needs that of the terms below it alone. Smooth weights that add
up to 1 join the grids.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from ....activations import Activation, Kind
from ...gaussian.features import features
from ...gaussian.panels import rule
from ...gaussian.quadrature import values
from . import tuning
from .grids import cardinals, sharing


@dataclass(frozen=True, eq=False)
class Units:
    """Nodes of one unit: phi(x)^2 and the probabilities (nodes, len(q)) for each q."""

    square: np.ndarray
    probability: np.ndarray

    @property
    def zero(self) -> np.ndarray:
        """P(phi = 0) for each q."""
        return (self.square == 0) @ self.probability


def units(activation: Activation, q: np.ndarray, sharpness: float, order: int) -> Units:
    """Return nodes that integrate functions of ln phi^2 as sharp as ``sharpness`` for every variance in ``q``.

    ``order`` is the number of Gauss and Legendre's nodes in a panel, meant to be 16.
    """
    waves = activation.kind is Kind.SIN
    root = np.sqrt(np.minimum(q, tuning.EVEN) if waves else q)
    edges = _edges(activation, root.min() * np.exp(-tuning.DEEP), tuning.REACH * root.max(), sharpness)
    nodes, weights = rule(order)
    middle, half = 0.5 * (edges[0] + edges[1])[:, None], 0.5 * (edges[1] - edges[0])[:, None]
    x, weights = (middle + half * nodes).ravel(), (half * weights).ravel()
    phi = values(activation.phi, activation.name, x)
    if np.abs(phi).max() > tuning.TOO_LARGE:
        raise ValueError(
            f"activation {activation.name!r} is as large as {np.abs(phi).max():.3g}, and its square beyond float64; "
            "scale it down."
        )
    with np.errstate(under="ignore"):
        density = weights[:, None] * np.exp(-0.5 * (x[:, None] / root) ** 2)
        if waves:  # its many zeros are one
            density[:, q >= tuning.EVEN] = (weights * (np.abs(x) < np.pi / 2))[:, None]
        return Units(phi * phi, density / density.sum(axis=0))


def _edges(activation, low, high, sharpness):
    """Return the ends of panels: a ratio in |x|, none longer than 8 up to 512, split at kinks, graded at zeros.

    Where phi falls faster than that, as gelu does below 0, they are halved until none holds more of ln phi^2.
    """
    parts = max(1, int(np.ceil(np.log(2.0) / (2.8 * sharpness))))
    likely = np.log2(low) + (tuning.DEEP - tuning.RARE) / np.log(2.0)
    deep = np.arange(np.floor(np.log2(low) / 2) * 2, likely, 2.0 / parts)
    k = np.arange(np.ceil(likely * parts), np.ceil(np.log2(high) * parts) + 1) / parts
    edges = np.concatenate([2.0**deep, 2.0**k, np.arange(8.0, min(high, 512.0), 8.0)])
    quarters = [-np.pi / 2, np.pi / 2]
    kinks = [s for s in features(activation).kinks(high) if low < abs(s) < high]
    edges = np.concatenate([-edges, edges, quarters, kinks])
    edges = np.unique(np.concatenate([edges, _near_zeros(activation, min(high, 512.0))]))
    a, b = edges[:-1], edges[1:]
    kept = (a >= low / 2) | (b <= -low / 2)  # not the panel across 0
    a, b = a[kept], b[kept]
    for _ in range(tuning.HALVINGS):
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.log(np.abs(values(activation.phi, activation.name, np.stack([a, b]))))
            long = np.abs(change[1] - change[0]) > tuning.STEEP / parts
        long &= np.isfinite(change).any(axis=0)
        if not long.any():
            break
        middle = 0.5 * (a + b)[long]
        a, b = np.concatenate([a[~long], a[long], middle]), np.concatenate([b[~long], middle, b[long]])
    return a, b


def _near_zeros(activation, high) -> np.ndarray:
    """Return edges that close in on the places other than 0 where phi changes sign."""
    scan = np.linspace(-high, high, 2**14)
    phi = values(activation.phi, activation.name, scan)
    change = np.flatnonzero((np.sign(phi[:-1]) * np.sign(phi[1:]) < 0) & (scan[:-1] * scan[1:] > 0))
    if len(change) == 0:
        return np.empty(0)
    change = change[np.argsort(np.abs(scan[change]))][: tuning.ZEROS]
    a, b = scan[change], scan[change + 1]
    for _ in range(60):
        middle = 0.5 * (a + b)
        left = np.sign(phi[change]) == np.sign(values(activation.phi, activation.name, middle))
        a, b = np.where(left, middle, a), np.where(left, b, middle)
    away = 4.0 ** -np.arange(1.0, 14.0)[:, None]
    return np.concatenate([(b + away).ravel(), (b - away).ravel(), b])


@dataclass(frozen=True, eq=False)
class Level:
    """The part of the law of S that one level holds: log_s (points,), masses (points, rows) of some of the q."""

    rows: slice
    log_s: np.ndarray
    masses: np.ndarray


def single(unit: Units):
    """Yield the law of one unit's phi^2 as a `Level`, without S = 0."""
    live = unit.square > 0
    yield Level(slice(None), np.log(unit.square[live]), unit.probability[live])


def levels(unit: Units, n: int, floor: np.ndarray, fineness: float):
    """Yield the law of the sum of ``n`` units for every q, as `Level`, without what is below e^``floor``.

    ``fineness`` is the step of a grid in units of s at the lower end of its level, where S is likely to be
    there; where it is not, steps are longer, since errors are in proportion to the probability and go as
    the TAPS-th power of the step.
    """
    mean = unit.square @ unit.probability
    low = np.maximum(floor, _lowest(unit, n))
    high = _highest(unit, n, mean)
    zero = unit.zero**n
    ratio, join = tuning.RATIO, tuning.JOIN
    for k in range(int(np.floor((low.min() - join) / ratio)), int(np.ceil((high.max() + join) / ratio)) + 1):
        cap = np.exp((k + 1) * ratio + join)
        near = _span((k * ratio - join < high) & ((k + 1) * ratio + join > low))
        likely = _below(unit, near, n, cap) - zero[near]
        shown = _span(likely > tuning.SHOWN)
        rows = range(near.start, near.stop)[shown]
        if len(rows):
            step = min(fineness * likely[shown].max() ** (-1 / tuning.TAPS), max(fineness, tuning.COARSEST))
            size = int(np.exp(ratio + join + 2 * tuning.BLUR) / step)
            batch = max(1, 2**17 // size)
            for start in range(rows.start, rows.stop, batch):
                part = slice(start, min(start + batch, rows.stop))
                yield _level(unit, part, n, k, cap, scipy.fft.next_fast_len(2 * size, real=True))


def _span(wanted: np.ndarray) -> slice:
    """Return the slice from the first to the last place that is wanted: neighbours in q want the same levels."""
    places = np.flatnonzero(wanted)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, 0)


def _lowest(unit: Units, n: int) -> np.ndarray:
    """Return ln of an S that is not reached with probability 1e-15: each of the units would have to stay below it."""
    order = np.argsort(unit.square)
    below = np.cumsum(unit.probability[order], axis=0)
    last = np.minimum((below < 1e-15 ** (1 / n)).sum(axis=0), len(order) - 1)
    return np.log(np.maximum(unit.square[order][last], 1e-300))


def _highest(unit: Units, n: int, mean: np.ndarray) -> np.ndarray:
    """Return ln of an S that is passed with probability 1e-15: Bernstein's, or that of all units at their most."""
    spread = np.sqrt(np.maximum(unit.square**2 @ unit.probability - mean**2, 0.0))
    most = np.where(unit.probability > 1e-19, unit.square[:, None], 0.0).max(axis=0)
    return np.log(np.maximum(np.minimum(n * most, n * mean + 8.5 * np.sqrt(n) * spread + 2 * most), 1e-300))


def _below(unit: Units, rows, n: int, cap: float) -> np.ndarray:
    """Return a bound on P(S < cap): that of all units, or Chernoff's e^t E exp(-t S / cap), the best of a few t."""
    if n <= tuning.FEW:
        return ((unit.square < cap).astype(np.float64) @ unit.probability[:, rows]) ** n
    t = np.array([1.0, 8.0, 64.0, 512.0])
    with np.errstate(under="ignore"):
        one = np.exp(-np.outer(t, unit.square / cap)) @ unit.probability[:, rows]
        return np.exp(np.minimum(t[:, None] + n * np.log(np.maximum(one, 1e-300)), 0.0)).min(axis=0)


def _level(unit: Units, rows, n: int, k: int, cap: float, circle: int) -> Level:
    """Return what S is between 4^k and 4^(k+1), with blurred ends, on a grid of ``circle`` / 2 steps up to ``cap``.

    The convolution is circular; a factor e^(-tilt s) keeps what wraps around small.
    """
    size, tilt = circle // 2, tuning.TILT / circle
    places = np.minimum(unit.square / cap, 2.0) * size  # which counts as none beyond 1
    live = np.flatnonzero((places > 1e-12) & (places < size))
    nodes, weights = cardinals(places[live])
    share = sharing(nodes % circle, weights * np.exp(-tilt * nodes), circle)
    masses = share @ unit.probability[live, rows]
    masses[0] += (places <= 1e-12) @ unit.probability[:, rows]
    s = np.arange(size // 100, size)
    masses = scipy.fft.irfft(_power(scipy.fft.rfft(masses, axis=0), n), circle, axis=0)[s]
    log_s = np.log(s * (cap / size))
    lower, upper = (scipy.special.ndtr((log_s - i * tuning.RATIO) / tuning.BLUR) for i in (k, k + 1))
    return Level(rows, log_s, masses * (np.exp(tilt * s) * (lower - upper))[:, None])


def _power(base: np.ndarray, n: int) -> np.ndarray:
    """Return base^n by repeated squaring: some 20 times as fast as np.power on complex numbers."""
    with np.errstate(under="ignore"):
        while n % 2 == 0:
            base, n = base * base, n // 2
        out = base
        while n := n // 2:
            base = base * base
            out = out * base if n % 2 else out
    return out
