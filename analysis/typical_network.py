"""He's 2/n solves the problem only partly: mean and typical ReLU network as depth over width grows.

q̂ is the mean of z² over the units of a layer in one network. Left: He keeps its mean at 2 at any depth, but half of
all networks lie below a median that falls about as exp(-5/2 depth/width). Right: the law of ln q̂ at layer 16, width n =
16, exact, and its limit for wide networks, Hanin and Nica's log-normal of mean ln 2 - β/2 and variance β = 5 Σ 1/n over
hidden layers. Lines are theory, points a million random networks of each width, error bars one standard error.
"""

import numpy as np
from common import BLUE, LEGEND, RED, against, arguments, draw_against, finish
from scipy import stats

from varprop import Network, plots, simulate, theory

EDGES = np.arange(-10.0, 6.25, 0.5)  # of bins of ln q-hat


def draw_depth(ax, law, counted, colour, options):
    """Draw mean and median against depth over width, and return both at eleven layers, predicted and measured."""
    network = law.network
    drawn = simulate.forward(network, networks=options.networks, seed=options.seed)
    errors = np.where(drawn.heavy_tailed, np.nan, drawn.variance.errors)  # such a sample does not know its own
    i = np.linspace(0, network.depth - 1, 11).round().astype(int)
    numbers = {
        "layer": i + 1,
        "mean": against(theory.forward(network).variance[i], drawn.variance[i], errors[i]),
        "median": against(law.median[i], counted.median[i], counted.median.errors[i]),
    }
    for name in ("mean", "median"):
        draw_against(ax, (i + 1) / network.widths[0], numbers[name], colour=colour)
    ax.text(2.05, law.median[-1], f"width {network.widths[0]}", color=colour, va="center", fontsize=9)
    return numbers


def draw_density(ax, law, counted, colour):
    """Draw the density of ln q-hat at layer n of width n, and return it in bins, predicted and measured."""
    n = law.network.widths[0]
    exact, share = (np.diff([side.cumulative_at(edge)[n - 1] for edge in EDGES]) for side in (law, counted))
    enough = exact * counted.networks >= 20  # networks expected in a bin
    errors = np.where(enough, np.sqrt(exact * (1 - exact) / counted.networks), np.nan)
    y, beta, below = np.linspace(EDGES[0], EDGES[-1], 200), 5 * (n - 1) / n, law.probability_below(2.0)[n - 1]
    ax.plot(*law.log_density(n), color=colour, label="exact")
    ax.plot(y, stats.norm.pdf(y, np.log(2) - beta / 2, np.sqrt(beta)), "k--", label="Hanin and Nica 2019")
    plots.draw_points(ax, EDGES[:-1] + 0.25, share / 0.5, errors / 0.5, colour=colour, label="simulation")
    ax.axvline(np.log(2), color="0.5", linewidth=1, zorder=0)
    ax.text(np.log(2) + 0.2, 0.185, f"{below:.0%} of networks\nare below\nthe mean", va="top", fontsize=9)
    ax.set(title=f"The law of ln q̂ at layer {n}, width {n}", ylabel="density", xlim=(EDGES[0], EDGES[-1]))
    ax.set_xlabel("ln q̂, logarithm of the mean of z² in a layer")
    ax.legend(loc="upper left")
    return {"edges": EDGES, **against(exact, share, errors), "below_mean": below}


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=16)
    (left, right), numbers = plots.new_figure(10.0, 4.2).subplots(1, 2), {}
    for width, colour in {3 * options.fan_in: BLUE, options.fan_in: RED}.items():  # at depths up to twice as large
        law = theory.law(Network([width] * (2 * width + 1), "relu", "he"))
        counted = simulate.law(law.network, networks=options.networks, seed=options.seed + width)
        numbers[f"width {width}"] = draw_depth(left, law, counted, colour, options)
    numbers["density"] = draw_density(right, law, counted, colour)  # of the last width
    left.plot((0, 2), (2, 2 * np.exp(-5)), "k--", label="2 exp(−5/2 depth/width)")
    left.text(1, 2.6, "mean of all networks", ha="center")
    left.text(1.02, 0.22, "typical network (median)")
    left.set(title="Mean and typical ReLU network", xlabel="depth / width", yscale="log", ylim=(None, 6))
    left.set_ylabel("q̂, the mean of z² in a layer")
    left.legend(**LEGEND, loc="lower left")
    finish(left.figure, "typical_network", numbers, options)


if __name__ == "__main__":
    main()
