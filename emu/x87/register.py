"""x87 instructions without an operand in memory; emu/_x87_register.h does the same."""

from __future__ import annotations

from emu.x87 import convert
from emu.x87 import float80 as f80
from emu.x87.float80 import INDEFINITE, SF, Class, Number
from emu.x87.functions import function_insn
from emu.x87.state import EMPTY
from emu.x87.unit import C0, C1, C2, C3, CONDITIONS, UNORDERED, Outcome, Unit

#: FLD1 to FLDZ: each with what is below its last bit, in eighths: 5 stands for anything above a half.
_CONSTANTS = (
    (0x8000000000000000, 0x3FFF, 0),
    (0xD49A784BCD1B8AFE, 0x4000, 2),
    (0xB8AA3B295C17F0BB, 0x3FFF, 5),
    (0xC90FDAA22168C234, 0x4000, 5),
    (0x9A209A84FBCFF798, 0x3FFD, 5),
    (0xB17217F7D1CF79AB, 0x3FFE, 5),
    (0, 0, 0),
)
_KIND_BITS = {
    Class.ZERO: C3,
    Class.DENORMAL: C3 | C2,
    Class.NORMAL: C2,
    Class.INFINITY: C2 | C0,
    Class.UNSUPPORTED: 0,
    Class.QNAN: C0,
    Class.SNAN: C0,
}
#: EFLAGS that FCMOV looks at: CF, ZF, CF or ZF, PF.
_TESTED = (1, 0x40, 0x41, 4)


def _load_constant(u: Unit, n: int) -> None:
    sig, exp, below = _CONSTANTS[n]
    u.load((sig + f80.rounds_up(u.m.rounding, 0, sig & 1, below, 4), exp))


def _examine(u: Unit) -> None:
    """FXAM."""
    a = u.get(0)
    empty = u.f.empty[u.f.top]
    u.set_conditions(C3 | C0 if empty else _KIND_BITS[f80.classify(a)])
    u.m.flags |= C1 * f80.sign_of(a)


def _exchange(u: Unit, n: int) -> None:
    a, b = u.source(0), u.source(n)
    if not u.m.refused:
        u.put(0, b)
        u.put(n, a)


def _load_register(u: Unit, n: int) -> None:
    if not u.missing(n):
        u.load(u.get(n))
    elif not u.m.refused:
        u.push(INDEFINITE)


def _copy_to(u: Unit, n: int, *, pops: bool) -> None:
    a = u.source(0)
    if u.m.refused:
        return
    u.put(n, a)
    if pops:
        u.pop()


def _move_if(u: Unit, n: int) -> None:
    """FCMOV."""
    holds = bool(u.i.eflags & _TESTED[u.digit & 3]) == (u.i.op == 0xDA)
    u.kept = C1
    if u.missing(0, n):
        if not u.m.refused:
            u.put(0, INDEFINITE)
    elif holds:
        u.put(0, u.get(n))


def _change_sign(u: Unit, kept: int, flipped: int) -> None:
    a = u.source(0)
    if u.m.refused:
        return
    u.put(0, a if u.m.flags & SF else (a[0], a[1] & kept ^ flipped))


def _remainder(u: Unit, *, nearest: bool) -> None:
    """FPREM and FPREM1."""
    r, quotient, partial = INDEFINITE, 0, False
    if not u.missing(0, 1):
        r, quotient, partial = convert.remainder(u.m, u.get(0), u.get(1), nearest=nearest)
    u.m.flags &= ~C1
    u.f.status &= ~C2
    if u.m.refused:
        return
    u.put(0, r)
    if f80.is_nan(r):
        return
    u.set_conditions(C2 * partial | C0 * (quotient >> 2 & 1) | C3 * (quotient >> 1 & 1))
    u.m.flags |= C1 * (quotient & 1)


def _extract(u: Unit) -> None:
    """FXTRACT."""
    exponent = significand = INDEFINITE
    if not u.missing(0) and not u.full():
        exponent, significand = convert.extract(u.m, u.get(0))
    if not u.m.refused:
        u.put(0, exponent)
        u.push(significand)


def _put_result(u: Unit, r: Number) -> None:
    if not u.m.refused:
        u.put(0, r)


