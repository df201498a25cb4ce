"""The multiplier on an initializer's variance as a hyperparameter: growth of Var(z) a layer against it.

Growth is the mean factor over 10, 30 or 100 layers. Left: in a ReLU net it is the multiplier, so only He's own 2/n
keeps the variance, and those within 10^(±1/depth) keep it within a factor of 10. Right: tanh saturates: none is too
large, but at LeCun's own 1/n the signal dies out. Lines are theory, points a million random networks of width 64.
"""

import numpy as np
from common import BLUE, GREEN, against, arguments, finish
from scipy.interpolate import PchipInterpolator

from varprop import Network, plots, simulate, theory

CASES = {
    "ReLU, He 2/n": ("relu", "he", BLUE, "growth is the multiplier"),
    "tanh, LeCun 1/n": ("tanh", "lecun", GREEN, "below 1 vanishes, above 1 settles"),
}
DEPTHS = {10: "-", 30: "--", 100: ":"}
MULTIPLIERS, TICKS = np.geomspace(0.5, 2, 19), (0.5, 0.7, 1, 1.4, 2)


def growth(record):
    """Return the mean factor on Var(z) in a layer after the first, and its error."""
    depth, last = record.network.depth - 1, record.variance
    factor = (last[-1] / record.network.layers[0].gain_squared) ** (1 / depth)  # Var(z) of layer 1 is that, exactly
    return factor, factor * last.errors[-1] / last[-1] / depth


def draw(top, bottom, phi, weights, colour, options):
    numbers = {"multiplier": MULTIPLIERS[::3], "kept": {}}
    for y, (depth, line) in enumerate(DEPTHS.items()):
        nets = [Network([64] * (depth + 2), phi, weights, multiplier=m) for m in MULTIPLIERS.tolist()]
        predicted = np.array([growth(theory.forward(net))[0] for net in nets])
        top.plot(MULTIPLIERS, predicted, line, color=colour, label=f"over {depth} layers")
        if depth == 10:
            runs = (
                simulate.forward(n, networks=options.networks, seed=options.seed + i) for i, n in enumerate(nets[::3])
            )
            numbers |= against(predicted[::3], *np.transpose([growth(run) for run in runs]))
            points = numbers["multiplier"], numbers["measured"], numbers["errors"]
            plots.draw_points(top, *points, colour=colour, label="simulation")
        at = PchipInterpolator(np.log(predicted), np.log(MULTIPLIERS), extrapolate=False)
        low, high = numbers["kept"][depth] = np.exp(at(np.array([-1, 1]) * np.log(10) / depth))
        bottom.barh(y, np.nan_to_num(high, nan=3) - low, left=low, height=0.55, color=colour)
        text = f"from {low:.3f}" if np.isnan(high) else f"{low:.3f} to {high:.3f}"
        bottom.text(0.98 * low, y, text, ha="right", va="center", fontsize=9, bbox={"color": "white", "pad": 1})
    return numbers


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure, numbers = plots.new_figure(9.0, 5.2), {}
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    for top, bottom, (label, (phi, weights, colour, note)) in zip(*axes, CASES.items(), strict=True):
        numbers[label] = draw(top, bottom, phi, weights, colour, options)
        top.set(title=f"{label}: {note}", xscale="log", yscale="log", xlim=(0.475, 2.1))
        top.set(xticks=TICKS, xticklabels=TICKS, yticks=TICKS, yticklabels=TICKS)
        bottom.set(title="multipliers that keep Var(z) within a factor of 10", xlabel="multiplier on Var(w)")
        for ax in (top, bottom):
            ax.axvline(1, color="black", linewidth=1, zorder=0)
            ax.minorticks_off()
    axes[0, 0].set_ylabel("growth of Var(z) a layer, mean")
    top.legend(loc="lower right")
    bottom.set(yticks=range(3), yticklabels=[f"{depth} layers" for depth in DEPTHS], ylim=(2.6, -0.6))
    finish(figure, "multiplier", numbers, options)


if __name__ == "__main__":
    main()
