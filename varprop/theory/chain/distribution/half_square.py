"""Mean and variance of ln |delta^l|^2 for the loss |z^L|^2 / 2, exactly, where no slope but one size and 0 occurs.

delta^L = z^L depends on the weights that carry it back, which is why the logarithm is no sum of independent terms as
for other losses. Given the forward pass and delta^(l+1) (docs/derivations/backward.md, section 1),

    delta^l_i = s_i (a_i e / C + g_i),   C = |a^l|^2,  e = |z^L|^2,  g normal, of variance v |delta^(l+1)|^2 across a.

Behind linear layers and ReLU without biases s_i is 0 or of one size, and 0 just where a_i is. So with k units that are
alive, |delta^l|^2 = s^2 (e^2 / C + v |delta^(l+1)|^2 Y), Y ~ chi2_(k-1); and each |a|^2 is v s^2 |a|^2 below times
X ~ chi2_k. All X and Y are independent, given the numbers k, and these are. Let Z_l = v |delta^(l+1)|^2 C / e^2. Then

    |delta^l|^2 = s^2 (1 + Y Z_l) e^2 / C,    Z_(l-1) = (1 + Y Z_l) / X,    Z_(L-1) = 1 / chi2_(n_L),

a Markov chain in one number. Its law goes down on a grid of ln Z (`grids`), and with it the mean and the mean square,
given Z, of the sum of ln X^2 so far: ln e^2 / C is that, and what is below.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy

from ....inputs import Inputs
from ....network import Network
from ....records import LayerProfile
from ...gaussian.log_moments import chi2_log_moments
from ...orders import EXACT
from ..signal.layer import EPS
from ..signal.logarithms import log_profiles
from . import tuning
from .grids import cardinals

_STEP = 0.2  # of ln Z: what is asked of Z is analytic up to pi on either side of the axis, so that 12 nodes reach 1e-10
_HIGH = 60.0  # P(Z > z) falls as z^(-1/2)
_LEAST = 36.0  # of -ln of a density over its peak, left out
_ERROR = 1e-9  # a layer
_FOLDED = 40.0  # below -40 ln(1 + e^t) is 0


def log_moments(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return log_mean and log_variance of the mean of delta^2 over units; {} where they are not known exactly.

    They are known for normal weights, no bias but in the first layer, and slopes that are 0 or of one size.
    """
    known = log_profiles(network, inputs)
    hidden = [layer.activation.slopes for layer in network.layers[:-1]]
    plain = all(slopes and len({abs(s) for s in slopes} | {0.0}) == 2 for slopes in hidden)
    if not plain or not known or any(layer.distribution != "normal" for layer in network.layers):
        return {}
    mean, variance = (known[name].values.copy() for name in ("log_mean", "log_variance"))
    widths = [layer.fan_out for layer in network.layers]
    state = _State.at_output(widths[-1], max(widths))
    total = 0.0  # the mean of what is summed in ``state``, and constants
    top = network.layers[-1]
    total += 2 * (np.log(top.weight_variance) + chi2_log_moments(top.fan_out)[0])
    for l in reversed(range(network.depth - 1)):
        layer = network.layers[l]
        counts = _counts(layer.fan_out, 0.0 in layer.activation.both_slopes)
        own_mean, own_variance = chi2_log_moments(layer.fan_out)  # of ln q-hat given Q
        state, m, v, log_x = state.through(*counts)
        size = 4 * np.log(max(abs(s) for s in layer.activation.both_slopes))
        mean[l] += np.log(layer.fan_out) - own_mean + m + total + size - np.log(layer.fan_out)
        variance[l] += v - own_variance
        total += 2 * (np.log(layer.weight_variance) + log_x) + size
    errors = _ERROR * np.arange(network.depth, 0, -1) + 16 * EPS * np.abs(mean).max()
    return {
        "log_mean": LayerProfile(mean, errors, EXACT),
        "log_variance": LayerProfile(np.maximum(variance, 0.0), errors * (1 + np.sqrt(np.abs(variance))), EXACT),
    }


