"""What GNU as takes although it is written in another way than its manual has it, with the same warnings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .errors import Problem
from .operands import GENERAL, REG16, REG32, Mem, Operand, Reg, Star

_DIVISION: Final = re.compile(r"(i?div)([bwl]?)")
_ON_STACK: Final = re.compile(r"(fld|fstp?|fcomp?)l")
_STRINGS: Final = ("movs", "cmps", "stos", "lods", "scas", "ins", "outs")
_REVERSED_TOO: Final = ("fsubp", "fsubrp", "fdivp", "fdivrp")


def tolerated(
    name: str, operands: list[Operand], bits: int, warn: Callable[[str], None]
) -> tuple[str, list[Operand], list[str]]:
    """An instruction as it would be written, and the prefixes that it needs then. `bits` are the code's;
    0 for Intel syntax, which has no sizes by default. Raises Problem for what gas does not take."""
    if name == "retf":
        return "lret", operands, []
    division = _DIVISION.fullmatch(name)
    if division is not None and len(operands) == 2:
        return _division(division.group(1), division.group(2), operands), operands[:1], []
    stack = _ON_STACK.fullmatch(name)
    if stack is not None and bits and len(operands) == 1 and _is_stack(operands[0]):
        warn(f"`{name}' of a register: taken for `{stack.group(1)}'")
        return stack.group(1), operands, []
    if name in ("movzx", "movsx") and len(operands) == 2 and bits != 16 and _are_words(operands):
        source, target = (o.name for o in operands if isinstance(o, Reg))
        wide: list[Operand] = [Reg(source), Reg(REG32[REG16.index(target)])]
        return f"{name[:4]}wl", wide, ["data16"]
    if name in _REVERSED_TOO and len(operands) == 2 and operands[1] == Reg("st(0)") != operands[0]:
        raise Problem(f"`{name}' pops what it would have written", f"write {name} %st, %st(N)")
    size = {16: "w", 32: "l"}.get(bits)
    alone = name in ("in", "out") and len(operands) == 1 and not _accumulators(operands)
    if size and (alone or (name in _STRINGS and not operands)):
        warn(f"nothing gives the size of `{name}': taken for `{name}{size}'")
        return name + size, operands, []
    return name, operands, []


def _division(base: str, suffix: str, operands: list[Operand]) -> str:
    """`div %ecx, %eax`: the second operand is the one that it always divides."""
    divisor, target = operands
    letter = (
        {"al": "b", "ax": "w", "eax": "l"}.get(target.name) if isinstance(target, Reg) else None
    )
    own = GENERAL.get(divisor.name) if isinstance(divisor, Reg) else letter
    if letter is None or own != letter or suffix not in ("", letter):
        raise Problem(f"`{base}' takes 1 operand, or %al, %ax or %eax of the same size behind it")
    return base + letter


def _is_stack(operand: Operand) -> bool:
    return isinstance(operand, Reg) and operand.name.startswith("st(")


def _are_words(operands: list[Operand]) -> bool:
    return all(isinstance(o, Reg) and o.name in REG16 for o in operands)


def _accumulators(operands: list[Operand]) -> bool:
    return any(isinstance(o, Reg) and o.name in ("al", "ax", "eax") for o in operands)


def starred(mnemonic: str, operands: list[Operand]) -> list[Operand]:
    """gas takes `jmp %eax` for `jmp *%eax`, and `jmp 4(%eax)` for `jmp *4(%eax)`, with a warning."""
    if mnemonic not in ("jmp", "call", "ljmp", "lcall") or len(operands) != 1:
        return operands
    target = operands[0]
    if isinstance(target, Mem) and (target.base or target.index or mnemonic[0] == "l"):
        return [Star(target)]
    if isinstance(target, Reg) and mnemonic[0] != "l":
        return [Star(target)]
    return operands
