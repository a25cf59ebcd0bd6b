"""Assembled programs are kept between runs, and only what would be assembled again is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND, EXIT_7, environment, write

from toykernel.cli.group import call
from toykernel.harness import image_cache
from toykernel.harness.build import build
from toykernel.harness.recipe import Recipe
from userland.assembler import front_end

SOURCE = """.include "status.inc"
.macro leave code
 movl $1, %eax
 movl $\\code, %ebx
 int $0x80
.endm
.globl _start
.type _start, @function
_start: leave STATUS
.size _start, .-_start
.data
blob: .incbin "blob.bin"
.bss
room: .skip 100
.section .note.GNU-stack,"",@progbits
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "toykernel"


@pytest.fixture
def assembled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were assembled, and not taken from the cache."""
    files: list[Path] = []
    real = front_end.assemble_preprocessed

    def spy(text: str, path: Path, **rest: object) -> object:
        files.append(path)
        return real(text, path, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(front_end, "assemble_preprocessed", spy)
    return files


def program(folder: Path) -> Path:
    (folder / "status.inc").write_text(".equ STATUS, 7\n")
    (folder / "blob.bin").write_bytes(b"\0\xff")
    return write(folder, SOURCE)


def test_what_is_kept_is_what_was_assembled(
    cache: Path, assembled: list[Path], tmp_path: Path
) -> None:
    path = program(tmp_path)
    first = build(path)
    assert build(path) == first == build(path, Recipe(cache=False))
    assert assembled == [path, path]
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("change", ["status.inc", "blob.bin", "program.S", "removed", "sooner"])
def test_a_change_of_any_file_counts(
    cache: Path, assembled: list[Path], tmp_path: Path, change: str
) -> None:
    folder = tmp_path / "late"
    folder.mkdir()
    path = program(tmp_path)
    for name in ("status.inc", "blob.bin"):
        (tmp_path / name).rename(folder / name)
    recipe = Recipe(include=(folder,))
    first = build(path, recipe).elf
    if change == "removed":
        (folder / "status.inc").unlink()
        with pytest.raises(front_end.AssemblyError, match=r"status\.inc"):
            build(path, recipe)
        return
    if change == "sooner":  # a file that was not there is found before the other
        (tmp_path / "status.inc").write_text(".equ STATUS, 8\n")
    elif change == "blob.bin":
        (folder / change).write_bytes(b"\1\xff")
    elif change == "status.inc":
        (folder / change).write_text(".equ STATUS, 9\n")
    else:
        path.write_text(SOURCE.replace("$1,", "$0x2,"))
    assert build(path, recipe).elf != first
    assert len(assembled) == 2


def test_options_count(cache: Path, assembled: list[Path], tmp_path: Path) -> None:
    path = write(tmp_path, f"#define UNUSED\n{EXIT_7.replace('$7', '$N')}")
    images = {build(path, Recipe(macros={"N": str(number)})).elf for number in (7, 8, 7)}
    assert len(images) == len(assembled) == 2


@pytest.mark.parametrize("damage", [b"", b"x", b"0\n{}"])
def test_a_damaged_file_is_as_good_as_none(
    cache: Path, assembled: list[Path], tmp_path: Path, damage: bytes
) -> None:
    path = program(tmp_path)
    first = build(path)
    (file,) = cache.iterdir()
    file.write_bytes(damage)
    assert build(path) == first
    assert len(assembled) == 2
    assert build(path) == first
    assert len(assembled) == 2


def test_what_has_another_form_is_as_good_as_none(
    cache: Path, assembled: list[Path], tmp_path: Path
) -> None:
    path = program(tmp_path)
    first = build(path)
    (file,) = cache.iterdir()
    image_cache.keep(file.name, {"looked_for": {}, "elf": "", "sections": [[1]]})
    assert build(path) == first
    assert len(assembled) == 2


def test_no_cache_reads_and_writes_nothing(
    cache: Path, assembled: list[Path], tmp_path: Path
) -> None:
    path = write(tmp_path, EXIT_7)
    assert call(["run", "--no-cache", str(path)]) == 7
    assert not cache.exists()
    assert [call(["run", *flag, str(path)]) for flag in ([], [], ["--no-cache"])] == [7] * 3
    assert len(assembled) == 3


def test_it_does_not_grow_for_ever(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "MAX_SIZE", 4000)
    for number in range(30):
        name = f"{number:04x}"
        image_cache.keep(name, {"data": "x" * 300})
        os.utime(cache / name, ns=(number, number))
        if number > 2:
            assert image_cache.load("0002") is not None  # what is in use stays
            os.utime(cache / "0002", ns=(10**9, 10**9))
    kept = {path.name for path in cache.iterdir()}
    assert sum(path.stat().st_size for path in cache.iterdir()) <= 4000
    assert {"0002", "001d"} <= kept
    assert "0001" not in kept


def test_a_kept_program_needs_no_assembler(cache: Path, tmp_path: Path) -> None:
    path = str(write(tmp_path, EXIT_7))
    assert subprocess.run([*COMMAND, "run", path], env=environment(), check=False).returncode == 7
    code = (
        "import sys; from toykernel.cli.group import call; assert call(sys.argv[1:]) == 7; "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", path],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    modules = done.stdout.split()
    assert "userland.assembler.program" in modules
    assert not [name for name in modules if name.startswith(("keystone", "capstone"))]
    assert "userland.assembler.assembler" not in modules
    assert "userland.linker" not in modules
