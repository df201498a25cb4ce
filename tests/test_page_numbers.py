"""Numbers that the README, the pages of docs/ and DESIGN.md type into sentences are those that the code gives.

What examples print, and tables between marks, other tests hold (test_pages.py, test_bench.py).
"""

import json
import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pages import PAGES
from scipy import optimize, special

from varprop import Network, __version__, compare, theory
from varprop.activations import activation
from varprop.theory.gaussian.derivative_moment import derivative_moment

ROOT = Path(__file__).resolve().parent.parent
WRITTEN, DESIGN = (" ".join(text.split()) for text in ("\n".join(PAGES.values()), (ROOT / "DESIGN.md").read_text()))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SPEED = json.loads((ROOT / "figures" / "speed.json").read_text())
NUMBER = r"(\d[\d,]*(?:\.\d+)?)"


def said(sentence, text=WRITTEN):
    """Return the numbers that stand for each # in a sentence of a text, which is there once, or the same each time."""
    pattern = re.escape(sentence).replace(r"\#", NUMBER).replace(r"\ ", " ")
    found = set(re.findall(pattern, text))
    assert len(found) == 1, f"{sentence!r} is said in {len(found)} ways"
    (found,) = found
    found = found if isinstance(found, tuple) else (found,)
    return [float(number.replace(",", "")) for number in found]


def test_versions():
    (version,) = said("With Python # or later")
    assert PROJECT["requires-python"] == f">={version}"
    assert f"Version {__version__}, " in WRITTEN
    assert PROJECT["version"] == __version__


def test_the_first_example():
    widths = [784] + [512] * 6 + [10]
    weights, seconds = said("A million networks of # million weights each are drawn in about # seconds on two cores")
    assert weights == pytest.approx(np.dot(widths[:-1], widths[1:]) / 1e6, abs=0.05)
    # at the rate of the bench's network, by the random numbers of each: a normal for each input and each unit
    rate = SPEED["cases"]["10 × 256"]["varprop conditional"] * 256 * 11 / sum(widths)
    assert SPEED["cores"] == 2
    assert seconds == pytest.approx(1e6 / rate, rel=0.35)
    (z,) = said("that would take a z-score of about #, and happens by chance once in a million comparisons")
    level = compare.__kwdefaults__["level"]
    assert level == 1e-6
    assert z == pytest.approx(-special.ndtri(level / 2 / (len(widths) - 1)), abs=0.5)


@pytest.mark.parametrize("depth", [10, 30, 100])
def test_what_weights_do(depth):
    assert "about as 1/(2 × depth)" in WRITTEN
    widths = [256] * (depth + 1)
    assert theory.forward(Network(widths, "tanh", "lecun")).variance[-1] == pytest.approx(1 / (2 * depth), rel=0.2)
    assert "E[z²] stays at 2, at every width and depth" in WRITTEN
    assert np.allclose(theory.forward(Network([7] * (depth + 1), "relu", "he")).variance, 2)
    grown = theory.forward(Network([7] * (depth + 2), "relu", "he", multiplier=1.5)).variance
    assert grown[-1] / grown[0] == pytest.approx(1.5**depth)  # "grows or shrinks as k^depth"


def test_raw_pixels_start_too_large():
    datasets = pytest.importorskip("sklearn.datasets")
    pixels = datasets.load_digits().data
    low, high, times = said("the raw pixels below, # to #, start # times too large")
    assert (low, high) == (pixels.min(), pixels.max())
    assert times == pytest.approx((pixels**2).mean(), rel=0.01)


@pytest.mark.slow
def test_signals_that_are_lost():
    def after(name, weights):
        return theory.forward(Network([256] * 51, name, weights), order="infinite").variance

    assert "1/n loses a signal at once, 2/n within some tens of layers" in WRITTEN
    for name in ("gelu", "silu", "mish"):
        assert after(name, "lecun")[4] < 0.03
        assert after(name, "he")[9] > 0.02
        assert after(name, "he")[49] < 1e-4
    assert "under 1/n a signal falls to a seventeenth in 10 layers" in WRITTEN
    assert theory.forward(Network([256] * 11, "tanh", "lecun")).variance[-1] == pytest.approx(1 / 17, rel=0.03)
    assert "under all but `unit` the gradient is lost within ten layers" in WRITTEN
    for weights in ("lecun", "glorot", "he"):
        assert theory.backward(Network([256] * 11, "sigmoid", weights)).gradient_variance[0] < 1e-8


