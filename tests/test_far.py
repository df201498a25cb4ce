"""Logarithms behind one or two units, where phi and phi' fall far below float32: against quadrature in float64."""

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler
from scipy import special

from varprop import Network, VarianceScaling, compare, custom_activation, simulate, theory
from varprop.inputs import as_inputs
from varprop.kernels import LANES
from varprop.kernels.layer import EXPONENT, RECORD_FIELDS
from varprop.simulate import samplers

NETWORKS = 100_000


def softplus(x):
    return np.where(x < -30, x, np.log(np.logaddexp(0, np.maximum(x, -30))))


def bracket(x):
    """ln |gelu'(x)| by its tail left of -10."""
    y = np.maximum(-x, 10.0)
    with np.errstate(divide="ignore"):
        near = np.log(np.abs(special.ndtr(x) + x * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)))
    tail = -0.5 * y * y - 0.5 * np.log(2 * np.pi) + np.log(y - special.erfcx(y / np.sqrt(2)) * np.sqrt(np.pi / 2))
    return np.where(x < -10, tail, near)


LOGS = {  # ln |phi|
    "gelu": lambda x: np.log(np.abs(x)) + special.log_ndtr(x),
    "softplus": softplus,
    "sigmoid": lambda x: -np.logaddexp(0, -x),
    "silu": lambda x: np.log(np.abs(x)) - np.logaddexp(0, -x),
    "mish": lambda x: np.log(np.abs(x)) + np.where(x < -30, x, np.log(np.tanh(np.logaddexp(0, np.maximum(x, -30))))),
    "tanh": lambda x: np.log(np.tanh(np.abs(x))),
}
LOG_SLOPES = {  # ln |phi'|
    "gelu": bracket,
    "softplus": lambda x: -np.logaddexp(0, -x),
    "sigmoid": lambda x: -np.logaddexp(0, -x) - np.logaddexp(0, x),
    "silu": lambda x: -np.logaddexp(0, -x) + np.log(np.abs(1 + x * special.expit(-x))),
    "tanh": lambda x: -2 * (np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2)),
    "erf": lambda x: np.log(2 / np.sqrt(np.pi)) - x * x,
    "elu": lambda x: np.minimum(x, 0),
}


def spread(log, variance, normals):
    """Return mean and variance of ln phi(z)^2 + ``normals`` times ln chi2_1, z ~ N(0, variance)."""
    t = np.linspace(-9, 9, 400_001) + 1e-5
    mass = np.exp(-0.5 * t * t) / np.exp(-0.5 * t * t).sum()
    logs = 2 * log(np.sqrt(variance) * t)
    mean = mass @ logs
    own = special.digamma(0.5) + np.log(2), special.polygamma(1, 0.5)
    return mean + normals * own[0], mass @ (logs - mean) ** 2 + normals * own[1]


def scores(record, layer, expected):
    """Return z-scores of log_mean and log_variance, and the same of numbers 12 of their errors off."""
    (mean, variance), logs, squares = expected, record.log_mean, record.log_variance
    z = (logs[layer] - mean) / np.sqrt(variance / NETWORKS), (squares[layer] - variance) / squares.errors[layer]
    return np.array(z), np.array([z[0] + 12.0, z[1] + 12.0])


def one_unit(name, variance, widths=(1, 1, 1)):
    return Network(list(widths), name, [VarianceScaling(variance, "none"), VarianceScaling(1.0, "none")])


CASES = [
    ("gelu", 9.0),
    ("softplus", 36.0),
    ("gelu", 1e4),
    ("sigmoid", 1e4),
    ("silu", 1e5),
    ("mish", 1e4),
    ("tanh", 1e-18),
]


def test_what_logarithms_should_be():
    """Simulated in plain float32 they were -6.396 and 87.1, and -4.714 and 66.3."""
    assert spread(LOGS["gelu"], 9.0, 1) == pytest.approx((-6.748, 121.96), rel=1e-4)
    assert spread(LOGS["softplus"], 36.0, 1) == pytest.approx((-4.804, 69.4), rel=1e-3)


