"""The command line: parse, call, print. It says the same words as the package."""

from .program import main

__all__ = ["main"]
