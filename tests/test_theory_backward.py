"""theory.backward against hand values, sine networks in closed form, and brute force that draws every weight."""

import warnings

import mpmath as mp
import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed
from scipy import special

from varprop import Network, VarianceScaling, custom_activation, theory
from varprop.theory.gaussian.derivative_moment import derivative_moment
from varprop.theory.gaussian.expectations import second_moment
from varprop.theory.gaussian.slope_moments import slope_moments
from varprop.theory.gradient import softmax, wide
from varprop.theory.gradient.jets import Jet
from varprop.theory.gradient.losses import output
from varprop.theory.gradient.sums import expected_product, partitions
from varprop.theory.signal.scaled import Scaled

FIELDS = ("gradient_variance", "weight_gradient_variance", "fluctuation", "log_mean", "log_variance", "dead")
FIRST = "first order in 1/width"
LOSSES = ("linear", "half_square", "cross_entropy")


def close(profile, values, rtol=1e-12, atol=0.0):
    np.testing.assert_allclose(profile.values, values, rtol=rtol, atol=atol)


# Values by hand


@pytest.mark.parametrize("order", ["infinite", "first", "exact"])
@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_what_initializers_do_to_the_gradient(activation, order):
    """He over fan_in multiplies it by n_(l+1) / n_l, over fan_out keeps it; Glorot by half of a mean of the two."""
    n = np.array([30, 40, 10, 25, 5])
    part = 0.5 if activation == "relu" else 1.0
    for weights, factors in (
        (VarianceScaling(1 / part, "fan_in"), n[2:] / n[1:-1]),
        (VarianceScaling(1 / part, "fan_out"), np.ones(3)),
        ("glorot", 2 * part * n[2:] / (n[1:-1] + n[2:])),
    ):
        record = theory.backward(Network(n, activation, weights), np.ones(30), order=order)
        alive = 1.0
        if activation == "relu" and order == "exact":
            alive = np.r_[np.cumprod(np.r_[1.0, 1 - 0.5 ** n[1:-2].astype(float)]), 1.0]  # delta^L is alive anyway
        close(record.gradient_variance, alive * np.r_[np.cumprod(factors[::-1])[::-1], 1.0])


def test_fluctuation_and_weight_gradients_of_relu():
    widths = [10, 7, 5, 3, 4]
    g = np.array([1.0, -2, 0, 3])
    network = Network(widths, "relu", VarianceScaling(2.0, "fan_out"))
    record = theory.backward(network, np.ones(10), loss=g)
    assert {p.origin for p in record.profiles.values()} == {"exact"}
    grown = np.cumprod([1, 1 + 5 / 3, 1 + 5 / 5, 1 + 5 / 7])[::-1]
    alive = np.cumprod([1.0, 1 - 0.5**7, 1 - 0.5**5, 1 - 0.5**3])
    reached = np.r_[alive[:3], 1.0]  # delta^L is what it is
    close(record.fluctuation, grown / reached - 1, atol=1e-14)
    close(record.gradient_variance, (g @ g) / 4 * reached)
    forward = theory.forward(network, np.ones(10))
    below = np.r_[1.0, forward.second_moment[:-1]]
    close(record.weight_gradient_variance, (g @ g) / 4 * below)  # independent, and both 0 where dead
    close(record.dead, np.full(4, 1 - alive[-1]))
    assert record.loss == "given"


def test_linear_logarithms_are_digammas():
    widths = np.array([6, 1, 3, 8])
    record = theory.backward(Network(widths, "linear", "unit", bias_variance=0.3))
    n = widths[1:]
    close(record.log_mean, (np.cumsum((special.digamma(n / 2) + np.log(2))[::-1])[::-1] - np.log(n)), atol=1e-13)
    close(record.log_variance, np.cumsum(special.polygamma(1, n / 2)[::-1])[::-1])


