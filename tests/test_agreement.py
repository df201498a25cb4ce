"""Theory beside simulation: each function of one against its twin of the other, with a negative control.

Exact theory must agree at any width, first order where what it leaves out hides in the noise, and a
weight variance wrong by a few percent must be found out with the same number of networks.
"""

import numpy as np
import pytest
from evidence import LEVEL, fresh_seed, needs_compiler, quick

from varprop import Network, compare, simulate, theory
from varprop.theory.orders import EXACT, FIRST

pytestmark = needs_compiler

SMALL = (1, 3, 5, 8, 16)
UNEQUAL = [3, 5, 2, 8, 4]


def scaled(network, multiplier):
    """Return the network with another multiplier: nearly the same."""
    return Network(
        network.widths, network.activation, network.weights, multiplier=multiplier, bias_variance=network.bias_variance
    )


def assert_twins(name, network, options=(), networks=100_000, quantities=None, wrong=1.1):
    """Assert that theory and simulation agree in every ``quantities``, and that the wrong network's theory does not."""
    options = dict(options)
    measured = getattr(simulate, name)(network, networks=networks, seed=fresh_seed(), **options)
    predicted, control = (getattr(theory, name)(n, **options) for n in (network, scaled(network, wrong)))
    quantities = quantities or [q for q, p in predicted.profiles.items() if p.origin == EXACT]
    rejected = False
    for quantity in quantities:
        comparison = compare(measured, predicted, quantity=quantity, level=LEVEL / len(quantities))
        assert comparison.verdict != "contradicted", f"{quantity}\n{comparison}"
        against = compare(measured, control, quantity=quantity)
        rejected |= against.verdict == "contradicted"
    assert rejected, "the negative control passed"


@pytest.mark.parametrize("width", SMALL)
@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu(0.3)"])
def test_exact_gradients(width, name):
    networks = 400_000 if width == 1 else 100_000  # few networks outlive four layers of one ReLU
    assert_twins("backward", Network([width] * 5, name, "he"), networks=networks, wrong=1.2)


@pytest.mark.parametrize(
    "weights", quick("he", "glorot", "he_uniform", "he_truncated_normal", "he_orthogonal", slow=["glorot"].count)
)
@pytest.mark.parametrize("loss", ["linear", np.array([1.0, -2.0, 0.0, 0.5])], ids=["linear", "given"])
def test_exact_gradients_of_unequal_widths(weights, loss):
    networks = 1_000_000 if weights in ("he", "glorot") else 100_000
    assert_twins("backward", Network(UNEQUAL, "relu", weights), {"loss": loss}, networks)


def test_exact_gradients_with_biases_and_data():
    rows = np.random.default_rng().normal(size=(5, 3))
    network = Network(UNEQUAL, ["relu", "linear", "leaky_relu(0.2)"], "he", bias_variance=[0.1, 0, 0.3, 0.2])
    assert_twins("backward", network, {"inputs": rows})


@pytest.mark.parametrize("width", quick(*SMALL[1:], slow=SMALL[2:].__contains__))
def test_exact_gradients_that_depend_on_the_output(width):
    """A backward pass with fresh weights is wrong by a quarter and more here."""
    network = Network([width] * 3, "relu", "he")
    assert_twins("backward", network, {"loss": "half_square"}, 2_000_000, ["gradient_variance", "dead"], wrong=1.2)


FIRST_CASES = {
    "tanh": (Network([32] * 5, "tanh", "lecun"), "linear"),
    "tanh, output": (Network([32] * 5, "tanh", "lecun", bias_variance=0.1), "half_square"),
    "softplus": (Network([64] * 4, "softplus", "lecun", bias_variance=0.1), "linear"),
    "gelu, softmax": (Network([64] * 4, "gelu", "he"), "cross_entropy"),
}


@pytest.mark.parametrize("case", FIRST_CASES)
def test_gradients_to_first_order(case):
    network, loss = FIRST_CASES[case]
    quantities = ["gradient_variance", "weight_gradient_variance"]
    assert theory.backward(network, loss=loss).gradient_variance.origin == FIRST
    assert_twins("backward", network, {"loss": loss}, 40_000, quantities)


@pytest.mark.parametrize("width", SMALL)
def test_exact_correlations(width):
    """Only of linear networks, and there no weight variance can change it: a wrong correlation must be found out."""
    network = Network([width] * 4, "linear", "lecun")
    measured = simulate.pair(network, 0.3, networks=200_000, seed=fresh_seed())
    assert theory.pair(network, 0.3).correlation.origin == EXACT
    comparison = compare(measured, theory.pair(network, 0.3))
    assert comparison.judged > 0
    # products of single numbers may be too skewed in the last layer
    assert comparison.agrees or (width == 1 and comparison.verdict == "not judged")
    assert compare(measured, theory.pair(network, 0.35)).verdict == "contradicted"


@pytest.mark.parametrize("width", quick(16, 64, 256, slow=lambda width: width > 64))
@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_correlations_to_first_order(width, name):
    network = Network([width] * 4, name, "lecun" if name == "tanh" else "he")
    measured = simulate.pair(network, 0.3, networks=400 * width, seed=fresh_seed())
    quantities = ("correlation", "cosine") if width > 16 else ("correlation",)
    for quantity in quantities:
        comparison = compare(measured, theory.pair(network, 0.3), quantity=quantity, level=LEVEL / 2)
        assert comparison.agrees, comparison
        assert compare(measured, theory.pair(network, 0.4), quantity=quantity).verdict == "contradicted"


def test_first_order_is_better_than_infinite_width():
    """At width 16 and 400,000 networks infinite width is found wrong, in gradients as in signals."""
    network = Network([16] * 7, "tanh", "lecun")
    measured = simulate.backward(network, networks=400_000, seed=fresh_seed())
    infinite, first = (theory.backward(network, order=order) for order in ("infinite", "first"))
    far, near = (np.abs(compare(measured, p).z).max() for p in (infinite, first))
    assert far > 20
    assert near < far / 4


DOUBTED = [("gelu", "he", 64, 20), ("silu", "he", 32, 12), ("tanh", "lecun", 16, 12), ("elu", "he", 16, 10)]


@pytest.mark.parametrize(
    ("activation", "weights", "width", "depth"), [pytest.param(*DOUBTED[0], marks=pytest.mark.slow), *DOUBTED[1:]]
)
def test_first_order_is_near_where_it_is_not_doubtful(activation, weights, width, depth):
    network = Network([width] * (depth + 1), activation, weights)
    predicted = theory.forward(network)
    measured = simulate.forward(network, networks=200_000, seed=fresh_seed())
    off = np.abs(predicted.variance.values / measured.variance.values - 1)
    error = measured.variance.errors / measured.variance.values
    trusted = ~predicted.doubtful
    assert trusted[0]
    assert (off[trusted] < 0.1 + 6 * error[trusted]).all()
    assert (off > 1).any() == (activation in ("gelu", "silu"))  # the negative control: it does break down,
    assert not trusted[off > 0.5].any()  # and is known to
