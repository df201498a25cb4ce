"""Records, comparisons and laws: theory is a line, simulation is points with error bars."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..comparison import Comparison
from ..law import Law
from ..names import choose
from ..quantities import QUANTITIES
from ..records import Record
from ..tables import column, verdict
from .look import COLOURS, axes_of, draw, draw_points, style

MOST_NAMES = 24  # places that an axis names


def plot_profile(
    record: Record,
    quantity: str | None = None,
    *,
    ax: Axes | None = None,
    colour: str | None = None,
    label: str | None = None,
) -> Axes:
    """Return the axes with one quantity of ``record`` against depth: a line for theory, points for simulation.

    Parameters
    ----------
    record
        What `theory` or `simulate` returned.
    quantity
        Which profile, such as ``"log_mean"``; the record's main one by default.
    ax
        Where to draw; new axes by default.
    colour, label
        Of the line or the points. Give theory and simulation of one network the same colour.

    Raises
    ------
    ValueError
        If the record has no such profile.
    """
    quantity = record.main if quantity is None else quantity
    quantity = choose(quantity, record.profiles, "no {} in this record", kind="quantity")
    ax = axes_of(ax)
    profile = record.profiles[quantity]
    layers = _layers(profile)
    look = {"colour": colour, "label": label, "strokes": _strokes(profile.names)}
    draw(ax, record, layers, profile.values, profile.errors, **look)
    if QUANTITIES[quantity].logarithmic and (profile.values > 0).any():
        ax.set_yscale("log")
    _name_layers(ax, profile.names)
    ax.set_ylabel(column(record, quantity))
    return ax


@style()
def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Return the axes with a measurement as points and its prediction as a line; z-scores go on axes below.

    Parameters
    ----------
    comparison
        What `compare` returned.
    ax
        Where to draw, one of a grid such as ``pyplot.subplots()`` makes: a part of its height goes to the
        z-scores. New axes by default.

    Notes
    -----
    The grey band is |z| < 2. z-scores that are infinite or not judged are not drawn; the verdict is above.

    Raises
    ------
    ValueError
        If ``ax`` is not one of a grid.
    """
    measured, predicted = comparison.measured, comparison.predicted
    ax = axes_of(ax)
    below = _axes_below(ax)
    layers, colour = _layers(measured), COLOURS[0]
    strokes = _strokes(predicted.names)
    ax.plot(layers, predicted.values, color=colour, label=f"theory, {predicted.origin}", **strokes)
    label = f"{comparison.networks:,} networks"
    draw_points(ax, layers, measured.values, measured.errors, colour=colour, label=label)
    below.axhspan(-2, 2, color="0.92", zorder=0)
    below.plot(layers, comparison.z, "o", color=colour)
    if QUANTITIES[comparison.quantity].logarithmic and predicted.values.max() > 10 * predicted.values.min():
        ax.set_yscale("log")
    ax.set_ylabel(comparison.quantity)
    ax.set_title(verdict(comparison))
    ax.tick_params(labelbottom=False)
    ax.legend()
    below.set_ylabel("z-score")
    _name_layers(below, measured.names)
    return ax


def plot_law(
    law: Law, layer: int | None = None, *, ax: Axes | None = None, colour: str | None = None, label: str | None = None
) -> Axes:
    """Return the axes with the density of ln q-hat in one layer: a line for theory, points for simulation.

    Parameters
    ----------
    law
        What `theory.law` or `simulate.law` returned.
    layer
        Counted from 1; the last by default.
    ax
        Where to draw; new axes by default.
    colour, label
        Of the line or the points.

    Notes
    -----
    The area is P(q-hat > 0). A simulation is drawn as `Law.histogram` has it.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    layer = len(law.layers) if layer is None else layer
    if law.networks is None:
        y, density = law.log_density(layer)
        shown = density > 1e-4 * density.max()  # it is known far into the tails
        y, density, errors = y[shown], density[shown], None
    else:
        y, density, errors = law.histogram(layer)
    ax = axes_of(ax)
    draw(ax, law, y, density, errors, colour=colour, label=label)
    ax.set_xlabel(f"ln q̂ of layer {layer}")
    ax.set_ylabel("density")
    return ax


def _layers(profile) -> np.ndarray:
    """Return where on the axis of layers a profile's entries go: what is of the input at 0."""
    return np.zeros(1) if profile.names == ("input",) else np.arange(1, len(profile) + 1)


def _strokes(names: tuple[str, ...]) -> dict:
    """Return how theory is drawn: layers as a line; places, which are of several kinds, and one layer, as strokes."""
    return (
        {}
        if names[0].isdigit() and len(names) > 1
        else {"linestyle": "", "marker": "_", "markersize": 12, "markeredgewidth": 1.5}
    )


def _name_layers(ax: Axes, names: tuple[str, ...]) -> None:
    """Label the axis of layers; of places by their names, of many those that lie least deep, and of these some."""
    if names[0].isdigit() or names == ("input",):
        ax.set_xlabel("layer")
        ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        return
    depths = [name.count(" / ") for name in names]
    shown: list[int] = []
    for i, depth in enumerate(depths):
        apart = i - shown[-1] if shown else len(names)
        if len(names) <= MOST_NAMES or (depth == min(depths) and apart >= len(names) / MOST_NAMES):
            shown.append(i)
    ax.set_xticks([i + 1 for i in shown], [names[i] for i in shown], rotation=90, fontsize=8)


def _axes_below(ax: Axes) -> Axes:
    """Return new axes that take the lower third of the place of ``ax``."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("these axes are not one of a grid; give such as pyplot.subplots() makes.")
    upper, lower = place.subgridspec(2, 1, height_ratios=(2, 1))
    ax.set_subplotspec(upper)
    return ax.figure.add_subplot(lower, sharex=ax)
