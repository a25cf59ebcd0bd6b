"""GNU as and ld as the independent judge of the assembler's bytes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from userland.assembler import Program

needs_gnu = pytest.mark.skipif(
    not (shutil.which("as") and shutil.which("ld")), reason="GNU as and ld are not installed"
)


def refusals(source: Path, include: Sequence[Path] = ()) -> dict[int, str]:
    """What GNU as says about each line that it refuses."""
    done = subprocess.run(
        ["as", "--32", *(f"-I{folder}" for folder in include), str(source), "-o", "/dev/null"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.findall(r":(\d+): (?:Error|Fatal error): (.*)", done.stderr)
    return {int(line): message for line, message in found}


def link(source: Path, program: Program, folder: Path, include: Sequence[Path] = ()) -> ELFFile:
    """The source assembled by GNU as and linked at the program's addresses."""
    thing, script, out = folder / "gnu.o", folder / "gnu.ld", folder / "gnu.elf"
    subprocess.run(
        ["as", "--32", *(f"-I{folder}" for folder in include), str(source), "-o", str(thing)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    placed = "\n".join(
        f"{s.name} {s.address:#x} : {{ *({s.name}) {'*(COMMON)' if s.name == '.bss' else ''} }}"
        for s in program.sections
    )
    script.write_text(f"SECTIONS {{\n{placed}\n/DISCARD/ : {{ *(.note*) }}\n}}\n")
    subprocess.run(
        ["ld", "-m", "elf_i386", "-T", str(script), "-e", f"{program.entry:#x}", "--no-warn-mismatch",
         str(thing), "-o", str(out)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return ELFFile(out.open("rb"))


def compare(source: Path, program: Program, folder: Path, include: Sequence[Path] = ()) -> None:
    """Fail, naming the first differing statement, unless all sections and symbols agree."""
    elf = link(source, program, folder, include)
    for section in program.sections:
        theirs = elf.get_section_by_name(section.name)
        assert theirs is not None, section.name
        assert theirs["sh_addr"] == section.address
        assert theirs["sh_size"] == section.size, f"{section.name}: size"
        if not section.data:
            assert theirs["sh_type"] == "SHT_NOBITS"
            continue
        data = theirs.data()
        if data != section.data:
            at = next(i for i, (a, b) in enumerate(zip(data, section.data, strict=True)) if a != b)
            entry = program.line_at(section.address + at)
            where = f"{entry.file}:{entry.line}: {entry.text}" if entry else "padding"
            first = entry.address - section.address if entry else at
            length = entry.length if entry else 8
            pytest.fail(
                f"{section.name}+{at:#x} {where}: GNU {data[first : first + length].hex()}, "
                f"ours {section.data[first : first + length].hex()}"
            )
    table = elf.get_section_by_name(".symtab")
    theirs_by_name = {symbol.name: symbol for symbol in table.iter_symbols()}
    for name, symbol in program.symbols.items():
        if name in theirs_by_name:
            assert theirs_by_name[name]["st_value"] == symbol.value, name
            bind = theirs_by_name[name]["st_info"]["bind"]
            assert (bind == "STB_GLOBAL") == symbol.is_global, name
