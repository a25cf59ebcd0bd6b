"""Classic BPF programs (net/core/filter.c, kernel/seccomp.c): checked once, run for every system call."""

from __future__ import annotations

import struct

from toykernel.errno import EINVAL, Errno

BPF_MAXINSNS, BPF_MEMWORDS = 4096, 16
_WORD = 0xFFFFFFFF

#: Code, true and false jump, and the constant of each instruction.
Program = tuple[tuple[int, int, int, int], ...]

LD_W_ABS, LD_W_LEN, LD_IMM, LD_MEM = 0x20, 0x80, 0x00, 0x60
LDX_IMM, LDX_MEM, LDX_W_LEN = 0x01, 0x61, 0x81
ST, STX, RET_K, RET_A, TAX, TXA = 0x02, 0x03, 0x06, 0x16, 0x07, 0x87
JA, NEG = 0x05, 0x84
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, XOR = 0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xA4
JEQ, JGT, JGE, JSET = 0x15, 0x25, 0x35, 0x45
_X = 0x08  # the operand is X, not the constant
_ALU = (ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, XOR)
_JUMPS = (JEQ, JGT, JGE, JSET)
_KNOWN = frozenset(
    (
        *(LD_W_ABS, LD_W_LEN, LD_IMM, LD_MEM, LDX_IMM, LDX_MEM, LDX_W_LEN, ST, STX, RET_K, RET_A),
        *(TAX, TXA, JA, NEG, *_ALU, *_JUMPS, *(op | _X for op in (*_ALU, *_JUMPS))),
    )
)


def parse(data: bytes) -> Program:
    """struct sock_filter[], 8 bytes each."""
    return tuple(struct.iter_unpack("<HBBI", data))


def pack(program: Program) -> bytes:
    """The other way round."""
    return b"".join(struct.pack("<HBBI", *one) for one in program)


def check(program: Program, size: int) -> None:
    """Whether a program can be run on `size` bytes of data: known instructions, words of the data, jumps that
    stay inside, an answer at the end. Raises Errno(EINVAL).
    """
    for at, (code, true, false, constant) in enumerate(program):
        left = len(program) - at - 1
        wrong = (
            code not in _KNOWN
            or (code == LD_W_ABS and (constant & 3 or constant >= size))
            or (code in (LD_MEM, LDX_MEM, ST, STX) and constant >= BPF_MEMWORDS)
            or (code == DIV and not constant)
            or (code in (LSH, RSH) and constant >= 32)
            or (code == JA and constant >= left)
            or (code & ~_X in _JUMPS and max(true, false) >= left)
        )
        if wrong:
            raise Errno(EINVAL)
    if program[-1][0] not in (RET_K, RET_A):
        raise Errno(EINVAL)


def _alu(code: int, a: int, operand: int) -> int:
    match code:
        case 0x04:
            return a + operand
        case 0x14:
            return a - operand
        case 0x24:
            return a * operand
        case 0x34:
            return a // operand
        case 0x44:
            return a | operand
        case 0x54:
            return a & operand
        case 0x64:
            return a << (operand & 31)
        case 0x74:
            return a >> (operand & 31)
    return a ^ operand


def _compare(code: int, a: int, operand: int) -> bool:
    match code:
        case 0x15:
            return a == operand
        case 0x25:
            return a > operand
        case 0x35:
            return a >= operand
    return bool(a & operand)


def run(program: Program, data: bytes) -> int:
    """What a checked program answers for some data; 0 when it divides by zero."""
    a = x = at = 0
    memory = [0] * BPF_MEMWORDS
    while True:
        code, true, false, constant = program[at]
        at += 1
        operand = x if code & _X else constant
        plain = code & ~_X
        if code in (RET_K, RET_A):
            return constant if code == RET_K else a
        if code == LD_W_ABS:
            a = int.from_bytes(data[constant : constant + 4], "little")
        elif code in (LD_IMM, LDX_IMM, LD_W_LEN, LDX_W_LEN):
            value = len(data) if code in (LD_W_LEN, LDX_W_LEN) else constant
            a, x = (value, x) if code in (LD_IMM, LD_W_LEN) else (a, value)
        elif code == LD_MEM:
            a = memory[constant]
        elif code == LDX_MEM:
            x = memory[constant]
        elif code == ST:
            memory[constant] = a
        elif code == STX:
            memory[constant] = x
        elif code == TAX:
            x = a
        elif code == TXA:
            a = x
        elif code == JA:
            at += constant
        elif code == NEG:
            a = -a & _WORD
        elif plain in _JUMPS:
            at += true if _compare(plain, a, operand) else false
        else:
            if plain == DIV and not operand:
                return 0
            a = _alu(plain, a, operand) & _WORD
