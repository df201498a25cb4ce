"""What is reported of a walk: means over scenarios, a place a row, position by position and on average.

Arrays are (places, scenarios, signals); a mean over scenarios has the shape (places, signals).
"""

import numpy as np

from ...layers import Dense
from ...records import LayerProfile
from ..orders import INFINITE
from ..scaled import Scaled, top_exponent
from .evaluate import backward, forward
from .field import Field
from .gram import EPS, Gram
from .scenarios import Scenarios


def forward_profiles(network, given: Scenarios) -> dict[str, LayerProfile]:
    """Return every profile of `records.Forward` that infinite width knows."""
    fields = forward(network, given)
    z = [fields[place.node] for place in network.places]
    a = [fields[place.activated] for place in network.places]
    means = _Means(given, [field.gram for field in z])
    above = _Means(given, [field.gram for field in a])
    found = {"variance": means.size(), "second_moment": above.size(), **means.spread(), "dead": above.zero()}
    (value, error), gaussian = found["fluctuation"], np.array([field.gaussian for field in z])
    found["kurtosis"] = np.where(gaussian[:, None], 3 * (value + 1), np.nan), 3 * error
    mean, mean_error = (np.stack([getattr(field, name) for field in a]) for name in ("mean", "mean_error"))
    found["activation_mean"] = above.roots(mean, mean_error)
    if network.position_count > 1:
        parts = [_mean_cosine(field.gram) for field in z]
        found["cosine"] = means.of(*(np.stack(part) for part in zip(*parts, strict=True)))
    return _profiles(network, found)


def backward_profiles(network, given: Scenarios, fields: list[Field], top: int, gradient: Gram, spread) -> dict:
    """Return every profile of `records.Backward` that infinite width knows.

    ``spread`` is E D^2 / (E D)^2 of the squared length D of the gradient at the top, (R,); None where that is 1.
    """
    gradients = backward(network, given, fields, top, gradient)
    zero = Gram.exact(np.zeros(gradient.matrix.shape))
    own = [
        zero if place.node > top or gradients[place.node] is None else gradients[place.node] for place in network.places
    ]
    means = _Means(given, own)
    spreads = means.spread(1.0 if spread is None else spread[:, None])
    if spread is not None:
        del spreads["log_mean"], spreads["log_variance"]
    found = {"gradient_variance": means.size(), **spreads}
    weight, dead = np.full((2, len(own), 2), np.nan)
    nodes = [network.nodes[place.node] for place in network.places]
    dense = [i for i, node in enumerate(nodes) if isinstance(node.operation, Dense)]
    if dense:
        below = [fields[nodes[i].sources[0]].gram for i in dense]
        totals = [_total(own[i].product(k)) for i, k in zip(dense, below, strict=True)]
        sizes = Scaled.of(*(np.stack(part)[..., None] for part in list(zip(*totals, strict=True))[:2]))
        sums = _Means(given, sizes=sizes, errors=np.stack([part[2] for part in totals])[..., None])
        weight[dense] = np.concatenate(sums.size(), axis=1)
        silent = [((own[i].diagonal == 0) | (k.diagonal == 0)).all(axis=1) for i, k in zip(dense, below, strict=True)]
        dead[dense] = np.stack([np.stack(silent) @ given.weights, np.zeros(len(dense))], axis=1)
    for name, values in (("weight_gradient_variance", weight), ("dead", dead)):
        found[name] = np.broadcast_to(values.T[..., None], (2, len(own), network.position_count))
    profiles = _profiles(network, found)
    size, error = _Means(given, [zero if gradients[-1] is None else gradients[-1]]).size()
    profiles["input_gradient_variance"] = _profile(size, error, ("input",))
    return profiles


def _profiles(network, found: dict) -> dict[str, LayerProfile]:
    names = tuple(place.name for place in network.places)
    return {name: _profile(values, errors, names) for name, (values, errors) in found.items()}


def _profile(values: np.ndarray, errors: np.ndarray, names: tuple) -> LayerProfile:
    with np.errstate(invalid="ignore", over="ignore"):
        return LayerProfile(
            values.mean(axis=1), errors.mean(axis=1), INFINITE, names=names, by_position=(values, errors)
        )


