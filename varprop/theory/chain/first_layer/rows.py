"""What the first layer is fed: a mixture of rows.

Data are their own rows. x ~ N(0, I) is a mixture over |x|^2 ~ chi2_n; that is all that matters where W x depends on
|x| alone, as for normal and orthogonal weights. For other weights its direction matters too, the more the fewer
features: up to three are integrated over, of more the mean over directions is taken.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ....inputs import Inputs
from ....network import Network
from ...gaussian.panels import rule
from ...orders import cumulant

_STEP = 0.22  # in ln |x|^2: what is analytic up to Im = pi / 2 is exact to exp(-pi^2 / 0.22)
_FEWEST = 8  # points
_ANGLES = {2: 6, 3: 5}  # by features
_NODES = 24  # for rows of data, in each stretch of 2 in ln |x|^2: exact to 3.4^-24
_DIRECTIONS = {1: 0.0, 2: 3e-8, 3: 5e-6}  # relative error that these leave to a mean over directions


@dataclass(frozen=True, eq=False)
class Rows:
    """R inputs, each with its probability.

    Attributes
    ----------
    squared_norms
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

    squared_norms: np.ndarray
    weights: np.ndarray
    fourth: np.ndarray
    features: np.ndarray | None
    error: float = 0.0


def infinite_mixture(network: Network, inputs: Inputs) -> Rows:
    """Return the rows of ``inputs`` at infinite width, where |x|^2 of x ~ N(0, I) is n_0."""
    n = inputs.width
    if inputs.rows is None and n == 1:  # its direction is a sign, which plays no part
        return of_rows(np.ones((1, 1)))
    if inputs.rows is None:
        return Rows(np.array([float(n)]), np.ones(1), np.array([3 / (n + 2)]), None)
    return _of_data(network, inputs)


def mixture(network: Network, inputs: Inputs) -> Rows:
    """Return the rows of ``inputs``."""
    if inputs.rows is not None:
        return _of_data(network, inputs)
    n, directed = inputs.width, _directed(network)
    squared_norms, weights = chi_square_rule(n)
    if not directed or n > 3:
        return Rows(squared_norms, weights, np.full(len(squared_norms), 3 / (n + 2)), None)
    units, chances = directions(n)
    found = of_rows((np.sqrt(squared_norms)[:, None, None] * units).reshape(-1, n))
    error = _DIRECTIONS[n]
    return Rows(found.squared_norms, np.outer(weights, chances).ravel(), found.fourth, found.features, error)


def _directed(network: Network) -> bool:
    """Return whether more of x plays a part than |x|^2."""
    return bool(cumulant(network.layers[0].distribution))


def _of_data(network: Network, inputs: Inputs) -> Rows:
    return of_rows(inputs.data) if _directed(network) else of_squared_norms(inputs.squared_norms)


def of_rows(rows: np.ndarray) -> Rows:
    """Return the mixture of equally likely rows."""
    squared_norms = np.einsum("ij,ij->i", rows, rows)
    units = rows / np.sqrt(np.where(squared_norms > 0, squared_norms, 1.0))[:, None]
    return Rows(squared_norms, np.full(len(rows), 1 / len(rows)), np.einsum("ij,ij->i", units**2, units**2), rows)


def of_squared_norms(squared_norms: np.ndarray) -> Rows:
    """Return the mixture of equally likely rows of which only |x|^2 matters."""
    return Rows(squared_norms, np.full(len(squared_norms), 1 / len(squared_norms)), np.zeros(len(squared_norms)), None)


@cache
def chi_square_rule(n: int) -> tuple[np.ndarray, np.ndarray]:
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


def compressed(rows: Rows) -> Rows:
    """Return few rows, so that means over them are means over these.

    Where all that follows depends on a row by ln |x|^2 alone, and smoothly, it is interpolated at Chebyshev points.
    """
    if rows.features is not None or (rows.weights != rows.weights[0]).any():
        return rows
    squared_norms = rows.squared_norms
    logs = np.log(squared_norms[squared_norms > 0])
    if len(logs) > _NODES:
        low, high = logs.min(), logs.max()
        panels = max(1, int(np.ceil((high - low) / 2)))
        if panels * _NODES < len(logs) / 2:
            nodes, weights = _nodes_and_weights(logs, low, max(high - low, 1e-3) / panels, panels)
            dark = (len(squared_norms) - len(logs)) / len(squared_norms)
            squared_norms = np.concatenate([np.exp(nodes), [0.0]])
            return Rows(squared_norms, np.concatenate([weights * (1 - dark), [dark]]), 0 * squared_norms, None)
    return rows


def _nodes_and_weights(logs, low, length, panels):
    points = np.polynomial.chebyshev.chebpts1(_NODES)
    inverse = np.linalg.inv(np.polynomial.chebyshev.chebvander(points, _NODES - 1))
    panel = np.clip(((logs - low) / length).astype(int), 0, panels - 1)
    nodes, weights = [], []
    for i in range(panels):
        centre = low + (i + 0.5) * length
        mine = np.polynomial.chebyshev.chebvander(2 * (logs[panel == i] - centre) / length, _NODES - 1)
        nodes.append(centre + length / 2 * points)
        weights.append(mine.sum(axis=0) @ inverse / len(logs))
    return np.concatenate(nodes), np.concatenate(weights)
