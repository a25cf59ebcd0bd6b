"""Arithmetic on the x87's 80-bit numbers, in whole numbers; emu/_x87_float.h does the same in 128 bits.

A number is (significand with its integer bit, sign and exponent). Every operation computes exactly, or
with bits to spare and a sticky bit, and rounds once; Berkeley SoftFloat is where the algorithms come from.
"""

from __future__ import annotations

from enum import IntEnum
from math import isqrt
from typing import NamedTuple

Number = tuple[int, int]

# Exception flags as in the status word; C1 is bit 9.
IE, DE, ZE, OE, UE, PE, SF, C1 = 1, 2, 4, 8, 16, 32, 64, 0x200
NEAREST, DOWN, UP, ZERO = range(4)
#: To be rounded once more to fewer bits; the second as DOWN has the sign of 0.
ODD, ODD_DOWN = 4, 5
BIAS, LARGEST, WRAP = 16383, 0x7FFF, 24576
_INTEGER_BIT = 1 << 63
_QUIET_BIT = 1 << 62
_MASK64 = (1 << 64) - 1
INDEFINITE: Number = (0xC000000000000000, 0xFFFF)


class Class(IntEnum):
    """What kind of number it is, in an order that comparisons use."""

    ZERO = 0
    DENORMAL = 1
    NORMAL = 2
    INFINITY = 3
    QNAN = 4
    SNAN = 5
    UNSUPPORTED = 6


class Finite(NamedTuple):
    """sig * 2**(exp - BIAS - 63), bit 63 of sig set."""

    sign: int
    exp: int
    sig: int


class Rounded(NamedTuple):
    kept: int
    carry: int
    inexact: bool
    up: bool


class Mode:
    """How an operation rounds, and what it raises. `denormal`: the operand in memory was, before 80 bits."""

    __slots__ = ("bits", "denormal", "flags", "masks", "rounding")

    def __init__(self, rounding: int = NEAREST, bits: int = 64, masks: int = 0x3F) -> None:
        self.rounding, self.bits, self.masks = rounding, bits, masks
        self.flags = 0
        self.denormal = False

    @property
    def refused(self) -> int:
        """The exceptions that are not masked and come before any result."""
        return self.flags & ~self.masks & (IE | DE | ZE)


def make(sign: int, exp: int, sig: int) -> Number:
    return sig, sign << 15 | exp


def zero(sign: int) -> Number:
    return 0, sign << 15


def infinity(sign: int) -> Number:
    return _INTEGER_BIT, sign << 15 | LARGEST


def sign_of(a: Number) -> int:
    return a[1] >> 15


def classify(a: Number) -> Class:
    sig, exp = a[0], a[1] & LARGEST
    if not exp:
        return Class.DENORMAL if sig else Class.ZERO
    if not sig & _INTEGER_BIT:
        return Class.UNSUPPORTED
    if exp != LARGEST:
        return Class.NORMAL
    if sig == _INTEGER_BIT:
        return Class.INFINITY
    return Class.QNAN if sig & _QUIET_BIT else Class.SNAN


def is_nan(a: Number) -> bool:
    return classify(a) in (Class.QNAN, Class.SNAN)


def unpack(a: Number) -> Finite:
    """A finite number other than 0. Exponent 0 means 1: denormal and pseudo-denormal numbers."""
    shift = 64 - a[0].bit_length()
    return Finite(sign_of(a), (a[1] & LARGEST or 1) - shift, a[0] << shift)


def shift_jam(a: int, by: int) -> int:
    """Right by any distance; what falls out stays as the lowest bit."""
    return a >> by | (a & (1 << by) - 1 != 0)


def rounds_up(rounding: int, sign: int, odd: int, rest: int, half: int) -> bool:
    """Whether the magnitude kept grows by one unit, for this remainder behind it."""
    if rounding == NEAREST:
        return rest > half or (rest == half and bool(odd))
    if rounding >= ODD:
        return bool(rest) and not odd
    return bool(rest) and rounding == (DOWN if sign else UP)


def round_bits(sig: int, bits: int, rounding: int, sign: int) -> Rounded:
    """The top `bits` of 128, rounded; they stay at the top of the 64 kept."""
    unit = 1 << 128 - bits
    rest = sig & unit - 1
    kept = sig - rest
    up = rounds_up(rounding, sign, kept & unit, rest, unit >> 1)
    if up:
        kept += unit
    carry = kept >> 128
    return Rounded(kept >> carry >> 64, carry, rest != 0, up)


def overflow(m: Mode, sign: int) -> Number:
    m.flags |= OE | PE
    if m.rounding in (ZERO, UP if sign else DOWN):
        return make(sign, LARGEST - 1, _MASK64 << 64 - m.bits & _MASK64)
    m.flags |= C1
    return infinity(sign)


def pack(m: Mode, sign: int, exp: int, sig: int) -> Number:
    """sig * 2**(exp - BIAS - 127), bit 127 set, as the destination takes it.

    An overflow or underflow that is not masked delivers the number with its exponent moved by WRAP.
    """
    r = round_bits(sig, m.bits, m.rounding, sign)
    tiny = exp + r.carry <= 0
    m.flags &= ~C1
    if tiny and m.masks & UE:
        r = round_bits(shift_jam(sig, 1 - exp), m.bits, m.rounding, sign)
        if r.inexact:
            m.flags |= UE | PE
        exp = r.kept >> 63
    else:
        if r.inexact:
            m.flags |= PE
        exp += r.carry
        if tiny:
            m.flags |= UE
            exp += WRAP
            if exp <= 0:  # FSCALE by a lot
                m.flags |= PE
                return zero(sign)
        elif exp >= LARGEST:
            if m.masks & OE:
                return overflow(m, sign)
            m.flags |= OE
            exp -= WRAP
            if exp >= LARGEST:
                m.flags |= PE | C1
                return infinity(sign)
    if r.up:
        m.flags |= C1
    return make(sign, exp, r.kept)


