"""An instruction at its address, with the clocks that it has taken so far, by rule."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

from emu.record import dataclass
from emu.timing import rules
from emu.timing.cost import Cost
from emu.timing.rules import INSTRUCTION_RULES

if TYPE_CHECKING:
    import capstone


_BASE, _INDEX, _DISP_IMM, _PREFIX, _UNKNOWN = (
    rules.RULE[name] for name in ("base", "index", "disp+imm", "prefix", "unknown")
)


@lru_cache(maxsize=1)
def disassembler() -> capstone.Cs:
    """For names and lengths of what the opcode map does not have, and for listings."""
    import capstone  # most runs need none, and it takes a while

    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)


@dataclass
class Insn:
    """One instruction at one linear address, with what it has spent."""

    address: int
    code: bytes
    cost: Cost
    count: int = 0
    taken: int = 0
    spent: list[int] = field(default_factory=lambda: [0] * len(INSTRUCTION_RULES))

    def text(self) -> str:
        """The mnemonic, as a disassembler prints it."""
        found = next(disassembler().disasm_lite(self.code, self.address), None)
        return found[2] if found else self.code.hex(" ")

    def by_rule(self) -> list[int]:
        """Clocks by rule, in the order of INSTRUCTION_RULES."""
        c, out, count = self.cost, list(self.spent), self.count
        out[_BASE] += (count - self.taken) * c.base + self.taken * c.taken
        out[_INDEX] += count * c.index
        out[_DISP_IMM] += count * c.disp_imm
        out[_PREFIX] += count * c.prefix
        out[_UNKNOWN] += count * c.unknown
        return out
