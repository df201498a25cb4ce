"""Fixed points and the edge of chaos as tables, and why there is none, in words."""

import math

from .numbers import precise, shown

_HEADERS = ["gain_squared", "gain", "variance q*", "slope of the variance map", ""]
_DEPTHS = {"chi": "gradient_depth", "chi_variance": "variance_depth", "correlation_slope": "correlation_depth"}


def fixed_point_parts(point) -> list:
    """Return a `theory.FixedPoint` as a table, and every fixed point where there are several."""
    title = f"{point.activation}, gain_squared {point.gain_squared:.10g}, bias_variance {point.bias_variance:.10g}"
    gradient = _rate(point, "chi", "the gradient's variance")
    deviation = _rate(point, "chi_variance", "a deviation of q")
    correlation = _rate(point, "correlation_slope", "c − c*")
    lines = (
        ("variance q*", "variance", _fate(point)),
        ("χ", "chi", gradient),
        ("slope of the variance map", "chi_variance", "" if point.every_variance else deviation),
        ("correlation c*", "correlation", _alike(point)),
        ("slope of the correlation map", "correlation_slope", "" if math.isnan(point.correlation) else correlation),
    )
    rows = [[name, shown(point, field), words] for name, field, words in lines]
    title = f"{title}; from variance {point.start:g}, infinite width: {point.phase}"
    parts: list = [title, (["", "value", ""], rows)]
    if len(point.points) > 1:
        parts.append("Every fixed point of the variance map:")
        parts.append((["q", "χ", "slope", ""], [_points_row(p) for p in point.points]))
    return parts


def _points_row(point) -> list[str]:
    """Return one fixed point as cells of a table."""
    kind = "stable" if point.stable else "half-stable" if point.half_stable else "not stable"
    return [*(shown(point, name) for name in ("variance", "chi", "chi_variance")), kind]


def _fate(point) -> str:
    if point.signal != "settles":
        return f"the signal {point.signal}" + ", whatever its variance" * point.every_variance
    near = [p for p in point.points if p.variance == point.variance]
    return _points_row(near[0])[-1] if near else "a fixed point"


def _alike(point) -> str:
    if math.isnan(point.correlation):
        return "every correlation is kept"
    if point.correlation_error >= 1:
        return "not known"
    return "two inputs become the same" if point.correlation == 1 else "two inputs stay apart"


def _rate(point, slope: str, what: str) -> str:
    """Return how fast ``what`` falls or grows, from a slope of a result, its error and its depth."""
    if point.hides(slope):
        return f"whether {what} falls or grows is not known"
    xi = getattr(point, _DEPTHS[slope])
    if math.isinf(xi):
        return f"{what} changes slower than exponentially"
    if xi == 0:  # of slope 0, or infinity
        return f"{what} {'is gone' if math.copysign(1, xi) > 0 else 'grows without bound'} in one layer"
    return f"{what} {'falls' if xi >= 0 else 'grows'} by e in {abs(xi):.5g} layers"


def critical_parts(found) -> list:
    """Return a `theory.Critical` as a table, or why there is no edge of chaos."""
    title = f"{found.activation}, bias_variance {found.bias_variance:.10g}: "
    if not found.points:
        return [f"{title}no edge of chaos. {found.reason}"]
    many = "one point" if len(found) == 1 else f"{len(found)} points"
    return [f"{title}{many} on the edge of chaos (χ = 1), infinite width", (_HEADERS, [*map(_edge_row, found)])]


def _edge_row(point) -> list[str]:
    cells = [shown(point, name) for name in ("gain_squared", "gain")]
    if point.every_variance:
        return [*cells, "any", precise(point.chi_variance), "every variance is kept"]
    kind = "stable" if point.stable else "not stable"
    words = _rate(point, "chi_variance", "a deviation of q")
    return [*cells, shown(point, "variance"), shown(point, "chi_variance"), f"{kind}: {words}"]


def no_edge_of_zero(name) -> str:
    """Return why an activation that is 0 everywhere has no edge of chaos."""
    return f"{name} is 0 throughout, and so is χ."


def no_edge_of_homogeneous(p1: float) -> str:
    """Return why there is no edge of chaos with biases where E phi^2 = ``p1`` q."""
    return (
        f"χ is {p1:g} gain_squared at every variance, so it is 1 only at gain_squared {1 / p1:.10g}; there each layer "
        "adds the bias_variance to the variance, which has no fixed point. Without biases every variance is one."
    )


def no_edge_without_slope(name, *, unknown: bool) -> str:
    """Return why there is none where E phi'^2 is 0, or ``unknown``."""
    if unknown:
        return f"The errors of E[φ′²] of {name} are as large as it is: whether there is one cannot be told."
    return f"The derivative of {name} is 0 almost everywhere, and so is χ."


def no_edge(name, least: float, most: float, bias_variance: float, *, reach: float | None, searched) -> str:
    """Return why there is none at a ``bias_variance``, where it exists from ``least`` to ``most``.

    ``reach`` is the largest variance that could be worked out, None where all could; ``searched`` the two between
    which an edge was looked for, None where the limits at both ends are known.
    """
    law = f"χ = 1 at a fixed point q needs bias_variance = q − E[φ²] / E[φ′²], which for {name}"
    end = "" if reach is None else f" up to variance {reach:.3g}, beyond which its moments cannot be worked out"
    if searched is not None:
        end = f" where it was searched, from variance {searched[0]:.3g} to {searched[1]:.3g}"
    if most <= 0:
        return f"{law} is never positive{end}" + ("." if end else ": there is none at any bias_variance.")
    if most < bias_variance:
        return f"{law} is at most {most:.6g}{end}."
    return f"{law} is elsewhere: at least {least:.6g}{end}."
