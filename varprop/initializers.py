"""Names of weight laws.

The field's names clash. Here ``lecun`` is 1 / fan_in (a well-known lecture calls it "Xavier
initialization", for tanh), ``he`` is 2 / fan_in, and ``glorot`` is 2 / (fan_in + fan_out),
which PyTorch calls "xavier". What frameworks call theirs stands behind the framework: ``torch:xavier_normal_``.
"""

from collections.abc import Callable

from .checks import quote
from .names import choose
from .own import OwnQuantile, name_of
from .own_weights import OwnDistribution
from .variance_scaling import DISTRIBUTIONS, EXCESS_KURTOSIS, MODES, VarianceScaling

__all__ = ["DISTRIBUTIONS", "EXCESS_KURTOSIS", "MODES", "NAMES", "VarianceScaling", "custom", "initializer", "named"]

_LAWS = {"lecun": (1.0, "fan_in"), "he": (2.0, "fan_in"), "glorot": (1.0, "fan_avg"), "unit": (1.0, "none")}

_PRESETS = {
    **{
        name if distribution == "normal" else f"{name}_{distribution}": VarianceScaling(scale, mode, distribution)
        for name, (scale, mode) in _LAWS.items()
        for distribution in DISTRIBUTIONS
    },
    "orthogonal": VarianceScaling(1.0, "fan_max", "orthogonal"),
}

NAMES = tuple(_PRESETS)
_NAME_OF = {law: name for name, law in _PRESETS.items()} | {
    VarianceScaling(1 / 3, "fan_in", "uniform", 1.0): "torch:linear"
}


def initializer(spec: "str | VarianceScaling") -> VarianceScaling:
    """Return the weight law named by ``spec``, a name or a `VarianceScaling`.

    ``lecun``, ``he``, ``glorot`` and ``unit`` (Var(W) = 1) are normal; ``he_uniform``,
    ``he_truncated_normal`` and ``he_orthogonal`` change the distribution and keep the variance.
    ``orthogonal`` has orthonormal rows or columns. ``torch:linear``, ``keras:he_normal`` and the like are what
    frameworks draw (`frameworks.law`). Raises ValueError for an unknown name.
    """
    if isinstance(spec, VarianceScaling):
        return spec
    if not isinstance(spec, str):
        raise TypeError(f"weights is {quote(spec)}; give a name ({', '.join(_LAWS)}, ...) or a VarianceScaling.")
    if spec in _PRESETS:  # as networks keep them, and ask for often
        return _PRESETS[spec]
    if ":" in spec:
        from . import frameworks  # loaded by the first such name

        return frameworks.law(spec)
    more = ", or a framework's, such as torch:linear"
    return _PRESETS[choose(spec, NAMES, "unknown initializer {}", kind="initializer", more=more)]


def custom(quantile: Callable, scale: float = 1.0, mode: str = "fan_in", *, name: str | None = None) -> VarianceScaling:
    """Return a weight law whose distribution is a user's own: Var(W) = ``scale`` / fan.

    Parameters
    ----------
    quantile
        The quantile function of a weight of mean 0 and variance 1: u between 0 and 1 to the weight below which a share
        u of all weights lie. A function of one real number, or of an array. Simulation is fastest where Numba can
        compile it; any other it calls as it is.
    scale, mode
        As in `VarianceScaling`.
    name
        What tables call the distribution; the function's own name by default.

    Returns
    -------
    VarianceScaling
        For wherever ``weights`` takes a name; its ``distribution`` serves in other ones.

    Notes
    -----
    Mean, variance and kurtosis are found by quadrature. Simulation draws every weight, from 64 random bits: a
    side and a distance v from its end of (0, 1), from 2^-65 to 1/2. A law that is symmetric is asked for u = v alone,
    with all digits of the tail; else for u = 1 - v too, which float64 tells from 1 down to 2^-53.

    Theory takes the law by its moments: of first order in 1/width, in the first layer as well, and exact where
    no more plays a part. Without a fourth moment, or symmetry, only infinite width is left, where the first layer
    counts as Gaussian too.

    Raises
    ------
    TypeError
        If ``quantile`` is not callable.
    ValueError
        If it fails, gives no finite number, or falls, if its mean is not 0 or its variance not 1 to within 1e-6, or if
        more than 1e-5 of that is too far out to be drawn.

    Examples
    --------
    >>> import math
    >>> from varprop import Network, custom_weights, theory
    >>> def laplace(u):
    ...     return math.copysign(math.log(2 * min(u, 1 - u)) / math.sqrt(2), u - 0.5)
    >>> weights = custom_weights(laplace, 2.0)
    >>> print(weights)
    Var(W) = 2/fan_in laplace
    >>> theory.forward(Network([64, 64, 64, 10], "relu", weights)).fluctuation.values.round(3)
    array([0.066, 0.156, 0.49 ])
    """
    name = str(name or name_of(quantile))
    return VarianceScaling(scale, mode, OwnDistribution(name, OwnQuantile(quantile, "quantile", name)))


def named(law: VarianceScaling) -> "str | VarianceScaling":
    """Return the one name of a law, or the law itself where it has none."""
    return _NAME_OF.get(law, law)