def test_multipliers():
    kept = {name: case["kept"] for name, case in json.loads((ROOT / "figures" / "multiplier.json").read_text()).items()
            if isinstance(case, dict)}  # fmt: skip
    depth, percent = said("In a ReLU net # layers deep, #%")
    assert kept["ReLU, He 2/n"]["30"]["signal"] == pytest.approx([10 ** (-1 / depth), 10 ** (1 / depth)], rel=1e-5)
    assert 1 + percent / 100 == pytest.approx(10 ** (1 / depth), abs=0.005)
    at_64, layers, width, at_infinite = said(
        "tanh needs at least # times 1/n to stay within it over the # layers after the first "
        "(at width #; # at infinite width)"
    )
    least, most = kept["tanh, LeCun 1/n"][f"{layers:.0f}"]["signal"]
    assert at_infinite == pytest.approx(least, abs=0.005)
    assert most is None  # "then no multiplier is too large for the signal"

    def lost(multiplier, order):
        net = Network([int(width)] * (int(layers) + 2), "tanh", "lecun", multiplier=multiplier)
        variance = theory.forward(net, order=order).variance
        return math.log(10 * variance[-1] / variance[0])

    found = {order: optimize.brentq(lost, 1.1, 1.3, args=order, xtol=1e-4) for order in ("first", "infinite")}
    assert [at_64, at_infinite] == pytest.approx([found["first"], found["infinite"]], abs=0.005)


def test_multipliers_in_training():
    trained, searches = (
        json.loads((ROOT / "figures" / f"multiplier_{name}.json").read_text()) for name in ("training", "importance")
    )
    found = {(name, depth): trained[f"{name}, {depth} layers, sgd"]["training_loss"]
             for name in ("relu", "tanh") for depth in (10, 30)}  # fmt: skip
    assert said("What that costs in training: # networks of width") == [trained["networks"]]
    *best, cost = said(
        "ReLU trains best at # times 2/n with 10 hidden layers and at # with 30, and 2/n itself needs # times the "
        "steps of the best at both"
    )
    assert best == pytest.approx([found["relu", depth]["best"] for depth in (10, 30)], abs=0.005)
    assert [cost] * 2 == pytest.approx([found["relu", depth]["theory_over_best"] for depth in (10, 30)], abs=0.005)
    *best, kept_10, kept_30, cost_10, cost_30 = said(
        "tanh trains best at # and # times 1/n, close to where theory keeps the gradient, # and # (`varprop tune`), "
        "and 1/n itself needs # and # times the steps"
    )
    costs = [cost_10, cost_30]
    assert best == pytest.approx([found["tanh", depth]["best"] for depth in (10, 30)], abs=0.005)
    assert costs == pytest.approx([found["tanh", depth]["theory_over_best"] for depth in (10, 30)], abs=0.005)
    for depth, kept in ((10, kept_10), (30, kept_30)):
        stored, (low, high) = trained["theory"]["tanh"][str(depth)], found["tanh", depth]["best_between"]
        assert kept == pytest.approx(stored["gradient_kept"], abs=0.005)
        assert low < kept < high
        network = Network([64] * (depth + 1) + [10], "tanh", "lecun", multiplier=stored["gradient_kept"])
        gradient = theory.backward(network, order="infinite").gradient_variance.values * network.widths[1:]
        assert gradient[0] == pytest.approx(gradient[-1], rel=1e-4)
    ranges = said("from # to # down to # to # for ReLU, from # to # down to # to # for tanh")
    same = [found[name, depth]["same"] for name in ("relu", "tanh") for depth in (10, 30)]
    assert ranges == pytest.approx(np.ravel(same), abs=0.005)

    def first(layers, range_):
        names = [f"{name}, {depth} layers, {range_}" for name in ("relu", "tanh") for depth in layers]
        return [rank == 1 for name in names for rank in searches[name]["rank"]]

    firsts, of = said("between a tenth and ten times theory's it matters most in # of # searches by Optuna")
    assert [firsts, of] == [sum(first((10, 30), "0.1 to 10")), 20]
    firsts, of, deep, of_deep = said("between half and twice in # of # with 10 layers and in # of # with 30")
    assert [firsts, of] == [sum(first((10,), "0.5 to 2")), 10]
    assert [deep, of_deep] == [sum(first((30,), "0.5 to 2")), 10]


