"""What first order in 1/width leaves out, held against what it says of that itself.

Each point is a layer of a net of width 1 to 64: of equal widths, or of width 64 with a bottleneck of 1 to 8 units in
its third layer; four activations, eight layers, x ~ N(0, I). Across: `left_out`, the estimate that theory makes. Up: by
how much first order was off in simulation, less three standard errors; layers where that leaves nothing lie at the
bottom. Below the line the estimate is enough. Right of the dotted line layers are doubted (`doubtful`), left of it they
are not; red squares there are failures, off by more than a layer may be that is not doubted.
"""

import numpy as np
from common import BLUE, RED, SKY, arguments, finish

from varprop import Network, plots, simulate, theory

CASES = {"tanh": "lecun", "erf": "he", "gelu": "he", "silu": "he"}
WIDTHS = [[n] * 9 for n in (1, 2, 3, 4, 8, 16, 32, 64)] + [[64, 64, 64, n, *[64] * 5] for n in (1, 2, 3, 4, 8)]
PANELS = (("forward", "variance"), ("forward", "log_mean"), ("backward", "gradient_variance"), ("backward", "log_mean"))
TITLES = ("E[z²], relative", "E[ln q̂], absolute", "E[δ²], relative", "E[ln d̂], absolute")
LOOKS = (("o", SKY, "doubted"), ("^", BLUE, "not doubted"), ("s", RED, "not doubted, and wrong"))
LEAST = 1e-4  # where points are drawn that are off by no more than their errors


def held(predicted, measured, *, relative):
    """Return the estimate and how far first order surely is off, layer by layer."""
    off = np.abs(predicted.values - measured.values) - 3 * np.hypot(measured.errors, predicted.errors)
    return predicted.left_out, np.maximum(off / (np.abs(measured.values) if relative else 1.0), 0.0)


def gather(options):
    """Return (estimate, off) of all layers for each panel, and z-scores of the first layer, where theory is exact."""
    found, scores = {key: [] for key in PANELS}, []
    for i, (phi, weights) in enumerate(CASES.items()):
        for j, widths in enumerate(WIDTHS[::4] if options.quick else WIDTHS):
            network, drawn = Network(widths, phi, weights), {"networks": options.networks, "seed": 100 * i + j}
            drawn["seed"] += options.seed
            records = {"forward": (theory.forward(network), simulate.forward(network, **drawn))}
            records["backward"] = theory.backward(network), simulate.backward(network, **drawn)
            for name, quantity in PANELS:
                profiles = (record.profiles[quantity] for record in records[name])
                found[name, quantity].append(held(*profiles, relative=quantity != "log_mean"))
            if widths[0] >= 8:  # narrower ones are too skewed for a z-score
                predicted, measured = (record.variance for record in records["forward"])
                scores.append((measured[0] - predicted[0]) / measured.errors[0])
    return {key: np.concatenate(pairs, axis=1) for key, pairs in found.items()}, scores


def draw(ax, estimate, off, beyond):
    """Draw one panel and return its numbers."""
    trusted, wrong = estimate <= beyond, (estimate <= beyond) & (off > beyond)
    x, y = (np.clip(np.nan_to_num(values, nan=10), LEAST, 10) for values in (estimate, off))
    for part, (marker, colour, label) in zip((~trusted, trusted & ~wrong, wrong), LOOKS, strict=True):
        ax.plot(x[part], y[part], marker, color=colour, label=label, markersize=4)
    ax.plot([LEAST, 10], [LEAST, 10], "k-", [beyond, beyond], [LEAST, 10], "k:", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="left out, says theory", ylabel="off, says simulation")
    rule = {"layers": off.size, "trusted": trusted.sum(), "failed": wrong.sum(), "worst": off[trusted].max()}
    return rule | {"doubt_beyond": beyond, "within": (off <= estimate).mean(), "left_out": estimate, "off": off}


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=100_000)
    figure, numbers = plots.new_figure(9.0, 7.6), {}
    pairs, scores = gather(options)
    for ax, (name, quantity), title in zip(figure.subplots(2, 2).flat, PANELS, TITLES, strict=True):
        beyond = getattr(theory, name)(Network([8] * 3, "tanh")).profiles[quantity].doubt_beyond
        numbers[f"{name} {quantity}"] = draw(ax, *pairs[name, quantity], beyond)
        ax.set_title(title)
    ax.legend(loc="upper left")
    finish(figure, "first_order", {**numbers, "first layer": {"z": scores}}, options)


if __name__ == "__main__":
    main()
