"""The package's style: colours, markers, axes, and what draws a result in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from ..checks import quote
from ..law import Law
from ..records import Record

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
    "pdf.fonttype": 42,  # whole letters, that can be searched and copied
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
}


@contextmanager
def style() -> Iterator[None]:
    """Be a context, and a decorator too, in which figures have the package's style."""
    with mpl.rc_context(STYLE):
        yield
        interactive = mpl.is_interactive()
    # The first figure in a notebook turns this on; undone, no later figure would be shown.
    mpl.interactive(interactive)


@style()
def new_axes() -> Axes:
    """Return the axes of a new figure in the package's style."""
    return new_figure().subplots()


@style()
def new_figure(width: float = 6.4, height: float = 4.0) -> Figure:
    """Return an empty figure, sizes in inches; draw on it within `style` for the package's style."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height))


def axes_of(ax: Axes | None) -> Axes:
    """Return ``ax``, or new axes. Raises TypeError for what is neither axes nor None."""
    if ax is not None and not isinstance(ax, Axes):
        raise TypeError(f"ax is {quote(ax)}; give matplotlib axes, such as pyplot.subplots() returns.")
    return new_axes() if ax is None else ax


def draw(ax: Axes, source: Record | Law, x, values, errors, *, colour, label, strokes=None) -> None:
    """Draw what theory says as a line, or as ``strokes``, what simulation says as points with ``errors``."""
    if source.networks is None:
        ax.plot(x, values, color=colour, label=label, **(strokes or {}))
    else:
        draw_points(ax, x, values, errors, colour=colour, label=label)


def draw_points(
    ax: Axes, x: ArrayLike, values: ArrayLike, errors: ArrayLike, *, colour: str | None = None, label: str | None = None
) -> Line2D:
    """Draw measured values with error bars of one standard error, and return the points."""
    bars = {"fmt": MARKERS.get(colour or "", "o"), "color": colour, "markerfacecolor": "white"}
    return ax.errorbar(x, values, errors, label=label, zorder=3, **bars).lines[0]
