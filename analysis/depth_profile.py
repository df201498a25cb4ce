"""Var(z) against depth on handwritten digits: vanishing, kept, exploding.

Left: pixels standardised to mean 0 and variance 1. A ReLU net under 0.5, 1 and 2 times He's
2/n vanishes, keeps its variance, explodes; a tanh net under LeCun's 1/n stays on one scale.
Right: 1/n and 2/n on raw pixels (0 to 16) and on standardised ones. The rules keep whatever scale
the input has: raw pixels start 60 times too large, saturate the tanh net, and stay there in the ReLU net.
Lines are theory, points a million random networks each, error bars one standard error.
"""

from common import arguments, digits, finish

from varprop import Network, compare, plots, simulate, theory

WIDTHS = [64] + [128] * 30
SCALES = {
    "ReLU, 2 × He": (Network(WIDTHS, "relu", "he", multiplier=2.0), True),
    "ReLU, He 2/n": (Network(WIDTHS, "relu", "he"), True),
    "tanh, LeCun 1/n": (Network(WIDTHS, "tanh", "lecun"), True),
    "ReLU, 0.5 × He": (Network(WIDTHS, "relu", "he", multiplier=0.5), True),
}
PIXELS = {
    "ReLU, He, raw pixels": (Network(WIDTHS, "relu", "he"), False),
    "ReLU, He, standardised": (Network(WIDTHS, "relu", "he"), True),
    "tanh, LeCun, raw pixels": (Network(WIDTHS, "tanh", "lecun"), False),
    "tanh, LeCun, standardised": (Network(WIDTHS, "tanh", "lecun"), True),
}


def draw(ax, cases, colours, options):
    numbers = {}
    for i, (label, (network, standardised)) in enumerate(cases.items()):
        data = digits(standardised)
        predicted = theory.forward(network, data)
        measured = simulate.forward(network, data, networks=options.networks, seed=options.seed + i)
        plots.plot_profile(predicted, ax=ax, colour=colours[i])
        plots.plot_profile(measured, ax=ax, colour=colours[i], label=label)
        comparison = compare(measured, predicted)
        numbers[label] = {
            "predicted": predicted.variance.values,
            "measured": measured.variance.values,
            "errors": measured.variance.errors,
            "z": comparison.z,
            "p_value": comparison.p_value,
        }
    ax.set_ylabel("Var(z)")
    ax.legend(title="line: theory, points: simulation", alignment="left")
    return numbers


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure = plots.new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2)
    blue, orange, green, pink, *_ = plots.COLOURS
    numbers = {"scales": draw(left, SCALES, (orange, blue, green, pink), options)}
    numbers["pixels"] = draw(right, PIXELS, (plots.COLOURS[4], blue, plots.COLOURS[5], green), options)
    left.set_title("Digits, each pixel of mean 0 and variance 1")
    right.set_title("Raw pixels against standardised ones")
    right.set_ylim(top=1e4)  # room for the legend
    finish(figure, "depth_profile", numbers, options)


if __name__ == "__main__":
    main()
