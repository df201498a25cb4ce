"""Moments of z up to the eighth, by their power."""

from typing import Any

from numpy.typing import ArrayLike

from ..layer_profile import LayerProfile
from ..network import Network
from ..quantities import highest_moment, moments_up_to
from .forward import forward


def moments(
    network: Network, inputs: ArrayLike | None = None, *, networks: int, highest: int = 8, **options: Any
) -> dict[int, LayerProfile]:
    """Return E[z^4], E[z^6] and E[z^8] by their power: what `simulate.forward` has with ``moments=``.

    Parameters
    ----------
    network, inputs, networks
        As in `simulate.forward`.
    highest
        4, 6 or 8: up to which.
    options
        What else `simulate.forward` takes, such as ``seed``.

    Returns
    -------
    dict
        By 4, 6 and 8, a `LayerProfile`.

    Raises
    ------
    TypeError, ValueError
        As `simulate.forward`.

    Examples
    --------
    >>> from varprop import Network, simulate
    >>> found = simulate.moments(Network([64, 64, 64, 10], "relu", "he"), networks=10_000)
    >>> {power: profile.values.round(0).tolist() for power, profile in found.items()}
    {4: [12.0, 13.0, 14.0], 6: [133.0, 167.0, 206.0], 8: [2037.0, 3164.0, 4803.0]}
    """
    highest = highest_moment(highest, "highest")
    record = forward(network, inputs, networks=networks, moments=highest, **options)
    return {power: record.profiles[name] for power, name in moments_up_to(highest).items()}
