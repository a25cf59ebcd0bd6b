"""F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FSINCOS, FPTAN, correctly rounded.

emu/_x87_functions.h does the same. A processor is within one unit in the last place of that (SDM vol. 1,
8.3.10). Arguments of the trigonometric functions are reduced by pi with 66 bits, as there.
"""

from __future__ import annotations

from emu.x87 import convert, series
from emu.x87 import float80 as f80
from emu.x87.float80 import BIAS, INDEFINITE, Class, Mode, Number
from emu.x87.unit import C2, Outcome, Unit

_ONE: Number = (1 << 63, BIAS)
_INTEGER_BIT = 1 << 63
_SQRT2 = 0xB504F333F9DE6484
#: pi to 64 places behind the point.
_PI66 = 0x3243F6A8885A308D3


def _deliver(m: Mode, sign: int, exp: int, wide: int, scale: int) -> Number:
    """wide / 2**scale * 2**exp, which is never exact."""
    length = wide.bit_length()
    sig = wide << 128 - length if length <= 128 else f80.shift_jam(wide, length - 128)
    return f80.pack(m, sign, BIAS + exp + length - 1 - scale, sig | 1)


def _exact(m: Mode, a: Number) -> Number:
    """A result that processors call inexact all the same."""
    m.flags |= f80.PE | (0 if a[1] & f80.LARGEST else f80.UE)
    return a


def _exp(x: f80.Finite) -> int:
    return x.exp - BIAS


def f2xm1(m: Mode, a: Number) -> Number:
    """2**a - 1; beyond -1 to 1 it is undefined, and processors leave `a` alone."""
    result = f80.special(m, a, a)
    if result is not None:
        return result
    match f80.classify(a):
        case Class.ZERO:
            return a
        case Class.INFINITY:
            return f80.make(1, BIAS, _INTEGER_BIT) if f80.sign_of(a) else a
    f80.note_denormal(m, a)
    x = f80.unpack(a)
    exp = _exp(x)
    if exp >= 0:
        half = f80.make(1, BIAS - 1, _INTEGER_BIT)
        return _exact(m, half if a == (_INTEGER_BIT, 0x8000 | BIAS) else a)
    u = series.product(series.LN2, x.sig << 63 >> min(-exp, 127))
    p = series.product(series.LN2, series.exp2_ratio(u, negative=bool(x.sign)))
    return _deliver(m, x.sign, exp, p * x.sig, series.FRACTION + 63)


def _times_log(m: Mode, y: Number, sign: int, exp: int, log: int, scale: int) -> Number:
    """y times log / 2**scale * 2**exp."""
    n = f80.unpack(y)
    return _deliver(m, sign ^ n.sign, exp + _exp(n), log * n.sig, scale + 63)


def _log_of_one_plus(m: Mode, w: f80.Finite, y: Number) -> Number:
    """y * log2(1 + w) for a small w."""
    d = (1 << 126) + (-1 if w.sign else 1) * (w.sig << 62 >> min(-_exp(w), 127))
    log = series.log2_ratio(w.sig << 62, _exp(w), d)
    return _times_log(m, y, w.sign, _exp(w), log, series.FRACTION)


def _log(m: Mode, x: f80.Finite, y: Number) -> Number:
    """y * log2(x)."""
    k, sig = _exp(x), x.sig
    big = sig > _SQRT2
    k += big
    rest = (1 << 64) - sig if big else sig - _INTEGER_BIT
    if not rest:
        result = f80.mul(m, convert.from_integer(int(k < 0), abs(k)), y)
        return _exact(m, result)
    shift = 64 - rest.bit_length()
    w = f80.Finite(int(big), BIAS - shift - big, rest << shift)
    if not k:
        return _log_of_one_plus(m, w, y)
    d = (sig << 61 if big else sig << 62) + (1 << 125)
    part = series.log2_ratio(w.sig << 62, _exp(w), d) >> min(14 - _exp(w), 127)
    log = (abs(k) << 112) + (part if (k < 0) == big else -part)
    return _times_log(m, y, int(k < 0), 0, log, 112)


