"""Theory of graphs against networks whose every weight, mask and gate is drawn (`drawn_graph`)."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_graph import RULES, measure
from evidence import assert_agree, assert_rejected, fresh_seed, mean_of, score

from varprop import Network, theory
from varprop.layers import LAYERS, Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm

pytestmark = pytest.mark.slow
WIDTHS = (32, 64)  # a mean's bias is near c / width, so that 2 m(64) - m(32) has next to none
CURVATURE = 6.0  # what is left, over the square of the width, relative


def layers(w):
    """Return networks of width w, by name; together they hold every layer."""
    dense, lecun = Dense(w), Dense(w, "lecun")
    pre = Residual(LayerNorm(), dense, "gelu", lecun)
    return {
        "relu": [dense, *[Residual(dense, "relu", lecun, skip=0.9, scale=0.7)] * 2, lecun],
        "pre-norm": [lecun, *[pre] * 2, LayerNorm(), lecun],
        "post-norm": [lecun, *[Residual(lecun, "tanh", lecun), RMSNorm()] * 2, lecun],
        "norm after relu": [dense, *["relu", LayerNorm(), Dense(w, "lecun", bias_variance=0.1)] * 3],
        "geglu": [lecun, *[Residual(RMSNorm(), Gate(w, "gelu", "lecun", bias_variance=0.05), dense)] * 2],
        "dropout": [dense, *["tanh", Dropout(0.2), lecun] * 3],
        "stochastic depth": [lecun, *[Residual(LayerNorm(), dense, "relu", lecun, drop=0.3)] * 2, RMSNorm(), lecun],
        "nested": [
            dense,
            Residual(LayerNorm(), Residual(Residual(dense, "relu", lecun), Dropout(0.2), drop=0.3), skip=-0.8),
            lecun,
        ],
        "branch of softplus": [lecun, Residual(dense, "softplus", scale=0.5), LayerNorm(), lecun],
        "shortcut": [
            lecun,
            Residual(LayerNorm(), dense, "silu", Dense(2 * w, "lecun"), shortcut=Dense(2 * w, "lecun")),
            lecun,
        ],
    }


def drawn(name, networks, **options):
    """Return what is measured at both widths, and the wider network."""
    rng = np.random.default_rng(fresh_seed())
    found = []
    for width in WIDTHS:
        network = Network.sequential(width, layers(width)[name], positions=2)
        found.append(measure(rng, network, networks, positions=2, **options))
    return found, network


def predictions(network, **options):
    """Return theory's values by quantity and place."""
    found = {}
    for record in (theory.forward(network, **options), theory.backward(network, **options)):
        for quantity in (
            "variance",
            "cosine",
            "gradient_variance",
            "weight_gradient_variance",
            "input_gradient_variance",
        ):
            profile = getattr(record, quantity, None)
            if profile is not None:
                found |= {(quantity, place): v for place, v in zip(profile.names, profile.values, strict=True)}
    return found


def scores(found, predicted):
    """Return z-scores of theory against means extrapolated to infinite width."""
    narrow, wide = found
    result = []
    for key, sample in wide.items():
        mean = 2 * sample.mean() - narrow[key].mean()
        error = np.sqrt((4 * sample.var() + narrow[key].var()) / len(sample))
        left = CURVATURE / WIDTHS[1] ** 2 * max(abs(predicted[key]), 0.1 if key[0] == "cosine" else 0.0)
        result.append((mean - predicted[key]) / (error + left))
    return np.array(result)


@pytest.mark.parametrize("name", layers(4))
def test_theory_is_the_limit_of_drawn_networks(name):
    found, network = drawn(name, 300)
    predicted = predictions(network)
    assert set(found[1]) <= set(predicted)
    assert_agree(scores(found, predicted))


def test_together_they_hold_every_layer():
    words = repr(layers(4))
    assert all(f"{name}(" in words for name in LAYERS)


def wrong(network, **changes):
    """Return the network with fields of its first layers of a class replaced."""
    ((kind, fields),) = changes.items()
    swap = lambda layer: (  # noqa: E731
        replace(layer, **fields)
        if type(layer).__name__ == kind
        else Residual(*map(swap, layer.branch), skip=layer.skip, scale=layer.scale, drop=layer.drop)
        if isinstance(layer, Residual)
        else layer
    )
    return Network.sequential(network.width, *map(swap, network.sequence), positions=network.positions)


