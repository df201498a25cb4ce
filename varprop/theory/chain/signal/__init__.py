"""The forward signal in each order: infinite width, first order in 1/width, exact."""
