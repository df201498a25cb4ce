"""One neuron z = w·x with n inputs: Var(z) = n Var(w).

With unscaled weights (Var(w) = 1) it grows as n; with 1/n it stays 1, with 2/n it stays 2.
Inputs have mean 0 and variance 1, biases are 0. Lines are theory, points a million random
neurons each, with error bars of one standard error, smaller than the points.
"""

from common import BLUE, GREEN, LEGEND, RED, agreement, arguments, draw_against, finish

from varprop import Network, VarianceScaling, plots, simulate, theory

LAWS = {
    "Var(w) = 1": (VarianceScaling(1.0, "none"), RED),
    "Var(w) = 2/n": (VarianceScaling(2.0, "fan_in"), BLUE),
    "Var(w) = 1/n": (VarianceScaling(1.0, "fan_in"), GREEN),
}
FAN_INS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def measure(n, law, options, seed):
    neuron = Network([n, 1], weights=law)
    measured = simulate.forward(neuron, networks=options.networks, seed=options.seed + seed)
    return agreement(measured, theory.forward(neuron))


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure, numbers = plots.new_figure(), {}
    ax = figure.subplots()
    for i, (label, (law, colour)) in enumerate(LAWS.items()):
        found = [measure(n, law, options, i) for n in FAN_INS]
        numbers[label] = {key: [f[key][0] for f in found] for key in ("predicted", "measured", "errors", "z")}
        draw_against(ax, FAN_INS, numbers[label], colour=colour, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(FAN_INS, FAN_INS)
    ax.set_yticks([1, 10, 100, 1000], [1, 10, 100, 1000])
    ax.set_xlabel("number of inputs n")
    ax.set_ylabel("Var(z) of one neuron")
    ax.set_title("Var(z) of a neuron is n Var(w): 1/n and 2/n keep it at every n")
    ax.legend(**LEGEND)
    finish(figure, "single_neuron", {"n": FAN_INS, **numbers}, options)


if __name__ == "__main__":
    main()
