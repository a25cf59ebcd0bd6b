"""Operands and addresses of 16 bits: in `.code16`, and where an instruction of `.code32` asks for them.

The engine makes 32-bit code. In code of 16 bits the prefixes 66 and 67 mean the opposite (SDM vol. 1, 3.6.1),
and an address built from 16-bit registers has a ModR/M byte of its own (SDM vol. 2, table 2-1).
"""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from .errors import Problem
from .expressions import Node, Number
from .mnemonics import Spec
from .operands import GENERAL, REG16, REG32, Imm, Mem, Operand, Reg, Star
from .shapes import Fix

#: Whose operand size is that of the stack or of an address, and no register tells it: their 32-bit form has
#: no prefix, and the engine knows no other.
_BY_MODE: Final = frozenset("enter leave call lcall ret lret ljmp jmp lgdt lidt sgdt sidt".split())
#: Those that exist with both suffixes.
_SUFFIXED: Final = frozenset("push pop pusha popa pushf popf iret".split())
#: What `.code16gcc` makes 32 bits wide: what goes through the stack (gas, section "16-Bit Code").
_STACKED: Final = frozenset(
    "enter leave call lcall ret lret push pop pusha popa pushf popf".split()
)
_ENVIRONMENT: Final = frozenset("fldenv fnstenv fstenv fnsave fsave frstor".split())
_COUNTED: Final = frozenset("loop loope loopne loopz loopnz".split())
_SIZED_KINDS: Final = frozenset(
    "general symmetric imul stack lea shift shift2 bit selector bswap in out farpointer bound nop "
    "store16".split()
)
_FIXED: Final = {
    "cwtl": "l", "cwde": "l", "cltd": "l", "cdq": "l", "cbtw": "w", "cbw": "w", "cwtd": "w",
    "cwd": "w", "pushal": "l", "popal": "l", "pushaw": "w", "popaw": "w", "pushfl": "l",
    "popfl": "l", "pushfw": "w", "popfw": "w", "iretl": "l", "iretw": "w", "pusha": "l",
    "popa": "l", "pushf": "l", "popf": "l", "iret": "l", "movsd": "l", "cmpsd": "l",
}  # fmt: skip
_REGISTERS: Final = {
    ("bx", "si"): 0, ("bx", "di"): 1, ("bp", "si"): 2, ("bp", "di"): 3, ("si", None): 4,
    ("di", None): 5, ("bp", None): 6, ("bx", None): 7, (None, None): 6,
}  # fmt: skip


def is_by_mode(mnemonic: str) -> bool:
    """Whether a `data16` or `data32` gives the operand size of a mnemonic without suffix."""
    return mnemonic in _BY_MODE


@dataclass
class Mode:
    """The code being written: of 16 or 32 bits; `gcc` is `.code16gcc`'s, whose stack is 32 bits wide."""

    bits: int = 32
    gcc: bool = False


def by_mode(
    mnemonic: str, operands: list[Operand], mode: Mode, asked: str | None
) -> tuple[str, list[Operand], str | None]:
    """An instruction as the 32-bit encoder has it, and the operand size when that does not tell it.

    `asked` is the size of a `data16` or `data32` before it. Raises Problem."""
    base, suffix = mnemonic, None
    if mnemonic not in _BY_MODE and mnemonic[-1:] in ("w", "l") and mnemonic[:-1] in _BY_MODE:
        base, suffix = mnemonic[:-1], mnemonic[-1]
    if mnemonic[:-1] in _ENVIRONMENT and mnemonic[-1] in "sl":
        return mnemonic[:-1], operands, "w" if mnemonic[-1] == "s" else "l"
    wide = mode.bits == 32 or (mode.gcc and base in _STACKED)
    if base in _BY_MODE:
        size = suffix or asked or ("l" if wide else "w")
        target = operands[0].target if operands and isinstance(operands[0], Star) else None
        if isinstance(target, Reg) and target.name in GENERAL:
            size = GENERAL[target.name]
            if size == "w":
                operands = [Star(Reg(REG32[REG16.index(target.name)]))]
        elif suffix and target is None and base == "jmp":
            raise Problem(f"invalid instruction suffix `{suffix}' for `{base}'")
        return base, operands, size
    if mode.bits == 16 and mnemonic in _SUFFIXED:
        general = operands and isinstance(operands[0], Reg) and operands[0].name in GENERAL
        if mode.gcc and operands and isinstance(operands[0], Imm):
            _check_gcc_push(mnemonic, operands[0])
        if not general:
            mnemonic += "l" if wide else "w"
    return mnemonic, operands, asked


