"""One neuron z = w·x with n inputs: Var(z) = n Var(w).

With unscaled weights (Var(w) = 1) it grows as n; with 1/n it stays 1, with 2/n it stays 2.
Inputs have mean 0 and variance 1, biases are 0. Lines are theory, points a million random
neurons each, with error bars of one standard error, smaller than the points.
"""

from common import BLUE, GREEN, LEGEND, RED, arguments, finish

from varprop import Network, VarianceScaling, compare, plots, simulate, theory

LAWS = {
    "Var(w) = 1": (VarianceScaling(1.0, "none"), RED),
    "Var(w) = 2/n": (VarianceScaling(2.0, "fan_in"), BLUE),
    "Var(w) = 1/n": (VarianceScaling(1.0, "fan_in"), GREEN),
}
FAN_INS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure = plots.new_figure()
    ax, numbers = figure.subplots(), {}
    for i, (label, (law, colour)) in enumerate(LAWS.items()):
        predicted, measured, errors, z = [], [], [], []
        for n in FAN_INS:
            neuron = Network([n, 1], weights=law)
            measured_neuron = simulate.forward(neuron, networks=options.networks, seed=options.seed + i)
            comparison = compare(measured_neuron, theory.forward(neuron))
            predicted.append(comparison.predicted[0])
            measured.append(comparison.measured[0])
            errors.append(comparison.measured.errors[0])
            z.append(comparison.z[0])
        ax.plot(FAN_INS, predicted, color=colour)
        plots.draw_points(ax, FAN_INS, measured, errors, colour=colour, label=label)
        numbers[label] = {"n": FAN_INS, "predicted": predicted, "measured": measured, "errors": errors, "z": z}
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(FAN_INS, FAN_INS)
    ax.set_yticks([1, 10, 100, 1000], [1, 10, 100, 1000])
    ax.set_xlabel("number of inputs n")
    ax.set_ylabel("Var(z) of one neuron")
    ax.set_title("Var(z) of a neuron is n Var(w): 1/n and 2/n keep it at every n")
    ax.legend(**LEGEND)
    finish(figure, "single_neuron", numbers, options)


if __name__ == "__main__":
    main()
