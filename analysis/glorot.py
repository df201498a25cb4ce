"""Unequal widths: no initializer keeps both signal and gradient; Glorot's 2/(n_in + n_out) shares the loss.

Linear networks, inputs of mean 0 and variance 1, a gradient of variance 1 at the output. Weights
of variance 1/n_in (LeCun) keep the signal in every layer and 1/n_out the gradient; each loses the other
by a ratio of widths. Top: in a funnel Glorot lies between in both. Bottom: in a bottleneck it lies between
at the narrow part, but each step down and up again costs it: (2/3)(4/3) = 8/9 for a factor of 2.
Lines are theory (exact), points a million random networks each, with error bars of one standard error.
"""

from common import BLACK, GREEN, LEGEND, ORANGE, arguments, draw, finish

from varprop import Network, VarianceScaling, plots, simulate, theory

LAWS = {
    "1/n_out": (VarianceScaling(1.0, "fan_out"), ORANGE),
    "2/(n_in + n_out), Glorot": ("glorot", BLACK),
    "1/n_in, LeCun": ("lecun", GREEN),
}
PANELS = (("Signal", "1/n_in", "Var(z)"), ("Gradient", "1/n_out", "Var(∂ℓ/∂z)"))


def draw_row(axes, widths, options):
    numbers = {}
    for i, (label, (law, colour)) in enumerate(LAWS.items()):
        network = Network(widths, "linear", law)
        numbers[label] = {}
        for ax, name in zip(axes, ("forward", "backward"), strict=True):
            predicted = getattr(theory, name)(network)
            measured = getattr(simulate, name)(network, networks=options.networks, seed=options.seed + i)
            numbers[label][name] = draw(ax, measured, predicted, colour=colour, label=label)
    return numbers


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=512)
    figure = plots.new_figure(10.0, 7.4)
    rows, numbers = figure.subplots(2, 2, sharey="row"), {}
    funnel = [max(1, options.fan_in >> k) for k in range(7)]
    shapes = {"funnel": funnel, "bottleneck": [*funnel[1:6], *funnel[4:0:-1]]}
    for axes, (name, widths) in zip(rows, shapes.items(), strict=True):
        numbers[name] = {"widths": widths, **draw_row(axes, widths, options)}
        for ax, (title, keeper, label) in zip(axes, PANELS, strict=True):
            ax.set_title(f"{title} in a linear {name}: {keeper} keeps it")
            ax.set_ylabel(label)
            ax.set_yscale("log", base=2)
            ax.yaxis.get_major_locator().set_params(numticks=20)  # a label at each power of 2
            ax.yaxis.set_major_formatter(lambda y, _: f"{y:g}" if y >= 1 else f"1/{1 / y:g}")
            ax.set_xlabel(f"width of the layer ({widths[0]} inputs)")
            ax.set_xticks(range(1, len(widths)), widths[1:])
            ax.tick_params(labelleft=True)
    rows[1, 0].set_ylim(0.45, 20)
    about = {"title": f"linear networks, no activation; {LEGEND['title']}", "loc": "outside upper center", "ncols": 3}
    figure.legend(*ax.get_legend_handles_labels(), **about)
    finish(figure, "glorot", numbers, options)


if __name__ == "__main__":
    main()
