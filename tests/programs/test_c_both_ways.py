"""Sixty C programs, through gcc's assembly: our assembler makes GNU's object of it, our linker ld's program,
and that runs here as on Linux. Each goes at one level; with C_LEVELS=all in the environment at every one."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from gnu_objects import same_object
from native_linux import run

from toykernel.harness import runner
from toykernel.harness.compiler import INCLUDE, LIBRARY, START, Compiler, compile_object
from toykernel.harness.expectations import parse_header
from toykernel.harness.session import Session
from userland.linker import InputObject, link, read_object

FOLDER = Path(__file__).parent / "c"
SOURCES = sorted(FOLDER.rglob("*.c"))
LEVELS = ("-O0", "-O1 -g", "-O2 -fPIC", "-O3", "-Os -fpie")
MAX_CYCLES = 200_000_000
GCC = Compiler(("gcc", "-m32"), hosted=False)
CASES = [
    (source, level)
    for number, source in enumerate(SOURCES)
    for place, level in enumerate(LEVELS)
    if number % len(LEVELS) == place or os.environ.get("C_LEVELS") == "all"
]

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("gcc", "as", "ld"))), reason="gcc or GNU binutils are not installed"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What a freestanding program starts with, and its C library."""
    folder = tmp_path_factory.mktemp("library")
    made = []
    for source in (START, LIBRARY):
        made.append(folder / f"{source.stem}.o")
        compile_object(GCC, source, made[-1])
    return made


def loaded(data: bytes) -> dict[str, tuple[int, bytes]]:
    """What a program has in memory, by section."""
    return {
        s.name: (s["sh_addr"], b"" if s["sh_type"] == "SHT_NOBITS" else s.data())
        for s in ELFFile(io.BytesIO(data)).iter_sections()
        if s["sh_flags"] & 2 and s["sh_size"] and s["sh_type"] != "SHT_NOTE"
    }


def test_there_are_sixty() -> None:
    assert len(SOURCES) == 60


@pytest.mark.parametrize(
    ("source", "level"), CASES, ids=[f"{s.stem}{level.replace(' ', '')}" for s, level in CASES]
)
def test_assembled_linked_and_run_both_ways(
    source: Path, level: str, tmp_path: Path, library: list[Path]
) -> None:
    assembly, ours = tmp_path / f"{source.stem}.s", tmp_path / "ours.o"
    headers = [
        INCLUDE,
        LIBRARY.parent / "include",
        INCLUDE.parent / "assembler" / "cpp" / "headers",
    ]
    subprocess.run(
        ["gcc", "-m32", "-S", "-ffreestanding", "-fno-pic", "-fno-stack-protector", *level.split(),
         *(word for folder in headers for word in ("-isystem", str(folder))),
         str(source), "-o", str(assembly)],
        check=True,
    )  # fmt: skip
    ours.write_bytes(same_object(assembly, tmp_path))
    subprocess.run(
        ["ld", "-m", "elf_i386", "-static", "-o", "gnu", "ours.o", *map(str, library)],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    objects: list[InputObject] = [
        read_object(path.read_bytes(), path.name) for path in (ours, *library)
    ]
    program = tmp_path / source.stem
    linked = link(objects).program.elf()
    assert loaded(linked) == loaded((tmp_path / "gnu").read_bytes())
    program.write_bytes(linked)
    program.chmod(0o755)
    args = parse_header(source.read_text(), str(source)).args
    session = Session(program, args)
    result = runner.run(session, max_cycles=MAX_CYCLES)
    here = (session.stdout, session.stderr, result.status, result.signal)
    assert here[0]
    assert here == run(program, args)
