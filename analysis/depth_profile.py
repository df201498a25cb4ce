"""Var(z) against depth on handwritten digits: vanishing, kept, exploding.

Left: pixels standardised to mean 0 and variance 1. A ReLU net under 0.5, 1 and 2 times He's
2/n vanishes, keeps its variance, explodes; a tanh net under LeCun's 1/n stays on one scale.
Right: 1/n and 2/n on raw pixels (0 to 16) and on standardised ones. The rules keep whatever scale
the input has: raw pixels start 60 times too large, saturate the tanh net, and stay there in the ReLU net.
Lines are theory, points a million random networks each, error bars one standard error.
"""

from common import BLUE, GREEN, LEGEND, ORANGE, SKY, arguments, digits, draw, finish, scales

from varprop import plots, simulate, theory

PIXELS = {  # label: (network of common.scales, whether pixels are standardised, colour)
    "ReLU, He, raw pixels": ("ReLU, He 2/n", False, ORANGE),
    "ReLU, He, standardised": ("ReLU, He 2/n", True, BLUE),
    "tanh, LeCun, raw pixels": ("tanh, LeCun 1/n", False, SKY),
    "tanh, LeCun, standardised": ("tanh, LeCun 1/n", True, GREEN),
}


def draw_all(ax, cases, options):
    numbers = {}
    for i, (label, (network, standardised, colour)) in enumerate(cases.items()):
        data = digits(standardised)
        predicted = theory.forward(network, data)
        measured = simulate.forward(network, data, networks=options.networks, seed=options.seed + i)
        numbers[label] = draw(ax, measured, predicted, colour=colour, label=label)
    ax.set_ylabel("Var(z)")
    ax.tick_params(labelleft=True)
    ax.legend(**LEGEND)
    return numbers


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=128)
    figure = plots.new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    nets = scales(options.fan_in)
    standardised = {label: (network, True, colour) for label, (network, colour) in nets.items()}
    pixels = {label: (nets[name][0], *how) for label, (name, *how) in PIXELS.items()}
    numbers = {"scales": draw_all(left, standardised, options), "pixels": draw_all(right, pixels, options)}
    left.set_title("Standardised digits: exploding, kept, vanishing")
    right.set_title("Raw pixels against standardised ones")
    finish(figure, "depth_profile", numbers, options)


if __name__ == "__main__":
    main()
