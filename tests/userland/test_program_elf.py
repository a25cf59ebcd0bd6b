"""What an assembled program offers: lines, symbols, addresses, and an ELF that Linux runs."""

from __future__ import annotations

import io
import subprocess
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from userland.assembler import Program, assemble, assemble_text

USERLAND = Path(__file__).resolve().parents[2] / "userland"
SOURCE = """
.globl _start
.type _start, @function
.equ SYS_exit, 1
_start: movl $SYS_exit, %eax
        movl status, %ebx
        addl zero, %ebx
        int $0x80
.size _start, . - _start
.rodata
constant: .long 7
.data
status: .long 42
.bss
zero: .space 0x2000
"""


def elf_of(program: Program) -> ELFFile:
    return ELFFile(io.BytesIO(program.elf()))


def test_sections_have_pages_of_their_own_by_permission() -> None:
    program = assemble_text(SOURCE)
    assert [(s.name, s.address, s.size, s.flags) for s in program.sections] == [
        (".text", 0x08049000, 19, "rx"),
        (".rodata", 0x0804A000, 4, "r"),
        (".data", 0x0804B000, 4, "rw"),
        (".bss", 0x0804B004, 0x2000, "rw"),
    ]
    assert program.section(".bss").data == b""
    assert program.entry == program.symbols["_start"].value == 0x08049000


def test_symbols_are_kept_with_what_was_said_of_them() -> None:
    symbols = assemble_text(SOURCE).symbols
    start = symbols["_start"]
    assert (start.is_global, start.kind, start.size, start.section) == (True, "func", 19, ".text")
    assert (symbols["SYS_exit"].value, symbols["SYS_exit"].section) == (1, None)
    assert not symbols["status"].is_global


def test_line_at_covers_exactly_the_statements_bytes() -> None:
    program = assemble_text(SOURCE, name="x.S")
    first = program.line_at(0x08049000)
    assert first is not None
    assert (first.file, first.line, first.length) == ("x.S", 5, 5)
    assert program.line_at(0x08049004) == first
    assert program.line_at(0x08048FFF) is None
    assert program.line_at(0x08049013) is None
    second = program.line_at(0x08049005)
    assert second is not None
    assert second.text == "movl status, %ebx"


def test_origin_and_defines() -> None:
    program = assemble_text(
        "entry: movl $entry + SIZE, %eax\n.data\n.long entry\n",
        origin={".text": 0xC0100000, ".data": 0xC0200000},
        defines={"SIZE": 8},
    )
    assert program.entry == 0xC0100000
    assert program.section(".text").data == b"\xb8\x08\x00\x10\xc0"
    assert program.section(".data").data == b"\x00\x00\x10\xc0"


def test_elf_segments_follow_permissions() -> None:
    elf = elf_of(assemble_text(SOURCE))
    loads = [s for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
    shapes = [(s["p_vaddr"], s["p_flags"], s["p_filesz"], s["p_memsz"]) for s in loads]
    headers = 52 + 32 * elf.num_segments()
    assert shapes == [
        (0x08048000, 4, headers, headers),
        (0x08049000, 5, 19, 19),
        (0x0804A000, 4, 4, 4),
        (0x0804B000, 6, 4, 0x2004),
    ]
    assert all(s["p_offset"] % 4096 == s["p_vaddr"] % 4096 for s in loads)
    stack = next(s for s in elf.iter_segments() if s["p_type"] == "PT_GNU_STACK")
    assert stack["p_flags"] == 7  # as ld has it when the source has no .note.GNU-stack
    noted = elf_of(assemble_text(SOURCE + '\n.section .note.GNU-stack,"",@progbits\n'))
    assert [s["p_flags"] for s in noted.iter_segments() if s["p_type"] == "PT_GNU_STACK"] == [6]
    symbol = elf.get_section_by_name(".symtab").get_symbol_by_name("_start")[0]
    assert (symbol["st_value"], symbol["st_info"]["bind"]) == (0x08049000, "STB_GLOBAL")


def test_dwarf_lines_are_the_programs_lines() -> None:
    program = assemble(USERLAND / "hello.S", include=[USERLAND / "include"])
    unit = next(elf_of(program).get_dwarf_info().iter_CUs())
    table = elf_of(program).get_dwarf_info().line_program_for_CU(unit)
    files = [entry.name.decode() for entry in table["file_entry"]]
    rows = [
        (entry.state.address, files[entry.state.file - 1], entry.state.line)
        for entry in table.get_entries()
        if entry.state and not entry.state.end_sequence
    ]
    text = program.section(".text")
    assert rows == [
        (entry.address, entry.file, entry.line)
        for entry in program.lines
        if text.address <= entry.address < text.end
    ]


def test_linux_runs_it(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(assemble_text(SOURCE).elf())
    path.chmod(0o755)
    try:
        done = subprocess.run([str(path)], check=False, timeout=10)
    except OSError as problem:
        pytest.skip(f"this machine does not run 32-bit programs: {problem}")
    assert done.returncode == 42


def test_same_source_same_bytes() -> None:
    assert assemble_text(SOURCE).elf() == assemble_text(SOURCE).elf()


def test_hello_assembles_quickly() -> None:
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        assemble(USERLAND / "hello.S", include=[USERLAND / "include"])
        best = min(best, time.perf_counter() - start)
    assert best < 0.05
