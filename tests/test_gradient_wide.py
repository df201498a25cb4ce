"""Gradients at infinite width and to first order: sine networks in closed form, exact theory, drawn networks."""

import numpy as np
import pytest
from drawn_gradient import draw, scores
from evidence import assert_agree, assert_rejected, close, fresh_seed
from scipy import special

from varprop import Network, VarianceScaling, theory
from varprop.theory.chain.first_layer import rows as first_rows
from varprop.theory.orders import FIRST

FIELDS = ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean", "log_variance")
MEANS = ("gradient_variance", "weight_gradient_variance", "input_gradient_variance", "dead")
MOMENTS = (*MEANS, "fluctuation")
LOSSES = ("linear", "half_square", "cross_entropy")


@pytest.mark.parametrize("order", ["infinite", "first"])
def test_infinite_width_of_orthogonal_and_shallow_networks(order):
    """A square orthogonal linear network hands |z^L|^2 back unchanged; a normal one does not."""
    widths, x = [40, 40, 40], np.ones(40)
    if order == "infinite":
        record = theory.backward(Network(widths, "linear", "orthogonal"), x, loss="half_square", order=order)
        close(record.gradient_variance, 1.0)
        normal = theory.backward(Network(widths, "linear", "lecun"), x, loss="half_square", order=order)
        close(normal.gradient_variance, [2.0, 1.0])
    shallow = theory.backward(Network([4, 3], "tanh"), loss="linear", order=order)
    close(shallow.gradient_variance, [1.0])
    close(shallow.weight_gradient_variance, [1.0])


def _sine_means(n, outputs, gain_squared, bias_variance, q1):
    """Two sine layers of n units: E d-hat of layer 1 for the linear loss, and of one layer for |z|^2 / 2.

    By the exact law; E cos(2 sqrt(Q) Z) = exp(-2Q), so that the second layer's Q = b + v sum sin^2 goes into
    an exponential, which is a product over units.
    """
    nodes, w = np.polynomial.legendre.leggauss(80)
    z, w = 8 * nodes, 8 * w * np.exp(-32 * nodes**2) / np.sqrt(2 * np.pi)
    s2, c2, v = np.sin(np.sqrt(q1) * z) ** 2, np.cos(np.sqrt(q1) * z) ** 2, gain_squared / n

    def mean(f):
        return (w * f).sum()

    decay = np.exp(-2 * v * s2)
    rest = np.exp(-2 * bias_variance) * mean(decay) ** (n - 1)
    first = v * v * n * outputs * (mean(c2) / 2 + rest * mean(c2 * decay) / 2 - 2 * v * rest * mean(s2 * c2 * decay))
    weight = v * outputs / 2 * (mean(s2) + rest * mean(s2 * decay))
    both = mean(s2 * c2) + (n - 1) * mean(c2) * mean(s2)
    square = v * outputs * (bias_variance * mean(c2) + v * both + v * mean(s2 * c2) * (outputs + 1))
    return first, weight, square


def test_first_order_of_sine_networks():
    """Doubling the width divides the error of first order by 4, and of infinite width by 2."""
    gain_squared, bias_variance, q1, m = 3.0, 0.05, 0.95, 7
    law, wrong, wide = VarianceScaling(gain_squared), [], []
    for n in (16, 32, 64, 128):
        x = np.full(n, np.sqrt((q1 - bias_variance) / gain_squared))
        deep = Network([n, n, n, m], "sin", law, bias_variance=bias_variance)
        shallow = Network([n, n, m], "sin", law, bias_variance=bias_variance)
        exact = np.array(_sine_means(n, m, gain_squared, bias_variance, q1))
        for order, gaps in (("first", wrong), ("infinite", wide)):
            linear = theory.backward(deep, x, order=order)
            square = theory.backward(shallow, x, loss="half_square", order=order)
            found = linear.gradient_variance[0], linear.weight_gradient_variance[1], square.gradient_variance[0]
            gaps.append(np.abs(np.array(found) / exact - 1))
    wrong, wide = np.array(wrong), np.array(wide)
    assert (wrong[1:-1, :2] / wrong[2:, :2] > 3.6).all()
    np.testing.assert_allclose(wide[1:-1] / wide[2:], 2.0, atol=0.3)
    assert (wrong[:, 2] < 1e-12).all()  # with one hidden layer all is a polynomial, and first order is all there is
    assert (wrong[-1] < wide[-1] / 20).all()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu(0.3)", "linear"])
