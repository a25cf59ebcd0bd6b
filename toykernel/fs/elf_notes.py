"""The notes of an ELF file (gABI, "Note Section"): what PT_NOTE points to."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PT_NOTE = 4


def elf_notes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The type, the name with its zero, and the contents of each note; one that is cut off ends them."""
    at = 0
    while at + 12 <= len(data):
        namesz, descsz, kind = struct.unpack_from("<3I", data, at)
        name, desc = at + 12, at + 12 + (namesz + 3 & ~3)
        at = desc + (descsz + 3 & ~3)
        if at > len(data):
            return
        yield kind, data[name : name + namesz], data[desc : desc + descsz]
