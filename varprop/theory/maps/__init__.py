"""The variance map and its fixed points."""
