"""Your own PyTorch model: audited, and its architecture as a `varprop.Network`.

PyTorch is an extra: ``pip install 'varprop[pytorch]'``. Only this package imports it, and nothing else of varprop
imports this package.
"""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError("varprop.pytorch needs PyTorch: pip install 'varprop[pytorch]'") from error

from .audit import audit
from .network import network
from .trace import UnknownPartError

__all__ = ["UnknownPartError", "audit", "network"]
