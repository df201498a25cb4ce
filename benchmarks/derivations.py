"""Sample how far off first order is in gradients and in two inputs, and write the tables of docs/derivations/.

What is drawn is stored in docs/derivations/sampled.json, so that a test can make the tables again with theory as it
is. `--keep` does only that: it draws nothing and writes the tables anew.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
from report import table_lines, write_between_marks

from varprop import Network, simulate, theory
from varprop.tables import plain

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "derivations"
GRADIENTS = {  # what: activation, bias variance, loss
    "tanh, linear": ("tanh", 0.0, "linear"),
    "tanh, half_square": ("tanh", 0.0, "half_square"),
    "gelu, bias 0.1, linear": ("gelu", 0.1, "linear"),
    "softplus, bias 0.1, linear": ("softplus", 0.1, "linear"),
    "softplus, half_square": ("softplus", 0.0, "half_square"),
}
PAIRS = {"tanh, lecun × 1.3": ("tanh", "lecun", 1.3), "ReLU, he": ("relu", "he", 1.0)}
WIDTHS = {"backward": (8, 16, 32), "pair": (8, 16, 32, 64)}
ORDERS = ("first", "infinite")
SHOWN = {"backward": ("gradient_variance", "fluctuation"), "pair": ("correlation", "cosine", "cosine_variance")}


def gradients(side, what: str, n: int, **options):
    """Return the record of the gradient of one row at width ``n``, from `theory` or `simulate`."""
    phi, bias, loss = GRADIENTS[what]
    network = Network([n] * 5, phi, "lecun", multiplier=1.3, bias_variance=bias)
    return side.backward(network, np.ones(n), loss=loss, **options)


def pairs(side, what: str, n: int, **options):
    """Return the record of two inputs of one row at width ``n``, from `theory` or `simulate`."""
    phi, weights, multiplier = PAIRS[what]
    return side.pair(Network([n] * 5, phi, weights, multiplier=multiplier), 0.5, **options)


KINDS = {"backward": (GRADIENTS, gradients, 0), "pair": (PAIRS, pairs, -1)}  # rows, their records, the layer shown


def draw(networks: int, seed: int) -> dict:
    """Return measured values and their standard errors, by kind, row, width and quantity."""
    found = {"networks": networks, "seed": seed}
    for kind, (rows, record, layer) in KINDS.items():
        found[kind] = {what: {} for what in rows}
        for what in rows:
            for n in WIDTHS[kind]:
                profiles = record(simulate, what, n, networks=networks, seed=seed).profiles
                numbers = {k: (profiles[k].values[layer], profiles[k].errors[layer]) for k in SHOWN[kind]}
                found[kind][what][str(n)] = plain({k: list(map(float, v)) for k, v in numbers.items()}, digits=7)
    return found


def tables(sampled: dict) -> dict[str, str]:
    """Return the table of each page: theory as it is, against what was drawn."""
    out = {}
    for kind, (rows, record, layer) in KINDS.items():
        lines = []
        for what, shown in product(rows, SHOWN[kind]):
            line = [f"{what}, {'mean' if shown == 'gradient_variance' else shown}"]
            for n in WIDTHS[kind]:
                drawn = sampled[kind][what][str(n)][shown]
                theories = [record(theory, what, n, order=order).profiles[shown][layer] for order in ORDERS]
                line.append(_cell(kind, shown, *drawn, *theories).replace("-", "−"))
            lines.append(line)
        out[kind] = "\n".join(table_lines(["", *(f"n = {n}" for n in WIDTHS[kind])], lines))
    return out


def _cell(kind: str, shown: str, value: float, error: float, first: float, infinite: float) -> str:
    """Return how far first order is off, and infinite width: relatively for gradients, in thousandths for pairs."""
    scale, unit = (100 / value, "%") if kind == "backward" else (1000, "")
    off, wide, error = scale * (first - value), scale * (infinite - value), scale * error
    if shown in ("fluctuation", "cosine_variance"):
        return f"{off:.2g}{unit} of {value if unit else scale * value:.3g}"
    digits = 2 if unit and error < 0.095 else 1
    return f"{off:.{digits}f} ± {error:.{digits}f}{unit} ({wide:.2g}{unit})"


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=4_000_000, help="random networks a cell (default: 4,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal tables (default: 0)")
    parser.add_argument("--keep", action="store_true", help="draw nothing: theory against what was drawn before")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the pages (default: docs/derivations/)")
    options = parser.parse_args(argv)
    store = options.folder / "sampled.json"
    sampled = json.loads(store.read_text()) if options.keep else draw(options.networks, options.seed)
    store.write_text(json.dumps(sampled, indent=1) + "\n")
    for kind, table in tables(sampled).items():
        write_between_marks(options.folder / f"{kind}.md", "sampled", table)


if __name__ == "__main__":
    main()
