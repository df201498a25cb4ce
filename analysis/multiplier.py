"""The multiplier on an initializer's variance as a hyperparameter: what it does to signal and gradient over the depth.

Top: Var(z) 10, 30 and 100 layers behind the first layer, over that of the first; grey where it is within a factor of
10. Left: a ReLU net multiplies by the multiplier in each layer, so that only He's own 2/n keeps a signal for long.
Right: tanh saturates. Above 1 the signal settles (black), the higher the larger the multiplier; up to 1 it dies out.
Bottom: the multipliers that keep the signal within that factor (filled), and those that keep the gradient (open), which
explodes in a tanh net where the multiplier is large. Lines are theory at width n = 64, points a million random networks
each; where a signal settles, and what is kept, is theory of infinite width.
"""

import numpy as np
from common import BLUE, GREEN, against, arguments, finish, ticks

from varprop import Network, plots, simulate, theory

CASES = {
    "ReLU, He 2/n": ("relu", "he", BLUE, "kept only near 1"),
    "tanh, LeCun 1/n": ("tanh", "lecun", GREEN, "dies out up to 1, settles above"),
}
DEPTHS, SIDES = {10: "-", 30: "--", 100: ":"}, ("signal", "gradient")
MULTIPLIERS = np.geomspace(0.5, 2, 19)


def change(record):
    """Return the last layer's Var(z) over that of the first, which is known exactly, and the error of it."""
    first, last = record.network.layers[0].gain_squared, record.variance
    return last[-1] / first, last.errors[-1] / first


def draw(top, bottom, phi, weights, colour, options):
    """Draw both panels of a case; return what the least depth comes to, and the multipliers that keep each side."""
    kept, networks, seed = {}, options.networks, options.seed
    for y, (depth, line) in enumerate(DEPTHS.items()):
        nets = [Network([options.fan_in] * (depth + 2), phi, weights, multiplier=m) for m in MULTIPLIERS.tolist()]
        top.plot(MULTIPLIERS, told := [change(theory.forward(net))[0] for net in nets], line, color=colour)
        top.plot([], [], line, color="0.3", label=f"{depth} layers")
        if depth == min(DEPTHS):
            drawn = [simulate.forward(net, networks=networks, seed=seed + i) for i, net in enumerate(nets[::3])]
            found = against(told[::3], *np.transpose([change(record) for record in drawn]))
            plots.draw_points(top, MULTIPLIERS[::3], found["measured"], found["errors"], colour=colour)
        tuned = theory.tune(nets[len(nets) // 2])
        kept[depth] = {name: (getattr(tuned, name).least, getattr(tuned, name).most) for name in SIDES}
        for at, face, (low, high) in zip((y - 0.2, y + 0.2), (colour, "white"), kept[depth].values(), strict=True):
            bottom.barh(at, (high or 9) - low, 0.32, left=low, color=face, edgecolor=colour)
            text, box = f"{low:.2f} to {high:.2f}" if high else f"from {low:.2f}", {"color": "white", "pad": 0.5}
            bottom.text(0.97 * low, at, text, ha="right", va="center", fontsize=8, bbox=box)
    return {"multiplier": MULTIPLIERS[::3], **found, "kept": kept}


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=64)
    figure, numbers = plots.new_figure(9.0, 5.8), {}
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1.4))
    for top, bottom, (label, (*net, note)) in zip(*axes, CASES.items(), strict=True):
        numbers[label] = draw(top, bottom, *net, options)
        top.axhspan(0.1, 10, color="0.92", zorder=0)
        top.set(title=f"{label}: {note}", xscale="log", yscale="log", xlim=(0.475, 2.1), ylim=(3e-7, 3e6))
        bottom.set(title="multipliers that keep each within a factor of 10", xlabel="multiplier on Var(w)")
        bottom.set(yticks=range(3), yticklabels=[f"{depth} layers" for depth in DEPTHS], ylim=(2.6, -0.6))
        for ax in (top, bottom):
            ax.axvline(1, color="black", linewidth=1, zorder=0)
            ticks(ax, x=(0.5, 0.7, 1, 1.4, 2))
    above = MULTIPLIERS[MULTIPLIERS > 1.01]
    top.plot(above, [theory.fixed_point("tanh", m).variance / m for m in above], "k-.", label="where it settles")
    axes[0, 0].set_ylabel("Var(z), last layer over first")
    top.legend(loc="upper left", title="line: theory, points: simulation")
    bottom.legend(bottom.containers[:2], SIDES, loc="lower left")
    finish(figure, "multiplier", numbers, options)


if __name__ == "__main__":
    main()
