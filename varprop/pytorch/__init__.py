"""Your own PyTorch model: audited, as a `varprop.Network`, and with weights that keep its variance.

PyTorch is an extra: ``pip install 'varprop[pytorch]'``. Only this package imports it, and nothing else of varprop
imports this package.
"""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError("varprop.pytorch needs PyTorch: pip install 'varprop[pytorch]'") from error

from .audit import audit
from .initialize import Change, Initialized, initialize_
from .network import network
from .trace import UnknownPartError

__all__ = ["Change", "Initialized", "UnknownPartError", "audit", "initialize_", "network"]
