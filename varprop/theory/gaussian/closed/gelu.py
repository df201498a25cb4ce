"""gelu: z Phi(z), by Stein's identity."""

import numpy as np

from .form import EPS, Form


def _first(q):
    mean, x = np.sqrt(q) * np.sqrt(q / (1 + q) / (2 * np.pi)), q / (1 + q)
    return mean, mean * (1 - x / 2), -mean * x * (1 - 0.75 * x), 8 * EPS * mean


def _second(q):
    root = np.sqrt(1 + 2 * q)
    value = q * (0.25 + np.arctan(q / root) / (2 * np.pi) + q / (1 + q) / root / np.pi)
    return value, 12 * EPS * value


def _slope(q):
    """Four positive terms, so nothing cancels."""
    root = np.sqrt(1 + 2 * q)
    angle = np.arctan(q / root) / (2 * np.pi)  # asin(q / (1 + q))
    value = 0.25 + angle + (q / (1 + q) / root + q / (1 + 2 * q) / root / 2) / np.pi
    return value, 12 * EPS * value


def _terms(q1, q2, c, gap):
    """Return Cov(U, V), E Phi(U)Phi(V), E n(U)n(V) with n the normal density, det(1 + K) and q1 q2 - cov^2."""
    cov, minor = np.sqrt(q1) * np.sqrt(q2) * c, q1 * q2 * gap * (1 + c)
    determinant = 1 + q1 + q2 + minor
    root = np.sqrt(determinant)
    return cov, np.arctan2(root, -cov) / (2 * np.pi), 1 / (2 * np.pi * root), determinant, minor


def _product(q1, q2, c, gap):
    """E[UV Phi(U) Phi(V)] by Stein's identity for U, for V, and once more for U n(U)."""
    cov, both, density, _, minor = _terms(q1, q2, c, gap)
    inverse = 1 / (1 + q1) + 1 / (1 + q2)
    terms = np.stack([cov * both, density * minor, density * cov * cov * inverse])
    return terms.sum(axis=0), 16 * EPS * np.abs(terms).sum(axis=0)


def _product_slope(q1, q2, c, gap):
    cov, both, density, determinant, _ = _terms(q1, q2, c, gap)
    inverse = 1 / (1 + q1) + 1 / (1 + q2)
    terms = np.stack([both, density * cov * inverse, density * cov / determinant])
    return terms.sum(axis=0), 16 * EPS * np.abs(terms).sum(axis=0)


FORM = Form(first=_first, second=_second, slope=_slope, product=_product, product_slope=_product_slope)
