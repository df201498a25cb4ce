"""The multiplier on an initializer's variance as a hyperparameter: growth of Var(z) a layer against it.

Growth is the mean factor over 10, 30 or 100 layers. Left: in a ReLU net it is the multiplier, so only He's own 2/n
keeps the variance, and multipliers within 10^(±1/depth) keep the signal within a factor of 10 (bars). Right: tanh
saturates. Below 1 its signal vanishes, above 1 it settles, at LeCun's own 1/n it dies out ever more slowly, and no
multiplier is too large. Lines and bars are theory; points, larger than their errors, a million random networks each.
"""

import numpy as np
from common import arguments, finish
from scipy.optimize import brentq

from varprop import Network, plots, simulate, theory

CASES = {
    "ReLU, He 2/n": ("relu", "he", plots.COLOURS[0], "at any depth:\ngrowth is the multiplier"),
    "tanh, LeCun 1/n": ("tanh", "lecun", plots.COLOURS[3], "below 1 vanishes,\nabove 1 settles"),
}
DEPTHS = {10: "-", 30: "--", 100: ":"}
DRAWN, WIDTH, FACTOR, LEAST, MOST, TICKS = 10, 64, 10.0, 0.5, 2.0, (0.5, 0.7, 1, 1.4, 2)


def growth(depth, activation, weights, multiplier, networks=None, seed=0):
    """Return the mean factor over ``depth`` layers after the first, and its error: theory's, or simulated."""
    network = Network([WIDTH] * (depth + 2), activation, weights, multiplier=float(multiplier))
    first = theory.forward(network).variance  # known exactly in the first layer
    last = simulate.forward(network, networks=networks, seed=seed).variance if networks else first
    factor = (last[-1] / first[0]) ** (1 / depth)
    return factor, factor * last.errors[-1] / last[-1] / depth


def kept(depth, *rule):
    """Return the least and the largest multiplier that keep the signal within ``FACTOR``, None where there is none."""
    misses = [lambda m, s=s: growth(depth, *rule, m)[0] - FACTOR ** (s / depth) for s in (-1, 1)]
    return [brentq(miss, LEAST, MOST, xtol=1e-5) if miss(LEAST) * miss(MOST) < 0 else None for miss in misses]


def measure(networks, seed, *rule):
    multipliers = np.geomspace(LEAST, MOST, 7)
    predicted = np.array([growth(DRAWN, *rule, m)[0] for m in multipliers])
    measured, errors = np.transpose([growth(DRAWN, *rule, m, networks, seed + i) for i, m in enumerate(multipliers)])
    z = (measured - predicted) / errors
    return {"multiplier": multipliers, "predicted": predicted, "measured": measured, "errors": errors, "z": z}


def draw_range(ax, y, low, high, colour):
    ax.barh(y, (high or ax.get_xlim()[1]) - low, left=low, height=0.55, color=colour)
    text = f"{low:.3f} to {high:.3f}" if high else f"from {low:.3f}"
    ax.text(0.98 * low, y, text, ha="right", va="center", fontsize=9, bbox={"color": "white", "pad": 1})


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv)
    figure, numbers, fine = plots.new_figure(9.0, 5.2), {}, np.geomspace(LEAST, MOST, 17)
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    axes[0, 0].set(xscale="log", yscale="log", xlim=(0.95 * LEAST, MOST / 0.95), ylabel="growth of Var(z) a layer")
    for top, bottom, (label, (*rule, colour, note)) in zip(*axes, CASES.items(), strict=True):
        numbers[label] = found = measure(options.networks, options.seed, *rule)
        found["kept"] = {depth: kept(depth, *rule) for depth in DEPTHS}
        for y, (depth, line) in enumerate(DEPTHS.items()):
            top.plot(fine, [growth(depth, *rule, m)[0] for m in fine], line, color=colour, label=f"{depth} layers")
            draw_range(bottom, y, *found["kept"][depth], colour)
        points = (found[name] for name in ("multiplier", "measured", "errors"))
        plots.draw_points(top, *points, colour=colour, label=f"{DRAWN}, simulated")
        top.text(0.05, 0.95, note, transform=top.transAxes, va="top")
        for ax in (top, bottom):
            ax.axvline(1, color="black", linewidth=1, zorder=0)
            ax.minorticks_off()
        top.set_title(label)
        bottom.set_xlabel("multiplier on Var(w)")
    top.set(xticks=TICKS, xticklabels=TICKS, yticks=TICKS, yticklabels=TICKS)
    top.legend(loc="lower right")
    bottom.set(yticks=range(3), yticklabels=[f"{d} layers" for d in DEPTHS], ylim=(2.6, -0.6))
    axes[1, 0].set_ylabel("kept within\na factor of 10")
    finish(figure, "multiplier", numbers, options)


if __name__ == "__main__":
    main()
