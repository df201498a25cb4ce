"""Two inputs through one network, in each order."""
