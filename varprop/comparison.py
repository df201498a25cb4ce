"""Whether a measurement agrees with a prediction: z-scores, p-values, one verdict.

Where the mean of so many networks is far from normal, its tails are only ever widened (`scores`); where the sample
cannot even tell its own spread and theory does not, a layer is not judged.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from . import checks
from .checks import quote
from .drawn import plots
from .names import choose
from .network import Network
from .origins import Origin
from .quantities import QUANTITIES
from .records import Backward, LayerProfile, Pair, Record
from .scores import binomial, score_of_known, score_of_sample
from .tables import Tabular, comparison_columns, comparison_json, comparison_parts
from .tails import LEAST_OF_LOGS, RESOLUTION, lognormal_skewness

if TYPE_CHECKING:
    from .drawn import Axes

ROUNDING = 1e-7  # relative, a layer: what float32 in the kernels may do to q-hat; far below sampling errors


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
    unresolved
        Whether two inputs are too nearly equal for the sample to tell how nearly, shape (L,); those are not judged.
    network, predicted_network
        The network that was measured, and that of theory; None where nobody said.
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
    unresolved: np.ndarray | bool = False
    network: Network | None = None
    predicted_network: Network | None = None

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

    def plot(self, *, ax: "Axes | None" = None) -> "Axes":
        """Return matplotlib axes with both profiles and, below, the z-scores, as `plots.plot_comparison` draws them."""
        return plots().plot_comparison(self, ax=ax)

    def __bool__(self) -> bool:
        raise TypeError("a Comparison is not true or false; ask for .agrees.")

    def _parts(self) -> list:
        return comparison_parts(self)

    def _fields(self) -> dict:
        return comparison_json(self)

    def _columns(self) -> dict:
        return comparison_columns(self)

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
    unresolved = _unresolved(measured, predicted, quantity)
    z[unresolved] = p_values[unresolved] = np.nan
    what = measured.description
    if predicted.description != what:
        what += f", held against theory of {predicted.description}"
    judged = quantity, z, errors, p_values, level
    networks = measured.network, predicted.network
    return Comparison(sample, theory, *judged, _drawn(measured), what, unresolved, *networks)


def _drawn(measured: Record) -> int:
    """Return how many networks were drawn, of a record that was simulated."""
    assert measured.networks is not None
    return measured.networks


def _judge(measured: Record, predicted: Record, quantity: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z-scores, their errors and p-values of one quantity, NaN where it cannot be judged."""
    sample, theory = measured.profiles[quantity], predicted.profiles[quantity]
    count = _count(measured, quantity)
    error, known = _known_error(measured, predicted, quantity, count)
    depth = len(measured.names)
    passed = np.arange(1, depth + 1) if len(error) == depth else np.zeros(1)  # layers; at the input none
    rounding = ROUNDING * np.sqrt(2 * depth - passed if isinstance(measured, Backward) else passed)
    floor = rounding if quantity == "log_mean" else 0.0 if QUANTITIES[quantity].is_size else 10 * rounding**2
    size = np.abs(theory.values)
    if quantity == "activation_mean":
        size = np.sqrt(predicted.profiles["second_moment"].values)
    rounded = rounding * size + floor
    if quantity in ("correlation", "cosine"):  # what rounds is 1 less these
        rounded = rounding * (1 - np.abs(theory.values)) + RESOLUTION * passed
    allowed = np.hypot(theory.errors, rounded)
    errors = np.hypot(error, allowed)
    z = (sample.values - theory.values) / errors
    if quantity == "dead":
        return z, errors, binomial(sample.values, theory.values, _drawn(measured))
    score = score_of_known(z, known) if known is not None else score_of_sample(z, _skewness(sample, count), count)
    return np.where(np.isnan(score), np.nan, z), errors, 2 * scipy.special.ndtr(-np.abs(score))


def _skewness(sample: LayerProfile, count):
    """Return the least and the most skewness of a sample's estimates; of a record made by hand a log-normal's."""
    if sample.skewness is not None:
        return sample.skewness
    most = lognormal_skewness(count * (sample.errors / sample.values) ** 2) / np.sqrt(count)
    return np.array([np.zeros_like(most), np.where(sample.errors == 0, 0.0, most)])


