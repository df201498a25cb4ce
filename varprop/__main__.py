"""``python -m varprop``: the command line."""

from .cli import main

main()
