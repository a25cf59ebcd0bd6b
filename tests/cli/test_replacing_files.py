"""Files of the host are replaced whole or not at all: each step by itself (commands: test_host_files.py)."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from toykernel import host_files
from toykernel.host_files import (
    NotRegularError,
    check_replaceable,
    kind_of,
    read_regular,
    replace_file,
    same_file,
    shared_folder,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def only(path: Path) -> bool:
    """Whether nothing else has been left beside a file."""
    return [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_a_mode_says_in_words() -> None:
    words = {
        stat.S_IFREG: "", stat.S_IFDIR: "a directory", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
        stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    }  # fmt: skip
    assert {kind: kind_of(kind | 0o644) for kind in words} == words


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    assert read_regular(file) == b"bytes"
    os.mkfifo(tmp_path / "pipe")
    before = set(os.listdir("/proc/self/fd"))
    for path, word in (("/dev/zero", "a device"), (tmp_path / "pipe", "a pipe")):
        with pytest.raises(NotRegularError, match=f"{word}, not a file"):
            read_regular(path)
    with pytest.raises(IsADirectoryError) as refusal:
        read_regular(tmp_path)
    assert refusal.value.filename == tmp_path
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("old", [None, 0o600, 0o755])
@pytest.mark.parametrize("wanted", [None, 0o640, 0])
def test_the_mode_of_what_is_written(tmp_path: Path, old: int | None, wanted: int | None) -> None:
    path = tmp_path / "out"
    if old is not None:
        path.write_bytes(b"old contents")
        path.chmod(old)
    mask = os.umask(0o027)
    try:
        replace_file(path, b"new", wanted)
    finally:
        os.umask(mask)
    assert mode(path) == (wanted if wanted is not None else 0o640 if old is None else old)
    assert path.read_bytes() == b"new"
    assert only(path)


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to("real")
    replace_file(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert same_file(str(link), str(tmp_path / "real"))
    assert same_file(str(tmp_path / "none"), str(tmp_path / "x" / ".." / "none"))
    os.link(tmp_path / "real", tmp_path / "hard")
    assert same_file(str(tmp_path / "hard"), str(tmp_path / "real"))
    (tmp_path / "other").write_bytes(b"new")
    assert not same_file(str(tmp_path / "other"), str(tmp_path / "real"))
    assert not same_file(str(tmp_path / "other"), str(tmp_path / "none"))
    assert not same_file("\0", str(link))


def test_what_cannot_be_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for path in (tmp_path, tmp_path / "socket"):
            with pytest.raises(IsADirectoryError):
                replace_file(path, b"")
    for check in (check_replaceable, lambda path: replace_file(path, b"")):
        with pytest.raises(FileNotFoundError):
            check(tmp_path / "none" / "out")
        with pytest.raises(IsADirectoryError):
            check(tmp_path)
    (tmp_path / "there").write_bytes(b"kept")
    before = set(os.listdir("/proc/self/fd"))
    check_replaceable(tmp_path / "there")
    check_replaceable(tmp_path / "new")
    assert set(os.listdir("/proc/self/fd")) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["socket", "there"]
    assert (tmp_path / "there").read_bytes() == b"kept"


def fails(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("step", ["fchmod", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EBUSY])
def test_a_step_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """But a mount point, which cannot be renamed over, is written in its place."""
    path = tmp_path / "out"
    path.write_bytes(b"old contents")
    monkeypatch.setattr(os, step, fails(number))
    if number == errno.EBUSY:
        replace_file(path, b"new")
        assert path.read_bytes() == b"new"
    else:
        with pytest.raises(OSError, match="No space"):
            replace_file(path, b"new")
        assert path.read_bytes() == b"old contents"
    assert only(path)


def test_without_room_beside_it_a_file_is_written_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    monkeypatch.setattr(host_files, "_new_beside", fails(errno.EROFS))
    with pytest.raises(OSError, match="Read-only"):
        replace_file(path, b"new")
    path.write_bytes(b"old contents")
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for data in (b"short", b"something that is longer", b""):
        replace_file(path, data)
        assert path.read_bytes() == data
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked
    path.write_bytes(b"old contents")
    reserved: list[tuple[int, int]] = []

    def full(_fd: int, at: int, length: int) -> None:
        reserved.append((at, length))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"old contents, and more")
    assert reserved == [(12, 10)]
    assert path.read_bytes() == b"old contents"
    replace_file(path, b"as much data")  # needs no more room
    assert path.read_bytes() == b"as much data"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_the_unfinished_file_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old contents")
    child = os.fork()
    if not child:
        try:
            monkeypatch.setattr(os, "replace", lambda *_: os.kill(os.getpid(), number))
            replace_file(path, b"new")
        finally:
            os._exit(9)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == number
    assert path.read_bytes() == b"old contents"
    assert only(path)


def test_signals_are_as_they_were(tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    replace_file(tmp_path / "out", b"new")
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f".out.{os.getpid()}.{number}").write_bytes(b"somebody's")
    replace_file(tmp_path / "out", b"new")
    assert (tmp_path / "out").read_bytes() == b"new"
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [*(f".out.{os.getpid()}.{n}" for n in range(3)), "out"]


def test_where_documents_lie() -> None:
    assert (shared_folder() / "README.md").is_file()
    assert (shared_folder() / "docs").is_dir()