def _count(measured: Record, quantity: str):
    """Return how many networks a layer's estimate is of: of logarithms those alive, which the record does not hold."""
    n = np.full(len(measured.profiles[quantity]), float(_drawn(measured)))
    if quantity not in ("log_mean", "log_variance"):
        return n
    spread, errors = measured.profiles["log_variance"].values, measured.profiles["log_mean"].errors
    return np.where(spread < 10 * ROUNDING**2, n, spread / errors**2)


def _known_error(measured: Record, predicted: Record, quantity: str, count):
    """Return the standard error, and if it is theory's own how skewed the mean is; else the sample's, and None."""
    spread = predicted.profiles.get("log_variance")
    if quantity == "log_mean" and spread is not None and spread.origin is Origin.EXACT:
        skewness = measured.profiles[quantity].skewness
        leaning = np.full(len(count), LEAST_OF_LOGS) / np.sqrt(count) if skewness is None else skewness[0]
        return np.sqrt(spread.values / count), leaning
    fluctuation = predicted.profiles.get("fluctuation")
    if quantity == measured.main and fluctuation is not None and fluctuation.origin is Origin.EXACT:
        error = predicted.profiles[quantity].values * np.sqrt(fluctuation.values / count)
        return error, lognormal_skewness(fluctuation.values) / np.sqrt(count)
    return measured.profiles[quantity].errors, None


def _unresolved(measured: Record, predicted: Record, quantity: str) -> np.ndarray:
    """Return where both sides are nearer to a correlation of 1 or -1 than the kernels' float32 tells."""
    if not isinstance(measured, Pair):
        return np.zeros(len(measured.profiles[quantity]), dtype=bool)
    quantity = "correlation" if quantity == "cosine_variance" else quantity
    both = np.abs(np.array([measured.profiles[quantity].values, predicted.profiles[quantity].values]))
    return (1 - both < RESOLUTION * np.arange(1, both.shape[1] + 1)).all(axis=0)


def _judge_without_spread(sample, theory, quantity: str, z, p_values) -> None:
    """Settle layers without a spread: equal is agreement; finite against infinite, or no number for one, is not."""
    equal = np.isfinite(sample) & (sample == theory)
    z[equal], p_values[equal] = 0.0, np.where(np.isnan(p_values[equal]), 1.0, p_values[equal])
    both = np.isinf(sample) & np.isinf(theory)
    z[both] = p_values[both] = np.nan
    one = np.isinf(sample) != np.isinf(theory)
    one &= ~(np.isnan(sample) | np.isnan(theory))
    if QUANTITIES[quantity].is_size:  # others have no value where no network is alive
        one |= np.isnan(sample) & ~np.isnan(theory)
    z[one], p_values[one] = np.where(np.isfinite(sample[one]), -np.inf, np.inf), 0.0


def _sizes(record) -> tuple:
    return record.names, record.network.width, record.network.place_widths


def _check_two(measured, predicted, level) -> None:
    for name, record in (("measured", measured), ("predicted", predicted)):
        if not isinstance(record, Record):
            raise TypeError(f"{name} is {quote(record)}; give what simulate or theory returned.")
    if type(measured) is not type(predicted):
        kinds = [type(record).__name__ for record in (measured, predicted)]
        raise TypeError(f"a {kinds[0]} was measured and a {kinds[1]} predicted; compare two of a kind.")
    if measured.networks is None or predicted.networks is not None:
        raise ValueError("compare takes first what simulate measured, then what theory predicted.")
    if _sizes(measured) != _sizes(predicted):
        names = [checks.one_line(record.network) for record in (measured, predicted)]
        raise ValueError(f"the two networks differ: {names[0]} was measured, {names[1]} was predicted.")
    if getattr(measured, "loss", None) != getattr(predicted, "loss", None):
        raise ValueError(f"the two losses differ: {measured.loss!r} was measured, {predicted.loss!r} was predicted.")
    checks.part(level, "level", "1e-6")