@pytest.mark.parametrize("loss", ["linear", "half_square"])
def test_first_order_is_the_exact_result_to_first_order(activation, loss):
    gaps = []
    for n in (128, 256, 512):
        network = Network([n, n, n, n], activation)
        rows = np.full(n, 1.5)
        exact, first = (theory.backward(network, rows, loss=loss, order=order) for order in ("exact", "first"))
        known = [name for name in FIELDS if getattr(exact, name).origin == "exact"]
        gaps.append([np.abs(getattr(exact, k).values - getattr(first, k).values) for k in known])
    gaps = np.array(gaps) + 1e-14
    assert len(known) == (3 if loss == "half_square" and activation.startswith("leaky") else 5)
    assert (gaps[:-1] / gaps[1:] > 3.2)[gaps[:-1] > 1e-11].all()
    biased = [np.nan] * 2
    for i, n in enumerate((128, 256)):
        network = Network([n, n, n, n], activation, bias_variance=0.2)
        exact, first = (theory.backward(network, np.ones(n), loss=loss, order=order) for order in ("exact", "first"))
        biased[i] = np.abs(exact.weight_gradient_variance.values - first.weight_gradient_variance.values).max() + 1e-14
    assert biased[0] / biased[1] > 3.2 or biased[0] < 1e-11


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_rows_are_a_mixture(loss, monkeypatch):
    """A few rows are gone through one by one; many are interpolated, and come out the same."""
    rng = np.random.default_rng(fresh_seed())
    rows = rng.standard_normal((100, 4)) * rng.uniform(0.5, 2, (100, 1))
    rows[3] = 0.0
    network = Network([4, 9, 7, 5], "gelu", "lecun", bias_variance=0.1)
    together, alone = (
        theory.backward(network, rows[:5], loss=loss),
        [theory.backward(network, r, loss=loss) for r in rows[:5]],
    )
    means = np.array([r.gradient_variance.values for r in alone])
    close(together.gradient_variance, means.mean(0))
    close(together.weight_gradient_variance, np.mean([r.weight_gradient_variance.values for r in alone], 0))
    seconds = means**2 * (1 + np.array([r.fluctuation.values for r in alone]))
    close(together.fluctuation, seconds.mean(0) / means.mean(0) ** 2 - 1, rtol=1e-11)
    if loss != "cross_entropy":
        logs = np.array([r.log_mean.values for r in alone])
        close(together.log_mean, logs.mean(0), atol=1e-13)
        close(together.log_variance, np.mean([r.log_variance.values for r in alone], 0) + logs.var(0))
    many = theory.backward(network, rows, loss=loss)
    monkeypatch.setattr(first_rows, "_NODES", len(rows))
    direct = theory.backward(network, rows, loss=loss)
    for name, profile in many.profiles.items():
        close(profile, getattr(direct, name).values, rtol=1e-10, atol=1e-12)


# Brute force


@pytest.mark.parametrize("bias_variance", [0.0, 0.1])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus"])
@pytest.mark.parametrize("loss", LOSSES)
def test_first_order_against_brute_force(activation, loss, bias_variance):
    """What first order leaves out is below the noise here: 0.1% of a mean, 1% to 3% of a fluctuation, half an error."""
    fields = MEANS if bias_variance else MOMENTS
    layers = 2 if loss == "half_square" and not bias_variance else 3  # its tails are heavy
    network = Network([32] * (layers + 1), activation, "lecun", multiplier=1.3, bias_variance=bias_variance)
    record = theory.backward(network, np.ones(32), loss=loss)
    assert record.gradient_variance.origin == record.fluctuation.origin == FIRST
    drawn = draw(network, np.ones(32), loss, 1_500)
    assert_agree(scores(record, drawn, fields))


def test_infinite_width_is_rejected_where_first_order_agrees():
    network, x = Network([16] * 4, "softplus", "lecun", multiplier=1.3), np.ones(16)
    drawn = draw(network, x, "cross_entropy", 20_000)
    first, wide = (theory.backward(network, x, loss="cross_entropy", order=order) for order in ("first", "infinite"))
    assert_rejected(scores(wide, drawn, ["gradient_variance"]))
    off = np.abs(scores(first, drawn, ["gradient_variance"]))
    assert (off < np.abs(scores(wide, drawn, ["gradient_variance"])) / 4)[0]


def test_first_order_logarithms():
    """Exactly known at the output; below, the error is of second order and smaller than what infinite width misses."""
    network, x = Network([32] * 4, "tanh", "lecun", multiplier=1.5), np.ones(32)
    drawn = draw(network, x, "linear", 3_000)
    record = theory.backward(network, x)
    assert record.log_mean[-1] == pytest.approx(special.digamma(16) - np.log(16))
    assert record.log_variance[-1] == pytest.approx(special.polygamma(1, 16))
    assert_agree(scores(record, drawn, ["log_mean"]))
    np.testing.assert_allclose(np.log(drawn[0]).var(0), record.log_variance.values, rtol=0.25)
    assert_rejected(scores(theory.backward(network, x, order="infinite"), drawn, ["log_mean"]))


@pytest.mark.slow
@pytest.mark.parametrize("width", [16, 256])
@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "elu", "tanh"])
def test_theory_says_where_first_order_breaks_down_and_stays_in_order(activation, width):
    network = Network([width] * 201, activation, "he" if activation != "tanh" else "lecun")
    doubtful = []
    for predict in (theory.forward, theory.backward):
        record = predict(network, np.ones(width))  # warnings are errors
        doubtful.append(record.doubtful)
        assert not np.isnan(record.profiles[record.main].values).any()
        if width == 16:
            assert record.doubtful.any()
            assert "? marks what is doubtful: first order" in str(record)
        assert not predict(network, np.ones(width), order="infinite").doubtful.any()
    forward, backward = doubtful
    assert (np.diff(forward.astype(int)) >= 0).all()  # from some layer on
    assert (np.diff(backward.astype(int)) <= 0).all()  # down from some layer
