"""Why He's 2: Var(z) of ReLU nets under Var(w) = 1/n and 2/n, inputs of mean 0 and variance 1.

Left: under 1/n Var(z) halves from layer to layer; under 2/n it stays 2 at every depth.
Right: the same, step by step. z is as often below 0 as above, so ReLU drops half of E[z^2]:
E[a^2] = E[z^2] / 2 in each layer. Weights of variance 1/n pass that on, those of 2/n make up for it.
Lines are theory (exact), points a million random networks each, with error bars of one standard
error, smaller than most points.
"""

import numpy as np
from common import BLUE, GREEN, LEGEND, agreement, arguments, draw, draw_against, finish

from varprop import Network, plots, simulate, theory

RULES = {"Var(w) = 2/n (He)": ("he", BLUE), "Var(w) = 1/n": ("lecun", GREEN)}
STEPS = ("x", "z¹", "a¹", "z²", "a²", "z³", "a³", "z⁴")


def in_turn(z, a):
    """Return E[x^2] = 1, then E[z^2] and E[a^2] of each layer, from two `agreement`s."""
    keys = ("predicted", "measured", "errors")
    return {key: [float(key != "errors"), *np.ravel([z[key], a[key]], "F")[: len(STEPS) - 1]] for key in keys}


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=128)
    figure, numbers = plots.new_figure(10.0, 4.4), {}
    left, right = figure.subplots(1, 2)
    for i, (label, (rule, colour)) in enumerate(RULES.items()):
        network = Network([options.fan_in] * 31, "relu", rule)
        predicted = theory.forward(network)
        measured = simulate.forward(network, networks=options.networks, seed=options.seed + i)
        z = draw(left, measured, predicted, colour=colour, label=label)
        a = agreement(measured, predicted, "second_moment")
        draw_against(right, range(len(STEPS)), in_turn(z, a), colour=colour)
        numbers[label] = {"variance": z, "second_moment": a}
    title = f"30 ReLU layers of {options.fan_in} units: 2/n keeps Var(z), 1/n halves it"
    left.set(title=title, ylabel="Var(z) = E[z²]")
    left.legend(**LEGEND)
    right.set_title("Step by step: ReLU halves the mean square, 2/n doubles it")
    right.set_ylabel("E[x²], then E[z²] and E[a²] in turn")
    right.set_yscale("log", base=2)
    right.set_ylim(1 / 11, 4.4)
    right.set_yticks([2, 1, 1 / 2, 1 / 4, 1 / 8], ["2", "1", "1/2", "1/4", "1/8"])
    right.set_xticks(range(len(STEPS)), STEPS)
    for step in range(len(STEPS) - 1):
        relu = step % 2 == 1
        right.axvspan(step, step + 1, color="0.93" if relu else "1.0", lw=0, zorder=0)
        right.text(step + 0.5, 2.7, "ReLU\n÷ 2" if relu else "weights\n× 2 or × 1", ha="center", fontsize=8)
    finish(figure, "relu_factor", numbers, options)


if __name__ == "__main__":
    main()
