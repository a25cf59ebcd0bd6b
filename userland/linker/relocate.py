"""Relocation by the i386 supplement, and the shortening of GOT accesses that ld does in static programs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Container
from dataclasses import dataclass

from . import elf_types as elf
from . import tls
from .errors import LinkError
from .objects import InputObject, InputSection, InputSymbol, Relocation

_MASK = 0xFFFFFFFF


@dataclass
class Addresses:
    """Where things lie, linear: the GOT's base (_GLOBAL_OFFSET_TABLE_), the slot of each symbol that
    needs one, and the end of the thread-local template, from which offsets count."""

    symbol: Callable[
        [InputObject, InputSymbol, int], tuple[int, int]
    ]  # (address, remaining addend)
    got_base: int
    slot: Callable[[InputObject, InputSymbol], int]
    tls_end: int
    tls_start: int
    size: Callable[[InputObject, InputSymbol], int]  # a symbol's size in bytes


def relocate(item: InputObject, section: InputSection, addresses: Addresses) -> bytearray:
    """The section's bytes at its address. Raises LinkError for a value that does not fit."""
    data = bytearray(section.data)
    done = tls.skipped(section.relocations)
    for index, relocation in enumerate(section.relocations):
        if relocation.kind in tls.RELAXED:
            symbol = item.symbols[relocation.symbol]
            address, _ = addresses.symbol(item, symbol, 0)
            tls.to_local_exec(item.name, section, data, relocation, addresses.tls_end - address)
        elif relocation.kind != elf.R_386_NONE and index not in done:
            _apply(item, section, data, relocation, addresses)
    return data


def _apply(
    item: InputObject,
    section: InputSection,
    data: bytearray,
    relocation: Relocation,
    where: Addresses,
) -> None:
    kind, at = relocation.kind, relocation.offset
    symbol = item.symbols[relocation.symbol]
    width = {elf.R_386_16: 2, elf.R_386_PC16: 2, elf.R_386_8: 1, elf.R_386_PC8: 1}.get(kind, 4)
    if at + width > len(data):
        raise LinkError(f"{item.name}: a relocation lies outside {section.name}")
    addend = int.from_bytes(data[at : at + width], "little", signed=True)
    if kind == elf.R_386_GOT32X and not addend and shortened(data, at):
        kind, at = _shorten(data, at)
        addend = -4 if kind == elf.R_386_PC32 else 0
    address, addend = where.symbol(item, symbol, addend)
    place = section.address + at
    executable = bool(
        section.flags & elf.SHF_EXECINSTR
    )  # else it is a debugger's: from the block's start
    match kind:
        case elf.R_386_32 | elf.R_386_16 | elf.R_386_8:
            value = address + addend
        case elf.R_386_PC32 | elf.R_386_PLT32 | elf.R_386_PC16 | elf.R_386_PC8:
            value = address + addend - place
        case elf.R_386_GOTOFF:
            value = address + addend - where.got_base
        case elf.R_386_GOTPC:
            value = where.got_base + addend - place
        case elf.R_386_GOT32 | elf.R_386_GOT32X:
            value = where.slot(item, symbol) + addend
            value -= 0 if _baseless(data, at) else where.got_base
        case elf.R_386_TLS_LE:
            value = address + addend - where.tls_end
        case elf.R_386_TLS_LE_32:
            value = where.tls_end - address + addend
        case elf.R_386_TLS_LDO_32:
            value = address + addend - (where.tls_end if executable else where.tls_start)
        case elf.R_386_SIZE32:
            value = where.size(item, symbol) + addend
        case _:
            name = elf.RELOCATION_NAMES.get(kind, f"type {kind}")
            raise LinkError(
                f"{item.name}: relocation {name} against `{symbol.name}' in {section.name}, which a static "
                "program has no use for",
                "compile with -fno-pic, or link with GNU ld",
            )
    if width < 4:
        low = -(1 << 8 * width - 1)
        relative = kind in (elf.R_386_PC16, elf.R_386_PC8)
        signed = (value + (1 << 31) & _MASK) - (1 << 31)
        if not low <= signed < (-low if relative else 1 << 8 * width):
            raise LinkError(
                f"{item.name}: `{symbol.name}' is {value & _MASK:#x}, which does not fit into {width} byte"
                f"{'s' * (width > 1)} of {section.name} at offset {at:#x}"
            )
    data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")


def _baseless(data: bytearray, at: int) -> bool:
    """`foo@GOT` without a base register: the slot's address itself."""
    return at >= 1 and data[at - 1] & 0xC7 == 0x05


def shortened(data: bytes | bytearray, at: int) -> bool:
    """Whether an access through the GOT becomes one without: mov, test, a binary operation, call, jmp."""
    if at < 2:
        return False
    opcode, modrm = data[at - 2], data[at - 1]
    if opcode == 0xFF:
        return modrm & 0x38 in (0x10, 0x20) and modrm & 0xC0 != 0xC0
    return opcode in (0x8B, 0x85) or opcode & 0xC7 == 0x03


def _shorten(data: bytearray, at: int) -> tuple[int, int]:
    """Rewrite the instruction; the new relocation's type and offset (bfd, elf_i386_convert_load_reloc)."""
    opcode, modrm = data[at - 2], data[at - 1]
    if opcode == 0xFF:
        if modrm & 0x38 == 0x10:  # call *foo@GOT: addr32 call foo
            data[at - 2 : at] = b"\x67\xe8"
            return elf.R_386_PC32, at
        data[at - 2] = 0xE9  # jmp *foo@GOT: jmp foo; nop
        data[at + 3] = 0x90
        return elf.R_386_PC32, at - 1
    register = modrm >> 3 & 7
    if opcode == 0x8B:
        data[at - 2 : at] = bytes((0xC7, 0xC0 | register))
    elif opcode == 0x85:
        data[at - 2 : at] = bytes((0xF7, 0xC0 | register))
    else:
        data[at - 2 : at] = bytes((0x81, 0xC0 | register | opcode & 0x38))
    return elf.R_386_32, at


def slot_users(item: InputObject, section: InputSection, known: Container[str]) -> list[int]:
    """Indices of the symbols that need a slot in the GOT. Of a call of ___tls_get_addr that goes, ld only
    drops the slot when there is such a function among the `known` names."""
    data = section.data
    rewritten = tls.skipped(section.relocations)
    return [
        r.symbol
        for index, r in enumerate(section.relocations)
        if r.kind == elf.R_386_GOT32
        or (
            r.kind == elf.R_386_GOT32X
            and (
                struct.unpack_from("<I", data, r.offset)[0]
                or not shortened(data, r.offset)
                or (index in rewritten and item.symbols[r.symbol].name not in known)
            )
        )
    ]
