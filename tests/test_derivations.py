"""The tables of the derivations hold what theory says today, of what was sampled too."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from evidence import assert_agree, fresh_seed, needs_compiler
from scipy import stats

from varprop import Network, theory

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "derivations"


def rows(page, heading):
    """Return the numbers of each row of the table on a page whose heading line begins so, by the row's first cell."""
    lines = (FOLDER / page).read_text().split(f"\n| {heading}")[1].splitlines()[2:]
    table = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        table[name] = [[float(x.replace("−", "-")) for x in re.findall(r"[-−]?\d+\.?\d*(?:e-?\d+)?", c)] for c in cells]
    return table


def test_logarithms_of_a_relu_layer():
    table = rows("forward.md", "| n = 10 | n = 50 | n = 200")
    for i, n in enumerate((10, 50, 200)):
        record = theory.forward(Network([n] * 4, "relu", "he"))
        (mean,), (variance,) = table["mean of ln X"][i], table["variance of ln X"][i]
        # One more layer adds one ln X of the living, scaled by its mean.
        assert record.log_mean[2] - record.log_mean[1] == pytest.approx(mean, rel=2e-5)
        assert record.log_variance[2] - record.log_variance[1] == pytest.approx(variance, rel=2e-5)


def test_the_log_normal_of_he_networks():
    table = rows("law.md", "n, L |")
    assert len(table) == 5
    for name, cells in table.items():
        width, depth = map(int, name.split(","))
        network = Network([width] * (depth + 1), "relu", "he")
        record, beta = theory.forward(network), 5 * (depth - 1) / width  # hidden layers
        below = stats.norm.cdf(np.log(0.1), -beta / 2, np.sqrt(beta))
        found = [record.log_mean[-1] - np.log(2), -beta / 2, record.log_variance[-1], beta]
        found += [theory.law(network).probability_below(0.2)[-1], below]
        assert found == pytest.approx(np.ravel(cells), rel=3e-3)


NETWORKS = {
    "tanh": {"activation": "tanh", "multiplier": 1.3},
    "softplus": {"activation": "softplus"},
    "gelu": {"activation": "gelu", "multiplier": 4.0, "bias_variance": 0.1},
}


def moments(network, x):
    """Return mean and fluctuation of q-hat in the last layer from its law on a grid."""
    y, density = theory.law(network, x).log_density(network.depth)
    first, second = (np.trapezoid(np.exp(k * y) * density, y) for k in (1, 2))
    return first, second / first**2 - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_what_first_order_leaves_out(name):
    table = rows("forward.md", "| n = 8 | n = 16")
    (variance,) = (cells for row, cells in table.items() if row.startswith(name) and row.endswith("variance"))
    fluctuation = table[f"{name}, fluctuation"]
    for i, n in enumerate((8, 16, 32)):
        network = Network([n] * 6, weights="lecun", **NETWORKS[name])
        mean, spread = moments(network, np.ones(n))
        first, wide = (theory.forward(network, np.ones(n), order=order) for order in ("first", "infinite"))
        off = [100 * (record.variance[-1] / mean - 1) for record in (first, wide)]
        assert off == pytest.approx(variance[i], rel=0.06, abs=2e-4)
        off = [100 * (first.fluctuation[-1] / spread - 1), spread]
        assert off == pytest.approx(fluctuation[i], rel=0.06)


@pytest.mark.slow
def test_sampled_tables_are_those_of_theory_as_it_is(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER.parent.parent / "benchmarks"))
    import derivations

    for name in ("sampled.json", "backward.md", "pair.md"):
        shutil.copy(FOLDER / name, tmp_path)
    derivations.main(["--keep", "--folder", str(tmp_path)])
    for name in ("sampled.json", "backward.md", "pair.md"):
        assert (tmp_path / name).read_text() == (FOLDER / name).read_text(), "run benchmarks/derivations.py --keep"
    # what the pages say of them
    table = rows("backward.md", " | n = 8 | n = 16")
    for name in ("gelu, bias 0.1, linear, mean", "softplus, half_square, mean"):  # as 1/n^2
        (at_8, *_), (at_16, *_), _ = table[name]
        assert 2.5 < at_8 / at_16 < 5.5
    table = rows("pair.md", " | n = 8 | n = 16")
    first, _, wide = table["ReLU, he, cosine"][0]
    assert abs(wide) < abs(first)  # at width 8 infinite width is better


@pytest.mark.slow
@needs_compiler
def test_what_is_sampled_is_what_the_tables_take(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER.parent.parent / "benchmarks"))
    import derivations

    monkeypatch.setattr(derivations, "WIDTHS", {"backward": (8,), "pair": (8,)})
    committed = json.loads((FOLDER / "sampled.json").read_text())
    found = derivations.draw(100_000, fresh_seed())
    z = [
        (new[0] - old[0]) / np.hypot(new[1], old[1])
        for kind in ("backward", "pair")
        for what, cells in found[kind].items()
        if "half_square" not in what  # heavy tails, whose z-scores are none
        for name, new in cells["8"].items()
        for old in [committed[kind][what]["8"][name]]
        if name in ("gradient_variance", "correlation", "cosine")
    ]
    assert_agree(z)
