"""Audits of models: signal and gradient in the order of modules, measured as points, theory as strokes and lines."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from .look import COLOURS, MARKERS, axes_of, draw_points, style
from .profiles import MOST_NAMES

if TYPE_CHECKING:
    from ..audits import Audit

_STROKE = {"linestyle": "", "marker": "_", "markersize": 12, "markeredgewidth": 1.5}
_PALE = 0.25  # of what lies beside the chain of layers or sums that the verdict follows
_LONG = 32  # characters of a label


@style()
def plot_audit(audit: "Audit", *, ax: Axes | None = None) -> Axes:
    """Return the axes with E[x²] and the gradient's variance at each place of a model, in the order of execution.

    Parameters
    ----------
    audit
        What `varprop.pytorch.audit` returned.
    ax
        Where to draw; new axes by default.

    Notes
    -----
    Points are measured, with error bars of one standard error between networks; pale ones are beside the chain of
    layers, sums or calls that the verdict follows. Strokes are what the weights' own law gives from the measured
    input, a line what theory says from the architecture alone. What is 0 is not drawn.
    """
    ax = axes_of(ax)
    at = np.arange(1, len(audit.names) + 1)
    followed = {name for fate in audit.judged.fates for name in fate.names}
    main = np.array([name in followed or not followed for name in audit.names])
    predicted = audit.predicted
    for profile, colour, label in (
        (audit.second_moment, COLOURS[0], "E[x²]"),
        (audit.gradient_variance, COLOURS[1], "E[(∂ℓ/∂x)²]"),
    ):
        seen = np.isfinite(profile.values) & (profile.values > 0)
        beside, on = seen & ~main, seen & main
        ax.plot(at[beside], profile.values[beside], MARKERS[colour], color=colour, alpha=_PALE, markerfacecolor="white")
        if on.any():
            errors = np.nan_to_num(profile.errors[on])
            draw_points(ax, at[on], profile.values[on], errors, colour=colour, label=label)
    again: str | None = "E[x²] by its weights"
    for which, alpha in ((main, 0.6), (~main, _PALE)):
        known = which & np.isfinite(predicted.second_moment.values)
        if known.any():
            strokes = {"color": COLOURS[0], "alpha": alpha, "label": again, **_STROKE}
            ax.plot(at[known], predicted.second_moment.values[known], **strokes)
            again = None
    if predicted.network is not None and np.isfinite(predicted.network.values).any():
        known = np.isfinite(predicted.network.values)
        ax.plot(at[known], predicted.network.values[known], color=COLOURS[0], label="E[x²], theory")
    ax.set_yscale("log")
    _name_places(ax, audit.names, main)
    ax.set_title(f"{audit.model}, {audit.networks} network{'s' * (audit.networks != 1)}")
    ax.legend(frameon=True, framealpha=0.8, edgecolor="none")
    return ax


def _name_places(ax: Axes, names: tuple[str, ...], main: np.ndarray) -> None:
    """Label places; of many those that the verdict follows, and of these some, without what all names begin with."""
    shown = np.arange(len(names)) if len(names) <= MOST_NAMES else np.flatnonzero(main)
    shown = shown[:: -(-len(shown) // MOST_NAMES)]
    first = names[0].partition(".")[0] + "."
    start = len(first) if all(name.startswith(first) for name in (names[l] for l in shown)) else 0
    labels = [names[l][start:] for l in shown]
    labels = [label if len(label) <= _LONG else f"…{label[-_LONG:]}" for label in labels]
    ax.set_xticks(shown + 1, labels, rotation=90, fontsize=8)
