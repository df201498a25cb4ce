"""Grams, kernels and phase diagrams, as colours."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm

from ..grams import Grams, Kernel
from ..names import choose
from ..tables import signal_names
from .look import axes_of
from .profiles import MOST_NAMES

if TYPE_CHECKING:
    from ..theory import PhaseDiagram

FEW_SIGNALS = 10  # whose products are written as numbers


def plot_gram(gram: Grams | Kernel, name: str | None = None, *, ax: Axes | None = None) -> Axes:
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
    if isinstance(gram, Kernel):
        values, title = gram.values, gram.what
    else:
        title = gram.names[-1] if name is None else choose(name, gram.names, "no place {} in this network")
        values = gram.at(title)
    ax = axes_of(ax)
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


def plot_phase_diagram(diagram: "PhaseDiagram", quantity: str = "chi", *, ax: Axes | None = None) -> Axes:
    """Return the axes with one quantity over the plane of weights and biases, and the edge of chaos, chi = 1.

    Chi is blue below 1, white at 1, red above.

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
    ax = axes_of(ax)
    x, y = diagram.bias_variances, diagram.gains_squared
    values = np.ma.masked_invalid(getattr(diagram, quantity).astype(float))
    # As an image inside the SVG: thousands of cells as paths would be slow to show.
    look = {"cmap": "cividis"}
    if quantity == "chi":
        look = {"cmap": "RdBu_r", "norm": CenteredNorm(1.0, np.abs(values - 1).max() or 1.0)}
    mesh = ax.pcolormesh(x, y, values, shading="nearest", rasterized=True, **look)
    bar = ax.figure.colorbar(mesh, ax=ax, label={"chi": "χ"}.get(quantity, quantity.replace("_", " ")))
    if values.min() < values.max():
        bar.ax.set_ylim(values.min(), values.max())  # the centred scale reaches as far on either side
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