def test_pytorchs_default_layer():
    assert "with variance 1/(3n) unless you say otherwise. In a ReLU net that is a sixth of He's variance" in WRITTEN
    (factor,) = said("the gradient shrinks by # in each layer")
    gradient = theory.backward(Network([64] * 12, "relu", "he", multiplier=1 / 6)).gradient_variance
    assert gradient[1:-1] / gradient[:-2] == pytest.approx([factor] * 9)


def test_where_first_order_is_lost():
    layer, width = map(int, said("gelu under He is doubtful from about layer # on at width #"))
    doubtful = theory.forward(Network([width] * (layer + 8), "gelu", "he")).variance.doubtful
    assert not doubtful[: layer - 3].any()
    assert doubtful[layer + 1 :].all()
    mean, fluctuation, logarithm = said("doubtful from #% of a mean on, #% of a fluctuation, # of a logarithm")
    record = theory.forward(Network([8] * 3, "tanh"))
    beyond = [record.profiles[name].doubt_beyond for name in ("variance", "fluctuation", "log_mean")]
    assert beyond == pytest.approx([mean / 100, fluctuation / 100, logarithm])


def test_what_first_order_leaves_out():
    rule = json.loads((ROOT / "figures" / "first_order.json").read_text())
    panels = [rule[f"{name} {q}"] for name, q in (("forward", "variance"), ("backward", "gradient_variance"))]
    panels += [rule[f"{name} log_mean"] for name in ("forward", "backward")]
    layers, *found = said(
        "Of # layers of nets of widths 1 to 64, # were not doubted in E[z²], and off by at most #%; # not in E[δ²], "
        "at most #%; # not in E[ln q̂], at most #; # not in E[ln d̂], at most #."
    )
    assert {panel["layers"] for panel in panels} == {layers}
    for panel, trusted, worst, unit in zip(panels, found[::2], found[1::2], (100, 100, 1, 1), strict=True):
        assert panel["trusted"] == trusted
        assert worst * 0.85 < panel["worst"] * unit <= worst
    assert all(panel["failed"] <= 0.02 * panel["trusted"] for panel in panels)


def test_how_sure():
    (share,) = said("twice the error they report, #% if normal", (ROOT / "analysis" / "sampling_error.py").read_text())
    assert share == pytest.approx(100 * math.erfc(math.sqrt(2)), abs=0.05)
    assert "below one in a million are rejected" in WRITTEN


def test_gradients():
    widths = [64, 128, 32, 10]
    without, with_it = said(
        "it would give # in layer 2 of `varprop check 64,128,32,10 --backward --loss half_square`, where theory says # "
        "and simulation agrees"
    )
    network = Network(widths, "relu", "he")
    assert theory.backward(network, loss="half_square").gradient_variance[1] == pytest.approx(with_it, abs=5e-4)
    # independent of the activations: E[δ²] of layer 3, 2, times n_3 Var(W), times P(z > 0)
    assert without == theory.forward(network).variance[-1] * widths[3] * network.layers[2].weight_variance / 2


def test_the_median_falls():
    assert "the median falls by about exp(5/2 × depth/width)" in WRITTEN
    for depth, width in ((10, 200), (30, 200)):
        median = theory.law(Network([width] * (depth + 1), "relu", "he")).median
        assert math.log(median[0] / median[-1]) == pytest.approx(5 / 2 * depth / width, rel=0.15)


@pytest.mark.slow
def test_edges_of_chaos_in_the_design():
    (sigmoid,) = said("Sigmoid has one, at g² = # without biases", DESIGN)
    assert theory.critical("sigmoid")[0].gain_squared == pytest.approx(sigmoid, abs=0.005)
    for name, bias in zip(("gelu", "silu"), said("have an unstable one up to σ_b² = # and #", DESIGN), strict=True):
        below, above = theory.critical(name, bias - 0.001), theory.critical(name, bias + 0.001)
        assert [point.stable for point in (*below, *above)] == [False, True]


def test_tanh_is_critical_at_lecuns_weights():
    assert "1/n is the edge between" in WRITTEN
    assert derivative_moment(activation("tanh"), 1e-12)[0] == pytest.approx(1)
