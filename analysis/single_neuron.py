"""One neuron z = w·x with n inputs: Var(z) = n Var(w).

With unscaled weights (Var(w) = 1) it grows as n; with 1/n it stays 1, with 2/n it stays 2.
Inputs have mean 0 and variance 1, biases are 0. Lines are theory, points a million random
neurons each, with error bars of one standard error, smaller than the points.
Of your own n: --fan-in 784.
"""

from common import BLUE, GREEN, LEGEND, RED, agreement, arguments, draw_against, finish, ticks

from varprop import Network, VarianceScaling, plots, simulate, theory

LAWS = {
    "Var(w) = 1": (VarianceScaling(1.0, "none"), RED),
    "Var(w) = 2/n": (VarianceScaling(2.0, "fan_in"), BLUE),
    "Var(w) = 1/n": (VarianceScaling(1.0, "fan_in"), GREEN),
}


def measure(n, law, options, seed):
    neuron = Network([n, 1], weights=law)
    measured = simulate.forward(neuron, networks=options.networks, seed=options.seed + seed)
    return agreement(measured, theory.forward(neuron))


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=1024)
    figure, numbers = plots.new_figure(), {}
    ax = figure.subplots()
    fan_ins = [options.fan_in >> k for k in reversed(range(options.fan_in.bit_length()))]  # each half the next
    for i, (label, (law, colour)) in enumerate(LAWS.items()):
        found = [measure(n, law, options, i) for n in fan_ins]
        numbers[label] = {key: [f[key][0] for f in found] for key in ("predicted", "measured", "errors", "z")}
        draw_against(ax, fan_ins, numbers[label], colour=colour, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ticks(ax, x=fan_ins)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("number of inputs n")
    ax.set_ylabel("Var(z) of one neuron")
    ax.set_title("Var(z) of a neuron is n Var(w): 1/n and 2/n keep it at every n")
    ax.legend(**LEGEND)
    finish(figure, "single_neuron", {"n": fan_ins, **numbers}, options)


if __name__ == "__main__":
    main()
