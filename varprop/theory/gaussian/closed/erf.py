"""erf."""

import numpy as np

from .form import EPS, Form


def _second(q):
    value = 2 / np.pi * np.arctan(2 * q / np.sqrt(1 + 4 * q))
    return value, 8 * EPS * value


def _slope(q):
    value = 4 / np.pi / np.sqrt(1 + 4 * q)
    return value, 12 * EPS * value


def _product(q1, q2, c, gap):
    covariance, root = 2 * np.sqrt(q1) * np.sqrt(q2) * c, np.sqrt(_determinant(q1, q2, c, gap))
    value = 2 / np.pi * np.arctan2(covariance, root)
    return value, 8 * EPS * np.abs(value)


def _product_slope(q1, q2, c, gap):
    value = 4 / np.pi / np.sqrt(_determinant(q1, q2, c, gap))
    return value, 8 * EPS * value


def _determinant(q1, q2, c, gap):
    return 1 + 2 * q1 + 2 * q2 + 4 * q1 * q2 * gap * (1 + c)


FORM = Form(constant=0.0, second=_second, slope=_slope, product=_product, product_slope=_product_slope)
