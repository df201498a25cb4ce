"""Results onto axes; never computes. Theory is a line, simulation is points with error bars."""

from .audits import plot_audit
from .inline import inline_svg
from .look import COLOURS, MARKERS, STYLE, draw_points, new_axes, new_figure, style
from .planes import plot_gram, plot_phase_diagram
from .profiles import plot_comparison, plot_law, plot_profile
from .stored import FORMATS, save

__all__ = [
    "COLOURS",
    "FORMATS",
    "MARKERS",
    "STYLE",
    "draw_points",
    "inline_svg",
    "new_axes",
    "new_figure",
    "plot_audit",
    "plot_comparison",
    "plot_gram",
    "plot_law",
    "plot_phase_diagram",
    "plot_profile",
    "save",
    "style",
]
