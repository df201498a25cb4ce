"""Growth of Var(z) a layer, for every built-in activation under LeCun's 1/n and He's 2/n.

Below 1 a signal vanishes, at 1 it is kept, above 1 it explodes. Growth is the mean factor from layer 5 to
layer 10 of networks of width 256; diamonds are where it settles in deep, infinitely wide ones: at 1 for every
activation that saturates, whose signal settles, or dies out ever more slowly (tanh under LeCun).
Ticks are theory, circles 50,000 random networks a layer, error bars one standard error, z how many they differ by.
"""

import numpy as np
from common import arguments, finish

from varprop import Network, plots, simulate, theory

GROUPS = {
    plots.COLOURS[0]: ("linear", "relu", "leaky_relu"),
    plots.COLOURS[1]: ("elu", "selu", "gelu", "silu", "mish", "softplus"),
    plots.COLOURS[3]: ("sin", "tanh", "erf", "hardtanh", "softsign", "sigmoid"),
}
ROWS = [(name, colour) for colour, names in GROUPS.items() for name in names]
RULES = {"lecun": "LeCun 1/n (Glorot too, at equal widths)", "he": "He 2/n"}
MARKERS = {
    "theory": {"marker": "|", "markersize": 15, "markeredgewidth": 2},
    "simulation": {"marker": "o", "markerfacecolor": "white"},
    "where it settles": {"marker": "D", "markersize": 3.5, "markeredgecolor": "0.5", "markerfacecolor": "0.5"},
}
WIDTH, EARLY, LATE = 256, 5, 10
ENOUGH = 50_000  # a million would take two minutes, and see what first order in 1/width leaves out of gelu and silu


def growth(activation, weights, networks, seed):
    """Return the growth a layer predicted, measured, its error and z, and where it settles."""
    early, late = (Network([WIDTH] * (depth + 1), activation, weights) for depth in (EARLY, LATE))
    variance = theory.forward(late).variance
    predicted = (variance[-1] / variance[EARLY - 1]) ** (1 / (LATE - EARLY))
    # The two layers are measured on different networks, so that their errors are independent.
    runs = [simulate.forward(n, networks=networks, seed=seed + i).variance for i, n in enumerate((early, late))]
    measured = (runs[1][-1] / runs[0][-1]) ** (1 / (LATE - EARLY))
    error = measured * np.hypot(*(run.errors[-1] / run[-1] for run in runs)) / (LATE - EARLY)
    point = theory.fixed_point(activation, late.layers[1].gain_squared, start=late.layers[0].gain_squared)
    settles = 1.0 if 0 < point.variance < np.inf else point.chi_variance
    found = {"predicted": predicted, "measured": measured, "error": error, "z": [(measured - predicted) / error]}
    return found | {"settles_at": settles, "origin": variance.origin, "networks": networks}


def draw(ax, y, colour, found):
    way = found["predicted"], found["settles_at"]
    ax.plot(way, (y, y), color="0.7", linewidth=1, markevery=[1], **MARKERS["where it settles"])
    ax.plot(found["predicted"], y, color=colour, **MARKERS["theory"])
    ax.errorbar(found["measured"], y, xerr=found["error"], color=colour, zorder=3, **MARKERS["simulation"])
    write(ax, y, f"{found['predicted']:.3f}", f"{found['z'][0]:+z.1f}".replace("-", "−"))


def write(ax, y, *columns):
    for x, text in zip((1.13, 1.25), columns, strict=True):
        ax.text(x, y, text, transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=9)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure, numbers = plots.new_figure(10.0, 5.0), {}
    for ax, (weights, title) in zip(figure.subplots(1, 2, sharey=True), RULES.items(), strict=True):
        for y, (name, colour) in enumerate(ROWS):
            seed = options.seed + 100 * len(numbers)
            numbers[f"{name}, {weights}"] = found = growth(name, weights, min(options.networks, ENOUGH), seed)
            draw(ax, y, colour, found)
        write(ax, -1, "theory", "z")
        ax.text(1, -1, "vanishes   explodes", ha="center", va="center", fontsize=9)
        ax.axvline(1, color="black", linewidth=1, zorder=0)
        ax.set(title=title, xlabel="growth of Var(z) a layer", xscale="log", xlim=(0.22, 2.3))
        ax.set(xticks=(0.25, 0.5, 1, 2), xticklabels=("0.25", "0.5", "1", "2"))
        ax.minorticks_off()
    handles = [ax.plot([], [], "k", linestyle="", **marker)[0] for marker in MARKERS.values()]
    ax.legend(handles, MARKERS, loc="lower left")
    ax.set(yticks=range(len(ROWS)), yticklabels=[name for name, _ in ROWS], ylim=(len(ROWS) - 0.4, -1.5))
    finish(figure, "activation_growth", numbers, options)


if __name__ == "__main__":
    main()
