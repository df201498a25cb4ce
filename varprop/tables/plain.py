"""Plain values, as JSON can hold them."""

import dataclasses
import math

import numpy as np


def plain(value, digits: int | None = None):
    """Return a dataclass, a dict, a list or an array, with all it holds, as JSON can hold it.

    None stands for a number that is infinite or unknown; floats keep ``digits`` figures, all by default.
    """
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.metadata.get("plain", True)}
    if isinstance(value, dict):
        return {str(k): plain(v, digits) for k, v in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v, digits) for v in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if digits is None else float(f"{value:.{digits}g}")
    return value
