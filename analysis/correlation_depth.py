"""The correlation of two inputs against depth, from 0, 0.5 and 0.9.

ReLU under He drives all inputs together: 1 - c falls as 9 pi^2 / (2 depth^2), to which the inset follows theory at
infinite width, 1,000 layers deep (dotted: the law). tanh under LeCun is at the edge of chaos and hardly moves what is
apart. At gain 5/3, PyTorch's for tanh, it is chaotic: inputs part. With biases, erf under LeCun is ordered: inputs come
together by a factor e every 7 layers. Lines are theory of first order in 1/width, points 10,000 networks of width 512
each, with error bars of one standard error (most are smaller than the points).
"""

import numpy as np
from common import BLUE, GREEN, PINK, SKY, arguments, draw, finish, label_all

from varprop import Network, plots, simulate, theory

STARTS = (0.0, 0.5, 0.9)
NETS = {  # label: (activation, weights, what else, colour)
    "ReLU, He 2/n: at the edge": ("relu", "he", {}, BLUE),
    "tanh, LeCun 1/n: at the edge": ("tanh", "lecun", {}, GREEN),
    "tanh, gain 5/3: chaotic": ("tanh", "lecun", {"multiplier": 25 / 9}, SKY),
    "erf, LeCun 1/n, bias variance 0.05: ordered": ("erf", "lecun", {"bias_variance": 0.05}, PINK),
}


def draw_starts(ax, network, colour, options):
    numbers = {}
    for i, start in enumerate(STARTS):
        predicted = theory.pair(network, start)
        measured = simulate.pair(network, start, networks=options.networks, seed=options.seed + i)
        numbers[f"from {start}"] = draw(ax, measured, predicted, colour=colour, label=None if i else "simulation")
    return numbers


def draw_law(ax, depth):
    layers = np.arange(1, depth + 1)
    for start in STARTS:
        predicted = theory.pair(Network([2] * (depth + 1), "relu", "he"), start, order="infinite")
        ax.plot(layers, 1 - predicted.correlation.values, color=BLUE, linewidth=1)
    ax.plot(layers[9:], 9 * np.pi**2 / (2 * layers[9:] ** 2), color="black", linestyle=":")
    ax.set(xscale="log", yscale="log")
    ax.set_title("1 − c against layer, infinite width", fontsize=9)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=10_000, fan_in=512)
    figure, numbers = plots.new_figure(10.0, 6.0), {}
    axes = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for ax, (title, (*net, more, colour)) in zip(axes, NETS.items(), strict=True):
        network = Network([options.fan_in] * 17, *net, **more)
        numbers[title] = draw_starts(ax, network, colour, options)
        ax.set(title=title, xlabel="", ylabel="", xticks=[1, 4, 8, 12, 16])
    figure.axes[2].legend(title="line: theory", loc="upper right")
    draw_law(figure.axes[0].inset_axes([0.5, 0.12, 0.47, 0.48]), 100 if options.quick else 1000)
    label_all(figure, "layer", "correlation c of two inputs")
    finish(figure, "correlation_depth", numbers, options)


if __name__ == "__main__":
    main()
