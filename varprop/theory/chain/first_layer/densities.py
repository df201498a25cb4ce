"""The density of one preactivation of the first layer, z = sum_j W_j x_j + b for a given row x, over its deviation.

With s_j the standard deviations of the terms W_j x_j, over that of z, and t their dual,

    E exp(i t z) = exp(-beta^2 t^2 / 2) prod_j psi(s_j t),

psi the characteristic function of one weight of variance 1. Up to two terms have a closed density; what else there
is may be so small that three points stand for it. Otherwise the characteristic function is summed as a
Fourier series on an interval outside of which the density is 0, or beyond float64.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy

from ....variance_scaling import EXTENT
from ...gaussian.panels import doubling

TRUNCATION = 2.0  # standard deviations of the normal that is cut
_MASS = math.erf(TRUNCATION / math.sqrt(2))
DEVIATION = np.sqrt(1 - 2 * np.exp(-(TRUNCATION**2) / 2) * TRUNCATION / np.sqrt(2 * np.pi) / _MASS)
REACH = 12.0  # standard deviations; farther, every density here is below exp(-72)
SMALL = 0.004  # a rest of this deviation is as good as three points: what they miss goes as its 6th power
_TERMS = 64, 128, 256, 512, 1024, 2048, 4096
_LEAST_GRID = 4096
_GRID_ERROR = 5e-11  # of cubic interpolation


def edges(support: np.ndarray, knots: np.ndarray, kinks: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return where panels begin and end, shape (R, count), some of them of no length.

    They are short on the density's scale, 1, and on that of phi, 1 / ``scale``; they break at ``knots`` of the
    density on either side of 0, and at phi's ``kinks``.
    """
    rows = len(support)
    uniform = np.tile(np.arange(-12.0, 12.5), (rows, 1))
    count = int(np.clip(np.ceil(np.log2(max(4 * (support * scale).max(initial=0.0), 1.0))), 0, 60))
    breaks = np.concatenate([doubling(count), kinks]) / np.maximum(scale, 1e-200)[:, None]
    both = np.concatenate([knots, -knots, support[:, None], -support[:, None]], axis=1)
    found = np.concatenate([uniform, breaks, both], axis=1)
    return np.sort(np.clip(found, -support[:, None], support[:, None]), axis=1)


def characteristic(law: str, u: np.ndarray) -> np.ndarray:
    """Return E cos(u W) for one weight of variance 1."""
    if law == "uniform":
        return np.sinc(EXTENT[law] / np.pi * u)
    t = np.abs(u) / DEVIATION
    far = t > 22
    found = np.empty(t.shape)
    near = t[~far]
    # erf of complex numbers by Faddeeva's w, free of overflow: Im > 0
    tail = np.exp(-2.0) * (np.exp(-2j * near) * scipy.special.wofz(1j * np.sqrt(2.0) - near / np.sqrt(2))).real
    found[~far] = (np.exp(-0.5 * near * near) - tail) / _MASS
    found[far] = _far(t[far])
    return found


def _far(t: np.ndarray) -> np.ndarray:
    """Integrate exp(-x^2 / 2) cos(t x) by parts from -2 to 2: derivatives at the end are Hermite polynomials."""
    y = 1 / (t * t)
    hermite = scipy.special.eval_hermitenorm(np.arange(14), TRUNCATION)
    even, odd = (np.polynomial.polynomial.polyval(y, hermite[i::2] * (-1.0) ** np.arange(7)) for i in (0, 1))
    end = np.exp(-(TRUNCATION**2) / 2) / np.sqrt(2 * np.pi) / _MASS
    return 2 * end * (np.sin(TRUNCATION * t) * even - np.cos(TRUNCATION * t) * odd / t) / t


def _envelope(law: str, u: np.ndarray) -> np.ndarray:
    """Return a bound on |`characteristic`|."""
    u = np.maximum(u, 1e-100)
    if law == "uniform":
        return np.minimum(1.0, 1 / (EXTENT[law] * u))
    return np.minimum(1.0, 0.12 / u + 0.4 / u**2)


class _Density(Protocol):
    """A density of z, for R rows; it is 0 beyond ``support``, and may jump or bend at ``knots``."""

    @property
    def support(self) -> np.ndarray: ...

    @property
    def knots(self) -> np.ndarray: ...

    def __call__(self, rows: np.ndarray, z: np.ndarray) -> np.ndarray: ...


