"""The tables of docs/battery.md, from what battery.py keeps."""

from battery_suites import FAILED, GOOD, LAYOUTS, Job, weak_rows
from report import table_lines

SIZES = ("bytes", "kB", "MB", "GB", "TB")


def page(store: dict) -> str:
    """Return the tables of docs/battery.md."""
    jobs = {Job.named(key): result for key, result in store["jobs"].items()}
    good = {job: result for job, result in jobs.items() if job.generator == GOOD}
    first = {job: result for job, result in good.items() if job.attempt == 1}
    rows = [row for result in first.values() for row in result["rows"] if row[1] is not None]
    endings = {job: ends(jobs, job) for job in first}
    read, seconds = sum(r["bytes"] for r in good.values()), sum(r["seconds"] for r in jobs.values())
    named = {word: [job.key for job in first if endings[job] == word] for word in ("failed", "stopped", "weak")}
    words = " ".join(f"{word.capitalize()} in the end: {'. '.join(keys)}." for word, keys in named.items() if keys)
    word = words or "Nothing failed; what was weak passed when tried again."
    weak = ["test", "bits", "attempt", "p-value then and after", "read", "came to"]
    return "\n".join(
        [
            f"Run of {store['day']}: {len(first):,} processes on varprop's bits, {len(rows):,} p-values, {size(read)} "
            f"read; {len(good) - len(first)} more tried again. {store['draws held against the package']:,} draws of "
            f"the twin equal the package's. {seconds / 3600:.1f} hours of processes. {word}",
            "",
            *table_lines(["bits", "suite", "processes", "p-values", "weak", "failed", "read"], layout_rows(jobs)),
            "",
            "What was weak, and what came of it:",
            "",
            *table_lines(weak, weak_lines(jobs)),
            "",
            "Bad generators, a few quick tests each: how many processes had a p-value below 10⁻⁶.",
            "",
            *table_lines(["generator", *control_layouts(jobs)], control_rows(jobs)),
            "",
            f"Left out, as dieharder says of them: {', '.join(store['left out'])}.",
            "",
            *normal_lines(store["normals"]),
        ]
    )


def size(count: float) -> str:
    """Return a number of bytes in words."""
    step = 0
    while count >= 1000 and step < len(SIZES) - 1:
        count, step = count / 1000, step + 1
    return f"{count:.3g} {SIZES[step]}"


def layout_rows(jobs: dict) -> list[list[str]]:
    """Return a row for each layout and suite."""
    found = []
    for layout in LAYOUTS:
        for suite in ("dieharder", "PractRand", "TestU01", "ent", "rngtest"):
            results = [
                r for j, r in jobs.items() if (j.layout, j.suite, j.generator, j.attempt) == (layout, suite, GOOD, 1)
            ]
            if results:
                verdicts = [row[2] for result in results for row in result["rows"]]
                unseen = sum(
                    int(row[0].split()[0]) - 1
                    for r in results
                    for row in r["rows"]
                    if row[1] is None and row[2] == "PASSED"
                )
                counts = (len(results), len(verdicts) + unseen, verdicts.count("WEAK"), verdicts.count("FAILED"))
                found.append([layout, suite, *(f"{c:,}" for c in counts), size(sum(r["bytes"] for r in results))])
    return found


def tries(jobs: dict, job: Job) -> list[dict]:
    """Return the results of a test, attempt by attempt."""
    found = []
    while job in jobs:
        found.append(jobs[job])
        job = job.again()
    return found


def ends(jobs: dict, job: Job) -> str:
    """Return what a test came to: passed, failed, weak (not yet settled), or stopped."""
    runs = tries(jobs, job)
    words = {row[2] for run in runs for row in run["rows"]}
    return (
        "failed"
        if "FAILED" in words
        else "stopped"
        if "STOPPED" in words
        else "weak"
        if weak_rows(runs[-1])
        else "passed"
    )


def in_words(p: float) -> str:
    """Return a p-value; those near 1 by how near they are."""
    return f"{p:.2g}" if p < 0.99 else f"1 - {1 - p:.2g}"


def weak_lines(jobs: dict) -> list[list[str]]:
    """Return a row for each weak p-value: what it was in this attempt and the next ones."""
    found = []
    for job, result in jobs.items():
        if job.generator == GOOD:
            for name, i in sorted(weak_rows(result)):
                runs = tries(jobs, job)
                values = [[row[1] for row in run["rows"] if row[0] == name][i : i + 1] for run in runs]
                words = ", ".join(
                    in_words(p[0]) if p else "not strange" for p in values
                )  # PractRand names strange ones only
                cells = [job.layout, str(job.attempt), words, size(sum(run["bytes"] for run in runs))]
                found.append([f"{job.suite} {name}", *cells, ends(jobs, job)])
    return found or [["none", "", "", "", "", ""]]


def control_layouts(jobs: dict) -> list[str]:
    """Return the layouts that bad generators were tried in."""
    return [layout for layout in LAYOUTS if any(j.layout == layout and j.generator != GOOD for j in jobs)]


def control_rows(jobs: dict) -> list[list[str]]:
    """Return a row for each bad generator: how many of its processes failed, by layout."""
    found = []
    for generator in sorted({job.generator for job in jobs} - {GOOD}):
        cells = []
        for layout in control_layouts(jobs):
            results = [r for j, r in jobs.items() if (j.layout, j.generator) == (layout, generator)]
            caught = sum(any(row[2] in ("FAILED", "STOPPED") for row in r["rows"]) for r in results)
            cells.append(f"{caught} of {len(results)}" if results else "")
        kind, rounds = generator.split()
        found.append([f"{kind}, {rounds} rounds" if kind == "philox" else "linear congruential, modulo 2³²", *cells])
    return found


def normal_lines(normals: dict) -> list[str]:
    """Return the tables of the normals."""
    if "as they are" not in normals:
        return []
    whole = normals["as they are"]
    kinds = list(whole["family"])
    rows = [
        [name, f"{found['numbers']:.3g}", *(f"{found['family'][kind]:.2g}" for kind in kinds), found["verdict"]]
        for name, found in normals.items()
    ]
    tests = [[kind, name, f"{p:.2g}"] for kind, tests in whole["tests"].items() for name, p in tests.items()]
    beyond = [[t, f"{count:,}", f"{expected:,.1f}"] for t, (count, expected) in whole["beyond"].items()]
    return [
        "Normals, and normals made wrong: the least p-value of a family times how many tests it has; "
        f"below {FAILED:g} over all families fails.",
        "",
        *table_lines(["normals", "number", *kinds, "verdict"], rows),
        "",
        f"How many of {whole['numbers']:,} lie beyond so many standard deviations; "
        f"the farthest is at {whole['largest']:.3f}:",
        "",
        *table_lines(["beyond", "seen", "expected"], beyond),
        "",
        "<details><summary>Each test</summary>",
        "",
        *table_lines(["family", "test", "p-value"], tests),
        "",
        "</details>",
    ]
