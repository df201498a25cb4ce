"""How many networks a wanted error needs, before any is drawn."""

import math

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..network import Network, check_network
from ..tails import lognormal_skewness, networks_to_judge
from .forward import forward
from .orders import Order, weights_obstacle


def networks_needed(network: Network, relative_error: float, inputs: ArrayLike | None = None) -> int:
    """Return how many networks bring the standard error of the variance to ``relative_error`` in every layer.

    max over layers of fluctuation / relative_error^2, at least 2, and at least as many as let a sample tell its own
    error: so many that it is not ``heavy_tailed``, if q-hat is as skewed as a log-normal of its fluctuation.

    Parameters
    ----------
    network, inputs
        As in `forward`.
    relative_error
        The wanted standard error over the variance, 0.01 for 1%.

    Notes
    -----
    Exact where the fluctuation is (linear, relu, leaky_relu), else of first order in 1/width.

    Raises
    ------
    TypeError, ValueError
        For a relative error that is not between 0 and 1, or a fluctuation or a number of networks beyond
        float64, where none helps: look at log_mean instead.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> theory.networks_needed(Network([64, 64, 64, 10], "relu", "he"), relative_error=0.01)
    4385
    """
    relative_error = checks.part(relative_error, "relative_error", "0.01", least=checks.LEAST_ERROR)
    check_network(network)
    obstacle = weights_obstacle(network) if network.is_chain else {}
    if obstacle:
        raise ValueError(f"how much networks differ needs {obstacle[Order.FIRST]}; give a number of your own.")
    fluctuation = forward(network, inputs).profiles["fluctuation"].values
    worst = float(np.max(fluctuation[~np.isnan(fluctuation)], initial=0.0))
    with np.errstate(over="ignore"):
        needed = np.maximum(worst / relative_error**2, networks_to_judge(lognormal_skewness(worst)))
    if not math.isfinite(needed):
        raise ValueError(
            f"networks of {checks.one_line(network)} differ so much that no number of them gives a mean; "
            "look at log_mean instead."
        )
    return max(2, math.ceil(needed))
