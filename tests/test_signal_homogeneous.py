"""Exact signals of linear, ReLU and leaky ReLU networks: values by hand, and networks whose every weight is drawn."""

import numpy as np
import pytest
from drawn_signal import SPREAD, draw, scores
from evidence import assert_agree, assert_rejected, close, origins, quick
from scipy import special

from varprop import Network, VarianceScaling, theory
from varprop.theory.orders import FIRST

# Values by hand


def test_relu_kurtosis_and_fluctuation():
    widths = [10, 7, 5, 3, 4]
    record = theory.forward(Network(widths, "relu"), np.ones(10))
    grown = np.cumprod([1, 1 + 5 / 7, 1 + 5 / 5, 1 + 5 / 3])
    close(record.kurtosis, 3 * grown)
    close(record.fluctuation, grown * (1 + 2 / np.array(widths[1:])) - 1)
    assert set(origins(record).values()) == {"exact"}
    random = theory.forward(Network(widths, "relu"))
    close(random.kurtosis, 3 * grown * 1.2)
    slope = 0.3
    leaky = theory.forward(Network(widths, f"leaky_relu({slope})"), np.ones(10))
    kappa = 6 * (1 + slope**4) / (1 + slope**2) ** 2 - 1
    close(leaky.kurtosis, 3 * np.cumprod([1, 1 + kappa / 7, 1 + kappa / 5, 1 + kappa / 3]))


def test_linear_logarithms_are_digammas():
    widths = np.array([6, 1, 3, 8])
    record = theory.forward(Network(widths, "linear", "lecun"))
    n = widths / 2
    means = special.digamma(n) + np.log(1 / n)
    close(record.log_mean, np.cumsum(means)[1:], atol=1e-13)
    close(record.log_variance, np.cumsum(special.polygamma(1, n))[1:], atol=1e-13)
    fixed = theory.forward(Network(widths, "linear", "lecun"), np.full(6, np.sqrt(2.0)))
    close(fixed.log_mean, np.log(2.0) + np.cumsum(means[1:]), atol=1e-13)


def test_orthogonal_linear_square_network_keeps_the_norm():
    record = theory.forward(Network([8] * 5, "linear", "orthogonal"), np.ones(8))
    close(record.variance, 1.0)
    for profile, value in ((record.fluctuation, 0), (record.log_mean, 0), (record.log_variance, 0)):
        close(profile, value, atol=1e-14)
    close(record.kurtosis, 3 * 8 / 10)


def test_relu_median_shrinks_while_the_mean_stays():
    """He relu of width 100: ln q-hat falls by 5 / 2n + 49 / 12n^2 a layer and spreads by 5 / n + 18.5 / n^2."""
    record = theory.forward(Network([100] * 51, "relu"), np.ones(100))
    close(record.variance, 2.0, rtol=1e-13)
    np.testing.assert_allclose(np.diff(record.log_mean), -5 / 200 - 49 / 12e4, atol=2e-5)
    np.testing.assert_allclose(np.diff(record.log_variance), 5 / 100 + 18.5e-4, atol=2e-4)


def test_torch_default_is_exact_at_any_width():
    network = Network([3] + [8] * 60, "relu", VarianceScaling(1 / 3), bias_variance=[1 / 9] + [1 / 24] * 59)
    record = theory.forward(network)
    assert record.variance.origin == record.kurtosis.origin == record.second_moment.origin == "exact"
    assert record.log_mean.origin == FIRST
    assert record.variance[-1] == pytest.approx(1 / 20, rel=1e-14)
    assert record.variance[0] == pytest.approx(4 / 9, rel=1e-14)


