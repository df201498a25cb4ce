"""Audits made of a few lists, for tests of what is said of them."""

import numpy as np

from varprop.audits import EXPONENTS, Audit, WeightPrediction
from varprop.layer_profile import LayerProfile
from varprop.weight_truth import WeightTruth

_ACTIVATIONS = {"ReLU": ("relu",), "GELU": ("gelu",), "Tanh": ("tanh",), "Sigmoid": ("sigmoid",), "SiLU": ("silu",)}
ZEROS = ("mean", "zeros", "dead", "nonfinite")


def made(places, **changes):
    """Return an audit of ``places``, each a dict with ``name``, ``kind`` and what is not as in a healthy place.

    ``signal`` and ``gradient`` are E[x^2] and the gradient's variance, 1 by default; ``shape`` is (32, 64).
    """
    names = tuple(place.get("name", str(i)) for i, place in enumerate(places))

    def profile(key, default, error=0.02):
        values = np.array([float(place.get(key, default)) for place in places])
        return LayerProfile(values, error * np.abs(values), "measured", names=names)

    def shares(key):
        found = np.zeros((len(places), len(EXPONENTS)))
        for row, place in zip(found, places, strict=True):
            value = place.get(key, 1.0)
            if value > 0:
                row[np.searchsorted(EXPONENTS, np.floor(np.log2(value) / 2))] = 1.0
        return found

    nothing = profile("", np.nan)
    fields = {
        "model": "net",
        "networks": 20,
        "seed": 0,
        "training": True,
        "second_moment": profile("signal", 1.0),
        "gradient_variance": profile("gradient", 1.0),
        "weight_gradient_variance": profile("weight_gradient", np.nan),
        **{name: profile(name, 0.0) for name in ZEROS},
        "cosine_of_inputs": profile("inputs", 0.1, error=1e-3),
        "cosine_of_positions": profile("positions", np.nan, error=1e-3),
        "magnitudes": shares("signal"),
        "gradient_magnitudes": shares("gradient"),
        "kinds": tuple(place.get("kind", "Linear") for place in places),
        "activations": tuple(_ACTIVATIONS.get(place.get("kind"), ()) for place in places),
        "shapes": tuple(place.get("shape", (32, 64)) for place in places),
        "predicted": WeightPrediction(nothing, np.full(len(places), np.nan), ("",) * len(places)),
    }
    return Audit(**{**fields, **changes})


def truth(name, gain_squared=2.0, **changes):
    """Return what is known of one weight."""
    fields = {
        "shape": (64, 64),
        "fan_in": 64,
        "fan_out": 64,
        "gain_squared_error": 0.01 * gain_squared,
        "mean": 0.0,
        "kurtosis": 3.0,
        "rule": "He's, normal: 2/n",
        "count": 4096,
    }
    return WeightTruth(name=name, gain_squared=gain_squared, **{**fields, **changes})
