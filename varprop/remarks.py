"""What is no fault of a model, but good to know."""

import math
from collections.abc import Iterator

import numpy as np

from .audits import Audit
from .fates import RECURRENT, is_weighted

CERTAIN = 6.0  # |z| from which a place is said to differ from its weights' law: by chance once in 500 million
OFF = 0.1  # of ln(n Var(w)), from 1/n and 2/n, from which a norm hides something


def remarks(audit: Audit) -> Iterator[str]:
    """Yield what is no fault, but good to know."""
    zeros = [truth.name for truth in audit.weights if truth.finding == "zeros"]
    if zeros and "sum" in audit.kinds:
        yield f"Weights are all 0 in {some(zeros)}, as is usual at the end of residual branches; else draw them."
    hidden = _hidden(audit)
    if hidden:
        gains = [truth.gain_squared for truth in hidden]
        size = f"{min(gains):.2g}" + (f" to {max(gains):.2g}" if max(gains) > 1.1 * min(gains) else "")
        where = f"{len(hidden)} layer{'s' * (len(hidden) > 1)}"
        yield (
            f"n·Var(w) is {size} in {where} with a norm right behind: the norm hides it from the signal, and it is no "
            "fault; gradients by those weights go as 1/std."
        )
    off = np.flatnonzero(np.abs(np.nan_to_num(audit.predicted.z)) > CERTAIN)
    if off.size:
        worst = off[np.argmax(np.abs(audit.predicted.z[off]))]
        yield (
            f"At {off.size} place{'s' * (off.size > 1)} E[z²] is not what the weights' law gives from the input "
            f"({audit.names[worst]}: z = {audit.predicted.z[worst]:+.1f}): there weights and input are not independent."
        )
    recurrent = [name for name, kind in zip(audit.names, audit.kinds, strict=True) if kind in RECURRENT]
    fused = [name for name in recurrent if name not in audit.steps]
    if fused:
        yield f"The steps of {some(fused)} are within one call, and not seen: as a cell in a loop each step is a call."
    bare = [path for path in audit.uncalled if not has_weights(audit, path)]
    if bare:
        yield f"Never called, but without weights: {some(bare)}."
    if audit.kept:
        yield f"Equal in every network, since a reset does not draw them: {some(audit.kept)}."


def _hidden(audit: Audit) -> list:
    """Return the weights whose variance is off 1/n and 2/n by more than a tenth, and which a norm follows."""
    by_name = {truth.name: truth for truth in audit.weights}
    found = []
    for l, name in enumerate(audit.names[:-1]):
        truth = by_name.get(f"{name}.weight")
        if truth is None or not is_weighted(audit.kinds[l]) or "Norm" not in audit.kinds[l + 1]:
            continue
        if truth.gain_squared and all(abs(math.log(truth.gain_squared / gain)) > OFF for gain in (1, 2)):
            found.append(truth)
    return found


def has_weights(audit: Audit, path: str) -> bool:
    """Return whether a module has a weight, as far as the audit names them."""
    return any(truth.kind == "weight" and truth.name.startswith(f"{path}.") for truth in audit.weights)


def some(names) -> str:
    """Return a few of many names."""
    names = list(names)
    return ", ".join(names if len(names) <= 4 else [*names[:3], f"... {len(names)} in all"])
