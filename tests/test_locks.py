"""Two runs never write into one checkpoint at once, and no lock outlives the process that held it."""

import errno
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
from test_merging import CHAIN, bits

from varprop import locks, simulate
from varprop.locks import only_writer
from varprop.simulate import checkpoints

fcntl = pytest.importorskip("fcntl")

HOLD = """
import os, sys, time
from pathlib import Path
from varprop.locks import only_writer
with only_writer(Path(sys.argv[1])):
    if sys.argv[2:] and os.fork() == 0:
        time.sleep(600)
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


@contextmanager
def another_process(path, *words):
    """Have another process write to ``path``; yield it."""
    command = [sys.executable, "-c", HOLD, str(path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            assert int(child.stdout.readline()) == child.pid
            yield child
        finally:
            os.killpg(child.pid, 9)  # with what it forked


def test_two_calls_of_one_process_are_one_error(tmp_path, monkeypatch):
    path, said = tmp_path / "a", []
    (tmp_path / "link").symlink_to("a")

    def keep(self, tree, goal):
        with pytest.raises(ValueError, match="is being written by another call in this process; wait") as caught:
            simulate.forward(CHAIN, networks=200, checkpoint=tmp_path / "link")
        said.append(caught)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoint, "keep", keep)
        simulate.forward(CHAIN, networks=100, checkpoint=path)
    assert said
    found = simulate.forward(CHAIN, networks=200, checkpoint=tmp_path / "link")
    assert bits(found) == bits(simulate.forward(CHAIN, networks=200))
    assert sorted(os.listdir(tmp_path)) == ["a", "link"]
    assert (tmp_path / "link").is_symlink()


def test_another_process_is_named_and_its_lock_ends_with_it(tmp_path):
    """Even where it is killed, and a worker that was forked off it lives on."""
    path = tmp_path / "a"
    simulate.forward(CHAIN, networks=100, checkpoint=path)
    before = path.read_bytes()
    with another_process(path, "and forks") as child:
        with pytest.raises(ValueError, match=rf"^{path} is being written by process {child.pid} on .*; wait until it "):
            simulate.forward(CHAIN, networks=200, checkpoint=path)
        assert path.read_bytes() == before
        with only_writer(path.with_name("b")):
            pass
        child.kill()
        child.wait()
        assert len(os.listdir(tmp_path)) == 2  # what is left of the lock
        whole = simulate.forward(CHAIN, networks=200, checkpoint=path)
    assert bits(whole) == bits(simulate.forward(CHAIN, networks=200))
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_there_are_no_locks_that_is_said(tmp_path, monkeypatch, capsys, number):
    def lockf(*given):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    simulate.forward(CHAIN, networks=100, checkpoint=tmp_path / "a")
    assert capsys.readouterr().err == (
        f"varprop: there are no locks where {tmp_path / 'a'} stands; "
        "see to it that no other run writes to it meanwhile.\n"
    )
    assert os.listdir(tmp_path) == ["a"]


@pytest.fixture
def locked(monkeypatch):
    """Return the locks' files that are open."""
    found, opened, closed = set(), os.open, os.close

    def recorded(path, *given, **more):
        file = opened(path, *given, **more)
        if str(path).endswith(".lock"):
            found.add(file)
        return file

    def close(file):
        closed(file)
        found.discard(file)

    monkeypatch.setattr(locks.os, "open", recorded)
    monkeypatch.setattr(locks.os, "close", close)
    return found


def held(path):
    """Return the file that is locked while ``path`` is written."""
    with only_writer(path):
        (name,) = os.listdir(path.parent)
    return path.with_name(name)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