def normalise(m: Mode, sign: int, exp: int, sig: int) -> Number:
    """The same for 128 bits that need not begin with a set one; they are not all 0."""
    shift = 128 - sig.bit_length()
    return pack(m, sign, exp - shift, sig << shift)


def invalid(m: Mode) -> Number:
    m.flags |= IE
    return INDEFINITE


def quiet(a: Number) -> Number:
    return a[0] | _QUIET_BIT, a[1]


def propagate(m: Mode, a: Number, b: Number) -> Number:
    """Of two operands at least one of which is a NaN (SDM vol. 1, table 4-7): a quiet one before a signalling
    one made quiet, the larger significand, the positive one.
    """
    ca, cb = classify(a), classify(b)
    if Class.SNAN in (ca, cb):
        m.flags |= IE
    if not is_nan(b) or (ca, cb) == (Class.QNAN, Class.SNAN):
        return quiet(a)
    if not is_nan(a) or (ca, cb) == (Class.SNAN, Class.QNAN):
        return quiet(b)
    if a[0] != b[0]:
        return quiet(max(a, b))
    return quiet(a if a[1] < b[1] else b)


def special(m: Mode, a: Number, b: Number) -> Number | None:
    """What comes of two operands before any arithmetic; None when there is arithmetic to do."""
    ca, cb = classify(a), classify(b)
    if Class.UNSUPPORTED in (ca, cb):
        return invalid(m)
    if ca >= Class.QNAN or cb >= Class.QNAN:
        return propagate(m, a, b)
    return None


def note_denormal(m: Mode, *operands: Number) -> None:
    if m.denormal or any(classify(a) is Class.DENORMAL for a in operands):
        m.flags |= DE


def add(m: Mode, a: Number, b: Number) -> Number:
    ca, cb = classify(a), classify(b)
    result = special(m, a, b)
    if result is not None:
        return result
    if ca is cb is Class.INFINITY and sign_of(a) != sign_of(b):
        return invalid(m)
    note_denormal(m, a, b)
    if Class.INFINITY in (ca, cb):
        return a if ca is Class.INFINITY else b
    if ca is cb is Class.ZERO:
        return a if sign_of(a) == sign_of(b) else zero(m.rounding in (DOWN, ODD_DOWN))
    if Class.ZERO in (ca, cb):
        x = unpack(b if ca is Class.ZERO else a)
        return pack(m, x.sign, x.exp, x.sig << 64)
    y, x = sorted((unpack(a), unpack(b)), key=lambda n: n[1:])
    p = x.sig << 63
    q = shift_jam(y.sig << 63, x.exp - y.exp)
    p = p + q if x.sign == y.sign else p - q
    if not p:
        return zero(m.rounding in (DOWN, ODD_DOWN))
    return normalise(m, x.sign, x.exp + 1, p)


def sub(m: Mode, a: Number, b: Number) -> Number:
    """a - b; a NaN keeps its sign."""
    return add(m, a, b if is_nan(b) else (b[0], b[1] ^ 0x8000))


def mul(m: Mode, a: Number, b: Number) -> Number:
    ca, cb = classify(a), classify(b)
    sign = sign_of(a) ^ sign_of(b)
    result = special(m, a, b)
    if result is not None:
        return result
    if {ca, cb} == {Class.INFINITY, Class.ZERO}:
        return invalid(m)
    note_denormal(m, a, b)
    if Class.INFINITY in (ca, cb):
        return infinity(sign)
    if Class.ZERO in (ca, cb):
        return zero(sign)
    x, y = unpack(a), unpack(b)
    return normalise(m, sign, x.exp + y.exp - BIAS + 1, x.sig * y.sig)


def div(m: Mode, a: Number, b: Number) -> Number:
    ca, cb = classify(a), classify(b)
    sign = sign_of(a) ^ sign_of(b)
    result = special(m, a, b)
    if result is not None:
        return result
    if ca is cb and ca in (Class.INFINITY, Class.ZERO):
        return invalid(m)
    if cb is Class.ZERO and ca is not Class.INFINITY:
        m.flags |= ZE
        return infinity(sign)
    note_denormal(m, a, b)
    if ca is Class.INFINITY:
        return infinity(sign)
    if ca is Class.ZERO or cb is Class.INFINITY:
        return zero(sign)
    x, y = unpack(a), unpack(b)
    wide = x.sig >= y.sig
    quotient, rest = divmod(x.sig << (127 if wide else 128), y.sig)
    return pack(m, sign, x.exp - y.exp + BIAS - (not wide), quotient | (rest != 0))


def sqrt(m: Mode, a: Number) -> Number:
    result = special(m, a, a)
    if result is not None:
        return result
    if classify(a) is Class.ZERO:
        return a
    if sign_of(a):
        return invalid(m)
    note_denormal(m, a)
    if classify(a) is Class.INFINITY:
        return a
    x = unpack(a)
    exp = x.exp - BIAS
    square = x.sig << (192 if exp & 1 else 191)
    root = isqrt(square)
    return pack(m, 0, (exp >> 1) + BIAS, root | (root * root != square))
