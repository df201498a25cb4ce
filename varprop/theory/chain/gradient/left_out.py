"""About how much first order in 1/width leaves out of a gradient, layer by layer.

No law is carried here, as `signal.left_out` does: what first order adds to infinite width, what it leaves out of the
signal, and the terms that a gradient gathers on its way are put together by rules of thumb. Their factors were
found, and are held, by simulation (`analysis/first_order.py`).
"""

import numpy as np

from ....network import Network
from ....records import LayerProfile
from ..signal.left_out import tails

_CAP = 1e3  # of a logarithm of a ratio, so that squares are finite


def left_out(
    network: Network,
    loss: str,
    first: dict[str, LayerProfile],
    infinite: dict[str, LayerProfile],
    signal: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Return the estimate for each profile, shape (L,), or (1,) at the input, the largest from the output down.

    ``first`` and ``infinite`` are what those orders say, ``signal`` what first order leaves out of the signal. Relative
    to the value for all but log_mean and log_variance.
    """
    moved = np.zeros(network.depth)
    for name in ("gradient_variance", "weight_gradient_variance"):
        with np.errstate(all="ignore"):
            ratio = np.abs(np.log(first[name].values / infinite[name].values))
        moved = np.maximum(moved, np.nan_to_num(ratio, nan=0.0, posinf=_CAP))
    moved = _worst(moved)
    spread = np.minimum(np.log1p(np.nan_to_num(first["fluctuation"].values, nan=0.0)), _CAP)
    gathered = np.append(np.cumsum(np.diff(spread)[::-1] ** 2)[::-1], 0.0)
    lower, wider = (
        np.append(
            np.cumsum([float(tails(layer.fan_out, np.array(1e-9))[i]) for layer in network.layers[-2::-1]])[::-1], 0.0
        )
        for i in range(2)
    )
    mean = 3 * moved**2 + 1.5 * signal["variance"][-1]
    found = {
        "gradient_variance": mean,
        "weight_gradient_variance": mean,
        "fluctuation": signal["fluctuation"][-1] + 0.2 * spread**2 + moved,
        "log_mean": signal["log_mean"][-1] + lower + 2 * moved**2 + 0.3 * gathered,
        "log_variance": signal["log_variance"][-1] + wider + gathered,
    }
    found = {name: _worst(values) for name, values in found.items()}
    found["input_gradient_variance"] = found["gradient_variance"][:1] + first["input_gradient_variance"].left_out
    for name in (
        found.keys() - {"weight_gradient_variance", "input_gradient_variance"} if loss in ("linear", "given") else ()
    ):
        found[name][-1] = 0.0  # known at the output
    return found


def _worst(values: np.ndarray) -> np.ndarray:
    """Return the largest from the output down."""
    return np.maximum.accumulate(values[::-1])[::-1]
