"""The ELF32 writer: a static ET_EXEC for EM_386 (System V ABI, i386 supplement)."""

from __future__ import annotations

import struct
from dataclasses import field
from typing import TYPE_CHECKING, Final

from emu.record import dataclass

from .dwarf import debug_sections

if TYPE_CHECKING:
    from .program import Program

PAGE: Final = 0x1000
EHDR_SIZE: Final = 52
PHDR_SIZE: Final = 32
PT_LOAD, PT_GNU_STACK = 1, 0x6474E551
PF_X, PF_W, PF_R = 1, 2, 4
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 1, 2, 3, 8
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_ABS: Final = 0xFFF1
_SEGMENT_FLAGS: Final = {"rx": PF_R | PF_X, "r": PF_R, "rw": PF_R | PF_W, "rwx": PF_R | PF_W | PF_X}
_SECTION_FLAGS: Final = {
    "rx": SHF_ALLOC | SHF_EXECINSTR,
    "r": SHF_ALLOC,
    "rw": SHF_ALLOC | SHF_WRITE,
    "rwx": SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR,
}
_SYMBOL_KINDS: Final = {
    "notype": 0,
    "object": 1,
    "func": 2,
    "tls_object": 6,
    "gnu_indirect_function": 10,
}


@dataclass
class _Strings:
    """An ELF string table: NUL-terminated names, the empty one first."""

    data: bytearray = field(default_factory=lambda: bytearray(1))

    def add(self, text: str) -> int:
        """Offset of the string in the table."""
        if not text:
            return 0
        offset = len(self.data)
        self.data += text.encode("utf-8", "surrogateescape") + b"\0"
        return offset


@dataclass
class _Header:
    """One section header with its bytes."""

    name: str
    kind: int
    flags: int = 0
    address: int = 0
    data: bytes = b""
    size: int = 0
    link: int = 0
    info: int = 0
    align: int = 1
    entry_size: int = 0
    offset: int = 0


def _segments(program: Program) -> list[list[_Header]]:
    """Sections that share permissions and follow each other, as one segment each."""
    groups: list[list[_Header]] = []
    last = ""
    for section in program.sections:
        nobits = not section.data
        header = _Header(
            section.name, SHT_NOBITS if nobits else SHT_PROGBITS, _SECTION_FLAGS[section.flags],
            section.address, section.data, section.size, align=section.align,
        )  # fmt: skip
        joins = (
            groups
            and last == section.flags
            and section.address - (groups[-1][-1].address + groups[-1][-1].size) < PAGE
            and (nobits or groups[-1][-1].kind != SHT_NOBITS)
        )
        if joins:
            groups[-1].append(header)
        else:
            groups.append([header])
        last = section.flags
    return groups


def write_elf(program: Program) -> bytes:
    """The program as a static ELF32 executable: headers, segments, symbols, lines."""
    groups = _segments(program)
    first = groups[0][0].address if groups else 0
    # As GNU ld does: the page below the code maps the headers, so that AT_PHDR points to them.
    headers_at = first - PAGE if first % PAGE == 0 and first >= 2 * PAGE else 0
    count = len(groups) + 1 + bool(headers_at)
    out = bytearray(EHDR_SIZE + PHDR_SIZE * count)
    program_headers = bytearray()
    if headers_at:
        program_headers += struct.pack(
            "<8I", PT_LOAD, 0, headers_at, headers_at, len(out), len(out), PF_R, PAGE
        )
    headers = [_Header("", 0)]
    for group in groups:
        start = group[0].address
        out += bytes((start - len(out)) % PAGE)
        base = len(out)
        for header in group:
            header.offset = base + header.address - start
            if header.kind == SHT_PROGBITS:
                out += bytes(header.offset - len(out)) + header.data
            headers.append(header)
        file_size = len(out) - base
        memory_size = group[-1].address + group[-1].size - start
        flags = PF_R | (PF_X if group[0].flags & SHF_EXECINSTR else 0)
        flags |= PF_W if group[0].flags & SHF_WRITE else 0
        program_headers += struct.pack(
            "<8I", PT_LOAD, base, start, start, file_size, memory_size, flags, PAGE
        )
    stack = PF_R | PF_W | (PF_X if program.executable_stack else 0)
    program_headers += struct.pack("<8I", PT_GNU_STACK, 0, 0, 0, 0, 0, stack, 16)
    out[EHDR_SIZE : EHDR_SIZE + len(program_headers)] = program_headers

    headers += [
        _Header(name, SHT_PROGBITS, 0, 0, data, len(data)) for name, data in debug_sections(program)
    ]
    headers += _symbol_headers(program, headers)
    names = _Strings()
    headers.append(_Header(".shstrtab", SHT_STRTAB))
    offsets = [names.add(header.name) for header in headers]
    headers[-1].data, headers[-1].size = bytes(names.data), len(names.data)
    for header in headers[1:]:
        if header.flags & SHF_ALLOC:
            continue
        out += bytes(-len(out) % header.align)
        header.offset = len(out)
        out += header.data
    out += bytes(-len(out) % 4)
    table = len(out)
    for header, name in zip(headers, offsets, strict=True):
        out += struct.pack(
            "<10I", name, header.kind, header.flags, header.address, header.offset, header.size,
            header.link, header.info, 0 if header.kind == 0 else header.align, header.entry_size,
        )  # fmt: skip
    out[:EHDR_SIZE] = struct.pack(
        "<16s2H5I6H", b"\x7fELF\x01\x01\x01".ljust(16, b"\0"), 2, 3, 1, program.entry, EHDR_SIZE,
        table, 0, EHDR_SIZE, PHDR_SIZE, count, 40, len(headers), len(headers) - 1,
    )  # fmt: skip
    return bytes(out)


def _symbol_headers(program: Program, headers: list[_Header]) -> list[_Header]:
    strings = _Strings()
    numbers = {header.name: index for index, header in enumerate(headers) if index}
    ordered = sorted(program.symbols.values(), key=lambda symbol: (symbol.is_global, symbol.name))
    table = bytearray(16)
    for symbol in ordered:
        index = SHN_ABS if symbol.section is None else numbers.get(symbol.section, SHN_ABS)
        info = (symbol.is_global << 4) | _SYMBOL_KINDS[symbol.kind]
        name = strings.add(symbol.name)
        size = symbol.size & 0xFFFFFFFF
        table += struct.pack("<3I2BH", name, symbol.value, size, info, 0, index)
    first_global = 1 + sum(not symbol.is_global for symbol in ordered)
    return [
        _Header(
            ".symtab", SHT_SYMTAB, 0, 0, bytes(table), len(table), len(headers) + 1, first_global,
            align=4, entry_size=16,
        ),
        _Header(".strtab", SHT_STRTAB, 0, 0, bytes(strings.data), len(strings.data)),
    ]  # fmt: skip
