"""What theory says of a model from its architecture alone: E[z^2] at each Linear and residual sum."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from ..checks import LONGEST, one_line
from ..layer_profile import LayerProfile
from .network import imported
from .sums import tensors_in


@dataclass(frozen=True)
class Whole:
    """Values, with bounds on their numerical errors, by the names of an audit's places; or the reason for none."""

    values: dict[str, tuple[float, float]] = field(default_factory=dict)
    origin: str = ""
    reason: str = ""

    def profile(self, names: list[str]) -> LayerProfile | None:
        """Return the values at these places, NaN where there are none; None where no place has one."""
        if not self.values.keys() & set(names):
            return None
        values, errors = np.array([self.values.get(name, (np.nan, np.nan)) for name in names]).T
        return LayerProfile(values, errors, self.origin, names=tuple(names))


def whole(model: nn.Module, args: tuple, kwargs: dict) -> Whole:
    """Return what theory says of the model on these inputs, where all of it is known to `varprop.pytorch.network`."""
    from ..theory import forward

    given = [t for t in tensors_in((args, kwargs)) if t.is_floating_point()]
    if len(given) != 1 or given[0].ndim < 2:
        return Whole(reason="theory reads models of one floating tensor, (rows, units) or (rows, positions, units)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = imported(model, kwargs or args)
        rows = given[0].detach().cpu().double().numpy()
        positions = found.network.position_count
        predicted = forward(found.network, rows.reshape(len(rows), *([positions] if positions > 1 else []), -1))
    except (TypeError, ValueError) as error:
        return Whole(reason=one_line(error, 3 * LONGEST))
    together: dict[str, list] = {}
    variance = predicted.variance
    for name, *pair in zip(variance.names, variance.values, variance.errors, strict=True):
        path = found.paths.get(name)
        if path is not None:  # both halves of a gate may be one Linear's
            together.setdefault(path, []).append(pair)
    return Whole({path: tuple(np.mean(pairs, axis=0)) for path, pairs in together.items()}, str(variance.origin))
