"""theory.precision against brute force that draws every weight and rounds every number."""

import numpy as np
import pytest
from evidence import assert_agree, assert_rejected, fresh_seed, needs_compiler
from scipy import special

from varprop import Backward, LayerProfile, Network, VarianceScaling, simulate, theory
from varprop.theory.precision import FORMATS

PROFILES = ("overflow", "underflow", "unit_underflow", "unit_subnormal")


def preactivations(rng, widths, weight_variances, phi, networks):
    """Yield z of each layer, (networks, n), from weights drawn one by one; x ~ N(0, I)."""
    a = rng.normal(size=(networks, widths[0]))
    for n, variance in zip(widths[1:], weight_variances, strict=True):
        w = rng.normal(0, np.sqrt(variance), (networks, n, a.shape[1]))
        z = np.einsum("kij,kj->ki", w, a)
        a = phi(z)
        yield z


def counted(z, numbers):
    """Return the four losses of one layer, by comparison with the format's numbers: shape (networks, 4)."""
    largest, normal, smallest = numbers
    size = np.abs(z)
    first = size[:, 0]  # units of one network are not independent: one of them is
    lost = (size > largest).any(1), (size <= smallest / 2).all(1), first <= smallest / 2, first < normal
    return np.stack(lost, axis=1)


def z_scores(lost, predicted, networks):
    """Binomial z-scores (L, 4) where what is expected is well away from 0 and 1."""
    p = np.stack([getattr(predicted, name).values for name in PROFILES], axis=1)
    use = (p > 300 / networks) & (p < 1 - 300 / networks)
    return ((lost - p) / np.sqrt(np.where(use, p * (1 - p), 1.0) / networks))[use]


def test_formats_are_numpys():
    for name in ("float16", "float32"):
        info = np.finfo(name)
        assert FORMATS[name] == (info.max, info.tiny, info.smallest_subnormal)


@pytest.mark.parametrize(
    ("name", "exponent_bits", "fraction_bits", "top_patterns_for_nan"),
    [
        ("float16", 5, 10, 0),
        ("bfloat16", 8, 7, 0),
        ("float32", 8, 23, 0),
        ("float8_e5m2", 5, 2, 0),
        ("float8_e4m3fn", 4, 3, 1),
    ],
)
def test_formats_follow_from_their_bits(name, exponent_bits, fraction_bits, top_patterns_for_nan):
    """IEEE formats keep the top exponent for inf and NaN; e4m3fn only its last fraction, for NaN."""
    bias = 2 ** (exponent_bits - 1) - 1
    if top_patterns_for_nan:
        largest = (2 - 2 * 2.0**-fraction_bits) * 2.0 ** (2**exponent_bits - 1 - bias)
    else:
        largest = (2 - 2.0**-fraction_bits) * 2.0**bias
    assert FORMATS[name] == (largest, 2.0 ** (1 - bias), 2.0 ** (1 - bias - fraction_bits))


CASES = [
    ("relu", 40.0, [3, 4, 5, 3, 4], "float8_e4m3fn", np.float16),
    ("relu", 0.02, [3, 4, 5, 3, 4], "float8_e4m3fn", np.float16),
    ("tanh", 0.003, [2, 3, 1, 3], "float8_e5m2", np.float16),
    ("relu", 1e-4, [3, 4, 5, 3, 4], "float16", np.float16),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "multiplier", "widths", "dtype", "cast"), CASES)
def test_brute_force_agrees(name, multiplier, widths, dtype, cast):
    phi = {"relu": lambda z: np.maximum(z, 0.0), "tanh": np.tanh}[name]
    networks = 100_000
    variances = [multiplier / n for n in widths[:-1]]
    rng = np.random.default_rng(fresh_seed())
    lost = []
    for z in preactivations(rng, widths, variances, phi, networks):
        if dtype == "float16":  # the cast itself, not a comparison
            with np.errstate(over="ignore", under="ignore"):
                rounded = z.astype(cast)
            np.testing.assert_array_equal((rounded == 0).all(1), counted(z, FORMATS[dtype])[:, 1])
        lost.append(counted(z, FORMATS[dtype]).mean(axis=0))
    lost = np.array(lost)

    def predicted(factor):
        return theory.precision(Network(widths, name, "lecun", multiplier=multiplier * factor), dtype)

    scores = z_scores(lost, predicted(1.0), networks)
    assert len(scores) >= 4
    assert_agree(scores)
    assert_rejected(z_scores(lost, predicted(1.1), networks))


