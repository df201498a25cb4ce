"""The change that mends a chain, with theory's numbers."""

import math
from itertools import pairwise

import numpy as np

from . import theory
from .activations import LEAKY, NAMES
from .audits import Audit
from .fates import Fate

_NEARLY = {"gelu_tanh": "gelu"}  # of which theory knows the gain by another name, to three digits
_UNIT = 0.1  # by which E[x^2] of inputs may miss 1 and be called so
_KEPT, _LOST = 0.02, 0.5  # of χ: its logarithm is too small to tell; a gradient that halves in each layer is lost
_PASSING = ("Identity", "Dropout")  # modules that may stand between what ends a branch and its sum
_MEASURED = "varprop.pytorch.initialize_(model, inputs) measures what theory does not know, and sets the weights by it."
_ANYWAY = "or let varprop.pytorch.initialize_(model, inputs) do it"


def shrinks_branches(audit: Audit, fate: Fate) -> tuple[str, dict[str, float]]:
    """Return what keeps a residual stream: the ends of its branches by 1/sqrt(sums), and what theory then expects."""
    if fate.total < 1:
        return _MEASURED, {}
    count, steps = fate.count, len(fate.names) - 1
    std = 1 / math.sqrt(count)
    what = (
        "gain of the norm that ends each residual branch"
        if _normed_ends(audit)
        else "std of each residual branch's last weights"
    )
    words = f"Multiply the {what} by 1/√{count} = {std:.3g}"
    if fate.of == "gradient":  # which norms and pooled outputs change too: how much is for a second audit to tell
        return f"{words}, and audit it again.", {"std_factor": std}
    # behind a norm a block adds what it adds; else each multiplies by 1 + b, which becomes 1 + b / count
    each = fate.total ** (1 / steps) - 1
    expected = 1 + (fate.total - 1) / count if fate.adds else (1 + each / count) ** steps
    words += f": × {fate.total:.3g} over the stream then becomes × {expected:.3g}"
    return f"{words}.", {"std_factor": std, "expected": expected}


def _normed_ends(audit: Audit) -> bool:
    """Return whether most branches end in a norm, which hides the size of their last weights."""
    sums = [l for l, kind in enumerate(audit.kinds) if kind == "sum"]
    ends = [next((k for k in audit.kinds[:l][::-1] if k not in _PASSING), "") for l in sums]
    return sum("Norm" in kind for kind in ends) > len(sums) / 2


def keeps(audit: Audit, fate: Fate) -> tuple[str, dict[str, float]]:
    """Return what keeps the signal through weighted layers: gain^2 / n of theory, by what dropout keeps, biases 0."""
    places = sorted(audit.index(name) for name in fate.names)
    name, keep = _between(audit, places)
    known = {truth.name: truth.gain_squared for truth in audit.weights if truth.kind == "weight"}
    own = [known.get(f"{audit.names[l]}.weight", math.nan) for l in places]
    biased = any(truth.kind == "bias" and truth.variance > 0 for truth in audit.weights)
    if not all(g > 0 for g in own):  # NaN too
        return "Mend the weights that are 0 or unknown first.", {}
    if name is None:
        return f"Which activation lies between is not known. {_MEASURED}", {}
    gains = theory.gains(name)
    assert gains.backward is not None  # no activation with a name has the slope 0 everywhere
    gain, chi = gains.forward**2, (gains.forward / gains.backward) ** 2
    target = gain * keep
    factors = [math.sqrt(target / g) for g in own[1:]]
    given = float(audit.second_moment[places[0]]) / own[0]  # E[x^2] of the inputs, as the first layer has it
    given = 1.0 if abs(given - 1) < _UNIT else given
    first = math.sqrt(1 / (given * own[0]))
    dropped = f" × {keep:.3g} that dropout keeps" if keep < 1 else ""
    he = "" if math.isclose(gain, 2, rel_tol=1e-9) else f" (He × {gain / 2:.4g}{dropped})"
    words = f"Give the weights the variance {target:.4g}/n, theory's for {name}{he or dropped}, and the first layer "
    words += "1/n" if given == 1 else f"{1 / given:.3g}/n, since its inputs have E[x²] = {given:.3g}"
    words += ", biases 0" if biased else ""
    words += f": multiply their std by {_range(factors)}, the first's by {first:.3g}"
    figures = {
        "gain_squared": target,
        "std_factor": float(np.exp(np.mean(np.log(factors)))),
        "first_std_factor": first,
        "keep": keep,
        "chi": chi,
    }
    after = ""
    if abs(math.log(chi)) > _KEPT:
        after = f" Theory then expects the gradient, squared, to go × {chi:.3g} a layer going back."
        if chi < _LOST:
            after += f" They keep the signal of {name}, and lose its gradient: take another activation, or norms."
    return f"{words}; {_ANYWAY}.{after}", figures


def _between(audit: Audit, places: list[int]) -> tuple[str | None, float]:
    """Return the one activation between neighbours, None if there are several or none, and what dropout keeps."""
    between = [l for a, b in pairwise(places) for l in range(a + 1, b)]
    given = audit.activations or ((),) * len(audit.names)
    names = {_NEARLY.get(name, name) for a, b in pairwise(places) for l in range(a, b) for name in given[l]}
    drops = [l for l in between if audit.kinds[l] == "Dropout" and audit.training]
    kept = [(1 - audit.zeros[l]) / (1 - audit.zeros[l - 1]) for l in drops]
    keep = round(float(np.mean(kept)), 2) if kept else 1.0
    name = names.pop() if len(names) == 1 else ""
    return (name if name in NAMES or LEAKY.fullmatch(name) else None), keep


def _range(factors: list[float]) -> str:
    low, high = min(factors), max(factors)
    return f"{low:.3g}" if high < 1.02 * low else f"{low:.3g} to {high:.3g}"
