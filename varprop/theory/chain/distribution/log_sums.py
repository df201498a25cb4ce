"""The exact law of ln Q and ln q-hat behind linear, ReLU and leaky ReLU layers: sums of independent terms.

Q^l = |x|^2 prod_k Var(W^k) prod_(k<l) X_k, with X_k the sum of phi^k(g)^2 over n_k normals g, and
q-hat^l = Q^l chi2_(n_l) / n_l. So characteristic functions multiply, and one FFT inverts them. All layers
share a grid of frequencies; each is centred at its own mean, so that a thousand layers need no more range
than they spread.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy

from ....inputs import Inputs
from ....network import Network
from ...gaussian.log_moments import chi2_log_moments, layer_log_moments, zero_probability
from . import tuning
from .grids import cardinals


@dataclass(frozen=True, eq=False)
class LogSum:
    """One layer's ln Q, centred, on a circle of ``period``; frequencies are 2 pi m / period.

    Attributes
    ----------
    centre
        What to add to ln Q and ln q-hat alike.
    transform
        E exp(i w (ln Q - centre)) given Q > 0.
    own
        E exp(i w ln(chi2_n / n)).
    zero
        P(Q = 0).
    scale
        Standard deviation of the narrowest part of ln q-hat, which a grid has to resolve.
    """

    period: float
    centre: float
    transform: np.ndarray
    own: np.ndarray
    zero: float
    scale: float

    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """Return values of ln Q and masses there, P(Q > 0) in all, exact for smooth functions."""
        count = 2 * (len(self.transform) - 1)
        mass = np.roll(np.fft.irfft(np.conj(self.transform)), count // 2) * (1 - self.zero)
        return self.centre + self.period * (np.arange(count) / count - 0.5), mass


def log_sums(network: Network, inputs: Inputs) -> Iterator[LogSum]:
    """Yield each layer's `LogSum`; widths, slopes and inputs as they are, zero bias and normal weights."""
    period, count = _circle(network, inputs)
    w = 2 * np.pi / period * np.arange(count // 2 + 1)
    transform, centre, variance, zero = _input(inputs, period, count, w)
    for l, layer in enumerate(network.layers):
        centre = centre + np.log(layer.weight_variance)
        own = _centred_transform(layer.fan_out, (1.0, 1.0), w)
        mean, own_variance = chi2_log_moments(layer.fan_out)
        own = own * np.exp(1j * w * (mean - np.log(layer.fan_out)))
        yield LogSum(period, centre, transform, own, zero, np.sqrt(variance + own_variance))
        if l + 1 < network.depth:
            n, slopes = layer.fan_out, layer.activation.both_slopes
            mean, more = layer_log_moments(n, slopes)
            transform = transform * _centred_transform(n, slopes, w)
            centre, variance = centre + mean, variance + more
            zero += (1 - zero) * zero_probability(slopes) ** n


def _input(inputs: Inputs, period, count, w):
    """Return transform, centre, variance without that between rows, and P(|x| = 0) of ln |x|^2."""
    if inputs.rows is None:
        mean, variance = chi2_log_moments(inputs.width)
        return _centred_transform(inputs.width, (1.0, 1.0), w), mean, variance, 0.0
    logs = np.log(inputs.squared_norms[inputs.squared_norms > 0])
    if len(logs) == 0:
        return np.ones(len(w), complex), 0.0, 0.0, 1.0
    centre, step = logs.mean(), period / count
    nodes, weights = cardinals((logs - centre) / step)
    masses = np.bincount((nodes % count).ravel(), (weights / len(logs)).ravel(), minlength=count)
    return np.conj(np.fft.rfft(masses)), centre, 0.0, 1 - len(logs) / len(inputs.rows)


def _circle(network: Network, inputs: Inputs) -> tuple[float, int]:
    """Return a period that holds every layer's law but 1e-15 of it, and a number of points that resolves it."""
    variance, reach, degrees = 0.0, 0.0, np.inf
    if inputs.rows is None:
        variance, degrees = chi2_log_moments(inputs.width)[1], inputs.width
    elif (inputs.squared_norms > 0).any():
        reach = np.ptp(np.log(inputs.squared_norms[inputs.squared_norms > 0]))
    for layer in network.layers[:-1]:
        slopes = layer.activation.both_slopes
        variance += layer_log_moments(layer.fan_out, slopes)[1]
        degrees = min(degrees, _least_degrees(layer.fan_out, slopes))
        sizes = [abs(s) for s in slopes if s]
        reach += 2 * (np.log(max(sizes)) - np.log(min(sizes)))
    last = network.layers[-1].fan_out
    variance, degrees = variance + chi2_log_moments(last)[1], min(degrees, last)
    variance = max(variance, max(chi2_log_moments(layer.fan_out)[1] for layer in network.layers))
    # below, the density of ln X goes as e^(degrees y / 2), times a power of y for each layer that has it
    tail = 2 * (tuning.TINY + 3 * np.log1p(variance)) / degrees
    period = 2 * (9 * np.sqrt(variance) + tail + min(reach, 9 * np.sqrt(reach))) + 1e-3
    step = np.pi / max(_bandwidth(n) for n in network.widths[1:])
    return period, min(2 ** int(np.ceil(np.log2(period / step))), tuning.LARGEST_CIRCLE)


def _least_degrees(n: int, slopes) -> int:
    """Return the least degrees of freedom that a layer's sum of squares has, with any probability to speak of."""
    if not zero_probability(slopes):
        return n
    return max(1, int(np.searchsorted(scipy.special.bdtr(np.arange(n), n, 0.5), 1e-17)))


@cache
def _bandwidth(n: int) -> float:
    """Return the frequency from which |E chi2_n^(iw)| is below e^-37."""
    w = 6.0 * np.sqrt(n / 2)
    while scipy.special.loggamma(n / 2 + 1j * w).real - scipy.special.loggamma(n / 2) > -tuning.TINY:
        w *= 1.1
    return w


@cache
def _cached_transform(n: int, slopes: tuple[float, float], step: float, count: int) -> np.ndarray:
    w = step * np.arange(count)
    mean = layer_log_moments(n, slopes)[0]
    low = w <= 1.5 * _bandwidth(n)  # beyond there is nothing
    out = np.zeros(count, complex)
    if abs(slopes[0]) == abs(slopes[1]):
        logs = scipy.special.loggamma(n / 2 + 1j * w[low]) - scipy.special.loggamma(n / 2)
        mean = mean - 2 * np.log(abs(slopes[1])) - np.log(2.0)
        out[low] = np.exp(logs - 1j * w[low] * mean)
        return out
    out[low] = _mellin(n, slopes, w[low], mean)
    return out


def _centred_transform(n: int, slopes, w: np.ndarray) -> np.ndarray:
    """Return E exp(i w (ln X - E ln X)) given X > 0, X the sum of phi(g)^2 over n normals g."""
    return _cached_transform(n, slopes, float(w[1]), len(w))


def _mellin(n: int, slopes, w, mean) -> np.ndarray:
    """Return E exp(i w (ln X - mean)) given X > 0 from the Laplace transform M of X.

    For t on any ray from 0 where M is analytic, the integral of t^(iw) (-M'(t)) dt is Gamma(1 + iw) E X^(-iw).
    On the real ray Gamma is e^(-pi w / 2) and all digits are lost; on the imaginary one t^(iw) brings the same
    factor, and none is. M(t) = [sum over both slopes of (1 + 2 s^2 t)^(-1/2) / 2]^n is analytic off the
    negative axis. With t = i e^y the trapezoid rule converges faster than any power of its step.
    """
    largest, smallest = sorted((abs(s) for s in slopes), reverse=True)
    ratio = smallest / largest
    step = min(0.1, 0.2 / np.sqrt(n))
    y = np.arange(-np.log(n) - 40.0, 80.0 + (-2 * np.log(ratio) if ratio else 0.0), step)
    squares, t = np.array([[1.0], [ratio**2]]), 1j * np.exp(y)
    roots = np.log1p(2 * squares * t)
    log_mgf = np.log1p(0.5 * np.expm1(-0.5 * roots).sum(axis=0))
    density = 0.5 * n * t * np.exp((n - 1) * log_mgf) * (squares * np.exp(-1.5 * roots)).sum(axis=0)
    useful = np.abs(density) > 1e-19
    y, density = y[useful] + mean - 2 * np.log(largest), density[useful] * step
    # w[i b + j] = w[i b] + w[j]: two thin tables of exponentials, and the rest is a matrix product
    b = int(np.ceil(np.sqrt(len(w))))
    out = np.zeros((-(-len(w) // b), b), complex)
    for i in range(0, len(y), 2**14):
        part = slice(i, i + 2**14)
        out += (np.exp(1j * np.outer(w[::b], y[part])) * density[part]) @ np.exp(1j * np.outer(y[part], w[:b]))
    out = out.ravel()[: len(w)]
    out *= np.exp(-scipy.special.loggamma(1 + 1j * w) - 0.5 * np.pi * w)
    return np.conj(out / out[0])
