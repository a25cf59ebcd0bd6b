"""What a page fault of the engine's is on an i386.

The engine reads before it writes, and knows no segment limits (emu/write_intent.py, docs/deviations.md).
"""

from __future__ import annotations

from emu import microcode as mc
from emu.cpu import Cpu
from emu.engine_quirks import FIELD
from emu.linear import LinearMemory
from emu.operand_address import linear_of, operands
from emu.paging import PF_P, PF_W, walk
from emu.port_io import LONGEST, code_bytes
from emu.ram import PAGE_SIZE, Ram
from emu.timing.decode import AT_PUSH
from emu.timing.x87 import RMW
from emu.write_intent import holds_form, writes_what_it_reads

_FLAT = 0xFFFFFFFF
#: Bytes of the largest operand that is checked as a whole; larger ones are moved word by word.
_LARGEST = 8


def page_fault(cpu: Cpu, linear: LinearMemory, ram: Ram, code: int) -> tuple[int, int]:
    """(vector, error code) of the exception that this is; CR2 is set right. EIP is at the instruction."""
    start = cpu.eip + cpu.cs_base & _FLAT
    if cpu.cr2 - start & _FLAT < LONGEST:  # the fetch's own
        return mc.PF, code
    if cpu.cr2 > _FLAT - _LARGEST:
        over = _beyond_the_limit(cpu, code_bytes(linear, start))
        if over is not None:
            return over, 0
    if not code & PF_W and _asks_to_write(linear, start):
        code |= PF_W
        if not cpu.cr2 % PAGE_SIZE:
            code = _first_page(cpu, ram, code_bytes(linear, start), code)
    return mc.PF, code


def _asks_to_write(linear: LinearMemory, start: int) -> bool:
    """See emu/write_intent.py: a page fault that the engine takes for a read's."""
    code = code_bytes(linear, start, min(LONGEST, PAGE_SIZE - start % PAGE_SIZE))
    if len(code) < LONGEST and not holds_form(code):  # the next page was fetched from, too
        code = code_bytes(linear, start)
    return writes_what_it_reads(code)


def _first_page(cpu: Cpu, ram: Ram, instruction: bytes, code: int) -> int:
    """The error code when the fault was for an operand's second page, and the first may not be written."""
    for access, segment, offset in operands(instruction, cpu):
        at = linear_of(segment, offset, cpu)
        if access.use == RMW and 0 < cpu.cr2 - at & _FLAT < access.size and cpu.paging:
            first = walk(ram, cpu.cr3, at, pse=cpu.pse)
            if not first.writable and (cpu.cpl == 3 or cpu.wp):
                cpu.cr2 = at
                return code | PF_P
    return code


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
