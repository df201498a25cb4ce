"""What is kept of one tensor: moments in float64, dead units, cosines, and how its magnitudes are spread."""

import math

import numpy as np
import torch

from ..audits import EXPONENTS

SIGNAL = ("mean", "second_moment", "zeros", "dead", "nonfinite", "cosine_of_inputs", "cosine_of_positions")


def wide(x: torch.Tensor) -> torch.Tensor:
    """Return x in float64; from a device that has none, on the CPU."""
    x = x.detach()
    return x.cpu().double() if x.device.type == "mps" else x.double()


def square_sum(x: torch.Tensor) -> float:
    """Return the sum of x^2; a sparse gradient counts too."""
    flat = wide(x.coalesce().values() if x.is_sparse else x).reshape(-1)
    return float(torch.dot(flat, flat))


def mean_square(x: torch.Tensor) -> float:
    """Return the mean of x^2."""
    return square_sum(x) / x.numel()


def signal(x: torch.Tensor, axis: int) -> dict[str, float]:
    """Return the numbers named in `SIGNAL` of an output whose units are along ``axis``."""
    x = wide(x)
    if x.ndim < 2:
        x, axis = x.reshape(-1, 1), 1
    second = mean_square(x)
    nonfinite = 0.0 if math.isfinite(second) else 1 - float(torch.isfinite(x).double().mean())
    axis %= x.ndim
    alive = torch.count_nonzero(x, dim=[d for d in range(x.ndim) if d != axis])
    return {
        "mean": float(x.mean()),
        "second_moment": second,
        "zeros": 1 - float(alive.sum()) / x.numel(),
        "dead": float((alive == 0).double().mean()),
        "nonfinite": nonfinite,
        "cosine_of_inputs": _mean_cosine(x.reshape(1, len(x), -1)),
        "cosine_of_positions": math.nan if x.ndim < 3 else _mean_cosine(_positions(x, axis)),
    }


def _positions(x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return x as (rows, positions, units)."""
    return x.movedim(axis, -1).reshape(len(x), -1, x.shape[axis])


def _mean_cosine(x: torch.Tensor) -> float:
    """Return the mean cosine between different rows of (groups, rows, units), those of 0 left out; NaN without any."""
    if x.shape[1] < 2 or x.shape[2] < 2:
        return math.nan
    norms = torch.linalg.vector_norm(x, dim=2, keepdim=True)
    count = (norms > 0).sum(dim=1).squeeze(1).double()
    total = (x / torch.where(norms > 0, norms, 1.0)).sum(dim=1)
    cosines = (total.square().sum(dim=1) - count) / (count * (count - 1))
    some = count >= 2
    return float(cosines[some].mean()) if bool(some.any()) else math.nan


def magnitudes(x: torch.Tensor) -> np.ndarray:
    """Return the share of numbers with floor(log2 |x|) = e, for each e of `audits.EXPONENTS`."""
    x = x.detach().reshape(-1)
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    mantissa, exponent = torch.frexp(x)
    finite = torch.isfinite(mantissa)
    if not bool(finite.all()):
        exponent = exponent[finite]
    least = int(EXPONENTS[0])
    counts = torch.bincount((exponent - 1 - least).clamp_(0, len(EXPONENTS) - 1), minlength=len(EXPONENTS))
    counts = counts.cpu().numpy().astype(np.float64)
    counts[-1 - least] -= float(mantissa.eq(0).sum())  # frexp gives 0 the exponent 0
    return counts / x.numel()
