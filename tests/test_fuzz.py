"""Whatever is asked ends in numbers, or in one clear ValueError or TypeError: never a warning, never another exception.

A few examples here; `make fuzz` tries many. An input that fails is best kept as a test of its own.
"""

import contextlib
import functools
import io
import json
import math
import os
import pathlib
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from varprop import Network, VarianceScaling, compare, custom_activation, leaky_relu, simulate, theory
from varprop.activations import NAMES
from varprop.checks import LONGEST
from varprop.cli.program import is_about_arguments, main
from varprop.initializers import MODES
from varprop.initializers import NAMES as WEIGHTS
from varprop.inputs import LOSSES
from varprop.layers import LAYERS, Dense, Dropout, Gate, Residual

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
fuzz = functools.partial(
    settings, deadline=None, derandomize=not EXAMPLES, database=None, suppress_health_check=list(HealthCheck)
)


def examples(few: int):
    """Return settings for so many examples, or for as many as `make fuzz` wants: there fewer where one takes long."""
    return fuzz(max_examples=max(few, EXAMPLES * few // 25))


def cube(z):
    return z * z * z


OWN = (
    custom_activation(cube, lambda z: 3 * z * z),
    custom_activation(lambda z: 0.0 * z, name="nothing"),
    custom_activation(lambda z: 1e200 * z, name="steep"),
    custom_activation(lambda z: math.log(1 + math.exp(z)), name="naive softplus"),
    custom_activation(lambda z: np.sqrt(z + 3), name="half a line"),
)
ODD = (math.nan, math.inf, -math.inf, -1.0, 0.0, "1", None, True, 1j, 10**400, np.array([1.0, 2.0]), [], object())

powers = st.floats(-308, 308).map(lambda x: 10.0**x)
usual = st.floats(-3, 3).map(lambda x: 10.0**x)
positive = usual | powers
numbers = usual | usual | powers | st.sampled_from(ODD)
slopes = st.floats(-2, 2).filter(lambda s: s == 0 or abs(s) > 1e-12) | st.floats(-11.9, 11.9).map(lambda x: 10.0**x)
activations = (
    st.sampled_from(NAMES) | st.sampled_from(NAMES) | st.sampled_from(OWN) | slopes.map(lambda s: f"leaky_relu({s!r})")
)
scalings = st.builds(
    VarianceScaling,
    usual | st.floats(-100, 100).map(lambda x: 10.0**x),
    st.sampled_from(MODES),
    st.sampled_from(["normal", "uniform", "truncated_normal", "orthogonal"]),
)
FRAMEWORKS = ["torch:linear", "keras:he_normal", "jax:variance_scaling(0.5, 'fan_out', 'uniform')"]
weights = st.sampled_from(WEIGHTS) | scalings | st.sampled_from(FRAMEWORKS)
widths = st.lists(st.sampled_from([1, 2, 3, 5, 16]), min_size=2, max_size=6)


@st.composite
def networks(draw):
    """Networks of any description that is allowed."""
    n = draw(widths)
    each = draw(st.booleans())
    phi = draw(st.lists(activations, min_size=len(n) - 1, max_size=len(n) - 1)) if each else draw(activations)
    multiplier = draw(st.just(1.0) | usual | st.floats(-90, 90).map(lambda x: 10.0**x))
    bias = draw(st.just(0.0) | st.none() | usual | st.floats(-300, 100).map(lambda x: 10.0**x))
    try:
        return Network(n, phi, draw(weights), multiplier=multiplier, bias_variance=bias)
    except ValueError:  # a variance beyond what is allowed
        return Network(n, phi, draw(st.sampled_from(WEIGHTS)), bias_variance=draw(usual))


def layer(draw, depth: int):
    """Return a layer of any kind, blocks within blocks down to ``depth``; their errors come out as they are."""

    def one(strategy):
        return draw.draw(strategy)

    kind = one(
        st.sampled_from(
            ["phi", "phi", "Dense", "Dense", "Gate", "LayerNorm", "RMSNorm", "Dropout"] + ["Residual"] * depth
        )
    )
    if kind == "phi":
        return one(st.sampled_from(NAMES if not EXAMPLES else (*NAMES, *OWN)))
    width = one(st.sampled_from([None, None, None, 1, 2, 5])) if kind in ("Dense", "Gate") else None
    law = {"weights": one(weights), "multiplier": one(usual)} if kind in ("Dense", "Gate") else {}
    if kind == "Dense":
        return Dense(width, **law, bias_variance=one(st.just(0.0) | usual))
    if kind == "Gate":
        return Gate(width, one(st.sampled_from(NAMES)), **law)
    if kind in ("LayerNorm", "RMSNorm"):
        return LAYERS[kind](one(st.just(1e-5) | st.floats(0, 1) | powers))
    share = st.floats(0, 1, exclude_max=True)
    if kind == "Dropout":
        return Dropout(one(share))
    factor = st.just(1.0) | st.floats(-2, 2) | st.floats(-55, 55).map(lambda x: 10.0**x)
    branch = [layer(draw, depth - 1) for _ in range(one(st.integers(1, 3)))]
    how = {"skip": one(factor), "scale": one(factor), "drop": one(st.just(0.0) | share)}
    return Residual(*branch, shortcut=layer(draw, 0) if one(st.booleans()) else None, **how)


def graph(draw):
    """Return any network of layers, or None where these do not fit together, or hold a number out of range."""

    def made():
        found = [layer(draw, 2) for _ in range(draw.draw(st.integers(1, 4)))]
        return Network.sequential(
            draw.draw(st.sampled_from([1, 2, 5])), *found, positions=draw.draw(st.sampled_from([1, 1, 2, 3, (2, 2)]))
        )

    return answered(made)


def data(n):
    """What may be given as inputs of ``n`` features."""
    entries = st.just(0.0) | usual | st.floats(-80, 80).map(lambda x: 10.0**x) | st.sampled_from([math.nan, math.inf])
    rows = st.lists(st.lists(entries, min_size=n, max_size=n), min_size=1, max_size=4).map(np.array)
    return st.none() | st.none() | rows | rows | st.sampled_from([np.ones(n), np.zeros(n), np.ones(n + 1), "x", [[]]])


def answered(ask):
    """Return what ``ask`` gives, checked; None where it refuses in one line of its own."""
    refusal = None
    try:
        result = ask()
    except (ValueError, TypeError) as error:
        refusal = error
    if refusal is not None:
        assert is_about_arguments(refusal), f"not an error of ours: {refusal!r}"
        assert "\n" not in str(refusal)
        assert len(str(refusal)) < 5 * LONGEST
        return None
    assert str(result)
    for name, profile in getattr(result, "profiles", {}).items():
        values, errors = profile.values, profile.errors
        if result.main == "gradient_variance" and name in ("weight_gradient_variance", "dead"):
            nodes = [result.network.nodes[place.node].operation for place in result.network.places]
            weighted = np.array([isinstance(operation, Dense) for operation in nodes])  # other places have no weights
            values, errors = values[weighted], errors[weighted]
        if name in ("variance", "second_moment", "gradient_variance", "weight_gradient_variance", "dead"):
            assert not np.isnan(values).any(), name
            assert not np.isnan(errors).any(), name
            assert (values >= 0).all(), name
        if name == "dead":
            assert (values <= 1).all()
    return result


@examples(25)
@given(st.data())
def test_descriptions(draw):
    n = draw.draw(widths | st.sampled_from([[], [3], [0, 2], [2, 2.5], "2,2", 3, [True, 2], [2, 10**30]]))
    phi = draw.draw(activations | st.sampled_from([*ODD, "tahn", ["relu"] * 9, [None]]))
    law = draw.draw(weights | st.sampled_from([*ODD, "xavier", ["he"] * 9]))
    answered(lambda: Network(n, phi, law, multiplier=draw.draw(numbers), bias_variance=draw.draw(numbers)))
    answered(lambda: VarianceScaling(draw.draw(numbers)))
    answered(lambda: leaky_relu(draw.draw(numbers | slopes)))


@examples(3)
@given(networks(), st.data())
def test_theory_of_networks(network, draw):
    x, order = (
        draw.draw(data(network.widths[0])),
        draw.draw(st.sampled_from([None, None, "infinite", "first", "exact"])),
    )
    answered(lambda: theory.forward(network, x, order=order))
    loss = draw.draw(st.sampled_from([*LOSSES, np.ones(network.widths[-1]), "mse", np.zeros(network.widths[-1])]))
    answered(lambda: theory.backward(network, x, loss=loss, order=order))
    correlation = draw.draw(st.floats(-1, 1) | numbers)
    answered(lambda: theory.pair(network, correlation, order=order))
    answered(lambda: theory.networks_needed(network, draw.draw(numbers), x))
    answered(lambda: theory.precision(network, draw.draw(st.sampled_from([*theory.FORMATS, "int8"])), x))


@examples(1)
@given(networks(), st.data())
def test_theory_of_laws(network, draw):
    answered(lambda: theory.law(network, draw.draw(data(network.widths[0]))))


@examples(1)
@given(activations, numbers, numbers, numbers)
def test_theory_of_activations(phi, gain_squared, bias, q):
    answered(lambda: theory.gain(phi, q))
    answered(lambda: theory.gains(phi, q))
    answered(lambda: theory.fixed_point(phi, gain_squared, bias, start=q))
    answered(lambda: theory.critical(phi, bias))


@examples(4)
@given(networks(), st.data())
def test_simulation(network, draw):
    x, count = draw.draw(data(network.widths[0])), draw.draw(st.sampled_from([2, 3, 65, 200]))
    how = {
        "networks": count,
        "seed": draw.draw(st.integers(0, 2**64 - 1)),
        "method": draw.draw(st.sampled_from(["auto", "auto", "dense", "conditional"])),
    }
    quantity = draw.draw(st.sampled_from([None, "log_mean", "dead", "fluctuation", "eighth_moment", "nothing"]))
    moments = draw.draw(st.sampled_from([None, 8, 6, 5]))
    measured = answered(lambda: simulate.forward(network, x, moments=moments, **how))
    predicted = answered(lambda: theory.forward(network, x, moments=moments))
    if measured is not None and predicted is not None:
        answered(lambda: compare(measured, predicted, quantity=quantity))
    if not EXAMPLES:  # the other kernels take long to compile
        return
    loss = draw.draw(st.sampled_from([*LOSSES, np.ones(network.widths[-1])]))
    answered(lambda: simulate.backward(network, x, loss=loss, **how))
    answered(lambda: simulate.pair(network, draw.draw(st.floats(-1, 1)), **how))
    answered(lambda: simulate.law(network, x, **how))


@examples(12)
@given(st.data())
def test_graphs(draw):
    network = graph(draw)
    if network is None:
        return
    x, order = draw.draw(data_of(network)), draw.draw(st.sampled_from([None, None, "infinite", "first", "exact"]))
    answered(lambda: theory.forward(network, x, order=order, moments=8))
    loss = draw.draw(st.sampled_from([*LOSSES, np.ones(network.nodes[network.top].width), "mse"]))
    answered(lambda: theory.backward(network, x, loss=loss, order=order))
    answered(lambda: theory.pair(network, draw.draw(st.floats(-1, 1))))
    for ask in (theory.gram, theory.nngp, theory.ntk):
        answered(lambda ask=ask: ask(network, x))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "network.json"
        written = answered(lambda: network.save(path) or path)
        if written is not None:
            assert Network.load(path) == network
            assert status_of(["predict", str(path), "--json"]) in (0, 2)
            np.save(pathlib.Path(folder) / "x.npy", np.ones(3) if x is None else x, allow_pickle=False)
            for command in ("gram", "nngp", "ntk"):
                status_of([command, str(path), "--inputs", str(path.with_name("x.npy")), "--json"])
    if not EXAMPLES:  # the kernels take long to compile
        return
    how = {"networks": draw.draw(st.sampled_from([2, 3, 65])), "seed": draw.draw(st.integers(0, 2**64 - 1))}
    how["method"] = draw.draw(st.sampled_from(["auto", "dense", "conditional"]))
    answered(lambda: simulate.forward(network, x, moments=8, **how))
    answered(lambda: simulate.backward(network, x, loss=loss, **how))
    answered(lambda: simulate.gram(network, x, **how))


def data_of(network):
    """Return what may be given as inputs of a network with positions."""
    shape = network.positions if isinstance(network.positions, tuple) else (network.positions,)
    shape = (*shape, network.width) if network.position_count > 1 else (network.width,)
    scale = st.just(1.0) | usual | st.floats(-80, 80).map(lambda x: 10.0**x)
    given = st.builds(
        lambda n, seed, a: a * np.random.default_rng(seed).normal(size=(n, *shape)),
        st.integers(1, 3),
        st.integers(0, 9),
        scale,
    )
    return st.none() | given | given | st.sampled_from([np.ones(shape), np.zeros(shape), np.ones((2, 2)), "x", [[]]])


WORDS = {
    "-a": st.sampled_from([*NAMES, "tahn", "leaky_relu(1e200)", "leaky_relu(", ""]),
    "-w": st.sampled_from([*WEIGHTS, *FRAMEWORKS, "xavier", "torch:uniform_", "torch:normal_(", "é"]),
    "-m": st.sampled_from(["1", "1e-90", "1e90", "nan", "0", "x"]),
    "-b": st.sampled_from(["0", "1e-300", "1e99", "-1", "inf"]),
    "--order": st.sampled_from(["infinite", "first", "exact", "third"]),
    "-n": st.sampled_from(["2", "100", "0", "1e3", "-1"]),
    "--seed": st.sampled_from(["0", "18446744073709551615", "-1"]),
    "--loss": st.sampled_from([*LOSSES, "mse"]),
    "-c": st.sampled_from(["0", "1", "-1", "2", "nan"]),
    "--relative-error": st.sampled_from(["0.9", "1e-200", "2"]),
    "--threads": st.sampled_from(["1", "0"]),
    "--quantity": st.sampled_from(["log_mean", "dead", "x"]),
    "--dtype": st.sampled_from(["float16", "int8"]),
    "-g": st.sampled_from(["1", "2", "0", "nan"]),
    "--variance": st.sampled_from(["1", "1e300", "0"]),
    "--inputs": st.sampled_from(["/no/such/file", os.devnull, __file__]),
}
FLAGS = ["--json", "--backward", "--pair", "--help", "--nonsense"]


@st.composite
def command_lines(draw):
    command = draw(
        st.sampled_from(["predict", "predict", "check", "simulate", "precision", "gain", "critical", "ntk", "nothing"])
    )
    subject = draw(st.sampled_from(["2,3,4", "1*3", "5,1", "4*6", "2", "0,1", "2,x", "3*0", "tanh", "relu", "2**3"]))
    words = [command, subject, "--json"]
    for name in draw(st.lists(st.sampled_from(sorted(WORDS)), max_size=4, unique=True)):
        words += [name, draw(WORDS[name])]
    return words + draw(st.lists(st.sampled_from(FLAGS), max_size=2, unique=True))


@examples(15)
@given(command_lines())
def test_command_lines(words):
    words = [word for i, word in enumerate(words) if word != "--json" or i == 2]
    if words[0] in ("check", "simulate") and "-n" not in words:
        words += ["-n", "50"]
    status_of(words)


def status_of(words) -> int:
    """Return the exit status of a command line, checked with what it prints."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["varprop", *words])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    assert status in (0, 1, 2, 3), (words, status, err.getvalue())
    assert "Traceback" not in err.getvalue()
    if status == 2:
        assert err.getvalue().strip()
        assert out.getvalue() == ""
    elif "--help" not in words:
        json.loads(out.getvalue(), parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    return status
