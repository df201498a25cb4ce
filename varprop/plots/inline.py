"""Figures as SVG within a page: its text, lines and paper take the page's colours, light or dark."""

import re
from collections.abc import Callable
from html import escape
from io import StringIO

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .look import COLOURS, style

_INK, _PAPER = "#010203", "#ffffff"
_RC = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _INK),
    "legend.facecolor": _PAPER,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
}
# What a page defines, as in reports/look.css.
_PAGE = {_INK: "currentColor", _PAPER: "var(--paper)", "#ebebeb": "var(--grid)"}
_PAGE |= {colour.lower(): f"var(--colour-{i})" for i, colour in enumerate(COLOURS)}


def inline_svg(draw: Callable[[Axes], object], name: str, words: str, width: float = 5.4, height: float = 3.8) -> str:
    """Return what ``draw`` draws on given axes, as an <svg> element.

    Parameters
    ----------
    draw
        Called with the axes of a new figure.
    name
        Of letters and digits, one a page: what the figure's own names begin with.
    words
        What it shows, for who does not see it.
    width, height
        In inches; a page scales it to its own width.
    """
    out = StringIO()
    with style(), mpl.rc_context(_RC):
        figure = Figure(figsize=(width, height))
        draw(figure.subplots())
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda colour: _PAGE.get(colour[0], colour[0]), text)
    text = re.sub(r"\n\s*", "\n", text)
    view = " ".join(re.findall(r'viewBox="[^"]*"', text)[:1])
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img" aria-label="{escape(words)}">'
    return opening + text[text.index(">") + 1 :].strip()