def test_one_layer_by_hand():
    x = np.array([3.0, 4.0])
    found = theory.precision(Network([2, 7], "relu", "lecun", multiplier=0.04), np.float16, x)
    q = 0.04 / 2 * 25
    assert found.unit_subnormal[0] == pytest.approx(special.erf(2.0**-14 / np.sqrt(2 * q)), rel=1e-9)
    assert found.unit_underflow[0] == pytest.approx(special.erf(2.0**-25 / np.sqrt(2 * q)), abs=1e-11)
    assert found.overflow[0] == 0
    assert (found.dtype, found.of, found.overflow.origin) == ("float16", "signal", "exact")
    biased = theory.precision(Network([2, 7], "relu", multiplier=1e-30, bias_variance=1e10), "float16", x)
    p = 1 - special.erf(65504 / np.sqrt(2e10)) ** 7
    assert biased.overflow[0] == pytest.approx(p, abs=1e-9)


@pytest.mark.slow
def test_dead_networks_underflow_and_explosions_overflow():
    network = Network([4, 3, 3, 3], "relu")
    found = theory.precision(network, "bfloat16")
    np.testing.assert_allclose(found.underflow.values, [0, 1 / 8, 1 - (7 / 8) ** 2], atol=1e-10)
    np.testing.assert_allclose(found.overflow.values, 0.0)
    deep = theory.precision(Network([64] * 9, "gelu", multiplier=1e20), "float32")
    assert deep.overflow[-1] == pytest.approx(1.0, abs=1e-9)
    assert (np.diff(deep.overflow.values) > -1e-9).all()
    for activation in ("tanh", "leaky_relu(0.5)"):
        low = theory.precision(Network([64] * 9, activation, multiplier=1e-20), "float32")
        assert low.underflow[-1] == pytest.approx(1.0, abs=1e-9)
        assert (low.unit_underflow.values <= low.unit_subnormal.values + 1e-9).all()
    nothing = theory.precision(network, "bfloat16", np.zeros(4))
    np.testing.assert_allclose(nothing.underflow.values, 1.0)


@pytest.mark.parametrize("multiplier", [3.0, 0.3])
def test_a_record_is_nearly_its_network(multiplier):
    network = Network([64] * 21, "relu", multiplier=multiplier)
    exact = theory.precision(network, "float8_e4m3fn")
    found = theory.precision(theory.forward(network), "float8_e4m3fn")
    assert found.overflow.origin == "log-normal approximation"
    assert np.isnan(found.overflow.errors).all()
    for name in PROFILES:
        np.testing.assert_allclose(getattr(found, name).values, getattr(exact, name).values, atol=0.02)
    dead = theory.precision(theory.forward(Network([2, 1, 1, 1, 1], "relu")), "float32")
    np.testing.assert_allclose(dead.underflow.values, [0, 1 / 2, 3 / 4, 7 / 8], atol=1e-6)
    still = theory.precision(theory.forward(Network([2, 1], "relu"), np.zeros(2)), "float32")
    assert still.overflow.values.tolist() == [0.0]


def test_a_gradient_of_known_spread():
    """ln d-hat with the mean and variance of ln chi2_n / n is N(0, D) with D fixed."""
    network, n = Network([5, 8, 8], "linear"), np.array([8, 8])
    size = np.array([1e-9, 1e-16])
    mean = special.digamma(n / 2) + np.log(2 / n) + np.log(size)
    record = Backward(
        network,
        "given",
        LayerProfile(size, 0 * size, "exact"),
        log_mean=LayerProfile(mean, 0 * size, "exact"),
        log_variance=LayerProfile(special.polygamma(1, n / 2), 0 * size, "exact"),
        dead=LayerProfile([0.0, 0.25], [0.0, 0.0], "exact"),
    )
    found = theory.precision(record, np.float16)
    one = special.erf(2.0**-25 / np.sqrt(2 * size))
    np.testing.assert_allclose(found.unit_underflow.values, [one[0], 0.25 + 0.75 * one[1]], rtol=1e-9)
    np.testing.assert_allclose(found.underflow.values, [one[0] ** 8, 0.25 + 0.75 * one[1] ** 8], rtol=1e-9)
    assert found.of == "gradient"
    assert "gradient in float16" in str(found)


@needs_compiler
def test_measured_gradients_are_taken():
    network = Network([16] * 11, "tanh", "lecun", multiplier=0.01)
    found = theory.precision(simulate.backward(network, networks=2000), "float16")
    assert (np.diff(found.unit_underflow.values) < 0).all()  # gradients vanish on the way down


def test_text_and_names():
    network = Network([4, 3, 3], "relu")
    record = theory.precision(network, "torch.float8_e5m2")
    assert str(record).splitlines()[0] == "4,3*2, relu, he, signal in float8_e5m2; theory, exact"
    assert "P(all underflow)" in str(record)
    assert "overflow=LayerProfile(" in repr(record)
    assert theory.precision(network, np.dtype("float32")).dtype == "float32"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda n: theory.precision(n, "float64"), ValueError, "unknown dtype 'float64'; choose one of float16"),
        (lambda n: theory.precision("relu", "float16"), TypeError, "give a Network"),
        (lambda n: theory.precision(theory.forward(n), "float16", np.ones(4)), ValueError, "inputs go with a network"),
        (
            lambda n: theory.precision(Network([4, 3], "relu", "orthogonal"), "float16"),
            ValueError,
            "orthogonal weights",
        ),
        (
            lambda n: theory.precision(Backward(n, "given", LayerProfile([1.0], [0.0], "exact")), "float16"),
            ValueError,
            "no log_mean",
        ),
    ],
)
def test_errors_quote_and_advise(call, error, message):
    with pytest.raises(error, match=message):
        call(Network([4, 3], "relu"))


