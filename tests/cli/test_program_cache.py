"""Assembled programs are kept between runs, and only what would be assembled again is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, EXIT_7, environment, write

from toykernel.cli.group import call
from toykernel.harness import image_cache, linked_cache, linking
from toykernel.harness.build import build
from toykernel.harness.compiler import find_compiler
from toykernel.harness.recipe import Recipe
from userland.assembler import front_end

needs_gcc = pytest.mark.skipif(
    find_compiler({"PATH": "/usr/bin:/bin"}) is None, reason="no C compiler"
)
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


def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which inputs are built, and not taken from the cache."""
    built: list[str] = []
    real = linking._build

    def spy(inputs: list[Path], *rest: Any) -> Any:
        built.append(inputs[0].name)
        return real(inputs, *rest)

    monkeypatch.setattr(linking, "_build", spy)
    return built


def test_programs_of_several_files_are_kept(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = compiled(monkeypatch)
    path = program(tmp_path)
    other = write(tmp_path, '.include "other.inc"\n.globl other\nother: .long OTHER\n', "other.S")
    (tmp_path / "other.inc").write_text(".equ OTHER, 5\n")
    recipe = Recipe(others=(other,))
    first = build(path, recipe)
    assert build(path, recipe) == first == build(path, replace(recipe, cache=False))
    assert len(built) == 2
    for name, content in (
        ("other.inc", ".equ OTHER, 6\n"),
        ("blob.bin", "x"),
        ("other.S", "nop\n"),
    ):
        (tmp_path / name).write_text(content)
        second = build(path, recipe)
        assert second == build(path, replace(recipe, cache=False))
        assert second != first
        first = second
    assert len(built) == 2 + 2 * 3
    build(path, replace(recipe, entry="_start"))
    assert len(built) == 9


@needs_gcc
def test_compiled_programs_are_kept_by_all_that_they_include(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = compiled(monkeypatch)
    sooner = tmp_path / "sooner"
    sooner.mkdir()
    (tmp_path / "value.h").write_text("#define VALUE 5\n")
    write(tmp_path, "#include <value.h>\nint main(void) { return VALUE + MORE; }\n", "main.c")
    path = tmp_path / "main.c"
    recipe = Recipe(include=(sooner, tmp_path), macros={"MORE": "1"}, cflags=("-Wall",))
    first = build(path, recipe)
    assert build(path, recipe) == first
    assert built == ["main.c"]
    changes = [
        lambda: (tmp_path / "value.h").write_text("#define VALUE 6\n"),
        lambda: (sooner / "value.h").write_text("#define VALUE 7\n"),
        lambda: monkeypatch.chdir(sooner),
    ]  # fmt: skip
    for number, change in enumerate(changes, 2):
        change()
        build(path, recipe)
        assert len(built) == number
    build(path, replace(recipe, cflags=("-O2",)))
    build(path, replace(recipe, macros={"MORE": "2"}))
    assert len(built) == 6
    for flag in ("-fprofile-use=x", "-Wa,-I.", "-specs=x"):  # they read more than the key knows of
        assert not linked_cache._key((path,), replace(recipe, cflags=(flag,)))
    write(tmp_path, '__asm__(".incbin \\"value.h\\"");\nint main(void) { return 0; }\n', "reads.c")
    assert not linked_cache._key((tmp_path / "reads.c",), recipe)
    assert linked_cache._key((path,), recipe)


@needs_gcc
def test_warnings_are_said_again(
    cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "int main(void) { int unused; return 3; }\n", "main.c")
    said = []
    for _ in range(2):
        assert call(["run", "--cflags", "-Wall", str(path)]) == 3
        said.append(capfd.readouterr().err)
    assert "unused variable" in said[0]
    assert said[0] == said[1]
