"""What the first layer is fed: a mixture of rows.

Data are their own rows. x ~ N(0, I) is a mixture over |x|^2 ~ chi2_n; that is all that matters where W x depends on
|x| alone, as for normal and orthogonal weights. For other weights its direction matters too, the more the fewer
features: up to three are integrated over, of more the mean over directions is taken.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ....initializers import EXCESS_KURTOSIS
from ....inputs import Inputs
from ....network import Network
from ...gaussian.panels import rule

_STEP = 0.22  # in ln |x|^2: what is analytic up to Im = pi / 2 is exact to exp(-pi^2 / 0.22)
_FEWEST = 8  # points
_ANGLES = {2: 6, 3: 5}  # by features
_DIRECTIONS = {1: 0.0, 2: 3e-8, 3: 5e-6}  # relative error that these leave to a mean over directions


@dataclass(frozen=True, eq=False)
class Rows:
    """R inputs, each with its probability.

    Attributes
    ----------
    squares
        |x|^2, shape (R,).
    weights
        Probabilities, shape (R,).
    fourth
        sum_j x_j^4 / |x|^4, its mean where directions are random; shape (R,). 0 where it plays no part.
    features
        The inputs themselves, shape (R, n_0); None where directions are random, or play no part.
    error
        Relative error of means over directions.
    """

    squares: np.ndarray
    weights: np.ndarray
    fourth: np.ndarray
    features: np.ndarray | None
    error: float = 0.0


def mixture(network: Network, inputs: Inputs, *, infinite: bool) -> Rows:
    """Return the rows of ``inputs``. At infinite width |x|^2 of x ~ N(0, I) is n_0."""
    n, directed = inputs.width, bool(EXCESS_KURTOSIS.get(network.layers[0].distribution))
    if inputs.rows is not None:
        return of_rows(inputs.rows) if directed else of_norms(inputs.squared_norms)
    if infinite:
        if n == 1:  # its direction is a sign, which plays no part
            return of_rows(np.ones((1, 1)))
        return Rows(np.array([float(n)]), np.ones(1), np.array([3 / (n + 2)]), None)
    squares, weights = norms(n)
    if not directed or n > 3:
        return Rows(squares, weights, np.full(len(squares), 3 / (n + 2)), None)
    units, chances = directions(n)
    found = of_rows((np.sqrt(squares)[:, None, None] * units).reshape(-1, n))
    error = _DIRECTIONS[n]
    return Rows(found.squares, np.outer(weights, chances).ravel(), found.fourth, found.features, error)


def of_rows(rows: np.ndarray) -> Rows:
    """Return the mixture of equally likely rows."""
    squares = np.einsum("ij,ij->i", rows, rows)
    units = rows / np.sqrt(np.where(squares > 0, squares, 1.0))[:, None]
    return Rows(squares, np.full(len(rows), 1 / len(rows)), np.einsum("ij,ij->i", units**2, units**2), rows)


def of_norms(squares: np.ndarray) -> Rows:
    """Return the mixture of equally likely rows of which only |x|^2 matters."""
    return Rows(squares, np.full(len(squares), 1 / len(squares)), np.zeros(len(squares)), None)


@cache
def norms(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values of |x|^2 ~ chi2_n and their probabilities, for means of smooth functions of ln |x|^2.

    A sum over steps in t = ln |x|^2 / n is made into Gauss's rule of fewer points by Lanczos's recursion.
    """
    t = np.arange(-95.0, 10.0, _STEP) if n < 16 else np.arange(-20.0, 20.0) * 0.6 * np.sqrt(2 / n)
    log_density = 0.5 * n * (t - np.expm1(t))
    density = np.exp(log_density - log_density.max())
    t, density = t[density > 1e-14], density[density > 1e-14]
    count = min(_FEWEST + 128 // n, len(t))
    main, side, basis = np.empty(count), np.empty(count), np.empty((count + 1, len(t)))
    basis[0] = np.sqrt(density / density.sum())
    for k in range(count):
        main[k] = (t * basis[k]) @ basis[k]
        new = t * basis[k]
        for _ in range(2):
            new = new - (basis[: k + 1] @ new) @ basis[: k + 1]
        side[k] = np.linalg.norm(new)
        basis[k + 1] = new / side[k]
    points, vectors = np.linalg.eigh(np.diag(main) + np.diag(side[:-1], -1))
    return n * np.exp(points), vectors[0] ** 2


@cache
def directions(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of n = 1, 2 or 3 features, descending and positive, and their probabilities."""
    if n == 1:
        return np.ones((1, 1)), np.ones(1)
    points, weights = rule(_ANGLES[n])
    points, weights = 0.5 * (points + 1), 0.5 * weights
    if n == 2:
        angle = np.pi / 4 * points
        return np.stack([np.cos(angle), np.sin(angle)], axis=1), weights
    # the point of the cone x > y > z > 0 over (1, s, s t), of density s (1 + s^2 + s^2 t^2)^(-3/2)
    s, t = (v.ravel() for v in np.meshgrid(points, points, indexing="ij"))
    length = np.sqrt(1 + s**2 * (1 + t**2))
    chances = np.outer(weights, weights).ravel() * s / length**3
    return np.stack([np.ones(len(s)), s, s * t], axis=1) / length[:, None], chances / chances.sum()
