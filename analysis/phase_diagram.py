"""The phase diagram of tanh at infinite width, and how many layers a signal lasts.

Left: chi, the factor on the variance of gradients in a layer once the signal has settled. Below 1 (blue, ordered)
gradients vanish and inputs become alike; above 1 (red, chaotic) gradients explode and inputs part. The edge of chaos is
chi = 1; diamonds are exact points of it. Right: along the dotted cut, biases of variance 0.05, the layers over which a
deviation of the variance or of the correlation of two inputs falls by e, and over which the variance of gradients falls
(ordered) or grows (chaotic) by e. The last two diverge at the edge. Circles are measured over 10 layers of 20,000
networks of width 256, error bars of one standard error; near the edge they leave the line by more, since at this width
chi itself is some 0.1% off: z in the JSON compares them with theory of first order in 1/width.
"""

import numpy as np
from common import BLUE, GREEN, ORANGE, agreement, arguments, finish

from varprop import Network, plots, simulate, theory

CUT = 0.05  # variance of the biases
MEASURED_AT = (0.5, 0.8, 1.1, 1.4, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0)
LINES = {"gradient": ("-", BLUE), "correlation": ("--", ORANGE), "variance": ("-.", GREEN)}


def measure(gain_squared, options):
    """Return gradients of a network whose input has the variance where its signal settles, measured and predicted."""
    settled = theory.fixed_point("tanh", gain_squared, CUT).variance
    n = options.fan_in
    network = Network([n] * 12, "tanh", "lecun", multiplier=gain_squared, bias_variance=CUT)
    x = np.full(n, np.sqrt((settled - CUT) / gain_squared))
    measured = simulate.backward(network, x, networks=options.networks, seed=options.seed)
    return agreement(measured, theory.backward(network, x))


def draw_cut(ax, rows, options):
    cut = theory.phase_diagram("tanh", np.linspace(0.5, 4, rows), [CUT])
    for name, (line, colour) in LINES.items():
        ax.plot(cut.gains_squared, np.abs(getattr(cut, f"{name}_depth")[:, 0]), line, color=colour, label=name)
    numbers = {f"gain squared {gain}": measure(gain, options) for gain in MEASURED_AT}
    first, error = np.transpose([(found["measured"][0], found["errors"][0]) for found in numbers.values()])
    depths = np.abs(10 / np.log(first))  # the gradient that arrives, ten layers above, has variance 1
    plots.draw_points(
        ax, MEASURED_AT, depths, depths**2 / 10 * error / first, colour=BLUE, label="gradient, simulation"
    )
    ax.text(1.0, 300, "ordered", ha="center")
    ax.text(2.9, 300, "chaotic", ha="center")
    ax.set(yscale="log", ylim=(0.5, 1000), xlabel="gain squared, fan_in × Var(w)", ylabel="depth scale (layers)")
    ax.legend(loc=(0.56, 0.5))
    return numbers


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=20_000, fan_in=256)  # by then width matters more than sampling
    rows, columns = (21, 11) if options.quick else (71, 46)
    figure = plots.new_figure(10.0, 4.2)
    left, right = figure.subplots(1, 2)
    plane = theory.phase_diagram("tanh", np.linspace(0.5, 4, rows), np.linspace(0, 0.3, columns))
    plots.plot_phase_diagram(plane, ax=left)
    edge = {b: theory.critical("tanh", b)[0].gain_squared for b in (0.0, CUT, 0.1, 0.15, 0.2, 0.25, 0.3)}
    left.plot(edge.keys(), edge.values(), "D", color="black", markerfacecolor="white", clip_on=False)
    left.axvline(CUT, color="black", linestyle=":")
    left.set_title("tanh: the edge of chaos is where χ = 1")
    numbers = {"edge": edge, "gradient": draw_cut(right, 10 * rows, options)}
    right.axvline(edge[CUT], color="0.5", linestyle=":", zorder=0)
    right.set_title(f"Along the dotted cut: the edge is at {edge[CUT]:.2f}")
    finish(figure, "phase_diagram", numbers, options)


if __name__ == "__main__":
    main()