def test_jacobian_identities():
    """MATHEMATICS.md, section 3: J is the derivative of z^L by x, delta^L ~ N(0, I), so that E|delta^0|^2 = E|J|^2."""
    widths, slope = [4, 6, 3, 5], 0.3
    for activation, p1, p2 in (("relu", 0.5, 0.5), ("linear", 1, 1), (f"leaky_relu({slope})", 0.545, 0.50405)):
        network = Network(widths, activation, bias_variance=0.7)
        record = theory.backward(network, np.ones(4))
        t1, t2 = 16.0, 4.0
        for layer in network.layers:
            n, v = layer.fan_out, layer.weight_variance
            c1, c2, cd = v**2 * (n**2 * t1 + 2 * n * t2), v**2 * (n * t1 + (n**2 + n) * t2), v**2 * n * (t1 + 2 * t2)
            first, second = (1, 1) if n == 5 else (p1, p2)
            t1, t2 = first**2 * c1 + (second - first**2) * cd, first**2 * c2 + (second - first**2) * cd
        v, n = network.layers[0].weight_variance, widths[1]
        size = 4 * v * n * record.gradient_variance[0]
        assert size == pytest.approx(4 * np.prod([l.weight_variance * l.fan_out for l in network.layers]) * p1**2)
        assert size**2 * (record.fluctuation[0] + 1) * (1 + 2 / 4) == pytest.approx(t1 + 2 * t2, rel=1e-12)


def test_half_square_of_a_deep_linear_network():
    """|delta^0|^2 = |W' W x|^2 of one layer has mean (n_1 + n_0 + 1) / n_0 times |W x|^2's, with n_1 / n_0 Var."""
    network = Network([5, 3, 4], "linear", "lecun")
    record = theory.backward(network, np.ones(5), loss="half_square")
    assert record.fluctuation.origin == "exact"
    close(record.gradient_variance, [4 / 3 * (3 + 4 + 1) / 3, 1.0])
    forward = theory.forward(network, np.ones(5))
    assert record.fluctuation[-1] == pytest.approx(forward.fluctuation[-1])
    assert record.gradient_variance[-1] == pytest.approx(forward.variance[-1])


def test_where_a_dead_layer_matters():
    """A dead ReLU layer leaves z = 0 above; linear slopes are 1 there, relu's 0, and biases revive."""
    x, zero = np.ones(3), np.zeros(3)
    network = Network([3, 2, 4, 2], ["relu", "linear"])
    v2, v3 = network.layers[1].weight_variance, network.layers[2].weight_variance
    close(theory.backward(network, x).gradient_variance, [4 * v2 / 2 * 2 * v3, 2 * v3, 1.0])
    close(theory.backward(network, zero).gradient_variance, [0.0, 2 * v3, 1.0])  # relu'(0) = 0
    relu = theory.backward(Network([3, 2, 4, 2], "relu"), x)
    close(relu.gradient_variance, [v2 * v3 * 4 * 2 / 4, 0.75 * v3, 1.0])
    biased = theory.backward(Network([3, 2, 4, 2], "relu", bias_variance=[0, 1.0, 0]), x)
    close(biased.gradient_variance, [v2 * v3 * 2, v3, 1.0])
    dark = theory.backward(Network([3, 2, 4, 2], "leaky_relu(0.5)"), zero)
    close(dark.gradient_variance, [4 * v2 / 4 * 2 * v3 / 4, 2 * v3 / 4, 1.0])
    close(dark.dead, 1.0)
    np.testing.assert_array_equal(dark.weight_gradient_variance, 0.0)


