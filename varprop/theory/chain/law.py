"""The law of q-hat of a chain: from a sum of logarithms, or on a grid."""

import numpy as np
import scipy

from ...inputs import Inputs, as_inputs
from ...law import Law, LayerLaw, interpolated
from ...network import Network
from ...origins import Origin
from .distribution import tuning
from .distribution.chain import Masses, evolve
from .distribution.far import Far, gauss
from .distribution.log_sums import LogSum, log_sums

_WIDEST_SUM, _WIDEST_CHAIN = 2**17, 2**14


def law(network: Network, inputs) -> Law:
    """Return what `theory.law` does."""
    inputs = as_inputs(inputs, network.widths[0])
    check_law(network)
    if is_log_sum(network):
        return Law(network, tuple(_inverted(s) for s in log_sums(network, inputs)), Origin.EXACT)
    fine, coarse = (
        [_smoothed(masses, layer.fan_out) for masses, layer in zip(laws, network.layers, strict=True)]
        for laws in (evolve(network, inputs, resolution) for resolution in (1.0, tuning.COARSE))
    )
    return Law(network, tuple(map(_with_difference, fine, coarse)), Origin.ON_A_GRID)


def check_law(network: Network) -> None:
    """Raise ValueError unless the law of every layer's Q can be computed."""
    widest = _WIDEST_SUM if is_log_sum(network) else _WIDEST_CHAIN
    for l, layer in enumerate(network.layers, 1):
        if layer.distribution != "normal":
            raise ValueError(
                f"layer {l} has {layer.distribution} weights; the distribution is known for normal ones "
                "('he', 'lecun', 'glorot', 'unit'). Use simulate.law, or theory.forward for moments."
            )
        if layer.fan_out > widest:
            raise ValueError(
                f"layer {l} is {layer.fan_out:,} wide; the distribution is computed up to {widest:,} here. "
                "Use theory.forward: between so wide networks q-hat is all but normal."
            )


def signal_laws(network: Network, inputs: Inputs, fine: bool):
    """Yield the law of Q in every layer: values of ln Q, masses exact for smooth functions, P(Q = 0), and what is far.

    A coarser one where not ``fine``, for comparison, if it comes from the chain.
    """
    if is_log_sum(network):
        for law in log_sums(network, inputs):
            yield *law.masses(), law.zero, 0.0
    else:
        for masses in evolve(network, inputs, 1.0 if fine else tuning.COARSE):
            log_q, mass = masses.log_q, masses.mass
            if masses.far is not None and masses.far_total:
                log_q, mass = (np.append(*both) for both in zip((log_q, mass), masses.far.masses(), strict=True))
            yield log_q, mass, masses.zero, masses.far_total


def is_log_sum(network: Network) -> bool:
    """Whether ln q-hat is a sum of independent terms in every layer."""
    hidden = network.layers[:-1]
    return all(layer.bias_variance == 0 for layer in network.layers) and all(
        layer.activation.slopes is not None for layer in hidden
    )


def _inverted(law: LogSum) -> LayerLaw:
    """Return the law of ln q-hat from its characteristic function, by Fourier series on the circle."""
    if law.zero == 1.0:
        return dead_layer()
    count = 2 * (len(law.transform) - 1)
    fine = 2 ** max(0, int(np.ceil(np.log2(tuning.FINE * law.period / count / law.scale))))
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
    return gridded(y + law.centre, below, density, law.zero, rounding)


