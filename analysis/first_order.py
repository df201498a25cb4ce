"""What first order in 1/width leaves out, held against what it says of that itself.

Each point is a layer of a net of width 1 to 64: of equal widths, or of width 64 with a bottleneck of 1 to 8 units in
its third layer; four activations, eight layers, x ~ N(0, I). Across: `left_out`, the estimate that theory makes. Up: by
how much first order was off in simulation, less three standard errors; layers where that leaves nothing lie at the
bottom. Below the line the estimate is enough. Right of the dotted line layers are doubted (`doubtful`), left of it they
are not; red squares there are failures, off by more than a layer may be that is not doubted.
"""

import numpy as np
from common import BLUE, RED, SKY, arguments, finish, label_all

from varprop import Network, compare, plots, simulate, theory

CASES = {"tanh": "lecun", "erf": "he", "gelu": "he", "silu": "he"}
WIDTHS = [[n] * 9 for n in (1, 2, 3, 4, 8, 16, 32, 64)] + [[64, 64, 64, n, *[64] * 5] for n in (1, 2, 3, 4, 8)]
FORWARD = {("forward", "variance"): "E[z²], relative", ("forward", "log_mean"): "E[ln q̂], absolute"}
PANELS = FORWARD | {("backward", "gradient_variance"): "E[δ²], relative", ("backward", "log_mean"): "E[ln d̂], absolute"}
LOOKS = (("o", SKY, "doubted", 3), ("^", BLUE, "not doubted", 4), ("s", RED, "not doubted, and wrong", 7))
LEAST, MOST = 1e-4, 10.0  # at which points beyond are drawn; those off by no more than their errors are at the least
TICKS, LABELS = (LEAST, 1e-3, 0.01, 0.1, 1, MOST), ("0.001", "0.01", "0.1", "1", "≥ 10")


def held(predicted, measured, *, relative):
    """Return the estimate and how far first order surely is off, layer by layer."""
    off = np.abs(predicted.values - measured.values) - 3 * np.hypot(measured.errors, predicted.errors)
    return predicted.left_out, np.maximum(off / (np.abs(measured.values) if relative else 1.0), 0.0)


def gather(options):
    """Return (estimate, off) of all layers for each panel, and z-scores of the first layer, where theory is exact."""
    found, scores = {key: [] for key in PANELS}, []
    for i, (phi, weights) in enumerate(CASES.items()):
        for j, widths in enumerate(WIDTHS[::4] if options.quick else WIDTHS):
            network, seed, records = Network(widths, phi, weights), options.seed + 100 * i + j, {}
            for side in ("forward", "backward"):
                drawn = getattr(simulate, side)(network, networks=options.networks, seed=seed)
                records[side] = getattr(theory, side)(network), drawn
            for name, quantity in PANELS:
                pair = (record.profiles[quantity] for record in records[name])
                found[name, quantity].append(held(*pair, relative=quantity != "log_mean"))
            if widths[0] >= 8:  # narrower ones are too skewed for a z-score
                scores.append(compare(*records["forward"][::-1]).z[0])
    return {key: np.concatenate(pairs, axis=1) for key, pairs in found.items()}, scores


def draw(ax, title, estimate, off, beyond):
    """Draw one panel and return its numbers."""
    trusted, wrong = estimate <= beyond, (estimate <= beyond) & (off > beyond)
    x, y = (np.clip(np.nan_to_num(values, nan=MOST), LEAST, MOST) for values in (estimate, off))
    for part, (marker, colour, label, size) in zip((~trusted, trusted & ~wrong, wrong), LOOKS, strict=True):
        ax.plot(x[part], y[part], marker, color=colour, markersize=size, label=label)
    ax.plot([LEAST, MOST], [LEAST, MOST], "k-", [beyond, beyond], [LEAST, MOST], "k:", linewidth=1)
    ax.set(title=title, xscale="log", yscale="log", xticks=TICKS, yticks=TICKS)
    ax.set(xticklabels=["≤ 0.0001", *LABELS], yticklabels=["within errors", *LABELS])
    rule = {"layers": off.size, "trusted": trusted.sum(), "failed": wrong.sum(), "worst": off[trusted].max()}
    return rule | {"doubt_beyond": beyond, "within": (off <= estimate).mean(), "left_out": estimate, "off": off}


@plots.style()
def main(argv=None):
    options, numbers = arguments(__doc__, argv, networks=100_000), {}
    (pairs, scores), axes = gather(options), plots.new_figure(9.0, 7.6).subplots(2, 2, sharex=True, sharey=True)
    for ax, ((name, quantity), title) in zip(axes.flat, PANELS.items(), strict=True):
        beyond = getattr(theory, name)(Network([8] * 3, "tanh")).profiles[quantity].doubt_beyond
        numbers[f"{name} {quantity}"] = draw(ax, title, *pairs[name, quantity], beyond)
    label_all(ax.figure, "left out, says theory", "off by more than, says simulation")
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    finish(ax.figure, "first_order", {**numbers, "first layer": {"z": scores}}, options)


if __name__ == "__main__":
    main()
