import json
import sys
from pathlib import Path

import pytest
from evidence import needs_compiler

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.slow
@needs_compiler
def test_the_agreement_table_is_written_from_what_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import agreement

    agreement.main(["--quick", "--seed", "5"])
    rows = capsys.readouterr().out.splitlines()
    agreed, left_out = rows[2 : 2 + len(agreement.ROWS)], rows[4 + len(agreement.ROWS) :]
    assert all("| agree |" in row for row in agreed)
    assert len(left_out) == len(agreement.INEXACT)
    assert all(row.count("±") == 6 for row in left_out)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- agreement -->\nold\n<!-- /agreement -->\nafter\n")
    agreement.write_between_marks(page, "agreement", "new")
    assert page.read_text() == "before\n<!-- agreement -->\nnew\n<!-- /agreement -->\nafter\n"


def test_the_committed_table_agrees_and_its_controls_are_rejected():
    text = (
        (BENCHMARKS.parent / "docs" / "sure.md")
        .read_text()
        .split("<!-- agreement -->")[1]
        .split("<!-- /agreement -->")[0]
    )
    rows = text.strip().splitlines()[2:]
    assert len(rows) >= 10
    assert all("| agree |" in row and ", rejected |" in row for row in rows)


@pytest.mark.slow
def test_rows_of_what_first_order_leaves_out_are_those_of_theory_as_it_is(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import agreement

    text = (BENCHMARKS.parent / "docs" / "sure.md").read_text().split("<!-- first order -->")[1]
    stored = json.loads((BENCHMARKS.parent / "figures" / "agreement.json").read_text())["measured"]
    assert list(stored) == list(agreement.INEXACT)
    for phi in ("tanh", "gelu"):
        row = agreement.left_out(phi, agreement.INEXACT[phi], stored[phi])
        assert "| " + " | ".join(row) + " |" in text, "run make agreement"


@pytest.mark.slow
@needs_compiler
@pytest.mark.filterwarnings("ignore")  # peers may warn as they like
def test_the_bench_runs_with_whatever_peers_are_there(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench

    bench.main(["--quick"])
    out = capsys.readouterr().out
    assert "| varprop conditional |" in out
    assert "times NumPy's ziggurat" in out
    for name, package in (("PyTorch", "torch"), ("JAX rbg", "jax")):
        assert out.count(f"\n| {name} |") == 2 * (package in sys.modules)
        assert (f"Not measured: {name} (" in out) == (package not in sys.modules)


def test_the_page_shows_the_committed_figures_of_the_bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import report

    root = BENCHMARKS.parent
    shown = (root / "docs" / "speed.md").read_text().split("<!-- bench -->\n")[1].split("\n<!-- /bench -->")[0]
    assert shown == report.table(json.loads((root / "figures" / "speed.json").read_text()))


@pytest.mark.parametrize("depths", [(10,), pytest.param((30, 100), marks=pytest.mark.slow)])
def test_the_readmes_table_of_the_lecture_is_what_theory_says(monkeypatch, depths):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import lecture

    shown = (BENCHMARKS.parent / "README.md").read_text().split("<!-- lecture -->\n")[1].split("<!-- /lecture -->")[0]
    rows = [line.split("|")[1:-1] for line in shown.splitlines()[2:]]
    made = [
        line.split("|")[1:-1]
        for line in [*(lecture.row(*rule, depths) for rule in lecture.RULES), lecture.partly(depths)]
    ]
    assert len(rows) == len(made)
    for row, now in zip(rows, made, strict=True):
        assert row[:4] == now[:4], "run make lecture"
        for cell, computed in zip(row[4:], now[4:], strict=True):
            values = dict(zip(lecture.DEPTHS, cell.strip().split(", "), strict=False)) if cell.strip() else {}
            assert [values[depth] for depth in depths if values] == [v for v in computed.strip().split(", ") if v]
