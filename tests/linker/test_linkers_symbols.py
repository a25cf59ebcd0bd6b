"""Symbols that a linker defines, in a program of one source, too: the values are ld's."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.userland.gnu_toolchain import needs_gnu
from userland.assembler import AssemblyError, assemble

_USES = """.globl _start
_start: movl $_edata, %eax
movl $__bss_start, %eax
movl $_end, %eax
movl $etext, %eax
movl $__init_array_start, %eax
movl $__executable_start, %eax
movl $__start_mine, %eax
movl $__stop_mine, %eax
.section mine, "a"
.byte 7
"""
_PARTS = (
    ".data\n.byte 1\n",
    ".bss\n.space 5\n",
    ".bss\n.balign 32\n.space 3\n",
    '.section foo, "aw"\n.byte 3\n',
    '.section .init_array, "aw", @init_array\n.long _start\n',
)


@needs_gnu
@pytest.mark.parametrize("constants", ["", ".section .rodata\n.byte 3\n"])
def test_ends_are_those_of_ld(constants: str, tmp_path: Path) -> None:
    source, thing, out = (tmp_path / name for name in ("x.s", "x.o", "x"))
    sets = (c for count in range(3) for c in itertools.combinations(_PARTS, count))
    for parts in sets:
        source.write_text(_USES + constants + "".join(parts))
        subprocess.run(["as", "--32", str(source), "-o", str(thing)], check=True)
        subprocess.run(["ld", "-m", "elf_i386", str(thing), "-o", str(out)], check=True)
        with out.open("rb") as file:
            theirs = ELFFile(file).get_section_by_name(".text").data()
        ours = next(s.data for s in assemble(source).sections if s.name == ".text")
        assert ours == theirs, parts


def test_the_ends_of_a_section_that_is_none_are_undefined(tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text(".globl _start\n_start: movl $__start_mine, %eax\nmovl $_end, %eax\n")
    with pytest.raises(AssemblyError, match="undefined symbol `__start_mine'"):
        assemble(source)
