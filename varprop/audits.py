"""What `varprop.pytorch.audit` returns: signal and gradient at each call of a model's modules, between networks.

Nothing here needs PyTorch.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .checks import quote
from .drawn import plots
from .layer_profile import LayerProfile
from .records import Profiled
from .tables.audit import AuditTable

if TYPE_CHECKING:
    from .drawn import Axes
    from .verdicts import Finding, Verdict

# floor(log2 |x|) of the columns of `Audit.magnitudes`: down to float32's least subnormal, up to its largest number.
# What float64 holds beyond counts in the first and last column.
EXPONENTS = np.arange(-150, 128)
EXPONENTS.flags.writeable = False


@dataclass(frozen=True, eq=False)
class WeightPrediction:
    """What theory says of a model from the law of its weights, place by place as in the `Audit` that holds it.

    Attributes
    ----------
    second_moment
        E[z^2] that each Linear, Conv and Embedding must give from its *own measured input*: Var(W) times the sum of
        E[x^2] over what a unit sees, plus the bias's. Mean over networks, with its standard error. NaN where theory
        does not say.
    z
        Shape (L,): the z-score of measured over predicted, a ratio in each network, so that most of what differs from
        network to network cancels; by Student's t, of their cube roots where biases are small. NaN where there is
        no prediction, or one network.
    reasons
        Why there is no prediction, a place an entry; empty where there is one.
    network
        E[z^2] from the architecture alone, where the whole model could be imported as a `Network`; None otherwise.
    network_reason
        Why it could not be imported; empty where it could.
    """

    second_moment: LayerProfile
    z: np.ndarray
    reasons: tuple[str, ...]
    network: LayerProfile | None = None
    network_reason: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Profiled):
    """Signal and gradient through a PyTorch model, at each place in the order of execution.

    A place is a call of a module that calls no other one, or has parameters of its own, or a residual sum. Its name is
    the module's path, of the model itself its class; a second call of it is ``"path:2"``; sums are ``"path sum 1"`` by
    the module that adds. Of a module with several outputs, its first floating one counts. Values are means over all
    numbers in that output x; errors are standard errors between networks, NaN for one network; a value is NaN where
    there is none.

    Attributes
    ----------
    model
        The model's name, that of its class or factory.
    networks, seed
        How many networks were drawn (1 with ``as_given``), and from which seed.
    training
        Whether the model was in training mode.
    loss
        ``"linear"`` (an independent N(0, 1) gradient on each output), or ``"own"``.
    as_given
        Whether one model was judged as it stands: its weights were not drawn anew.
    mean, second_moment
        E[x] and E[x^2].
    zeros
        The fraction of x that is exactly 0.
    dead
        The fraction of units (features, channels) that are 0 for the whole batch, at every position.
    nonfinite
        The fraction of x that is NaN or infinite.
    cosine_of_inputs
        Mean cosine between different rows of the batch; near 1 they have become alike.
    cosine_of_positions
        Mean cosine between different positions (tokens, pixels) of one row.
    gradient_variance
        E[(d loss / d x)^2] per unit.
    weight_gradient_variance
        E[(d loss / d W)^2] per weight, over the module's own parameters that are no bias. NaN where there are none,
        where they are frozen, and where several calls or modules share them.
    magnitudes, gradient_magnitudes
        Shape (L, len(EXPONENTS)): the share of numbers with floor(log2 |x|) = EXPONENTS, of x and of its gradient;
        zeros, NaN and infinities count in no column. Mean over networks.
    kinds
        The class of each module, ``"sum"`` for sums.
    shapes
        The shape of x.
    continues
        Of each residual sum the earlier one whose value it adds a branch to, with no norm and no weights between;
        empty for all else.
    activations
        Of each place the activations that its module is, or that functions called on its output are, by our names.
    steps
        Of each recurrent module that is given whole sequences a profile over steps, the last one first:
        E[(d loss / d x_t)^2] by that step's input, of an independent N(0, 1) gradient at the last step's output alone.
    predicted
        What theory says from the law of the weights, a `WeightPrediction`.
    weights
        The truth about each weight tensor, records of `varprop.weight_truth`.
    kept
        Parameters that are the same in every network: a reset does not change them.
    uncalled
        Modules that were never called, and whose parameters got no gradient.
    notes
        Sentences on what went otherwise than asked: out of memory, say.
    """

    main: ClassVar[str] = "second_moment"
    model: str
    networks: int
    seed: int
    training: bool
    second_moment: LayerProfile
    mean: LayerProfile
    gradient_variance: LayerProfile
    weight_gradient_variance: LayerProfile
    zeros: LayerProfile
    dead: LayerProfile
    nonfinite: LayerProfile
    cosine_of_inputs: LayerProfile
    cosine_of_positions: LayerProfile
    magnitudes: np.ndarray
    gradient_magnitudes: np.ndarray
    kinds: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    predicted: WeightPrediction
    continues: tuple[str, ...] = ()
    activations: tuple[tuple[str, ...], ...] = ()
    steps: dict[str, LayerProfile] = field(default_factory=dict)
    weights: tuple = ()
    kept: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()
    loss: str = "linear"
    as_given: bool = False
    notes: tuple[str, ...] = ()

    def index(self, name: str) -> int:
        """Return the number of the place of this name, from 0. Raises KeyError for a name that is none."""
        if name not in self.names:
            raise KeyError(f"place is {quote(name)}; this model has {quote(self.names)}.")
        return self.names.index(name)

    @property
    def first_nonfinite(self) -> str | None:
        """The first place whose output holds NaN or infinity, the one that makes it; None where there is none."""
        found = np.flatnonzero(self.nonfinite.values > 0)
        return self.names[found[0]] if found.size else None

    @property
    def description(self) -> str:
        """What was audited, in words."""
        how = "training" if self.training else "evaluation"
        return f"{self.model}, {how} mode, loss {self.loss}"

    @cached_property
    def judged(self) -> "Verdict":
        """What it comes to, a `verdicts.Verdict`: findings, what each chain does, formats, remarks."""
        from . import verdicts  # which take theory's numbers: audits are measured without them

        return verdicts.judge(self)

    @property
    def verdict(self) -> str:
        """The verdict in one line."""
        return self.judged.words

    @property
    def findings(self) -> "tuple[Finding, ...]":
        """What is wrong, `verdicts.Finding`: what kind, where, in numbers and words, and the change that mends it."""
        return self.judged.findings

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.judged.healthy

    def table(self, *, all: bool = False) -> AuditTable:
        """Return what is printed, with ``all`` places in rows of their own; else blocks alike are folded into one."""
        return AuditTable(self, self.judged, all)

    def plot(self, *, ax: "Axes | None" = None) -> "Axes":
        """Return matplotlib axes with signal and gradient in the order of modules, as `plots.plot_audit` draws it."""
        return plots().plot_audit(self, ax=ax)

    def _parts(self) -> list:
        return self.table()._parts()

    def _fields(self) -> dict:
        return self.table()._fields()

    def _columns(self) -> dict:
        return self.table()._columns()
