"""What was measured, as the tables of docs/speed.md and as a figure."""

import os
import platform
import re
from pathlib import Path

import numpy as np
from peers import ENGINES, OURS

from varprop import plots

COLOURS = dict(zip(ENGINES, (*plots.COLOURS, "#999999"), strict=True))


def table(numbers: dict) -> str:
    """Return the tables of docs/speed.md in Markdown.

    ``numbers`` holds networks a second by case and engine, raw normals a second, shares of the raw rate by
    width and kernel, the scaling over threads, the machine, and which engines are absent, with the reason.
    """
    cases, raw = numbers["cases"], numbers["raw"]
    names = [n for n in ENGINES if any(n in rates for rates in cases.values())]
    rows = [[n, *(f"{rates[n]:,.0f}" for rates in cases.values())] for n in names]
    lines = [*table_lines(["networks a second", *cases], rows), ""]
    rows = [
        [peer, *(" / ".join(_ratio(rates[ours] / rates[peer]) for ours in OURS) for rates in cases.values())]
        for peer in names
        if peer not in OURS
    ]
    lines += table_lines(["conditional / dense, over", *cases], rows)
    lines += ["", f"Machine: {numbers['machine']}, {numbers['cores']} cores."]
    lines += [f"Not measured: {name} ({why})." for name, why in numbers["absent"].items()]
    lines += ["", "## Against raw random numbers, and over threads", ""]
    lines += [
        f"Raw float32 normals on one core: varprop {raw['varprop'] / 1e9:.2f} × 10⁹ a second, "
        f"{raw['varprop'] / raw['NumPy']:.1f} times NumPy's ziggurat."
    ]
    if numbers["shares"]:
        shares = numbers["shares"]
        kernels = list(next(iter(shares.values())))
        rows = [[k, *(f"{share[k]:.0%}" for share in shares.values())] for k in kernels]
        lines += [
            "",
            "Random numbers used a second over that raw rate, one core, ten layers, timed in turn; a uniform number "
            "costs less than a normal one:",
            "",
        ]
        lines += table_lines(["of the raw rate", *(f"width {w}" for w in shares)], rows)
    if numbers["scaling"]:
        words = ", ".join(f"{case} {value:.2f}" for case, value in numbers["scaling"].items())
        lines += ["", f"Speed on {numbers['cores']} cores over that on one, over {numbers['cores']}: {words}."]
    return "\n".join(lines)


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table_lines(headers: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table, its columns but the first flush right."""
    return [
        "| " + " | ".join(headers) + " |",
        "|---|" + "---:|" * (len(headers) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def write_between_marks(path: Path, mark: str, text: str) -> None:
    """Put ``text`` between the comments ``mark`` and /``mark`` in a file, written whole or not at all."""
    before, rest = path.read_text().split(f"<!-- {mark} -->\n")
    after = rest.split(f"<!-- /{mark} -->")[1]
    temporary = path.with_suffix(".new")
    temporary.write_text(f"{before}<!-- {mark} -->\n{text}\n<!-- /{mark} -->{after}")
    os.replace(temporary, path)


def machine() -> str:
    """Return the name of the processor."""
    try:
        return re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def draw(by_width: dict, by_depth: dict):
    """Return a figure of networks a second against width and depth, with the slopes that costs should have."""
    figure = plots.new_figure(10.0, 4.4)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, results, label in zip(axes, (by_width, by_depth), ("width (10 layers)", "depth (width 64)"), strict=True):
        x = list(results)
        for name in ENGINES:
            if name in results[x[0]]:
                y = [results[k][name] for k in x]
                style = {"linestyle": "-", "linewidth": 2.0} if name in OURS else {"linestyle": "--"}
                marker = plots.MARKERS.get(COLOURS[name], "X")  # told apart in grey too
                ax.plot(x, y, marker, color=COLOURS[name], label=name, **style)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xlabel(label)
    widths = list(by_width)
    for name, power in zip(OURS, (1, 2), strict=True):
        end = by_width[widths[-1]][name]
        x = np.array(widths[-3:], float)
        axes[0].plot(x, 1.6 * end * (x[-1] / x) ** power, color="0.6", linewidth=1)
        words = f"∝ 1/width{'²' if power == 2 else ''}"
        axes[0].annotate(words, (x[1], 2.2 * end * (x[-1] / x[1]) ** power), color="0.4")
    axes[0].set_ylabel("networks a second")
    axes[1].legend(fontsize=8)
    return figure
