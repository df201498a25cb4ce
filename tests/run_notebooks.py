"""The notebooks run, and give what they show. ``python tests/run_notebooks.py`` runs them and keeps their outputs.

They need the extra ``notebooks``: ``make test-notebooks`` installs it.
"""

import os
import sys
import tempfile
from copy import deepcopy

import nbformat
import pytest
from nbclient import NotebookClient
from pages import ROOT, numbers_and_words

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def executed(notebook):
    """Return a notebook that was run in a folder of its own, by this Python and this varprop."""
    notebook = deepcopy(notebook)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, kernel_name="python3", timeout=None, record_timing=False, resources=where)
        client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::UserWarning"})
    return notebook


def kept(outputs):
    """Return the outputs of a cell without what comes and goes with the machine's speed: words on the way, progress."""
    found = []
    for output in outputs:
        assert output["output_type"] != "error", output
        if output["output_type"] == "stream":
            if output["name"] == "stderr":
                continue
            if found and found[-1]["output_type"] == "stream":
                found[-1]["text"] += output["text"]
                continue
        elif output["data"].get("text/plain", "").startswith("networks "):
            continue
        found.append(output)
    return found


def shown(cell):
    """Return what a cell shows, by kind of content."""
    found = []
    for output in kept(cell.get("outputs", [])):
        data = {"text": output["text"]} if output["output_type"] == "stream" else output["data"]
        found += sorted(data.items())
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_what_it_shows(path):
    notebook = nbformat.read(path, as_version=4)
    again = executed(notebook)
    for cell, new in zip(notebook.cells, again.cells, strict=True):
        before, found = shown(cell), shown(new)
        assert [kind for kind, _ in before] == [kind for kind, _ in found], cell.source
        for (kind, old), (_, text) in zip(before, found, strict=True):
            if kind.startswith("text"):
                (numbers, words), (old_numbers, old_words) = numbers_and_words(text), numbers_and_words(old)
                assert words == old_words, cell.source
                assert numbers == pytest.approx(old_numbers, rel=5e-3, abs=0.05), cell.source


def test_a_notebook_shows_one_bar_of_text_and_warns_of_nothing():
    code = (
        "from varprop import Network, progress, simulate\n"
        "progress.SHOW_AFTER = 0.0\n"
        "simulate.forward(Network([64] * 20), networks=20_000, seed=0).networks"
    )
    cell = executed(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])).cells[0]
    bars = [output for output in cell.outputs if output.output_type == "display_data"]
    assert len(bars) == 1
    assert bars[0].data == {"text/plain": f"networks {'█' * 30} 20,000 of 20,000"}
    said = [output.text for output in cell.outputs if output.output_type == "stream"]
    assert all(text.startswith("varprop: compiling") for text in said)
    assert cell.outputs[-1].data["text/plain"] == "20000"


def main(names) -> None:
    for path in NOTEBOOKS:
        if not names or path.stem in names:
            notebook = executed(nbformat.read(path, as_version=4))
            for cell in notebook.cells:
                if "outputs" in cell:
                    cell.outputs = kept(cell.outputs)
            notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec", "language_info")}
            notebook.metadata.language_info = {"name": "python"}
            nbformat.write(notebook, path)
            print("wrote", path.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
