"""The x87's numbers from and to other formats, remainders, scaling; emu/_x87_convert.h does the same."""

from __future__ import annotations

from typing import NamedTuple

from emu.x87 import float80 as f80
from emu.x87.float80 import BIAS, Class, Mode, Number

_MASK64 = (1 << 64) - 1
BCD_LARGEST = 999999999999999999
PACKED_INDEFINITE = bytes((0, 0, 0, 0, 0, 0, 0, 0xC0, 0xFF, 0xFF))


class Small(NamedTuple):
    """A shorter format: bits of the fraction; of the exponent, its bias and its largest value."""

    frac: int
    bias: int
    top: int


SINGLE, DOUBLE = Small(23, 127, 0xFF), Small(52, 1023, 0x7FF)


def from_small(m: Mode, f: Small, raw: int) -> Number:
    """Exactly; what a signalling NaN or a denormal number raises is left to the operation."""
    exp, frac = raw >> f.frac & f.top, raw & (1 << f.frac) - 1
    sign = int(raw >> f.frac > f.top)
    sig = 1 << 63 | frac << 63 - f.frac
    if exp == f.top:
        return f80.make(sign, f80.LARGEST, sig)
    if exp:
        return f80.make(sign, exp - f.bias + BIAS, sig)
    if not frac:
        return f80.zero(sign)
    m.denormal = True
    shift = 64 - frac.bit_length()
    return f80.make(sign, BIAS + 64 - shift - f.bias - f.frac, frac << shift)


def _small(f: Small, sign: int, exp: int, frac: int) -> int:
    return ((f.top + 1) * sign | exp) << f.frac | frac & (1 << f.frac) - 1


def to_small(m: Mode, f: Small, a: Number) -> int:
    """The number as a float or a double. An exception that is not masked keeps it from being stored."""
    kind, sign, down = f80.classify(a), f80.sign_of(a), 63 - f.frac
    if kind is Class.UNSUPPORTED:
        return _small(f, 1, f.top, f80.invalid(m)[0] >> down)
    if kind >= Class.QNAN:
        m.flags |= f80.IE * (kind is Class.SNAN)
        return _small(f, sign, f.top, f80.quiet(a)[0] >> down)
    if kind is Class.INFINITY:
        return _small(f, sign, f.top, 0)
    if kind is Class.ZERO:
        return _small(f, sign, 0, 0)
    x = f80.unpack(a)
    exp, wide, bits = x.exp + f.bias - BIAS, x.sig << 64, f.frac + 1
    r = f80.round_bits(wide, bits, m.rounding, sign)
    tiny = exp + r.carry <= 0
    if tiny:
        if not m.masks & f80.UE:
            m.flags |= f80.UE
            return 0
        r = f80.round_bits(f80.shift_jam(wide, 1 - exp), bits, m.rounding, sign)
        m.flags |= f80.UE * r.inexact
        exp = r.kept >> 63
    else:
        exp += r.carry
        if exp >= f.top:
            if not m.masks & f80.OE:
                m.flags |= f80.OE
                return 0
            limit = f80.overflow(m, sign)
            exp = f.top if f80.classify(limit) is Class.INFINITY else f.top - 1
            return _small(f, sign, exp, 0 if exp == f.top else -1)
    m.flags |= f80.PE * r.inexact | f80.C1 * r.up
    return _small(f, sign, exp, r.kept >> down)


def from_integer(sign: int, magnitude: int) -> Number:
    if not magnitude:
        return f80.zero(sign)
    shift = 64 - magnitude.bit_length()
    return f80.make(sign, BIAS + 63 - shift, magnitude << shift)


def round_integer(m: Mode, a: Number, rounding: int) -> int:
    """The magnitude of a finite number as an integer, with PE and C1."""
    if f80.classify(a) is Class.ZERO:
        return 0
    x = f80.unpack(a)
    if x.exp > BIAS + 63:
        return x.sig << x.exp - BIAS - 63
    value = f80.shift_jam(x.sig << 64, BIAS + 63 - x.exp)
    whole, rest = value >> 64, value & _MASK64
    m.flags |= f80.PE * (rest != 0)
    if f80.rounds_up(rounding, x.sign, whole & 1, rest, 1 << 63):
        m.flags |= f80.C1
        whole += 1
    return whole


def _bounded(m: Mode, a: Number, rounding: int, largest: int) -> int | None:
    """The same up to a limit; None, and an invalid operation, beyond it."""
    if f80.classify(a) < Class.INFINITY:
        flags = m.flags
        value = round_integer(m, a, rounding)
        if value <= largest:
            return value
        m.flags = flags
    m.flags |= f80.IE
    return None


