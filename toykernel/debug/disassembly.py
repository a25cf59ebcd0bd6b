"""Instructions as text: AT&T syntax, with symbols for the addresses in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

LONGEST = 15
_GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eflags")
_FULL = {
    **{part: f"e{letter}x" for letter in "acdb" for part in (f"{letter}{n}" for n in "xlh")},
    **{part: f"e{part}" for part in ("sp", "bp", "si", "di")},
}
_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction. `size` in bytes; `text` says `(bad)` for bytes that are none."""

    address: int
    size: int
    mnemonic: str
    operands: str
    note: str = ""

    @property
    def text(self) -> str:
        """One line, without the address."""
        line = f"{self.mnemonic:<6} {self.operands}".rstrip()
        return f"{line}    # {self.note}" if self.note else line

    @property
    def is_call(self) -> bool:
        """Whether it is a CALL, near or far."""
        return self.mnemonic.startswith(("call", "lcall"))


@lru_cache(maxsize=1)
def _engine() -> Any:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32)
    engine.syntax = capstone.CS_OPT_SYNTAX_ATT
    engine.detail = True
    return engine


def decode(code: bytes, address: int, name: Callable[[int], str | None]) -> Instruction | None:
    """The instruction at the start of `code`; None when there is no code. `name` gives symbols."""
    if not code:
        return None
    found = next(_engine().disasm(code[:LONGEST], address, 1), None)
    if found is None:
        return Instruction(address, 1, "(bad)", f"{code[0]:#04x}")
    operands, note = _with_symbols(found, name)
    return Instruction(address, found.size, found.mnemonic, operands, note)


def registers_read(code: bytes) -> list[str]:
    """General registers, by their full names, and eflags that the instruction at the start of `code` takes
    values from."""
    found = next(_engine().disasm(code[:LONGEST], 0, 1), None)
    if found is None:
        return []
    read = [found.reg_name(register) for register in found.regs_access()[0]]
    return [
        name for name in dict.fromkeys(_FULL.get(name, name) for name in read) if name in _GENERAL
    ]


def _with_symbols(found: Any, name: Callable[[int], str | None]) -> tuple[str, str]:
    """Operands, and what their numbers stand for."""
    import capstone
    from capstone import x86

    operands: str = found.op_str
    relative = capstone.CS_GRP_BRANCH_RELATIVE in found.groups
    notes = []
    for operand in found.operands:
        if operand.type == x86.X86_OP_IMM:
            value = operand.imm & _WORD
            symbol = name(value)
            if relative:
                target = f"{value:#x}" + (f" <{symbol}>" if symbol else "")
                return target, ""
            if symbol and value > 0xFFFF:
                notes.append(f"${symbol}")
        elif operand.type == x86.X86_OP_MEM and operand.mem.disp:
            value = operand.mem.disp & _WORD
            symbol = name(value) if value > 0xFFFF else None
            if symbol and ("+" not in symbol or not operand.mem.base):
                notes.append(str(symbol))
            if operand.mem.disp < -0xFFFF:  # an address above 2 GiB, not an offset
                operands = operands.replace(f"-{-operand.mem.disp:#x}", f"{value:#x}")
    return operands, ", ".join(dict.fromkeys(notes))