def test_nothing_to_pass_on():
    network = Network([3, 4, 2], "relu")
    nothing = theory.backward(network, loss=np.zeros(2))
    np.testing.assert_array_equal(nothing.gradient_variance, 0.0)
    np.testing.assert_array_equal(nothing.dead, 1.0)
    assert np.isnan(nothing.log_mean.values).all()
    alone = theory.backward(Network([3, 4, 1], "tanh"), loss="cross_entropy")
    np.testing.assert_array_equal(alone.gradient_variance, 0.0)
    np.testing.assert_array_equal(alone.dead, 1.0)
    for loss in LOSSES:
        for order in ("infinite", "first"):
            lit = theory.backward(Network([3, 4, 2], "sigmoid", "lecun"), np.zeros(3), loss=loss, order=order)
            assert np.isfinite(lit.gradient_variance.values).all()
            assert lit.weight_gradient_variance[0] == 0.0


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


# First order, where more is known


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
    gaps, names = [], FIELDS[:5]
    for n in (128, 256, 512):
        network = Network([n, n, n, n], activation)
        rows = np.full(n, 1.5)
        exact, first = (theory.backward(network, rows, loss=loss, order=order) for order in ("exact", "first"))
        known = [name for name in names if getattr(exact, name).origin == "exact"]
        gaps.append([np.abs(getattr(exact, k).values - getattr(first, k).values) for k in known])
    gaps = np.array(gaps) + 1e-14
    assert len(known) == (5 if loss == "linear" else 3)
    assert (gaps[:-1] / gaps[1:] > 3.2)[gaps[:-1] > 1e-11].all()
    biased = [np.nan] * 2
    for i, n in enumerate((128, 256)):
        network = Network([n, n, n, n], activation, bias_variance=0.2)
        exact, first = (theory.backward(network, np.ones(n), loss=loss, order=order) for order in ("exact", "first"))
        biased[i] = np.abs(exact.weight_gradient_variance.values - first.weight_gradient_variance.values).max() + 1e-14
    assert biased[0] / biased[1] > 3.2 or biased[0] < 1e-11


# Parts


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus", "hardtanh", "selu", "sin"])
def test_moments_of_the_derivative(activation):
    phi = Network([1, 1], [activation]).layers[0].activation
    q = np.array([1e-6, 0.3, 2.0, 40.0])
    values, errors = derivative_moment(phi, q)
    moments = slope_moments(phi, q)
    np.testing.assert_allclose(moments.size, values, rtol=1e-11)
    cuts = [-12, *np.clip(np.array(phi.kinks or (0,)) / np.sqrt(2.0), -11, 11), 12]
    by_scipy = float(
        mp.quad(
            lambda z: mp.npdf(z) * float(phi.dphi(np.sqrt(2.0) * float(z))) ** 2,
            _refined(cuts),
        )
    )
    assert values[2] == pytest.approx(by_scipy, rel=1e-8)
    step = 1e-3
    for index, name in enumerate(("phi'^2", "phi'^2 a^2", "a^2", "Z^2 phi'^2", "Z phi' a")):
        around = [slope_moments(phi, q * np.exp(k * step)) for k in (-1, 0, 1)]
        squares = [second_moment(phi, q * np.exp(k * step))[0] for k in (-1, 0, 1)]
        power_slope, power_a = ((1, 0), (1, 1), (0, 1), (1, 0), (0.5, 0.5))[index]
        unit = around[1].size ** power_slope * squares[1] ** power_a
        raw = [a.mean[index] * a.size**power_slope * s**power_a / unit for a, s in zip(around, squares, strict=True)]
        first, second = (raw[2] - raw[0]) / 2 / step, (raw[2] - 2 * raw[1] + raw[0]) / step**2
        np.testing.assert_allclose(moments.first[index], first, rtol=2e-5, atol=2e-5, err_msg=name)
        np.testing.assert_allclose(moments.second[index], second, rtol=2e-4, atol=2e-4, err_msg=name)
    assert (errors < 1e-8).all()


def _refined(cuts):
    return sorted({*cuts, *np.linspace(-12, 12, 25)})


