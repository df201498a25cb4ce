"""The inner loops: the only files that import numba. Arrays and numbers only.

Every kernel works on ``LANES`` networks side by side, one in each vector lane, so that a loop
over networks vectorises at any layer width and no sum ever crosses lanes.
"""

LANES = 64
GROUP = 4 * LANES  # one draw gives four numbers: unit k of a group of four is at [k * LANES + lane]
