"""--mount: a directory of the host in the guest's tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from trees import Here, outcome

from toykernel.check.invariants import check_all
from toykernel.errno import EISDIR, ENOENT, ENOTEMPTY, EROFS
from toykernel.fs.file import fput
from toykernel.fs.namei import do_rename
from toykernel.fs.open import filp_open
from toykernel.fs.sendfile import read_file, write_file
from toykernel.harness.session import Session
from toykernel.state import Config, Kernel
from toykernel.statehash import state_hash

USERLAND = Path(__file__).parents[2] / "userland"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    there = tmp_path / "there"
    (there / "d" / "deep").mkdir(parents=True)
    (there / "f").write_bytes(b"of the host")
    (there / "d" / "g").write_bytes(b"below")
    os.symlink("d/g", there / "l")
    os.symlink("../secret", there / "up")
    os.symlink("/etc/passwd", there / "passwd")
    os.symlink(str(tmp_path), there / "out")
    os.mkfifo(there / "pipe")
    (tmp_path / "secret").write_bytes(b"not for the guest")
    return there


def booted(host: Path, *, writable: bool) -> Session:
    config = Config(mounts=((str(host), "/mnt/here", writable),))
    session = Session(USERLAND / "hello.S", config=config)
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    return session


def read(k: Kernel, path: str) -> bytes:
    file = filp_open(k, path, 0, 0)
    data = read_file(k, file, 0, 1 << 16)
    fput(k, file)
    return data


def names(k: Kernel, path: str) -> list[str]:
    file = filp_open(k, path, 0, 0)
    found = [entry.name for entry in file.op.iterate(k, file)]
    fput(k, file)
    return sorted(found[2:])


def test_what_is_there_is_seen(host: Path) -> None:
    k = booted(host, writable=False).kernel
    assert names(k, "/mnt/here") == ["d", "f", "l", "out", "passwd", "up"]
    assert read(k, "/mnt/here/f") == b"of the host"
    assert read(k, "/mnt/here/l") == b"below"
    assert Here(k).lkind("/mnt/here/l") == "link"


def test_links_never_lead_out(host: Path) -> None:
    """They are followed in the guest's tree; and a directory that becomes a link is no way out, either."""
    k = booted(host, writable=False).kernel
    here = Here(k)
    assert read(k, "/mnt/here/passwd").startswith(b"root:x:0:0:root:/root")  # the guest's own
    assert outcome(here.kind, "/mnt/here/up") == -ENOENT
    assert outcome(here.kind, "/mnt/here/out/secret") == -ENOENT
    assert outcome(here.kind, "/mnt/here/pipe") == -ENOENT
    assert here.kind("/mnt/here/d") == "directory"
    (host / "d" / "g").unlink()
    (host / "d" / "deep").rmdir()
    (host / "d").rmdir()
    os.symlink("..", host / "d")
    assert outcome(here.kind, "/mnt/here/d/secret") == -ENOENT


def test_read_only(host: Path) -> None:
    k = booted(host, writable=False).kernel
    here = Here(k)
    for step in (
        (here.make, "/mnt/here/new"),
        (here.mkdir, "/mnt/here/new"),
        (here.unlink, "/mnt/here/f"),
        (here.rmdir, "/mnt/here/d/deep"),
        (here.open, "/mnt/here/f", 1),
    ):
        assert outcome(*step) == -EROFS, step
    assert outcome(do_rename, k, "/mnt/here/f", "/mnt/here/g") == -EROFS


def test_a_copy_in_memory(host: Path) -> None:
    k = booted(host, writable=True).kernel
    here = Here(k)
    file = here.open("/mnt/here/f", 2)
    write_file(k, file, 3, b"THE GUEST")
    fput(k, file)
    here.make("/mnt/here/d/new")
    here.rename("/mnt/here/d/g", "/mnt/here/moved")
    assert outcome(here.rmdir, "/mnt/here/d") == -ENOTEMPTY
    here.unlink("/mnt/here/d/new")
    here.rmdir("/mnt/here/d/deep")
    here.rmdir("/mnt/here/d")
    assert outcome(here.unlink, "/mnt/here") == -EISDIR
    assert names(k, "/mnt/here") == ["f", "l", "moved", "out", "passwd", "up"]
    assert read(k, "/mnt/here/f") == b"of THE GUEST"
    assert read(k, "/mnt/here/moved") == b"below"
    assert (host / "f").read_bytes() == b"of the host"
    assert sorted(os.listdir(host / "d")) == ["deep", "g"]
    check_all(k)


def test_what_was_told_is_told_again(host: Path) -> None:
    """Back in time, and in the same bytes, whatever the host has changed."""
    session = booted(host, writable=True)
    moment = session.snapshot()
    first = read(session.kernel, "/mnt/here/f")
    after = state_hash(session.kernel)
    (host / "f").write_bytes(b"changed")
    session.restore(moment)
    assert read(session.kernel, "/mnt/here/f") == first
    assert state_hash(session.kernel) == after
