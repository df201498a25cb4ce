"""The multiplier on an initializer's variance as a hyperparameter: growth of Var(z) a layer against it.

Growth is the mean factor over 10, 30 or 100 layers. Left: in a ReLU net it is the multiplier, so only He's own 2/n
keeps the variance, and those within 10^(±1/depth) keep it within a factor of 10. Right: tanh saturates: none is too
large, but at LeCun's own 1/n the signal dies out. Lines are theory, points a million random networks of width 64.
"""

import numpy as np
from common import arguments, finish
from scipy.optimize import brentq

from varprop import Network, plots, simulate, theory

CASES = {
    "ReLU, He 2/n": ("relu", "he", plots.COLOURS[0], "growth is the multiplier"),
    "tanh, LeCun 1/n": ("tanh", "lecun", plots.COLOURS[3], "below 1 vanishes, above 1 settles"),
}
DEPTHS = {10: "-", 30: "--", 100: ":"}
DRAWN, WIDTH, FACTOR, LEAST, MOST, TICKS = 10, 64, 10.0, 0.5, 2.0, (0.5, 0.7, 1, 1.4, 2)


def network(depth, activation, weights, multiplier):
    return Network([WIDTH] * (depth + 2), activation, weights, multiplier=float(multiplier))


def growth(depth, *case):
    """Return the mean factor on Var(z) over ``depth`` layers after the first, predicted."""
    variance = theory.forward(network(depth, *case)).variance
    return (variance[-1] / variance[0]) ** (1 / depth)


def kept(depth, *rule):
    """Return the least and the largest multiplier that keep the signal within ``FACTOR``, None where there is none."""
    misses = [lambda m, s=s: growth(depth, *rule, m) - FACTOR ** (s / depth) for s in (-1, 1)]
    return [brentq(miss, LEAST, MOST, xtol=1e-4) if miss(LEAST) * miss(MOST) < 0 else None for miss in misses]


def measure(networks, seed, *rule):
    rows = []
    for i, multiplier in enumerate(np.geomspace(LEAST, MOST, 7)):
        drawn = network(DRAWN, *rule, multiplier)
        last = simulate.forward(drawn, networks=networks, seed=seed + i).variance
        measured = (last[-1] / drawn.layers[0].gain_squared) ** (1 / DRAWN)  # that is Var(z) of layer 1, exactly
        predicted, error = growth(DRAWN, *rule, multiplier), measured * last.errors[-1] / last[-1] / DRAWN
        rows.append((multiplier, predicted, measured, error, (measured - predicted) / error))
    return dict(zip(("multiplier", "predicted", "measured", "errors", "z"), np.transpose(rows), strict=True))


def draw_range(ax, y, low, high, colour):
    ax.barh(y, (high or ax.get_xlim()[1]) - low, left=low, height=0.55, color=colour)
    text = f"{low:.3f} to {high:.3f}" if high else f"from {low:.3f}"
    ax.text(0.98 * low, y, text, ha="right", va="center", fontsize=9, bbox={"color": "white", "pad": 1})


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure, numbers, fine = plots.new_figure(9.0, 5.2), {}, np.geomspace(LEAST, MOST, 13)
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    axes[0, 0].set(xscale="log", yscale="log", xlim=(0.95 * LEAST, MOST / 0.95), ylabel="growth of Var(z) a layer")
    for top, bottom, (label, (*rule, colour, note)) in zip(*axes, CASES.items(), strict=True):
        numbers[label] = found = measure(options.networks, options.seed, *rule)
        found["kept"] = {depth: kept(depth, *rule) for depth in DEPTHS}
        for y, (depth, line) in enumerate(DEPTHS.items()):
            top.plot(fine, [growth(depth, *rule, m) for m in fine], line, color=colour, label=f"{depth} layers")
            draw_range(bottom, y, *found["kept"][depth], colour)
        points = found["multiplier"], found["measured"], found["errors"]
        plots.draw_points(top, *points, colour=colour, label=f"{DRAWN}, simulated")
        for ax in (top, bottom):
            ax.axvline(1, color="black", linewidth=1, zorder=0)
            ax.minorticks_off()
        top.set(title=f"{label}: {note}", xticks=TICKS, xticklabels=TICKS, yticks=TICKS, yticklabels=TICKS)
        bottom.set(title=f"multipliers that keep Var(z) within a factor of {FACTOR:g}", xlabel="multiplier on Var(w)")
    top.legend(loc="lower right")
    bottom.set(yticks=range(3), yticklabels=[f"{d} layers" for d in DEPTHS], ylim=(2.6, -0.6))
    finish(figure, "multiplier", numbers, options)


if __name__ == "__main__":
    main()
