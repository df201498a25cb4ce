"""The distribution of q-hat per layer, predicted."""

from numpy.typing import ArrayLike

from ..law import Law
from ..network import Network, check_chain
from .slow import says_when_slow


@says_when_slow
def law(network: Network, inputs: ArrayLike | None = None) -> Law:
    """Return the distribution of q-hat, the mean of z^2 over the units of a layer, between networks: no randomness.

    Given the layer below, q-hat^l = Q^l chi2_n / n with Q^l = Var(W^l) |a^(l-1)|^2 + bias_variance.

    Parameters
    ----------
    network
        What to describe, with normal weights: L layers, each with its own width, bias and activation.
    inputs
        None for x ~ N(0, I); an array (n_0,) for one fixed input; an array (rows, n_0) of data,
        of which each network is fed one row, drawn uniformly.

    Returns
    -------
    Law
        Exact at every width. Arrays over layers have layer l at entry l - 1.

    Notes
    -----
    Linear, ReLU and leaky ReLU layers without biases: ln q-hat is a sum of independent terms, whose
    characteristic function is inverted; errors are of interpolation between edges, 1e-8 or less. Other
    activations, and biases: Q^l is a Markov chain in one number, evolved on a grid of ln Q. Errors are three
    times the largest difference from a coarser grid, where they are some 70 times as large: they fall with the
    12th power of the step. Where phi bends or jumps at many places that it does not name, results are good to
    1e-4. Of a function of one's own only the 40 zeros nearest 0 are seen to their bottom, so that P(q-hat is tiny)
    may be too small behind one unit where it has more; where it falls to what float64 holds as 0, as gelu does
    below -38, that counts as 0. gelu, silu, mish, softplus and sigmoid are followed there in logarithms, to 1e-7 or so.

    Raises
    ------
    TypeError, ValueError
        For arguments that are not what they should be, inputs that do not fit, weights that are not normal,
        a layer wider than 2^17 (a sum) or 2^14 (a chain), or an activation that gives NaN or infinity.

    Sources
    -------
    Sum of independent terms: Hanin and Nica, Commun. Math. Phys. 376, 2020. Markov chain: DESIGN.md.

    Examples
    --------
    >>> from varprop import Network, theory
    >>> law = theory.law(Network([100] * 51, "relu", "he"))
    >>> print(f"median {law.median[-1]:.4f}, P(q-hat < 0.2) = {law.probability_below(0.2)[-1]:.4f}")
    median 0.5702, P(q-hat < 0.2) = 0.2582
    """
    check_chain(network, "theory.law")
    from .chain.law import law

    return law(network, inputs)