@pytest.mark.parametrize("law", quick("he", "he_uniform", "he_orthogonal", slow=lambda law: law != "he"))
def test_tails_beyond_float64(law):
    """At width 2 the kurtosis grows by 3.5 a layer, 1.75 where orthogonal; beyond 1e308 it is inf, not NaN."""
    record = theory.forward(Network([2] * 1401, "relu", law), np.array([[1.0, 2.0], [0.0, 0.0]]))
    assert record.kurtosis[-1] == record.fluctuation[-1] == np.inf
    for profile in (record.kurtosis, record.fluctuation):
        assert not np.isnan(profile.values).any()
        assert (np.diff(profile.values[np.isfinite(profile.values)]) > 0).all()
    assert np.isfinite(record.log_variance.values).all()
    assert np.isfinite(record.dead.values).all()


# Brute force

MOMENTS, LOGS = ("variance", "second_moment", "fluctuation", "kurtosis", "dead"), ("log_mean", "log_variance", "dead")
EXACT_CASES = {
    "tiny relu": (Network([1, 3, 8, 1, 2], "relu"), None, LOGS),
    "tiny leaky": (Network([1, 1, 3, 2], "leaky_relu(0.1)"), None, LOGS),
    "rows": (Network([5, 8, 9, 4], "leaky_relu(0.3)", "glorot"), SPREAD, ("variance", "second_moment", *LOGS)),
    "shallow": (Network([5, 9, 4], "relu"), SPREAD, (*MOMENTS, *LOGS)),
    "biases": (Network([5, 8, 9, 4], "relu", "lecun", bias_variance=[0.0, 0.4, 0.2]), SPREAD[:2], MOMENTS),
    "uniform": (Network([5, 8, 6, 4], "relu", "lecun_uniform", bias_variance=[0.0, 0.2, 0.1]), SPREAD, MOMENTS),
    "one weight": (Network([1, 3, 8, 2], "linear", "lecun_uniform"), np.ones((1, 1)), MOMENTS),
    "truncated": (Network([3, 6, 5], "leaky_relu(0.5)", "he_truncated_normal"), None, MOMENTS),
    "orthogonal": (Network([5, 9, 4, 8], "relu", "he_orthogonal"), SPREAD[1:2], (*MOMENTS, *LOGS)),
    "orthogonal, biases": (
        Network([5, 5, 3, 6], "leaky_relu(-0.4)", "lecun_orthogonal", bias_variance=[0.3, 0.2, 0.0]),
        SPREAD[:2],
        MOMENTS,
    ),
    "mixed": (
        Network([5, 6, 7, 4], ["linear", "relu", "leaky_relu"], ["lecun_uniform", "orthogonal", "he"]),
        SPREAD[1:3],
        MOMENTS,
    ),
}


@pytest.mark.parametrize("case", quick(*EXACT_CASES, slow=["truncated", "orthogonal, biases", "uniform"].count))
def test_exact_theory_against_brute_force(case):
    network, rows, fields = EXACT_CASES[case]
    record = theory.forward(network, rows, order="exact")
    assert {getattr(record, name).origin for name in fields} == {"exact"}
    drawn = draw(network, rows, 100_000, seed=20)
    assert_agree(scores(record, drawn, fields))


def test_brute_force_rejects_what_is_slightly_wrong():
    """The negative control, at the same budget: weights 2% off, units a little leaky, normal weights for uniform."""
    network, x = Network([5, 9, 4], "relu"), SPREAD[1]
    drawn = draw(network, x, 100_000, seed=21)
    assert_agree(scores(theory.forward(network, x), drawn, (*MOMENTS, *LOGS)))
    off = theory.forward(Network([5, 9, 4], "relu", multiplier=1.02), x)
    leaky = theory.forward(Network([5, 9, 4], "leaky_relu(0.1)"), x)
    for wrong, field in ((off, "variance"), (off, "log_mean"), (leaky, "log_variance"), (leaky, "dead")):
        assert_rejected(scores(wrong, drawn, [field]))
    network, rows, _ = EXACT_CASES["uniform"]
    drawn = draw(network, rows, 100_000, seed=22)
    normal = theory.forward(Network(network.widths, "relu", "lecun", bias_variance=[0.0, 0.2, 0.1]), rows)
    for field in ("fluctuation", "kurtosis"):
        assert_rejected(scores(normal, drawn, [field]))
