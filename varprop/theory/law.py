"""The distribution of q-hat per layer, predicted."""

import numpy as np

from ..inputs import Inputs, as_inputs
from ..law import Law, LayerLaw
from ..network import Network
from .ensemble import EXACT
from .log_sums import LogSum, log_sums

_FINE = 40  # points of the grid in one standard deviation of ln q-hat
_EDGE = 1e-14  # probability left out at either end of the grid


def law(network: Network, inputs=None) -> Law:
    """WIP"""
    return exact(network, as_inputs(inputs, network.widths[0]))


def exact(network: Network, inputs: Inputs) -> Law:
    return Law(network, tuple(_inverted(s) for s in log_sums(network, inputs)), EXACT)


def _inverted(law: LogSum) -> LayerLaw:
    """Return the law of ln q-hat from its characteristic function, by Fourier series on the circle."""
    if law.alive == 0.0:
        return dead_layer()
    count = 2 * (len(law.transform) - 1)
    fine = 2 ** max(0, int(np.ceil(np.log2(_FINE * law.period / count / law.scale))))
    size = count * fine
    signs = np.where(np.arange(count // 2 + 1) % 2, -1.0, 1.0)  # the grid starts half a period below 0
    series = np.zeros(size // 2 + 1, complex)
    series[: count // 2 + 1] = np.conj(law.transform * law.own) * signs
    series[count // 2 :] = 0.0
    w = 2 * np.pi / law.period * np.arange(size // 2 + 1)
    y = law.period * (np.arange(size) / size - 0.5)
    density = np.fft.irfft(series) * size / law.period
    series[1:] /= 1j * w[1:]
    series[0] = 0.0
    below = np.fft.irfft(series) * size / law.period + y / law.period
    below -= below[0]
    rounding = 1e-14 + np.abs(density[[0, -1]]).max() * law.scale
    return gridded(y + law.centre, below, density, law.alive, rounding)


def gridded(y, below, density, alive: float, error: float) -> LayerLaw:
    """Return a `LayerLaw` from the distribution function and density of the living, without its empty ends."""
    inside = np.flatnonzero((below > _EDGE) & (below < 1 - _EDGE))
    part = slice(max(inside[0] - 1, 0), inside[-1] + 2)
    y, below, density = y[part], np.clip(below[part], 0.0, 1.0), np.maximum(density[part], 0.0)
    error = alive * (error + _interpolation_error(y, below, density))
    return LayerLaw(y, (1 - alive) + alive * below, np.full(len(y), error), alive * density, 1 - alive)


def _interpolation_error(y, below, density) -> float:
    """Return the error of the cubics between edges: a sixteenth of what twice the step makes at every other."""
    if len(y) < 3:
        return 0.0
    step = y[2:] - y[:-2]
    middle = 0.5 * (below[2:] + below[:-2]) + step / 8 * (density[:-2] - density[2:])
    return float(np.abs(middle - below[1:-1]).max()) / 16


def dead_layer() -> LayerLaw:
    """Return the law of a q-hat that is always 0."""
    return LayerLaw(np.array([0.0, 1.0]), np.ones(2), np.zeros(2), np.zeros(2), 1.0)
