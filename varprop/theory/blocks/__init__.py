"""Exact at any width, for normal weights: residual blocks of ReLU and its kin, and any activation behind a norm."""