LOG_PHI = {
    "sin": lambda x: np.log(np.abs(np.sin(x))),
    "tanh": lambda x: np.log(np.tanh(np.abs(x))),
    "gelu": lambda x: np.log(np.abs(x)) + special.log_ndtr(x),
    "sigmoid": lambda x: -np.logaddexp(0, -x),
}


def by_quadrature(name, variance, second, width, numbers):
    """Return the four probabilities in layer 2 of (1, width, 2), from nodes equidistant in ln |z|."""
    t = np.linspace(-42, np.log(9), 400_001 if width == 1 else 1201)
    x, mass = np.exp(t), np.exp(t - 0.5 * np.exp(2 * t)) * (t[1] - t[0]) / np.sqrt(2 * np.pi)
    x, mass = np.sqrt(variance) * np.concatenate([-x, x]), np.concatenate([mass, mass])
    if name == "sigmoid":  # steep where it is small, on one side
        x = np.arange(-9 * np.sqrt(variance), 0, 0.25)
        mass = 0.25 * np.exp(-0.5 * x * x / variance) / np.sqrt(2 * np.pi * variance)
    if name == "sin" and variance > 20:  # the angle is uniform
        x = np.exp(np.linspace(-42, np.log(np.pi / 2), len(t)))
        mass = x * np.log(x[1] / x[0]) * 2 / np.pi
        mass[-1] /= 2
    logs = 2 * LOG_PHI[name](x)
    if width == 2:
        logs, mass = np.logaddexp(logs[:, None], logs).ravel(), np.outer(mass, mass).ravel()

    def ends(size):
        return np.exp(np.minimum(np.log(size) - 0.5 * (logs + np.log(2 * second)), 50.0))

    largest, normal, smallest = numbers
    over, below = special.erfc(ends(largest)), special.erf(ends(smallest / 2))
    return mass @ np.stack([1 - (1 - over) ** 2, below**2, below, special.erf(ends(normal))], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "variance", "second", "width", "dtype"),
    [
        ("sin", 1e4, 1e-3, 1, "float16"),  # zeros of phi by the hundred, of which some forty were seen
        ("sin", 1e12, 1e-3, 1, "float16"),
        ("sin", 0.1, 1.0, 2, "float8_e4m3fn"),
        ("tanh", 1e4, 1e-3, 1, "float16"),
        ("gelu", 1.0, 1e-3, 1, "float16"),
        ("gelu", 1.0, 1.0, 2, "float16"),
        ("sigmoid", 1e4, 1e-3, 2, "bfloat16"),  # far more than e^150 below its mean: 0.0345, not 9e-9
    ],
)
def test_tiny_probabilities_are_within_their_errors(name, variance, second, width, dtype):
    """Behind one unit or two, where a small Q comes from a zero of phi or from its tail."""
    network = Network([1, width, 2], name, [VarianceScaling(variance, "none"), VarianceScaling(second, "none")])
    found = theory.precision(network, dtype, [1.0])
    right = by_quadrature(name, variance, second, width, FORMATS[dtype])
    for quantity, exact in zip(PROFILES, right, strict=True):
        profile = getattr(found, quantity)
        assert abs(profile[1] - exact) <= profile.errors[1] + 1e-9 * exact, quantity


def test_the_issues_tiny_probability():
    network = Network([1, 1, 2], "sin", [VarianceScaling(1e4, "none"), VarianceScaling(1e-3, "none")])
    found = theory.precision(network, "float16", [1.0]).underflow
    assert found[1] == pytest.approx(8.438404e-7, abs=1e-12)
    assert found.errors[1] < 1e-9


def test_what_is_only_known_to_be_small_is_below_something():
    """In the table, and in the errors of the record and of its JSON."""
    found = theory.precision(Network([16] * 4, "tanh", "lecun"), "float16")
    lost = found.overflow
    assert (lost.values == 0).all()
    assert ((lost.errors > 0) & (lost.errors < 1e-8)).all()
    assert f"below {lost.errors[0]:.1g}" in str(found)
    beyond = theory.precision(Network([16] * 4, "tanh", "lecun", multiplier=1e12), "float16").overflow
    assert (beyond.values[0], beyond.errors[0] < 1e-8) == (pytest.approx(1.0), True)
