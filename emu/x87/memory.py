"""x87 instructions with an operand in memory; emu/_x87_memory.h does the same."""

from __future__ import annotations

from emu.x87 import convert
from emu.x87 import float80 as f80
from emu.x87.convert import DOUBLE, PACKED_INDEFINITE, SINGLE
from emu.x87.float80 import IE, INDEFINITE, OE, UE, Class, Mode, Number
from emu.x87.unit import OPERAND_SIZES, Outcome, Unit


def _store(u: Unit, data: bytes, carrier: Number, *, pops: bool) -> Outcome:
    """Store these bytes, and pop."""
    u.stored = data
    if u.m.flags & ~u.m.masks & (IE | OE | UE):
        u.m.flags &= ~f80.C1
        return Outcome.KEEP
    u.carrier = carrier
    if pops:
        u.pop()
    return Outcome.STORE


def _store_float(u: Unit, size: int, *, pops: bool) -> Outcome:
    form = SINGLE if size == 4 else DOUBLE
    raw = convert.to_small(u.m, form, u.source(0))
    carrier = convert.from_small(Mode(), form, raw)
    # The engine lets MXCSR.FZ work on the x87, too.
    u.fixes = bool(raw & (1 << form.frac) - 1) and not raw >> form.frac & form.top
    return _store(u, raw.to_bytes(size, "little"), carrier, pops=pops)


def _store_integer(u: Unit, size: int, rounding: int, *, pops: bool) -> Outcome:
    indefinite, missing = -(1 << 8 * size - 1), u.missing(0)
    value = indefinite if missing else convert.to_integer(u.m, u.get(0), 8 * size, rounding)
    carrier = convert.from_integer(int(value < 0), abs(value))
    return _store(u, value.to_bytes(size, "little", signed=True), carrier, pops=pops)


def _store_digits(u: Unit) -> Outcome:
    data = PACKED_INDEFINITE if u.missing(0) else convert.to_digits(u.m, u.get(0))
    u.fixes = data == PACKED_INDEFINITE or not any(data[:9])  # the engine loses the sign of 0
    carrier = f80.zero(0) if u.fixes else convert.from_digits(data)
    return _store(u, data, carrier, pops=True)


def _store_extended(u: Unit) -> Outcome:
    a = u.source(0)
    return _store(u, a[0].to_bytes(8, "little") + a[1].to_bytes(2, "little"), a, pops=True)


def _load_float(u: Unit, a: Number) -> None:
    if u.full():
        if not u.m.refused:
            u.push(INDEFINITE)
        return
    if f80.classify(a) is Class.SNAN:
        u.m.flags |= IE
    if not u.m.refused:
        u.push(f80.quiet(a) if f80.is_nan(a) else a)
    if u.m.denormal:  # which is loaded, masked or not
        u.m.flags |= f80.DE


def _integer(u: Unit) -> Number:
    value = int.from_bytes(u.i.operand, "little", signed=True)
    return convert.from_integer(int(value < 0), abs(value))


def _float(u: Unit) -> Number:
    form = SINGLE if len(u.i.operand) == 4 else DOUBLE
    return convert.from_small(u.m, form, int.from_bytes(u.i.operand, "little"))


def _integer_insn(u: Unit, digit: int, size: int) -> Outcome:
    if digit == 0:
        u.load(_integer(u))
        return Outcome.DONE
    rounding = f80.ZERO if digit == 1 else u.m.rounding
    return _store_integer(u, size, rounding, pops=digit != 2)


def _with_operand(u: Unit, b: Number) -> Outcome:
    """FADD and its relatives between ST(0) and the operand."""
    if u.digit in (2, 3):
        u.compare_with(b, absent=False, quiet=False, pops=u.digit - 2)
        return Outcome.DONE
    r = INDEFINITE if u.missing(0) else u.arithmetic(u.get(0), b)
    if not u.m.refused:
        u.put(0, r)
    return Outcome.DONE


def memory_insn(u: Unit) -> Outcome:
    op, digit = u.i.op, u.digit
    size = OPERAND_SIZES[op & 7][digit]
    if not size:
        return Outcome.ENGINE
    match op, digit:
        case ((0xD8 | 0xDC), _):
            return _with_operand(u, _float(u))
        case ((0xDA | 0xDE), _):
            return _with_operand(u, _integer(u))
        case ((0xD9 | 0xDD), 0):
            _load_float(u, _float(u))
        case ((0xD9 | 0xDD), (2 | 3)):
            return _store_float(u, size, pops=digit == 3)
        case 0xDB, 5:
            raw = u.i.operand
            u.load((int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")))
        case 0xDB, 7:
            return _store_extended(u)
        case 0xDF, 4:
            u.load(convert.from_digits(u.i.operand))
        case 0xDF, 6:
            return _store_digits(u)
        case 0xDF, (5 | 7):
            return _integer_insn(u, 0 if digit == 5 else 3, size)
        case _:
            return _integer_insn(u, digit, size)
    return Outcome.DONE
