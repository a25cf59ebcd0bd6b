"""The build id of a mapped ELF file: its note NT_GNU_BUILD_ID (lib/buildid.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.fs.elf_notes import PT_NOTE, elf_notes
from toykernel.fs.read_write import kernel_read
from toykernel.mm.mm_types import VmArea

if TYPE_CHECKING:
    from toykernel.state import Kernel

NT_GNU_BUILD_ID = 3
BUILD_ID_SIZE_MAX = 20
_MOST_HEADERS, _MOST_NOTES = 256, 1 << 16
#: By EI_CLASS: where e_phoff is and how wide, where e_phnum is; then of a program header its size, and the
#: places of p_offset and p_filesz.
_CLASSES = {
    1: ("<I", 28, 44, 32, 4, 16),
    2: ("<Q", 32, 56, 56, 8, 32),
}


def build_id_parse(k: Kernel, area: VmArea) -> bytes:
    """What the linker called the file of an area, at most 20 bytes; nothing where it has no such note."""
    mapping = area.mapping
    if mapping is None or mapping.host is None or mapping.contents is None:
        return b""
    host = mapping.host
    head = kernel_read(k, host, 0, 64)
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in _CLASSES:
        return b""
    word, at_table, at_count, size, at_offset, at_filesz = _CLASSES[head[4]]
    if len(head) < at_count + 2:
        return b""
    (table,) = struct.unpack_from(word, head, at_table)
    (count,) = struct.unpack_from("<H", head, at_count)
    headers = kernel_read(k, host, table, min(count, _MOST_HEADERS) * size)
    for at in range(0, len(headers) - size + 1, size):
        if struct.unpack_from("<I", headers, at) == (PT_NOTE,):
            (offset,) = struct.unpack_from(word, headers, at + at_offset)
            (length,) = struct.unpack_from(word, headers, at + at_filesz)
            if found := _note(kernel_read(k, host, offset, min(length, _MOST_NOTES))):
                return found
    return b""


def _note(notes: bytes) -> bytes:
    for kind, name, build_id in elf_notes(notes):
        if kind == NT_GNU_BUILD_ID and name == b"GNU\0" and 0 < len(build_id) <= BUILD_ID_SIZE_MAX:
            return build_id
    return b""
