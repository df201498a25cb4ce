"""How far a measured variance is off, and whether its error bar says so: ReLU under He, exact mean known.

Relative errors of the last layer's variance, against the number of networks in a simulation. Lines: the exact standard
error, sqrt(fluctuation / networks), of slope -1/2. Left: how far 200 simulations are off, their mean |error| times
sqrt(pi/2), which is the standard error where errors are normal. Middle: the error that one of them reports, median and
68%. Where depth is as large as width the mean is carried by few networks: most simulations miss them, and report too
small an error. Right: simulations off by more than twice the error they report, 4.6% if normal (dotted), with
binomial standard errors; filled where `heavy_tailed` warns in most of them.
"""

import numpy as np
from common import BLUE, GREEN, ORANGE, arguments, finish

from varprop import Network, plots, simulate, theory

NETS = {  # with a factor that keeps error bars apart
    "3 layers of 256": (Network([256] * 4, "relu", "he"), BLUE, 0.93),
    "8 layers of 32": (Network([32] * 9, "relu", "he"), ORANGE, 1.0),
    "16 layers of 16": (Network([16] * 17, "relu", "he"), GREEN, 1.07),
}


def measure(network, counts, runs, seed):
    """Return what ``runs`` simulations of each number of networks say of the last layer's variance, relative to it."""
    exact, said = theory.forward(network), np.empty((3, len(counts), runs))
    for i, k in np.ndindex(len(counts), runs):
        record = simulate.forward(network, networks=counts[i], seed=seed + runs * i + k)
        said[:, i, k] = record.variance[-1], record.variance.errors[-1], record.heavy_tailed[-1]
    off, reported = said[0] / exact.variance[-1] - 1, said[1] / exact.variance[-1]
    error, size = np.sqrt(exact.fluctuation[-1] / counts), np.abs(off) * np.sqrt(np.pi / 2)
    skewed = (3 + exact.fluctuation[-1]) * error / np.sqrt(runs) > 0.1  # the mean of all runs is not near normal
    return {
        "exact": error,
        "off": (size.mean(1), size.std(1) / np.sqrt(runs)),
        "reported": np.quantile(reported, (0.16, 0.5, 0.84), axis=1),
        "beyond": np.mean(np.abs(off) > 2 * reported, axis=1),
        "heavy_tailed": said[2].mean(1),
        "z": np.where(skewed, np.nan, off.mean(1) / error * np.sqrt(runs)),
    }


def draw(axes, x, found, runs, **look):
    low, middle, high = found["reported"]
    for ax, (y, errors) in zip(axes, (found["off"], (middle, (middle - low, high - middle))), strict=False):
        plots.draw_points(ax, x, y, errors, **look)
        ax.plot(x, found["exact"], color=look["colour"])
    share, warned = 100 * found["beyond"], found["heavy_tailed"] > 0.5
    points = plots.draw_points(axes[2], x, share, np.sqrt(share * (100 - share) / runs), **look)
    axes[2].plot(x[warned], share[warned], points.get_marker(), color=look["colour"], zorder=4)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    runs = 40 if options.quick else 200
    counts = options.networks / runs / 10 ** np.arange(2.5, -0.5, -0.5)  # the largest point draws all networks in all
    counts = counts[counts >= 10].astype(int)
    look, numbers = {"xlabel": "networks in a simulation"}, {"simulations": runs, "networks in each": counts}
    axes = plots.new_figure(10.0, 4.0).subplots(1, 3, subplot_kw=look | {"xscale": "log"})
    for label, (network, colour, apart) in NETS.items():
        numbers[label] = measure(network, counts, runs, options.seed)
        draw(axes, counts * apart, numbers[label], runs, colour=colour, label=label)
    for ax, title in zip(axes, ("Errors that simulations have", "Errors that they report"), strict=False):
        ax.set(title=title, ylabel="relative, of the variance", yscale="log", ylim=(2e-3, 50))  # room for the legend
    axes[0].legend(title="line: exact standard error")
    axes[2].axhline(4.55, color="black", linestyle=":", linewidth=1, label="if normal")
    axes[2].set(title="More than twice what they report", ylabel="simulations (%)", ylim=0)
    axes[2].legend(title="filled: heavy_tailed warns")
    finish(ax.figure, "sampling_error", numbers, options)


if __name__ == "__main__":
    main()
