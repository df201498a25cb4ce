"""Your own model: PyTorch networks audited and imported. PyTorch is an extra, loaded when something here is used."""

try:
    import torch  # noqa: F401
except ImportError as error:
    raise ImportError("varprop.pytorch needs PyTorch: pip install 'varprop[pytorch]'") from error

from .audit import audit

__all__ = ["audit"]
