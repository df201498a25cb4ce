"""The probability that a number format loses a layer's signal or gradient."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..checks import quote
from ..inputs import as_inputs
from ..names import choose
from ..network import Network, check_chain
from ..origins import Origin
from ..records import Backward, Forward, LayerProfile, Record
from .slow import says_when_slow


class Format(NamedTuple):
    """The largest finite number, the smallest normal and the smallest positive one."""

    largest: float
    smallest_normal: float
    smallest: float


FORMATS = {
    "float16": Format(65504.0, 2.0**-14, 2.0**-24),
    "bfloat16": Format((2 - 2.0**-7) * 2.0**127, 2.0**-126, 2.0**-133),
    "float32": Format((2 - 2.0**-23) * 2.0**127, 2.0**-126, 2.0**-149),
    "float8_e4m3fn": Format(448.0, 2.0**-6, 2.0**-9),
    "float8_e5m2": Format(57344.0, 2.0**-14, 2.0**-16),
}


@dataclass(frozen=True, eq=False, repr=False)
class Precision(Record):
    """How likely a number format loses a layer's values, layer by layer.

    In each profile layer l is entry l - 1, and probabilities are over networks. The values are the
    preactivations z^l, or the gradients by them if the source is a `Backward`:

    Attributes
    ----------
    network, dtype, of
        What was described, the format's name, and ``"signal"`` or ``"gradient"``.
    overflow
        P(some value of the layer is larger in size than the format's largest number).
    underflow
        P(every value of the layer rounds to 0: none is more than half the smallest positive number).
    unit_underflow
        The same of one value.
    unit_subnormal
        P(one value is smaller in size than the smallest normal number), 0 included: it loses digits, and
        all of them where subnormal numbers are flushed to 0.
    """

    main: ClassVar[str] = "overflow"
    network: Network
    dtype: str
    of: str
    overflow: LayerProfile
    underflow: LayerProfile
    unit_underflow: LayerProfile
    unit_subnormal: LayerProfile
    networks: None = field(default=None, init=False, repr=False)
    run: None = field(default=None, init=False, repr=False, metadata={"plain": False})

    @property
    def description(self) -> str:
        """The network, what was looked at and the format, in words."""
        return f"{self.network}, {self.of} in {self.dtype}"


_NAMES = ("overflow", "underflow", "unit_underflow", "unit_subnormal")


@says_when_slow
def precision(source: "Network | Forward | Backward", dtype: str, inputs: ArrayLike | None = None) -> Precision:
    """Return the probability, per layer, that a number format over- or underflows.

    Given Q^l the preactivations of a layer are independent N(0, Q^l); so P(no overflow) = E erf(m / sqrt(2 Q^l))^n.

    Parameters
    ----------
    source
        A `Network` with normal weights, for its signal; or a `Forward` or a `Backward`, of theory or of
        simulation, for what its log_mean and log_variance say of the signal or the gradient.
    dtype
        ``"float16"``, ``"bfloat16"``, ``"float32"``, ``"float8_e4m3fn"`` or ``"float8_e5m2"``; or an object
        of that name, such as np.float16.
    inputs
        As in `theory.law`; only with a network.

    Returns
    -------
    Precision
        The networks are computed as they are; only their values are held against the format. What rounding
        or a lost layer does to the layers after it is not in.

    Notes
    -----
    Of a network: exact, with the errors of `theory.law`; absolute, so a probability below them is only known to be
    small: it is given as 0, ``errors`` say below what it is, and tables "below" that. Of a record: ln D is taken as
    normal, and the layer's values as independent N(0, D) given D, with the record's mean and variance of ln of their
    mean square. Units whose phi' is 0 are then not counted as lost, and far tails are the log-normal's, not the
    network's; errors are not known and
    given as NaN. A record's networks whose values are all 0 count as underflow, where it has ``dead``.

    Raises
    ------
    TypeError, ValueError
        For a source that is none of these, an unknown dtype, inputs beside a record, a record without
        log_mean and log_variance, or a network that `theory.law` refuses.

    Sources
    -------
    float16, float32: IEEE 754. bfloat16: float32 with 7 bits of fraction. float8: OCP 8-bit Floating Point
    Specification (OFP8), 2023.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> half = theory.precision(Network([100] * 51, "relu", "he", multiplier=0.5), "float16")
    >>> print(f"{half.unit_underflow[-1]:.4f}")
    0.7447
    """
    from .chain import precision as chain

    name, numbers = _format(dtype)
    if isinstance(source, Network):
        check_chain(source, "theory.precision")
        values, errors, origin = chain.of_network(source, as_inputs(inputs, source.widths[0]), numbers)
        network, of = source, "signal"
    elif isinstance(source, Forward | Backward):
        if inputs is not None:
            raise ValueError("inputs go with a network; a record already has its own.")
        check_chain(source.network, "theory.precision")
        values = chain.of_record(source, numbers)
        errors, origin = np.full(values.shape, np.nan), Origin.LOG_NORMAL
        network, of = source.network, "gradient" if isinstance(source, Backward) else "signal"
    else:
        raise TypeError(f"source is {quote(source)}; give a Network, or what forward or backward returned.")
    profiles = {k: LayerProfile(v, e, origin) for k, v, e in zip(_NAMES, values.T, errors.T, strict=True)}
    return Precision.from_profiles(network, profiles, dtype=name, of=of)


def _format(dtype) -> tuple[str, Format]:
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
    if not isinstance(name, str):
        name = quote(dtype)
    name = choose(name.removeprefix("torch."), FORMATS, "unknown dtype {}", kind="dtype")
    return name, FORMATS[name]