def test_homogeneous_moments_agree_with_quadrature():
    leaky = Network([1, 1], ["leaky_relu(0.3)"]).layers[0].activation
    ours = custom_activation(leaky.phi, leaky.dphi, kinks=[0.0])
    q = np.array([0.2, 3.0])
    for name in ("size", "mean", "first", "second", "product"):
        np.testing.assert_allclose(
            getattr(slope_moments(leaky, q), name), getattr(slope_moments(ours, q), name), rtol=1e-12, atol=1e-12
        )


def test_jets():
    """f = x y / (x + 2) + log(x) (3 - y)^2 at (1.5, 0.7), with its derivatives by hand."""
    x, y = Jet.variables(np.array([[1.5], [0.7]]))
    f = x * y / (x + 2) + x.log() * ((3 - y) * (3 - y)) - 1 / y
    a, b = mp.mpf("1.5"), mp.mpf("0.7")

    def g(u, v):
        return u * v / (u + 2) + mp.log(u) * (3 - v) ** 2 - 1 / v

    assert f.value[0] == pytest.approx(float(g(a, b)))
    for i, orders in enumerate(((1, 0), (0, 1))):
        assert f.slope[i, 0] == pytest.approx(float(mp.diff(g, (a, b), orders)))
    for (i, j), orders in (((0, 0), (2, 0)), ((0, 1), (1, 1)), ((1, 0), (1, 1)), ((1, 1), (0, 2))):
        assert f.curve[i, j, 0] == pytest.approx(float(mp.diff(g, (a, b), orders)))


def test_expected_products_of_sums():
    assert [len(partitions(k)) for k in range(6)] == [1, 1, 2, 5, 15, 52]  # Bell numbers
    values, n = np.array([0.3, 1.0, 2.5]), 3  # one unit takes each with probability 1/3
    grid = np.stack(np.meshgrid(*[values] * n, indexing="ij")).reshape(n, -1)
    brute = np.mean(grid.sum(0) ** 2 * (grid**2).sum(0) * (grid**3).sum(0))
    found = expected_product(n, [(1,), (1,), (2,), (3,)], lambda p: np.mean(values**p))
    assert found == pytest.approx(brute, rel=1e-13)


def test_softmax_of_two_logits():
    """With two, delta = +-(p, -p) with p the logistic of a normal of variance 2q."""
    for q in (1e-4, 0.7, 1.0, 30.0, 5e3):
        z, w = special.roots_hermitenorm(400)
        w = w / w.sum()
        width = np.sqrt(2 * q)
        if q > 10:
            z = np.linspace(-12, 12, 200_001)
            w = np.exp(-0.5 * z * z) / np.exp(-0.5 * z * z).sum()
        p = special.expit(width * z)
        d, eta = 2 * p**2, 2 * (z * p) ** 2
        by_hand = [(w * f).sum() for f in (d, eta, d * d, d * eta, eta * eta)]
        np.testing.assert_allclose(softmax.softmax_moments(2, q), by_hand, rtol=1e-9)


def test_softmax_moments_by_sampling():
    rng, n, q, count = np.random.default_rng(fresh_seed()), 6, 2.3, 200_000
    z = rng.standard_normal((count, n))
    p = special.softmax(np.sqrt(q) * z, axis=1)
    p[np.arange(count), rng.integers(n, size=count)] -= 1
    d, eta = (p**2).sum(1), (z * p).sum(1) ** 2
    drawn = np.stack([d, eta, d * d, d * eta, eta * eta])
    found = softmax.softmax_moments(n, q)
    scores = (drawn.mean(1) - found) / (drawn.std(1) / np.sqrt(count))
    assert_agree(scores)
    assert_rejected((drawn.mean(1) - softmax.softmax_moments(n, q * 1.05)) / (drawn.std(1) / np.sqrt(count)))


