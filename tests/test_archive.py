"""The file format: what is written comes back to the bit, and a hostile file is one error in bounded memory."""

import io
import json
import math
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest

from varprop import archive

TRIES = int(os.environ.get("FUZZ_EXAMPLES", "200"))  # of each kind of damage; 100,000 is every bit
HEADER = {
    "kind": "forward",
    "seed": 2**64 - 1,
    "mean": 0.1 + 0.2,
    "network": {"width": 4, "layers": []},
    "name": "∂\ud800",
}
ARRAYS = {
    "node_0_1": np.array([[1.0, -0.0, np.inf], [np.nan, 5e-324, 1e308]]),
    "pivots": np.arange(12, dtype=np.float32).reshape(2, 2, 3)[:, ::-1],
    "counts": np.array([-(2**63), 2**63 - 1]),
    "none": np.zeros((3, 0)),
    "one": np.array(7.0),
    "known": np.array([True, False]),
    "bytes": np.frombuffer(b"abc", np.uint8),
    "big.endian": np.arange(3.0).astype(">f8"),
}


@pytest.fixture
def path(tmp_path):
    archive.write(tmp_path / "run.varprop", HEADER, ARRAYS)
    return tmp_path / "run.varprop"


def error_of(path, content=None, check=None):
    """Return what reading says, a ValueError that names the file."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read: |is no regular file") as caught:
        archive.read(path, check)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < len(str(path)) + 300
    return text[len(str(path)) :]


def changed(**what):
    """Return a file whose JSON says something else, and is whole otherwise."""
    claims, contents, text = _written()
    found = json.loads(text) | what
    return b"".join(archive._parts(json.dumps(found).encode(), claims, contents))


def _written():
    contents = {name: archive._bytes(name, array) for name, array in ARRAYS.items()}
    file = zipfile.ZipFile(io.BytesIO(_content(contents)))
    text = file.read("varprop.json")
    entries = json.loads(text)["arrays"]
    claims = {e["name"]: archive.Claim(e["dtype"], tuple(e["shape"]), e["sha256"]) for e in entries}
    return claims, contents, text


def _content(contents):
    claims = {
        n: archive.Claim(c.dtype.str, c.shape, archive.hashlib.sha256(c).hexdigest()) for n, c in contents.items()
    }
    arrays = [{"name": name, **claim._asdict()} for name, claim in claims.items()]
    found = {"format": "varprop", "version": 1, "header": HEADER, "arrays": arrays}
    return b"".join(archive._parts(json.dumps(found).encode(), claims, contents))


def header_only(text, **numbers):
    """Return the beginning of a file whose JSON is ``text``."""
    member = archive._Member(b"varprop.json", zlib.crc32(text), numbers.get("size", len(text)), 0)
    return member.local() + text + archive._tail([member])


def test_what_is_written_comes_back_to_the_bit(path):
    header, arrays = archive.read(path)
    assert header == HEADER
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        found = arrays[name]
        assert (found.shape, found.dtype) == (array.shape, array.dtype.newbyteorder("="))
        assert found.tobytes() == np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        assert not found.flags.writeable
    assert path.read_bytes() == _content({name: archive._bytes(name, array) for name, array in ARRAYS.items()})


def test_a_file_without_arrays(tmp_path):
    archive.write(tmp_path / "a", {}, {})
    assert archive.read(str(tmp_path / "a")) == ({}, {})


def test_zip_and_numpy_read_it_too(path):
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        assert file.namelist() == ["varprop.json", *(f"{name}.npy" for name in ARRAYS)]
    with np.load(path, allow_pickle=False) as found:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(found[name], array)


def test_equal_content_is_equal_bytes_and_replaces_what_was_there(path, tmp_path):
    first = path.read_bytes()
    archive.write(path, {"other": 1}, {})
    archive.write(path, HEADER, ARRAYS)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("header", "arrays", "words"),
    [
        ({"a": math.nan}, {}, "JSON compliant"),
        ({"a": [math.inf]}, {}, "JSON compliant"),
        ({"a": {1}}, {}, "set"),
        ({1: 0, "1": 1}, {}, "twice"),
        ({}, {"a/b": np.zeros(1)}, "name 'a/b'"),
        ({}, {"../a": np.zeros(1)}, "name"),
        ({}, {"": np.zeros(1)}, "name"),
        ({}, {"a": np.array([{}])}, "array 'a' is of object"),
        ({}, {"a": np.zeros(1, complex)}, "complex128"),
        ({}, {"a": np.array(["text"])}, "<U4"),
        ({"a": "x" * 2**22}, {}, "a file holds up to"),
        ({}, {"a": np.broadcast_to(np.uint8(0), (2**32,))}, "a file holds up to"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_leaves_nothing(header, arrays, words, tmp_path, monkeypatch):
    if words == "a file holds up to":
        monkeypatch.setattr(archive, "_bytes", lambda name, array: array[:1])
        monkeypatch.setattr(archive, "MOST", 100)
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        archive.write(tmp_path / "a", header, arrays)
    assert os.listdir(tmp_path) == []


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"cannot write .*nowhere/a: No such file"):
        archive.write(tmp_path / "nowhere" / "a", {}, {})
    with pytest.raises(TypeError, match="path is 3"):
        archive.write(3, {}, {})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them")
def test_a_full_disk_leaves_what_was_there(path):
    code = (
        "import resource, sys, numpy as np\n"
        "from varprop import archive\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    archive.write(sys.argv[1], {}, {'a': np.zeros(10**5)})\n"
        "except ValueError as error:\n    print(error)\n"
    )
    before = path.read_bytes()
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout == f"cannot write {path}: File too large.\n"
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_systems_own_words(tmp_path):
    with pytest.raises(FileNotFoundError):
        archive.read(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        archive.read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "is no regular file" in error_of(tmp_path / "pipe")


class Runs:
    def __reduce__(self):
        return os.abort, ()


def _zip(name, content, **how):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **how) as made:
        made.writestr(name, content)
    return file.getvalue()


def _npz():
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


def _saying(words, **more):
    return header_only(json.dumps({"format": "varprop", "version": 1, "header": {}, "arrays": words, **more}).encode())


def _array(**changes):
    return [{"name": "a", "dtype": "<f8", "shape": [1], "sha256": "0" * 64, **changes}]


HOSTILE = {
    "nothing": (b"", "it is empty"),
    "garbage": (bytes(range(256)) * 40, "it is no file of varprop's"),
    "a pickle": (pickle.dumps(Runs()), "it is no file of varprop's"),
    "text": (b'{"format": "varprop"}', "it is no file of varprop's"),
    "four bytes": (b"PK\3\4", "it is cut short"),
    "another zip": (_zip("mimetype", b"application/epub+zip"), "it begins with 'mimetype'"),
    "an npz": (_npz(), "it begins with 'a.npy'"),
    "a pickle in its header": (_zip("varprop.json", pickle.dumps(Runs())), "changed in its header"),
    "a bomb": (_zip("varprop.json", b"0" * 10**8, compression=zipfile.ZIP_DEFLATED), "is compressed"),
    "a bomb that says it is none": (
        _LOCAL := archive._Member(b"varprop.json", 0, 2**32 - 1, 0).local(),
        "would have 4,294,967,295 bytes",
    ),
    "a long header that is not there": (
        archive._Member(b"varprop.json", 0, 2**22, 0).local() + b"{",
        "it is cut short",
    ),
    "a long name": (_LOCAL[:26] + b"\xff\xff" + _LOCAL[28:], "would have"),
    "no JSON": (header_only(b"varprop"), "line 1, column 1"),
    "no ASCII": (header_only("∂".encode()), "ascii"),
    "a list": (header_only(b"[]"), "of another format"),
    "deep": (header_only(b"[" * 2**20), ", it is nested too deeply."),
    "NaN": (header_only(b'{"version": NaN}'), "NaN, which is no finite number"),
    "infinity": (header_only(b'{"version": 1e999}'), "1e999, which is no finite number"),
    "a key twice": (header_only(b'{"a": 1, "a": 2}'), "the key 'a' twice"),
    "a huge number": (header_only(b"1" * 10**5), ", it holds a number of thousands of digits."),
    "another format": (_saying([], format="other"), "of another format"),
    "a later version": (_saying([], version=2), "it is of version 2 of the format; this varprop reads version 1"),
    "no version": (_saying([], version=True), "of another format"),
    "more keys": (_saying([], more=1), "more than these"),
    "arrays that are none": (_saying({}), "no header and arrays"),
    "an array of objects": (_saying(_array(dtype="|O")), "'|O'"),
    "an array of records": (_saying(_array(dtype=[["a", "<f8"]])), "of an array"),
    "a negative shape": (_saying(_array(shape=[-1])), "of an array"),
    "a shape of truth": (_saying(_array(shape=[True])), "of an array"),
    "a shape of halves": (_saying(_array(shape=[0.5])), "of an array"),
    "many dimensions": (_saying(_array(shape=[1] * 9)), "of an array"),
    "a huge claim": (_saying(_array(shape=[2**31] * 8)), "claims what it does not hold"),
    "a name that leaves the folder": (_saying(_array(name="../a")), "of an array"),
    "no name": (_saying([{}]), "it says {} of an array."),
    "one name twice": (_saying(_array() * 2), "two arrays 'a'"),
    "many arrays": (_saying([0] * (2**14 + 1)), "the most is 16,384"),
    "an array that is not there": (_saying(_array()), "cut short"),
    "more behind": (_saying([]) + b"\0", "more than it should"),
    "another digest": (changed(arrays=[json.loads(_written()[2])["arrays"][0] | {"sha256": "0" * 64}]), "more than"),
    "truths that are neither": (b"", ""),
}


def _neither():
    contents = {"a": np.array([2, 1], np.uint8).view(bool)}
    return _content(contents)


HOSTILE["truths that are neither"] = (_neither(), "truth values")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_error_in_little_memory(name, tmp_path):
    content, words = HOSTILE[name]
    (tmp_path / "a").write_bytes(content)
    tracemalloc.start()
    try:
        said = error_of(tmp_path / "a")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert words in said
    assert most < archive.MOST_HEADER + 2**20 + 30 * len(content)


def test_what_the_caller_does_not_expect_is_refused_before_arrays_are_read(path):
    def check(header, claims):
        assert header == HEADER
        assert claims["node_0_1"][:2] == ("<f8", (2, 3))
        raise ValueError("no kind has so many rows.")

    content = bytearray(path.read_bytes())
    content[-200] ^= 1  # is not reached
    assert error_of(path, content, check) == " cannot be read: no kind has so many rows."


def refused(bad):
    """Return what reading these bytes says, a ValueError."""
    with pytest.raises(ValueError, match=r"\.$") as caught:
        archive._read(io.BytesIO(bad), len(bad), None)
    return str(caught.value)


def test_a_file_cut_anywhere_is_an_error(path):
    content = path.read_bytes()
    for length in some(range(len(content))):
        assert re.search("empty|cut short|no file|another zip", refused(content[:length]))


@pytest.mark.parametrize("flips", [1, 2, 8])
def test_a_changed_bit_anywhere_is_an_error(path, flips):
    content, chance = path.read_bytes(), random.Random()
    for place in some(range(8 * len(content))):
        bad = bytearray(content)
        for at in {place, *chance.sample(range(8 * len(content)), flips - 1)}:
            bad[at // 8] ^= 1 << at % 8
        refused(bad)


def test_bytes_cut_out_doubled_or_overwritten_are_an_error(path):
    content, chance = path.read_bytes(), random.Random()
    for a in some(range(len(content))):
        b = chance.randrange(a, len(content)) + 1
        middle = chance.choice([b"", 2 * content[a:b], chance.randbytes(b - a), bytes(b - a)])
        if middle != content[a:b]:
            refused(content[:a] + middle + content[b:])


def some(places):
    """Return places spread over all of them, other ones each time."""
    step = -(-len(places) // TRIES)
    return places[random.randrange(step) :: step]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them")
def test_a_file_that_claims_what_it_holds_not_takes_no_memory(tmp_path):
    """A sparse file of 3 GB whose arrays are refused by their digest, in a process that may have 1 GB more."""
    shape = (2**28,)
    claim = archive.Claim("<f8", shape, "0" * 64)
    text = json.dumps(
        {"format": "varprop", "version": 1, "header": {}, "arrays": [{"name": "a", **claim._asdict()}]}
    ).encode()
    with open(tmp_path / "a", "wb") as file:
        file.write(archive._Member(b"varprop.json", zlib.crc32(text), len(text), 0).local() + text)
        file.truncate(archive._length(len(text), {"a": claim}))
    code = (
        "import resource, sys\n"
        "from varprop import archive\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))\n"
        "def check(header, claims):\n"
        "    if claims['a'].size > 2**20:\n        raise ValueError('no kind has so large an array.')\n"
        "try:\n    archive.read(sys.argv[1], check)\n"
        "except ValueError as error:\n    print(error)\n"
        "try:\n    archive.read(sys.argv[1])\n"
        "except ValueError as error:\n    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        f"{tmp_path / 'a'} cannot be read: no kind has so large an array.",
        f"{tmp_path / 'a'} cannot be read: it was changed before array 'a' after it was written.",
    ]


def test_the_list_at_the_end_is_as_zip_has_it(path):
    content = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        members = file.infolist()
    for member in members:
        assert (member.date_time, member.create_version, member.extract_version) == ((1980, 1, 1, 0, 0, 0), 20, 20)
        assert (member.flag_bits, member.compress_type, member.volume, member.extra) == (0, 0, 0, b"")
        assert (member.internal_attr, member.external_attr, member.comment) == (0, 0, b"")
    count, place = len(members), content.rindex(b"PK\5\6")
    listed = place - content.index(b"PK\1\2")
    end = struct.unpack("<4s4H2IH", content[place:])
    assert end == (b"PK\5\6", 0, 0, count, count, listed, place - listed, 0)


def test_a_file_may_be_as_large_as_is_said(path, monkeypatch):
    """And no larger by a byte of its header, a byte in all, or an array."""
    with zipfile.ZipFile(path) as file:
        header = file.getinfo("varprop.json").file_size
    for name, most in (("MOST_HEADER", header), ("MOST", path.stat().st_size), ("MOST_ARRAYS", len(ARRAYS))):
        monkeypatch.setattr(archive, name, most)
        archive.write(path, HEADER, ARRAYS)
        assert len(archive.read(path)[1]) == len(ARRAYS)
        monkeypatch.setattr(archive, name, most - 1)
        with pytest.raises(ValueError, match="a file holds up to"):
            archive.write(path, HEADER, ARRAYS)
        monkeypatch.undo()
    monkeypatch.setattr(archive, "MOST_ARRAYS", len(ARRAYS) - 1)
    assert f"it has {len(ARRAYS)} arrays; the most is {len(ARRAYS) - 1}." in error_of(path)
    archive.write(path, {}, {"a": np.zeros((1,) * 8)})
    assert archive.read(path)[1]["a"].ndim == 8
    with pytest.raises(TypeError, match=r"shape \(1, .*; a file holds <f8, <f4, <i8, \|u1, \|b1\.$"):
        archive.write(path, {}, {"a": np.zeros((1,) * 9)})


def test_where_a_file_was_changed_is_said(path):
    content = path.read_bytes()
    places = {
        "in array 'pivots'": content.index(b"pivots.npy") + 128 + 10,
        "before array 'pivots'": content.index(b"pivots.npy") + 30,
        "at its end": content.rindex(b"PK\1\2") + 5,
        "in its header": 10,
    }
    places["before array 'node_0_1'"] = content.index(b"node_0_1.npy") - 8
    for where, place in places.items():
        changed = bytearray(content)
        changed[place] ^= 1
        assert error_of(path, bytes(changed)) == f" cannot be read: it was changed {where} after it was written."
    assert error_of(path, b"") == " cannot be read: it is empty."
    size = len(content)
    short, long = error_of(path, content[:-1]), error_of(path, content + b"x")
    assert short.endswith(f": it is cut short, or claims what it does not hold: {size - 1:,} bytes, not {size:,}.")
    assert long.endswith(f": it has more than it should: {size + 1:,} bytes, not {size:,}.")


@pytest.mark.parametrize(("place", "value"), [(8, 8), (18, 1)])
def test_either_sign_of_compression_is_seen(path, place, value):
    """The method, and a stored length that is another; each alone."""
    changed = bytearray(path.read_bytes())
    changed[place] ^= value
    assert error_of(path, bytes(changed)).endswith("its varprop.json is compressed, which varprop does not do.")
