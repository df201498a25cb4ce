"""What every analysis script shares: arguments, data, networks and their colours, and where its figure goes."""

import argparse
import sys
from pathlib import Path

import numpy as np

from varprop import Network, compare, plots

FIGURES = Path(__file__).resolve().parent.parent / "figures"
LEGEND = {"title": "line: theory, points: simulation", "alignment": "left"}

BLUE, RED, GREEN, PINK, ORANGE, SKY, BLACK = plots.COLOURS


def scales(fan_in: int) -> dict:
    """Return networks that are fed the digits, with weights on four scales: label: (network, colour)."""
    widths = [64] + [fan_in] * 30
    return {
        "ReLU, 2 × He": (Network(widths, "relu", "he", multiplier=2.0), RED),
        "ReLU, He 2/n": (Network(widths, "relu", "he"), BLUE),
        "tanh, LeCun 1/n": (Network(widths, "tanh", "lecun"), GREEN),
        "ReLU, 0.5 × He": (Network(widths, "relu", "he", multiplier=0.5), PINK),
    }


def arguments(caption: str, argv=None, networks: int = 1_000_000, fan_in: int | None = None) -> argparse.Namespace:
    """Return the options that every script takes; ``networks`` is how many a point has by default.

    A script whose figure speaks of n, the number of inputs of a neuron, names its own n as ``fan_in``.
    """
    parser = argparse.ArgumentParser(description=caption, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=positive, help=f"random networks a point (default: {networks:,})")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal figures (default: 0)")
    parser.add_argument("--quick", action="store_true", help="2,000 networks a point, or fewer where fewer do")
    parser.add_argument("--output", type=Path, default=FIGURES, help="folder to write to (default: figures/)")
    parser.add_argument("--format", choices=plots.FORMATS, default="svg", help="of the figure (default: svg)")
    if fan_in is not None:
        parser.add_argument(
            "--fan-in", type=positive, default=fan_in, help=f"n, inputs of a neuron (default: {fan_in})"
        )
    options = parser.parse_args(argv)
    if options.networks is None:
        options.networks = min(2_000, networks) if options.quick else networks
    own = fan_in is not None and options.fan_in != fan_in
    options.ending = f"_n{options.fan_in}" if own else ""  # of file names: the figures of the docs stay as they are
    return options


def positive(text: str) -> int:
    """Return the whole number above 0 that ``text`` says, as `argparse` asks."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def digits(standardised: bool) -> np.ndarray:
    """Return scikit-learn's 1,797 images of handwritten digits, shape (1797, 64).

    Raw pixels run from 0 to 16; standardised ones have mean 0 and variance 1 each, but for three
    pixels that are 0 in every image and stay 0.
    """
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import StandardScaler

    raw = load_digits().data
    return StandardScaler().fit_transform(raw) if standardised else raw


def draw(ax, measured, predicted, quantity=None, *, colour, label) -> dict:
    """Draw a measurement over its prediction, and return the numbers of both with their z-scores."""
    plots.plot_profile(predicted, quantity, ax=ax, colour=colour)
    plots.plot_profile(measured, quantity, ax=ax, colour=colour, label=label)
    return agreement(measured, predicted, quantity)


def agreement(measured, predicted, quantity=None) -> dict:
    """Return a measured and a predicted quantity, layer by layer, with their z-scores, as numbers to store."""
    comparison = compare(measured, predicted, quantity=quantity)
    numbers = against(comparison.predicted.values, comparison.measured.values, comparison.measured.errors)
    return numbers | {"z": comparison.z, "p_value": comparison.p_value}


def against(predicted, measured, errors) -> dict:
    """Return predictions, measurements and their standard errors with z-scores, as numbers to store."""
    predicted, measured, errors = map(np.asarray, (predicted, measured, errors))
    return {"predicted": predicted, "measured": measured, "errors": errors, "z": (measured - predicted) / errors}


def draw_against(ax, x, numbers, **look) -> None:
    """Draw what `against` returned over ``x``: a line for theory, points for simulation; ``look`` is of the points."""
    ax.plot(x, numbers["predicted"], color=look["colour"])
    plots.draw_points(ax, x, numbers["measured"], numbers["errors"], **look)


def ticks(ax, **at) -> None:
    """Label the ``x`` or the ``y`` axis at these values, as plain numbers, and nowhere else."""
    for axis, values in at.items():
        ax.set(**{f"{axis}ticks": values, f"{axis}ticklabels": [f"{value:g}" for value in values]})
    ax.minorticks_off()


def label_all(figure, x: str, y: str) -> None:
    """Label the axes of all panels of a figure at once."""
    figure.supxlabel(x, fontsize=10)
    figure.supylabel(y, fontsize=10)


def finish(figure, name: str, numbers: dict, options: argparse.Namespace) -> None:
    """Write the figure and its numbers, and say where."""
    asked = {key: value for key, value in vars(options).items() if key in ("networks", "seed", "fan_in")}
    path = options.output / f"{name}{options.ending}"
    plots.save(figure, path, asked | numbers, options.format)
    print(f"wrote {path}.{options.format} and .json", file=sys.stderr)