def test_cross_entropy_between_its_nodes():
    q = np.array([3e-9, 0.02, 0.9999, 1.0001, 77.0])
    found = output("cross_entropy", 5, None, Scaled.of(q))
    step = 1e-2
    for i, value in enumerate(np.maximum(q, softmax.SMALLEST)):
        at = [softmax.softmax_moments(5, value * np.exp(k * step)) for k in (-1, 0, 1)]
        size = found.size.values()[i]
        assert size == pytest.approx(at[1][0], rel=1e-9)
        np.testing.assert_allclose(found.mean[0, :, i] * size, at[1][:2], rtol=1e-9)
        np.testing.assert_allclose(found.square[0, :, i] * size**2, at[1][2:], rtol=1e-9)
        np.testing.assert_allclose(found.mean[1, :, i] * size, (at[2] - at[0])[:2] / 2 / step, atol=1e-4)
        np.testing.assert_allclose(
            found.square[2, :, i] * size**2, (at[2] - 2 * at[1] + at[0])[2:] / step**2, atol=5e-3
        )


# Brute force


def draw(network, rows, loss, networks, distributions=None):
    """Return the means over units of delta^2 and of (d loss / d W)^2, each (networks, L). Draws every weight once."""
    rng = np.random.default_rng(fresh_seed())
    normal = lambda *shape: rng.standard_normal((networks, *shape), dtype=np.float32)  # noqa: E731
    if rows is None:
        a = normal(network.widths[0])
    else:
        rows = np.atleast_2d(rows).astype(np.float32)
        a = rows[rng.integers(len(rows), size=networks)]
    passed = []
    for layer in network.layers:
        w = _weights(rng, normal, layer)
        z = np.matmul(w, a[..., None])[..., 0] + normal(layer.fan_out) * np.float32(np.sqrt(layer.bias_variance))
        passed.append((w, a, z))
        a = layer.activation.phi(z).astype(np.float32)
    delta = _output_gradient(rng, z, loss)
    out = np.empty((2, networks, network.depth))
    for l in reversed(range(network.depth)):
        w, a, z = passed[l]
        if l < network.depth - 1:
            delta = (
                network.layers[l].activation.dphi(z)
                * np.matmul(passed[l + 1][0].swapaxes(1, 2), delta[..., None])[..., 0]
            )
        squares = np.mean(delta.astype(float) ** 2, 1)
        out[:, :, l] = squares, squares * np.mean(a.astype(float) ** 2, 1)
    return out


def _weights(rng, normal, layer):
    v, shape = layer.weight_variance, (layer.fan_out, layer.fan_in)
    if layer.distribution == "normal":
        return normal(*shape) * np.float32(np.sqrt(v))
    if layer.distribution == "uniform":
        return rng.uniform(-1, 1, (len(normal(1)), *shape)) * np.sqrt(3 * v)
    tall = max(shape), min(shape)
    q, r = np.linalg.qr(normal(*tall))
    q = q * np.sign(np.einsum("bii->bi", r))[:, None] * np.sqrt(v * tall[0])
    return q if shape == tall else q.transpose(0, 2, 1)


def _output_gradient(rng, z, loss):
    if not isinstance(loss, str):
        return np.broadcast_to(loss, z.shape)
    if loss == "linear":
        return rng.standard_normal(z.shape)
    if loss == "half_square":
        return z
    p = special.softmax(z, axis=1)
    p[np.arange(len(z)), rng.integers(z.shape[1], size=len(z))] -= 1
    return p


def scores(record, drawn, fields):
    """Return z-scores of theory against means over networks; ratios by their influence functions."""
    squares, weights = drawn
    result = []
    for name in fields:
        for l, predicted in enumerate(getattr(record, name).values):
            d = squares[:, l]
            m = d.mean()
            if name == "fluctuation":
                influence = d**2 / m**2 - 2 * (d**2).mean() / m**3 * (d - m) - 1
            elif name in ("log_mean", "log_variance"):
                influence = np.log(d[d > 0])
                if name == "log_variance":
                    influence = (influence - influence.mean()) ** 2
            else:
                influence = {
                    "gradient_variance": d,
                    "weight_gradient_variance": weights[:, l],
                    "dead": weights[:, l] == 0,
                }[name]
            spread = predicted * (1 - predicted) if name == "dead" else influence.var()
            error = np.sqrt(max(spread, 0.0) / len(influence)) + 1e-6 * abs(predicted) + 1e-12  # float32
            result.append((influence.mean() - predicted) / error)
    return np.array(result)


