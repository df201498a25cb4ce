"""The gradient at any width, exactly, where every hidden layer is linear, ReLU or leaky ReLU and delta^L is
independent of the network.

Signs (Hanin and Nica). Flip the sign of a row of W^l and of its bias. Their law does not change, and z^l_i
and the i-th column of W^(l+1) only change sign. So, given that z^l is not 0, whether z^k_i is positive, for
k >= l, is a fair coin apart from the sizes of all weights and from a^(l-1): phi'(z^k_i) can be replaced by
one of the two slopes, drawn at random. Then

    delta^l = s * (W^(l+1))^T delta^(l+1)

is a forward pass through the transposed weights, without biases, and |delta^l|^2 has the moments and the
logarithm of `signal.homogeneous`. It is independent of a^(l-1), so E|delta^l|^2 |a^(l-1)|^2 is a product.

Where z^l = 0 (no bias, and every unit below is 0) the slope is phi'(0), which is 0 for ReLU: the gradient
stops there. The two branches, z^l = 0 or not, go down side by side.
"""

from dataclasses import dataclass, replace

import numpy as np

from ....inputs import Inputs
from ....network import ChainLayer, Network
from ....own_weights import OwnDistribution
from ....records import LayerProfile
from ...gaussian.log_moments import chi2_log_moments, layer_log_moments, zero_probability
from ...gaussian.slope_moments import slope_at_zero
from ...orders import EXACT, FIRST, at_input
from ...scaled import Scaled
from ..signal.death import log_alive
from ..signal.homogeneous import activation_squared_norm, signals
from ..signal.layer import EPS, RADIAL, SquaredNorm, orthogonal_log_moments, preactivation, relative_profile
from ..signal.logarithms import QUADRATURE, along, by_cumulant, directed, is_exact


@dataclass(frozen=True, eq=False)
class _Gradient:
    """The law of |delta|^2 of one layer in one branch; logarithms are given that it is not 0.

    Its direction is ``given``, or ``random`` but for the ``slopes`` of its entries. ``exact`` tells of logarithms.
    """

    squared_norm: SquaredNorm
    log_alive: float
    log_mean: float
    log_variance: float
    slopes: tuple[float, float] = (1.0, 1.0)
    given: np.ndarray | None = None
    random: bool = True
    exact: bool = True


def profiles(network: Network, inputs: Inputs, given: np.ndarray | None) -> dict[str, LayerProfile]:
    """Return every profile but dead, exactly, for delta^L = ``given`` or, where None, delta^L ~ N(0, I).

    Every weight law has exact moments. Logarithms are exact for normal and orthogonal weights, as in
    `signal.logarithms` for others. Errors are rounding, and of integrals.
    """
    moving = np.where([layer.bias_variance > 0 for layer in network.layers], 0.0, log_alive(network, inputs)[:-1])
    live = dead = _output(network.widths[-1], given)
    found = {name: np.empty(network.depth) for name in ("mean", "weight", "fluctuation", "log_mean", "log_variance")}
    below = [squared_norm.size.mean() for squared_norm, _ in signals(network, inputs)]
    for l in reversed(range(network.depth)):
        layer = network.layers[l]
        if l < network.depth - 1:
            above, slopes = network.layers[l + 1], layer.activation.both_slopes
            at_zero = slope_at_zero(layer.activation)
            dead = _step(live if above.bias_variance > 0 else dead, above, (at_zero, at_zero))
            live = _step(live, above, slopes)
        here = _mixed([(moving[l], live), (_log_rest(moving[l]), dead)], layer.fan_out)
        for name, value in zip(("mean", "fluctuation", "log_mean", "log_variance"), here, strict=True):
            found[name][l] = value
        weight = live.squared_norm.size.times(below[l]).times(1 / layer.fan_out / layer.fan_in)
        found["weight"][l] = weight.values()[0]
    profiles, first = _profiles_of(network, found, moving, live.exact and dead.exact), network.layers[0]
    scale, lowest = first.fan_out * first.weight_variance, profiles["gradient_variance"]
    return profiles | {"input_gradient_variance": at_input(scale * lowest.values[0], scale * lowest.errors[0], EXACT)}


def _output(width: int, given: np.ndarray | None) -> _Gradient:
    if given is None:
        squared_norm = SquaredNorm(Scaled.of([float(width)]), np.array([2 / width]), np.array([3 / width]))
        return _Gradient(squared_norm, 0.0, *chi2_log_moments(width))
    size = float(given @ given)
    if size == 0:
        return _Gradient(SquaredNorm(Scaled.of([0.0]), np.zeros(1), np.zeros(1)), -np.inf, 0.0, 0.0)
    squared_norm = SquaredNorm(Scaled.of([size]), np.zeros(1), np.array([((given / np.sqrt(size)) ** 4).sum()]))
    return _Gradient(squared_norm, 0.0, np.log(size), 0.0, given=given / np.sqrt(size))


