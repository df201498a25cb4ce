"""From what was measured in each network to an `Audit`: means between networks and their errors."""

import math

import numpy as np
from torch import nn

from ..audits import EXPONENTS, Audit, WeightPrediction
from ..layer_profile import LayerProfile
from . import moments
from .architecture import Whole
from .between import Means
from .measure import Place, Probe
from .weights import Survey

QUANTITIES = (*moments.SIGNAL, "gradient_variance", "weight_gradient_variance")
MEASURED = "measured"
BIAS = 0.1  # of E[z^2] from weights: biases that give less leave it a mean of squares
ROUNDING = 4.0  # units in the last place that measured over predicted may be off, whatever the weights


class Summary:
    """Sums over networks, and what the first network told of the model."""

    def __init__(self):
        self.networks, self.names, self.notes = 0, [], []
        self._means, self._first = Means(), {}
        self._spread: dict[tuple[str, str], np.ndarray] = {}
        self._training, self._uncalled = True, ()
        self._survey, self._whole = Survey(), Whole()

    def add(self, model: nn.Module, probe: Probe, whole: Whole) -> None:
        """Add one network, and of the first what theory says of its architecture."""
        if self.networks == 0:
            self._training, self._uncalled = model.training, probe.uncalled
            self._whole = whole
        self.networks += 1
        self._survey.add(model)
        for place in probe.places:
            if place.name not in self._first:
                self.names.append(place.name)
                place.module = None  # or the model would live as long as we do
                self._first[place.name] = place
            for quantity, value in place.numbers.items():
                self._means.add(place.name, quantity, value)
            for step, value in enumerate(place.steps):
                self._means.add(place.name, f"step {step}", value)
            self._add_prediction(place)
            self._add_spread(place, "magnitudes", place.magnitudes)
            self._add_spread(place, "gradient_magnitudes", place.gradient_magnitudes)

    def audit(self, source, *, seed: int, loss: str) -> Audit:
        """Return the record of all that was added."""
        places = [self._first[name] for name in self.names]
        weights = self._survey.truths()
        return Audit(
            model=source.name,
            networks=self.networks,
            seed=seed,
            training=self._training,
            **{quantity: self._profile(quantity, MEASURED) for quantity in QUANTITIES},
            magnitudes=self._spreads("magnitudes"),
            gradient_magnitudes=self._spreads("gradient_magnitudes"),
            kinds=tuple(place.kind for place in places),
            shapes=tuple(place.shape for place in places),
            continues=tuple(place.continues for place in places),
            activations=tuple(tuple(place.activations) for place in places),
            steps={place.name: self._steps(place) for place in places if place.steps},
            predicted=self._predicted(places, weights),
            weights=weights,
            kept=tuple(source.kept) if self.networks > 1 else (),
            uncalled=self._uncalled,
            loss=loss,
            as_given=source.as_given,
            notes=tuple(self.notes),
        )

    def _profile(self, quantity: str, origin: str) -> LayerProfile:
        _, values, errors = zip(*(self._means.of(name, quantity) for name in self.names), strict=True)
        return LayerProfile(np.array(values), np.array(errors), origin, names=tuple(self.names))

    def _steps(self, place: Place) -> LayerProfile:
        names = tuple(f"{place.name}, {back} steps back" for back in range(len(place.steps)))
        _, values, errors = zip(*(self._means.of(place.name, f"step {i}") for i in range(len(names))), strict=True)
        return LayerProfile(np.array(values), np.array(errors), MEASURED, names=names)

    def _add_prediction(self, place: Place) -> None:
        """Add what each network's weights foretell; measured beside it, so that what both share cancels."""
        found = place.prediction
        if found.reason:
            return
        measured = place.numbers["second_moment"]
        values = {"own": found.value, "seen": found.seen, "bias": found.bias}
        if found.value:
            values["ratio root"] = np.cbrt(measured / found.value)
        elif not measured:
            values["ratio root"] = 1.0
        if found.seen:
            values["variance"] = (measured - found.bias) / found.seen
            values["root"] = np.cbrt(values["variance"])
        for quantity, value in values.items():
            self._means.add(place.name, quantity, value)

    def _predicted(self, places: list[Place], weights) -> WeightPrediction:
        laws = {truth.name: truth.law.variance(truth.fan_in, truth.fan_out) for truth in weights if _has_law(truth)}
        rows = [self._by_law(p, laws.get(p.of("weight")), laws.get(p.of("bias"))) for p in places]
        values, errors, z = (np.array(column) for column in zip(*rows, strict=True))
        second = LayerProfile(values, errors, "the weights' law, measured inputs", names=tuple(self.names))
        reasons = tuple(place.prediction.reason for place in places)
        return WeightPrediction(second, z, reasons, self._whole.profile(self.names), self._whole.reason)

    def _by_law(self, place: Place, law: float | None, of_bias: float | None) -> tuple[float, float, float]:
        """Return the predicted second moment, its error, and the z-score of what was measured.

        Where their laws are named, ``law`` is the variance of the weights and ``of_bias`` that of the biases.
        """
        if law is None:
            _, value, error = self._means.of(place.name, "own")
            return value, error, self._z_of_roots(place, "ratio root", 1.0)
        (_, seen, error), (_, bias, bias_error) = (self._means.of(place.name, name) for name in ("seen", "bias"))
        few = bias < BIAS * law * seen  # else what biases add, of either sign, would reach through 0
        z = self._z_of_roots(place, "root", law) if few else self._z(place, "variance", law)
        if of_bias is not None:
            bias, bias_error = of_bias, 0.0
        return law * seen + bias, math.hypot(law * error, bias_error), z

    def _z_of_roots(self, place: Place, quantity: str, expected: float) -> float:
        """Return the normal score of a positive number between networks, kept as its cube root.

        That is nearly normal where the number is a mean of few squares (Wilson, Hilferty); over the root of what is
        expected it has the mean 1 - v, v its own variance.
        """
        n, mean, error = self._means.of(place.name, quantity)
        mean, error = mean / np.cbrt(expected), error / np.cbrt(expected)
        return _score(n, mean - 1 + n * error**2, math.hypot(error, ROUNDING / 3 * place.rounding))

    def _z(self, place: Place, quantity: str, expected: float) -> float:
        """Return the normal score of a mean between networks, of which theory says what to expect."""
        n, mean, error = self._means.of(place.name, quantity)
        return _score(n, mean - expected, math.hypot(error, ROUNDING * place.rounding * expected))

    def _add_spread(self, place: Place, quantity: str, shares) -> None:
        if shares is not None:
            total = self._spread.setdefault((place.name, quantity), np.zeros(len(EXPONENTS) + 1))
            total[:-1] += shares
            total[-1] += 1

    def _spreads(self, quantity: str) -> np.ndarray:
        """Return the mean shares of each place; NaN where no network had any."""
        nothing = np.full(len(EXPONENTS) + 1, np.nan)
        totals = np.array([self._spread.get((name, quantity), nothing) for name in self.names])
        shares = totals[:, :-1] / totals[:, -1:]
        shares.flags.writeable = False
        return shares


def _score(n: int, difference: float, error: float) -> float:
    """Return the normal score of a difference with the error of a sample of n; NaN below two."""
    from scipy import stats

    if n < 2:
        return math.nan
    t = difference / error
    return float(math.copysign(stats.norm.isf(max(stats.t.sf(abs(t), n - 1), 1e-300)), t))


def _has_law(truth) -> bool:
    return truth.law is not None and truth.fan_in is not None and truth.fan_out is not None