SPREAD = np.array([[1.0, 0, 0, 0, 0], [1, 2, -1, 0.5, 0], [0.3, 0.3, 0.3, 0.3, 0.3], [0] * 5])
MEANS, LOGS = ("gradient_variance", "weight_gradient_variance", "dead"), ("log_mean", "log_variance", "dead")
MOMENTS = (*MEANS, "fluctuation")
GIVEN = np.array([1.0, -2.0, 0.0, 0.5])
EXACT_CASES = {
    "tiny relu": (Network([1, 3, 8, 1, 2], "relu"), None, "linear", LOGS),
    "tiny leaky": (Network([5, 1, 3, 5], "leaky_relu(0.3)", bias_variance=0.1), SPREAD[:3], "linear", LOGS),
    "tiny mixed": (Network([5, 3, 1, 5, 4], ["relu", "linear", "leaky_relu(0.4)"]), SPREAD, GIVEN, LOGS),
    "one unit": (Network([3, 1, 5], "relu", "glorot"), None, "linear", MEANS),
    "means": (Network([5, 8, 3, 16], "relu", "he"), SPREAD, "linear", MEANS),
    "fan_out": (Network([5, 8, 16, 3], "relu", VarianceScaling(2.0, "fan_out")), SPREAD[:3], "linear", MEANS),
    "glorot": (Network([3, 16, 9, 4], "leaky_relu(0.2)", "glorot"), None, GIVEN, (*MOMENTS, *LOGS)),
    "biases": (Network([5, 16, 8, 4], "relu", bias_variance=[0.3, 0.0, 1.0]), SPREAD, GIVEN, (*MEANS, *LOGS)),
    "dark": (Network([5, 3, 12, 4], ["relu", "linear"], bias_variance=[0.0, 0.0, 0.4]), SPREAD, GIVEN, (*MEANS, *LOGS)),
    "uniform": (Network([3, 12, 9, 4], "leaky_relu(0.5)", "he_uniform"), np.ones(3), GIVEN, MOMENTS),
    "orthogonal": (Network([3, 5, 8, 4], "relu", "he_orthogonal"), np.ones(3), GIVEN, (*MEANS, *LOGS)),
    "square": (Network([3, 16, 12, 4], "relu"), np.ones(3), "half_square", MEANS),
    "square, biases": (
        Network([5, 12, 16, 3], "leaky_relu(0.3)", bias_variance=[0.0, 0.2, 0.5]),
        SPREAD,
        "half_square",
        MEANS,
    ),
    "square, dark": (
        Network([5, 3, 16, 4], ["relu", "leaky_relu(0.7)"], "lecun", bias_variance=[0.0, 0.0, 0.4]),
        SPREAD,
        "half_square",
        MEANS,
    ),
    "square, shallow": (Network([3, 16, 6], "relu", "lecun"), np.ones(3), "half_square", MOMENTS),
    "square, linear": (Network([3, 16, 6], "linear", "lecun"), np.ones(3), "half_square", MOMENTS),
    "square, leaky": (Network([3, 16, 8], "leaky_relu(0.5)", "lecun"), np.ones(3), "half_square", MOMENTS),
    "softmax": (Network([3, 6], "relu"), np.ones(3), "cross_entropy", MOMENTS),
}


@pytest.mark.parametrize("case", EXACT_CASES)
def test_exact_theory_against_brute_force(case):
    network, rows, loss, fields = EXACT_CASES[case]
    record = theory.backward(network, rows, loss=loss)
    if case != "softmax":
        assert {getattr(record, name).origin for name in fields} == {"exact"}
    assert_agree(scores(record, draw(network, rows, loss, 60_000), fields))


