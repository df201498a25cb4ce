"""What the battery runs: orders of the generator's bits, programs that judge them, and what their words mean."""

import math
import re
import zlib
from dataclasses import dataclass, replace

from scipy import stats

LAYOUTS = {  # battery_bits.c says what order and shape mean
    "index": ("i", "draws"),
    "networks": ("n", "draws"),
    "streams": ("s", "draws"),
    "seeds": ("k", "draws"),
    "64 networks": ("n64i", "lanes"),
    "8 seeds, networks, streams": ("k8n8s8i", "draws"),
    "low bytes": ("n64i", "lows"),
    "last bit first": ("n64i", "turned"),
    "two networks, xor": ("n2i", "xor"),
    "two seeds, xor": ("k2i", "xor"),
    "two streams, xor": ("s2i", "xor"),
    "two indices, xor": ("i", "xor"),
}
WHOLE = ("index", "seeds", "streams", "64 networks")  # these get dieharder's slow tests as well
GOOD = "philox 10"
BAD = ("philox 2", "philox 3", "philox 4", "philox 6", "lcg 0")
FAILED = 1e-6  # dieharder's own; on either side
WEAK = {"dieharder": 0.005, "TestU01": 0.001, "ent": 0.001, "rngtest": 0.001}  # the programs' own, or as strict
ATTEMPTS = 5

# dieharder's tests by number, each with the ntuples that `dieharder -a` gives it.
QUICK = dict.fromkeys((0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 15, 16, 100, 101, 102, 204, 205), (0,))
QUICK |= {
    200: range(1, 9),
    201: (2, 3),
    202: range(2, 6),
    203: (0, 1, 3),
    206: (256,),
    207: (32,),
    208: (0,),
    209: (12,),
}
SLOWEST = {17: (0,), 200: (11, 12)}  # two minutes each
SLOW = {200: (9, 10), 201: (4, 5), 203: (2, 4, 7, 15, 31)}
EVERY_LAG = {203: range(33)}  # 25 minutes: of one layout alone
CONTROLS = {0: (0,), 8: (0,), 100: (0,), 102: (0,), 200: (2, 5)}
DEFAULT_SAMPLES = {201: 1000, 204: 1000}  # p-values a test; 100 elsewhere, and one for those of number 205 and on


@dataclass(frozen=True)
class Job:
    """One process: a program's test of one layout of one generator's bits."""

    suite: str
    layout: str
    test: str
    generator: str = GOOD
    attempt: int = 1

    @property
    def key(self) -> str:
        """Return its name in battery.json."""
        return "; ".join([self.suite, self.layout, self.test, self.generator, f"attempt {self.attempt}"])

    @classmethod
    def named(cls, key: str) -> "Job":
        """Return the job of a key."""
        *words, attempt = key.split("; ")
        return cls(*words, int(attempt.split()[1]))

    def again(self) -> "Job":
        """Return the same test with other bits, and more of them where the program can."""
        return replace(self, attempt=self.attempt + 1)

    def source(self, bits: str, seed: int) -> list[str]:
        """Return the command that writes its bits; every job has bits of its own."""
        order, shape = LAYOUTS[self.layout]
        number = zlib.crc32(f"{seed}; {self.key}".encode())
        seed, network = (0, 64 * number) if order == "k" else (16 * number, 0)  # the seeds of two jobs would overlap
        return [bits, *self.generator.split(), str(seed), str(network), "0", "0", order, shape]

    def reader(self, tools: dict) -> list[str]:
        """Return the command that judges them."""
        tool, words = tools[self.suite], self.test.split()
        if self.suite == "dieharder":
            number, more = int(words[0]), 2 ** (self.attempt - 1)
            samples = [] if more == 1 else ["-p", str(more * (1 if number > 204 else DEFAULT_SAMPLES.get(number, 100)))]
            fields = ("test_name", "ntuple", "tsamples", "psamples", "pvalues")
            return [tool, "-d", *words, "-g", "200", "-c", ",", *samples, *(w for f in fields for w in ("-D", f))]
        if self.suite == "PractRand":
            size = f"{int(words[0]) * 2 ** (self.attempt - 1)}MB"
            return [tool, "stdin32", "-tlmin", size, "-tlmax", size, "-singlethreaded"]
        if self.suite == "ent":
            return ["sh", "-c", f"head -c {words[0]} | {tool} -t"]
        if self.suite == "rngtest":
            return [tool, "-c", words[0]]
        return [tool, *words]

    def results(self, text: str) -> list[list]:
        """Return rows of name, p-value and verdict from what the program wrote."""
        if self.suite == "PractRand":
            return _practrand(text)
        if self.suite == "dieharder":
            rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.count(",") >= 4]
            found = [(f"{name} {ntuple}", float(p)) for name, ntuple, _, _, p, *_ in rows]
        elif self.suite == "TestU01":
            lines = [line.split() for line in text.splitlines() if line.startswith("p-value")]
            found = [(" ".join(words[1:-1]), float(words[-1])) for words in lines]
        elif self.suite == "ent":
            found = _ent(text)
        else:
            found = _rngtest(text, int(self.test))
        return [[name, p, verdict(self.suite, p)] for name, p in found]


