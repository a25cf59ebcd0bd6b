"""What one source assembles to before linking: sections, symbols and relocations, as in an ET_REL file.

`elf()` writes the file, and a linker takes that; nothing else is shared between the two.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from .program import LineEntry

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS, SHT_REL = 1, 2, 3, 7, 8, 9
SHT_INIT_ARRAY, SHT_FINI_ARRAY, SHT_PREINIT_ARRAY, SHT_GROUP = 14, 15, 16, 17
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_MERGE, SHF_STRINGS = 1, 2, 4, 0x10, 0x20
SHF_GROUP, SHF_TLS = 0x200, 0x400
SHN_UNDEF, SHN_ABS, SHN_COMMON = 0, 0xFFF1, 0xFFF2
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
VISIBILITIES: Final = {".internal": 1, ".hidden": 2, ".protected": 3}
KINDS: Final = {
    "notype": 0,
    "object": 1,
    "func": 2,
    "section": 3,
    "tls_object": 6,
    "gnu_indirect_function": 10,
}
#: Relocation types, System V ABI, i386 supplement, table 4.9, and GNU's.
R_386_32, R_386_PC32, R_386_GOT32, R_386_PLT32, R_386_GOTOFF, R_386_GOTPC = 1, 2, 3, 4, 9, 10
R_386_TLS_LE, R_386_16, R_386_PC16, R_386_8, R_386_PC8, R_386_TLS_LE_32 = 17, 20, 21, 22, 23, 34
R_386_TLS_IE, R_386_TLS_GOTIE, R_386_TLS_GD, R_386_TLS_LDM, R_386_TLS_LDO_32 = 15, 16, 18, 19, 32
R_386_TLS_IE_32, R_386_SIZE32, R_386_TLS_GOTDESC, R_386_GOT32X = 33, 38, 39, 43
R_386_TLS_DESC_CALL: Final = 40


@dataclass(frozen=True)
class ObjectRelocation:
    """A field `offset` bytes into its section, of i386 type `kind`; its addend is in the field.

    `symbol` is a name, or with `section` set that section's own symbol."""

    offset: int
    kind: int
    symbol: str
    section: bool = False


@dataclass
class ObjectSection:
    """`kind` is sh_type, `flags` sh_flags; `size`, `align` and `entry_size` in bytes, `data` is empty
    for NOBITS. `group` is the signature of the COMDAT group it belongs to."""

    name: str
    kind: int
    flags: int
    align: int
    size: int
    data: bytes
    entry_size: int = 0
    group: str | None = None
    relocations: list[ObjectRelocation] = field(default_factory=list)


@dataclass(frozen=True)
class ObjectSymbol:
    """`section` is a section's name, "" for a number, None for an undefined symbol; `common` ones have
    their alignment as `value`. `binding` is STB_*, `visibility` STV_*."""

    name: str
    section: str | None
    value: int
    size: int
    binding: int
    kind: str
    visibility: int = 0
    common: bool = False


@dataclass
class ObjectFile:
    """`lines` are what each section's bytes were written as: section name and an entry whose address is
    the offset in it. `executable_stack` when the source lacks .note.GNU-stack, or asks for it there."""

    source: str
    sections: list[ObjectSection]
    symbols: list[ObjectSymbol]
    lines: list[tuple[str, LineEntry]]
    executable_stack: bool

    def elf(self) -> bytes:
        """The object as an ET_REL file for EM_386."""
        return _Writer(self).run()


