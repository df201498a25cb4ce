"""What is distributed: sources with all that the README's commands need, and a text without pictures for an index."""

import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from pages import PAGES

ROOT = Path(__file__).resolve().parent.parent
README = PAGES["README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files of the source distribution, as built here: no network, nothing installed."""
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    with tarfile.open(path) as archive:
        return {name.split("/", 1)[1] for name in archive.getnames()}


def test_the_sources_hold_all_that_the_repository_does(files):
    if not (ROOT / ".git").exists():
        pytest.skip("an unpacked distribution has no list of its own to be held against")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    here = {name for name in listed.strip("\0").split("\0") if (ROOT / name).exists()}
    assert here - files == set()
    assert not [name for name in files if "/_build" in name or "__pycache__" in name or name.startswith(".venv")]


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(files, tmp_path):
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entries,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "varprop = varprop.cli:main" in archive.read(entries).decode()
    assert held == {name for name in files if name.startswith("varprop/")}
    assert "varprop/py.typed" in held


def test_the_readmes_commands_find_their_files(files):
    assert {"Makefile", "pyproject.toml", ".ci/run", "docs/conf.py", "tests/test_package.py"} <= files
    assert set(LINK.findall(README)) <= files
    assert {"README.md", *PAGES} <= files
    named = re.findall(r"`python (analysis/\w+\.py)`", "\n".join(PAGES.values()))
    assert len(named) >= 10
    assert set(named) <= files
    assert {f"figures/{Path(name).stem}.json" for name in named} <= files
    folders = PAGES["docs/carry_on.md"].split("## Where things are")[1].split("Theory and simulation import")[0]
    paths = re.findall(r"`([\w/]+/|varprop/\w+\.py)`", folders)
    assert len(paths) >= 8
    assert all(any(file.startswith(path) for file in files) for path in paths)


def test_an_index_shows_no_broken_picture_or_link():
    text = SdistBuilder(str(ROOT)).metadata.core.readme
    assert LINK.findall(text) == []
    assert text.count("*Picture: ") == README.count("![") >= 3
    assert "`figures/` of the source distribution" in text
    for block in re.findall(r"```.*?```", README, re.DOTALL):  # code that looks like a link stays as it is
        assert block in text