def verdict(suite: str, p: float) -> str:
    """Return FAILED, WEAK or PASSED, by p-values that are uniform where the bits are."""
    end = min(p, 1 - p)
    return "FAILED" if end < FAILED else "WEAK" if end < WEAK[suite] else "PASSED"


def weak_rows(result: dict | None) -> set:
    """Return which rows of a result are weak: by name, and the how manieth of this name."""
    rows = result["rows"] if result else []
    names = [row[0] for row in rows]
    return {(name, names[:i].count(name)) for i, name in enumerate(names) if rows[i][2] == "WEAK"}


def plan(tools: dict, reliable: set[int], small: bool) -> list[Job]:
    """Return all jobs, the longest and the needed first; ``small`` is a rehearsal."""

    def dieharder(layout, tests, generator=GOOD):
        chosen = [(d, n) for d, ntuples in tests.items() if d in reliable for n in ntuples]
        return [Job("dieharder", layout, f"{d} -n {n}" if n else f"{d}", generator) for d, n in chosen]

    if small:
        few = {0: (0,), 100: (0,), 15: (0,)}
        jobs = [job for layout in LAYOUTS for job in dieharder(layout, few)] + dieharder("index", few, "lcg 0")
        others = [
            Job("PractRand", "index", "8"),
            Job("PractRand", "index", "8", "philox 2"),
            Job("TestU01", "index", "SmallCrush 2"),
        ]
        jobs += [*others, Job("ent", "index", "1000000"), Job("rngtest", "index", "1000")]
        return [job for job in jobs if job.suite in tools]
    jobs = [job for layout in WHOLE for job in dieharder(layout, SLOWEST)]
    jobs += [job for layout in LAYOUTS for job in dieharder(layout, QUICK)]
    for generator in BAD:
        layouts = ("index",) if "lcg" in generator else WHOLE
        jobs += [job for layout in layouts for job in dieharder(layout, CONTROLS, generator)]
        jobs += [Job("PractRand", layout, "128", generator) for layout in layouts]
    jobs += [Job("PractRand", layout, "2048") for layout in LAYOUTS]
    for layout in LAYOUTS:
        jobs += [
            Job("TestU01", layout, "SmallCrush 0"),
            Job("ent", layout, "1000000000"),
            Job("rngtest", layout, "100000"),
        ]
    jobs += [job for layout in WHOLE for job in dieharder(layout, SLOW)]
    jobs += [job for job in dieharder("64 networks", EVERY_LAG) if job not in set(jobs)]
    jobs += [Job("TestU01", "64 networks", f"Crush {test}") for test in range(1, 97)]
    return [job for job in jobs if job.suite in tools]


def _practrand(text: str) -> list[list]:
    rows, words = [], ("unusual", "suspicious", "fail")
    for name, p, word in re.findall(r"^  (\S+)\s+R.*?p ?~?=\s*(\S+)\s+(\S.*?)\s*$", text, re.M):
        low = word.lower()
        if any(w in low for w in words):
            p = 1 - float(p[2:]) if p.startswith("1-") else float(p)
            rows.append([name, p, "FAILED" if "fail" in low else "WEAK"])
    without = re.search(r"and (\d+) test result\(s\) without|no anomalies in (\d+) test", text)
    rows = rows[:20]  # of a bad generator nearly all
    if without:
        rows.append([f"{without[1] or without[2]} results", None, "PASSED"])
    return rows


def _ent(text: str) -> list[tuple]:
    size, _, chi_square, mean, _, serial = (float(x) for x in text.splitlines()[1].split(",")[1:])
    z = [(mean - 127.5) / math.sqrt((256**2 - 1) / 12 / size), serial * math.sqrt(size)]
    return [("bytes", stats.chi2.sf(chi_square, 255)), ("mean", stats.norm.sf(z[0])), ("serial", stats.norm.sf(z[1]))]


def _rngtest(text: str, blocks: int) -> list[tuple]:
    """FIPS 140-2: how many blocks of 20,000 bits fail, held against how many should."""
    chances = {
        "Monobit": stats.binom.cdf(9725, 20_000, 0.5) + stats.binom.sf(10_274, 20_000, 0.5),
        "Poker": stats.chi2.cdf(2.16, 15) + stats.chi2.sf(46.17, 15),
        "Long run": -math.expm1(-(20_000 - 26) / 2**26 - 2**-25),
    }
    found = []
    for name, chance in chances.items():
        failures = int(re.search(rf"{name}: (\d+)", text)[1])
        law = stats.binom(blocks, chance)
        found.append((name, law.sf(failures) + law.pmf(failures) / 2))
    return found
