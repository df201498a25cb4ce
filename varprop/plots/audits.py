"""Audits of models: signal and gradient in the order of modules, measured as points, theory as strokes and lines."""

import numpy as np
from matplotlib.axes import Axes

from .look import COLOURS, axes_of, draw_points, style
from .profiles import MOST_NAMES

_STROKE = {"linestyle": "", "marker": "_", "markersize": 12, "markeredgewidth": 1.5}


@style()
def plot_audit(audit, *, ax: Axes | None = None) -> Axes:
    """Return the axes with E[x²] and the gradient's variance at each place of a model, in the order of execution.

    Parameters
    ----------
    audit
        What `varprop.pytorch.audit` returned.
    ax
        Where to draw; new axes by default.

    Notes
    -----
    Points are measured, with error bars of one standard error between networks. Strokes are what the weights' own law
    gives from the measured input, a line what theory says from the architecture alone. What is 0 is not drawn.
    """
    ax = axes_of(ax)
    at = np.arange(1, len(audit.names) + 1)
    predicted = audit.predicted
    shown = (
        (audit.second_moment, COLOURS[0], "E[x²]", predicted.second_moment, predicted.network),
        (audit.gradient_variance, COLOURS[1], "E[(∂ℓ/∂x)²]", None, None),
    )
    for profile, colour, label, by_weights, by_network in shown:
        seen = np.isfinite(profile.values) & (profile.values > 0)
        if seen.any():
            errors = np.nan_to_num(profile.errors[seen])
            draw_points(ax, at[seen], profile.values[seen], errors, colour=colour, label=label)
        if by_weights is not None and np.isfinite(by_weights.values).any():
            ax.plot(at, by_weights.values, color=colour, label=f"{label} by its weights", alpha=0.6, **_STROKE)
        if by_network is not None and np.isfinite(by_network.values).any():
            known = np.isfinite(by_network.values)
            ax.plot(at[known], by_network.values[known], color=colour, label=f"{label}, theory")
    ax.set_yscale("log")
    every = -(-len(at) // MOST_NAMES)
    ax.set_xticks(at[::every], audit.names[::every], rotation=90, fontsize=8)
    ax.set_title(f"{audit.model}, {audit.networks} network{'s' * (audit.networks != 1)}")
    ax.legend()
    return ax
