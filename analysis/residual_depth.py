"""Signal, gradient and two inputs against depth, for six ways to stack the same ReLU block.

The block is W2 relu(W1 x) of width 4096, with weights that keep E[x²] (He, then LeCun): L = 32 times by itself (plain),
added at strength α to the stream that skips it, or with LayerNorm before the block (pre-norm) or behind the sum
(post-norm). At α = 1 the stream's variance and its gradient double in each block, to 2^32 beyond the frames; at 1/√L
they grow by e in all, at 1/√(2L) by √e. A block behind a norm adds 1: the stream grows as 1 + l, and gradients on the
way down as much. A norm behind the sum keeps both, but brings two inputs together, as α = 1 does; only in the plain net
do they meet faster. Lines are theory, points 300 random networks each, error bars one standard error; what is drawn is
each block's output, before a norm behind it.
"""

import re

import numpy as np
from common import BLACK, BLUE, GREEN, LEGEND, PINK, RED, SKY, against, arguments, draw_against, finish

from varprop import Network, plots, simulate, theory
from varprop.layers import Dense, LayerNorm, Residual

L = 32
PANELS = {
    "forward": ("signal", "variance of a block's output", (0.7, 100), {}),
    "backward": ("gradient", "variance of the gradient by it", (0.35, 50), {}),
    "pair": ("two inputs, uncorrelated at first", "1 − correlation", (0.02, 1.2), {"correlation": 0.0}),
}


def schemes(width):
    """Return the ways to stack a block: name: (layers, colour)."""
    block = (Dense(width, "he"), "relu", Dense(width, "lecun"))
    return {
        "added, α = 1": ([Residual(*block)], RED),
        "pre-norm": ([Residual(LayerNorm(), *block)], PINK),
        "added, α = 1/√L": ([Residual(*block, scale=L**-0.5)], BLUE),
        "added, α = 1/√(2L)": ([Residual(*block, scale=(2 * L) ** -0.5)], SKY),
        "post-norm": ([Residual(*block), LayerNorm()], GREEN),
        "plain": (list(block), BLACK),
    }


def held(side, network, options, **how):
    """Return what theory and simulation say of the network's blocks, as numbers to store."""
    predicted = getattr(theory, side)(network, **how)
    measured = getattr(simulate, side)(network, networks=options.networks, seed=options.seed, **how)
    blocks = [i for i, name in enumerate(measured.names) if re.fullmatch(r"block \d+|\d*[02468]", name)]
    at = (record.profiles[record.main] for record in (predicted, measured))
    (values, _), (found, errors) = ((profile.values[blocks], profile.errors[blocks]) for profile in at)
    return against(1 - values, 1 - found, errors) if side == "pair" else against(values, found, errors)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=300, fan_in=4096)
    figure, numbers = plots.new_figure(10.0, 4.6), {}
    for ax, (side, (title, label, limits, how)) in zip(figure.subplots(1, 3), PANELS.items(), strict=True):
        for name, (layers, colour) in schemes(options.fan_in).items():
            network = Network.sequential(options.fan_in, layers * L)
            numbers[f"{title}: {name}"] = held(side, network, options, **how)
            draw_against(ax, np.arange(1, L + 1), numbers[f"{title}: {name}"], colour=colour, label=name)
        ax.set(title=title, ylabel=label, xlabel="block", yscale="log", ylim=limits, xticks=[1, 8, 16, 24, 32])
    figure.legend(*ax.get_legend_handles_labels(), **LEGEND, loc="outside upper center", ncols=6)
    finish(figure, "residual_depth", numbers, options)


if __name__ == "__main__":
    main()