class _Means:
    """Means over scenarios of second moments and what derives from them, each with its error."""

    def __init__(self, given: Scenarios, grams: "list[Gram] | None" = None, *, sizes=None, errors=None):
        self._given = given
        if grams is not None:
            exponent = 2 * np.stack([gram.exponent for gram in grams])
            sizes = Scaled.of(np.stack([gram.diagonal for gram in grams]), exponent)
            errors = np.stack([gram.size_error for gram in grams])
        self._sizes, self._errors = sizes, errors
        live = sizes.mantissa > 0
        top = top_exponent(live, sizes.exponent, axis=1)
        plain = np.ldexp(sizes.mantissa, np.clip(sizes.exponent - top[:, None], -4000, 0).astype(np.int32))
        mean = self._mean(plain)
        self._size = Scaled.of(mean, top).values()
        self._share = plain / np.where(mean > 0, mean, 1.0)[:, None]
        self._relative = self._mean(self._share * errors) + 2 * EPS + self._noise(self._share)

    def size(self):
        with np.errstate(over="ignore", invalid="ignore"):
            return self._size, np.where(np.isinf(self._size), np.inf, self._size * self._relative)

    def spread(self, own=1.0) -> dict:
        """Return fluctuation, log_mean and log_variance; ``own`` is E D^2 / (E D)^2 within a scenario."""
        ratio = self._share**2 * own
        square = self._mean(ratio)
        error = 4 * self._relative * (1 + square) + self._noise(ratio)
        found = {"fluctuation": (np.where(self._size > 0, np.maximum(square - 1, 0.0), np.nan), error)}
        live = self._sizes.mantissa > 0
        logs = np.where(live, self._sizes.log(), 0.0)
        share = self._mean(live)
        share = np.where(share > 0, share, np.nan)
        mean = self._mean(logs) / share
        variance = self._mean(np.where(live, (logs - mean[:, None]) ** 2, 0.0)) / share
        for name, value in (("log_mean", mean), ("log_variance", variance)):
            found[name] = value, self._relative + 4 * EPS * np.abs(value) + self._noise(logs)
        return found

    def zero(self):
        dead = self._mean(self._sizes.mantissa == 0)
        return dead, 4 * EPS * dead

    def roots(self, factor, factor_error):
        """Return the mean of ``factor`` times the root of each second moment."""
        with np.errstate(over="ignore", invalid="ignore"):
            root = np.sqrt(self._sizes.values())
            error = factor_error + np.abs(factor) * self._errors / 2
            return self.of(*(np.where(x == 0, 0.0, x * root) for x in (factor, error)))  # not 0 times inf

    def of(self, values, errors):
        """Return the mean of any ``values``."""
        return self._mean(values), self._mean(errors) + self._noise(values)

    def _mean(self, x) -> np.ndarray:
        return self._given.mean(x, axis=1)

    def _noise(self, x) -> np.ndarray:
        return self._given.noise(x, axis=1)


def _mean_cosine(gram: Gram) -> tuple[np.ndarray, np.ndarray]:
    """Return for each signal the mean of its cosines with the others, and its error; (R, S)."""
    apart = ~np.eye(gram.matrix.shape[1], dtype=bool)
    count = gram.matrix.shape[1] - 1
    found, error = (np.where(apart, x, 0.0).sum(axis=2) / count for x in (gram.cosines(), gram.cosine_error))
    return found, error + EPS


def _total(gram: Gram) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sum over all pairs of signals as mantissa and exponent, and its relative error; (R,)."""
    top = top_exponent(gram.diagonal > 0, gram.exponent, axis=1)
    by = np.clip(gram.exponent - top[:, None], -4000, 0)
    by = (by[:, :, None] + by[:, None, :]).astype(np.int32)
    total = np.maximum(np.ldexp(gram.matrix, by).sum(axis=(1, 2)), 0.0)
    error = np.ldexp(gram.error, by).sum(axis=(1, 2))
    return total, 2 * top, error / np.where(total > 0, total, 1.0)
