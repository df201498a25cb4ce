"""The phase diagram of tanh at infinite width, and how many layers a signal lasts.

Left: chi, the factor on the variance of gradients in a layer once the signal has settled. Below 1 (ordered) gradients
vanish and inputs become alike; above 1 (chaotic) gradients explode and inputs part. The edge of chaos is chi = 1;
diamonds are exact points of it. Right: along the dotted cut, the layers over which a deviation of the variance or of
the correlation of two inputs falls by e, and over which the variance of gradients falls (ordered) or grows (chaotic)
by e. The last two diverge at the edge. Circles are measured over 10 layers of networks of width 256, error bars of
one standard error; near the edge they leave the line by more, since at this width chi itself is some 0.1% off:
z in the JSON compares them with theory of first order in 1/width.
"""

import numpy as np
from common import arguments, finish

from varprop import Network, compare, plots, simulate, theory

CUT = 0.05  # variance of the biases
MEASURED_AT = (0.5, 0.8, 1.1, 1.4, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0)
WIDTHS = [256] * 12
BLUE, ORANGE, GREEN, *_ = plots.COLOURS
LINES = {"gradient": ("-", BLUE), "correlation": ("--", ORANGE), "variance": ("-.", GREEN)}


def measure(gain_squared, options):
    """Return the depth scale of gradients, measured where the signal starts settled, its error, and z a layer."""
    settled = theory.fixed_point("tanh", gain_squared, CUT)
    network = Network(WIDTHS, "tanh", "lecun", multiplier=gain_squared, bias_variance=CUT)
    x = np.full(WIDTHS[0], np.sqrt((settled.variance - CUT) / gain_squared))
    measured = simulate.backward(network, x, networks=options.networks, seed=options.seed)
    first, error = measured.gradient_variance[0], measured.gradient_variance.errors[0]
    depth = -(network.depth - 1) / np.log(first)  # the gradient that arrives has variance 1
    z = compare(measured, theory.backward(network, x)).z
    return settled.gradient_depth, depth, depth**2 / (network.depth - 1) * error / first, z


def draw_cut(ax, edge, rows, options):
    cut = theory.phase_diagram("tanh", np.linspace(0.5, 4, rows), [CUT])
    for name, (line, colour) in LINES.items():
        ax.plot(cut.gains_squared, np.abs(getattr(cut, f"{name}_depth")[:, 0]), line, color=colour, label=name)
    expected, depths, errors, z = zip(*(measure(g, options) for g in MEASURED_AT), strict=True)
    plots.draw_points(ax, MEASURED_AT, np.abs(depths), errors, colour=BLUE, label="gradient, simulation")
    ax.axvline(edge, color="0.5", linestyle=":", zorder=0)
    for x, phase in ((1.0, "ordered"), (2.9, "chaotic")):
        ax.text(x, 300, phase, ha="center")
    ax.set(yscale="log", ylim=(0.5, 1000), xlabel="gain squared, fan_in × Var(w)", ylabel="depth scale (layers)")
    ax.set_title(f"Along the cut, edge of chaos at gain squared {edge:.2f}")
    ax.legend(loc=(0.56, 0.5))
    return {
        "gains_squared": MEASURED_AT,
        "predicted": expected,
        "measured": depths,
        "errors": errors,
        "z": np.concatenate(z),
    }


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=20_000)  # by then width 256 matters more than sampling
    rows, columns = (21, 11) if options.quick else (71, 46)
    figure = plots.new_figure(10.0, 4.2)
    left, right = figure.subplots(1, 2)
    plane = theory.phase_diagram("tanh", np.linspace(0.5, 4, rows), np.linspace(0, 0.3, columns))
    plots.plot_phase_diagram(plane, ax=left)
    edge = {b: theory.critical("tanh", b)[0].gain_squared for b in (0.0, CUT, 0.1, 0.15, 0.2, 0.25, 0.3)}
    left.plot(edge.keys(), edge.values(), "D", color="black", markerfacecolor="white", clip_on=False)
    left.axvline(CUT, color="white", linestyle=":")
    left.set_title("tanh: the edge of chaos is where χ = 1")
    numbers = {"edge": edge, "width": WIDTHS[0], "gradient_depth": draw_cut(right, edge[CUT], 10 * rows, options)}
    finish(figure, "phase_diagram", numbers, options)


if __name__ == "__main__":
    main()
