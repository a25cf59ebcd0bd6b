"""What a page fault of the engine's is on an i386.

The engine reads before it writes, and knows no segment limits (emu/write_intent.py, docs/deviations.md).
"""

from __future__ import annotations

from emu import microcode as mc
from emu.cpu import Cpu
from emu.engine_quirks import FIELD
from emu.linear import LinearMemory
from emu.operand_address import linear_of, operands
from emu.paging import PF_P, PF_U, PF_W, walk
from emu.port_io import LONGEST, code_bytes
from emu.ram import PAGE_SIZE, Ram
from emu.timing.decode import AT_PUSH, decode
from emu.timing.x87 import WRITE
from emu.write_intent import PREFIXES, holds_form, writes_what_it_reads

_FLAT = 0xFFFFFFFF
#: Bytes of the largest operand that is checked as a whole; larger ones are moved word by word.
_LARGEST = 8


def page_fault(cpu: Cpu, linear: LinearMemory, ram: Ram, code: int) -> tuple[int, int]:
    """(vector, error code) of the exception that this is; CR2 is set right. EIP is at the instruction."""
    start = cpu.eip + cpu.cs_base & _FLAT
    if cpu.cr2 - start & _FLAT < LONGEST:  # the fetch's own
        return mc.PF, code
    if cpu.cr2 > _FLAT - _LARGEST:
        over = _beyond_the_limit(cpu, _instruction(linear, start))
        if over is not None:
            return over, 0
    if not code & PF_W and _is_undefined(_rest_of_page(linear, start)):
        return mc.UD, 0
    if not code & PF_W and _asks_to_write(linear, start):
        code |= PF_W
        if not cpu.cr2 % PAGE_SIZE:
            code = _in_order(cpu, ram, _instruction(linear, start), code)
    elif _is_in_another_order(_rest_of_page(linear, start)):
        code = _in_order(cpu, ram, _instruction(linear, start), code)
    return mc.PF, code


def _is_in_another_order(instruction: bytes) -> bool:
    """PUSHA, which the engine begins at the lowest word, CMPS, of which it reads EDI's operand first,
    FBLD and FBSTP, which it begins at the sign.
    """
    opcode = instruction.lstrip(PREFIXES)[:2]
    if opcode[:1] == b"\xdf" and len(opcode) > 1:
        return opcode[1] < 0xC0 and opcode[1] >> 3 & 7 in (4, 6)
    return opcode[:1] in (b"\x60", b"\xa6", b"\xa7")


def _is_undefined(instruction: bytes) -> bool:
    """A group's number that there is not, of which the engine notices too late: FF /7."""
    opcode = instruction.lstrip(PREFIXES)[:2]
    return len(opcode) > 1 and opcode[0] == 0xFF and opcode[1] >> 3 & 7 == 7


def _asks_to_write(linear: LinearMemory, start: int) -> bool:
    """See emu/write_intent.py: a page fault that the engine takes for a read's."""
    code = _rest_of_page(linear, start)
    if len(code) < LONGEST and not holds_form(code):  # the next page was fetched from, too
        code = code_bytes(linear, start)
    return writes_what_it_reads(code)


def _rest_of_page(linear: LinearMemory, start: int) -> bytes:
    """Code up to the end of the page: to read the next one would mark it as accessed."""
    return code_bytes(linear, start, min(LONGEST, PAGE_SIZE - start % PAGE_SIZE))


def _instruction(linear: LinearMemory, start: int) -> bytes:
    """All of the instruction, from the next page only what it has there."""
    code = _rest_of_page(linear, start)
    return code if decode(code) is not None else code_bytes(linear, start)


def _in_order(cpu: Cpu, ram: Ram, instruction: bytes, code: int) -> int:
    """The error code, and CR2, of the first page that refuses when operands are asked for in the processor's
    order: all of one as it is used, PUSHA's word by word from the highest.
    """
    for access, segment, offset in operands(instruction, cpu):
        at = linear_of(segment, offset, cpu)
        parts = [(at, access.size)]
        if access.where == AT_PUSH and access.size > _LARGEST:
            word = access.size // 8
            parts = [(at + n * word & _FLAT, word) for n in reversed(range(8))]
        for start, size in parts:
            refused = first_refused(cpu, ram, start, size, write=bool(access.use & WRITE))
            if refused is not None:
                cpu.cr2, code = refused
                return code
    return code


def first_refused(cpu: Cpu, ram: Ram, at: int, size: int, *, write: bool) -> tuple[int, int] | None:
    """(address, error code) where an access is refused; nothing is marked."""
    user = cpu.cpl == 3
    code = PF_W * write | PF_U * user
    end = at + size - 1 & _FLAT
    for page in [at] if at >> 12 == end >> 12 else [at, end & ~(PAGE_SIZE - 1)]:
        found = walk(ram, cpu.cr3, page, pse=cpu.pse)
        if found.physical is None:
            return page, code
        if (user and not found.user) or (write and not found.writable and (user or cpu.wp)):
            return page, code | PF_P
    return None


def _limit(segment: str) -> int:
    return FIELD[f"{segment}_limit"]


def _beyond_the_limit(cpu: Cpu, instruction: bytes) -> int | None:
    """#GP or #SS (SDM vol. 3, 5.3) when the operand that faulted runs over the end of a flat segment."""
    for access, segment, offset in operands(instruction, cpu):
        if (
            access.size > _LARGEST
            or offset + access.size <= _FLAT + 1
            or cpu.regs[_limit(segment)] != _FLAT
        ):
            continue
        if cpu.cr2 == linear_of(segment, offset, cpu) or access.where == AT_PUSH:
            return mc.SS if segment == "ss" else mc.GP
    return None
