"""The record of an audit, which needs no PyTorch."""

import numpy as np
import pytest

from varprop.audits import EXPONENTS, Audit, WeightPrediction
from varprop.layer_profile import LayerProfile

NAMES = ("0", "1", "2 sum 1")


def profile(*values):
    return LayerProfile(values, np.abs(values) / 10, "measured", names=NAMES)


def audit(**changes):
    quantities = [
        "second_moment",
        "mean",
        "gradient_variance",
        "zeros",
        "dead",
        "nonfinite",
        "cosine_of_inputs",
        "cosine_of_positions",
    ]
    shares = np.zeros((3, len(EXPONENTS)))
    fields = {
        **{name: profile(1.0, 2.0, 3.0) for name in quantities},
        "weight_gradient_variance": profile(1.0, np.nan, np.nan),
        "model": "Net",
        "networks": 20,
        "seed": 0,
        "training": True,
        "magnitudes": shares,
        "gradient_magnitudes": shares,
        "kinds": ("Linear", "ReLU", "sum"),
        "shapes": ((8, 16),) * 3,
        "predicted": WeightPrediction(profile(1.0, np.nan, np.nan), np.zeros(3), ("", "no weights", "no weights")),
    }
    return Audit(**{**fields, **changes})


def test_places_have_names_and_profiles():
    found = audit()
    assert found.names == NAMES
    assert found.index("2 sum 1") == 2
    assert set(found.profiles) >= {"second_moment", "gradient_variance", "weight_gradient_variance", "zeros"}
    with pytest.raises(KeyError, match="place is '7'; this model has"):
        found.index("7")
    assert "Net, training mode" in str(found)


def test_the_first_place_that_is_not_finite_is_named():
    assert audit(nonfinite=profile(0.0, 0.0, 0.0)).first_nonfinite is None
    assert audit(nonfinite=profile(0.0, 0.5, 1.0)).first_nonfinite == "1"
