"""Chains at finite width: exact, to first order in 1/width, and the law of q-hat."""