def test_brute_force_rejects_what_is_slightly_wrong():
    """The negative control, at the same budget: weights 2% off, slopes a little leaky, normal weights for uniform."""
    network, x = Network([5, 9, 12, 4], "relu"), SPREAD[1]
    drawn = draw(network, x, GIVEN, 60_000)
    assert_agree(scores(theory.backward(network, x, loss=GIVEN), drawn, (*MEANS, *LOGS)))
    off = theory.backward(Network(network.widths, "relu", multiplier=1.05), x, loss=GIVEN)
    leaky = theory.backward(Network(network.widths, "leaky_relu(0.1)"), x, loss=GIVEN)
    for wrong, field in ((off, "gradient_variance"), (off, "log_mean"), (leaky, "log_variance"), (leaky, "dead")):
        assert_rejected(scores(wrong, drawn, [field]))
    network, rows, loss, _ = EXACT_CASES["uniform"]
    drawn = draw(network, rows, loss, 60_000)
    normal = theory.backward(Network(network.widths, "leaky_relu(0.5)", "he"), rows, loss=loss)
    assert_rejected(scores(normal, drawn, ["fluctuation"]))


def test_gradient_independence_is_rejected():
    """Fresh weights on the way back would give |z|^2 / 2 the gradient of a random direction."""
    network, x = Network([3, 16, 6], "relu", "lecun"), np.ones(3)
    drawn = draw(network, x, "half_square", 60_000)
    right = theory.backward(network, x, loss="half_square")
    fresh = theory.backward(network, x)
    size = right.gradient_variance[-1]
    assert_rejected(
        (drawn[0][:, 0].mean() - fresh.gradient_variance[0] * size) / (drawn[0][:, 0].std() / np.sqrt(60_000))
    )
    assert_agree(scores(right, drawn, ["gradient_variance"]))


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


# Everything at once


@pytest.mark.parametrize("order", [None, "infinite"])
@pytest.mark.parametrize("multiplier", [0.25, 4.0])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "silu"])
def test_deep_networks_stay_finite_in_logarithms(activation, multiplier, order):
    inputs = np.array([[1e-3, 0, 0, 0], [30.0, 1, 1, 1], [0, 0, 0, 0]])
    network = Network([4] + [64] * 60 + [3], activation, multiplier=multiplier)
    for loss in (*LOSSES, np.array([1.0, 0, 2])):
        record = theory.backward(network, inputs, loss=loss, order=order)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            str(record)
        for name, profile in record.profiles.items():
            assert not np.isnan(profile.values).any(), name
            assert not np.isnan(profile.errors).any(), name
        for name in ("log_mean", "log_variance"):
            profile = getattr(record, name)
            assert (profile is None) == (isinstance(loss, str) and loss == "cross_entropy")
            assert profile is None or np.isfinite(profile.values).all(), name


def test_beyond_float64():
    for multiplier, end in ((4.0, np.inf), (0.25, 0.0)):
        network = Network([8] * 1001, "relu", multiplier=multiplier)
        record = theory.backward(network, np.ones(8))
        assert record.gradient_variance[0] == end
        steps = np.diff(record.log_mean.values)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-10)
        square = theory.backward(Network([8] * 201, "relu", multiplier=multiplier), np.ones(8), loss="half_square")
        assert np.isfinite(square.log_mean.values).all()
        assert not np.isnan(square.fluctuation.values).any()
    one = theory.backward(Network([1] * 1001, "relu"), np.ones(1))
    expected = 0.5 ** np.arange(1000.0)
    expected[-1] = 1.0
    assert (np.abs(one.gradient_variance.values - expected) <= one.gradient_variance.errors + 1e-305).all()
    np.testing.assert_allclose(one.gradient_variance.values, expected, rtol=1e-10)


