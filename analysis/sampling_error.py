"""How far a measured variance is off, and whether its error bar says so: ReLU under He, exact mean known.

Left: relative errors of the last layer's variance against the number of networks in a simulation. Lines: the exact
standard error, sqrt(fluctuation / networks), of slope -1/2. Open: the error that one simulation reports, median and
68% of 200 simulations. Crosses: how far they are off, in the mean, 0.8 standard errors if normal. Where depth is
as large as width the mean is carried by few networks: most simulations miss them, and report too small an error.
Right: simulations off by more than twice the error they report, 4.6% if normal (dotted), with binomial standard
errors; filled where `heavy_tailed` warns in most of them.
"""

import numpy as np
from common import arguments, finish

from varprop import Network, plots, simulate, theory
from varprop.records import NEARLY_NORMAL, lognormal_skewness

BLUE, ORANGE, GREEN, *_ = plots.COLOURS
NETS = {  # colour, marker, and a factor that keeps error bars apart
    "3 layers of 256": (Network([256] * 4), (BLUE, "o", 0.93)),
    "8 layers of 32": (Network([32] * 9), (ORANGE, "s", 1.0)),
    "16 layers of 16": (Network([16] * 17), (GREEN, "D", 1.07)),
}


def measure(network, counts, runs, seed):
    """Return what ``runs`` simulations of each number of networks say of the last layer's variance."""
    predicted, numbers = theory.forward(network), []
    variance, fluctuation = predicted.variance[-1], predicted.fluctuation[-1]
    for i, n in enumerate(counts):
        records = [simulate.forward(network, networks=n, seed=seed + runs * i + k) for k in range(runs)]
        off = np.array([r.variance[-1] / variance - 1 for r in records])
        reported = np.array([r.variance.errors[-1] / variance for r in records])
        exact, beyond = np.sqrt(fluctuation / n), np.mean(np.abs(off) > 2 * reported)
        # of all the simulations together, where their mean is near normal
        near_normal = lognormal_skewness(fluctuation) / np.sqrt(n * runs) < NEARLY_NORMAL
        z = np.mean(off) / exact * np.sqrt(runs) if near_normal else None
        heavy = np.mean([r.heavy_tailed[-1] for r in records])
        numbers.append((n, exact, np.mean(np.abs(off)), np.quantile(reported, (0.16, 0.5, 0.84)), beyond, heavy, z))
    names = ("networks", "exact", "off", "reported", "beyond", "heavy_tailed", "z")
    return dict(zip(names, zip(*numbers, strict=True), strict=True))


def draw(left, right, label, look, found, runs):
    counts, (low, middle, high) = np.array(found["networks"]), np.transpose(found["reported"])
    colour, marker, apart = look
    left.plot(counts, found["exact"], color=colour)
    left.plot(counts * apart, found["off"], "x", color=colour)
    bars = {"color": colour, "markerfacecolor": "white"}
    left.errorbar(counts * apart, middle, (middle - low, high - middle), fmt=marker, label=label, **bars)
    share = np.array(found["beyond"])
    right.errorbar(counts * apart, 100 * share, 100 * np.sqrt(share * (1 - share) / runs), fmt=marker, **bars)
    heavy = np.array(found["heavy_tailed"]) > 0.5
    right.plot(counts[heavy] * apart, 100 * share[heavy], marker, color=colour, zorder=3)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    runs = 40 if options.quick else 200
    most = options.networks / runs  # the largest point draws all of them in its simulations together
    counts = [int(most / 10 ** (k / 2)) for k in range(5, -1, -1) if most / 10 ** (k / 2) >= 10]
    figure = plots.new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    numbers = {"simulations": runs}
    for label, (network, look) in NETS.items():
        numbers[label] = measure(network, counts, runs, options.seed)
        draw(left, right, label, look, numbers[label], runs)
    left.set(xscale="log", yscale="log", xlabel="networks in a simulation", ylabel="relative error of the variance")
    left.set_title("Errors: exact (line), reported (open), actual (cross)")
    left.legend()
    right.plot([], [], "D", color="0.4", label="heavy_tailed warns")
    right.axhline(4.55, color="black", linestyle=":", linewidth=1, label="if normal")
    right.legend()
    right.set(xscale="log", xlabel="networks in a simulation", ylabel="simulations (%)", ylim=0)
    right.set_title("Off by more than twice the error they report")
    finish(figure, "sampling_error", numbers, options)


if __name__ == "__main__":
    main()
