"""Whether a measurement agrees with a prediction: z-scores, p-values, one verdict.

The mean of n networks is near normal only once n is large against the square of the skewness of
what is averaged, and q-hat of a deep narrow network is as skewed as a log-normal of its spread.
So tails are those of a shifted log-normal with the skewness of the mean, and where that is far
from normal they are only ever widened; where the sample cannot even tell its own spread and
theory does not, a layer is not judged.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from . import checks
from .checks import quote
from .names import choose
from .records import Backward, LayerProfile, Pair, Record
from .tables import Tabular, comparison_parts
from .tails import NEARLY_NORMAL, least_fluctuation, lognormal_skewness

ROUNDING = 1e-7  # relative, a layer: what float32 in the kernels may do to q-hat; far below sampling errors
# These may be tiny; the other quantities are of order one or squares of it.
SIZES = ("variance", "second_moment", "gradient_variance", "weight_gradient_variance", "dead")
LOG_SKEWNESS = 1.6  # of ln chi2_1, the most skewed term of ln q-hat
LOG_SQUARE_SKEWNESS = 8.0  # of the square of such a term


@dataclass(frozen=True, eq=False)
class Comparison(Tabular):
    """Whether a measurement agrees with a prediction, layer by layer and as a whole.

    Attributes
    ----------
    measured, predicted
        The two profiles compared, layer l at entry l - 1.
    quantity
        What was compared, such as ``"variance"``.
    z
        (measured - predicted) / error, shape (L,). NaN where a layer cannot be judged.
    errors
        The standard errors of that difference, shape (L,): theory's own where that is exact, else the sample's, with
        theory's numerical error and the kernels' rounding added in square.
    p_values
        Two-sided, one a layer. Uniform on [0, 1] where the prediction is right and the mean near
        normal; larger, which is safe, where it is skewed. NaN where a layer cannot be judged.
    level
        The family-wise probability of a false alarm that is accepted.
    networks
        How many networks were drawn.
    description
        The network that was measured, in words, and that of theory if it is another.
    """

    measured: LayerProfile
    predicted: LayerProfile
    quantity: str
    z: np.ndarray
    errors: np.ndarray
    p_values: np.ndarray
    level: float
    networks: int
    description: str

    @property
    def judged_layers(self) -> np.ndarray:
        """Whether a layer could be judged, boolean, shape (L,)."""
        return ~np.isnan(self.p_values)

    @property
    def judged(self) -> int:
        """Number of layers that could be judged."""
        return int(np.sum(self.judged_layers))

    @property
    def p_value(self) -> float:
        """That of all judged layers together, 1 - (1 - min p)^L, valid for any correlation by Sidak's inequality."""
        if self.judged == 0:
            return float("nan")
        return float(-np.expm1(self.judged * np.log1p(-min(np.nanmin(self.p_values), 1 - 1e-16))))

    @property
    def verdict(self) -> str:
        """``"contradicted"`` if the layers judged contradict the prediction at ``level``, whatever the others;
        else ``"agree"`` if every layer was judged, ``"not judged"`` if not.
        """
        if self.p_value < self.level:
            return "contradicted"
        return "agree" if self.judged_layers.all() else "not judged"

    @property
    def agrees(self) -> bool:
        """Whether every layer was judged and none contradicts the prediction at ``level``."""
        return self.verdict == "agree"

    def plot(self, *, ax=None):
        """Return matplotlib axes with both profiles and, below, the z-scores, as `plots.plot_comparison` draws them."""
        from . import plots

        return plots.plot_comparison(self, ax=ax)

    def __bool__(self) -> bool:
        raise TypeError("a Comparison is not true or false; ask for .agrees.")

    def _parts(self) -> list:
        return comparison_parts(self)

    def __repr__(self) -> str:
        return str(self)


