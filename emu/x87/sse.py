"""What an SSE instruction computes, and its flags in MXCSR; emu/_sse_unit.h does the same.

Each element is computed with 80 bits, rounded to odd, and then rounded to its format: once in effect.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.absent_forms import PD as PD
from emu.absent_forms import PS as PS
from emu.absent_forms import SD as SD
from emu.absent_forms import SS as SS
from emu.record import dataclass
from emu.x87 import convert
from emu.x87 import float80 as f80
from emu.x87.convert import DOUBLE, SINGLE, Small
from emu.x87.float80 import BIAS, DE, IE, OE, PE, UE, ZE, Class, Mode, Number
from emu.x87.unit import C0, C3, UNORDERED, compare

DAZ, FTZ, FLAGS = 0x40, 0x8000, 0x3F
#: The operations that round or compare: what follows 0F.
OPERATIONS = frozenset(
    (0x2A, *range(0x2C, 0x30), 0x51, *range(0x58, 0x60), 0x7C, 0x7D, 0xC2, 0xD0, 0xE6)
)
_COMPARISONS = (0x2E, 0x2F)
_TO_INTEGERS = (0x2C, 0x2D)


@dataclass(slots=True)
class SseInsn:
    """What follows 0F, the form, the predicate of CMP; target and source registers."""

    op: int
    form: int
    predicate: int
    mxcsr: int
    a: bytes
    b: bytes


def source_size(op: int, form: int) -> int:
    """Bytes of the source in memory; 0 where there is no such instruction."""
    one = (16, 16, 4, 8)[form]
    match op:
        case 0x2A:
            return 4 if form >= SS else 8
        case 0x2C | 0x2D:
            return 8 if form == PS else one
        case 0x2E | 0x2F:
            return (4, 8, 0, 0)[form]
        case 0x5A:
            return 8 if form == PS else one
        case 0x5B:
            return 0 if form == SD else 16
        case 0x7C | 0x7D | 0xD0:
            return 16 if form in (PD, SD) else 0
        case 0xE6:
            return (0, 16, 8, 16)[form]
    return one


class _Sse:
    """An instruction at work: its flags that come before a result, and those that come with it."""

    def __init__(self, insn: SseInsn) -> None:
        self.i = insn
        self.before = self.after = 0

    def mode(self) -> Mode:
        return Mode(self.i.mxcsr >> 13 & 3)

    def element(self, f: Small, raw: int) -> tuple[Number, bool]:
        """An element as an 80-bit number, and whether it is denormal and counts."""
        m = Mode()
        a = convert.from_small(m, f, raw)
        if not m.denormal:
            return a, False
        return (f80.zero(f80.sign_of(a)), False) if self.i.mxcsr & DAZ else (a, True)

    def deliver(self, f: Small, r: Number) -> int:
        """Round to the element's format."""
        m = self.mode()
        if f80.classify(r) is Class.NORMAL:
            x = f80.unpack(r)
            rounded = f80.round_bits(x.sig << 64, f.frac + 1, m.rounding, x.sign)
            exp = x.exp + f.bias - BIAS + rounded.carry
            limit = UE if exp <= 0 else OE if exp >= f.top else 0
            if limit & ~(self.i.mxcsr >> 7):
                self.after |= limit | PE * rounded.inexact
                return 0
            if limit == UE and self.i.mxcsr & FTZ:
                self.after |= UE | PE
                return x.sign * (f.top + 1) << f.frac
        raw = convert.to_small(m, f, r)
        self.after |= m.flags & (OE | UE | PE)
        return raw

    def arithmetic(self, op: int, f: Small, raw_a: int, raw_b: int) -> int:
        m = Mode(f80.ODD_DOWN if self.mode().rounding == f80.DOWN else f80.ODD)
        b, denormal = self.element(f, raw_b)
        a, other = (b, False) if op == 0x51 else self.element(f, raw_a)
        m.denormal = denormal or other
        if f80.is_nan(a) or f80.is_nan(b):
            if Class.SNAN in (f80.classify(a), f80.classify(b)):
                self.before |= IE
            return self.deliver(f, f80.quiet(a if f80.is_nan(a) else b))
        match op:
            case 0x51:
                r = f80.sqrt(m, b)
            case 0x58:
                r = f80.add(m, a, b)
            case 0x59:
                r = f80.mul(m, a, b)
            case 0x5C:
                r = f80.sub(m, a, b)
            case _:
                r = f80.div(m, a, b)
        self.before |= m.flags & (IE | DE | ZE)
        return self.deliver(f, r)

    def compare(self, f: Small, raw_a: int, raw_b: int, *, quiet: bool) -> int:
        m = Mode()
        a, denormal = self.element(f, raw_a)
        b, other = self.element(f, raw_b)
        m.denormal = denormal or other
        bits = compare(m, a, b, quiet=quiet)
        self.before |= m.flags & (IE | DE)
        return bits

    def predicate(self, f: Small, a: int, b: int) -> int:
        kind = self.i.predicate & 3
        bits = self.compare(f, a, b, quiet=kind in (0, 3))
        holds = bits in ((C3,), (C0,), (C3, C0), (UNORDERED,))[kind]
        return (
            (1 << f.frac + f.top.bit_length() + 1) - 1 if holds != bool(self.i.predicate & 4) else 0
        )

    def extreme(self, f: Small, a: int, b: int) -> int:
        bits = self.compare(f, a, b, quiet=False)
        raw = a if bits == (C0 if self.i.op == 0x5D else 0) else b
        number = self.element(f, raw)[0]
        if f80.classify(number) is Class.ZERO:
            return f80.sign_of(number) * (f.top + 1) << f.frac
        return raw

    def to_integer(self, f: Small, raw: int, rounding: int) -> int:
        m = self.mode()
        value = convert.to_integer(m, self.element(f, raw)[0], 32, rounding)
        self.before |= m.flags & IE
        self.after |= m.flags & PE
        return value & 0xFFFFFFFF

    def resize(self, f: Small, raw: int) -> int:
        a, denormal = self.element(f, raw)
        self.before |= IE * (f80.classify(a) is Class.SNAN) | DE * denormal
        return self.deliver(SINGLE if f is DOUBLE else DOUBLE, f80.quiet(a) if f80.is_nan(a) else a)

    def from_int32(self, f: Small, raw: int) -> int:
        value = raw - (raw >> 31 << 32)
        return self.deliver(f, convert.from_integer(int(value < 0), abs(value)))

    def one(self, f: Small, a: int, b: int) -> int:
        op, form = self.i.op, self.i.form
        match op:
            case 0x5D | 0x5F:
                return self.extreme(f, a, b)
            case 0xC2:
                return self.predicate(f, a, b)
            case 0x5B if form == PS:
                return self.from_int32(SINGLE, b)
            case 0x5B:
                return self.to_integer(SINGLE, b, self.rounding(truncates=form == SS))
            case _:
                return self.arithmetic(op, f, a, b)

    def rounding(self, *, truncates: bool) -> int:
        return f80.ZERO if truncates else self.i.mxcsr >> 13 & 3