@pytest.mark.parametrize(
    ("content", "who"),
    [(b"process 7 on a", "process 7 on a"), (b"\xff7", "\ufffd7"), (b"", "another process"), (b"7" * 400, "7" * 300)],
)
def test_whoever_holds_a_lock_is_said_as_its_file_has_it(tmp_path, monkeypatch, locked, number, content, who):
    def lockf(*given):
        raise OSError(number, "busy")

    path = tmp_path / "a"
    beside = held(path)
    beside.write_bytes(content)
    monkeypatch.setattr(fcntl, "lockf", lockf)
    with pytest.raises(ValueError, match="is being written") as caught, only_writer(path):
        pass
    assert str(caught.value) == f"{path} is being written by {who}; wait until it has ended, or name another file."
    assert not locked
    assert locks._ours == set()
    assert beside.read_bytes() == content


def test_a_lock_is_a_file_that_anyone_may_read_and_no_link(tmp_path):
    path = tmp_path / "a"
    beside, before = held(path), os.umask(0)
    try:
        with only_writer(path):
            assert beside.stat().st_mode & 0o7777 == 0o666
    finally:
        os.umask(before)
    beside.write_bytes(b"left by a process that was killed " * 10)
    with only_writer(path):
        assert beside.read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    (tmp_path / "other").write_text("somebody's")
    beside.symlink_to("other")
    with only_writer(path):
        assert (tmp_path / "other").read_text() == "somebody's"
    assert beside.is_symlink()


def test_a_full_disk_keeps_the_lock(tmp_path, monkeypatch):
    def write(*given):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(locks.os, "write", write)
    with only_writer(tmp_path / "a"):
        (name,) = os.listdir(tmp_path)
        assert (tmp_path / name).read_bytes() == b""
    assert os.listdir(tmp_path) == []


def test_files_are_closed_and_a_lock_that_is_gone_is_no_fault(tmp_path, locked):
    path = tmp_path / "a"
    beside = held(path)
    with only_writer(path):
        assert len(locked) == 1
        beside.unlink()
    assert not locked
    assert locks._ours == set()


def test_who_never_finds_its_lock_goes_on_without(tmp_path, monkeypatch, locked):
    tries = []
    monkeypatch.setattr(locks, "_is", lambda file, path: tries.append(file))
    with only_writer(tmp_path / "a"):
        assert len(tries) == 100
        assert not locked


def test_a_lock_that_can_be_neither_held_nor_taken_away_is_said(tmp_path, monkeypatch, capsys, locked):
    def refused(*given):
        raise OSError(errno.ENOLCK, "no locks")

    for module, name in ((fcntl, "lockf"), (locks.os, "unlink")):
        monkeypatch.setattr(module, name, refused)
    with only_writer(tmp_path / "a"):
        assert not locked
    assert capsys.readouterr().err.count("there are no locks") == 1


def test_a_system_without_them_says_so_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with only_writer(tmp_path / "a"):
        assert os.listdir(tmp_path) == []
    assert capsys.readouterr().err.startswith(f"varprop: there are no locks where {tmp_path / 'a'} stands; ")


def test_a_lock_that_was_taken_away_meanwhile_is_tried_again(tmp_path, monkeypatch):
    """Whoever is at its end removes the file; who has it open then locks a file that nobody finds."""
    path, real, left = tmp_path / "a", fcntl.lockf, []

    def lockf(file, how):
        (name,) = os.listdir(tmp_path)
        if len(left) < 2:
            left.append(os.unlink(tmp_path / name))
        return real(file, how)

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with only_writer(path):
        assert len(left) == 2
        (name,) = os.listdir(tmp_path)
        assert (tmp_path / name).read_text().startswith(f"process {os.getpid()} on ")
    assert os.listdir(tmp_path) == []


def test_names_that_begin_alike_are_two(tmp_path):
    long = "a" * 100
    with only_writer(tmp_path / f"{long}1"), only_writer(tmp_path / f"{long}2"):
        assert len(os.listdir(tmp_path)) == 2
        assert all(re.fullmatch(r"\.a{60}\.[0-9a-f]{8}\.lock", name) for name in os.listdir(tmp_path))
    with only_writer(tmp_path / "no" / "folder"):  # of which writing says more
        pass
    assert locks._ours == set()
