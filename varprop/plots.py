"""Results onto axes; never computes. Theory is a line, simulation is points with error bars."""

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .checks import quote
from .comparison import Comparison
from .law import Law
from .names import choose
from .quantities import QUANTITIES
from .records import Record
from .tables import column, plain, signal_names, verdict

# Okabe and Ito's colours, told apart by colour-blind readers, in an order that also differs in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# One marker a colour, so that networks are told apart in grey too; others get the first.
MARKERS = dict(zip(COLOURS, "os^Dv<P", strict=True))

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "errorbar.capsize": 2,
    "svg.hashsalt": "varprop",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}

FEW_SIGNALS = 10  # whose products are written as numbers
MOST_NAMES = 24  # places that an axis names


@contextmanager
def style():
    """Be a context, and a decorator too, in which figures have the package's style."""
    with mpl.rc_context(STYLE):
        yield
        interactive = mpl.is_interactive()
    # The first figure in a notebook turns this on; undone, no later figure would be shown.
    mpl.interactive(interactive)


def plot_profile(
    record: Record, quantity: str | None = None, *, ax: Axes | None = None, colour: str | None = None, label=None
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
    ax = _axes(ax)
    profile = record.profiles[quantity]
    layers = _layers(profile)
    look = {"colour": colour, "label": label, "strokes": _strokes(profile.names)}
    _draw(ax, record, layers, profile.values, profile.errors, **look)
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
    ax = _axes(ax)
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
    shown = []
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


def plot_law(
    law: Law, layer: int | None = None, *, ax: Axes | None = None, colour: str | None = None, label=None
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
    ax = _axes(ax)
    _draw(ax, law, y, density, errors, colour=colour, label=label)
    ax.set_xlabel(f"ln q̂ of layer {layer}")
    ax.set_ylabel("density")
    return ax


def plot_gram(gram, name: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Return the axes with a matrix of products between signals, as colours, with numbers where they are few.

    Parameters
    ----------
    gram
        What `theory.gram`, `simulate.gram`, `theory.nngp` or `theory.ntk` returned.
    name
        Of a Gram, which place; the last by default.
    ax
        Where to draw; new axes by default. The colour bar takes its room from theirs.

    Raises
    ------
    ValueError
        If the Gram has no such place.
    """
    values, title = gram.values, getattr(gram, "what", None)
    if title is None:
        title = gram.names[-1] if name is None else choose(name, gram.names, "no place {} in this network")
        values = gram.at(title)
    ax = _axes(ax)
    mesh = ax.imshow(values, cmap="cividis", interpolation="nearest")
    ax.figure.colorbar(mesh, ax=ax)
    names = signal_names(gram.network, len(values))
    every = -(-len(names) // MOST_NAMES)
    ax.set_xticks(range(0, len(names), every), names[::every], rotation=90)
    ax.set_yticks(range(0, len(names), every), names[::every])
    for i, j in np.ndindex(values.shape if len(values) <= FEW_SIGNALS else (0, 0)):
        dark = values[i, j] < (values.min() + values.max()) / 2
        ax.text(j, i, f"{values[i, j]:.3g}", ha="center", va="center", color="white" if dark else "black", fontsize=8)
    ax.grid(False)
    ax.set(title=title, xlabel="sample" if gram.network.position_count == 1 else "sample, position")
    return ax


def plot_phase_diagram(diagram, quantity: str = "chi", *, ax: Axes | None = None) -> Axes:
    """Return the axes with one quantity over the plane of weights and biases, and the edge of chaos, chi = 1.

    Parameters
    ----------
    diagram
        What `theory.phase_diagram` returned, with at least two values along each axis.
    quantity
        An array of it, such as ``"correlation"``; ``"chi"`` by default.
    ax
        Where to draw; new axes by default. The colour bar takes its room from theirs.

    Raises
    ------
    ValueError
        If the diagram has no such array, or is one value wide.
    """
    names = [name for name, value in vars(diagram).items() if np.ndim(value) == 2]
    quantity = choose(quantity, names, "no {} in this diagram", kind="quantity")
    if min(diagram.chi.shape) < 2:
        raise ValueError(f"the diagram has shape {diagram.chi.shape}; a plane needs two values along each axis.")
    ax = _axes(ax)
    x, y = diagram.bias_variances, diagram.gains_squared
    values = np.ma.masked_invalid(getattr(diagram, quantity).astype(float))
    # As an image inside the SVG: thousands of cells as paths would be slow to show.
    mesh = ax.pcolormesh(x, y, values, cmap="cividis", shading="nearest", rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label={"chi": "χ"}.get(quantity, quantity.replace("_", " ")))
    if diagram.chi.min() < 1 < diagram.chi.max():
        ax.contour(x, y, np.ma.masked_invalid(diagram.chi), levels=[1.0], colors="black", linewidths=2)
    for phase in ("ordered", "chaotic"):
        _label_middle(ax, x, y, np.argwhere(diagram.phase == phase), phase)
    ax.grid(False)
    ax.set_xlabel("variance of the biases")
    ax.set_ylabel("gain squared, fan_in × Var(w)")
    return ax


def _label_middle(ax: Axes, x, y, cells, text: str) -> None:
    """Write ``text`` on a cell amid ``cells``, rows and columns of a plane; nothing if there are none."""
    if len(cells):
        row = cells[len(cells) // 2, 0]
        columns = cells[cells[:, 0] == row, 1]
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "boxstyle": "round"}
        ax.text(x[columns[len(columns) // 2]], y[row], text, ha="center", va="center", bbox=box)


def _draw(ax: Axes, source: Record | Law, x, values, errors, *, colour, label, strokes=None) -> None:
    """Draw what theory says as a line, or as ``strokes``, what simulation says as points with ``errors``."""
    if source.networks is None:
        ax.plot(x, values, color=colour, label=label, **(strokes or {}))
    else:
        draw_points(ax, x, values, errors, colour=colour, label=label)


def draw_points(ax: Axes, x, values, errors, *, colour=None, label=None) -> Line2D:
    """Draw measured values with error bars of one standard error, and return the points."""
    bars = {"fmt": MARKERS.get(colour, "o"), "color": colour, "markerfacecolor": "white"}
    return ax.errorbar(x, values, errors, label=label, zorder=3, **bars).lines[0]


def _axes(ax: Axes | None) -> Axes:
    """Return ``ax``, or new axes. Raises TypeError for what is neither axes nor None."""
    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(f"ax is {quote(ax)}; give matplotlib axes, such as pyplot.subplots() returns.")
    return new_axes() if ax is None else ax


@style()
def new_axes() -> Axes:
    """Return the axes of a new figure in the package's style."""
    return new_figure().subplots()


@style()
def new_figure(width: float = 6.4, height: float = 4.0) -> Figure:
    """Return an empty figure, sizes in inches; draw on it within `style` for the package's style."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height))


def save(figure: Figure, path: Path, numbers: dict) -> None:
    """Write ``path``.svg, and ``numbers`` beside it as ``path``.json; equal figures give equal bytes.

    Each file is written whole or not at all. Numbers have seven figures; those that are not finite become null.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain(numbers, digits=7), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    drawing, beside = (path.with_name(path.name + end) for end in (".svg", ".json"))  # the name may hold a point
    with style():
        _replace(drawing, lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))
    _replace(beside, lambda file: file.write(text.encode()))


def _replace(path: Path, write) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
