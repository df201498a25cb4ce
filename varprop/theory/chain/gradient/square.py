"""The gradient of |z^L|^2 / 2 at any width, exactly, behind linear, ReLU and leaky ReLU layers of normal weights.

delta^L = z^L depends on the weights that carry it back. Let M^k be the derivative of a^k by z^l. Given that
z^l is not 0, the slopes of the layers from l on are fair coins (`exact`), and three means close among
themselves on the way up, A = E|a|^2 |M|^2 (Frobenius), B = E|M' a|^2 and T = E|M|^2. With v = Var(W), b the
bias variance, n the layer's width, s = n p2 and m = n (n - 1) p1^2,

    A' = (m + s) (v^2 A + v b T) + 2 s v^2 B,    B' = (m + 2 s) v^2 B + s (v^2 A + v b T),    T' = n p1 v T.

They start at layer l with A = (m + s) Q, B = s Q and T = n p1, Q = E z^2, and end in
E|delta^l|^2 = n_L v^2 A + n_L (n_L + 1) v^2 B + n_L v b T. All is linear in (A, B, T), so one pass from the
output down carries the three coefficients, for every l at once.

Second moments, where no layer has a bias. Then z^l . delta^l = e is the same number in every layer, |z^L|^2.
Given the forward pass and delta^(l+1), with a = a^l, C = |a|^2 and D = |delta|^2
(docs/derivations/backward.md, section 1),

    delta^l_i = s_i (a_i e / C + g_i),   g normal, of variance v D across a and 0 along a,

so E[D^2], E[D e^2] and E[e^4] given C of the layer below are constants times C^2, C^3 and C^4, and the
constants obey a linear recursion whose coefficients are expected products of sums over units.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ....inputs import Inputs
from ....network import Network
from ....records import LayerProfile
from ...gaussian.expectations import power_means
from ...gaussian.slope_moments import slope_at_zero
from ...losses.sums import expected_product
from ...orders import EXACT, at_input
from ...scaled import Scaled
from ..signal.death import log_alive
from ..signal.homogeneous import signals
from ..signal.layer import EPS, relative_profile


@dataclass(frozen=True, eq=False)
class _Mean:
    """E|delta|^2 as coefficients of A, B and T of a layer, and of |M|^2 where its activations are all 0."""

    a: Scaled
    b: Scaled
    t: Scaled
    dark: Scaled


@dataclass(frozen=True, eq=False)
class _Square:
    """E[D^2], E[D e^2], E[e^4] over the squared norm below to the power 2, 3, 4."""

    d2: Scaled
    de: Scaled
    e4: Scaled


def profiles(network: Network, inputs: Inputs) -> dict[str, LayerProfile]:
    """Return the variances of gradients and, without biases, fluctuation. Errors are rounding."""
    below = signals(network, inputs)
    moving = np.where([layer.bias_variance > 0 for layer in network.layers], 0.0, log_alive(network, inputs)[:-1])
    unbiased = not any(layer.bias_variance for layer in network.layers)
    found = {name: np.empty(network.depth) for name in ("mean", "weight", "fluctuation")}
    mean: _Mean | None = None
    square: _Square | None = None
    for l in reversed(range(network.depth)):
        layer, (norm, _) = network.layers[l], below[l]
        constant, slope, dark, mean = _mean_below(network, l, mean)
        size = norm.size.mean()
        square_size = norm.size.times(norm.size).times(1 + norm.spread).mean()
        v, b = layer.weight_variance, layer.bias_variance
        total = slope.times(size.times(v).plus(b)).plus(constant.times_power_of_two(_bits(moving[l])))
        total = total.plus(dark.times(-np.expm1(moving[l])))
        weight = constant.times(size).plus(slope.times(square_size.times(v).plus(size.times(b))))
        found["mean"][l] = total.times(1 / layer.fan_out).values()[0]
        found["weight"][l] = weight.times(1 / layer.fan_out / layer.fan_in).values()[0]
        if unbiased:
            square = _square_below(network, l, square)
            with np.errstate(over="ignore"):
                ratio = square.d2.times(square_size).over(total.times(total))[0]
            found["fluctuation"][l] = max(ratio - 1, 0.0) if total.mantissa[0] > 0 else np.nan
    errors = EPS * (16 + 8 * network.depth) * np.ones(network.depth)
    # x is as the activations of a layer whose derivative by itself is I: A = n_0 |x|^2, B = |x|^2 and T = n_0.
    n = network.widths[0]
    assert mean is not None  # there is a layer
    total = mean.a.times(n).plus(mean.b).times(size).plus(mean.t.times(n).times_power_of_two(_bits(moving[0])))
    total = total.plus(mean.dark.times(-n * np.expm1(moving[0]))).times(1 / n).values()[0]
    result = {
        "input_gradient_variance": at_input(total, 2 * errors[0] * total, EXACT),
        "gradient_variance": relative_profile(found["mean"], errors, EXACT),
        "weight_gradient_variance": relative_profile(found["weight"], errors, EXACT),
    }
    if unbiased:
        fluctuation = found["fluctuation"]
        result["fluctuation"] = LayerProfile(fluctuation, 4 * errors * (1 + fluctuation), EXACT)
    return result


def _bits(log_probability: float) -> np.ndarray:
    return np.maximum(np.array([log_probability / np.log(2)]), -1e9)


def _one(value: float) -> Scaled:
    return Scaled.of([float(value)])


def _mean_below(network: Network, l: int, above: _Mean | None) -> tuple[Scaled, Scaled, Scaled, _Mean]:
    """Return E|delta|^2 of entry l as c_0 + c_1 Q where z is not 0 and as one number where it is, and what is below.

    ``above`` are the coefficients at this layer's activations, None at the output.
    """
    layer, zero = network.layers[l], _one(0.0)
    n, v, b = layer.fan_out, layer.weight_variance, layer.bias_variance
    if above is None:
        lower = _Mean(_one(n * v * v), _one(n * (n + 1.0) * v * v), _one(n * v * b), _one(n * v * b))
        return zero, _one(n), zero, lower
    p1, ratio = power_means(layer.activation.both_slopes)
    at_zero = slope_at_zero(layer.activation) ** 2
    s, m = n * ratio * p1 * p1, n * (n - 1.0) * p1 * p1
    both = above.a.times(m + s).plus(above.b.times(s))
    t = both.times(v * b).plus(above.t.times(n * p1 * v))
    lower = _Mean(
        both.times(v * v),
        above.a.times(2 * s * v * v).plus(above.b.times((m + 2 * s) * v * v)),
        t,
        t if b > 0 else above.dark.times(n * at_zero * v),
    )
    return above.t.times(n * p1), both, above.dark.times(n * at_zero), lower


def _square_below(network: Network, l: int, above: _Square | None) -> _Square:
    """Return the second moments of entry l given the squared norm below."""
    layer = network.layers[l]
    n, v = float(layer.fan_out), layer.weight_variance
    if above is None:
        fourth, sixth = v**2 * n * (n + 2), v**3 * n * (n + 2) * (n + 4)
        return _Square(_one(fourth), _one(sixth), _one(v**4 * n * (n + 2) * (n + 4) * (n + 6)))
    u = network.layers[l + 1].weight_variance
    bb, csb, ch, ccss, ccg, ccb, cccs, cccc = _products(layer.fan_out, layer.activation.both_slopes)
    from_de = 2 * csb + 4 * ch - 6 * bb
    from_d2 = ccss - 2 * csb + 3 * bb + 2 * ccg - 4 * ch
    d2 = above.e4.times(bb).plus(above.de.times(u * from_de)).plus(above.d2.times(u * u * from_d2))
    de = above.e4.times(ccb).plus(above.de.times(u * (cccs - ccb)))
    return _Square(d2.times(v**2), de.times(v**3), above.e4.times(cccc * v**4))


# Exponents of the squared slope and of the squared normal in one unit's share of each sum over units:
# C = |a|^2, S = sum phi'^2, B = sum phi'^2 a^2, G = sum phi'^4, H = sum phi'^4 a^2.
_SUMS = {"C": (1, 1), "S": (1, 0), "B": (2, 1), "G": (2, 0), "H": (3, 1)}


@cache
def _products(width: int, slopes: tuple[float, float]) -> tuple[float, ...]:
    """Return the mean of each product of sums over units that the recursion needs, at Q = 1."""
    squares = np.array(slopes) ** 2

    def moment(slope_power, normal_power):
        return float((squares**slope_power).mean() * np.prod(np.arange(1.0, 2 * normal_power, 2)))

    names = ("BB", "CSB", "CH", "CCSS", "CCG", "CCB", "CCCS", "CCCC")
    return tuple(expected_product(width, [_SUMS[letter] for letter in name], moment) for name in names)
