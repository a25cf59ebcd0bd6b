"""What an ELF file says of its source: symbols, and the line table of each of its units.

Decoding a line table takes long, and a run mostly asks for one address: so each unit is decoded on its own.
"""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from userland.assembler import LineEntry

SHF_ALLOC, SHF_EXECINSTR, PF_X = 2, 4, 1


class ElfDebug:
    """One file, loaded `bias` bytes above the addresses in it; those asked and told are the loaded ones."""

    def __init__(self, data: bytes, bias: int) -> None:
        self.data = data
        self._bias = bias
        self._near: dict[int, list[LineEntry]] = {}  # by the offset of a unit

    @cached_property
    def _elf(self) -> Any:
        from elftools.elf.elffile import ELFFile

        return ELFFile(io.BytesIO(self.data))

    def entry(self) -> int:
        """Where it begins."""
        return int(self._elf["e_entry"]) + self._bias

    def spans(self) -> list[tuple[int, int, bool]]:
        """Its sections, or segments: start, end, holds code."""
        spans = [
            (s["sh_addr"], s["sh_addr"] + s["sh_size"], bool(s["sh_flags"] & SHF_EXECINSTR))
            for s in self._elf.iter_sections()
            if s["sh_flags"] & SHF_ALLOC and s["sh_size"]
        ]
        if not spans:
            spans = [
                (s["p_vaddr"], s["p_vaddr"] + s["p_memsz"], bool(s["p_flags"] & PF_X))
                for s in self._elf.iter_segments()
                if s["p_type"] == "PT_LOAD"
            ]
        return [(start + self._bias, end + self._bias, code) for start, end, code in spans]

    def symbols(self) -> tuple[dict[str, int], dict[str, int]]:
        """Addresses, and absolute values, by name."""
        labels: dict[str, int] = {}
        constants: dict[str, int] = {}
        table = self._elf.get_section_by_name(".symtab")
        for symbol in table.iter_symbols() if table is not None else ():
            kind, section = symbol["st_info"]["type"], symbol["st_shndx"]
            if not symbol.name or section == "SHN_UNDEF" or kind in ("STT_FILE", "STT_SECTION"):
                continue
            if section == "SHN_ABS":
                constants[symbol.name] = symbol["st_value"]
            else:
                labels[symbol.name] = symbol["st_value"] + self._bias
        return labels, constants

    def lines(self) -> list[LineEntry]:
        """The whole line table."""
        return self._moved(_dwarf_lines(self._elf))

    def _moved(self, lines: list[LineEntry]) -> list[LineEntry]:
        return [replace(line, address=line.address + self._bias) for line in lines]

    @cached_property
    def _dwarf(self) -> tuple[Any, Any]:
        """The debugging data and its table of addresses; None for either that there is not."""
        if not self._elf.has_dwarf_info():
            return None, None
        info = self._elf.get_dwarf_info()
        return info, info.get_aranges()

    def lines_near(self, address: int) -> list[LineEntry]:
        """The entries of the unit that an address belongs to; all there are when the file does not tell."""
        try:
            info, ranges = self._dwarf
            if ranges is None:
                return [] if info is None else self._all
            offset = ranges.cu_offset_at_addr(address - self._bias)
            if offset is None:
                return []
            if offset not in self._near:
                self._near[offset] = self._moved(_unit_lines(info, info.get_CU_at(offset)))
            return self._near[offset]
        except Exception:  # whatever damaged debugging data raises: the program still runs
            return []

    @cached_property
    def _all(self) -> list[LineEntry]:
        return self.lines()


def elf_lines(data: bytes) -> list[LineEntry]:
    """The line table of an ELF executable; their `text` is empty."""
    from elftools.elf.elffile import ELFFile

    return _dwarf_lines(ELFFile(io.BytesIO(data)))


def _dwarf_lines(elf: Any) -> list[LineEntry]:
    """The line table of an ELF file, of any DWARF version that pyelftools reads."""
    if not elf.has_dwarf_info():
        return []
    found: list[LineEntry] = []
    try:
        info = elf.get_dwarf_info()
        for unit in info.iter_CUs():
            found += _unit_lines(info, unit)
    except Exception:  # whatever damaged debugging data raises: the program still runs
        return []
    return found


def _unit_lines(info: Any, unit: Any) -> list[LineEntry]:
    program = info.line_program_for_CU(unit)
    if program is None:
        return []
    folder = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    return _line_program(program, folder.value if folder else b"")


def _line_program(program: Any, folder: bytes) -> list[LineEntry]:
    names: dict[int, str] = {}
    version = program["version"]
    for index, row in enumerate(program["file_entry"], 0 if version >= 5 else 1):
        where = row["dir_index"]
        folders = program["include_directory"]
        at = where if version >= 5 else where - 1
        parent = folders[at] if 0 <= at < len(folders) and (where or version >= 5) else b""
        path = Path(
            folder.decode("utf-8", "surrogateescape"), parent.decode("utf-8", "surrogateescape")
        )
        names[index] = str(path / row["name"].decode("utf-8", "surrogateescape"))
    found = []
    previous = None
    for item in program.get_entries():
        state = item.state
        if state is None:
            continue
        if previous is not None and state.address > previous.address:
            found.append(
                LineEntry(
                    previous.address, state.address - previous.address,
                    names.get(previous.file, "?"), previous.line, "",
                )
            )  # fmt: skip
        previous = None if state.end_sequence else state
    return found