def _lanes(data: bytes, size: int) -> list[int]:
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, 16, size)]


def _joined(values: list[int], size: int) -> bytes:
    return b"".join(value.to_bytes(size, "little") for value in values)


def _convert_packed(s: _Sse) -> bytes:
    """Conversions between packed forms of other sizes; the rest of the target is 0."""
    wide = s.i.form == PD
    one: Callable[[int], int]
    if s.i.op == 0x5A:
        size, source, form = (4, 8, DOUBLE) if wide else (8, 4, SINGLE)
        one = lambda raw: s.resize(form, raw)  # noqa: E731
    elif s.i.form == SS:
        size, source = 8, 4
        one = lambda raw: s.from_int32(DOUBLE, raw)  # noqa: E731
    else:
        size, source = 4, 8
        one = lambda raw: s.to_integer(DOUBLE, raw, s.rounding(truncates=wide))  # noqa: E731
    return _joined([one(raw) for raw in _lanes(s.i.b, source)[:2]], size).ljust(16, b"\0")


def _across(s: _Sse, f: Small, size: int) -> bytes:
    """HADD, HSUB, ADDSUB."""
    a, b = _lanes(s.i.a, size), _lanes(s.i.b, size)
    if s.i.op == 0xD0:
        pairs = zip(range(len(a)), a, b, strict=True)
        return _joined([s.arithmetic(0x58 if n & 1 else 0x5C, f, x, y) for n, x, y in pairs], size)
    op, both = 0x58 if s.i.op == 0x7C else 0x5C, a + b
    return _joined([s.arithmetic(op, f, *both[n : n + 2]) for n in range(0, len(both), 2)], size)


def execute(insn: SseInsn) -> tuple[int, bytes | None]:
    """The instruction's flags, and the target register behind it; None where it is none of SSE's."""
    s = _Sse(insn)
    op, form = insn.op, insn.form
    wide, scalar = form in (PD, SD), form >= SS
    f, size = (DOUBLE, 8) if wide else (SINGLE, 4)
    a, b = _lanes(insn.a, size), _lanes(insn.b, size)
    result: bytes | None = None
    count = 1 if scalar else 2  # elements of a general or an MMX register
    if op == 0x2A:
        converted = [s.from_int32(f, raw) for raw in _lanes(insn.b, 4)[:count]]
        result = _joined(converted + a[count:], size)
    elif op in _TO_INTEGERS:
        for raw in b[:count]:
            s.to_integer(f, raw, s.rounding(truncates=op == 0x2C))
    elif op in _COMPARISONS:
        s.compare(f, a[0], b[0], quiet=op == 0x2E)
    elif op in (0x7C, 0x7D, 0xD0):
        f, size = (DOUBLE, 8) if form == PD else (SINGLE, 4)
        result = _across(s, f, size)
    elif op == 0xE6 or (op == 0x5A and not scalar):
        result = _convert_packed(s)
    elif op == 0x5A:
        data = s.resize(f, b[0]).to_bytes(12 - size, "little")
        result = data + insn.a[len(data) :]
    elif op == 0x5B:
        result = _joined([s.one(SINGLE, 0, raw) for raw in _lanes(insn.b, 4)], 4)
    else:
        count = 1 if scalar else len(a)
        done = [s.one(f, x, y) for x, y in zip(a[:count], b[:count], strict=True)]
        result = _joined(done + a[count:], size)
    masks = insn.mxcsr >> 7 & FLAGS
    return s.before if s.before & ~masks else s.before | s.after, result