@needs_compiler
@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize(("name", "variance"), CASES)
def test_logarithms_behind_one_unit(name, variance, method):
    network = one_unit(name, variance)
    found = simulate.forward(network, [1.0], networks=NETWORKS, seed=fresh_seed(), method=method)
    z, wrong = scores(found, 1, spread(LOGS[name], variance, 1))
    assert_agree(z)
    assert_rejected(wrong)
    assert found.dead[0] == 0


@needs_compiler
@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize(
    ("name", "variance"),
    [("gelu", 9.0), ("gelu", 1e4), ("sigmoid", 1e4), ("silu", 1e5), ("tanh", 1e4), ("erf", 1e4), ("elu", 1e5)],
)
def test_logarithms_of_gradients_below_one_unit(name, variance, method):
    network = one_unit(name, variance)
    found = simulate.backward(network, [1.0], networks=NETWORKS, seed=fresh_seed(), method=method)
    z, wrong = scores(found, 0, spread(LOG_SLOPES[name], variance, 2))
    assert_agree(z)
    assert_rejected(wrong)
    assert found.dead[0] == 0


@needs_compiler
def test_logarithms_behind_two_units_and_a_bias():
    """By brute force in float64: ln of gelu(u)^2 + gelu(v)^2, and what a bias makes of it."""
    rng, variance = np.random.default_rng(fresh_seed()), 100.0
    logs = 2 * LOGS["gelu"](np.sqrt(variance) * rng.normal(size=(NETWORKS, 2)))
    q = np.logaddexp(*logs.T)
    free = simulate.forward(one_unit("gelu", variance, (1, 2, 1)), [1.0], networks=NETWORKS, seed=fresh_seed())
    y = q + np.log(rng.chisquare(1, NETWORKS))
    assert_agree((free.log_mean[1] - y.mean()) / np.hypot(free.log_mean.errors[1], y.std() / np.sqrt(NETWORKS)))
    network = Network(
        [1, 2, 1], "gelu", [VarianceScaling(variance, "none"), VarianceScaling(1.0, "none")], bias_variance=[0.0, 1e-9]
    )
    biased = simulate.forward(network, [1.0], networks=NETWORKS, seed=fresh_seed())
    y = np.logaddexp(q, np.log(1e-9)) + np.log(rng.chisquare(1, NETWORKS))
    assert_agree((biased.log_mean[1] - y.mean()) / np.hypot(biased.log_mean.errors[1], y.std() / np.sqrt(NETWORKS)))


@needs_compiler
@pytest.mark.parametrize(("name", "variance"), [("softplus", 400.0), ("gelu", 400.0), ("sigmoid", 1e5)])
def test_a_right_theory_of_the_dead_is_not_rejected(name, variance):
    network = one_unit(name, variance, (1, 1, 3))
    measured = simulate.forward(network, [1.0], networks=20_000, seed=fresh_seed())
    assert compare(measured, theory.forward(network, [1.0]), quantity="dead").p_value == 1.0


@needs_compiler
@pytest.mark.parametrize("method", ["conditional", "dense"])
@pytest.mark.parametrize("widths", [(1, 1, 5), (5, 2, 2, 3)])
def test_where_logarithms_round_by_more_than_float32_holds_gradients_stay_finite(widths, method):
    """At -2^40, as far as phi is asked, ln gelu is -6e23: its rounding alone is more than float32's whole range."""
    network = Network(widths, "gelu", "he", multiplier=1e86)
    sample = samplers.backward_sampler(network, as_inputs(None, widths[0]), "linear", 0, method)
    records = np.empty((4, len(widths), RECORD_FIELDS, LANES))
    sample(0, records, np.zeros(1, np.uint8))
    assert np.isfinite(records).all()
    assert (records[..., EXPONENT, :] < -1e20).any()  # so it was held apart


@needs_compiler
def test_a_function_of_ones_own_is_held_as_float64_holds_it():
    logistic = custom_activation(lambda z: 1.0 / (1.0 + np.exp(-z)))
    network = one_unit(logistic, 1e4)
    found = simulate.forward(network, [1.0], networks=NETWORKS, seed=fresh_seed())
    assert_agree(scores(found, 1, spread(LOGS["sigmoid"], 1e4, 1))[0])
