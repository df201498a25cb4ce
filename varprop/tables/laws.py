"""The law of q-hat as a table of quantiles, and as JSON."""

import math

from .plain import plain


def law_parts(law) -> list:
    """Return a `law.Law` as a table of quantiles."""
    quantiles = [law.log_quantile(p).values for p in (0.05, 0.5, 0.95)]
    rows = [
        [str(l + 1), *(_from_log(q[l]) for q in quantiles), f"{law.layers[l].zero:.5g}"] for l in range(len(law.layers))
    ]
    how = f"theory, {law.origin}" if law.networks is None else f"{law.networks:,} networks"
    title = f"{law.network}; q̂, the mean of z² over units; {how}"
    return [title, (["layer", "5%", "median", "95%", "P(q̂ = 0)"], rows)]


def _from_log(y: float) -> str:
    """Return e^y in five figures, also where it is beyond float64."""
    if not math.isfinite(y):
        return "0" if y < 0 else "inf"
    if abs(y) < 690:
        return f"{math.exp(y):.5g}"
    exponent = math.floor(y / math.log(10))
    return f"{10 ** (y / math.log(10) - exponent):.4f}e{exponent:+d}"


def law_json(law) -> dict:
    """Return the median, the 5% and the 95% quantile of a `law.Law`, and P(q-hat = 0), as plain values."""
    logs = {f"log_quantile_{p}": plain(law.log_quantile(p).values) for p in (0.05, 0.5, 0.95)}
    return {
        "network": str(law.network),
        "networks": law.networks,
        "origin": law.origin,
        **logs,
        "zero": plain(law.zero),
    }
