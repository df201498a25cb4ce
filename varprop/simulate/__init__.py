"""The same quantities as `varprop.theory`, measured on random networks."""

from .forward import forward

__all__ = ["forward"]
