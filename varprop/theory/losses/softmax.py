"""Moments of the gradient of softmax cross-entropy behind normal logits, by one integral each.

With n independent logits z_i ~ N(0, q), S = sum exp(z_i), p_i = exp(z_i) / S and a label y drawn uniformly,
delta_i = p_i - [i = y]. Let zeta = z / sqrt(q), s = sum zeta_i p_i and r = sum p_i^2. The mean over y leaves

    D = |delta|^2:                      E D = 1 - 2/n + E r,   E D^2 = 1 - 4/n + 2 E r + E r^2,
    eta = (z . delta)^2 / q = (s - zeta_y)^2,

and so on: means of products of sums over units, over a power of S. Since 1 / S^m is the integral of
t^(m-1) exp(-t S) / Gamma(m), and exp(-t S) is a product over units, each is a sum over partitions
(`sums.expected_product`) of products of E[zeta^a e^(b x) exp(-e^x)], x = ln t + z, integrated over ln t.
The trapezoid rule converges faster than any power of its step, as all is analytic and falls off at both ends.
"""

from math import factorial, log

import numpy as np
import scipy

from .sums import falling, partitions

LARGEST = 1e4  # variance of a logit; beyond, softmax is one-hot but for 1 or 2%
SMALLEST = 1e-8
_STEP = 0.2
_REACH = 10.0  # standard deviations
_MOST = 4  # largest powers of zeta and of e^z


def softmax_moments(n: int, q: float) -> np.ndarray:
    """Return E D, E eta, E D^2, E[D eta] and E eta^2 for n logits of variance q, between `SMALLEST` and `LARGEST`."""
    if n == 1:
        return np.zeros(5)
    _, table = _table(n, q)
    log_none = np.log1p(-np.minimum(table[0][0], 1 - 1e-16))  # of exp(-t e^z), table[.][0] holding one less it

    def mean(*factors):
        """E of a product of sums of zeta^a p^b over units."""
        power = sum(b for _, b in factors)
        total = 0.0
        for blocks in partitions(len(factors)):
            if len(blocks) > n:
                continue
            term = falling(n, len(blocks)) * np.exp((n - len(blocks)) * log_none)
            for block in blocks:
                a, b = (sum(factors[i][k] for i in block) for k in (0, 1))
                term = term * (table[a][b] if b else scipy.special.factorial2(a - 1) * (a % 2 == 0) - table[a][0])
            total = total + term
        return total.sum() * _STEP / factorial(power - 1)

    r, s1 = (0, 2), (1, 1)
    r1, s2, sz = mean(r), mean(s1, s1), mean(s1, (1, 0)) / n
    eta = s2 - 2 * sz + 1
    mixed = mean(r, s1, s1) - 2 * mean(r, s1, (1, 0)) / n + mean(r, (2, 0)) / n
    fourth = (
        mean(s1, s1, s1, s1) + 3 + (-4 * mean(s1, s1, s1, (1, 0)) + 6 * mean(s1, s1, (2, 0)) - 4 * mean(s1, (3, 0))) / n
    )
    return np.array(
        [
            1 - 2 / n + r1,
            eta,
            1 - 4 / n + 2 * r1 + mean(r, r),
            eta + mixed + 2 / n * (s2 - mean((2, 1))),
            fourth,
        ]
    )


def _table(n: int, q: float) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """Return ln t and E[zeta^a e^(b x) exp(-e^x)] at each, for a and b to 4; at b = 0, E[zeta^a (1 - exp(-e^x))]."""
    root, low = np.sqrt(q), 45.0 + log(n)
    if q < 1:
        zeta = np.arange(-_REACH, _REACH + 0.1, 0.2)
        s = np.arange(-low - _REACH * root, 6 + _REACH * root, _STEP)
        density = 0.2 * np.exp(-0.5 * zeta**2) / np.sqrt(2 * np.pi)
        powers = [density * zeta**a for a in range(_MOST + 1)]
        x = s[:, None] + root * zeta
        kernels = [-np.expm1(-np.exp(x))] + [np.exp(b * x - np.exp(x)) for b in range(1, _MOST + 1)]
        return s, [[kernel @ power for kernel in kernels] for power in powers]
    reach = int(np.ceil(_REACH * root / _STEP))
    z = _STEP * np.arange(-reach, reach + 1)
    x = _STEP * np.arange(-int(low / _STEP), int(8 / _STEP))
    s = x[0] + z[0] + _STEP * np.arange(len(x) + len(z) - 1)  # x = s + z, so s = x - z, and z is symmetric
    density = _STEP * np.exp(-0.5 * (z / root) ** 2) / np.sqrt(2 * np.pi) / root
    bump = -np.expm1(-np.exp(x)) - scipy.special.ndtr(x)
    kernels = [bump] + [np.exp(b * x - np.exp(x)) for b in range(1, _MOST + 1)]
    table = [[np.convolve(k, density * (-z / root) ** a) for k in kernels] for a in range(_MOST + 1)]
    for a, step in enumerate(_steps(s, q)):
        table[a][0] = table[a][0] + step
    return s, table


def _steps(s: np.ndarray, q: float) -> list[np.ndarray]:
    """Return E[zeta^a Phi(s + sqrt(q) zeta)] for a to 4, by Stein's lemma."""
    root, var = np.sqrt(q), 1 / (1 + q)
    height = root * np.exp(-0.5 * s * s * var) * np.sqrt(var / (2 * np.pi))
    centre = -s * root * var
    moment = [1.0, centre, centre**2 + var, centre**3 + 3 * centre * var]
    found = [scipy.special.ndtr(s * np.sqrt(var)), height]
    for a in range(2, _MOST + 1):
        found.append((a - 1) * found[a - 2] + height * moment[a - 1])
    return found
