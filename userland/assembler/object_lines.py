"""The line table of an object that somebody else links."""

from __future__ import annotations

import struct

from .dwarf import ABBREVIATION, SET_ADDRESS, UNIT_ADDRESSES, info_unit, line_unit
from .objects import (
    R_386_32,
    SHF_EXECINSTR,
    SHT_PROGBITS,
    ObjectFile,
    ObjectRelocation,
    ObjectSection,
)


def object_sections(item: ObjectFile) -> list[ObjectSection]:
    """.debug_line, .debug_info and .debug_abbrev for an object, with a unit for each of its sections of
    code; none when its source has tables of its own.
    """
    if any(section.name == ".debug_line" for section in item.sections):
        return []
    line, info, by_line, by_info = bytearray(), bytearray(), [], []
    for section in item.sections:
        entries = [entry for name, entry in item.lines if name == section.name]
        if not section.flags & SHF_EXECINSTR or not entries:
            continue
        entries.sort(key=lambda entry: entry.address)
        table = line_unit([(section.size, entries)])
        first = 10 + struct.unpack_from("<I", table, 6)[0] + len(SET_ADDRESS)  # behind the header
        by_line.append(ObjectRelocation(len(line) + first, R_386_32, section.name, section=True))
        targets = (".debug_abbrev", ".debug_line", section.name, section.name)
        by_info += [
            ObjectRelocation(len(info) + at, R_386_32, target, section=True)
            for at, target in zip(UNIT_ADDRESSES, targets, strict=True)
        ]
        info += info_unit(item.source, entries[0].address, section.size, len(line), 0)
        line += table
    if not line:
        return []
    return [
        ObjectSection(name, SHT_PROGBITS, 0, 1, len(data), bytes(data), relocations=relocations)
        for name, data, relocations in (
            (".debug_line", line, by_line),
            (".debug_info", info, by_info),
            (".debug_abbrev", ABBREVIATION, []),
        )
    ]
