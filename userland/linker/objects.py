"""A relocatable object (ET_REL for EM_386) as the linker works with it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from . import elf_types as elf
from .errors import LinkError


@dataclass
class Relocation:
    """`offset` in bytes into its section; `symbol` is the index in the object's symbol table."""

    offset: int
    kind: int
    symbol: int


@dataclass
class InputSection:
    """One section. `size` and `align` in bytes; `data` is empty for NOBITS. The linker adds where the
    section lies: `address`, linear, once it is `placed`; `dropped` ones are not in the output."""

    owner: str
    index: int
    name: str
    kind: int
    flags: int
    align: int
    size: int
    data: bytes
    entry_size: int
    relocations: list[Relocation] = field(default_factory=list)
    address: int = 0
    placed: bool = False
    dropped: bool = False

    @property
    def allocated(self) -> bool:
        """SHF_ALLOC: it is part of the program's memory."""
        return bool(self.flags & elf.SHF_ALLOC)


@dataclass
class InputSymbol:
    """One entry of a symbol table. `value` is an offset into its section, for SHN_COMMON an alignment,
    else absolute."""

    name: str
    value: int
    size: int
    binding: int
    kind: int
    visibility: int
    section: int


@dataclass
class InputObject:
    """`name` as messages have it: `main.o`, or `libx.a(member.o)`. `groups` are COMDAT: signature and
    the sections that stand or fall with it."""

    name: str
    sections: list[InputSection]
    symbols: list[InputSymbol]
    groups: list[tuple[str, list[int]]]

    def section_of(self, symbol: InputSymbol) -> InputSection | None:
        """The section a symbol lies in; None for absolute, common and undefined ones."""
        return self.sections[symbol.section] if 0 < symbol.section < len(self.sections) else None


def read_object(data: bytes, name: str) -> InputObject:
    """An i386 object file, taken apart. Raises LinkError for what is not a whole one."""
    try:
        return _read(data, name)
    except (struct.error, IndexError, ValueError) as error:
        raise LinkError(f"{name}: the object file is cut off or damaged ({error})") from None


def _read(data: bytes, name: str) -> InputObject:
    if data[:4] != b"\x7fELF":
        raise LinkError(f"{name}: not an ELF object file")
    if data[4:6] != b"\1\1" or struct.unpack_from("<H", data, 18)[0] != elf.EM_386:
        raise LinkError(
            f"{name}: an object file of another machine", "build it for 32 bits: as --32, gcc -m32"
        )
    if struct.unpack_from("<H", data, 16)[0] != elf.ET_REL:
        raise LinkError(f"{name}: linked already, not an object file")
    table, entry_size, count, names_at = (
        *struct.unpack_from("<I", data, 32), *struct.unpack_from("<3H", data, 46)
    )  # fmt: skip
    if entry_size != 40:
        raise LinkError(f"{name}: section headers of {entry_size} bytes, not 40")
    headers = [struct.unpack_from("<10I", data, table + 40 * i) for i in range(count)]
    sections: list[InputSection] = []
    names = _slice(data, headers[names_at]) if count else b""
    for index, header in enumerate(headers):
        body = b"" if header[1] in (elf.SHT_NULL, elf.SHT_NOBITS) else _slice(data, header)
        sections.append(
            InputSection(name, index, _string(names, header[0]), header[1], header[2],
                         max(header[8], 1), header[5], body, header[9])
        )  # fmt: skip
    symbols: list[InputSymbol] = []
    for header, section in zip(headers, sections, strict=True):
        if section.kind == elf.SHT_SYMTAB:
            symbols = _symbols(section.data, _slice(data, headers[header[6]]))
    for header, section in zip(headers, sections, strict=True):
        if section.kind == elf.SHT_REL:
            sections[header[7]].relocations += [
                Relocation(offset, info & 0xFF, info >> 8)
                for offset, info in struct.iter_unpack("<2I", section.data)
            ]
        elif section.kind == elf.SHT_RELA:
            raise LinkError(f"{name}: relocations with addends, which i386 objects do not have")
    for section in sections:
        for relocation in section.relocations:
            symbols[relocation.symbol]
    return InputObject(name, sections, symbols, _groups(headers, sections, symbols))


def _slice(data: bytes, header: tuple[int, ...]) -> bytes:
    start, size = header[4], header[5]
    if start + size > len(data):
        raise ValueError("a section lies behind the end of the file")
    return data[start : start + size]


def _string(table: bytes, offset: int) -> str:
    end = table.index(0, offset)
    return table[offset:end].decode("utf-8", "surrogateescape")


def _symbols(table: bytes, names: bytes) -> list[InputSymbol]:
    return [
        InputSymbol(
            _string(names, at) if at else "", value, size, info >> 4, info & 15, other & 3, section
        )
        for at, value, size, info, other, section in struct.iter_unpack("<3I2BH", table)
    ]


def _groups(
    headers: list[tuple[int, ...]], sections: list[InputSection], symbols: list[InputSymbol]
) -> list[tuple[str, list[int]]]:
    groups = []
    for header, section in zip(headers, sections, strict=True):
        if section.kind != elf.SHT_GROUP:
            continue
        words = [word for (word,) in struct.iter_unpack("<I", section.data)]
        signature = symbols[header[7]]
        name = signature.name or sections[signature.section].name
        if words and words[0] & elf.GRP_COMDAT:
            groups.append((name, words[1:]))
    return groups
