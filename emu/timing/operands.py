"""Where the operands of an instruction lie, and what they hold, asked of the CPU before it executes."""

from __future__ import annotations

from typing import Protocol

from emu.timing.cost import ADDRESS16, IMMEDIATE_MULTIPLIER, MEMORY_SOURCE, SIGNED, Cost
from emu.timing.decode import AT_BIT, AT_EBP, AT_EDI, AT_ESI, AT_POP, AT_PUSH, AT_XLAT, Access
from emu.timing.instruction_bytes import NO_REGISTER

_WORD = 0xFFFFFFFF
_EAX, _ECX, _EBX, _ESP, _EBP, _ESI, _EDI = 0, 1, 3, 4, 5, 6, 7
_ES, _SS = 0, 2
_FLAG_CF, _FLAG_PF, _FLAG_ZF, _FLAG_SF, _FLAG_OF = 1, 4, 0x40, 0x80, 0x800


class Processor(Protocol):
    """What the model asks of the CPU and its memory, as they are between two instructions."""

    def register(self, number: int) -> int:
        """A general register, 0 = EAX ... 7 = EDI."""

    def flags(self) -> int:
        """EFLAGS."""

    def segment_base(self, number: int) -> int:
        """Base of ES CS SS DS FS GS, 0 to 5."""

    def cpl(self) -> int:
        """Current privilege level."""

    def tables(self) -> tuple[int, int]:
        """Bases of the GDT and the LDT."""

    def paging(self) -> tuple[bool, int, bool]:
        """(CR0.PG, directory's physical address, CR4.PSE)."""

    def extra(self) -> int:
        """Clocks so far that no instruction accounts for."""

    def read_physical(self, address: int) -> int | None:
        """A 32-bit word of RAM; None outside it."""

    def read_linear(self, address: int, size: int) -> int | None:
        """An unsigned number of 1, 2 or 4 bytes; None where nothing is mapped."""


def condition(flags: int, code: int) -> bool:
    """Whether a condition code (the low four bits of Jcc, SETcc) holds."""
    cf, zf = bool(flags & _FLAG_CF), bool(flags & _FLAG_ZF)
    sf, of, pf = bool(flags & _FLAG_SF), bool(flags & _FLAG_OF), bool(flags & _FLAG_PF)
    found = (of, cf, zf, cf or zf, sf, pf, sf != of, zf or sf != of)[code >> 1]
    return found != bool(code & 1)


def count_mask(cost: Cost) -> int:
    return 0xFFFF if cost.flags & ADDRESS16 else _WORD


def rep_count(cpu: Processor, cost: Cost) -> int:
    return cpu.register(_ECX) & count_mask(cost)


def source(cpu: Processor, cost: Cost) -> int:
    """The r/m operand, unsigned."""
    d = cost.decoded
    if cost.flags & MEMORY_SOURCE:
        found = cpu.read_linear(effective_address(cpu, cost), d.size)
        return found or 0
    if d.size == 1:
        value = cpu.register(d.source & 3)
        return (value >> 8 if d.source & 4 else value) & 0xFF
    return cpu.register(d.source) & (1 << 8 * d.size) - 1


def multiplier(cpu: Processor, cost: Cost) -> int:
    d = cost.decoded
    if cost.flags & IMMEDIATE_MULTIPLIER:
        return d.immediate
    value = source(cpu, cost)
    if cost.flags & SIGNED and value >> 8 * d.size - 1:
        value -= 1 << 8 * d.size
    return value


def stack(cpu: Processor, offset: int) -> int:
    return cpu.segment_base(_SS) + cpu.register(_ESP) + offset & _WORD


def descriptor(cpu: Processor, selector: int) -> int:
    tables = cpu.tables()
    return tables[selector >> 2 & 1] + (selector & 0xFFF8) & _WORD


def effective_address(cpu: Processor, cost: Cost) -> int:
    d = cost.decoded
    offset = d.displacement
    if d.base != NO_REGISTER:
        offset += cpu.register(d.base)
    if d.index != NO_REGISTER:
        offset += cpu.register(d.index) * d.scale
    offset &= 0xFFFF if cost.flags & ADDRESS16 else _WORD
    return cpu.segment_base(d.segment) + offset & _WORD


def address_of(cpu: Processor, cost: Cost, access: Access) -> int:
    d = cost.decoded
    mask = 0xFFFF if cost.flags & ADDRESS16 else _WORD
    match access.where:
        case _ if access.where == AT_PUSH:
            return stack(cpu, -access.size)
        case _ if access.where == AT_POP:
            return stack(cpu, 0)
        case _ if access.where == AT_ESI:
            return cpu.segment_base(d.segment) + (cpu.register(_ESI) & mask) & _WORD
        case _ if access.where == AT_EDI:
            return cpu.segment_base(_ES) + (cpu.register(_EDI) & mask) & _WORD
        case _ if access.where == AT_EBP:
            return cpu.segment_base(_SS) + cpu.register(_EBP) & _WORD
        case _ if access.where == AT_XLAT:
            offset = cpu.register(_EBX) + (cpu.register(_EAX) & 0xFF) & mask
            return cpu.segment_base(d.segment) + offset & _WORD
        case _ if access.where == AT_BIT:
            bits = 8 * access.size
            index = cpu.register(d.control) & (1 << bits) - 1
            index -= (index >> bits - 1) << bits
            return effective_address(cpu, cost) + (index // bits) * access.size & _WORD
        case _:
            return effective_address(cpu, cost)
