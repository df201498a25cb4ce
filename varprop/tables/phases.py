"""A phase diagram in letters."""

import numpy as np

from .numbers import number

_ROWS, _COLUMNS = 24, 60


def phase_diagram_text(found) -> str:
    """Return a `theory.PhaseDiagram` as lines of marks, gain_squared upwards."""
    rows = _spread(len(found.gains_squared), _ROWS)[::-1]
    columns = _spread(len(found.bias_variances), _COLUMNS)
    marks = np.vectorize({"ordered": ".", "critical": "+", "chaotic": "#", "unknown": "?"}.get)(found.phase)
    marks = np.where(found.variance == 0, "0", np.where(np.isinf(found.variance), "∞", marks))
    labels = [number(found.gains_squared[i]) for i in rows]
    width = max(map(len, labels))
    legend = ". ordered, + critical, # chaotic, 0 vanishing, ∞ exploding" + ", ? unknown" * bool((marks == "?").any())
    lines = [f"{found.activation}, infinite width: {legend}"]
    lines += [f"{label:>{width}} {''.join(marks[i, columns])}" for label, i in zip(labels, rows, strict=True)]
    span = f"{number(found.bias_variances[0])} to {number(found.bias_variances[-1])}"
    return "\n".join([*lines, f"gain_squared upwards, bias_variance {span} to the right"])


def _spread(count: int, most: int) -> np.ndarray:
    """Return at most ``most`` indices spread evenly over ``count``."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
