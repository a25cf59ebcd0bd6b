"""C programs: the same output and status here and on Linux, at every level of optimisation."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from native_linux import run

from toykernel.harness import runner
from toykernel.harness.build import build
from toykernel.harness.comparison import compare
from toykernel.harness.compiler import find_compiler
from toykernel.harness.expectations import parse_header
from toykernel.harness.recipe import Recipe
from toykernel.harness.session import Session
from toykernel.look.elf_debug import elf_lines

SOURCES = sorted((Path(__file__).parent / "c").glob("*.c"))
MAX_CYCLES = 200_000_000

pytestmark = pytest.mark.skipif(find_compiler(os.environ) is None, reason="no C compiler")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_here_as_on_linux(source: Path, level: str, tmp_path: Path) -> None:
    header = parse_header(source.read_text(), str(source))
    assert header.says_anything
    image = build(source, Recipe(cflags=(level,))).elf
    program = tmp_path / source.stem
    program.write_bytes(image)
    program.chmod(0o755)
    out, err, status, signal = run(program, header.args)
    assert compare(header, out, err, status, signal, None) == []
    session = Session(program, header.args)
    result = runner.run(session, max_cycles=MAX_CYCLES)
    assert compare(header, session.stdout, session.stderr, result.status, result.signal, None) == []


@needs_gcc
def test_the_debugger_has_lines_of_c_and_of_assembly(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(
        "#include <toykernel.h>\nint twice(int);\nint answer;\nint main(void) {\n"
        "  answer = twice(21);\n  return answer;\n}\n"
    )
    (tmp_path / "twice.S").write_text(
        ".globl twice\ntwice:\n movl 4(%esp), %eax\n addl %eax, %eax\n ret\n"
    )
    recipe = Recipe(others=(tmp_path / "twice.S",), cflags=("-O0",))
    session = Session(tmp_path / "main.c", recipe=recipe)
    assert session.guest_path == "/main"
    session.break_at("main.c:6")
    session.run()
    assert len(session.hit) == 1
    image = session.images.program
    lines = {(Path(e.file).name, e.line) for e in image.lines}
    assert {("main.c", 5), ("main.c", 6), ("twice.S", 4)} <= lines
    assert image.place_at(session.address("twice")).text == "movl 4(%esp), %eax"
    # What is in the ELF file, for other debuggers, says the same.
    written = {(Path(e.file).name, e.line) for e in elf_lines(session.elf)}
    assert {("main.c", 5), ("main.c", 6), ("twice.S", 4)} <= written
    code = session.address("twice")
    assert [e.line for e in elf_lines(session.elf) if e.address == code] == [3]
