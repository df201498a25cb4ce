"""10^10 of varprop's normals: their distribution, their tails, and whether any depends on any other.

A step draws four blocks of 1,024 draws by `kernels.normal.normals`, each draw 256 normals: four of each of 64 networks.
The blocks are a first, the next stream or layer, the next seed, and the next 64 networks, at equal indices. Sums of all
steps are kept, and judged at the end by battery_judge.py.
"""

from functools import partial

import numpy as np
from battery_judge import CELL_OF, CELLS, block_p_value, judge

ROWS, UNITS, BLOCKS = 1024, 256, 4  # draws a block, normals a draw, blocks a step
STEP = ROWS * UNITS * BLOCKS
TAIL = 4.5
SHARDS = 16  # whatever the number of processes, so that equal seeds give equal normals
LAGS = range(2, 9)  # along the index; lag 1 is among the products
LANES = 64
CONTROLS = {
    "scaled by 1 + 2e-4": 10**9,
    "cut at 5.5": 10**9,
    "neighbours mixed, 3e-4": 10**9,
    "a draw in 500 used twice": 10**9,
}


def run_normals(numbers: int, spoilt: str | None, seed: int, pool) -> dict:
    """Return the judged tests of so many normals; ``spoilt`` names what is done to them first."""
    steps = max(numbers // STEP, 2 * SHARDS)
    shards = [len(range(w, steps, SHARDS)) for w in range(SHARDS)]
    found = list(pool.map(partial(shard, spoilt=spoilt, seed=seed), range(SHARDS), shards))
    total = {name: sum(part[name] for part in found) for name in found[0] if name not in ("tail", "blocks")}
    total |= {name: np.concatenate([part[name] for part in found]) for name in ("tail", "blocks")}
    return {"numbers": steps * STEP, **judge(total, steps)}


def shard(number: int, steps: int, spoilt: str | None, seed: int) -> dict:
    """Return the sums of one process."""
    sums = empty()
    z = np.empty((BLOCKS, ROWS, UNITS), np.float32)
    rows = [list(block) for block in z]
    for step in range(steps):
        fill(rows, 2 * (1000 * seed + number), step)
        if spoilt:
            spoil(z, spoilt)
        add(sums, z)
    return sums | {"tail": np.concatenate(sums["tail"]), "blocks": np.array(sums["blocks"])}


def fill(rows: list, key: int, step: int) -> None:
    """Draw the four blocks of a step: 64 pairs of 64 networks in turn, then further along the index."""
    from varprop.kernels.normal import normals  # not before: a process compiles it when it starts

    key, network, stream = np.uint64(key), np.uint64(2 * LANES * (step % 64)), np.uint64(21)
    first = step // 64 * ROWS
    beside = np.uint64(1 if step % 2 else 16)  # the next purpose at this layer, or the next layer
    index = np.arange(first, first + ROWS, dtype=np.uint64)
    places = [(key, network, stream), (key, network, stream + beside)]
    places += [(key + np.uint64(1), network, stream), (key, network + np.uint64(LANES), stream)]
    for block, place in zip(rows, places, strict=True):
        for row, i in zip(block, index, strict=True):
            normals(row, *place, i)


def spoil(z: np.ndarray, how: str) -> None:
    """Make normals wrong in place: the tests must see it."""
    if how.startswith("scaled"):
        z *= np.float32(1 + 2e-4)
    elif how.startswith("cut"):
        z[np.abs(z) > 5.5] /= 2
    elif how.startswith("neighbours"):
        z[..., 1:] += np.float32(3e-4) * z[..., :-1]
    else:
        z[2, ::500] = z[0, ::500]  # as if a seed and the next shared some draws


def empty() -> dict:
    """Return sums of nothing."""
    names = ("self", "index", "stream", "seed", "networks")
    return {
        "powers": np.zeros(7),
        "bits": np.zeros(2**16, np.int64),
        "lags": np.zeros((2, len(LAGS))),
        "tail": [],
        "blocks": [],
        **{f"products, {name}": np.zeros((UNITS, UNITS)) for name in names},
        **{f"squares, {name}": np.zeros((UNITS, UNITS)) for name in names},
        **{f"cells, {name}": np.zeros((CELLS, CELLS), np.int64) for name in PAIRS},
    }


PAIRS = {  # what is held against what, in cells of two dimensions
    "cosine and sine": lambda c: (c[..., 0:64], c[..., 64:128]),
    "cosine and sine, second": lambda c: (c[..., 128:192], c[..., 192:]),
    "both radii of a draw": lambda c: (c[..., 0:64], c[..., 128:192]),
    "networks side by side": lambda c: (c[..., :-1], c[..., 1:]),
    "index": lambda c: (c[:, :-1], c[:, 1:]),
    "stream": lambda c: (c[0], c[1]),
    "seed": lambda c: (c[0], c[2]),
    "networks": lambda c: (c[0], c[3]),
}


def add(sums: dict, z: np.ndarray) -> None:
    """Add a step to the sums."""
    y = z.astype(np.float64).ravel()
    square = y * y
    cube = square * y
    sums["powers"] += [y.size, y.sum(), square.sum(), cube.sum(), square @ square, 0, cube @ cube]
    top = z.view(np.uint16)[..., 1::2]  # sign, exponent and seven bits of the fraction
    counts = np.bincount(top.ravel(), minlength=2**16)
    sums["bits"] += counts
    sums["blocks"].append(block_p_value(counts))
    sums["tail"].append(z[np.abs(z) > TAIL])
    cells = CELL_OF[top]
    for name, pair in PAIRS.items():
        first, second = pair(cells)
        sums[f"cells, {name}"] += np.bincount((first * CELLS + second).ravel(), minlength=CELLS**2).reshape(
            CELLS, CELLS
        )
    for power, name in enumerate(("products", "squares")):
        w = z if power == 0 else (z * z - np.float32(1)) * np.float32(0.5**0.5)
        for block in w:
            sums[f"{name}, self"] += block.T @ block
            sums[f"{name}, index"] += block[:-1].T @ block[1:]
            sums["lags"][power] += [np.vdot(block[lag:], block[:-lag]) for lag in LAGS]
        for other, neighbour in enumerate(("stream", "seed", "networks"), 1):
            sums[f"{name}, {neighbour}"] += w[0].T @ w[other]
