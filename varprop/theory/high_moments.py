"""Moments of z beyond the second, beside what `theory.forward` has: exact ones, and E z^4 from the kurtosis."""

from dataclasses import replace

import numpy as np

from ..inputs import as_inputs
from ..layer_profile import LayerProfile
from ..quantities import MOMENTS, QUANTITIES, moments_up_to
from ..records import Forward


def with_moments(record: Forward, inputs, order: str | None, highest: int) -> Forward:
    """Return a record with those moments that are known up to E z^highest.

    Of chains of ``order`` "exact" that `chain.signal.powers` knows, all; else E z^4 where the kurtosis is known.
    """
    from .chain.signal import powers

    network, found = record.network, record.profiles
    if order in (None, "exact") and network.is_chain and powers.known(network):
        given = as_inputs(inputs, network.widths[0])
        found |= {name: powers.moments(network, given, power) for power, name in moments_up_to(highest).items()}
    elif record.kurtosis is not None:
        found[MOMENTS[4]] = _fourth(record.variance, record.kurtosis)
    return Forward.from_profiles(network, found, correction=record.correction)


def _fourth(variance: LayerProfile, kurtosis: LayerProfile) -> LayerProfile:
    """Return E z^4, the kurtosis times the squared variance."""
    values, errors = _product(variance.values, variance.errors, kurtosis.values, kurtosis.errors)
    by_position = None
    if variance.by_position is not None and kurtosis.by_position is not None:
        by_position = _product(*variance.by_position, *kurtosis.by_position)
        values, errors = (part.mean(axis=1) for part in by_position)
    left_out = None
    if kurtosis.left_out is not None:
        left_out = kurtosis.left_out + 2 * (0.0 if variance.left_out is None else variance.left_out)
    beyond = None if left_out is None else QUANTITIES[MOMENTS[4]].doubt_beyond
    found = replace(kurtosis, values=values, errors=errors, by_position=by_position)
    return replace(found, left_out=left_out, doubt_beyond=beyond)


def _product(variance, variance_error, kurtosis, kurtosis_error):
    with np.errstate(all="ignore"):  # beyond float64
        values = kurtosis * variance**2
        errors = variance**2 * kurtosis_error + 2 * np.abs(kurtosis * variance) * variance_error
        return np.where(variance == 0, 0.0, values), np.where(variance == 0, 0.0, errors)
