"""Where the memory operands of an instruction lie that has been stopped at."""

from __future__ import annotations

from emu.engine_quirks import FIELD
from emu.registers import RegisterFile
from emu.timing.decode import (
    AT_BIT,
    AT_EBP,
    AT_EDI,
    AT_ESI,
    AT_MODRM,
    AT_POP,
    AT_PUSH,
    SEGMENTS,
    Access,
    Decoded,
    decode,
)
from emu.timing.instruction_bytes import NO_REGISTER

_WORD = 0xFFFFFFFF
_BY_REGISTER = {AT_POP: "esp", AT_EBP: "ebp", AT_ESI: "esi", AT_EDI: "edi"}
_BY_SEGMENT = {AT_PUSH: "ss", AT_POP: "ss", AT_EBP: "ss", AT_EDI: "es"}


def operands(code: bytes, cpu: RegisterFile) -> list[tuple[Access, str, int]]:
    """(use and size, segment, offset in it) of each; none of an instruction that the i486 does not have.

    Of a string instruction, those of the element that comes next.
    """
    d = decode(code)
    if d is None:
        return []
    return [
        (access, _BY_SEGMENT.get(access.where, SEGMENTS[d.segment]), _offset(d, access, cpu))
        for access in d.accesses
        if access.where in _BY_REGISTER or access.where in (AT_MODRM, AT_PUSH, AT_BIT)
    ]


def linear_of(segment: str, offset: int, cpu: RegisterFile) -> int:
    """The linear address of an offset in a segment, modulo 2**32; the limit is not checked."""
    base: int = cpu.regs[FIELD[f"{segment}_base"]]
    return base + offset & _WORD


def _offset(d: Decoded, access: Access, cpu: RegisterFile) -> int:
    mask = 0xFFFF if d.address16 else _WORD
    if access.where == AT_PUSH:
        pushed: int = cpu.esp - access.size
        return pushed & _WORD
    if access.where in _BY_REGISTER:
        pointer: int = cpu.regs[FIELD[_BY_REGISTER[access.where]]]
        return pointer & mask
    offset = d.displacement
    if d.base != NO_REGISTER:
        offset += cpu.regs[d.base]
    if d.index != NO_REGISTER:
        offset += cpu.regs[d.index] * d.scale
    if access.where == AT_BIT:
        bits = 8 * access.size
        number = cpu.regs[d.control] & (1 << bits) - 1
        number -= (number >> bits - 1) << bits
        offset += number // bits * access.size
    return offset & mask
