"""The law of Q far to the left, where phi falls to nothing, as gelu does to e^(-z^2/2), below what float64 can hold.

There ln S, S = phi(z_1)^2 + ... + phi(z_n)^2, spreads over thousands and has a density that hardly changes in one
unit. So S is its largest term, but for what a second one of about its size adds, and what one unit does is known
in logarithms. And layers above are linear in a signal so small: ln Q gains a term whose law a few nodes stand for.
P(ln Q <= y) is kept at values y of a constant ratio. Smooth weights share the law between these and the grid of
`chain`, around CENTRE.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from ....activations import Activation, Kind
from . import tuning
from .grids import cardinals

_TWO = np.pi**2 / 12  # the integral of ln(1 + e^-g): how much larger S is than its largest term, over gaps g
_LOGS = {  # ln phi(-x)^2, for x so large that e^(-2 x) is nothing beside 1
    Kind.GELU: lambda x: 2 * (np.log(x) + scipy.special.log_ndtr(-x)),
    Kind.SILU: lambda x: 2 * (np.log(x) - x - np.log1p(np.exp(-x))),
    Kind.MISH: lambda x: 2 * (np.log(x) - x - 0.5 * np.exp(-x)),
    Kind.SOFTPLUS: lambda x: -2 * (x + 0.5 * np.exp(-x)),
    Kind.SIGMOID: lambda x: -2 * (x + np.log1p(np.exp(-x))),
}


def falls(activation: Activation) -> bool:
    """Whether phi falls to nothing below, beyond float64."""
    return activation.kind in _LOGS


def near_share(log_s: np.ndarray) -> np.ndarray:
    """Return the share of the law at ln S, or ln Q, that the grid of `chain` holds; the rest is held here."""
    return scipy.special.ndtr((log_s - tuning.CENTRE) / tuning.WIDTH)


@dataclass(frozen=True, eq=False)
class Far:
    """P(ln Q <= y) of the part of the law that is far: ``below`` at `_grid`, 0 beyond; ``ratio`` of the grid."""

    below: np.ndarray
    ratio: float

    @property
    def total(self) -> float:
        """The probability that is held here."""
        return float(self.below[0]) if len(self.below) else 0.0

    @property
    def log_q(self) -> np.ndarray:
        """The grid, falling."""
        return _grid(len(self.below), self.ratio)

    def at(self, y: np.ndarray) -> np.ndarray:
        """Return P(ln Q <= y) at any y, interpolated."""
        place = np.log(np.maximum(-y, tuning.TOP) / tuning.TOP) / self.ratio
        nodes, shares = cardinals(np.minimum(place, len(self.below) + tuning.TAPS))
        return (np.append(self.below, 0.0)[np.clip(nodes, 0, len(self.below))] * shares).sum(axis=0)

    def spread(self, y: np.ndarray, nodes: tuple[np.ndarray, np.ndarray], slope: float = 1.0) -> np.ndarray:
        """Return P(``slope`` ln Q + X <= y) for X at ``nodes``, values and weights."""
        return sum(weight * self.at((y - x) / slope) for x, weight in zip(*nodes, strict=True))

    def moved(self, nodes: tuple[np.ndarray, np.ndarray], slope: float, step: float):
        """Return the law of ``slope`` ln Q + X: a `Far`, and the first node and masses of what is no longer far."""
        if not self.total:
            return self, 0, np.zeros(0)
        lowest = slope * self.log_q[-1] + nodes[0].min()
        highest = slope * -tuning.TOP + nodes[0].max()
        far = Far(np.zeros(0), self.ratio)
        if lowest < -tuning.TOP:
            y = _grid(int(np.log(lowest / -tuning.TOP) / self.ratio) + 2, self.ratio)
            far = _far_part(y, self.spread(y, nodes, slope), self.ratio)
        first = int(np.floor((tuning.CENTRE - 8 * tuning.WIDTH) / step))
        near = np.arange(first, int(np.ceil(highest / step)) + 1)
        if not len(near):
            return far, 0, np.zeros(0)
        below = self.spread(step * (np.append(near, near[-1] + 1) - 0.5), nodes, slope)
        return far, first, np.diff(below) * near_share(step * near)

    def plus(self, other: "Far | None") -> "Far":
        """Return the sum of two parts of a law, on grids of one ratio."""
        if other is None or not len(other.below):
            return self
        longer, shorter = sorted((self.below, other.below), key=len, reverse=True)
        return Far(longer + np.pad(shorter, (0, len(longer) - len(shorter))), self.ratio)

    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """Return values of ln Q and the probabilities around them, eight a step: errors go as its square."""
        y = _grid(8 * len(self.below), self.ratio / 8)
        return 0.5 * (y + np.append(y[1:], y[-1:])), -np.diff(np.append(self.at(y), 0.0))


def far_law(activation: Activation, n: int, q: np.ndarray, chances: np.ndarray, ratio: float) -> Far:
    """Return the law of ln S, for n units whose variance is one of ``q`` with these ``chances``."""
    y = tuning.CENTRE + tuning.WIDTH * np.arange(7.0)  # where the far part is half of all, to where it is nothing
    with np.errstate(under="ignore"):
        held = scipy.special.ndtr(-_inverse(activation, y)[:, None] / np.sqrt(q)) ** n * (1 - near_share(y))[:, None]
    reached = held.max(axis=0) * np.abs(chances) > tuning.SHOWN * 1e-3
    if not reached.any():
        return Far(np.zeros(0), ratio)
    q, chances = q[reached], chances[reached]
    last = float(_LOGS[activation.kind](tuning.REACH * np.sqrt(q.max())))
    y = _grid(int(np.log(min(last / -tuning.TOP, 1e300)) / ratio) + 2, ratio)
    x, below = _inverse(activation, y), np.zeros(len(y))
    steep = -np.gradient(x, y)
    part = max(1, 2**18 // len(y))
    for i in range(0, len(q), part):
        t = x[:, None] / np.sqrt(q[i : i + part])
        with np.errstate(under="ignore"):
            one = scipy.special.ndtr(-t)
            found = one**n
            if n > 1:
                density = np.exp(-0.5 * t * t) * (steep[:, None] / np.sqrt(2 * np.pi * q[i : i + part]))
                found -= n * (n - 1) * one ** (n - 2) * density**2 * _TWO
        below += found @ chances[i : i + part]
    return _far_part(y, np.maximum(below, 0.0), ratio)


def _grid(count: int, ratio: float) -> np.ndarray:
    return -tuning.TOP * np.exp(ratio * np.arange(count))


def _far_part(y: np.ndarray, below: np.ndarray, ratio: float) -> Far:
    """Return what is far of a law that is ``below`` at the whole of a grid ``y``: its share, integrated by parts."""
    t = (y - tuning.CENTRE) / tuning.WIDTH
    change = below * np.exp(-0.5 * t * t) / (np.sqrt(2 * np.pi) * tuning.WIDTH) * -ratio * y  # a step of the grid
    trapezoids = np.append(0.5 * (change[1:] + change[:-1])[::-1].cumsum()[::-1], 0.0)
    return Far((1 - near_share(y)) * below + trapezoids + np.gradient(change) / 12, ratio)  # Euler and Maclaurin


def _inverse(activation: Activation, y: np.ndarray) -> np.ndarray:
    """Return x where ln phi(-x)^2 is ``y``, by Newton's rule."""
    logs = _LOGS[activation.kind]
    x = np.sqrt(-y) if activation.kind is Kind.GELU else -0.5 * y
    for _ in range(60):
        d = 1e-6 * x
        step = (logs(x) - y) / ((logs(x + d) - logs(x - d)) / (2 * d))
        x = np.maximum(x - step, 0.5 * x)
        if (np.abs(step) <= 1e-13 * x).all():
            break
    return x


def gauss(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return three points, and weights of their own, that have the first six moments of these."""
    total = weights.sum()
    mean = points @ weights / total
    deviation = np.sqrt(max((points - mean) ** 2 @ weights / total, 1e-30))
    moments = [((points - mean) / deviation) ** k @ weights / total for k in range(7)]
    root = np.linalg.cholesky([[moments[i + j] for j in range(4)] for i in range(4)]).T
    ahead = np.array([root[k, k + 1] / root[k, k] for k in range(3)])
    beside = [root[k + 1, k + 1] / root[k, k] for k in range(2)]
    nodes, vectors = np.linalg.eigh(np.diag(np.diff(ahead, prepend=0.0)) + np.diag(beside, 1) + np.diag(beside, -1))
    return mean + deviation * nodes, total * vectors[0] ** 2
