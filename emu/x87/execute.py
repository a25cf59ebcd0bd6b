"""Any x87 instruction: which part of the unit does it."""

from __future__ import annotations

from emu.x87.memory import memory_insn
from emu.x87.register import register_insn
from emu.x87.state import Fpu
from emu.x87.unit import Outcome, Unit, X87Insn, is_control


def execute(f: Fpu, insn: X87Insn) -> tuple[Outcome, Unit]:
    """Do the instruction. `f` is of no use any more when the outcome is ENGINE."""
    unit = Unit(f, insn)
    if is_control(insn.op, insn.modrm):
        return Outcome.ENGINE, unit
    in_memory = insn.modrm < 0xC0
    outcome = memory_insn(unit) if in_memory else register_insn(unit)
    if outcome is Outcome.ENGINE:
        return outcome, unit
    unit.settle_flags()
    f.ip, f.cs, f.opcode = insn.ip, insn.cs, (insn.op & 7) << 8 | insn.modrm
    if in_memory:
        f.dp, f.ds = insn.dp, insn.ds
    return outcome, unit
