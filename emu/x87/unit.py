"""One x87 instruction, from the state before it to the state behind it; emu/_x87_unit.h does the same.

The engine does what touches memory, EFLAGS and AX; what it stores is decided here.
"""

from __future__ import annotations

from enum import Enum

from emu.record import dataclass
from emu.x87 import float80 as f80
from emu.x87.float80 import IE, INDEFINITE, SF, Class, Mode, Number
from emu.x87.state import EMPTY, Fpu

ES, C0, C1, C2, C3, BUSY = 0x80, 0x100, f80.C1, 0x400, 0x4000, 0x8000
CONDITIONS = C0 | C1 | C2 | C3
UNORDERED = C0 | C2 | C3
_BITS = (24, 64, 53, 64)
#: How many bytes an operand in memory has, as far as the unit reads or writes it, by opcode and ModRM.reg.
OPERAND_SIZES = (
    (4, 4, 4, 4, 4, 4, 4, 4),
    (4, 0, 4, 4, 0, 0, 0, 0),
    (4, 4, 4, 4, 4, 4, 4, 4),
    (4, 4, 4, 4, 0, 10, 0, 10),
    (8, 8, 8, 8, 8, 8, 8, 8),
    (8, 8, 8, 8, 0, 0, 0, 0),
    (2, 2, 2, 2, 2, 2, 2, 2),
    (2, 2, 2, 2, 10, 8, 10, 8),
)


class Outcome(Enum):
    """What is left to do when the unit has done its part."""

    ENGINE = 0  # all of it: a control instruction, or none that is known
    DONE = 1  # nothing, but what the engine does besides
    STORE = 2  # the operand becomes `stored`
    KEEP = 3  # the operand must stay as it was


@dataclass(slots=True)
class X87Insn:
    """Opcode D8 to DF with its ModRM, where it and its operand are, and what the operand holds."""

    op: int
    modrm: int
    cs: int = 0
    ds: int = 0
    ip: int = 0
    dp: int = 0
    eflags: int = 0
    operand: bytes = b""


class Unit:
    """An instruction at work on `f`."""

    def __init__(self, f: Fpu, insn: X87Insn) -> None:
        self.f, self.i = f, insn
        self.m = Mode(f.control >> 10 & 3, _BITS[f.control >> 8 & 3], f.control & 0x3F)
        #: Condition bits that the instruction leaves alone.
        self.kept = 0
        #: In ST(0), what makes the engine store, or compare, as it should.
        self.carrier: Number | None = None
        self.stored = b""
        #: No number makes the engine store this: it is written behind it.
        self.fixes = False

    @property
    def digit(self) -> int:
        return self.i.modrm >> 3 & 7

    def get(self, n: int) -> Number:
        return self.f.regs[self.f.top + n & 7]

    def put(self, n: int, a: Number) -> None:
        physical = self.f.top + n & 7
        self.f.regs[physical] = a
        self.f.empty[physical] = 0

    def pop(self) -> None:
        self.f.empty[self.f.top] = EMPTY
        self.f.top = self.f.top + 1 & 7

    def push(self, a: Number) -> None:
        self.f.top = self.f.top - 1 & 7
        self.put(0, a)

    def set_conditions(self, bits: int) -> None:
        self.f.status = self.f.status & ~CONDITIONS | bits

    def missing(self, *numbers: int) -> bool:
        """A register that should hold something does not."""
        if not any(self.f.empty[self.f.top + n & 7] for n in numbers):
            return False
        self.m.flags |= IE | SF
        return True

    def full(self) -> bool:
        """A register that should be free for a push is not."""
        if self.f.empty[self.f.top - 1 & 7]:
            return False
        self.m.flags |= IE | SF | C1
        return True

    def load(self, a: Number) -> None:
        if self.full():
            a = INDEFINITE
        if not self.m.refused:
            self.push(a)

    def source(self, n: int) -> Number:
        """ST(n), or the indefinite number where there is none."""
        return INDEFINITE if self.missing(n) else self.get(n)

    def compare_with(self, b: Number, *, absent: bool, quiet: bool, pops: int) -> None:
        """FCOM and its relatives with a second operand."""
        bits = UNORDERED
        if self.missing(0) or absent:
            self.m.flags = IE | SF
        else:
            bits = compare(self.m, self.get(0), b, quiet=quiet)
        self.set_conditions(bits)
        if not self.m.refused:
            for _ in range(pops):
                self.pop()

    def arithmetic(self, a: Number, b: Number) -> Number:
        """FADD and its relatives."""
        match self.digit:
            case 0:
                return f80.add(self.m, a, b)
            case 1:
                return f80.mul(self.m, a, b)
            case 4:
                return f80.sub(self.m, a, b)
            case 5:
                return f80.sub(self.m, b, a)
            case 6:
                return f80.div(self.m, a, b)
            case _:
                return f80.div(self.m, b, a)

    def settle_flags(self) -> None:
        """The operation's flags become the unit's."""
        flags = self.m.flags
        if (
            self.m.refused and not flags & SF
        ):  # there is no result that could be too large, or rounded
            flags &= IE | f80.DE | f80.ZE
        kept = 0 if flags & SF else self.kept
        self.f.status = self.f.status & ~(C1 & ~kept) | flags
        summarise(self.f)


def summarise(f: Fpu) -> None:
    """ES and B: whether an exception is not masked."""
    f.status &= ~(ES | BUSY)
    if f.status & ~f.control & 0x3F:
        f.status |= ES | BUSY


def compare(m: Mode, a: Number, b: Number, *, quiet: bool) -> int:
    """C3, C2 and C0 of a comparison."""
    ca, cb = f80.classify(a), f80.classify(b)
    if ca >= Class.QNAN or cb >= Class.QNAN:
        if not quiet or max(ca, cb) > Class.QNAN:
            m.flags |= IE
        return UNORDERED
    f80.note_denormal(m, a, b)
    p, q = _ordered(a, ca), _ordered(b, cb)
    return C3 if p == q else C0 if p < q else 0


def _ordered(a: Number, kind: Class) -> tuple[int, int]:
    """What orders numbers: exponent and significand, both negated for negative ones."""
    if kind is Class.ZERO:
        return 0, 0
    x = f80.unpack(a)
    exp, sig = x.exp + (1 << 16), x.sig
    return (-exp, -sig) if x.sign else (exp, sig)


def is_control(op: int, modrm: int) -> bool:
    """One that leaves the pointers to the last instruction and operand alone."""
    digit = modrm >> 3 & 7
    if op == 0x9B:
        return True
    if modrm < 0xC0:
        return (op == 0xD9 and digit >= 4) or (op == 0xDD and (digit == 4 or digit >= 6))
    return op in (0xDB, 0xDF) and 0xE0 <= modrm <= 0xE7


def waits(op: int, modrm: int) -> bool:
    """Everything but FNINIT, FNCLEX and FNST* looks for an exception that has not been reported yet."""
    if op == 0x9B or not is_control(op, modrm):
        return True
    return modrm < 0xC0 and modrm >> 3 & 7 not in (6, 7)
