"""The notebooks as they are kept: whole, with outputs and without errors. ``make test-notebooks`` runs them."""

import ast
import json

import pytest
from pages import ROOT

NOTEBOOKS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "notebooks").glob("*.ipynb")}


def source(cell):
    return "".join(cell["source"])


def test_there_are_two():
    assert set(NOTEBOOKS) == {"lecture", "your_model"}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_whole(name):
    cells = NOTEBOOKS[name]["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert source(cells[0]).startswith("# ")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))  # run from the top, once
    assert "# yours" in source(code[0])
    for cell in code:
        ast.parse(source(cell))
        assert not any(output["output_type"] == "error" or output.get("name") == "stderr" for output in cell["outputs"])
        assert cell is code[0] or cell["outputs"], source(cell)
    pictures = [output for cell in code for output in cell["outputs"] if "image/png" in output.get("data", {})]
    assert len(pictures) >= 4
    assert len(json.dumps(NOTEBOOKS[name])) < 600_000


def test_the_lectures_steps_are_all_there_each_with_something_to_see():
    steps, seen = [], {}
    for cell in NOTEBOOKS["lecture"]["cells"]:
        if source(cell).startswith("## "):
            steps.append(source(cell).splitlines()[0])
        elif cell["cell_type"] == "code" and steps:
            seen.setdefault(steps[-1], []).extend(cell["outputs"])
    assert [step.split(".")[0] for step in steps[:8]] == [f"## {i}" for i in range(1, 9)]
    for step in steps[:8]:
        assert any("image/png" in output.get("data", {}) for output in seen[step]), step
