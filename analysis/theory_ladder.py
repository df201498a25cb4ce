"""A wrong theory is found out as sqrt(networks): infinite width, first order in 1/width, exact.

The largest |z| over eight layers of nets of width n = 16 against the number of networks. Left: the variance in a tanh
net, for which no exact theory is known. Right: E[ln q], q the mean of z^2 over a layer of one network, in a ReLU net.
Lines: how far a theory is from the best one, in standard errors. Points: simulation, new networks each, filled where
`compare` rejects the theory. Below the dotted line the largest |z| may be noise (all but one case in a million where
the mean is near normal; `compare` allows more where it is skewed).
"""

import numpy as np
from common import BLUE, GREEN, RED, arguments, finish
from scipy.special import ndtri

from varprop import Network, compare, plots, simulate, theory

LOOKS = {
    "infinite": ("-", "o", BLUE, "infinite width"),
    "first": ("--", "s", RED, "first order in 1/width"),
    "exact": ("-.", "^", GREEN, "exact"),
}


def draw(ax, network, quantity, orders, options):
    counts = [int(options.networks / 10 ** (k / 2)) for k in range(7, -1, -1)]
    counts = [n for n in counts if n >= 300]  # fewer are too few to judge
    samples = [simulate.forward(network, networks=n, seed=options.seed + i) for i, n in enumerate(counts)]
    best, numbers = theory.forward(network, order=orders[-1]), {"networks": counts}
    spread = best.log_variance.values if quantity == "log_mean" else best.fluctuation.values * best.variance.values**2
    for order in orders:
        line, marker, colour, label = LOOKS[order]
        predicted = theory.forward(network, order=order)
        comparisons = [compare(sample, predicted, quantity=quantity) for sample in samples]
        off = np.abs(predicted.profiles[quantity].values - best.profiles[quantity].values) / np.sqrt(spread)
        expected, largest = np.max(off) * np.sqrt(counts), [np.nanmax(np.abs(c.z)) for c in comparisons]
        line = line if order != orders[-1] else ""  # from the best theory only noise is expected
        ax.plot(counts, expected, line, color=colour)
        for n, z, c in zip(counts, largest, comparisons, strict=True):
            ax.plot(n, z, marker, color=colour, markerfacecolor="white" if c.agrees else colour, zorder=3)
        ax.plot([], [], line + marker, color=colour, markerfacecolor="white", label=label)
        numbers[order] = {"expected": expected, "agrees": [c.agrees for c in comparisons]}
        numbers[order]["z" if order == orders[-1] else "largest"] = largest
    ax.legend(title="line: expected, points: simulation,\nfilled where compare rejects", alignment="left")
    threshold = -ndtri((1 - (1 - 1e-6) ** (1 / network.depth)) / 2)
    ax.axhline(threshold, color="black", linestyle=":", linewidth=1)
    ax.text(0.98, threshold * 1.1, "rejected above", ha="right", transform=ax.get_yaxis_transform())
    ax.set(xscale="log", yscale="log", xlabel="number of random networks")
    return numbers


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=16)
    tanh, relu = (Network([options.fan_in] * 9, *net) for net in (("tanh", "lecun"), ("relu", "he")))
    figure, numbers = plots.new_figure(10.0, 4.2), {}
    left, right = figure.subplots(1, 2, sharey=True)
    numbers["tanh variance"] = draw(left, tanh, "variance", ("infinite", "first"), options)
    numbers["relu log_mean"] = draw(right, relu, "log_mean", ("infinite", "first", "exact"), options)
    left.set(
        title="Variance in a tanh net, LeCun 1/n", ylabel=f"largest |z-score| of eight layers of width {options.fan_in}"
    )
    right.set_title("Mean logarithm in a ReLU net, He 2/n")
    finish(figure, "theory_ladder", numbers, options)


if __name__ == "__main__":
    main()
