"""What file the guest has of its program: without debug sections when it was built here, else as it is."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from toykernel.fs.namei import path_lookup
from toykernel.harness.build import build
from toykernel.harness.session import Session
from toykernel.harness.stripped import without_debug
from toykernel.state import Config
from toykernel.statehash import state_hash

USERLAND = Path(__file__).parents[2] / "userland"
FIELDS = ("type", "flags", "addr", "size", "addralign")
PROGRAMS = ("hello", "fork_sample", "pipe_talk")


def file_of_the_program(session: Session) -> bytes:
    inode = path_lookup(session.kernel, session.guest_path).found().dentry.inode
    return bytes(inode.i_mapping.contents)


@pytest.mark.parametrize("timing", ["off", "i486"])
def test_the_state_does_not_depend_on_where_sources_lie(tmp_path: Path, timing: str) -> None:
    """Nor on where their include files do: line tables hold both paths."""
    hashes = set()
    for folder in tmp_path / "here", tmp_path / "quite" / "another" / "place":
        folder.mkdir(parents=True)
        for name in ("hello.S", "include/linux.inc"):
            shutil.copy(USERLAND / name, folder)
        session = Session(folder / "hello.S", config=Config(timing=timing))
        session.run(3_000_000)
        assert session.stdout == b"Hello from ring 3\n"
        assert str(folder).encode() in session.elf
        hashes.add(state_hash(session.kernel))
    assert len(hashes) == 1


def described(elf: bytes) -> dict[str, Any]:
    file = ELFFile(io.BytesIO(elf))
    names = {n: s.name for n, s in enumerate(file.iter_sections())}
    symbols = file.get_section_by_name(".symtab")
    assert symbols is not None
    return {
        "entry": file["e_entry"],
        "segments": [(s.header, s.data()[0 if s["p_offset"] else 52 :]) for s in file.iter_segments()],
        "sections": {
            s.name: ([s[f"sh_{n}"] for n in FIELDS], names[s["sh_link"]])
            for s in file.iter_sections() if not s.name.startswith(".debug")
        },
        "symbols": [
            (s.name, s["st_value"], s["st_size"], s["st_info"], names.get(s["st_shndx"], s["st_shndx"]))
            for s in symbols.iter_symbols()
        ],
    }  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_debug_sections_go(name: str) -> None:
    elf = build(USERLAND / f"{name}.S").elf
    small = without_debug(elf)
    assert b"linux.inc" in elf
    assert b"linux.inc" not in small
    assert not any(s.name.startswith(".debug") for s in ELFFile(io.BytesIO(small)).iter_sections())
    assert described(small) == described(elf)
    assert without_debug(small) is small


def test_the_guest_has_the_small_one() -> None:
    session = Session(USERLAND / "hello.S")
    assert file_of_the_program(session) == without_debug(session.elf) != session.elf


def test_an_executable_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(build(USERLAND / "hello.S").elf)
    session = Session(path)
    assert file_of_the_program(session) == path.read_bytes() == session.elf
