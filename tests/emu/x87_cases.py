"""Random x87 instructions with random states, for the unit and the engine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from emu.x87 import convert
from emu.x87.convert import DOUBLE, SINGLE
from emu.x87.float80 import BIAS, LARGEST, Mode, Number, infinity, make, zero
from emu.x87.state import FPU_SIZE, Fpu
from emu.x87.unit import OPERAND_SIZES, X87Insn, is_control

_INTEGER_BIT, _QUIET_BIT = 1 << 63, 1 << 62


@dataclass(slots=True)
class Case:
    """An instruction, and the image of the state before it."""

    insn: X87Insn
    image: bytes

    @property
    def f(self) -> Fpu:
        return Fpu(self.image)


def _significand(r: random.Random) -> int:
    raw = r.getrandbits(64) | _INTEGER_BIT
    match r.randrange(8):
        case 0:
            return _INTEGER_BIT
        case 1:
            return (1 << 64) - 1
        case 2:
            return raw & -1 << r.randrange(64) | _INTEGER_BIT
        case 3:
            return _INTEGER_BIT | raw >> r.randrange(1, 64)
        case _:
            return raw


def _number(r: random.Random, near: int) -> Number:
    """Any kind of number; half of them with exponents that are close to each other."""
    sign, sig = r.getrandbits(1), _significand(r)
    match r.randrange(32):
        case 0:
            return zero(sign)
        case 1:
            return infinity(sign)
        case 2:
            return make(sign, LARGEST, sig | _QUIET_BIT)
        case 3:
            return make(sign, LARGEST, sig & ~_QUIET_BIT | 1)
        case 4:
            return make(sign, 0, sig >> r.randrange(64))
        case 5:
            return make(sign, r.randrange(1 << 15), sig & ~_INTEGER_BIT)
        case 6:
            return make(sign, r.randrange(1 << 15), sig)
        case 7:
            return make(sign, r.choice((1, LARGEST - 70)) + r.randrange(70), sig)
        case 8:
            return make(sign, BIAS - r.choice((180, 1080)) + r.randrange(70), sig)
        case 9:
            return make(sign, BIAS + r.choice((127, 1023)) + r.randrange(-3, 4), sig)
        case 10 | 11:
            return make(sign, BIAS + r.randrange(70), sig)
        case 12:
            return convert.from_integer(sign, r.getrandbits(64) >> r.randrange(64))
        case _:
            return make(sign, near + r.randrange(-4, 4) & LARGEST, sig)


def _operand(r: random.Random, op: int, size: int, near: int) -> bytes:
    if op == 0xDB and size == 10:
        sig, exp = _number(r, near)
        return sig.to_bytes(8, "little") + exp.to_bytes(2, "little")
    if op == 0xDF and size == 10:
        digits = f"{r.randrange(10 ** r.randrange(1, 19)):018d}"
        return bytes.fromhex(digits)[::-1] + bytes((r.getrandbits(1) << 7,))
    if op in (0xD8, 0xD9, 0xDC, 0xDD):
        form = SINGLE if size == 4 else DOUBLE
        raw = convert.to_small(Mode(), form, _number(r, near))
        if not r.randrange(16):  # a signalling NaN
            raw = raw | form.top << form.frac & ~(1 << form.frac - 1) | 1
        return raw.to_bytes(size, "little")
    return (r.getrandbits(8 * size) >> r.randrange(8 * size)).to_bytes(size, "little")


def cases(seed: int, count: int) -> Iterator[Case]:
    """So many, for the same seed always the same."""
    r = random.Random(seed)
    while count:
        op, modrm = r.randrange(0xD8, 0xE0), r.getrandbits(8)
        if is_control(op, modrm):
            continue
        insn = X87Insn(op, modrm, eflags=0x202 | r.getrandbits(7) & 0x45)
        near = BIAS if r.randrange(4) else r.randrange(1 << 15)
        if modrm < 0xC0:
            size = OPERAND_SIZES[op & 7][modrm >> 3 & 7]
            if not size:
                continue
            insn = replace(insn, modrm=modrm & 0x38 | 5, operand=_operand(r, op, size, near))
        f = Fpu(bytes(FPU_SIZE))
        f.top, f.control = r.randrange(8), 0x40 | r.getrandbits(4) << 8
        f.control |= 0x3F if r.randrange(3) else r.getrandbits(6)
        f.status = r.getrandbits(15) & 0x4700 | r.choice((0, r.getrandbits(6) & f.control))
        f.regs = [_number(r, near) for _ in range(8)]
        holes = r.randrange(6)
        f.empty = [(0, r.getrandbits(1))[holes == 1] for _ in range(8)]
        if holes > 1:
            f.empty[f.top - 1 & 7] = f.empty[f.top - 2 & 7] = 1
        count -= 1
        yield Case(insn, f.image())