@pytest.mark.parametrize(
    ("name", "kind", "fields"),
    [
        ("norm after relu", "Dense", {"bias_variance": 0.3}),
        ("dropout", "Dropout", {"p": 0.0}),
        ("relu", "Dense", {"multiplier": 1.25}),
    ],
)
def test_wrong_theory_is_rejected(name, kind, fields):
    found, network = drawn(name, 300)
    assert_rejected(scores(found, predictions(wrong(network, **{kind: fields}))))


def test_a_theory_without_means_is_rejected_where_layer_norm_is_behind_relu():
    found, network = drawn("norm after relu", 1200)
    without = Network.sequential(
        network.width, *(RMSNorm() if isinstance(x, LayerNorm) else x for x in network.sequence), positions=2
    )
    predicted = predictions(without)
    z = scores(found, {key: predicted.get(key, np.nan) for key in predicted})
    assert_rejected(z)
    gradients = [key[0] == "gradient_variance" for key in found[1]]
    assert_rejected(z[gradients])


def test_the_bias_of_a_mean_halves_as_the_width_doubles():
    """Two tanh layers: at width 8 the second's mean square is 5% short of infinite width."""
    rng = np.random.default_rng(fresh_seed())
    biases, errors = [], []
    for width in (8, 16):
        wide = Dense(width, "lecun", multiplier=2)
        network = Network.sequential(width, wide, "tanh", wide, Dropout(0.1), Dense(width))
        sample = measure(rng, network, 60_000, chunk=3000)["variance", "dense 2"]
        expected = theory.forward(network, order="infinite").variance.values[1]
        biases.append(sample.mean() / expected - 1)
        errors.append(sample.std() / expected / np.sqrt(len(sample)))
    assert biases[0] < -10 * errors[0]  # it is there to be seen
    assert abs(biases[0] - 2 * biases[1]) < 5.5 * np.hypot(errors[0], 2 * errors[1]) + 0.2 * abs(biases[0])


# Where means are exact at any width, narrow networks are cheap evidence: a hundred thousand see 2%.

NARROW = {
    "relu": lambda m: [Residual(Dense(7, multiplier=m), "relu", Dense(5, "lecun"), skip=0.9, scale=0.7)] * 2,
    "pre-norm": lambda m: [Residual(RMSNorm(0.0), Dense(7, "lecun", multiplier=m), "gelu", Dense(5, "lecun"))] * 2,
    "stochastic depth": lambda m: [Residual(Dense(7, multiplier=m), "relu", Dense(5, "lecun"), drop=0.3)] * 2,
}


@pytest.mark.parametrize("name", NARROW)
def test_two_percent_in_a_weights_variance_are_seen(name):
    rng, rows = np.random.default_rng(fresh_seed()), np.linspace(0.3, 1.5, 5)[None] + 0.4
    network = Network.sequential(5, *NARROW[name](1.0))
    sample = measure(rng, network, 100_000, chunk=10_000, rows=rows)
    other = Network.sequential(5, *NARROW[name](1.02))

    def z(record):
        places = [place.name for place in network.places]
        keys = [("variance", place) for place in places]
        values = record.variance.values
        return [score(mean_of(sample[key]), value, 1e-12) for key, value in zip(keys, values, strict=True)]

    assert_agree(z(theory.forward(network, rows[0])))
    assert_rejected(z(theory.forward(other, rows[0])))


def test_eps_left_out_is_seen():
    """q = 8e-4 against eps = 1e-5: 1.2% of what a pre-norm block adds, and of its gradient."""
    rng, rows = np.random.default_rng(fresh_seed()), np.sqrt(8e-4) * np.array([[1.0, -1.0, 1.0, 1.0, -1.0]])

    def network(eps):
        return Network.sequential(5, Residual(RMSNorm(eps), Dense(7), "relu", Dense(5, "lecun")), Dense(5))

    sample = measure(rng, network(1e-5), 225_000, chunk=15_000, rows=rows)
    for eps, judge in ((1e-5, assert_agree), (0.0, assert_rejected)):
        found = theory.forward(network(eps), rows[0]).variance
        keys = [("variance", name) for name in found.names]
        judge([score(mean_of(sample[key]), value) for key, value in zip(keys, found.values, strict=True)])


def test_a_wrong_norm_in_the_drawn_networks_is_rejected():
    """The evidence sees a backward pass that forgets how the root mean square depends on its input."""

    def careless(drawn, layer, x, names):
        y, _ = RULES["RMSNorm"](drawn, layer, x, names)
        return y, lambda delta: delta

    found, network = drawn("post-norm", 200, replaced={"RMSNorm": careless})
    assert_rejected(scores(found, predictions(network)))
