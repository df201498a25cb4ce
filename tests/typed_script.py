"""A user's script, which `make lint` holds to the strictest types: every public call has them, and wrong ones are seen.

Each `type: ignore` is a mistake that the checker must see: one that it does not see is unused, and fails too.
"""

import math
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from matplotlib.axes import Axes

import varprop
from varprop import (
    Activation,
    Backward,
    Comparison,
    Forward,
    Law,
    LayerProfile,
    Network,
    Pair,
    VarianceScaling,
    compare,
    custom_activation,
    extend,
    leaky_relu,
    load,
    merge,
    report,
    simulate,
    theory,
)
from varprop.layers import Dense, Dropout, Gate, LayerNorm, Residual, RMSNorm


def swish(z: float) -> float:
    return z / (1 + math.exp(-z))


def networks(path: Path) -> list[Network]:
    chain = Network(widths=[784] + [512] * 6 + [10], activation="relu", weights="he")
    each = Network((64, 32, 10), [leaky_relu(0.2)], [VarianceScaling(2.0), "lecun"], multiplier=[1.0, 0.5])
    own = Network(np.array([64, 32, 10]), custom_activation(swish, kinks=[0.0]), bias_variance=0.1)
    block = Residual(LayerNorm(), Dense(256), "gelu", Dropout(0.1), Dense(64), scale=0.5, shortcut=Dense(64))
    graph = Network.sequential(64, [block, [block]], Gate(64, np.tanh), RMSNorm(), Dense(10), positions=(4, 4))
    graph.save(path)
    assert_type(chain.widths, tuple[int, ...])
    assert_type(chain.depth, int)
    assert_type([place.name for place in graph.places], list[str])
    return [chain, each, own, graph, Network.load(path)]


def both(network: Network, rows: "np.ndarray[Any, np.dtype[np.float32]]") -> str:
    predicted = theory.forward(network, rows, order="first")
    measured = simulate.forward(network, rows.tolist(), networks=1000, seed=1, progress=False)
    assert_type(predicted, Forward)
    assert_type(measured.variance, LayerProfile)
    assert_type(measured.at(0), Forward)
    assert_type(measured.names[0], str)
    assert_type(merge(measured, extend(measured, 1000)), Forward)
    print(measured.variance.values[-1], list(measured.variance), len(measured.variance), float(measured.variance))
    found = compare(measured, predicted, quantity="variance")
    assert_type(found, Comparison)
    axes = found.plot()
    assert_type(axes, Axes)
    measured.plot("log_mean", ax=axes, label="measured").set_title("signal")
    return f"{found.verdict} {found.agrees} {found.z.round(1)} {found.p_value:.3f}"


def others(network: Network) -> None:
    assert_type(theory.backward(network, loss=[1.0, 2.0]), Backward)
    assert_type(simulate.backward(network, loss="cross_entropy", relative_error=0.01), Backward)
    assert_type(theory.pair(network, 0.5), Pair)
    assert_type(simulate.pair(network, inputs=np.eye(2), networks=100), Pair)
    assert_type(theory.law(network), Law)
    print(simulate.law(network, networks=100).quantile(0.5).values, theory.law(network).probability_above(2.0))
    print(theory.nngp(network, np.eye(3)).values, simulate.gram(network, np.eye(3), networks=10).at("1"))
    print(theory.gain("relu") + 1.0, theory.gains(Activation("own", np.tanh)).forward)
    print(len(theory.critical("tanh", 0.05)))
    print(theory.fixed_point("tanh", 1.5, 0.1).variance, theory.networks_needed(network, 0.01) + 1)
    print(theory.phase_diagram("tanh", [1.0, 2.0], np.linspace(0, 1, 3)).phase)
    print(theory.tune(network, factor=10.0), theory.precision(network, "float16").overflow.values)
    print(theory.weight_law("he", 10, 10))


def kept(network: Network, path: Path) -> float:
    measured = simulate.forward(network, networks=100, checkpoint=path)
    measured.save(path)
    record = load(path)
    assert isinstance(record, Forward)
    assert_type(record.to_dict(), dict[str, Any])
    assert_type(record.variance.to_dict(), dict[str, Any])
    if record.run is not None:
        print(record.run.spans[0][1] - record.run.question.seed, record.run.mixed)
    page = report(network, networks=1000, seed=3, pair=True)
    page.save("own.html")
    print(page.verdicts[0].upper(), varprop.__version__.upper())
    sizes = [block.q.mean() + block.fourth.mean() for block in simulate.sample(network, networks=100)]
    for gradients in simulate.sample(network, networks=100, quantity="backward", loss="half_square"):
        print(gradients.input_d.shape, gradients.to_dict())
    for two in simulate.sample(network, networks=100, quantity="pair", correlation=0.5):
        print(two.cosine.max())
    return float(sum(sizes))


def mistakes(network: Network) -> None:
    Network("784,10")  # type: ignore[arg-type]
    Network([784, 10], activation=3)  # type: ignore[arg-type]
    Dense("64")  # type: ignore[arg-type]
    theory.forward([784, 10])  # type: ignore[arg-type]
    theory.forward(network, ordr="first")  # type: ignore[call-arg]
    simulate.forward(network, networks="many")  # type: ignore[arg-type]
    compare(theory.law(network), theory.forward(network))  # type: ignore[arg-type]
    merge(theory.forward(network), theory.law(network))  # type: ignore[type-var]
    theory.gain(relu=1)  # type: ignore[call-arg]
    print(theory.forward(network).varience)  # type: ignore[attr-defined]
    varprop.forward(network)  # type: ignore[attr-defined]
    theory.fixed_points("tanh")  # type: ignore[attr-defined]
    report(network, netwroks=10)  # type: ignore[call-arg]
    print(load("a").variance)  # type: ignore[union-attr]
    simulate.sample(network, networks=10, quantity="gradient")  # type: ignore[call-overload]