def fyl2x(m: Mode, x: Number, y: Number) -> Number:
    """y * log2(x)."""
    result = f80.special(m, x, y)
    if result is not None:
        return result
    cx, cy, sign = f80.classify(x), f80.classify(y), f80.sign_of(y)
    if cx is Class.ZERO:
        if cy is Class.ZERO:
            return f80.invalid(m)
        if cy is not Class.INFINITY:
            m.flags |= f80.ZE
        return f80.infinity(1 - sign)
    if f80.sign_of(x):
        return f80.invalid(m)
    above = x[1] >= BIAS and x != _ONE
    if (cx is Class.INFINITY and cy is Class.ZERO) or (x == _ONE and cy is Class.INFINITY):
        return f80.invalid(m)
    f80.note_denormal(m, x, y)
    if Class.INFINITY in (cx, cy):
        return f80.infinity(sign if above else 1 - sign)
    if x == _ONE or cy is Class.ZERO:
        return f80.zero(sign if above or x == _ONE else 1 - sign)
    return _log(m, f80.unpack(x), y)


def fyl2xp1(m: Mode, x: Number, y: Number) -> Number:
    """y * log2(x + 1); beyond 1 - sqrt(1/2) it is undefined."""
    result = f80.special(m, x, y)
    if result is not None:
        return result
    cx, cy, sign = f80.classify(x), f80.classify(y), f80.sign_of(x) ^ f80.sign_of(y)
    pair = {cx, cy}
    minus_infinity = cx is Class.INFINITY and f80.sign_of(x)
    if minus_infinity or pair == {Class.ZERO, Class.INFINITY}:
        return f80.invalid(m)
    f80.note_denormal(m, x, y)
    if Class.INFINITY in pair:
        return f80.infinity(sign)
    if Class.ZERO in pair:
        return f80.zero(sign)
    w = f80.unpack(x)
    if _exp(w) < -1:
        return _log_of_one_plus(m, w, y)
    if w.sign and _exp(w) >= 0:
        return _exact(m, x)
    return _log(m, f80.unpack(f80.add(Mode(), x, _ONE)), y)


def _angle(m: Mode, sign: int, sixteenths: int) -> Number:
    """pi * sixteenths / 16."""
    return _deliver(m, sign, 0, series.PI * sixteenths, series.FRACTION + 4)


def fpatan(m: Mode, x: Number, y: Number) -> Number:
    """The angle of the point (x, y)."""
    result = f80.special(m, x, y)
    if result is not None:
        return result
    cx, cy, left, sign = f80.classify(x), f80.classify(y), f80.sign_of(x), f80.sign_of(y)
    f80.note_denormal(m, x, y)
    if Class.INFINITY in (cx, cy):
        if cy is not Class.INFINITY:
            return _angle(m, sign, 16) if left else f80.zero(sign)
        return _angle(m, sign, 8 if cx is not Class.INFINITY else 12 if left else 4)
    if cy is Class.ZERO:
        return _angle(m, sign, 16) if left else y
    if cx is Class.ZERO:
        return _angle(m, sign, 8)
    p, q = f80.unpack(y), f80.unpack(x)
    steep = p[1:] > q[1:]
    if steep:
        p, q = q, p
    ratio, exp = series.quotient(p.sig << 62, q.sig << 62), p.exp - q.exp
    if exp > -6 and ratio >> -exp >= series.ONE >> 5:
        angle, exp = series.arctangent(ratio >> -exp), 0
    else:
        t2 = series.product(ratio, ratio) >> min(-2 * exp, 127)
        angle = series.product(ratio, series.atan_ratio(t2))
    if not steep and not left:
        return _deliver(m, sign, exp, angle, series.FRACTION)
    angle >>= min(-exp, 127)
    whole = series.PI >> 1 if steep else series.PI
    return _deliver(m, sign, 0, whole + angle if steep and left else whole - angle, series.FRACTION)


def _reduce(x: f80.Finite) -> tuple[int, int, int, int]:
    """A finite angle below 2**63 as quadrant and rest: (quadrant, sign, exp, sig), sig with 126 fraction
    bits from 1 to 2.
    """
    exp = _exp(x)
    if (exp, x.sig) < (-1, 0xC90FDAA22168C235):
        return 0, x.sign, exp, x.sig << 63
    quadrant, rest = divmod(x.sig << exp + 2, _PI66)
    sign = x.sign
    if 2 * rest > _PI66:
        quadrant, rest, sign = quadrant + 1, _PI66 - rest, 1 - sign
    shift = rest.bit_length() - 1
    return (-quadrant if x.sign else quadrant) & 3, sign, shift - 65, rest << 126 - shift


