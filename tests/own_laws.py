"""Weight laws of one's own, as a user writes them, with their moments: mean 0 and variance 1."""

import math

import numba


def laplace(u):
    return math.copysign(math.log(2 * min(u, 1 - u)) / math.sqrt(2), u - 0.5) if u != 0.5 else 0.0


def student5(u):
    """Student's t with 5 degrees of freedom, sqrt(5) / tan(a): 8/3 of the integral of sin^4 up to a is pi u."""
    p = math.pi * min(u, 1 - u)
    a = (1.875 * p) ** 0.2
    for _ in range(8):
        s, square = math.sin(a), a * a
        if a < 0.3:  # by its series, where sines would cancel
            below = 8 / 3 * a**5 * (1 / 5 - square * (2 / 21 - square * (1 / 45 - square * 34 / 10395)))
        else:
            below = a - s * math.cos(a) * (1 + 2 / 3 * s * s)
        a -= (below - p) / (8 / 3 * s**4)
    return math.copysign(math.sqrt(3.0) / math.tan(a), u - 0.5)


@numba.njit
def normal_quantile(p):
    """Return the quantile of N(0, 1) for p up to 1/2: Newton's steps on ln P, from its first term in the tail."""
    if p > 0.25:
        x = (p - 0.5) * math.sqrt(2 * math.pi)
    else:
        x = -math.sqrt(-2 * math.log(2 * p))
    for _ in range(60):
        below = 0.5 * math.erfc(-x / math.sqrt(2))
        step = (math.log(below) - math.log(p)) * below * math.sqrt(2 * math.pi) * math.exp(0.5 * x * x)
        x -= step
        if abs(step) < 1e-14 * (1 + abs(x)):
            break
    return x


def sparse(chance):
    """Weights that are 0, but with this probability normal of variance 1 / chance."""

    def sparse(u):
        v = min(u, 1 - u)
        if v >= chance / 2:
            return 0.0
        return math.copysign(normal_quantile(v / chance) / math.sqrt(chance), u - 0.5)

    return sparse


def sign(u):
    return 1.0 if u > 0.5 else -1.0


def exponential(u):
    return -math.log1p(-u) - 1


def heavy(u):
    """P(|W| > x) = (1 + x)^-3 but for the scale: variance 1, and no fourth moment."""
    return math.copysign((2 * min(u, 1 - u)) ** (-1 / 3) - 1, u - 0.5)


def uniform(u):
    return math.sqrt(3) * (2 * u - 1)
