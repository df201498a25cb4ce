"""What a multiplier on an initializer's variance costs in training, beside where theory keeps signal and gradient.

Networks of width 64 are trained on handwritten digits, at every multiplier, learning rate and seed. Top: steps to a
training loss of 0.1 at the learning rate best for each multiplier, median and quartiles of eight seeds. Middle: where
theory keeps signal and gradient within a factor of 10 over the depth, white where it keeps the gradient; and where
training needs at most a tenth more steps than at best, or as much more as seeds differ, white where it is best. A range
ends early where the next multiplier takes more than 800 steps. Bottom: accuracy after 800 steps, 0 where training
diverged. The runs are stored: `make training` trains.
"""

import json

import numpy as np
from common import BLUE, FIGURES, GREEN, RED, arguments, finish, ticks

from varprop import Network, plots, theory

CASES = {"relu": ("he", "ReLU, multiplier on He 2/n", BLUE), "tanh": ("lecun", "tanh, multiplier on LeCun 1/n", GREEN)}
DEPTHS, MOST, NAMES = {10: "-", 30: "--"}, 800, {"sgd": "SGD", "adam": "Adam"}


def draw_grid(axes, activation, grid, multipliers):
    """Draw a column of panels, and return theory's ranges by depth."""
    top, middle, bottom = axes
    weights, title, colour = CASES[activation]
    told, bars = {}, []
    for depth, line in DEPTHS.items():
        found = theory.tune(Network([64] * (depth + 1) + [10], activation, weights))
        told[depth] = {"kept": [found.least, found.most], "gradient_kept": found.gradient.kept}
        bars.append((f"{depth} layers, theory", *told[depth].values(), "black"))
        for optimiser, shade in (("sgd", colour), ("adam", RED)):
            found = grid[f"{activation}, {depth} layers, {optimiser}"]
            steps, low, high = (np.array(found["training_loss"][k], float) for k in ("steps", "low", "high"))
            label = f"{depth} layers, {NAMES[optimiser]}"
            errors = [steps - low, np.fmin(high, MOST) - steps]
            points = plots.draw_points(top, multipliers, steps, errors, colour=shade, label=label)
            points.set_linestyle(line)
            bottom.plot(multipliers, found["validation_accuracy"], line, color=shade)
            bars.append((label, found["training_loss"]["same"], found["training_loss"]["best"], shade))
    for y, (_, (low, high), best, shade) in enumerate(bars):
        middle.barh(y, high - low, left=low, height=0.6, color=shade)
        middle.plot(best, y, "|", color="white", markersize=9, markeredgewidth=2)
        middle.text(high * 1.1, y, f"{low:.2f} to {high:.2f}", va="center", fontsize=9)
    middle.set(yticks=range(len(bars)), yticklabels=[name for name, *_ in bars], ylim=(len(bars) - 0.4, -0.6))
    top.set(title=title, xscale="log", yscale="log", xlim=(0.09, 13), ylim=(32, 950))
    ticks(top, y=(50, 100, 200, 400, 800))
    top.legend(loc="lower left")
    bottom.set(xlabel="multiplier on Var(w)")
    for ax in axes:
        ax.axvline(1, color="black", linewidth=1, zorder=0)
        ticks(ax, x=(0.1, 0.2, 0.5, 1, 2, 5, 10))
    return told


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    store = json.loads((FIGURES.parent / "benchmarks" / "training.json").read_text())
    multipliers, summary = store["settings"]["multipliers"], store["summary"]
    options.networks = summary["networks"]
    figure = plots.new_figure(9.0, 8.2)
    axes = figure.subplots(3, 2, sharex=True, sharey="row", height_ratios=(3, 1.7, 1.5))
    told = {name: draw_grid(axes[:, i], name, summary["grid"], multipliers) for i, name in enumerate(CASES)}
    for ax, words in zip(axes[:, 0], ("steps to training loss 0.1", "", "validation accuracy"), strict=True):
        ax.set_ylabel(words)
    axes[1, 0].set_title(
        "black: signal and gradient within a factor of 10; colours: hardly more steps than at best", loc="left"
    )
    finish(figure, "multiplier_training", {"theory": told, **summary["grid"]}, options)


if __name__ == "__main__":
    main()
