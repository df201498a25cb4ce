"""He's 2/n solves the problem only partly: mean and typical ReLU network as depth over width grows.

q̂ is the mean of z² over the units of a layer in one network. Left: He keeps its mean at 2 at any depth, but half of
all networks lie below a median that falls about as exp(-5/2 depth/width). Right: the law of ln q̂ at layer 16, width
16, exact, and its limit for wide networks, Hanin and Nica's log-normal of mean ln 2 - β/2 and variance β = 5 Σ 1/n over
hidden layers. Lines are theory, points a million random networks of each width, error bars one standard error.
"""

import numpy as np
from common import arguments, finish
from scipy import stats

from varprop import Network, compare, plots, simulate, theory

COLOURS = {48: plots.COLOURS[0], 16: plots.COLOURS[1]}  # of a width, at depths up to twice as large
SHOWN, BIN = 16, 0.5  # on the right: the width and the layer; of ln q-hat
EDGES = np.arange(-10.0, 6.25, BIN)  # of bins of ln q-hat, judged where 20 networks or more are expected


def against_depth(law, counted, networks, seed):
    """Return mean, median and E[ln q-hat] at several layers, predicted and measured, with z."""
    predicted = theory.forward(law.network)
    drawn = simulate.forward(law.network, networks=networks, seed=seed)
    mean_z = np.where(drawn.heavy_tailed, np.nan, compare(drawn, predicted).z)  # its error is not known there
    below = counted.cumulative_at(law.log_quantile(0.5).values)  # half of all, if the median is right
    i = np.linspace(0, law.network.depth - 1, 11).round().astype(int)

    def at(line, points, z):
        return {"predicted": line[i], "measured": points[i], "errors": points.errors[i], "z": z[i]}

    return {
        "layer": i + 1,
        "mean": at(predicted.variance, drawn.variance, mean_z),
        "median": at(law.median, counted.median, (0.5 - below.values) / below.errors),
        "log_mean": at(predicted.log_mean, drawn.log_mean, compare(drawn, predicted, quantity="log_mean").z),
    }


def draw_density(ax, law, counted, colour):
    """Draw the density of ln q-hat, and return it in bins, predicted and measured, with z."""
    exact, share = (np.diff([side.cumulative_at(edge)[SHOWN - 1] for edge in EDGES]) for side in (law, counted))
    errors = np.sqrt(exact * (1 - exact) / counted.networks)
    z = np.where(exact * counted.networks < 20, np.nan, (share - exact) / errors)
    y, beta = np.linspace(EDGES[0], EDGES[-1], 200), 5 * (SHOWN - 1) / SHOWN
    ax.plot(*law.log_density(SHOWN), color=colour, label="exact")
    ax.plot(y, stats.norm.pdf(y, np.log(2) - beta / 2, np.sqrt(beta)), "k--", label="Hanin and Nica")
    plots.draw_points(ax, EDGES[:-1] + BIN / 2, share / BIN, errors / BIN, colour=colour, label="simulation")
    ax.axvline(np.log(2), color="0.5", linewidth=1, zorder=0)
    below = law.probability_below(2.0)[SHOWN - 1]
    ax.text(np.log(2) + 0.2, 0.185, f"{below:.0%} of networks\nare below\nthe mean", va="top", fontsize=9)
    ax.set(xlabel="ln q̂", ylabel="density", xlim=(EDGES[0], EDGES[-1]), title="The law of ln q̂ at layer 16, width 16")
    ax.legend(loc="upper left")
    found = {"predicted": exact / BIN, "measured": share / BIN, "errors": errors / BIN, "z": z}
    return {"edges": EDGES, **found, "below_mean": below}


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure, numbers = plots.new_figure(10.0, 4.2), {}
    left, right = figure.subplots(1, 2)
    for width, colour in COLOURS.items():
        law = theory.law(Network([width] * (2 * width + 1), "relu", "he"))
        counted = simulate.law(law.network, networks=options.networks, seed=options.seed + width)
        found = numbers[f"width {width}"] = against_depth(law, counted, options.networks, options.seed + width + 1)
        for row in (found["mean"], found["median"]):
            left.plot(found["layer"] / width, row["predicted"], color=colour)
            plots.draw_points(left, found["layer"] / width, row["measured"], row["errors"], colour=colour)
        left.text(2.05, row["predicted"][-1], f"width {width}", color=colour, va="center", fontsize=9)
    numbers["density"] = draw_density(right, law, counted, colour)  # of the last width
    left.plot((0, 2), (2, 2 * np.exp(-5)), "k--", label="2 exp(−5/2 depth/width)")
    left.text(1, 2.6, "mean", ha="center")
    left.text(1.02, 0.22, "median")
    left.set(title="Mean and typical ReLU network", xlabel="depth / width", ylabel="q̂", yscale="log", ylim=(None, 6))
    left.legend(title="line: theory, points: simulation", alignment="left", loc="lower left")
    finish(figure, "typical_network", numbers, options)


if __name__ == "__main__":
    main()