def _smoothed(masses: Masses, n: int) -> LayerLaw:
    """Return the law of ln q-hat = ln Q + ln(chi2_n / n) from that of ln Q."""
    if len(masses.mass) == 0:
        return dead_layer()
    alive = masses.mass.sum() + masses.far_total  # 1 less P(Q = 0) to rounding
    scale = np.sqrt(scipy.special.polygamma(1, n / 2))
    parts = int(np.ceil(tuning.FINE * masses.step / scale))
    step = masses.step / parts
    below = int(np.ceil(-np.log(scipy.special.gammaincinv(n / 2, 1e-15) * 2 / n) / step)) + 1
    above = int(np.ceil(np.log(scipy.special.gammainccinv(n / 2, 1e-15) * 2 / n) / step)) + 1
    stuffed = np.zeros((len(masses.mass) - 1) * parts + 1)
    stuffed[::parts] = masses.mass
    d = step * np.arange(-below - len(stuffed) + 1, above + len(stuffed))
    with np.errstate(over="ignore", under="ignore"):
        log_half = np.log(n / 2) + np.minimum(d, 100.0)
        half = np.exp(log_half)  # 0 far below
        kernels = scipy.special.gammainc(n / 2, half), np.exp(n / 2 * log_half - half - scipy.special.gammaln(n / 2))
    cumulative, density = (_convolved(kernel, stuffed) for kernel in kernels)
    y = masses.first * masses.step + step * np.arange(-below, len(stuffed) + above)
    if masses.far is not None and masses.far_total:
        y, cumulative, density = _with_far(masses.far, gauss(d, kernels[1]), y, cumulative, density)
    return gridded(y, cumulative / alive, density / alive, masses.zero, 1e-13)


def _with_far(far: Far, own: tuple[np.ndarray, np.ndarray], y, cumulative, density):
    """Return edges, distribution function and density with what is far below; ``own`` stands for ln(chi2_n / n)."""
    own = own[0], own[1] / own[1].sum()
    edges = far.log_q[::-1]
    edges = edges[edges < y[0]]
    y, cumulative, density = (
        np.append(more, x) for more, x in ((edges, y), (0 * edges, cumulative), (0 * edges, density))
    )
    slopes = (far.spread(y + 0.1, own) - far.spread(y - 0.1, own)) / 0.2
    return y, cumulative + far.spread(y, own), density + slopes


def _with_difference(fine: LayerLaw, coarse: LayerLaw) -> LayerLaw:
    """Return ``fine`` with its error from ``coarse``."""
    other = interpolated(coarse, np.clip(fine.edges, coarse.edges[0], coarse.edges[-1]))
    return fine._replace(errors=fine.errors + tuning.DOUBT * np.abs(fine.cumulative - other).max())


def _convolved(kernel: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Return the convolution where both overlap fully. By FFT: scipy.signal takes half a second to import."""
    size = scipy.fft.next_fast_len(len(kernel), real=True)
    product = scipy.fft.irfft(scipy.fft.rfft(kernel, size) * scipy.fft.rfft(masses, size), size)
    return product[len(masses) - 1 : len(kernel)]


def gridded(y, below, density, zero: float, error: float) -> LayerLaw:
    """Return a `LayerLaw` from the distribution function and density of the living, without its empty ends."""
    inside = np.flatnonzero((below > tuning.EDGE) & (below < 1 - tuning.EDGE))
    part = slice(max(inside[0] - 1, 0), inside[-1] + 2)
    y, below, density = y[part], np.clip(below[part], 0.0, 1.0), np.maximum(density[part], 0.0)
    errors = np.full(len(y), (1 - zero) * (error + _interpolation_error(y, below, density)))
    return LayerLaw(y, zero + (1 - zero) * below, errors, (1 - zero) * density, zero)


def _interpolation_error(y, below, density) -> float:
    """Return the error of the cubics between edges: a sixteenth of what twice the step makes at every other."""
    if len(y) < 3:
        return 0.0
    other = LayerLaw(y[::2], below[::2], np.zeros(len(y[::2])), density[::2], 0.0)
    inside = slice(1, len(y) - 1, 2)
    return float(np.abs(interpolated(other, y[inside]) - below[inside]).max()) / 16


def dead_layer() -> LayerLaw:
    """Return the law of a q-hat that is always 0."""
    return LayerLaw(np.array([0.0, 1.0]), np.ones(2), np.zeros(2), np.zeros(2), 1.0)
