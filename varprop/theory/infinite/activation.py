"""a = phi(z): E phi phi forward, E phi' phi' times G back, of Gaussian units or of given numbers."""

import numpy as np

from ...activations import Activation, known_derivative
from ..gaussian import quadrature
from ..gaussian.correlation_maps import product_moment, product_slope
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import moments
from ..gaussian.first_moment import first_moment
from ..gaussian.slope_moments import slope_at_zero
from .field import EPS, Field, Gram, zero_free

_TRUST = 250  # powers of two of a root mean square, within which phi is looked at; beyond, it is a power


def forward(node, index: int, sources, kept) -> Field:
    (x,), phi = sources, node.operation
    if x.numbers is not None:
        return Field.given(quadrature.values(phi.phi, phi.name, x.numbers), x.roots)
    _check_gaussian(node, x)
    q, inside, missing = _variances(phi, x.gram)
    distinct, back = np.unique(q, return_inverse=True)
    found = moments(phi, distinct)
    second, slope, second_error = (y[back].reshape(q.shape) for y in (found.second, found.slope, found.second_error))
    first, first_error = (y[back].reshape(q.shape) for y in first_moment(phi, distinct))
    own = second * (second_error + np.abs(slope) * x.gram.relative_error())
    steepness = 1.0 if phi.slopes is not None else np.abs(slope) + 1
    matrix, error = _off_diagonal(phi, x.gram, q, product_moment, second, steepness)
    gram = Gram.of(*_with_diagonal(matrix, error, second, own), inside).with_exponent(missing * slope)
    root = zero_free(np.sqrt(second))
    return Field(gram, first / root, (first_error + np.abs(first) * x.gram.relative_error()) / root, False, x.roots)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    (x,), phi = sources, node.operation
    if x.numbers is not None:
        slopes = quadrature.values(known_derivative(phi), f"{phi.name}'", x.numbers)
        return (gradient.times(np.einsum("rai,rbi->rab", slopes, slopes) / slopes.shape[2]),)
    q, _, missing = _variances(phi, x.gram)
    distinct, back = np.unique(q, return_inverse=True)
    second, error = (y[back].reshape(q.shape) for y in derivative_moment(phi, distinct))
    dead = q == 0
    if dead.any() and phi.dphi is not None:
        second = np.where(dead, slope_at_zero(phi) ** 2, second)
    if q.shape[1] == 1 or not _off(gradient.matrix).any():
        matrix = error_of = np.zeros(gradient.matrix.shape)
    else:
        matrix, error_of = _off_diagonal(phi, x.gram, q, product_slope, second, 1.0)
        if phi.slopes is not None and dead.any():
            zero, mean = slope_at_zero(phi), sum(phi.slopes) / 2
            number = dead[:, :, None].astype(int) + dead[:, None, :]
            matrix = np.where(number == 2, zero * zero, np.where(number == 1, zero * mean, matrix))
    found = gradient.times(*_with_diagonal(matrix, error_of, second, error + 4 * EPS * second))
    if not missing.any():
        return (found,)
    quarter, _ = derivative_moment(phi, distinct / 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.nan_to_num(np.log2(second / quarter[back].reshape(q.shape)) / 2)
    return (found.with_exponent(missing * power),)


def _check_gaussian(node, x: Field) -> None:
    if not x.gaussian:
        raise ValueError(
            f"{node.path} acts on values that are not Gaussian, even at infinite width: another activation, a dropout, "
            "a gate or given inputs reach it with no Dense between. Theory does not know; put a Dense before it."
        )


def _variances(phi: Activation, gram: Gram):
    """Return q to look at phi at, (R, S), the exponents that are set apart, and those that q lacks.

    A homogeneous phi needs none inside.
    """
    if phi.slopes is not None:
        return gram.diagonal, gram.exponent, np.zeros(gram.exponent.shape)
    kept = np.clip(gram.exponent, -_TRUST, _TRUST)
    live = gram.diagonal > 0
    return np.ldexp(gram.diagonal, 2 * kept), 0, np.where(live, gram.exponent - kept, 0).astype(float)


def _off_diagonal(phi, gram: Gram, q, expectation, size, steepness):
    """Return E f(u_a) f(u_b) for a != b and bounds on their errors; 0 on the diagonal.

    ``size`` is E f^2, and ``steepness`` how far an error of the cosine may grow: for homogeneous phi not at all, so
    that errors only add up, those of the variances on top.
    """
    shape = gram.matrix.shape
    matrix, error = np.zeros(shape), np.zeros(shape)
    a, b = np.triu_indices(shape[1], 1)
    if not len(a):
        return matrix, error
    cosine, cosine_error = gram.cosines()
    c, dc = (np.nan_to_num(y[:, a, b]) for y in (cosine, cosine_error))
    low, high = np.minimum(q[:, a], q[:, b]), np.maximum(q[:, a], q[:, b])
    points, back = np.unique(np.stack([low.ravel(), high.ravel(), c.ravel()]), axis=1, return_inverse=True)
    values, errors = expectation(phi, *points)
    values, errors = (y[back.ravel()].reshape(c.shape) for y in (values, errors))
    root = np.sqrt(size)
    steep = np.broadcast_to(steepness, q.shape)
    own = gram.relative_error() if phi.slopes is not None else np.zeros(q.shape)
    apart = np.maximum(steep[:, a], steep[:, b]) * dc + (own[:, a] + own[:, b]) / 2
    errors = errors + root[:, a] * root[:, b] * np.minimum(apart, 2.0)  # by Cauchy and Schwarz
    for x, y in ((matrix, values), (error, errors)):
        x[:, a, b] = x[:, b, a] = y
    return matrix, error


def _with_diagonal(matrix, error, diagonal, diagonal_error):
    index = np.arange(matrix.shape[1])
    matrix, error = matrix.copy(), error.copy()
    matrix[:, index, index], error[:, index, index] = diagonal, diagonal_error
    return matrix, error


def _off(matrix: np.ndarray) -> np.ndarray:
    return matrix * (1 - np.eye(matrix.shape[1]))
