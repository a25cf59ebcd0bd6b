"""Agent expressions: the conditions of breakpoints, evaluated here (gdb manual, appendix F).

A stack of 64-bit integers and a byte of code each. What fails, for a page that is not there or a division by
zero, counts as true, as in gdbserver: the user is better told once too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.engine_quirks import FIELD
from toykernel.gdb.errors import RemoteError
from toykernel.gdb.target_xml import CORE
from toykernel.look.filled import read_memory
from toykernel.look.task import TaskView

if TYPE_CHECKING:
    from collections.abc import Callable

    from toykernel.gdb.registers import Registers
    from toykernel.state import Kernel
    from toykernel.task import Task

_WORD = (1 << 64) - 1
#: Instructions after which an expression is taken for one that never ends.
_MOST_STEPS = 10_000
LONGEST = 4096  # bytes of an expression

(ADD, SUB, MUL, DIV_SIGNED, DIV_UNSIGNED, REM_SIGNED, REM_UNSIGNED) = range(0x02, 0x09)
LSH, RSH_SIGNED, RSH_UNSIGNED = range(0x09, 0x0C)
LOG_NOT, BIT_AND, BIT_OR, BIT_XOR, BIT_NOT = range(0x0E, 0x13)
EQUAL, LESS_SIGNED, LESS_UNSIGNED, EXT = range(0x13, 0x17)
REF8, REF16, REF32, REF64 = range(0x17, 0x1B)
IF_GOTO, GOTO, CONST8, CONST16, CONST32, CONST64, REG, END = range(0x20, 0x28)
DUP, POP, ZERO_EXT, SWAP = range(0x28, 0x2C)
PICK, ROT = 0x32, 0x33

#: Bytes behind each code.
_OPERANDS = {
    **dict.fromkeys((ADD, SUB, MUL, DIV_SIGNED, DIV_UNSIGNED, REM_SIGNED, REM_UNSIGNED), 0),
    **dict.fromkeys((LSH, RSH_SIGNED, RSH_UNSIGNED, LOG_NOT, BIT_AND, BIT_OR, BIT_XOR, BIT_NOT), 0),
    **dict.fromkeys((EQUAL, LESS_SIGNED, LESS_UNSIGNED, REF8, REF16, REF32, REF64, END), 0),
    **dict.fromkeys((DUP, POP, SWAP, ROT), 0),
    **dict.fromkeys((EXT, ZERO_EXT, CONST8, PICK), 1),
    **dict.fromkeys((IF_GOTO, GOTO, CONST16, REG), 2),
    CONST32: 4,
    CONST64: 8,
}


class AgentError(Exception):
    """The expression cannot be evaluated here and now."""


def _signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if bits and value >> bits - 1 else value


def _quotient(a: int, b: int) -> int:
    """C's: towards zero."""
    if not b:
        raise AgentError
    whole = abs(a) // abs(b)
    return whole if (a < 0) == (b < 0) else -whole


def _unsigned_quotient(a: int, b: int) -> int:
    if not b:
        raise AgentError
    return a // b


_BINARY: dict[int, Callable[[int, int], int]] = {
    ADD: lambda a, b: a + b,
    SUB: lambda a, b: a - b,
    MUL: lambda a, b: a * b,
    DIV_SIGNED: lambda a, b: _quotient(_signed(a), _signed(b)),
    DIV_UNSIGNED: _unsigned_quotient,
    REM_SIGNED: lambda a, b: _signed(a) - _signed(b) * _quotient(_signed(a), _signed(b)),
    REM_UNSIGNED: lambda a, b: a - b * _unsigned_quotient(a, b),
    LSH: lambda a, b: a << b if b < 64 else 0,
    RSH_SIGNED: lambda a, b: _signed(a) >> min(b, 63),
    RSH_UNSIGNED: lambda a, b: a >> b if b < 64 else 0,
    BIT_AND: lambda a, b: a & b,
    BIT_OR: lambda a, b: a | b,
    BIT_XOR: lambda a, b: a ^ b,
    EQUAL: lambda a, b: int(a == b),
    LESS_SIGNED: lambda a, b: int(_signed(a) < _signed(b)),
    LESS_UNSIGNED: lambda a, b: int(a < b),
}


