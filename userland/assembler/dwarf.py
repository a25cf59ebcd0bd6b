"""The line table as DWARF 2, so that gdb and other readers show source lines."""

from __future__ import annotations

import struct
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from .leb import signed, unsigned

if TYPE_CHECKING:
    from .program import LineEntry, Program

DW_TAG_COMPILE_UNIT: Final = 0x11
DW_AT_NAME, DW_AT_STMT_LIST, DW_AT_LOW_PC, DW_AT_HIGH_PC = 0x03, 0x10, 0x11, 0x12
DW_AT_PRODUCER, DW_AT_LANGUAGE = 0x25, 0x13
DW_FORM_ADDR, DW_FORM_DATA2, DW_FORM_DATA4, DW_FORM_STRING = 0x01, 0x05, 0x06, 0x08
DW_LANG_MIPS_ASSEMBLER: Final = 0x8001
DW_LNS_COPY, DW_LNS_ADVANCE_PC, DW_LNS_ADVANCE_LINE, DW_LNS_SET_FILE = 1, 2, 3, 4
DW_LNE_END_SEQUENCE, DW_LNE_SET_ADDRESS = 1, 2
OPCODE_BASE: Final = 10
STANDARD_LENGTHS: Final = bytes([0, 1, 1, 1, 1, 0, 0, 0, 1])
_ATTRIBUTES: Final = (
    (DW_AT_STMT_LIST, DW_FORM_DATA4),
    (DW_AT_LOW_PC, DW_FORM_ADDR),
    (DW_AT_HIGH_PC, DW_FORM_ADDR),
    (DW_AT_NAME, DW_FORM_STRING),
    (DW_AT_PRODUCER, DW_FORM_STRING),
    (DW_AT_LANGUAGE, DW_FORM_DATA2),
)
ABBREVIATION: Final = bytes(
    [1, DW_TAG_COMPILE_UNIT, 0, *(number for pair in _ATTRIBUTES for number in pair), 0, 0, 0]
)
#: Where a unit of .debug_info has the offset of its abbreviations, that of its lines, and two addresses.
UNIT_ADDRESSES: Final = (6, 12, 16, 20)
SET_ADDRESS: Final = bytes([0, 5, DW_LNE_SET_ADDRESS])


def _string(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape").replace(b"\0", b"?") + b"\0"


def _sequence(entries: list[LineEntry], files: dict[str, int], end: int) -> bytes:
    out = bytearray(SET_ADDRESS + struct.pack("<I", entries[0].address))
    address, line, file = entries[0].address, 1, 1
    for entry in entries:
        if files[entry.file] != file:
            file = files[entry.file]
            out += bytes([DW_LNS_SET_FILE]) + unsigned(file)
        if entry.line != line:
            out += bytes([DW_LNS_ADVANCE_LINE]) + signed(entry.line - line)
            line = entry.line
        if entry.address != address:
            out += bytes([DW_LNS_ADVANCE_PC]) + unsigned(entry.address - address)
            address = entry.address
        out.append(DW_LNS_COPY)
    out += bytes([DW_LNS_ADVANCE_PC]) + unsigned(end - address)
    return bytes(out) + bytes([0, 1, DW_LNE_END_SEQUENCE])


def _stretches(entries: list[LineEntry]) -> list[tuple[int, list[LineEntry]]]:
    """Entries that follow each other without a gap, and where they end."""
    found: list[tuple[int, list[LineEntry]]] = []
    for entry in entries:
        end = entry.address + entry.length
        if found and found[-1][0] == entry.address:
            found[-1] = (end, [*found[-1][1], entry])
        else:
            found.append((end, [entry]))
    return found


def debug_sections(program: Program) -> list[tuple[str, bytes]]:
    """.debug_line, .debug_info and .debug_abbrev for the program's code, behind what came with objects."""
    given = dict(program.debug)
    code = [section for section in program.sections if section.flags == "rx"]
    by_section: list[tuple[int, list[LineEntry]]] = []  # with the end of the code
    for section in code:
        entries = [e for e in program.lines if section.address <= e.address < section.end]
        if given:  # the code of objects lies between, and has lines of its own
            by_section += _stretches([e for e in entries if e.text])
        elif entries:
            by_section.append((section.end, entries))
    if not by_section:
        return list(given.items())
    low = min(entries[0].address for _, entries in by_section)
    high = max(end for end, _ in by_section)
    at = len(given.get(".debug_line", b"")), len(given.get(".debug_abbrev", b""))
    own = {
        ".debug_line": line_unit(by_section),
        ".debug_info": info_unit(program.source, low, high, *at),
        ".debug_abbrev": ABBREVIATION,
    }
    return [(name, given.get(name, b"") + own.get(name, b"")) for name in {**own, **given}]


def line_unit(stretches: list[tuple[int, list[LineEntry]]]) -> bytes:
    """A unit of .debug_line; with each stretch of entries the address where its code ends."""
    names = dict.fromkeys(entry.file for _, entries in stretches for entry in entries)
    files = {name: number for number, name in enumerate(names, 1)}
    tables = b"\0" + b"".join(_string(name) + b"\0\0\0" for name in files) + b"\0"
    header = bytes([1, 1]) + struct.pack("<bBB", -5, 14, OPCODE_BASE) + STANDARD_LENGTHS + tables
    body = b"".join(_sequence(entries, files, end) for end, entries in stretches)
    unit = struct.pack("<HI", 2, len(header)) + header + body
    return struct.pack("<I", len(unit)) + unit


def info_unit(source: str, low: int, high: int, line: int, abbreviation: int) -> bytes:
    """A unit of .debug_info: code from `low` to `high`, and where its other parts begin."""
    unit = struct.pack("<HIBB3I", 2, abbreviation, 4, 1, line, low, high)
    unit += _string(str(PurePath(source))) + _string("userland.assembler")
    unit += struct.pack("<H", DW_LANG_MIPS_ASSEMBLER)
    return struct.pack("<I", len(unit)) + unit
