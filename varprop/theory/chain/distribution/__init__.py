"""The distribution of q-hat: exact sums of logarithms, and the Markov chain of Q on a grid."""
