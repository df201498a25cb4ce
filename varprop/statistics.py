"""Sums to estimates with standard errors, and whether a measurement agrees with a prediction."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from .records import Forward, LayerProfile
from .tables import comparison_text

SIMULATION = "simulation"
ROUNDING = 1e-7  # relative, a layer: what float32 in the kernels may do to q-hat; far below sampling errors
SIZES = ("variance", "second_moment", "dead")  # may be tiny; the other quantities are of order one or squares of it


def forward_profiles(sums: np.ndarray, pivots: np.ndarray, networks: int) -> dict[str, LayerProfile]:
    """Return the profiles of a `Forward` from the sums that `kernels.tally` makes.

    Parameters
    ----------
    sums
        (L, 15): powers of d = q-hat / pivot - offset and so on, summed over networks.
    pivots
        (L, 5): pivot and power of two of q-hat, the same of the mean of a^2, offset.
    networks
        How many were summed.

    Notes
    -----
    Ratios (fluctuation, kurtosis) get their errors from their influence functions, so the
    correlation of numerator and denominator is in.
    """
    n = float(networks)
    with np.errstate(all="ignore"):  # exploding layers end as inf, and a dead layer has no logarithm
        q, f, a, alive, log, dead = np.split(sums.T, (4, 7, 9, 10, 14))
        offset = pivots[:, 4]
        mean, variance, third, fourth = _central(q, n)
        mean = mean + offset
        size, a_size = (np.ldexp(pivots[:, i], pivots[:, i + 1].astype(int)) for i in (0, 2))
        z4 = f[0] / n + 3 * offset
        z4_variance = _spread(f[1], f[0], f[0], n)
        z4_covariance = _spread(f[2], q[0], f[0], n)
        second = a[0] / n + offset
        log_mean, log_variance, _, log_fourth = _central(log, alive[0])
        log_pivot = np.log(pivots[:, 0]) + pivots[:, 1] * np.log(2.0)
        share = dead[0] / n
        guarded = (dead[0] + 1) / (n + 2)  # so that no death in n networks is not a certainty
        return {
            "variance": _profile(size * mean, size * np.sqrt(variance / n)),
            "second_moment": _profile(a_size * second, a_size * np.sqrt(_spread(a[1], a[0], a[0], n) / n)),
            "fluctuation": _profile(
                variance / mean**2,
                np.sqrt((fourth - variance**2 - 4 * variance * third / mean + 4 * variance**3 / mean**2) / mean**4 / n),
            ),
            "kurtosis": _profile(
                z4 / mean**2,
                np.sqrt((z4_variance - 4 * z4 * z4_covariance / mean + 4 * z4**2 * variance / mean**2) / mean**4 / n),
            ),
            "log_mean": _profile(log_mean + log_pivot, np.sqrt(log_variance / alive[0])),
            "log_variance": _profile(log_variance, np.sqrt((log_fourth - log_variance**2) / alive[0])),
            "dead": _profile(share, np.sqrt(guarded * (1 - guarded) / n)),
        }


def _profile(values, errors) -> LayerProfile:
    return LayerProfile(values, errors, SIMULATION)


def _spread(xy, x, y, n):
    """Return the covariance of x and y from their sums."""
    return (xy - x * y / n) / (n - 1)


def _central(powers, n):
    """Return mean, variance and third and fourth central moments from sums of four powers."""
    m1, m2, m3, m4 = powers / n
    return (
        m1,
        (powers[1] - powers[0] * m1) / (n - 1),
        m3 - 3 * m1 * m2 + 2 * m1**3,
        m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4,
    )


@dataclass(frozen=True, eq=False)
class Comparison:
    """Whether a measurement agrees with a prediction, layer by layer and as a whole.

    Attributes
    ----------
    measured, predicted
        The two profiles compared, layer l at entry l - 1.
    quantity
        What was compared, such as ``"variance"``.
    z
        (measured - predicted) / standard error, shape (L,). NaN where a layer cannot be compared.
    p_values
        Two-sided, one a layer; uniform on [0, 1] where the prediction is right.
    p_value
        Of the whole family of layers: 1 - (1 - min p)^L. Sidak's inequality makes this valid
        however the layers are correlated.
    level
        The family-wise probability of a false alarm that is accepted.
    networks
        How many networks were drawn.
    """

    measured: LayerProfile
    predicted: LayerProfile
    quantity: str
    z: np.ndarray
    p_values: np.ndarray
    level: float
    networks: int
    description: str

    @property
    def p_value(self) -> float:
        """Family-wise p-value over the layers that can be compared."""
        usable = self.p_values[~np.isnan(self.p_values)]
        if len(usable) == 0:
            return float("nan")
        return float(-np.expm1(len(usable) * np.log1p(-min(usable.min(), 1 - 1e-16))))

    @property
    def agrees(self) -> bool:
        """Whether no layer contradicts the prediction at ``level``."""
        return bool(self.p_value >= self.level)

    def __bool__(self) -> bool:
        raise TypeError("a Comparison is not true or false; ask for .agrees.")

    def __str__(self) -> str:
        return comparison_text(self)

    __repr__ = __str__


def compare(measured: Forward, predicted: Forward, *, quantity: str = "variance", level: float = 1e-6) -> Comparison:
    """Return whether ``measured`` agrees with ``predicted``, with z-scores and p-values.

    Parameters
    ----------
    measured
        From `simulate`.
    predicted
        From `theory`, of the same network and inputs.
    quantity
        The profile to compare: ``"variance"``, ``"log_mean"``, ``"fluctuation"``, ...
    level
        Family-wise probability of a false alarm; 1e-6 by default.

    Notes
    -----
    The standard error of a variance comes from theory's own fluctuation where that is exact,
    sqrt(fluctuation / networks) times the variance, since a heavy-tailed sample understates its
    own; elsewhere from the sample, with Student's t. Theory's numerical error and the kernels' rounding
    are added in square.

    Raises
    ------
    TypeError, ValueError
        If the two are swapped, of networks of other widths, or do not both have ``quantity``.
    """
    _check_pair(measured, predicted, level)
    pair = [record.profiles.get(quantity) for record in (measured, predicted)]
    if None in pair:
        both = [name for name in measured.profiles if name in predicted.profiles]
        raise ValueError(f"quantity {quantity!r} is not in both records; choose one of {', '.join(both)}.")
    sample, theory = pair
    error, tail = np.array(sample.errors), lambda z: special.stdtr(measured.networks - 1, z)
    fluctuation = predicted.fluctuation
    with np.errstate(all="ignore"):
        if quantity == "variance" and fluctuation is not None and fluctuation.origin == "exact":
            error, tail = theory.values * np.sqrt(fluctuation.values / measured.networks), special.ndtr
        rounding = ROUNDING * np.sqrt(np.arange(1, len(error) + 1))
        floor = rounding if quantity == "log_mean" else 0.0 if quantity in SIZES else 10 * rounding**2
        allowed = np.hypot(theory.errors, rounding * np.abs(theory.values) + floor)
        z = (sample.values - theory.values) / np.hypot(error, allowed)
    z[~np.isfinite(sample.values) | ~np.isfinite(theory.values)] = np.nan
    return Comparison(
        sample, theory, quantity, z, 2 * tail(-np.abs(z)), level, measured.networks, str(measured.network)
    )


def _check_pair(measured, predicted, level) -> None:
    for name, record in (("measured", measured), ("predicted", predicted)):
        if not isinstance(record, Forward):
            raise TypeError(f"{name} is {record!r}; give what simulate or theory returned.")
    if measured.networks is None or predicted.networks is not None:
        raise ValueError("compare takes first what simulate measured, then what theory predicted.")
    if measured.network.widths != predicted.network.widths:
        raise ValueError(
            f"the two networks differ: {measured.network} was measured, {predicted.network} was predicted."
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it must lie between 0 and 1, such as 1e-6.")