@dataclass(frozen=True)
class Condition:
    """An expression, decoded: (code, operand) by its place; a jump's operand is an index here."""

    code: tuple[tuple[int, int], ...]

    def holds(self, k: Kernel, registers: Registers, task: Task) -> bool:
        """Whether the expression is not 0, or cannot be told."""
        try:
            return bool(self.value(k, registers, task))
        except (AgentError, RemoteError, IndexError):
            return True

    def value(self, k: Kernel, registers: Registers, task: Task) -> int:
        """What is on top of the stack at the end, as 64 bits. Raises AgentError, IndexError."""
        stack: list[int] = []
        push, pop, code = stack.append, stack.pop, self.code
        at = steps = 0
        while True:
            op, operand = code[at]
            at += 1
            steps += 1
            if steps > _MOST_STEPS:
                raise AgentError
            if (binary := _BINARY.get(op)) is not None:
                b = pop()
                stack[-1] = binary(stack[-1], b) & _WORD
            elif op == REG:
                push(_register(k, registers, task, operand))
            elif CONST8 <= op <= CONST64:
                push(operand)
            elif REF8 <= op <= REF64:
                stack[-1] = _memory(k, task, stack[-1], 1 << op - REF8)
            elif op == EXT:
                stack[-1] = _signed(stack[-1], operand) & _WORD
            elif op == ZERO_EXT:
                stack[-1] &= (1 << operand) - 1
            elif op == LOG_NOT:
                stack[-1] = int(not stack[-1])
            elif op == BIT_NOT:
                stack[-1] ^= _WORD
            elif op == IF_GOTO:
                at = operand if pop() else at
            elif op == GOTO:
                at = operand
            elif op == END:
                return stack[-1]
            else:
                _shuffle(stack, op, operand)


def _shuffle(stack: list[int], op: int, operand: int) -> None:
    if op == DUP:
        stack.append(stack[-1])
    elif op == POP:
        stack.pop()
    elif op == SWAP:
        stack[-1], stack[-2] = stack[-2], stack[-1]
    elif op == PICK:
        stack.append(stack[-1 - operand])
    else:  # ROT: the top goes below the two others
        stack[-3], stack[-2], stack[-1] = stack[-1], stack[-3], stack[-2]


def _register(k: Kernel, registers: Registers, task: Task, number: int) -> int:
    """By gdb's number, unsigned."""
    if number < 9 and task is k.current and k.machine.cpu.cpl == 3:
        value: int = k.machine.cpu.regs[FIELD[CORE[number]]]
        return value
    return int.from_bytes(registers.one(TaskView(k, task), number)[:8], "little")


def _memory(k: Kernel, task: Task, address: int, size: int) -> int:
    data = read_memory(TaskView(k, task), address & 0xFFFFFFFF, size)
    if len(data) < size:
        raise AgentError
    return int.from_bytes(data, "little")


def parse_conditions(text: bytes) -> tuple[Condition, ...]:
    """`Xlength,bytes` once or more often, as behind Z's kind. Raises RemoteError for what is none."""
    found = []
    while text:
        if text[:1] != b"X":
            raise RemoteError
        length, comma, rest = text[1:].partition(b",")
        size = int(length, 16)
        data = bytes.fromhex(rest[: 2 * size].decode())
        if not comma or not size or len(data) != size or size > LONGEST:
            raise RemoteError
        found.append(decode(data))
        text = rest[2 * size :]
    return tuple(found)


def decode(data: bytes) -> Condition:
    """Raises RemoteError for a code that conditions do not have, and for jumps to nowhere."""
    places: dict[int, int] = {}
    code: list[tuple[int, int]] = []
    at = 0
    while at < len(data):
        places[at] = len(code)
        op = data[at]
        size = _OPERANDS.get(op)
        if size is None or at + 1 + size > len(data):
            raise RemoteError
        code.append((op, int.from_bytes(data[at + 1 : at + 1 + size], "big")))
        at += 1 + size
    for index, (op, operand) in enumerate(code):
        if op in (IF_GOTO, GOTO):
            if operand not in places:
                raise RemoteError
            code[index] = (op, places[operand])
        elif op in (EXT, ZERO_EXT) and not 0 < operand <= 64:
            raise RemoteError
    if not code or code[-1][0] not in (END, GOTO):
        raise RemoteError
    return Condition(tuple(code))