def compare(measured: Record, predicted: Record, *, quantity: str | None = None, level: float = 1e-6) -> Comparison:
    """Return whether ``measured`` agrees with ``predicted``, with z-scores and p-values.

    Parameters
    ----------
    measured
        From `simulate`.
    predicted
        From `theory`, of the same network and inputs.
    quantity
        The profile to compare: ``"log_mean"``, ``"fluctuation"``, ...; by default the record's main one:
        ``"variance"``, ``"gradient_variance"`` or ``"correlation"``.
    level
        Family-wise probability of a false alarm; 1e-6 by default.

    Notes
    -----
    The standard error of a variance is theory's own, sqrt(fluctuation / networks) times the
    variance, where that is exact, since a skewed sample understates its own; that of log_mean
    likewise. ``dead`` is a binomial test. Elsewhere the error is the sample's, with Student's t;
    layers too skewed for that are not judged. Theory's numerical error and the kernels' rounding
    are added in square. What an order of theory leaves out is not: with enough networks the first
    order in 1/width is found wrong, as it is.

    Raises
    ------
    TypeError, ValueError
        If the two are swapped, of networks of other widths, or do not both have ``quantity``.

    Examples
    --------
    >>> from varprop import Network, compare, simulate, theory
    >>> network = Network([64, 64, 64, 10], "relu", "he")
    >>> comparison = compare(simulate.forward(network, networks=10_000, seed=0), theory.forward(network))
    >>> print(comparison.agrees, comparison.z.round(1))
    True [1.2 0.4 1. ]
    """
    _check_two(measured, predicted, level)
    both = [name for name in measured.profiles if name in predicted.profiles]
    quantity = choose(
        measured.main if quantity is None else quantity, both, "quantity {} is not in both records", kind="quantity"
    )
    sample, theory = measured.profiles[quantity], predicted.profiles[quantity]
    with np.errstate(all="ignore"):
        z, errors, p_values = _judge(measured, predicted, quantity)
        _judge_without_spread(sample.values, theory.values, quantity, z, p_values)
    what = measured.description
    if predicted.description != what:
        what += f", held against theory of {predicted.description}"
    return Comparison(sample, theory, quantity, z, errors, p_values, level, measured.networks, what)


def skewed_score(z, skewness):
    """Return the normal score of ``z`` under a standardised log-normal of this skewness (0 or more).

    Its parameter s has (w + 2) sqrt(w - 1) = skewness, w = exp(s^2); -inf below its support.
    """
    z, skewness = np.asarray(z, dtype=np.float64), np.asarray(skewness, dtype=np.float64)
    y = 2 * np.sinh(np.arcsinh(skewness / 2) / 3)  # sqrt(w - 1), a root of y^3 + 3y = skewness
    s = np.sqrt(np.log1p(y * y))
    with np.errstate(all="ignore"):
        score = (np.log1p(np.maximum(y * z, -1.0)) + s * s / 2) / s
    return np.where(y < 1e-8, z, score)