class _OfZ:
    """What densities of z have in common."""

    def ends(self: _Density, breaks: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return where panels of z begin and end, as `edges` does."""
        return edges(self.support, self.knots, breaks, scale)

    def nodes(self: _Density, rows: np.ndarray, z: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return nodes, and weights that hold the density."""
        return z, weights * self(rows, z)


@dataclass(frozen=True, eq=False)
class Few(_OfZ):
    """One or two terms, and a rest that three points stand for; for R rows.

    ``terms`` (R, 2) are their deviations, the second perhaps 0; ``shift`` (R,) and ``chance`` (R,) the rest's points.
    """

    law: str
    terms: np.ndarray
    shift: np.ndarray
    chance: np.ndarray

    @property
    def support(self) -> np.ndarray:
        return EXTENT[self.law] * self.terms.sum(axis=1) + self.shift

    @property
    def knots(self) -> np.ndarray:
        """Where the density jumps or bends, on the right of 0: shape (R, 6)."""
        ends = EXTENT[self.law] * np.stack([self.terms.sum(axis=1), self.terms[:, 0] - self.terms[:, 1]], axis=1)
        return np.abs(ends[:, :, None] + self.shift[:, None, None] * np.array([-1.0, 0.0, 1.0])).reshape(len(ends), -1)

    @property
    def error(self) -> np.ndarray:
        return 100 * self.shift**6

    @property
    def alike(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows that differ, and for each row its number among these."""
        return _first_of(np.c_[self.terms, self.shift, self.chance])

    def __call__(self, rows: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the density of each of ``rows``, shape (m,), at z (m, k)."""
        first, second = self.terms[rows].T[..., None]
        shift, chance = self.shift[rows][:, None], self.chance[rows][:, None]
        found = self._core(first, second, z)
        if shift.any():
            sides = self._core(first, second, z - shift) + self._core(first, second, z + shift)
            found = (1 - 2 * chance) * found + chance * sides
        return found

    def _core(self, first, second, z):
        size = EXTENT[self.law]
        one, two = size * first, size * second
        low, high = np.maximum(-two, z - one), np.minimum(two, z + one)
        inside = np.abs(z) <= one + two
        if self.law == "uniform":
            both = np.maximum(high - low, 0.0) / np.where(second > 0, 4 * one * two, 1.0)
            return np.where(second > 0, both, inside / (2 * one))
        a, b = first * first / DEVIATION**2, second * second / DEVIATION**2  # variances before truncation
        alone = inside * np.exp(-0.5 * z * z / a) / np.sqrt(2 * np.pi * a) / _MASS
        centre, spread = z * b / (a + b), np.sqrt(np.maximum(a * b / (a + b), 1e-300))
        part = scipy.special.ndtr((high - centre) / spread) - scipy.special.ndtr((low - centre) / spread)
        part = np.where(high > low, part, 0.0)
        both = np.exp(-0.5 * z * z / (a + b)) / np.sqrt(2 * np.pi * (a + b)) * part / _MASS**2
        return np.where(second > 0, both, alone)


@dataclass(frozen=True, eq=False)
class Table(_OfZ):
    """Densities on grids of their own, from 0 to ``support``; R rows, some of them alike.

    ``shape`` (R,) says which of the ``values`` (shapes, points + 3) is a row's; these begin one point before 0.
    """

    support: np.ndarray
    shape: np.ndarray
    values: np.ndarray
    error: np.ndarray

    @property
    def knots(self) -> np.ndarray:
        return self.support[:, None]

    @property
    def alike(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows that differ, and for each row its number among these."""
        return _first_of(self.shape[:, None])

    def __call__(self, rows: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the density of each of ``rows``, shape (m,), at z (m, k), by cubic interpolation."""
        shape, support = self.shape[rows][:, None], self.support[rows][:, None]
        width = self.values.shape[1]
        x = np.minimum(np.abs(z) / support, 1.0) * (width - 4)
        at = x.astype(np.int64)
        x -= at
        at += shape * width
        flat, y = self.values.ravel(), x * (x - 1)
        found = y / 6 * ((x + 1) * flat.take(at + 3) - (x - 2) * flat.take(at))
        found += (x - 2) * (x + 1) / 2 * ((x - 1) * flat.take(at + 1) - x * flat.take(at + 2))
        return np.where(np.abs(z) <= support, found, 0.0)


def tables(transform, reach, edge) -> list[tuple[np.ndarray, Table]]:
    """Return (rows, densities) of given characteristic functions, summed as Fourier series.

    Parameters
    ----------
    transform
        ``transform(rows, t)`` is the characteristic function of each of the rows (m,) at t (m, terms).
    reach
        Where each density ends, shape (R,).
    edge
        ``edge(t)`` bounds the characteristic functions at t (R,), and falls.
    """
    support = np.minimum(reach, REACH)
    left = np.array([edge(np.pi * count / support) for count in _TERMS])
    needed = np.minimum((left > 1e-14).sum(axis=0), len(_TERMS) - 1)
    found = []
    for i in np.unique(needed):
        rows, terms = np.flatnonzero(needed == i), _TERMS[i]
        points = max(2 * terms, _LEAST_GRID)
        series = np.zeros((len(rows), points + 1))
        series[:, :terms] = transform(rows, np.pi / support[rows, None] * np.arange(terms))
        values = scipy.fft.dct(series, type=1, axis=1) / (2 * support[rows, None])
        values = np.concatenate([values[:, 1:2], values, values[:, -2:-4:-1]], axis=1)  # even at either end
        found.append(
            (rows, Table(support[rows], np.arange(len(rows)), values, 8 / terms * left[i, rows] + _GRID_ERROR))
        )
    return found


def independent(law: str, terms: np.ndarray, bias: np.ndarray, excess: float) -> list[tuple[np.ndarray, Few | Table]]:
    """Return (rows, densities) for independent weights; each of the R rows is in one of them.

    ``terms`` (R, n) are the deviations of W_j x_j, descending, and ``bias`` (R,) that of the bias; squares sum to 1.
    ``excess`` is the kurtosis of a weight less 3.
    """
    alike, index = distinct(np.c_[terms, bias])
    if len(alike) < len(terms):
        return repeated(independent(law, alike[:, :-1], alike[:, -1], excess), index)
    squares = np.c_[terms**2, bias**2]
    rest = np.sqrt(squares[:, ::-1].cumsum(axis=1)[:, ::-1])  # from each term on, exact where it is small
    kept = np.where(rest[:, 1] <= SMALL, 1, np.where(rest[:, min(2, terms.shape[1])] <= SMALL, 2, 0))
    if terms.shape[1] == 1:
        kept[kept == 2] = 0
    found: list[tuple[np.ndarray, Few | Table]] = []
    for count in (1, 2):
        rows = np.flatnonzero(kept == count)
        if len(rows):
            top = np.zeros((len(rows), 2))
            top[:, :count] = terms[rows, :count]
            variance = rest[rows, count] ** 2
            fourth = excess * (terms[rows, count:] ** 4).sum(axis=1)
            kurtosis = 3 + np.divide(fourth, variance**2, out=np.zeros(len(rows)), where=variance > 1e-30)
            found.append((rows, Few(law, top, np.sqrt(kurtosis * variance), 0.5 / kurtosis)))
    rows = np.flatnonzero(kept == 0)
    if len(rows):
        some, beta = terms[rows], bias[rows]

        def transform(mine, t):
            product = np.exp(-0.5 * (beta[mine, None] * t) ** 2)
            for column in some[mine].T:
                if column.any():
                    product *= characteristic(law, column[:, None] * t)
            return product

        def edge(t):
            return np.exp(-0.5 * (beta * t) ** 2) * _envelope(law, some * t[:, None]).prod(axis=1)

        found += [(rows[r], d) for r, d in tables(transform, EXTENT[law] * some.sum(axis=1) + 9 * beta, edge)]
    return found


def distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that differ, to rounding, and for each of ``rows`` its number among these."""
    found, index = np.unique(np.round(rows, 12), axis=0, return_inverse=True)
    return found, index.ravel()


def _first_of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, first, index = np.unique(np.round(rows, 12), axis=0, return_index=True, return_inverse=True)
    return first, index.ravel()


def repeated(found: list, index: np.ndarray) -> list:
    """Return (rows, densities) of all rows, from those of ``distinct`` rows."""
    result = []
    for rows, density in found:
        mine = np.isin(index, rows)
        at = np.searchsorted(rows, index[mine])
        if isinstance(density, Few):
            density = Few(density.law, density.terms[at], density.shift[at], density.chance[at])
        else:
            density = Table(density.support[at], density.shape[at], density.values, density.error[at])
        result.append((np.flatnonzero(mine), density))
    return result
