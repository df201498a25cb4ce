"""The density of z over its deviation where the input's direction is random: z = |x| |w| u + b.

w holds the n weights of a unit, and u is one coordinate of a point that is uniform on the unit sphere, apart from
|w|. The law of |w|^2, a sum of n independent squares, is replaced by a few points that have its first moments.
"""

from functools import cache

import numpy as np
import scipy

from ....variance_scaling import EXTENT
from .densities import DEVIATION, distinct, repeated, tables
from .spheres import coordinate

_POINTS = 12


def averaged(law: str, n: int, weights: np.ndarray, bias: np.ndarray) -> list:
    """Return (rows, densities) over the deviations ``weights`` and ``bias``, shape (R,), whose squares sum to 1."""
    alike, index = distinct(np.stack([weights, bias], axis=1))
    if len(alike) < len(weights):
        return repeated(averaged(law, n, *alike.T), index)
    lengths, chances = norms(law, n)

    def transform(rows, t):
        found = np.zeros(t.shape)
        for length, chance in zip(lengths, chances, strict=True):
            found += chance * coordinate(n, length * weights[rows, None] * t)
        return found * np.exp(-0.5 * (bias[rows, None] * t) ** 2)

    def edge(t):
        x = np.maximum(lengths.min() * weights * t, 1e-100)
        fall = scipy.special.gammaln(n / 2) + (n - 1) / 2 * np.log(2 / x)
        return np.exp(np.minimum(fall, 0.0) - 0.5 * (bias * t) ** 2)

    return tables(transform, EXTENT[law] * np.sqrt(n) * weights + 9 * bias, edge)


@cache
def norms(law: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values of |w|, w of n weights of variance 1, and their probabilities: Gauss's rule for |w|^2."""
    count = 2 * _POINTS
    raw = np.array([_even_moment(law, k) for k in range(count + 1)])  # of w^2
    cumulants = _cumulants(raw) * n
    spread = np.sqrt(cumulants[2])
    scaled = cumulants / spread ** np.arange(count + 1)
    scaled[:2] = 0.0
    moments = _moments(scaled)
    hankel = moments[np.add.outer(np.arange(_POINTS + 1), np.arange(_POINTS + 1))]
    r = np.linalg.cholesky(hankel).T
    ratio = np.diag(r, 1) / np.diag(r)[:-1]
    main, side = np.diff(np.concatenate([[0.0], ratio])), (np.diag(r)[1:] / np.diag(r)[:-1])[:-1]
    points, vectors = np.linalg.eigh(np.diag(main) + np.diag(side, -1))
    return np.sqrt(n + spread * points), vectors[0] ** 2


def _even_moment(law: str, k: int) -> float:
    """Return E W^(2k) of one weight of variance 1."""
    if law == "uniform":
        return 3.0**k / (2 * k + 1)
    x, w = np.polynomial.legendre.leggauss(60)
    density = w * np.exp(-0.5 * (EXTENT[law] * DEVIATION * x) ** 2)
    return float((density * (EXTENT[law] * x) ** (2 * k)).sum() / density.sum())


def _cumulants(moments: np.ndarray) -> np.ndarray:
    found = np.zeros(len(moments))
    for k in range(1, len(moments)):
        found[k] = moments[k] - sum(scipy.special.comb(k - 1, j - 1) * found[j] * moments[k - j] for j in range(1, k))
    return found


def _moments(cumulants: np.ndarray) -> np.ndarray:
    found = np.ones(len(cumulants))
    for k in range(1, len(cumulants)):
        found[k] = sum(scipy.special.comb(k - 1, j - 1) * cumulants[j] * found[k - j] for j in range(1, k + 1))
    return found