def _check_gcc_push(mnemonic: str, operand: Imm) -> None:
    if not isinstance(operand.value, Number):
        raise Problem(
            f"gas makes a 32-bit `{mnemonic}' of this with a field of 16 bits", "write pushl"
        )


def operand_size(spec: Spec, base: str, sent: str, operands: Sequence[Operand]) -> str | None:
    """The suffix, w or l, of an instruction that the prefix 66 makes another one of, by what the engine was
    sent; None for all others."""
    if spec.kind in ("string", "extend"):
        return sent[-1]
    if spec.kind in _SIZED_KINDS:
        return sent[-1] if sent[-1] in "wl" and sent != base else None
    if spec.kind == "mov":
        special = [o for o in operands if isinstance(o, Reg) and o.name not in GENERAL]
        if not special:
            return sent[-1] if sent[-1] in "wl" else None
        stored = isinstance(operands[1], Reg) and operands[1].name in GENERAL
        return sent[-1] if stored and special[0].name[-1] == "s" else None
    if base in ("movsd", "cmpsd") and operands:
        return None
    return _FIXED.get(base)


def loop_counter(mnemonic: str) -> tuple[str, int]:
    """The mnemonic of a loop without its suffix, and the bits of its counter: 0 for those of the mode."""
    if mnemonic[:-1] in _COUNTED and mnemonic[-1] in "wl":
        return mnemonic[:-1], 16 if mnemonic[-1] == "w" else 32
    return mnemonic, {"jcxz": 16, "jecxz": 32}.get(mnemonic, 0)


def address_bits(memory: Mem, otherwise: int) -> int:
    """How wide an address is: as its registers are, or as it is `otherwise`."""
    for part in (memory.base, memory.index):
        if part is not None:
            return 16 if part in REG16 else 32
    return otherwise


def stand_in(operands: Sequence[Operand], base: str) -> list[Operand]:
    """The operands with a 32-bit register for the address, which has neither displacement nor SIB byte."""

    def short(memory: Mem) -> Mem:
        return replace(memory, displacement=None, base=base, index=None, scale=1)

    out: list[Operand] = []
    for operand in operands:
        if isinstance(operand, Mem):
            out.append(short(operand))
        elif isinstance(operand, Star) and isinstance(operand.target, Mem):
            out.append(Star(short(operand.target)))
        else:
            out.append(operand)
    return out


def memory_of(operands: Sequence[Operand]) -> Mem | None:
    """The address among the operands."""
    targets = (o.target if isinstance(o, Star) else o for o in operands)
    return next((target for target in targets if isinstance(target, Mem)), None)


@dataclass(frozen=True)
class Short:
    """A 16-bit address: ModR/M bits without the register field, the displacement, and what is open in it."""

    modrm: int
    displacement: bytes
    open: Node | None = None


def short_address(memory: Mem) -> Short:
    """The encoding of an address of 16 bits. Raises Problem."""
    rm = _REGISTERS.get((memory.base, memory.index))
    if rm is None or memory.scale != 1:
        raise Problem(
            "no 16-bit address has these registers", "write (%bx), (%bp), (%si), (%di) or (%bx,%si)"
        )
    node = memory.displacement
    absolute = memory.base is None
    if node is not None and not isinstance(node, Number):
        return Short(rm if absolute else 0x80 | rm, bytes(2), node)
    value = node.value if node is not None else 0
    value = (value + 0x8000 & 0xFFFF) - 0x8000
    if absolute:
        return Short(rm, value.to_bytes(2, "little", signed=True))
    if value == 0 and (memory.base, memory.index) != ("bp", None):
        return Short(rm, b"")
    if -128 <= value <= 127:
        return Short(0x40 | rm, value.to_bytes(1, "little", signed=True))
    return Short(0x80 | rm, value.to_bytes(2, "little", signed=True))


def put_address(
    body: bytes, at: int, memory: Mem, fixes: list[Fix], accumulator: bool
) -> tuple[bytes, list[Fix]]:
    """A body whose ModR/M byte `at` names a stand-in, with the 16-bit address in its place.

    With `accumulator` it is a `mov` between that and an address, which has opcodes of its own when it has no
    registers."""
    short = short_address(memory)
    front = body[:at] + bytes([body[at] & 0x38 | short.modrm])
    if accumulator and memory.base is None:
        opcode = body[at - 1]  # 8A, 8B load, 88, 89 store
        front = body[: at - 1] + bytes([0xA0 | (opcode & 1) | (0 if opcode & 2 else 2)])
    grown = len(front) + len(short.displacement) - at - 1
    moved = [replace(f, offset=f.offset + grown) if f.offset > at else f for f in fixes]
    if short.open is not None:
        moved.append(Fix(len(front), 2, short.open))
    return front + short.displacement + body[at + 1 :], moved