def _group_d9(u: Unit) -> Outcome:
    """D9 E0 to D9 FF."""
    modrm = u.i.modrm
    if modrm not in (0xFA,):  # only the square root obeys precision control
        u.m.bits = 64
    match modrm:
        case 0xE0:
            _change_sign(u, 0xFFFF, 0x8000)
        case 0xE1:
            _change_sign(u, 0x7FFF, 0)
        case 0xE4:
            u.compare_with(f80.zero(0), absent=False, quiet=False, pops=0)
        case 0xE5:
            _examine(u)
        case 0xE8 | 0xE9 | 0xEA | 0xEB | 0xEC | 0xED | 0xEE:
            _load_constant(u, modrm - 0xE8)
        case 0xF4:
            _extract(u)
        case 0xF5 | 0xF8:
            _remainder(u, nearest=modrm == 0xF5)
        case 0xF6:
            u.f.top = u.f.top - 1 & 7
        case 0xF7:
            u.f.top = u.f.top + 1 & 7
        case 0xFA:
            _put_result(u, INDEFINITE if u.missing(0) else f80.sqrt(u.m, u.get(0)))
        case 0xFC:
            _put_result(u, INDEFINITE if u.missing(0) else convert.round_to_integer(u.m, u.get(0)))
        case 0xFD:
            gone = u.missing(0, 1)
            _put_result(u, INDEFINITE if gone else convert.scale(u.m, u.get(0), u.get(1)))
        case _:
            return function_insn(u)
    return Outcome.DONE


def _arithmetic(u: Unit, n: int, target: int, *, pops: bool) -> None:
    """FADD and its relatives between ST(0) and ST(n); the result goes to ST(target)."""
    r = INDEFINITE if u.missing(0, n) else u.arithmetic(u.get(0), u.get(n))
    if u.m.refused:
        return
    u.put(target, r)
    if pops:
        u.pop()


def _compare(u: Unit, n: int, *, quiet: bool = False, pops: int = 0) -> None:
    u.compare_with(u.get(n), absent=u.missing(n), quiet=quiet, pops=pops)


def _compare_flags(u: Unit, n: int) -> None:
    """FCOMI and FUCOMI: EFLAGS are the engine's."""
    before = u.f.status & CONDITIONS
    _compare(u, n, quiet=u.digit == 5, pops=int(u.i.op == 0xDF))
    if u.f.status & UNORDERED == UNORDERED:
        u.carrier = INDEFINITE
    u.set_conditions(before)
    u.kept = C1


def _free(u: Unit, n: int) -> None:
    u.f.empty[u.f.top + n & 7] = EMPTY


def _d9(u: Unit, n: int) -> Outcome:
    match u.digit:
        case 0:
            _load_register(u, n)
        case 1:
            _exchange(u, n)
        case 2 if n == 0:  # FNOP
            u.kept = C1
        case 2:
            return Outcome.ENGINE
        case 3 if u.f.empty[u.f.top]:
            u.pop()
        case 3:
            _copy_to(u, n, pops=True)
        case _:
            return _group_d9(u)
    return Outcome.DONE


def _da(u: Unit, n: int) -> Outcome:
    if u.i.modrm == 0xE9:
        _compare(u, 1, quiet=True, pops=2)
    elif u.digit < 4:
        _move_if(u, n)
    else:
        return Outcome.ENGINE
    return Outcome.DONE


def _db_df(u: Unit, n: int) -> Outcome:
    match u.digit:
        case 5 | 6:
            _compare_flags(u, n)
        case 4 | 7:
            return Outcome.ENGINE
        case _ if u.i.op == 0xDB:
            _move_if(u, n)
        case 0:
            _free(u, n)
            u.pop()
        case 1:
            _exchange(u, n)
        case _:
            _copy_to(u, n, pops=True)
    return Outcome.DONE


def _dd(u: Unit, n: int) -> Outcome:
    match u.digit:
        case 0:
            _free(u, n)
        case 1:
            _exchange(u, n)
        case 2 | 3:
            _copy_to(u, n, pops=u.digit == 3)
        case 4 | 5:
            _compare(u, n, quiet=True, pops=u.digit - 4)
        case _:
            return Outcome.ENGINE
    return Outcome.DONE


def _de(u: Unit, n: int) -> Outcome:
    match u.digit:
        case 3 if n == 1:
            _compare(u, 1, pops=2)
        case 3:
            return Outcome.ENGINE
        case 2:
            _compare(u, n, pops=1)
        case _:
            _arithmetic(u, n, n, pops=True)
    return Outcome.DONE


def register_insn(u: Unit) -> Outcome:
    n, op = u.i.modrm & 7, u.i.op
    match op:
        case 0xD8 | 0xDC:
            if u.digit in (2, 3):
                _compare(u, n, pops=u.digit - 2)
            else:
                _arithmetic(u, n, 0 if op == 0xD8 else n, pops=False)
            return Outcome.DONE
        case 0xD9:
            return _d9(u, n)
        case 0xDA:
            return _da(u, n)
        case 0xDB | 0xDF:
            return _db_df(u, n)
        case 0xDD:
            return _dd(u, n)
        case _:
            return _de(u, n)
