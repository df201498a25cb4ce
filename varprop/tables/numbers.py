"""Numbers in as many figures as their errors leave."""

import math

_NOUGHT = 1e-9  # an error of 0 below this goes without saying


def number(value: float) -> str:
    """Return a number in five figures; an infinite one in words."""
    if math.isnan(value):
        return "-"
    return "beyond float64" if math.isinf(value) else f"{value:.5g}"


def estimate(value: float, error: float) -> str:
    """Return ``value ± error`` with as many digits as the error leaves."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return number(value)
    digits = 5
    if value:
        digits = min(8, max(2, math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2))
    return f"{value:.{digits}g} ± {error:.1g}"


def known(value: float, error: float, figures: int = 5) -> str:
    """Return a number of theory: in ``figures`` figures, or as many as its error leaves, and then that too."""
    if not math.isfinite(value):
        return number(value)
    if math.isinf(error):
        return "not known"
    if not error > (0.5 * 10.0 ** (1 - figures) * abs(value) or _NOUGHT):
        return f"{value:.{figures}g}"
    return estimate(value, error) if abs(value) > error / 10 else f"0 ± {error:.1g}"


def probability(value: float, error: float) -> str:
    """Return a probability of theory; of one that is only known to be small, below what it is."""
    return f"below {error:.1g}" if value == 0 and math.isfinite(error) and error > 0 else known(value, error)


def precise(value: float, error: float = 0.0) -> str:
    """Return a number in ten figures, or as many as its error leaves, and then that too."""
    return "∞" if math.isinf(value) else known(value, error, 10)


def shown(point, field: str) -> str:
    """Return one number of a result, with its error where that matters."""
    return precise(getattr(point, field), getattr(point, f"{field}_error"))
