"""Hold theory against simulation over what the package can do, and write the two tables of docs/sure.md.

In the first each row compares every layer of one kind of network. The control is the same comparison with theory
of weights whose variance is wrong by 1% (for the correlation, which no weight variance changes in a linear net, of
inputs of another correlation); it should be rejected. The second says what the first order in 1/width leaves out;
what was drawn for it is kept in figures/agreement.json, so that a test can hold it against theory as it is.
"""

import argparse
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from report import table_lines, write_between_marks

from varprop import Network, compare, simulate, theory
from varprop.tables import plain
from varprop.widths import format_widths

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "figures" / "agreement.json"
WIDE, NARROW, UNEQUAL = [64] * 9, [16] * 9, [64, 128, 32, 128, 10]
# what, its network, the function, its options, the quantity (None: the main one)
ROWS = (
    ("signal, ReLU, He", Network(WIDE, "relu", "he"), "forward", {}, None),
    ("its typical network, E[ln q̂]", Network(WIDE, "relu", "he"), "forward", {}, "log_mean"),
    ("signal, ReLU, He uniform", Network(WIDE, "relu", "he_uniform"), "forward", {}, None),
    ("signal, linear, orthogonal", Network(UNEQUAL, "linear", "orthogonal"), "forward", {}, None),
    ("signal, tanh, LeCun", Network(NARROW, "tanh", "lecun"), "forward", {}, None),
    ("signal, GELU, He, biases", Network(WIDE, "gelu", "he", bias_variance=0.1), "forward", {}, None),
    ("gradient, ReLU, He, unequal widths", Network(UNEQUAL, "relu", "he"), "backward", {}, None),
    ("gradient by W, ReLU, Glorot", Network(UNEQUAL, "relu", "glorot"), "backward", {}, "weight_gradient_variance"),
    ("gradient, ReLU, loss of the output", Network(UNEQUAL, "relu", "he"), "backward", {"loss": "half_square"}, None),
    ("gradient, tanh, LeCun", Network(WIDE, "tanh", "lecun"), "backward", {}, None),
    ("two inputs, linear", Network(WIDE, "linear", "lecun"), "pair", {"correlation": 0.5}, None),
    ("two inputs, tanh, LeCun", Network([256] * 5, "tanh", "lecun"), "pair", {"correlation": 0.5}, None),
)
# Activations without an exact theory, and their usual weights.
INEXACT = dict.fromkeys(("tanh", "erf", "hardtanh", "sin", "softsign", "sigmoid", "selu"), "lecun")
INEXACT |= dict.fromkeys(("elu", "softplus", "mish", "gelu", "silu"), "he")
PROFILES = (("forward", "variance", -1), ("forward", "fluctuation", -1), ("backward", "gradient_variance", 0))


def row(what: str, network: Network, function: str, options: dict, quantity, networks: int, seed: int) -> list[str]:
    """Return one row of the table."""
    if network.layers[0].distribution == "uniform" or what.startswith("two inputs, tanh"):
        networks //= 10  # every weight drawn, or more networks than first order can carry
    measured = getattr(simulate, function)(network, networks=networks, seed=seed, **options)
    predict = getattr(theory, function)
    predicted = predict(network, **options)
    wrong = {**options, "correlation": 0.505} if function == "pair" else options
    control = predict(network if function == "pair" else replace(network, multiplier=1.01), **wrong)
    held, against = (compare(measured, p, quantity=quantity) for p in (predicted, control))
    worst = np.nanmax(np.abs(held.z))
    verdict = "DISAGREE" if held.verdict == "contradicted" else held.verdict
    rejected = "rejected" if against.verdict == "contradicted" else "not rejected"
    found_out = f"{np.nanmax(np.abs(against.z)):.0f}, {rejected}"
    return [
        what,
        format_widths(network.widths),
        held.predicted.origin,
        f"{networks:,}",
        f"{worst:.2f}",
        f"{held.p_value:.2f}",
        verdict,
        found_out,
    ]


def drawn(activation: str, weights: str, networks: int, seed: int) -> list:
    """Return value and standard error of each cell of a row of the second table, as they are measured."""
    found = []
    for function, quantity, layer in PROFILES:
        for widths in (NARROW, WIDE):
            network = Network(widths, activation, weights)
            measured = getattr(simulate, function)(network, networks=networks, seed=seed).profiles[quantity]
            found.append(plain([float(measured[layer]), float(measured.errors[layer])], digits=7))
    return found


def left_out(activation: str, weights: str, measured) -> list[str]:
    """Return one row of the second table: by how many percent first order is off from what was `drawn`."""
    cells = [f"{activation}, {weights}"]
    for (function, quantity, layer), widths in product(PROFILES, (NARROW, WIDE)):
        value, error = measured[len(cells) - 1]
        predicted = getattr(theory, function)(Network(widths, activation, weights)).profiles[quantity]
        off, error = 100 * (predicted[layer] / value - 1), 100 * error / value
        digits = 1 if error >= 0.1 else 2
        cells.append(f"{off:+.{digits}f}\u00a0±\u00a0{error:.{digits}f}".replace("-", "−"))
    return cells


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=1_000_000, help="random networks a row (default: 1,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give an equal table (default: 0)")
    parser.add_argument("--quick", action="store_true", help="2,000 networks a row; writes nothing")
    parser.add_argument("--keep", action="store_true", help="draw nothing: the second table, by theory as it is")
    options = parser.parse_args(argv)
    networks, tables = 2_000 if options.quick else options.networks, {}
    if options.keep:
        measured = json.loads(STORE.read_text())["measured"]
    else:
        rows = [row(*case, networks, options.seed + i) for i, case in enumerate(ROWS)]
        headers = ["what", "widths", "theory", "networks", "largest abs(z)", "p", "verdict", "wrong by 1%: abs(z)"]
        tables["agreement"] = table_lines(headers, rows)
        measured = {case[0]: drawn(*case, networks, options.seed + i) for i, case in enumerate(INEXACT.items())}
    rows = [left_out(*case, measured[case[0]]) for case in INEXACT.items()]
    headers = [f"{what}, width {w}" for what in ("E[z²]", "fluctuation", "E[δ²]") for w in (16, 64)]
    tables["first order"] = table_lines(["first order is off by (%)", *headers], rows)
    for lines in tables.values():
        print("\n".join(lines))
    if options.quick:
        return
    for mark, lines in tables.items():
        write_between_marks(ROOT / "docs" / "sure.md", mark, "\n".join(lines))
    if not options.keep:
        numbers = {"networks": networks, "seed": options.seed, "measured": measured}
        STORE.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
