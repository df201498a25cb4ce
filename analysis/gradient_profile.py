"""Gradients through depth, for the networks of depth_profile on standardised digits: exploding, kept, vanishing.

A gradient of variance 1 arrives at layer 30 and goes down; read from right to left. Left: gradients by z.
2 times He's 2/n doubles their variance in each layer, half of it halves it, He keeps it; in a tanh net under
LeCun's 1/n it falls slowly. Right: gradients by the weights, E[(∂ℓ/∂z)²] E[a²] with a the layer's input. In a
ReLU net one factor gains from layer to layer what the other loses, so these gradients have one size in every
layer; it explodes or vanishes with the number of layers.
Lines are theory, exact for ReLU and to first order in 1/width for tanh; points a million random networks
each (tanh: a fifth of that), error bars one standard error, smaller than most points.
"""

from common import LEGEND, arguments, digits, draw, finish, scales

from varprop import plots, simulate, theory


@plots.style()
def main(argv=None):
    options = arguments(__doc__, argv, fan_in=128)
    figure = plots.new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2)
    data, numbers = digits(standardised=True), {}
    for i, (label, (network, colour)) in enumerate(scales(options.fan_in).items()):
        predicted = theory.backward(network, data)
        # First order leaves out 0.3% of tanh's gradient in the first layers, which a million networks would see.
        networks = options.networks // (5 if label.startswith("tanh") else 1)
        measured = simulate.backward(network, data, networks=networks, seed=options.seed + i)
        numbers[label] = {"networks": networks} | {
            quantity: draw(ax, measured, predicted, quantity, colour=colour, label=label)
            for ax, quantity in ((left, "gradient_variance"), (right, "weight_gradient_variance"))
        }
    left.set_title("Gradients by z: exploding, kept, vanishing")
    left.set_ylabel("Var(∂ℓ/∂z)")
    left.set_xlabel("layer (the gradient comes from the right)")
    right.set_title("Gradients by the weights: all ReLU layers learn equally fast")
    right.set_ylabel("Var(∂ℓ/∂W)")
    right.legend(**LEGEND, loc=(0.3, 0.6))
    finish(figure, "gradient_profile", numbers, options)


if __name__ == "__main__":
    main()
