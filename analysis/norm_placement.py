"""LayerNorm and RMSNorm, before and behind the activation: where π/(π − 1) comes from.

Left: the gradient in ReLU nets of 20 layers. A norm before the activation keeps it, and so does RMSNorm behind it;
LayerNorm behind it multiplies it by π/(π − 1) = 1.467 in each layer. Right: why. Activations have a mean; LayerNorm
takes it away, a shift that no gradient feels, and divides by the root of what is left, 1 − s of the mean square, s =
E[a]²/E[a²]. So its gradients grow by 1/(1 − s) where RMSNorm's do not, for every activation (the line); under ReLU s =
1/π. Where the mean is 0, as under tanh, the two are one. Lines are theory of infinite width; points 1,000 random
networks of width 2048 each, error bars one standard error. A point on the right is the growth a layer behind LayerNorm
over that behind RMSNorm, between layers 2 and 20.
"""

import numpy as np
from common import BLACK, BLUE, GREEN, LEGEND, RED, SKY, against, arguments, draw_against, finish

from varprop import Network, plots, simulate, theory
from varprop.layers import Dense, LayerNorm, RMSNorm

DEPTH = 20
NORMS = {"LayerNorm": LayerNorm(), "RMSNorm": RMSNorm()}
COLOURS = {"LayerNorm behind": RED, "RMSNorm behind": BLUE, "LayerNorm before": BLACK, "RMSNorm before": SKY}
OTHERS = ("tanh", "elu", "leaky_relu(0.3)", "silu", "gelu", "relu", "softplus", "sigmoid")


def net(norm, placing, activation, width):
    """Return a net whose norms come before or behind its activations."""
    both = [NORMS[norm], activation] if placing == "before" else [activation, NORMS[norm]]
    return Network.sequential(width, [Dense(width), *both] * DEPTH, Dense(width))


def gradients(network, options, seed):
    """Return the profiles of the gradient that theory and simulation give."""
    measured = simulate.backward(network, networks=options.networks, seed=options.seed + seed)
    return theory.backward(network).gradient_variance, measured.gradient_variance


def growth(profile):
    """Return by what the gradient grows in a layer on its way down, and the relative error of that."""
    ends = profile.values[[1, DEPTH - 1]]
    return (ends[0] / ends[1]) ** (1 / (DEPTH - 2)), np.hypot(*(profile.errors[[1, DEPTH - 1]] / ends)) / (DEPTH - 2)


def ratio(activation, options, seed):
    """Return s, and LayerNorm's growth over RMSNorm's: predicted, measured, standard error."""
    nets = [net(norm, "behind", activation, options.fan_in) for norm in NORMS]
    pairs = (gradients(network, options, seed + i) for i, network in enumerate(nets))
    ((layer, _), (found, error)), ((rms, _), (other, more)) = (map(growth, pair) for pair in pairs)
    told, seen, signal = layer / rms, found / other, theory.forward(nets[1])
    return signal.activation_mean[1] ** 2 / signal.second_moment[1], told, seen, seen * np.hypot(error, more)


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, networks=1_000, fan_in=2048)
    (left, right), numbers = plots.new_figure(10.0, 4.4).subplots(1, 2), {}
    for i, (label, colour) in enumerate(COLOURS.items()):
        predicted, measured = gradients(net(*label.split(), "relu", options.fan_in), options, 2 * i)
        numbers[label] = against(predicted[1:], measured[1:], measured.errors[1:])
        draw_against(left, range(2, DEPTH + 2), numbers[label], colour=colour, label=f"{label} ReLU")
    left.set(title="ReLU", xlabel="layer", ylabel="variance of the gradient", yscale="log", xticks=[2, 5, 10, 15, 20])
    left.legend(**LEGEND)
    s, *found = np.transpose([ratio(name, options, 10 + 2 * i) for i, name in enumerate(OTHERS)])
    numbers["growth"] = {"activation": OTHERS, "s": s, **against(*found)}
    right.plot(x := np.linspace(0, 0.88, 200), 1 / (1 - x), color=GREEN)
    plots.draw_points(right, s, found[1], found[2], colour=GREEN)
    for i, place in enumerate(zip(s, found[1], strict=True)):
        off, side = ((6, -9), "left") if i % 2 else ((-6, 4), "right")
        right.annotate(OTHERS[i], place, off, textcoords="offset points", ha=side, fontsize=9)
    right.set(title="Growth behind LayerNorm over RMSNorm's", xlabel="s, the mean's share of E[a²]", yscale="log")
    right.set(yticks=[1, np.pi / (np.pi - 1), 2, 4], yticklabels=["1", "π/(π − 1)", "2", "4"], xlim=(-0.1, 0.95))
    right.minorticks_off()
    finish(left.figure, "norm_placement", numbers, options)


if __name__ == "__main__":
    main()