def to_integer(m: Mode, a: Number, bits: int, rounding: int) -> int:
    """FIST and the like: a signed number of so many bits, or the integer indefinite."""
    limit, sign = 1 << bits - 1, f80.sign_of(a)
    value = _bounded(m, a, rounding, limit - (not sign))
    if value is None:
        return -limit
    return -value if sign else value


def to_digits(m: Mode, a: Number) -> bytes:
    """FBSTP."""
    value = _bounded(m, a, m.rounding, BCD_LARGEST)
    if value is None:
        return PACKED_INDEFINITE
    return bytes.fromhex(f"{value:018d}")[::-1] + bytes((f80.sign_of(a) << 7,))


def from_digits(data: bytes) -> Number:
    """FBLD; a digit beyond 9 counts as what it is."""
    value = 0
    for byte in data[8::-1]:
        value = value * 100 + (byte >> 4) * 10 + (byte & 15)
    return from_integer(data[9] >> 7, value & _MASK64)


def round_to_integer(m: Mode, a: Number) -> Number:
    """FRNDINT."""
    result = f80.special(m, a, a)
    if result is not None:
        return result
    f80.note_denormal(m, a)
    if a[1] & f80.LARGEST >= BIAS + 63:
        return a
    return from_integer(f80.sign_of(a), round_integer(m, a, m.rounding))


def remainder(m: Mode, a: Number, b: Number, *, nearest: bool) -> tuple[Number, int, bool]:
    """FPREM, and with `nearest` FPREM1: remainder, quotient, and whether it is not complete yet.

    Then the exponent has come down by 32 to 63, as much as makes the rest a multiple of 32 away.
    """
    result = f80.special(m, a, b)
    if result is not None:
        return result, 0, False
    ca, cb, sign = f80.classify(a), f80.classify(b), f80.sign_of(a)
    if ca is Class.INFINITY or cb is Class.ZERO:
        return f80.invalid(m), 0, False
    f80.note_denormal(m, a, b)
    if ca is Class.ZERO:
        return a, 0, False
    x = f80.unpack(a)
    unchanged = x.exp, x.sig << 64
    if cb is Class.INFINITY:
        return f80.pack(m, sign, *unchanged), 0, False
    y = f80.unpack(b)
    distance = x.exp - y.exp
    if distance < -1 or (distance < 0 and not nearest):
        return f80.pack(m, sign, *unchanged), 0, False
    if distance == -1:  # less than the divisor, perhaps more than half of it
        if x.sig <= y.sig:
            return f80.pack(m, sign, *unchanged), 0, False
        return f80.normalise(m, 1 - sign, y.exp, (y.sig << 64) - (x.sig << 63)), 1, False
    partial = distance >= 64
    step = 32 | distance & 31 if partial else distance
    quotient, rest = divmod(x.sig << step, y.sig)
    if nearest and not partial and (2 * rest, quotient & 1) > (y.sig, 0):
        quotient, rest, sign = quotient + 1, y.sig - rest, 1 - sign
    if not rest:
        return f80.zero(f80.sign_of(a)), 0 if partial else quotient, partial
    result = f80.normalise(m, sign, y.exp + distance - step, rest << 64)
    return result, 0 if partial else quotient, partial


def scale(m: Mode, a: Number, b: Number) -> Number:
    """FSCALE."""
    result = f80.special(m, a, b)
    if result is not None:
        return result
    ca, cb, down = f80.classify(a), f80.classify(b), f80.sign_of(b)
    if cb is Class.INFINITY and ca is (Class.INFINITY if down else Class.ZERO):
        return f80.invalid(m)
    f80.note_denormal(m, a, b)
    if ca in (Class.INFINITY, Class.ZERO):
        return a
    if cb is Class.INFINITY:
        return f80.zero(f80.sign_of(a)) if down else f80.infinity(f80.sign_of(a))
    by = 0
    if cb is not Class.ZERO:
        y = f80.unpack(b)
        by = 1 << 17 if y.exp > BIAS + 16 else y.sig >> min(BIAS + 63 - y.exp, 64)
    x = f80.unpack(a)
    return f80.pack(m, x.sign, x.exp + (-by if down else by), x.sig << 64)


def extract(m: Mode, a: Number) -> tuple[Number, Number]:
    """FXTRACT: exponent and significand."""
    result = f80.special(m, a, a)
    if result is not None:
        return result, result
    kind = f80.classify(a)
    if kind is Class.ZERO:
        m.flags |= f80.ZE
        return f80.infinity(1), a
    if kind is Class.INFINITY:
        return f80.infinity(0), a
    f80.note_denormal(m, a)
    x = f80.unpack(a)
    exp = x.exp - BIAS
    return from_integer(int(exp < 0), abs(exp)), f80.make(x.sign, BIAS, x.sig)
