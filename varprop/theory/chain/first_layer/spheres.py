"""One unit of a first layer of orthogonal weights, and two: z = c |x| u + b, u of a uniform point on a sphere.

With N = max(fan_in, fan_out) dimensions u = sin y has the density cos(y)^(N - 2) by y, up to a factor. Two coordinates
of a point are orthogonal directions: with P_m the orthonormal polynomials of u's law (Gegenbauer's),

    E P_m(u_1) P_k(u_2) = 0 unless m = k,  then P_m(0) / P_m(1)   (Funk and Hecke),

so that E F(u_1) F(u_2) = sum_m (E F P_m)^2 P_m(0) / P_m(1): integrals over one coordinate.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from ...gaussian.panels import rule
from .densities import REACH, SMALL, Table, edges, tables
from .integrals import integrals

_EVEN = 32  # polynomials of even degree, beside 1
_SMOOTHING = 24  # points for a bias
_PAIR_ERROR = 1e-9


@dataclass(frozen=True, eq=False)
class Sphere:
    """z over its deviation for R rows: ``weights`` sqrt(N) u, and a bias of deviation ``bias``, both (R,)."""

    n: int
    weights: np.ndarray
    bias: np.ndarray
    points: int = 3

    @property
    def support(self) -> np.ndarray:
        return np.sqrt(self.n) * self.weights + self.bias * np.abs(self.shifts[0]).max()

    @cached_property
    def shifts(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and probabilities that stand for N(0, 1)."""
        points, weights = np.polynomial.hermite_e.hermegauss(self.points if self.bias.any() else 1)
        return points, weights / weights.sum()

    @property
    def error(self) -> np.ndarray:
        return 100 * self.bias**6

    def ends(self, breaks: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return where panels of y begin and end."""
        size = np.sqrt(self.n) * self.weights
        z = edges(size, size[:, None], breaks, scale)
        uniform = np.tile(np.linspace(-np.pi / 2, np.pi / 2, 9), (len(size), 1))
        return np.sort(np.concatenate([np.arcsin(np.clip(z / size[:, None], -1, 1)), uniform], axis=1), axis=1)

    def density(self, y: np.ndarray) -> np.ndarray:
        """Return the density of y."""
        if self.n == 1:
            return np.full(y.shape, 1 / np.pi)
        peak = np.exp(scipy.special.gammaln(self.n / 2) - scipy.special.gammaln((self.n - 1) / 2)) / np.sqrt(np.pi)
        return peak * np.cos(y) ** (self.n - 2)

    def nodes(self, rows: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return nodes z, and weights that hold the density."""
        u = np.sign(y) if self.n == 1 else np.sin(y)
        shifts, chances = self.shifts
        z = (np.sqrt(self.n) * self.weights[rows, None] * u)[..., None] + self.bias[rows, None, None] * shifts
        weights = (weights * self.density(y))[..., None] * chances
        return z.reshape(len(rows), -1), weights.reshape(len(rows), -1)


@dataclass(frozen=True, eq=False)
class _Angle(Sphere):
    """The law of y itself."""

    @property
    def error(self) -> np.ndarray:
        return np.full(len(self.bias), _PAIR_ERROR)

    def nodes(self, rows, y, weights):
        return y, weights * self.density(y)


def coordinate(n: int, x: np.ndarray) -> np.ndarray:
    """Return E cos(x u) for one coordinate u of a point that is uniform on the unit sphere in n dimensions."""
    if n <= 100:
        return scipy.special.hyp0f1(n / 2, -0.25 * x * x)
    reach, (points, weights) = REACH / np.sqrt(n), rule(200)  # scipy's overflows
    weights = weights * np.cos(reach * points) ** (n - 2)
    found = np.zeros(x.shape)
    near = x < 10 * np.sqrt(n)  # exp(-x^2 / 2n)
    found[near] = np.cos(np.multiply.outer(x[near], np.sin(reach * points))) @ (weights / weights.sum())
    return found


def spherical(n: int, weights: np.ndarray, bias: np.ndarray) -> list:
    """Return (rows, densities) for deviations ``weights`` and ``bias``, shape (R,), whose squares sum to 1."""
    sharp = bias <= SMALL
    found: list[tuple[np.ndarray, Sphere | Table]] = []
    if sharp.any():
        found.append((np.flatnonzero(sharp), Sphere(n, weights[sharp], bias[sharp])))
    rows = np.flatnonzero(~sharp)
    if len(rows):
        deviation, beta = weights[rows], bias[rows]

        def transform(mine, t):
            waves = coordinate(n, np.sqrt(n) * deviation[mine, None] * t)
            return waves * np.exp(-0.5 * (beta[mine, None] * t) ** 2)

        def edge(t):
            return np.exp(-0.5 * (beta * t) ** 2)

        found += [(rows[r], d) for r, d in tables(transform, np.sqrt(n) * deviation + 9 * beta, edge)]
    return found


def pairs(n: int, weights, bias, f, breaks, scale) -> tuple[np.ndarray, np.ndarray]:
    """Return Cov f(z_1), f(z_2) and a bound on its error, both (R,).

    ``f(rows, z)`` are values at z (m, nodes), z over its deviation, ``scale``; the rest is as in `Sphere`.
    """
    law = _Angle(n, weights, bias, 3 if (bias <= SMALL).all() else _SMOOTHING)
    shifts, chances = law.shifts
    sides = _recursion(n)
    size = np.sqrt(n) * weights

    def products(rows, y):
        u = np.sin(y)
        smooth = np.zeros(y.shape)
        for shift, chance in zip(shifts, chances, strict=True):
            smooth += chance * f(rows, size[rows, None] * u + bias[rows, None] * shift)
        return np.stack([smooth**2, *(smooth * p for p in _even_polynomials(u, sides))])

    found, errors = integrals(law, law.ends(breaks, scale), products)
    at_zero, at_one = (_even_polynomials(np.array([[x]]), sides)[:, 0, 0] for x in (0.0, 1.0))
    ratio = (at_zero / at_one)[1:, None]
    rest = np.maximum(found[0] - (found[1:] ** 2).sum(axis=0), 0.0)  # what further polynomials hold, and more
    error = np.abs(ratio[-1]) * rest + 2 * np.abs(ratio * found[2:] * errors[2:]).sum(axis=0)
    return (ratio * found[2:] ** 2).sum(axis=0), error


def _recursion(n: int) -> np.ndarray:
    """Return a_1, a_2, ... of x P_m = a_(m+1) P_(m+1) + a_m P_(m-1)."""
    m, half = np.arange(1.0, 2 * _EVEN + 1), n / 2 - 1
    with np.errstate(invalid="ignore"):
        found = m * (m + 2 * half - 1) / (4 * (m + half) * (m + half - 1))
    found[0] = 1 / (2 * (1 + half))
    return np.sqrt(found)


def _even_polynomials(x: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return P_0, P_2, ... at x."""
    below, this, found = np.zeros(x.shape), np.ones(x.shape), [np.ones(x.shape)]
    previous = 0.0
    for m, side in enumerate(sides, 1):
        below, this = this, (x * this - previous * below) / side
        previous = side
        if m % 2 == 0:
            found.append(this)
    return np.stack(found)