class _Writer:
    def __init__(self, item: ObjectFile) -> None:
        self.item = item
        self.headers: list[list[int]] = [[0] * 10]
        self.bodies: list[bytes] = [b""]
        self.names = bytearray(1)

    def add(self, name: str, kind: int, flags: int, body: bytes, align: int, entry: int = 0) -> int:
        self.headers.append([len(self.names), kind, flags, 0, 0, len(body), 0, 0, align, entry])
        self.names += name.encode("utf-8", "surrogateescape") + b"\0"
        self.bodies.append(body)
        return len(self.headers) - 1

    def run(self) -> bytes:
        item = self.item
        signatures: dict[str, list[int]] = {}
        groups = dict.fromkeys(s.group for s in item.sections if s.group is not None)
        group_index = {name: self.add(".group", SHT_GROUP, 0, b"", 4, 4) for name in groups}
        number: dict[str, int] = {}
        for section in item.sections:
            index = self.add(section.name, section.kind, section.flags | SHF_GROUP * bool(section.group),
                             section.data, section.align, section.entry_size)  # fmt: skip
            self.headers[index][5] = section.size
            number[section.name] = index
            if section.group is not None:
                signatures.setdefault(section.group, []).append(index)
        table, strings, symbols, first_global = self._symbols(number)
        relocated = [section for section in item.sections if section.relocations]
        symtab = len(self.headers) + len(relocated)
        for section in relocated:
            body = b"".join(
                struct.pack(
                    "<2I",
                    r.offset,
                    (symbols["\0" + r.symbol if r.section else r.symbol] if r.symbol else 0) << 8
                    | r.kind,
                )
                for r in section.relocations
            )
            index = self.add(".rel" + section.name, SHT_REL, 0x40, body, 4, 8)
            self.headers[index][6:8] = [symtab, number[section.name]]
            if section.group is not None:
                self.headers[index][2] |= SHF_GROUP
                signatures[section.group].append(index)
        for name, index in group_index.items():
            self.bodies[index] = struct.pack(f"<{1 + len(signatures[name])}I", 1, *signatures[name])
            self.headers[index][5] = len(self.bodies[index])
            self.headers[index][6:8] = [symtab, symbols[name]]
        assert self.add(".symtab", SHT_SYMTAB, 0, table, 4, 16) == symtab
        self.headers[symtab][6:8] = [symtab + 1, first_global]
        self.add(".strtab", SHT_STRTAB, 0, strings, 1)
        self.add(".shstrtab", SHT_STRTAB, 0, b"", 1)
        self.bodies[-1] = bytes(self.names)
        self.headers[-1][5] = len(self.names)
        return self._file()

    def _symbols(self, number: dict[str, int]) -> tuple[bytes, bytes, dict[str, int], int]:
        table, strings = bytearray(16), bytearray(1)
        index: dict[str, int] = {}
        for section, at in number.items():
            index["\0" + section] = len(table) // 16
            table += struct.pack("<3I2BH", 0, 0, 0, 3, 0, at)
        ordered = sorted(self.item.symbols, key=lambda symbol: symbol.binding != STB_LOCAL)
        first_global = len(table) // 16 + sum(s.binding == STB_LOCAL for s in ordered)
        for symbol in ordered:
            index[symbol.name] = len(table) // 16
            if symbol.common:
                home = SHN_COMMON
            elif symbol.section is None:
                home = SHN_UNDEF
            else:
                home = number[symbol.section] if symbol.section else SHN_ABS
            table += struct.pack(
                "<3I2BH", len(strings), symbol.value & 0xFFFFFFFF, symbol.size & 0xFFFFFFFF,
                symbol.binding << 4 | KINDS[symbol.kind], symbol.visibility, home,
            )  # fmt: skip
            strings += symbol.name.encode("utf-8", "surrogateescape") + b"\0"
        return bytes(table), bytes(strings), index, first_global

    def _file(self) -> bytes:
        out = bytearray(52)
        for header, body in zip(self.headers[1:], self.bodies[1:], strict=True):
            out += bytes(-len(out) % max(min(header[8], 4096), 1))
            header[4] = len(out)
            out += body
        out += bytes(-len(out) % 4)
        place = len(out)
        for header in self.headers:
            out += struct.pack("<10I", *header)
        out[:52] = struct.pack(
            "<16s2H5I6H", b"\x7fELF\x01\x01\x01".ljust(16, b"\0"), 1, 3, 1, 0, 0, place, 0, 52, 0, 0,
            40, len(self.headers), len(self.headers) - 1,
        )  # fmt: skip
        return bytes(out)
