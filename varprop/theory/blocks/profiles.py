"""What is reported of exact moments: means over rows of data, position by position and on average."""

import numpy as np

from ...origins import Origin
from ...records import LayerProfile
from ..scaled import Scaled, top_exponent
from .forward import Walk
from .laws import Base


def forward_profiles(network, walk: Walk) -> dict[str, LayerProfile]:
    """Return variance, second_moment, fluctuation and kurtosis."""
    found: dict[str, list] = {name: [] for name in ("variance", "second_moment", "fluctuation", "kurtosis")}
    count = network.position_count
    for entry in walk.places.values():
        size, second = mean(entry.value.s, count), mean(entry.activated.s, count)
        error = entry.error.reshape(-1, count).max(axis=0)
        found["variance"].append(sized(size.times(1 / entry.units), error))
        found["second_moment"].append(sized(second.times(1 / entry.units), error))
        found["fluctuation"].append(spread(entry.value, size, error, count))
        kurtosis = np.full(count, np.nan)
        with np.errstate(over="ignore"):
            if entry.value.f is not None:
                kurtosis = ratio(mean(entry.value.f, count), size) * entry.units
            found["kurtosis"].append((kurtosis, 4 * error * np.abs(kurtosis)))
    return {name: profile(rows, walk) for name, rows in found.items()}


def profile(rows, walk: Walk, names: tuple[str, ...] = ()) -> LayerProfile:
    """Return a profile of (values, errors), a place a row, each (positions,)."""
    values, errors = np.array(rows).swapaxes(0, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        means = values.mean(axis=1), errors.mean(axis=1)
    origin = Origin.BUT_FOR_EPS if walk.slack.any() else Origin.EXACT
    return LayerProfile(*means, origin, names=names or tuple(walk.places), by_position=(values, errors))


def mean(x: Scaled, count: int) -> Scaled:
    """Return the mean over rows of data of numbers a column, (positions,)."""
    mantissa, exponent = x.mantissa.reshape(-1, count), x.exponent.reshape(-1, count)
    top = top_exponent(mantissa > 0, exponent, axis=0)
    plain = np.ldexp(mantissa, np.clip(exponent - top, -4000, 0).astype(np.int32))
    return Scaled.of(plain.mean(axis=0), top)


def sized(size: Scaled, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values, and errors from relative ones."""
    values = size.values()
    with np.errstate(invalid="ignore", over="ignore"):
        return values, values * error


def spread(value: Base, size: Scaled, error: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Var s / (E s)^2 and its error."""
    square = ratio(mean(value.s2, count), size)
    with np.errstate(over="ignore"):
        return np.maximum(square - 1, 0.0), 4 * error * square


def ratio(x: Scaled, size: Scaled) -> np.ndarray:
    """Return x over the square of ``size``, NaN where that is 0."""
    with np.errstate(over="ignore"):
        return np.where(size.mantissa > 0, x.over(size.times(size)), np.nan)
