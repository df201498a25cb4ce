"""The inner loops: the only files that import numba. Arrays and numbers only.

Every kernel works on ``LANES`` networks side by side, one in each vector lane, so that a loop
over networks vectorises at any layer width and no sum ever crosses lanes.
"""

LANES = 64