def test_widths_of_one():
    for activation in ("relu", "linear", "tanh", "sin", "softplus", "hardtanh"):
        for order in (None, "first", "infinite"):
            for loss in (*LOSSES, np.ones(1)):
                record = theory.backward(Network([1, 1, 1, 1], activation), loss=loss, order=order)
                for name, profile in record.profiles.items():
                    gone = isinstance(loss, str) and loss == "cross_entropy" and name == "fluctuation"
                    assert np.isnan(profile.values).all() if gone else np.isfinite(profile.values).all(), name


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
    monkeypatch.setattr(wide, "_NODES", len(rows))
    direct = theory.backward(network, rows, loss=loss)
    for name, profile in many.profiles.items():
        close(profile, getattr(direct, name).values, rtol=1e-10, atol=1e-12)


# What is asked for wrongly


def test_what_is_refused():
    network = Network([4, 3, 2], ["tanh", "linear"])
    cases = (
        ({"order": "second"}, r"unknown order 'second'; choose one of infinite, first, exact"),
        ({"order": "exact"}, r"layer 1 is tanh; use order='first' or order='infinite'"),
        ({"loss": "hinge"}, r"unknown loss 'hinge'; choose one of linear, half_square, cross_entropy, or give"),
        ({"loss": np.ones(3)}, r"loss has shape \(3,\); a given gradient of this network"),
        ({"loss": np.array([1.0, np.nan])}, "loss is nan in size"),
        ({"inputs": np.ones(5)}, "this network takes"),
    )
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            theory.backward(network, **arguments)
    with pytest.raises(TypeError, match="loss is None"):
        theory.backward(network, loss=None)
    with pytest.raises(TypeError, match=r"give a varprop\.Network"):
        theory.backward([4, 3, 2])
    with pytest.raises(ValueError, match="activation mine has no derivative; give one"):
        theory.backward(Network([4, 3, 2], custom_activation(np.arctan, name="mine")))
    with pytest.raises(ValueError, match="variances must be zero or positive"):
        derivative_moment(network.layers[0].activation, -1.0)


def test_orders_that_weights_and_losses_allow():
    uniform = Network([4, 3, 2], "relu", "he_uniform")
    with pytest.raises(
        ValueError, match=r"normal weights in every layer, but layer 1 is uniform; use order='infinite'"
    ):
        theory.backward(uniform, order="first", loss="half_square")
    with pytest.raises(ValueError, match="layer 1 is uniform"):
        theory.backward(uniform, order="exact", loss="half_square")
    with pytest.raises(ValueError, match=r"but this is cross_entropy; use order='first'"):
        theory.backward(Network([4, 3, 2]), order="exact", loss="cross_entropy")
    assert theory.backward(uniform, loss="half_square").gradient_variance.origin == "infinite width"
    record = theory.backward(uniform)
    assert record.gradient_variance.origin == record.fluctuation.origin == "exact"
    assert record.log_mean.origin == FIRST
    square = theory.backward(Network([4, 3, 2], bias_variance=0.1), loss="half_square")
    assert square.gradient_variance.origin == square.weight_gradient_variance.origin == "exact"
    assert square.fluctuation.origin == square.log_mean.origin == FIRST
    assert theory.backward(Network([4, 3, 2], "hardtanh")).dead is None


def test_custom_activation_is_as_good_as_the_built_in_one():
    mine = custom_activation(np.tanh, lambda z: 1 / np.cosh(z) ** 2, name="mine")
    ours, theirs = (theory.backward(Network([5, 6, 7, 3], a, "lecun"), SPREAD) for a in (mine, "tanh"))
    for name in FIELDS[:-1]:
        close(getattr(ours, name), getattr(theirs, name).values)
    assert ours.dead is None
    output_only = Network([5, 6, 3], ["tanh", custom_activation(np.arctan)], "lecun")
    close(
        theory.backward(output_only).gradient_variance,
        theory.backward(Network([5, 6, 3], "tanh", "lecun")).gradient_variance.values,
    )
