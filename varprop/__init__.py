"""How variance propagates through random networks: theory beside simulation."""

from typing import TYPE_CHECKING

from . import simulate, theory
from .activations import Activation, leaky_relu
from .activations import custom as custom_activation
from .comparison import Comparison, compare
from .initializers import VarianceScaling
from .initializers import custom as custom_weights
from .law import Law
from .network import Network
from .records import Backward, Forward, LayerProfile, Pair
from .simulate import extend, load, merge

if TYPE_CHECKING:
    from . import pytorch as pytorch
    from .reports import report

__version__ = "0.1.0"
__all__ = [
    "Activation",
    "Backward",
    "Comparison",
    "Forward",
    "Law",
    "LayerProfile",
    "Network",
    "Pair",
    "VarianceScaling",
    "compare",
    "custom_activation",
    "custom_weights",
    "extend",
    "leaky_relu",
    "load",
    "merge",
    "report",
    "simulate",
    "theory",
]


if not TYPE_CHECKING:  # with it checkers would take any name for one that there is

    def __getattr__(name: str):
        if name == "pytorch":  # an extra, imported when it is first used
            import importlib

            return importlib.import_module(".pytorch", __name__)
        if name == "report":  # with all that draws and writes, loaded when one is asked for
            from .reports import report

            return report
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
