"""Growth of Var(z) a layer, for every built-in activation under LeCun's 1/n and He's 2/n.

Below 1 a signal vanishes, at 1 it is kept, above 1 it explodes. Growth is the mean factor from layer 5 to
layer 10 of networks of width 256; diamonds are where it settles in deep, infinitely wide ones: at 1 for every
activation that saturates, whose signal settles, or dies out ever more slowly (tanh under LeCun).
Ticks are theory, circles 50,000 random networks a layer, error bars one standard error, z how many they differ by.
"""

import numpy as np
from common import BLUE, GREEN, ORANGE, against, arguments, finish, ticks

from varprop import Network, plots, simulate, theory

FAMILIES = {
    "straight\npieces": (BLUE, "linear", "relu", "leaky_relu"),
    "curved,\nunbounded": (ORANGE, "elu", "selu", "gelu", "silu", "mish", "softplus"),
    "bounded": (GREEN, "sin", "tanh", "erf", "hardtanh", "softsign", "sigmoid"),
}
COLOURS = {name: colour for colour, *names in FAMILIES.values() for name in names}
RULES = {"lecun": "LeCun 1/n (Glorot too, at equal widths)", "he": "He 2/n"}


def growth(activation, weights, fan_in, networks, seed):
    """Return the growth a layer predicted, measured, its standard error, and where it settles."""
    nets = [Network([fan_in] * (depth + 1), activation, weights) for depth in (5, 10)]
    variance = theory.forward(nets[1]).variance
    # The two layers are measured on different networks, so that their errors are independent.
    early, late = (simulate.forward(net, networks=networks, seed=seed + i).variance for i, net in enumerate(nets))
    measured = (late[9] / early[4]) ** (1 / 5)
    error = measured * np.hypot(late.errors[9] / late[9], early.errors[4] / early[4]) / 5
    point = theory.fixed_point(activation, nets[0].layers[1].gain_squared, start=nets[0].layers[0].gain_squared)
    settles = 1.0 if 0 < point.variance < np.inf else point.chi_variance
    return (variance[9] / variance[4]) ** (1 / 5), measured, error, settles


def draw(ax, predicted, measured, errors, z, settles_at):
    y, colours = range(len(COLOURS)), list(COLOURS.values())
    ax.hlines(y, predicted, settles_at, color="0.7", linewidth=1)
    ax.scatter(settles_at, y, 12, "0.5", marker="D", label="where it settles")
    ax.scatter(predicted, y, 200, colours, marker="|", linewidths=2, label="theory")
    ax.errorbar(measured, y, xerr=errors, fmt="none", ecolor=colours, capsize=0)
    ax.scatter(measured, y, 16, "white", edgecolors=colours, zorder=3, label="simulation")
    columns = ["theory", *(f"{p:.3f}" for p in predicted)], ["z-score", *(f"{x:+z.1f}".replace("-", "−") for x in z)]
    for x, column in zip((1.13, 1.28), columns, strict=True):
        for row, text in enumerate(column, start=-1):
            ax.text(x, row, text, transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=9)
    ax.text(0.97, -1, "← vanishes", ha="right", va="center", fontsize=9)
    ax.text(1.03, -1, "explodes →", ha="left", va="center", fontsize=9)
    ax.axvline(1, color="black", linewidth=1, zorder=0)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=50_000, fan_in=256)  # more see what first order leaves out of silu
    figure, numbers = plots.new_figure(10.0, 5.0), {"activation": list(COLOURS)}
    for ax, (weights, title) in zip(figure.subplots(1, 2, sharey=True), RULES.items(), strict=True):
        seed = options.seed + 100 * len(numbers)
        asked = options.fan_in, options.networks
        found = np.transpose([growth(name, weights, *asked, seed + 2 * i) for i, name in enumerate(COLOURS)])
        numbers[weights] = against(*found[:3]) | {"settles_at": found[3]}
        draw(ax, **numbers[weights])
        ax.set(title=title, xlabel="growth of Var(z) a layer, layers 5 to 10", xscale="log", xlim=(0.22, 2.3))
        ax.set(ylim=(14.6, -1.5), yticks=range(15), yticklabels=COLOURS)
        ticks(ax, x=(0.25, 0.5, 1, 2))
    ax.legend(loc="lower left")
    families = [ax.scatter([], [], 200, colour, marker="|", linewidths=2) for colour, *_ in FAMILIES.values()]
    figure.axes[0].legend(families, FAMILIES, loc="lower right", bbox_to_anchor=(1.02, 0.1))
    finish(figure, "activation_growth", numbers, options)


if __name__ == "__main__":
    main()
