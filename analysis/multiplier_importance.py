"""How much the multiplier matters beside learning rate, batch size and width: Optuna's searches, fANOVA's importances.

Five searches of 64 trials for each kind of network: mean and range of their importances. The searches are stored: `make
training` makes them.
"""

import json

import numpy as np
from common import BLUE, FIGURES, GREEN, ORANGE, SKY, arguments, finish

from varprop import plots

NAMES = {"multiplier": "multiplier", "rate": "learning rate", "batch": "batch size", "width": "width"}
KINDS = {"relu, 10 layers": SKY, "relu, 30 layers": BLUE, "tanh, 10 layers": ORANGE, "tanh, 30 layers": GREEN}
RANGES = ("0.1 to 10", "0.5 to 2")


def draw(ax, range_, searches):
    for i, (kind, colour) in enumerate(KINDS.items()):
        shares = np.array([searches[f"{kind}, {range_}"]["importances"][name] for name in NAMES])
        mean, x = shares.mean(axis=1), np.arange(len(NAMES)) + 0.19 * (i - 1.5)
        errors = [mean - shares.min(axis=1), shares.max(axis=1) - mean]
        hatch = "///" if kind.startswith("tanh") else ""  # in grey a tanh net has the shade of a ReLU net
        ax.bar(x, mean, 0.17, yerr=errors, color=colour, label=kind, hatch=hatch, edgecolor="white", linewidth=0)
    ax.set(title=f"multiplier from {range_}", xticks=range(len(NAMES)), xticklabels=NAMES.values(), ylim=(0, 1))
    ax.grid(axis="x", visible=False)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    store = json.loads((FIGURES.parent / "benchmarks" / "training.json").read_text())
    searches, asked = store["summary"]["searches"], store["settings"]["search"]
    options.networks = len(store["searches"]) * asked["trials"]
    figure = plots.new_figure(9.0, 3.6)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, range_ in zip(axes, RANGES, strict=True):
        draw(ax, range_, searches)
    axes[0].set_ylabel("importance")
    axes[1].legend()
    finish(figure, "multiplier_importance", searches, options)


if __name__ == "__main__":
    main()
