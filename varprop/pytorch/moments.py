"""What is kept of one tensor: moments, dead units, cosines, and how its magnitudes are spread.

Sums are taken in float32, as it is fast and its errors are far below those between networks; where squares leave its
range, in float64.
"""

import math

import numpy as np
import torch

from ..audits import EXPONENTS

SIGNAL = ("mean", "second_moment", "zeros", "dead", "nonfinite", "cosine_of_inputs", "cosine_of_positions")
LEAST, MOST = 1e-25, 1e25  # mean squares that float32 holds, with all numbers that matter to them
SOME = 2**15  # numbers of a tensor whose magnitudes are counted


def square_sum(x: torch.Tensor) -> float:
    """Return the sum of x^2; a sparse gradient counts too."""
    flat = (x.coalesce().values() if x.is_sparse else x).detach().reshape(-1)
    total = float(torch.linalg.vector_norm(_single(flat))) ** 2
    return total if LEAST * len(flat) < total < MOST * len(flat) else _exact(flat)


def _exact(flat: torch.Tensor) -> float:
    wide = (flat.cpu() if flat.device.type == "mps" else flat).double()
    return float(torch.dot(wide, wide))


def mean_square(x: torch.Tensor) -> float:
    """Return the mean of x^2."""
    return square_sum(x) / x.numel()


def mean_squares(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the mean of x^2 over one axis, in float64."""
    x = x.detach()
    mean = _single(x).square().mean(dim).double()
    if not bool(((mean == 0) | ((mean > LEAST) & (mean < MOST))).all()):
        mean = x.double().square().mean(dim)
    return mean


def _single(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def signal(x: torch.Tensor, axis: int) -> dict[str, float]:
    """Return the numbers named in `SIGNAL` of an output whose units are along ``axis``."""
    x = _single(x.detach())
    if x.ndim < 2:
        x, axis = x.reshape(-1, 1), 1
    second = mean_square(x)
    nonfinite = 0.0 if math.isfinite(second) else 1 - float(torch.isfinite(x).float().mean())
    zeros = 1 - int(torch.count_nonzero(x)) / x.numel()
    unit = x  # of size one, so that float32 holds squares
    if not LEAST < second < MOST and math.isfinite(second) and second > 0:
        unit = x.double() / math.sqrt(second)
    return {
        "mean": float(x.mean()),
        "second_moment": second,
        "zeros": zeros,
        "dead": _dead(x, axis % x.ndim) if zeros else 0.0,
        "nonfinite": nonfinite,
        **_cosines(unit, axis % x.ndim),
    }


def _dead(x: torch.Tensor, axis: int) -> float:
    others = [d for d in range(x.ndim) if d != axis]
    return float(((x.amax(others) == 0) & (x.amin(others) == 0)).float().mean())


def _cosines(x: torch.Tensor, axis: int) -> dict[str, float]:
    """Return the mean cosines between rows, and between positions of a row."""
    found = {"cosine_of_inputs": math.nan, "cosine_of_positions": math.nan}
    if axis == 0:
        return found
    if axis < x.ndim - 1:  # (rows, units, positions)
        x = x.reshape(len(x), math.prod(x.shape[1:axis]), x.shape[axis], -1)
        if x.shape[1] == 1:
            units_last = x.squeeze(1).transpose(1, 2)
        else:
            units_last = x.transpose(2, 3).flatten(1, 2)
    else:
        units_last = x.reshape(len(x), -1, x.shape[-1])
    rows, positions, units = units_last.shape
    lengths = torch.linalg.vector_norm(units_last, dim=2)
    if rows > 1 and positions * units > 1:
        total = torch.einsum("b,bn->n", _inverse(torch.linalg.vector_norm(lengths, dim=1)), x.reshape(rows, -1))
        alive = (lengths != 0).any(dim=1)
        found["cosine_of_inputs"] = _of_sums(total[None], alive[None])
    if positions > 1 and units > 1:
        total = torch.bmm(_inverse(lengths)[:, None], units_last).squeeze(1)
        found["cosine_of_positions"] = _of_sums(total, lengths != 0)
    return found


def _inverse(lengths: torch.Tensor) -> torch.Tensor:
    return torch.where(lengths != 0, 1 / lengths, 0.0)


def _of_sums(totals: torch.Tensor, alive: torch.Tensor) -> float:
    """Return the mean cosine between different vectors of unit length from their sums (groups, n); NaN without two."""
    count = alive.sum(dim=1).double()
    some = count >= 2
    cosines = (totals.double().square().sum(dim=1) - count) / (count * (count - 1))
    return float(cosines[some].mean()) if bool(some.any()) else math.nan


def magnitudes(x: torch.Tensor) -> np.ndarray:
    """Return the share of numbers with floor(log2 |x|) = e, for each e of `audits.EXPONENTS`; of a large x, of some."""
    x = x.detach().reshape(-1)
    x = _single(x[:: len(x) // SOME | 1])  # odd, so that it runs through all units
    mantissa, exponent = np.frexp(x.cpu().numpy())
    exponent = exponent[np.isfinite(mantissa) & (mantissa != 0)]
    least = int(EXPONENTS[0])
    counts = np.bincount(np.clip(exponent - 1 - least, 0, len(EXPONENTS) - 1), minlength=len(EXPONENTS))
    return counts / x.numel()
