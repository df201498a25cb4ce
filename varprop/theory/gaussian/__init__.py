"""Gaussian expectations of an activation: closed forms, and quadrature accurate at any variance."""