def _step(gradient: _Gradient, layer: ChainLayer, slopes: tuple[float, float]) -> _Gradient:
    """Return the gradient below ``layer``: transposed weights, then either of ``slopes`` for each unit."""
    width = layer.fan_in
    back = replace(layer, fan_in=layer.fan_out, fan_out=width, bias_variance=0.0)
    z = preactivation(back, gradient.squared_norm)
    squared_norm = activation_squared_norm(width, slopes, z)
    all_zero = zero_probability(slopes) ** width
    if not any(slopes) or gradient.log_alive == -np.inf:
        return _Gradient(squared_norm, -np.inf, 0.0, 0.0)
    own: tuple[float, float] | np.ndarray = layer_log_moments(width, slopes)
    sphere, exact = orthogonal_log_moments(back), gradient.exact
    if isinstance(layer.distribution, OwnDistribution):
        own, exact = by_cumulant(layer.distribution, float(gradient.squared_norm.fourth[0]), width, slopes), False
    elif layer.distribution not in RADIAL:
        if gradient.given is None:
            own = directed(layer.distribution, back.fan_in, width, gradient.slopes, slopes)
            exact = exact and is_exact(back, gradient.slopes, gradient.random)
        else:
            own = along(layer.distribution, gradient.given, width, slopes)
    return _Gradient(
        squared_norm,
        gradient.log_alive + np.log1p(-all_zero),
        gradient.log_mean + np.log(layer.weight_variance) + own[0] + sphere[0],
        gradient.log_variance + own[1] + sphere[1],
        slopes,
        random=layer.distribution in RADIAL,
        exact=exact,
    )


def _log_rest(log_probability: float) -> float:
    """Return ln(1 - p) of ln p."""
    with np.errstate(divide="ignore"):
        return float(np.log(-np.expm1(log_probability)))


def _mixed(branches: list[tuple[float, _Gradient]], width: int) -> tuple[float, float, float, float]:
    """Return mean, fluctuation, log mean and log variance of d-hat over branches of given ln probability."""
    branches = [(log_p, g) for log_p, g in branches if log_p > -np.inf]
    parts = [g.squared_norm.size.times_power_of_two(np.array([log_p / np.log(2)])) for log_p, g in branches]
    mean = parts[0] if len(parts) == 1 else parts[0].plus(parts[1])
    second = 0.0
    with np.errstate(over="ignore"):
        for part, (_, g) in zip(parts, branches, strict=True):
            if part.mantissa[0] > 0:
                second += float((part.over(mean) * g.squared_norm.size.over(mean) * (1 + g.squared_norm.spread))[0])
    fluctuation = max(second - 1, 0.0) if mean.mantissa[0] > 0 else np.nan
    alive = np.array([log_p + g.log_alive for log_p, g in branches])
    log_mean = log_variance = np.nan
    if alive.max() > -np.inf:
        weight = np.exp(alive - np.logaddexp.reduce(alive))
        means, variances = (np.array([getattr(g, name) for _, g in branches]) for name in ("log_mean", "log_variance"))
        log_mean = (weight * means).sum()
        log_variance = (weight * (variances + (means - log_mean) ** 2)).sum()
    return float(mean.times(1 / width).values()[0]), fluctuation, log_mean - np.log(width), log_variance


def _profiles_of(
    network: Network, found: dict[str, np.ndarray], moving: np.ndarray, known: bool
) -> dict[str, LayerProfile]:
    steps = np.arange(network.depth, 0, -1)
    odds = np.cumsum(np.where(np.isfinite(moving), -moving, 0.0))  # ln P(alive) is a sum, and each term rounds
    errors = EPS * (16 + 4 * steps + 4 * network.depth + odds)
    fluctuation = found["fluctuation"]
    profiles = {
        "gradient_variance": relative_profile(found["mean"], errors, EXACT),
        "weight_gradient_variance": relative_profile(found["weight"], errors, EXACT),
        "fluctuation": LayerProfile(fluctuation, 4 * errors * (1 + np.abs(fluctuation)), EXACT),
    }
    rough = QUADRATURE * np.array(
        [layer.distribution not in RADIAL for layer in (*network.layers[1:], network.layers[0])]
    )
    rough[-1] = 0.0
    terms = [20 + abs(np.log(layer.weight_variance)) for layer in network.layers]
    size = np.abs(found["log_mean"]) + np.cumsum(terms[::-1])[::-1]
    for name in ("log_mean", "log_variance"):
        profiles[name] = LayerProfile(
            found[name], 4 * EPS * size + rough[::-1].cumsum()[::-1], EXACT if known else FIRST
        )
    return profiles
