"""A weight distribution of one's own: its quantile function, and what it comes to by quadrature.

With v the distance of u from the nearer end of (0, 1) and s = -ln 2v, moments are integrals of powers of the quantile
times e^-s / 2 over s, from the middle, s = 0, to where weights end that can be drawn, v = 2^-65. Beyond, the quantile
goes on as the power of v that it is there.
"""

import functools
from dataclasses import dataclass, field

import numpy as np

from .own import OwnQuantile

LEAST = 2.0**-65  # the smallest v that is drawn; of u near 1, float64 has none below 2^-53
LEAST_FROM_ONE = 2.0**-53
CLOSE = 1e-6  # of mean and variance
MOST_LOST = 1e-5  # of the variance, beyond the weights that can be drawn
POWERS = (1, 2, 4)
_FINITE = 0.999  # k times the tail's power of 1 / v, from which E |W|^k counts as infinite
_GRID = 4097  # places, none of them one that a hand would choose
_PANELS, _ROUNDS, _MOST_SPLIT, _EXACT = 64, 48, 256, 1e-11


def _lobatto(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Lobatto's rule of n points, ends included, without which a jump near one would go unseen."""
    legendre = np.polynomial.Legendre.basis(n - 1)
    nodes = np.concatenate([[-1.0], legendre.deriv().roots().real, [1.0]])
    return nodes, 2 / (n * (n - 1) * legendre(nodes) ** 2)


_COARSE, _FINE = _lobatto(8), _lobatto(15)


@dataclass(frozen=True)
class OwnDistribution:
    """The distribution of a weight, of mean 0 and variance 1, by a quantile function of one's own.

    Parameters
    ----------
    name
        What tables and messages call it.
    quantile
        On float64 arrays of any shape: u between 0 and 1 to weights.

    Attributes
    ----------
    symmetric
        Whether -W has the law of W: quantile(1 - u) = -quantile(u).
    atoms
        Whether single values have a probability.
    excess_kurtosis
        E[W^4] - 3; infinite where that is.
    extent
        The largest \\|W\\|; infinite where weights go on beyond what can be drawn.

    Raises
    ------
    ValueError
        Where the function falls, its mean is not 0 or its variance not 1, or too much of that is beyond what can be
        drawn.
    """

    name: str
    quantile: OwnQuantile
    symmetric: bool = field(init=False, compare=False)
    atoms: bool = field(init=False, compare=False)
    excess_kurtosis: float = field(init=False, compare=False)
    extent: float = field(init=False, compare=False)

    def __post_init__(self):
        set_ = functools.partial(object.__setattr__, self)
        u = (np.arange(_GRID) + 0.4142) / _GRID
        values = self._finite(u)
        steps = np.diff(values)
        if (steps < -1e-12 * np.abs(values).max()).any():
            fall = int(np.argmin(steps))
            raise ValueError(
                f"{self.quantile} falls from {values[fall]:.6g} at {u[fall]:.4g} to {values[fall + 1]:.6g} at "
                f"{u[fall + 1]:.4g}; a quantile function never does."
            )
        set_("atoms", bool((steps <= 1e-14 * np.abs(values).max()).any()))
        v = u[: _GRID // 2 : 4]
        v = np.concatenate([v**2, v])
        low, high = self._finite(v), self._finite(1 - v)
        set_("symmetric", bool((np.abs(low + high) <= 1e-6 * (1 + np.abs(low))).all()))
        moments, lost, extent = self._moments
        set_("extent", extent)
        mean, variance = moments[0], moments[1]
        if not abs(mean) <= CLOSE:
            raise ValueError(f"{self.quantile} has the mean {mean:.7g}; it must be 0. Take that off it.")
        if not np.isfinite(variance):
            raise ValueError(f"{self.quantile} has an infinite variance; it must be 1.")
        if not abs(variance - 1) <= CLOSE:
            raise ValueError(
                f"{self.quantile} has the variance {variance:.8g}; it must be 1. Divide it by {np.sqrt(variance):.8g}."
            )
        if lost > MOST_LOST:
            raise ValueError(
                f"{self.quantile} has {lost:.2g} of its variance within 2^-65 of an end of u, or 2^-53 of 1 where it "
                "is not symmetric, and nothing is drawn there; its tails must be lighter."
            )
        set_("excess_kurtosis", float(moments[2] - 3))

    @property
    def obstacle(self) -> str | None:
        """Why a layer's units have no expansion in powers of 1 / fan_in about Gaussian ones; None where they have."""
        if not self.symmetric:
            return f"weights that are symmetric about 0, but {self} is not"
        if not np.isfinite(self.excess_kurtosis):
            return f"weights of a finite fourth moment, but that of {self} is infinite"
        return None

    def sixth_moment(self, most: float) -> float:
        """Return E min(W^6, most^2 W^4), which is finite where E W^4 is."""
        parts = [self._integral(upper, lambda q: (q**4 * np.minimum(q * q, most**2))[None]) for upper in self._sides]
        return float(2 * np.mean(parts) if self.symmetric else np.sum(parts))

    @functools.cached_property
    def _moments(self) -> tuple[np.ndarray, float, float]:
        """E W^k for ``POWERS``, the variance beyond what is drawn, and the largest size of a weight."""
        total, lost, extent = np.zeros(len(POWERS)), 0.0, 0.0
        for upper in self._sides:
            tail, size = self._tail(upper)
            total += self._integral(upper, lambda q: np.stack([q**k for k in POWERS])) + tail
            lost, extent = lost + tail[1], max(extent, size)
        if self.symmetric:
            return total * (0.0, 2.0, 2.0), float(2 * lost), extent
        return total, float(lost), extent

    @property
    def _sides(self) -> tuple[bool, ...]:
        """Halves of (0, 1) to integrate over: whether the upper one."""
        return (False,) if self.symmetric else (False, True)

    def _at(self, upper: bool, s: np.ndarray) -> np.ndarray:
        v = 0.5 * np.exp(-s)
        return self._finite(1 - np.maximum(v, LEAST_FROM_ONE) if upper else v)

    def _finite(self, u: np.ndarray) -> np.ndarray:
        values = self.quantile(u)
        if not np.isfinite(values).all():
            wrong = ~np.isfinite(values)
            raise ValueError(f"{self.quantile} gives {values[wrong][0]:g} at {u[wrong][0]:.6g}; {self.quantile.CURE}")
        return values

    def _reach(self, upper: bool) -> float:
        return -np.log(2 * (LEAST_FROM_ONE if upper and not self.symmetric else LEAST))

    def _tail(self, upper: bool) -> tuple[np.ndarray, float]:
        """Return the parts of E W^k beyond what is drawn, and the largest size of a weight there."""
        end = self._reach(upper)
        before, last = (float(q) for q in self._at(upper, np.array([end - 4.0, end])))
        if abs(last) <= abs(before) * (1 + 1e-9) or last * before <= 0:
            return np.zeros(len(POWERS)), abs(last)
        power = np.log(last / before) / 4.0
        k = np.array(POWERS)
        part = last**k * np.exp(-end) / 2 / np.maximum(1 - k * power, 1 - _FINITE)
        return np.where(k * power < _FINITE, part, np.inf), np.inf

    def _integral(self, upper: bool, integrands) -> np.ndarray:
        """Return the integral over one half of what ``integrands`` make of quantiles, split where it is not smooth."""
        edges = np.linspace(0.0, self._reach(upper), _PANELS + 1)
        low, high = edges[:-1], edges[1:]
        total, rest = np.zeros((1, 1)), np.zeros((1, 1))
        for _ in range(_ROUNDS):
            coarse, fine = (self._rule(upper, integrands, low, high, rule) for rule in (_COARSE, _FINE))
            size = np.abs(total + fine.sum(axis=1, keepdims=True)) + 1e-300
            split = (np.abs(fine - coarse) > _EXACT * size).any(axis=0)
            total = total + fine[:, ~split].sum(axis=1, keepdims=True)
            rest = fine[:, split].sum(axis=1, keepdims=True)
            if not split.any() or split.sum() > _MOST_SPLIT:
                break
            middle = 0.5 * (low + high)[split]
            low, high = np.concatenate([low[split], middle]), np.concatenate([middle, high[split]])
        return (total + rest)[:, 0]

    def _rule(self, upper, integrands, low, high, rule) -> np.ndarray:
        nodes, weights = rule
        s = (0.5 * (low + high))[:, None] + 0.5 * (high - low)[:, None] * nodes
        values = integrands(self._at(upper, s)) * (0.5 * np.exp(-s))
        return (values * weights).sum(axis=-1) * 0.5 * (high - low)

    def __str__(self) -> str:
        return self.name

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return OwnDistribution, (self.name, self.quantile)
