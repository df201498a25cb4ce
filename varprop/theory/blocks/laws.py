"""The law of one value's squared length s, layer by layer: E s, E s^2 and E f, f the sum of fourth powers.

Given a, each unit of W a + b is N(0, Q) with Q = Var(W) |a|^2 + bias_variance, whatever a's direction. So all that a
layer of slopes, a mask or a sum needs of the value below is (1, s, s^2, f), and what it gives is linear in these. A
`Law` holds such rows, relative to a base: the value that a residual block starts from, since the block's cross terms
are with that.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...activations import Activation
from ..gaussian.expectations import moments, power_means
from ..scaled import Scaled

EPS = np.finfo(float).eps


class NotExactError(Exception):
    """Why a network is none of those whose moments are exact, in words that follow "needs"."""


@dataclass(frozen=True, eq=False)
class Base:
    """E s, E s^2 and E f of a value, one entry a column: a row of data at one position. f is None where unknown."""

    s: Scaled
    s2: Scaled
    f: Scaled | None

    @classmethod
    def normal(cls, units: int, columns: int) -> "Base":
        """Return those of N(0, I)."""
        n, one = float(units), np.ones(columns)
        return cls(*(Scaled.of(one * x) for x in (n, n * (n + 2), 3 * n)))

    def of(self, row: np.ndarray) -> Scaled:
        """Return E of a row (4, columns) of coefficients of 1, s, s^2 and f."""
        if not np.isfinite(row).all():
            raise NotExactError("each block's moments, relative to its input, within float64")
        total = Scaled.of(row[0])
        for coefficient, value in zip(row[1:], (self.s, self.s2, self.f), strict=True):
            if np.any(coefficient):
                if value is None:
                    raise NotExactError("no dropout right after a norm")
                total = total.plus(value.times(coefficient))
        return total


@dataclass(frozen=True, eq=False)
class Law:
    """A value of ``units`` units, given its base.

    Attributes
    ----------
    s, s2, f
        E of each as rows (4, columns) in the base's (1, s, s^2, f); f is None where unknown.
    q, q2
        Where the units are N(0, Q) given Q: E Q and E Q^2, rows too; else None.
    fixed
        s itself where nothing is random in it, (columns,); else None. Of normal units, Q.
    keep
        The probability that a unit was kept by a dropout since it was normal.
    """

    units: int
    s: np.ndarray
    s2: np.ndarray
    f: np.ndarray | None
    q: np.ndarray | None = None
    q2: np.ndarray | None = None
    fixed: np.ndarray | None = None
    keep: float = 1.0

    @classmethod
    def start(cls, units: int, columns: int, fixed=None, *, fourth: bool = True) -> "Law":
        """Return the base itself."""
        rows = np.broadcast_to(np.eye(4)[:, :, None], (4, 4, columns))
        return cls(units, rows[1], rows[2], rows[3] if fourth else None, fixed=fixed)

    @property
    def known(self) -> np.ndarray:
        """``fixed``, where it is known that nothing is random."""
        assert self.fixed is not None
        return self.fixed

    @property
    def fourth(self) -> np.ndarray:
        """``f``, where it is known."""
        if self.f is None:
            raise NotExactError("no dropout right after a norm")
        return self.f

    @property
    def variances(self) -> tuple[np.ndarray, np.ndarray]:
        """``q`` and ``q2`` of units that are normal given Q."""
        assert self.q is not None
        assert self.q2 is not None
        return self.q, self.q2

    def base(self, below: Base) -> Base:
        """Return this value as a base, ``below`` being its own."""
        return Base(below.of(self.s), below.of(self.s2), None if self.f is None else below.of(self.f))


def constant(values, like: np.ndarray) -> np.ndarray:
    """Return a row that is ``values`` whatever the base."""
    row = np.zeros(like.shape)
    row[0] = values
    return row


def normal(units: int, q: np.ndarray, q2: np.ndarray, fixed=None) -> Law:
    """Return units that are N(0, Q) given Q."""
    n = float(units)
    return Law(units, n * q, n * (n + 2) * q2, 3 * n * q2, q, q2, fixed)


def dense(law: Law, units: int, variance: float, bias: float) -> Law:
    """Return W a + b."""
    v = variance
    q = v * law.s + constant(bias, law.s)
    q2 = v * v * law.s2 + 2 * v * bias * law.s + constant(bias * bias, law.s)
    fixed = law.fixed if law.q is None else None
    return normal(units, q, q2, None if fixed is None else v * fixed + bias)


def slopes(law: Law, pair: tuple[float, float], path: str) -> Law:
    """Return phi of the units, homogeneous of these slopes: signs are apart from sizes where the units are normal."""
    if law.q is None:
        raise NotExactError(f"a Dense right before each activation, which {path} has not")
    return coins(law, pair)


def coins(law: Law, pair: tuple[float, float]) -> Law:
    """Return the units times either of two slopes, a fair coin for each unit."""
    p1, ratio = power_means(pair)
    f = ratio * p1**2 * law.fourth
    return Law(law.units, p1 * law.s, f + p1**2 * (law.s2 - law.fourth), f)


def activated(law: Law, phi: Activation, path: str) -> tuple[Law, np.ndarray]:
    """Return phi of normal units, and a bound on the relative error of its s."""
    if phi.slopes is not None:
        return slopes(law, phi.slopes, path), np.zeros(law.s.shape[1])
    if law.q is None or law.fixed is None or law.keep < 1:
        raise NotExactError(f"linear, relu or leaky_relu, or a norm and a Dense right before, but {path} is neither")
    distinct, back = np.unique(law.fixed, return_inverse=True)
    found = moments(phi, distinct)
    second, fourth = found.second[back], (found.fourth * found.second**2)[back]
    error = (found.second_error + found.error / np.maximum(found.fourth, 1.0))[back]
    return independent(law.units, second, fourth, law.s), error


def independent(units: int, second, fourth, like: np.ndarray) -> Law:
    """Return independent units of these moments, whatever the base."""
    n, f = float(units), units * fourth
    s2 = constant(f + n * (n - 1) * second**2, like)
    return Law(units, constant(n * second, like), s2, constant(f, like))


def masked(law: Law, p: float) -> Law:
    """Return units kept with probability p, over p."""
    f = law.fourth
    s2 = law.s2 / p**2 + f * (1 / p - 1) / p**2
    return replace(law, s=law.s / p, s2=s2, f=f / p**3, fixed=None, keep=law.keep * p)


def of_length(law: Law, fixed: np.ndarray) -> Law:
    """Return a value of given squared length."""
    return Law(law.units, constant(fixed, law.s), constant(fixed**2, law.s), None, fixed=fixed)


def total(start: Law, branch: Law, skip: float, scale: float, drop: float, path: str) -> Law:
    """Return skip x + scale f, both given one base, f normal given x. ``start`` is the base itself, or normal too."""
    if branch.q is None:
        raise NotExactError(f"branches that end in a Dense, but that of {path} does not")
    alive = [(1 - drop, scale / (1 - drop)), (drop, 0.0)]
    parts = [_total(start, branch, skip, factor) for probability, factor in alive if probability > 0]
    weights = [probability for probability, _ in alive if probability > 0]

    def mean(name):
        values = [getattr(part, name) for part in parts]
        if any(value is None for value in values):
            return None
        return sum(w * value for w, value in zip(weights, values, strict=True))

    return Law(start.units, *(mean(name) for name in ("s", "s2", "f", "q", "q2")))


def _total(x: Law, f: Law, beta: float, alpha: float) -> Law:
    n, b, a, p = float(x.units), beta**2, alpha**2, f.keep
    q, q2 = f.variances
    if x.q is not None:  # a shortcut's Dense: the sum is normal, of variance b Q + a Q'
        if x.keep < 1 or p < 1:
            raise NotExactError("no dropout at the end of a block with a shortcut")
        own, own2 = x.variances
        return normal(x.units, b * own + a * q, b * b * own2 + 2 * a * b * _product(own, q) + a * a * q2)
    cross = _product(x.s, q)
    fourth = 3 * n * a * a / p**3 * q2
    s2 = b * b * x.s2 + a * b * (2 * n + 4) / p * cross + fourth + n * (n - 1) * a * a / p**2 * q2
    return Law(
        x.units,
        b * x.s + a * n / p * q,
        s2,
        None if x.f is None else b * b * x.f + 6 * a * b / p * cross + fourth,
    )


def _product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the product of two rows that hold 1 and s alone."""
    return np.stack([x[0] * y[0], x[0] * y[1] + x[1] * y[0], x[1] * y[1], np.zeros(x[0].shape)])


def through(below: Law, above: Law) -> Law:
    """Return ``above``, which is relative to ``below``, relative to the base of ``below``."""

    def moved(row):
        if row is None:
            return None
        if below.f is None and np.any(row[3]):
            raise NotExactError("no dropout right after a norm")
        parts = [row[1] * below.s, row[2] * below.s2] + ([] if below.f is None else [row[3] * below.f])
        return constant(row[0], below.s) + sum(parts)

    f = None if below.f is None and above.f is not None and np.any(above.f[3]) else moved(above.f)
    q = above.q, above.q2
    return replace(above, s=moved(above.s), s2=moved(above.s2), f=f, q=moved(q[0]), q2=moved(q[1]))
