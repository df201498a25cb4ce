"""How the weights of an audited model make each place of what it reads, with its own numbers."""

import math

from .numbers import number

_WORDS = (
    "A layer that reads n units of mean square E[x²] through weights of mean 0 that do not depend on them gives "
    "E[z²] = n Var(W) E[x²] + E[b²]. Each row has its own measured input, so that rows stand for themselves; what "
    "activations and norms make of it is in the next row's E[x²]."
)
_HEADERS = ["place", "n Var(W) × E[x²] + E[b²]", "E[z²] by its weights", "measured", "z", "of the row above"]


def steps_parts(audit) -> list:
    """Return a line and a table of what weights give, or a line that says why there is none."""
    truths = {truth.name: truth for truth in audit.weights}
    rows, before = [], None
    for l, place in enumerate(audit.names):
        path = place.partition(":")[0]
        names = [name for name in truths if name.rpartition(".")[0] == path and truths[name].kind == "weight"]
        value = float(audit.predicted.second_moment.values[l])
        if len(names) != 1 or not math.isfinite(value) or not truths[names[0]].gain_squared > 0:
            continue
        gain, bias = truths[names[0]].gain_squared, truths.get(f"{path}.bias")
        added = 0.0 if bias is None else bias.variance + bias.mean**2
        read = (value - added) / gain
        measured, z = float(audit.second_moment.values[l]), float(audit.predicted.z[l])
        rows.append(
            [
                place,
                f"{gain:.4g} × {read:.4g} + {added:.4g}",
                number(value),
                number(measured),
                f"{z:+.2f}" if math.isfinite(z) else "–",
                f"× {measured / before:.4g}" if before else "",
            ]
        )
        before = measured
    if not rows:
        return ["Theory does not know what the weights of these modules make of their input."]
    return [_WORDS, (_HEADERS, rows)]