def _judge(measured: Record, predicted: Record, quantity: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z-scores, their errors and p-values of one quantity, NaN where it cannot be judged."""
    sample, theory = measured.profiles[quantity], predicted.profiles[quantity]
    spread = _spread_of_pairs if isinstance(measured, Pair) else _spread
    error, count, skewness, known = spread(measured, predicted, quantity)
    passed = np.arange(1, len(error) + 1)  # layers; a gradient has gone up and come back
    rounding = ROUNDING * np.sqrt(2 * len(error) - passed if isinstance(measured, Backward) else passed)
    additive = quantity in ("log_mean", "correlation", "cosine")
    floor = rounding if additive else 0.0 if quantity in SIZES else 10 * rounding**2
    allowed = np.hypot(theory.errors, rounding * np.abs(theory.values) + floor)
    errors = np.hypot(error, allowed)
    z = (sample.values - theory.values) / errors
    if quantity == "dead":
        return z, errors, _binomial(sample.values, theory.values, measured.networks)
    side = -1.0 if quantity == "log_mean" else 1.0  # ln chi-square leans left, sizes and squares right,
    if quantity in ("correlation", "cosine"):
        side = -np.sign(theory.values)  # and cosines away from the end that they are near
    score = _score(side * z, skewness / np.sqrt(count), count, known)
    return np.where(np.isnan(score), np.nan, z), errors, 2 * special.ndtr(-np.abs(score))


def _score(z, skewness, count, known: bool):
    """Return normal scores of z-scores of means that lean right with this skewness."""
    nearly = skewness <= NEARLY_NORMAL
    if known:
        full = skewed_score(z, skewness)
        return np.where(nearly, full, np.where(z > 0, np.minimum(z, full), z))
    # Student's t of a sample that leans right leans left, and twice as much.
    student = -np.sign(z) * special.ndtri(special.stdtr(np.maximum(count - 1, 1), -np.abs(z)))
    student = np.where(np.isfinite(student), student, z)
    return np.where(nearly, -skewed_score(-student, 2 * skewness), np.nan)


def _spread(measured: Record, predicted: Record, quantity: str):
    """Return the standard error, the number averaged over, its skewness, and whether theory knows the error."""
    sample, n = measured.profiles[quantity], float(measured.networks)
    theory = predicted.fluctuation
    exact = theory is not None and theory.origin == "exact"
    spread = theory.values if exact else least_fluctuation(measured)
    if quantity in ("log_mean", "log_variance"):
        # the number of networks alive, which the record does not hold itself
        alive = measured.log_variance.values / measured.log_mean.errors**2
        alive = np.where(measured.log_variance.values < 10 * ROUNDING**2, n, alive)
        logs = predicted.log_variance
        if quantity == "log_mean" and logs is not None and logs.origin == "exact":
            return np.sqrt(logs.values / alive), alive, LOG_SKEWNESS, True
        return sample.errors, alive, LOG_SKEWNESS if quantity == "log_mean" else LOG_SQUARE_SKEWNESS, False
    if quantity == measured.main and exact:
        error = predicted.profiles[quantity].values * np.sqrt(spread / n)
        return error, n, lognormal_skewness(spread), True
    if quantity in ("second_moment", "weight_gradient_variance"):
        spread = np.fmax(spread, n * (sample.errors / sample.values) ** 2)
    elif quantity in ("fluctuation", "kurtosis"):
        spread = (1 + spread) ** 4 - 1  # of the square of a log-normal
    return sample.errors, n, lognormal_skewness(spread), False


def _spread_of_pairs(measured: Pair, predicted: Pair, quantity: str):
    """Return what `_spread` does; 1 - |cosine| is as skewed as a log-normal of its spread, or less."""
    sample, n = measured.profiles[quantity], float(measured.networks)
    if quantity == "cosine_variance":
        spread = (1 + measured.cosine_variance.values / (1 - np.abs(measured.cosine.values)) ** 2) ** 4 - 1
    else:
        spread = n * (sample.errors / (1 - np.abs(sample.values))) ** 2
    return sample.errors, n, lognormal_skewness(spread), False


def _binomial(share, probability, n: int) -> np.ndarray:
    """Return two-sided p-values of ``share`` of n networks under ``probability``."""
    k = np.rint(share * n)
    below, above = special.bdtr(k, n, probability), special.bdtrc(k - 1, n, probability)
    return np.minimum(1.0, 2 * np.minimum(below, np.where(k > 0, above, 1.0)))


def _judge_without_spread(sample, theory, quantity: str, z, p_values) -> None:
    """Settle layers without a spread: equal is agreement; finite against infinite, or no number for one, is not."""
    equal = np.isfinite(sample) & (sample == theory)
    z[equal], p_values[equal] = 0.0, np.where(np.isnan(p_values[equal]), 1.0, p_values[equal])
    both = np.isinf(sample) & np.isinf(theory)
    z[both] = p_values[both] = np.nan
    one = np.isinf(sample) != np.isinf(theory)
    one &= ~(np.isnan(sample) | np.isnan(theory))
    if quantity in SIZES:  # others have no value where no network is alive
        one |= np.isnan(sample) & ~np.isnan(theory)
    z[one], p_values[one] = np.where(np.isfinite(sample[one]), -np.inf, np.inf), 0.0


def _check_two(measured, predicted, level) -> None:
    for name, record in (("measured", measured), ("predicted", predicted)):
        if not isinstance(record, Record):
            raise TypeError(f"{name} is {quote(record)}; give what simulate or theory returned.")
    if type(measured) is not type(predicted):
        kinds = [type(record).__name__ for record in (measured, predicted)]
        raise TypeError(f"a {kinds[0]} was measured and a {kinds[1]} predicted; compare two of a kind.")
    if measured.networks is None or predicted.networks is not None:
        raise ValueError("compare takes first what simulate measured, then what theory predicted.")
    if measured.network.widths != predicted.network.widths:
        names = [checks.one_line(record.network) for record in (measured, predicted)]
        raise ValueError(f"the two networks differ: {names[0]} was measured, {names[1]} was predicted.")
    if getattr(measured, "loss", None) != getattr(predicted, "loss", None):
        raise ValueError(f"the two losses differ: {measured.loss!r} was measured, {predicted.loss!r} was predicted.")
    checks.part(level, "level", "1e-6")
