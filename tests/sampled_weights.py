"""Weights that a framework drew, held against the law of our name for them: mean, variance, kurtosis, bounds."""

import numpy as np
from evidence import assert_agree, assert_rejected

from varprop.initializers import initializer

FAN_IN, FAN_OUT = 120, 80
DRAWS = 60  # matrices of 9,600 weights: the variance to 0.2%
SMALL = (12, 8), 400  # fans and draws of orthogonal matrices, whose entries depend on one another
EXTENT = {"normal": np.inf, "uniform": np.sqrt(3), "truncated_normal": 2 / 0.87962566103423978}


def hold(name: str, draw) -> None:
    """Hold what ``draw(fan_in, fan_out)`` returns, one array of weights a call, against the law of ``name``."""
    law = initializer(name)
    if law.distribution == "orthogonal":
        return _hold_orthogonal(law, draw)
    w = np.concatenate([np.ravel(draw(FAN_IN, FAN_OUT)) for _ in range(DRAWS)]).astype(float)
    variance, kurtosis = law.variance(FAN_IN, FAN_OUT), 3 + law.excess_kurtosis(FAN_IN, FAN_OUT)
    assert_agree(_scores(w, variance, kurtosis))
    assert_rejected(_scores(w, 1.03 * variance, kurtosis)[1])
    assert_rejected(_scores(w, variance, kurtosis + 0.2)[2])
    most = EXTENT[law.distribution] * np.sqrt(variance)
    assert np.abs(w).max() <= most * (1 + 1e-6)
    assert np.isinf(most) or np.abs(w).max() > 0.995 * most
    return None


def hold_biases(name: str, draw) -> None:
    """Hold what ``draw(fan_in, fan_out)`` returns, one array of biases a call, against the biases of ``name``."""
    b = np.concatenate([np.ravel(draw(FAN_IN, FAN_OUT)) for _ in range(DRAWS)]).astype(float)
    variance = initializer(name).bias_variance(FAN_IN, FAN_OUT)
    if variance == 0:
        assert not b.any()
        return
    assert_agree(_scores(b, variance, 1.8))  # uniform ones, which count as normal of equal variance
    assert_rejected(_scores(b, 1.5 * variance, 1.8)[1])


def _scores(w, variance, kurtosis):
    """Return z-scores of the mean, of E w^2 and of E w^4 / variance^2."""
    fourth = w**4 / variance**2
    errors = [np.sqrt(variance), variance * np.sqrt(kurtosis - 1), fourth.std()]
    return np.array([w.mean(), (w**2).mean() - variance, fourth.mean() - kurtosis]) / errors * np.sqrt(w.size)


def _hold_orthogonal(law, draw):
    fans, draws = SMALL
    w = np.stack([np.reshape(draw(*fans), -1) for _ in range(draws)]).astype(float)
    variance = law.variance(*fans)
    np.testing.assert_allclose((w**2).mean(axis=1), variance, rtol=1e-5)
    fourth = (w**4).mean(axis=1) / variance**2
    error = fourth.std(ddof=1) / np.sqrt(draws)
    z = (fourth.mean() - 3 - law.excess_kurtosis(*fans)) / error
    assert_agree([z, w.mean() / np.sqrt(variance / w.size)])
    assert_rejected((fourth.mean() - 3) / error)
