"""a = phi(z): E phi phi forward, E phi' phi' times G back, of Gaussian units or of given numbers."""

import numpy as np

from ...activations import Activation, known_derivative
from ..gaussian import quadrature
from ..gaussian.derivative_moment import derivative_moment
from ..gaussian.expectations import moments
from ..gaussian.first_moment import first_moment
from ..gaussian.slope_moments import slope_at_zero
from .cosines import mapped, mapped_slopes
from .field import Field
from .gram import EPS, Gram, zero_free

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
    own = second_error + np.abs(slope) * x.gram.size_error
    values, gap, error = mapped(phi, x.gram, q, second)
    gram = Gram.of(values, own, error, inside, gap).with_exponent(missing * slope)
    root = zero_free(np.sqrt(second))
    off = first_error + np.abs(first) * (0.0 if phi.slopes is not None else x.gram.size_error)  # of a ratio
    return Field(gram, first / root, off / root, False, x.roots)


def backward(node, gradient: Gram, sources, kept) -> tuple[Gram, ...]:
    (x,), phi = sources, node.operation
    if x.numbers is not None:
        slopes = quadrature.values(known_derivative(phi), f"{phi.name}'", x.numbers)
        return (gradient.product(Gram.of_numbers(slopes)),)
    q, _, missing = _variances(phi, x.gram)
    distinct, back = np.unique(q, return_inverse=True)
    second, error = (y[back].reshape(q.shape) for y in derivative_moment(phi, distinct))
    dead = q == 0
    if dead.any() and phi.dphi is not None:
        second = np.where(dead, slope_at_zero(phi) ** 2, second)
    found = gradient.product(_slopes(phi, gradient, x.gram, q, second, error))
    if not missing.any():
        return (found,)
    quarter, _ = derivative_moment(phi, distinct / 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.nan_to_num(np.log2(second / quarter[back].reshape(q.shape)) / 2)
    return (found.with_exponent(missing * power),)


def passes(node, sources, kept) -> tuple | None:
    (x,), phi = sources, node.operation
    if x.numbers is None:
        return None
    slopes = quadrature.values(known_derivative(phi), f"{phi.name}'", x.numbers)
    return (slopes.mean(axis=2) / zero_free(np.sqrt((slopes**2).mean(axis=2))),)


def _slopes(phi, gradient: Gram, gram: Gram, q, second, error) -> Gram:
    """Return E phi' phi' between all signals; ``second`` on the diagonal, with its ``error``."""
    relative = error / zero_free(second) + gram.size_error + 4 * EPS
    apart = np.eye(q.shape[1])
    if not (gradient.matrix * (1 - apart)).any():  # nothing beside the diagonal is read
        return Gram.of(second[:, :, None] * apart, relative, 0.0)
    matrix, known, off = mapped_slopes(phi, gram, q, second)
    gap: np.ndarray | None = known
    dead = q == 0
    if phi.slopes is not None and dead.any():
        zero, mean = slope_at_zero(phi), sum(phi.slopes) / 2
        number = dead[:, :, None].astype(int) + dead[:, None, :]
        matrix = np.where(number == 2, zero * zero, np.where(number == 1, zero * mean, matrix))
        gap = None
    return Gram.of(matrix, relative, off, 0, gap)


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
