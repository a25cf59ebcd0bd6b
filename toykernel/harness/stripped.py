"""An executable without its debug sections, as `strip -g` leaves one.

They hold the paths of sources and of the folder of include files. The guest's copy goes without them, so that
its size, its headers and with them the guest's RAM do not depend on where anything lies on the host.
"""

from __future__ import annotations

import struct

_EHDR, _SHDR = 52, struct.Struct("<10I")
_SYMBOL = struct.Struct("<3I2BH")
_SHT_SYMTAB, _SHT_NOBITS, _SHF_ALLOC = 2, 8, 2
_RESERVED = 0xFF00  # SHN_LORESERVE
_DEBUG = (b".debug", b".zdebug", b".line", b".stab", b".gdb_index")


def without_debug(elf: bytes) -> bytes:
    """The same segments, sections and symbols; the file itself where it has no debug sections."""
    (table,) = struct.unpack_from("<I", elf, 32)
    size, count, names_at = struct.unpack_from("<3H", elf, 46)
    if not table or size != _SHDR.size or names_at >= count or table + size * count > len(elf):
        return elf
    headers = [list(_SHDR.unpack_from(elf, table + size * n)) for n in range(count)]
    dropped = {
        n for n, h in enumerate(headers)
        if not h[2] & _SHF_ALLOC and _name(elf, headers[names_at], h[0]).startswith(_DEBUG)
    }  # fmt: skip
    if not dropped:
        return elf
    kept = [n for n in range(count) if n not in dropped]
    new_number = {old: new for new, old in enumerate(kept)}
    out = bytearray(elf[: _end_of_segments(elf)])
    for number in kept[1:]:
        header = headers[number]
        _, kind, flags, _, offset, length, link, _, align, _ = header
        header[6] = new_number.get(link, 0)
        if flags & _SHF_ALLOC or kind == _SHT_NOBITS:
            continue
        data = elf[offset : offset + length]
        out += bytes(-len(out) % max(align, 1))
        header[4] = len(out)
        out += _renumbered(data, new_number) if kind == _SHT_SYMTAB else data
    out += bytes(-len(out) % 4)
    struct.pack_into("<I", out, 32, len(out))
    struct.pack_into("<2H", out, 48, len(kept), new_number[names_at])
    for number in kept:
        out += _SHDR.pack(*headers[number])
    return bytes(out)


def _name(elf: bytes, strings: list[int], at: int) -> bytes:
    start = strings[4] + at
    return elf[start : elf.find(b"\0", start)]


def _end_of_segments(elf: bytes) -> int:
    """Behind the headers, and what is loaded."""
    (at,) = struct.unpack_from("<I", elf, 28)
    (count,) = struct.unpack_from("<H", elf, 44)
    ends: list[int] = [_EHDR, at + 32 * count]
    for n in range(count):
        _, offset, _, _, length = struct.unpack_from("<5I", elf, at + 32 * n)
        ends.append(offset + length)
    return max(ends)


def _renumbered(symbols: bytes, new_number: dict[int, int]) -> bytes:
    """A symbol table in which sections have other numbers; a section's own symbol goes to none with it."""
    return b"".join(
        _SYMBOL.pack(*fields[:5], section if section >= _RESERVED else new_number.get(section, 0))
        for *fields, section in _SYMBOL.iter_unpack(symbols)
    )
