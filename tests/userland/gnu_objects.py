"""Objects of ours and of GNU as beside each other: sections, bytes, relocations, symbols that others see."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

from userland.assembler import assemble_object

_WIDTHS = {20: 2, 21: 2, 22: 1, 23: 1}
_NAMED = (3, 43)  # GOT32, GOT32X: the symbol has the slot, not its address
# What some distributions let as add; gas's line table, for which we have another way.
_APART = (".note.gnu.property", ".debug_line", ".debug_line_str")
_ADMINISTRATIVE = ("SHT_NULL", "SHT_SYMTAB", "SHT_STRTAB", "SHT_REL", "SHT_GROUP")


def contents(data: bytes) -> dict[str, Any]:
    """By section: type, flags, size, alignment, entry size, bytes with empty fields, relocations (offset,
    type, global name or section, what is added). Under "" the global symbols."""
    elf = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(".symtab")
    symbols = list(table.iter_symbols()) if table else []
    names = {index: section.name for index, section in enumerate(elf.iter_sections())}
    out: dict[str, Any] = {}
    for section in elf.iter_sections():
        if section["sh_type"] in _ADMINISTRATIVE or not section["sh_size"]:
            continue
        if section.name in _APART:
            continue
        body = bytearray() if section["sh_type"] == "SHT_NOBITS" else bytearray(section.data())
        out[section.name] = [
            section["sh_type"], section["sh_flags"], section["sh_size"], section["sh_addralign"],
            section["sh_entsize"], body, [],
        ]  # fmt: skip
    for section in elf.iter_sections():
        if not isinstance(section, RelocationSection):
            continue
        target = out.get(names[section["sh_info"]])
        if target is None:
            continue
        for item in section.iter_relocations():
            kind, at = item["r_info_type"], item["r_offset"]
            width = _WIDTHS.get(kind, 4)
            symbol = symbols[item["r_info_sym"]]
            added = int.from_bytes(target[5][at : at + width], "little")
            target[5][at : at + width] = bytes(width)
            who = symbol.name
            if symbol["st_info"]["bind"] == "STB_LOCAL" and kind not in _NAMED:
                added = added + symbol["st_value"] & (1 << 8 * width) - 1
                who = f"section {names.get(symbol['st_shndx'])}"
            target[6].append((at, kind, who, added))
        target[6].sort()
    out[""] = sorted(
        (s.name, s["st_info"]["bind"], s["st_info"]["type"], s["st_other"]["visibility"],
         names.get(s["st_shndx"], s["st_shndx"]), s["st_value"], s["st_size"])
        for s in symbols if s["st_info"]["bind"] != "STB_LOCAL"
    )  # fmt: skip
    return out


def same_object(source: Path, folder: Path) -> bytes:
    """Our object of a source; fail unless GNU as makes the same."""
    theirs = folder / "gnu.o"
    subprocess.run(
        ["as", "--32", str(source), "-o", str(theirs)], check=True, capture_output=True, text=True
    )
    ours = assemble_object(source).elf()
    assert contents(ours) == contents(theirs.read_bytes())
    return ours
