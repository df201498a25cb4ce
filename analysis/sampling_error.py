"""How far a measured variance is off, and whether its error bar says so: ReLU under He, exact mean known.

Left: relative errors of the last layer's variance against the number of networks in a simulation. Lines: the exact
standard error, sqrt(fluctuation / networks), of slope -1/2. Open: the error that one simulation reports, median and
68% of 200 simulations. Crosses: how far they are off, in the mean, 0.8 standard errors if normal. Where depth is
as large as width the mean is carried by few networks: most simulations miss them, and report too small an error.
Right: simulations off by more than twice the error they report, 4.6% if normal (dotted), with binomial standard
errors; filled where `heavy_tailed` warns in most of them.
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
    error = np.sqrt(exact.fluctuation[-1] / counts)
    skewed = (3 + exact.fluctuation[-1]) * error / np.sqrt(runs) > 0.1  # the mean of all runs is not near normal
    return {
        "exact": error,
        "off": np.abs(off).mean(1),
        "reported": np.quantile(reported, (0.16, 0.5, 0.84), axis=1),
        "beyond": np.mean(np.abs(off) > 2 * reported, axis=1),
        "heavy_tailed": said[2].mean(1),
        "z": np.where(skewed, np.nan, off.mean(1) / error * np.sqrt(runs)),
    }


def draw(left, right, x, found, runs, **look):
    low, middle, high = found["reported"]
    plots.draw_points(left, x, middle, (middle - low, high - middle), **look)
    left.plot(x, found["exact"], color=look["colour"])
    left.plot(x, found["off"], "x", color=look["colour"])
    share, warned = 100 * found["beyond"], found["heavy_tailed"] > 0.5
    points = plots.draw_points(right, x, share, np.sqrt(share * (100 - share) / runs), **look)
    right.plot(x[warned], share[warned], points.get_marker(), color=look["colour"], zorder=4)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    runs = 40 if options.quick else 200
    most = options.networks / runs  # the largest point draws all of them in its simulations together
    counts = np.array([most / 10 ** (k / 2) for k in range(5, -1, -1) if most / 10 ** (k / 2) >= 10]).astype(int)
    figure, numbers = plots.new_figure(10.0, 4.6), {"simulations": runs, "networks in each": counts}
    left, right = figure.subplots(1, 2)
    for label, (network, colour, apart) in NETS.items():
        numbers[label] = measure(network, counts, runs, options.seed)
        draw(left, right, counts * apart, numbers[label], runs, colour=colour, label=label)
    left.set(xscale="log", yscale="log", xlabel="networks in a simulation", ylabel="relative error of the variance")
    left.set_title("Errors: exact (line), reported (open), actual (cross)")
    left.legend()
    right.set(xscale="log", xlabel="networks in a simulation", ylabel="simulations (%)", ylim=0)
    right.set_title("Off by more than twice the error they report")
    right.axhline(4.55, color="black", linestyle=":", linewidth=1, label="if normal")
    right.legend(title="filled: heavy_tailed warns")
    finish(figure, "sampling_error", numbers, options)


if __name__ == "__main__":
    main()