def _counts(width: int, may_die: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of units that are alive, given one, and their probabilities; of wide layers every few."""
    if not may_die:
        return np.array([width]), np.ones(1)
    spread = np.sqrt(width) / 2
    step = max(1, int(spread / 1.5))  # a sum over a bell curve is as good as exact
    k = np.arange(1, width + 1)
    k = k[np.abs(k - width // 2) <= 7 * spread + 3]
    k = k[(k - k[0]) % step == 0]
    log_chance = -scipy.special.betaln(k + 1, width - k + 1)
    chances = np.exp(log_chance - log_chance.max())
    return k, chances / chances.sum()


@dataclass(frozen=True, eq=False)
class _State:
    """The law of ln Z: ``masses`` (3, nodes) are those of 1, S and S^2, S the sum of ln X^2 less its mean.

    Node i is at (i + ``first``) steps.
    """

    masses: np.ndarray
    first: int

    @classmethod
    def at_output(cls, width: int, widest: int) -> "_State":
        first = -int(np.ceil(np.log(widest + 12 * np.sqrt(2.0 * widest) + 90) / _STEP)) - tuning.TAPS
        empty = np.zeros((3, int(_HIGH / _STEP) - first))
        origin = np.zeros((3, 1))
        origin[0] = 1.0
        return cls(empty, first)._divided(origin, 0, width, chi2_log_moments(width)[0], empty)

    def through(self, counts: np.ndarray, chances: np.ndarray) -> tuple["_State", float, float, float]:
        """Return the state one layer below; mean and variance of S + ln X + ln(1 + Y Z), and the mean of ln X."""
        own = np.array([chi2_log_moments(k) for k in counts])
        log_x = float(chances @ own[:, 0])
        total, found = np.zeros(3), np.zeros_like(self.masses)  # of 1, U and U^2, U that sum less log_x
        for k, chance, (mean, variance) in zip(counts, chances, own, strict=True):
            masses, first = self._multiplied(int(k))
            t = (first + np.arange(masses.shape[1])) * _STEP
            w, centre = np.logaddexp(0.0, t), mean - log_x
            u = np.array([masses[0] @ w**j for j in range(3)]), np.array([masses[1] @ w**j for j in range(2)])
            one, both, square = masses[0].sum(), masses[1].sum(), masses[2].sum()
            total[0] += chance * one
            total[1] += chance * (centre * one + u[0][1] + both)
            total[2] += chance * ((variance + centre**2) * one + u[0][2] + square)
            total[2] += 2 * chance * (centre * u[0][1] + centre * both + u[1][1])
            folded, start = _folded(chance * masses, first)
            self._divided(folded, start, int(k), log_x, found)
        m = total[1] / total[0]
        return _State(found, self.first), m + log_x, total[2] / total[0] - m**2, log_x

    def _multiplied(self, k: int) -> tuple[np.ndarray, int]:
        """Return the masses of ln Y Z, Y ~ chi2_(k-1)."""
        if k == 1:  # Y = 0
            return self.masses.sum(axis=1, keepdims=True), int(-2 * _FOLDED / _STEP)
        kernel, first = _kernel(k - 1, 1)
        return np.stack([np.convolve(row, kernel[0]) for row in self.masses]), self.first + first

    def _divided(self, masses, first: int, k: int, log_x: float, found: np.ndarray) -> "_State":
        """Add what is at ``masses`` divided by X ~ chi2_k, whose ln X^2 less 2 ``log_x`` joins S."""
        kernel, start = _kernel(k, -1)
        own = 2 * (chi2_log_moments(k)[0] - log_x)
        one, two = kernel[1] + own * kernel[0], kernel[2] + 2 * own * kernel[1] + own**2 * kernel[0]
        p = [np.convolve(masses[0], kernel[0]), np.convolve(masses[0], one) + np.convolve(masses[1], kernel[0])]
        p.append(np.convolve(masses[0], two) + 2 * np.convolve(masses[1], one) + np.convolve(masses[2], kernel[0]))
        place = np.clip(first + start + np.arange(len(p[0])) - self.first, 0, found.shape[1] - 1)
        for row, values in zip(found, p, strict=True):
            row += np.bincount(place, values, minlength=len(row))
        return _State(found, self.first)


def _folded(masses: np.ndarray, first: int) -> tuple[np.ndarray, int]:
    """Return the masses of ln(1 + e^t) from those of t."""
    t = (first + np.arange(masses.shape[1])) * _STEP
    nodes, weights = cardinals(np.logaddexp(0.0, np.maximum(t, -_FOLDED)) / _STEP)
    start = int(nodes.min())
    places = (nodes - start).ravel()
    return np.stack([np.bincount(places, (weights * row).ravel()) for row in masses]), start


@cache
def _kernel(k: int, sign: int) -> tuple[np.ndarray, int]:
    """Return the masses of ``sign`` ln chi2_k times 1, x and x^2, x = ln chi2_k^2 less its mean, and their place."""
    step = min(0.25, np.sqrt(2 / k) / 2)
    peak = np.log(k)
    below, above = 2 * _LEAST / k + 9 * np.sqrt(2 / k), min(6.0, 9 * np.sqrt(2 / k) + 1.0)
    u = np.arange(peak - below, peak + above + step, step)
    log_density = 0.5 * k * u - 0.5 * np.exp(u)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    nodes, weights = cardinals(sign * u / _STEP)
    start = int(nodes.min())
    x = 2 * (u - density @ u)
    return np.stack([np.bincount((nodes - start).ravel(), (weights * density * x**j).ravel()) for j in range(3)]), start
