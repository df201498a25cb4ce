"""From what was measured in each network to an `Audit`: means between networks and their errors."""

import math

import numpy as np
from torch import nn

from ..audits import EXPONENTS, Audit, WeightPrediction
from ..layer_profile import LayerProfile
from . import moments
from .between import Means
from .measure import Place, Probe
from .weights import Survey

QUANTITIES = (*moments.SIGNAL, "gradient_variance", "weight_gradient_variance")
MEASURED = "measured"
ROUNDING = 4.0  # units in the last place that measured over predicted may be off, whatever the weights


class Summary:
    """Sums over networks, and what the first network told of the model."""

    def __init__(self):
        self.networks, self.names, self.notes = 0, [], []
        self._means, self._first = Means(), {}
        self._spread: dict[tuple[str, str], np.ndarray] = {}
        self._training, self._uncalled = True, ()
        self._survey = Survey()

    def add(self, model: nn.Module, probe: Probe) -> None:
        """Add one network."""
        if self.networks == 0:
            self._training, self._uncalled = model.training, probe.uncalled
        self.networks += 1
        self._survey.add(model)
        for place in probe.places:
            if place.name not in self._first:
                self.names.append(place.name)
                place.module = None  # or the model would live as long as we do
                self._first[place.name] = place
            for quantity, value in place.numbers.items():
                self._means.add(place.name, quantity, value)
            self._means.add(place.name, "predicted", place.predicted)
            self._means.add(place.name, "ratio", place.ratio)
            self._add_spread(place, "magnitudes", place.magnitudes)
            self._add_spread(place, "gradient_magnitudes", place.gradient_magnitudes)

    def audit(self, source, *, seed: int, loss: str) -> Audit:
        """Return the record of all that was added."""
        places = [self._first[name] for name in self.names]
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
            predicted=self._predicted(places),
            weights=self._survey.truths(),
            kept=tuple(source.kept) if self.networks > 1 else (),
            uncalled=self._uncalled,
            loss=loss,
            as_given=source.as_given,
            notes=tuple(self.notes),
        )

    def _profile(self, quantity: str, origin: str) -> LayerProfile:
        _, values, errors = zip(*(self._means.of(name, quantity) for name in self.names), strict=True)
        return LayerProfile(values, errors, origin, names=tuple(self.names))

    def _predicted(self, places: list[Place]) -> WeightPrediction:
        z = np.array([self._z(place) for place in places])
        reasons = tuple(place.reason for place in places)
        return WeightPrediction(self._profile("predicted", "the weights' second moment, measured inputs"), z, reasons)

    def _z(self, place: Place) -> float:
        """Return the normal score of measured over predicted, of which theory says 1."""
        from scipy import stats

        n, mean, error = self._means.of(place.name, "ratio")
        if n < 2:
            return math.nan
        t = (mean - 1) / math.hypot(error, ROUNDING * place.rounding)
        return float(math.copysign(stats.norm.isf(max(stats.t.sf(abs(t), n - 1), 1e-300)), t))

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
