"""Records as text: tables for people."""

from io import StringIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich import box


def render(*parts) -> str:
    """Return rich tables and lines as plain text."""
    out = StringIO()
    console = Console(file=out, width=100, color_system=None)
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def number(value: float) -> str:
    """Return a number in six figures."""
    return "-" if np.isnan(value) else f"{value:.6g}"


def comparison_text(comparison) -> str:
    """Return a `Comparison` as a table with its verdict."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("layer", f"measured {comparison.quantity}", "± error", f"predicted ({comparison.predicted.origin})", "z"):
        table.add_column(head, justify="right")
    measured, predicted = comparison.measured, comparison.predicted
    for l in range(len(measured)):
        z = comparison.z[l]
        table.add_row(
            str(l + 1),
            number(measured.values[l]),
            f"{measured.errors[l]:.1g}",
            number(predicted.values[l]),
            "beyond float64" if np.isnan(z) else f"{z:+.2f}",
        )
    verdict = "agree" if comparison.agrees else "DISAGREE"
    return render(
        f"{comparison.description}; {comparison.networks:,} networks",
        table,
        f"Theory and simulation {verdict}: p = {comparison.p_value:.2g} for all layers together "
        f"(a false alarm once in {1 / comparison.level:,.0f}).",
    )
