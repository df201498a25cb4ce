"""The tables of docs/calibration.md, from the counts that calibration.py keeps."""

import numpy as np
from report import table_lines

LEVELS = (0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)


def added(counts: dict, new: dict) -> dict:
    """Return the sum of two sets of counts."""
    return {k: np.add(counts.get(k, 0), v).tolist() for k, v in new.items()}


def rate(alarms: int, runs: int) -> str:
    """Return a share, or below what it lies if nothing was seen."""
    return f"{alarms / runs:.2g}" if alarms else f"< {1 / runs:.1g}"


def page(store: dict, kinds) -> str:
    """Return the tables of docs/calibration.md: rows of these ``kinds`` are of networks, others are worst cases."""
    rows, worst = ([key for key in store if (key.split("; ")[1] in kinds) == first] for first in (True, False))
    total = {}
    for key in rows:
        total = added(total, store[key])
    levels = [f"{a:g}" for a in LEVELS]
    first = [["all", *_cells(total)], *([key.replace(";", ","), *_cells(store[key])] for key in rows)]
    pooled = [
        ["families", f"{total['ensembles']:,}", *(rate(a, total["ensembles"]) for a in total["alarms"])],
        ["layers judged", f"{total['judged']:,}", *(rate(a, total["judged"]) for a in total["layer alarms"])],
    ]
    second = [
        [
            key.replace("; ", ", error of "),
            f"{store[key]['ensembles']:,}",
            *(rate(a, store[key]["ensembles"]) for a in store[key]["alarms"]),
            f"{1 - store[key]['judged'] / store[key]['layers']:.3f}",
        ]
        for key in worst
    ]
    heads = ["network, kind", "ensembles", "alarms at 0.1", "0.01", "0.001", "finds 5 s.e.", "10 s.e."]
    return "\n".join(
        [
            "All rows of the third table together: the share of false alarms at each level.",
            "",
            *table_lines(["of", "number", *levels], pooled),
            "",
            "The nine worst cases, families of all layers:",
            "",
            *table_lines(["case", "ensembles", *levels, "unjudged"], second),
            "",
            "Each network, 1,000 of it in an ensemble:",
            "",
            *table_lines([*heads, "unjudged before", "now"], first),
        ]
    )


def _cells(c: dict) -> list[str]:
    found = (f"{f / (2 * c['judged']):.2f}" if c["judged"] else "-" for f in c["found"])
    unjudged = (f"{1 - c[name] / c['layers']:.2f}" for name in ("judged before", "judged"))
    return [f"{c['ensembles']:,}", *(rate(a, c["ensembles"]) for a in c["alarms"][:3]), *found, *unjudged]
