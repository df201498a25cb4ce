"""The gradient in each order, for each loss."""
