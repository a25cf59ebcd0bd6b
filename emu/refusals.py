"""What an instruction raises that the hooks refuse to begin."""

from __future__ import annotations

from emu import hooks
from emu import microcode as mc
from emu.cpu import Cpu
from emu.engine_quirks import FIELD
from emu.linear import LinearMemory
from emu.page_fault import first_refused
from emu.port_io import code_bytes
from emu.ram import Ram

_FLAT = 0xFFFFFFFF
_VECTORS = {
    hooks.REFUSED_UD: mc.UD,
    hooks.REFUSED_MF: mc.MF,
    hooks.REFUSED_XM: mc.XM,
    hooks.REFUSED_GP: mc.GP,
}
#: Bytes of the largest operand that is one access.
_AT_ONCE = 16


def refusal(cpu: Cpu, linear: LinearMemory, ram: Ram) -> tuple[int, int]:
    """(vector, error code); CR2 is set for a page fault. EIP is at the instruction."""
    if cpu.state.value == hooks.REFUSED_PF:
        return mc.PF, _operand_in_parts(cpu, linear, ram)
    return _VECTORS[cpu.state.value], 0


def _operand_in_parts(cpu: Cpu, linear: LinearMemory, ram: Ram) -> int:
    """The page fault of an operand that lies in two pages, one of which refuses.

    The processor asks for its first word, and then for its last byte; up to 16 bytes are asked for at once.
    """

    from emu.x87.decode import SHORT_ENVIRONMENT, find  # which next to no run needs

    def byte(at: int) -> int:
        return next(iter(code_bytes(linear, at, 1)), -1)

    place = find(cpu.eip + cpu.cs_base & _FLAT, byte, lambda name: int(cpu.regs[FIELD[name]]))
    assert place is not None
    size, write = place.moved_in_parts()
    refused = first_refused(cpu, ram, place.linear, size, write=write)
    assert refused is not None
    cpu.cr2, code = refused
    first = place.linear + (2 if place.word else 4)
    if cpu.cr2 >= first and (size > _AT_ONCE or size == SHORT_ENVIRONMENT):
        cpu.cr2 = place.linear + size - 1
    return code
