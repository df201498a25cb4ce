"""Data from files: what is read, what is said, and errors that name the file, the line and the cure."""

import numpy as np
import pytest

from varprop.files import check_place, read_rows, write_whole

ROWS = [[1.0, 2.0], [3.0, 4.5]]


def read(path, content):
    """Return what a file holds, and what was said of it."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = []
    return read_rows(path, said.append).tolist(), " ".join(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1,2\n3,4.5\n", ""),
        ("1 2\n3 4.5", ""),
        ("1\t2\r\n3\t4.5\r\n", ""),
        ("\ufeff1,2\n3,4.5\n", ""),
        ("# a note\n1,2  # another\n\n3,4.5\n", ""),
        ('"1","2"\n"3","4.5"\n', ""),
        ("height,weight\n1,2\n3,4.5\n", "left out its header row, 'height,weight'"),
        ("\ufeffheight,weight\n1,2\n3,4.5\n", "left out its header row"),
        ("größe,gewicht\n1,2\n3,4.5\n".encode("latin-1"), "left out its header row, 'größe"),
        ("1,2\n3,4.5\n".encode("utf-16"), ""),
        ("1;2\n3;4.5\n", ""),
        ("a;b\n1;2\n3;4,5\n", "commas are read as decimal points"),
        ("1,0;2\n3;4.5\n", "commas are read as decimal points"),
    ],
)
def test_text_is_read_and_what_may_surprise_is_said(tmp_path, content, said):
    rows, words = read(tmp_path / "x.csv", content)
    assert rows == ROWS
    assert said in words
    assert bool(said) == bool(words)
    assert not words or str(tmp_path / "x.csv") in words


def test_an_npz_of_one_array_is_read(tmp_path):
    np.savez(tmp_path / "x.npz", data=ROWS)
    said = []
    assert read_rows(tmp_path / "x.npz", said.append).tolist() == ROWS
    assert "read its one array, data" in said[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", "", "is empty; give numbers"),
        ("blank.csv", "\n# nothing\n", "is empty; give numbers"),
        ("header.csv", "a,b\n", "holds no numbers"),
        ("hole.csv", "1,2\n3,\n", "line 2: column 2 is empty; remove or fill"),
        ("word.csv", "a,b\n1,2\n3,NA\n", "line 3: 'NA' in column 2 is no number"),
        ("index.csv", "x1,2\n3,4\n", "line 1: 'x1' in column 1 is no number"),
        ("ragged.csv", "1,2\n\n3\n", "line 3 has 1 columns, and line 1 has 2"),
        ("under.csv", "1_0,2\n", "'1_0' in column 1 is no number"),
        ("book.xlsx", b"PK\x03\x04\0\0\xff", "is no text; give a .npy or a .csv"),
        ("text.npy", "1,2\n", "holds no plain array of numbers"),
        ("empty.npy", "", "holds no plain array of numbers"),
        ("broken.npz", b"PK\x03\x04broken", "holds no plain array"),
    ],
)
def test_what_cannot_be_read_names_the_file_and_the_cure(tmp_path, name, content, words):
    with pytest.raises(ValueError, match=r"\.") as error:
        read(tmp_path / name, content)
    assert str(error.value).removeprefix("cannot read ").startswith(str(tmp_path / name))
    assert words in str(error.value)


def test_files_that_are_not_there_and_arrays_of_something_else(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path / "none.npy", tmp_path):
        with pytest.raises(ValueError, match=f"cannot read {path}: (No such file|Is a directory)"):
            read_rows(path, print)
    np.savez(tmp_path / "two.npz", a=ROWS, b=ROWS)
    with pytest.raises(ValueError, match=r"two\.npz holds 2 arrays \(a, b\); save the one you mean"):
        read_rows(tmp_path / "two.npz", print)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects\.npy holds no plain array of numbers"):
        read_rows(tmp_path / "objects.npy", print)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "found.html"
    check_place(path)
    assert list(tmp_path.iterdir()) == []
    write_whole(path, b"first")
    (tmp_path / "link.html").symlink_to(path)
    write_whole(tmp_path / "link.html", b"second")
    assert (path.read_bytes(), (tmp_path / "link.html").is_symlink()) == (b"second", True)

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"third")
    assert path.read_bytes() == b"second"
    assert {found.name for found in tmp_path.iterdir()} == {"found.html", "link.html"}


def test_where_no_file_can_be_written_is_said_before_the_work(tmp_path):
    (tmp_path / "x.txt").write_text("a file")
    for path, words in (
        (tmp_path, "it is a folder; name a file in it"),
        (tmp_path / "none" / "x.html", f"there is no folder {tmp_path / 'none'}"),
        (tmp_path / "x.txt" / "x.html", "there is no folder"),
        (tmp_path / ("x" * 300), "too long"),
        (tmp_path / "x\0y", "null"),
    ):
        for write in (check_place, lambda path: write_whole(path, b"")):
            with pytest.raises(ValueError, match=r"^cannot write ") as told:
                write(path)
            assert words in str(told.value) or write is not check_place
            assert str(path) in str(told.value)
