"""The constants of the laws of q-hat, which were found by trying.

tests/test_tuning.py makes each of the first table worse, and sees a law go wrong by at least what stands here.

======== ============================================================================ ========
constant what fails where it is worse                                                 by
======== ============================================================================ ========
TAPS     at 6: masses are exact for polynomials below the 6th degree alone            1e-8
NOTHING  at 1e-7: tails of the law of Q are cut                                       1e-8
FAR      at 5: tanh counts as linear where it is not yet                              0.1
FARTHEST at 5: the same of a function of one's own                                    0.1
REACH    at 2: what a unit does beyond two standard deviations is not seen            1e-7
DEEP     at 10: units within e^-10 of 0 are not seen                                  1e-6
STEEP    at 20, HALVINGS at 2: a tail such as gelu's falls within one panel           1e-6
RATIO    of e^4: a level's grid cannot show its lower end                             0.01
BLUR     at 0.05: weights that join levels are as sharp as a step of their grids      1e-8
JOIN     at 3 BLUR: they are cut where they are 1e-3                                  1e-5
TILT     at 5: what wraps around a grid comes back                                    1e-5
SHOWN    at 1e-6: levels that are rarely reached are left out                         1e-9
EVEN     at 0.5: the angle of a sine modulo pi is not yet uniform                     1e-4
ZEROS    at 0: no panels close in on the zeros of a function of one's own             1e-9
CENTRE   at -60: two units of about a size, near 0, are not yet rare                  1e-6
WIDTH    at 3: the two parts of the law join as sharply as a step of their grids      1e-6
TOP      at 90: the far part is cut where it has weight                               1e-6
FARTHER  at 0.05: its grid cannot show where the parts join                           1e-5
TINY     at 8: the circle of ln q-hat is too short, so that tails wrap around         1e-9
FINE     at 4: the cubics between edges do not follow the law                         1e-7
======== ============================================================================ ========

The others save work or guard against overflow, or have tests of their own in tests/test_law.py.
"""

import math

TAPS = 12  # nodes that share a point's mass: errors fall as this power of the step
NOTHING = 1e-13  # probability
FAR = 60.0  # of ln q: farther from 1, built-in activations are powers to rounding
FARTHEST = 400.0  # the same for a custom one, within float64
BATCH = 256  # rows of the chain computed at a time, to spare memory

REACH = 8.6  # standard deviations; the normal density beyond is 1e-17
DEEP = 31.0  # of ln: |x| below e^-31 sqrt(q) has probability 3e-14
RARE = 7.0  # the same, from where longer panels do, which saves a third of them
STEEP = 1.5  # change of ln |phi| in one panel: 1.39 is that of a power between x and 4 x
HALVINGS = 8  # of a panel that is steeper
ZEROS = 40  # zeros of phi away from 0 that get nodes of their own, at most
EVEN = 20.0  # variance from which the angle modulo pi is uniform, to e^(-2 q)
TOO_LARGE = 1e150  # phi beyond this has a square beyond float64

RATIO = math.log(4.0)  # of one level of a sum to the next
BLUR = 0.22  # of the weights that join two levels, in ln s
JOIN = 6.5 * BLUR  # where such a weight is 1e-10
TILT = 30.0  # what wraps around a grid is weighed down by e^-30
COARSEST = 0.12  # step in units of s that shows a level's blurred ends
SHOWN = 1e-13  # probability of a level not worth its work
FEW = 8  # units, of which it is bounded by that of the largest

CENTRE, WIDTH = -120.0, 14.0  # of ln S: around here what is far to the left is kept by itself
TOP = 16.0  # of -ln S, beyond which nothing of it is
FARTHER = 0.006  # of two neighbours' ln S there, less 1
QUIET = -10.0  # ln q below which no phi falls so far
LOUDEST = 300.0  # ln q beyond which it is taken for this, to stay within float64

TINY = 37.0  # -ln of what is nothing to a distribution function
LARGEST_CIRCLE = 2**21  # points of a grid
FINE = 40  # points of the grid in one standard deviation of ln q-hat
EDGE = 1e-14  # probability left out at either end of the grid
COARSE = 0.7  # resolution of the evolution that shows the error of the finer one
DOUBT = 3.0  # on the difference of two grids: at a kink that phi does not name the finer is as wrong