class _Angle:
    """Sine, cosine and tangent of a finite angle below 2**63 that is not 0."""

    def __init__(self, a: Number) -> None:
        self.quadrant, self.sign, self.exp, self.r = _reduce(f80.unpack(a))
        r2 = series.product(self.r, self.r)
        r2 = r2 << 2 * self.exp if self.exp > 0 else r2 >> min(-2 * self.exp, 127)
        self._sine, self._cosine = series.sine_ratio(r2), series.cosine(r2)

    def sine(self, m: Mode, ahead: int = 0) -> Number:
        """Of the angle, or of as many quarter turns more."""
        quadrant = self.quadrant + ahead & 3
        flip = quadrant >> 1
        if quadrant & 1:
            return _deliver(m, flip, 0, self._cosine, series.FRACTION)
        wide = self.r * self._sine
        return _deliver(m, self.sign ^ flip, self.exp, wide, 2 * series.FRACTION)

    def tangent(self, m: Mode) -> Number:
        if self.quadrant & 1:
            wide = series.quotient(self._cosine, series.product(self.r, self._sine))
            return _deliver(m, 1 - self.sign, -self.exp, wide, series.FRACTION)
        wide = self.r * series.quotient(self._sine, self._cosine)
        return _deliver(m, self.sign, self.exp, wide, 2 * series.FRACTION)


def _trigonometric(u: Unit, modrm: int) -> None:
    """FSIN, FCOS, FSINCOS, FPTAN. An angle of 2**63 or more: C2, and nothing else."""
    pushes = modrm in (0xFB, 0xF2)
    u.f.status &= ~C2
    missing = u.missing(0)
    if missing or (pushes and u.full()):
        _put_two(u, INDEFINITE, INDEFINITE if pushes else None)
        return
    a = u.get(0)
    kind = f80.classify(a)
    if kind in (Class.NORMAL, Class.DENORMAL) and a[1] & f80.LARGEST >= BIAS + 63:
        u.f.status |= C2
        return
    first, second = _two_results(u.m, modrm, a, kind)
    _put_two(u, first, second if pushes else None)


def _two_results(m: Mode, modrm: int, a: Number, kind: Class) -> tuple[Number, Number]:
    """What is left in ST(0), and what is pushed by those that push."""
    result = f80.special(m, a, a)
    if result is None and kind is Class.INFINITY:
        result = f80.invalid(m)
    if result is not None:
        return result, result
    if kind is Class.ZERO:
        return _ONE if modrm == 0xFF else a, _ONE
    f80.note_denormal(m, a)
    angle = _Angle(a)
    match modrm:
        case 0xFE:
            return angle.sine(m), _ONE
        case 0xFF:
            return angle.sine(m, 1), _ONE
        case 0xF2:
            return angle.tangent(m), _ONE
        case _:
            second = angle.sine(m, 1)
            return angle.sine(m), second


def _put_two(u: Unit, first: Number, second: Number | None) -> None:
    if u.m.refused:
        return
    u.put(0, first)
    if second is not None:
        u.push(second)


_OF_TWO = {0xF1: fyl2x, 0xF3: fpatan, 0xF9: fyl2xp1}


def function_insn(u: Unit) -> Outcome:
    modrm = u.i.modrm
    if modrm in (0xFE, 0xFF, 0xFB, 0xF2):
        _trigonometric(u, modrm)
    elif modrm == 0xF0:
        r = INDEFINITE if u.missing(0) else f2xm1(u.m, u.get(0))
        if not u.m.refused:
            u.put(0, r)
    elif modrm in _OF_TWO:
        gone = u.missing(0, 1)
        r = INDEFINITE if gone else _OF_TWO[modrm](u.m, u.get(0), u.get(1))
        if not u.m.refused:
            u.put(1, r)
            u.pop()
    else:
        return Outcome.ENGINE
    return Outcome.DONE
