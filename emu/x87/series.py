"""Functions in fixed point with 126 fraction bits, for numbers near 1; emu/_x87_series.h does the same.

Nothing depends on the host: every step is a product or a quotient rounded down. What is dropped stays below
2**-115 of the result, so a result rounded to 64 bits is the correctly rounded one but for one case in 2**50.
"""

from __future__ import annotations

FRACTION = 126
ONE = 1 << FRACTION
LN2 = 0x2C5C85FDF473DE6AF278ECE600FCBDAB
TWO_BY_LN2 = 0xB8AA3B295C17F0BBBE87FED0691D3E88
PI = 0xC90FDAA22168C234C4C6628B80DC1CD1
#: atan(n / 16)
_ATAN = (
    0x00000000000000000000000000000000,
    0x03FEAB76E59FBD38DB2C9E4B7038B835,
    0x07F56EA6AB0BDB719644BCC4F9F44477,
    0x0BDCBDA5E72D811347B0B4F881C9C748,
    0x0FADBAFC96406EB156DC79EF5F7A217E,
    0x1362773707EBCBCD38B576931A4F5E65,
    0x16F61941E4DEF08E715464245B9FC890,
    0x1A64EEC3CC23FCB6C84F92BD2003CE26,
    0x1DAC670561BB4F68ADFC88BD978751A0,
    0x20CAFD29B6619F8A92DA8272D8694570,
    0x23C01757BDFD67E6D720D78599710DD1,
    0x268BE0399C6F76881089BE388813FCEF,
    0x292F1F464D3DC249066A1FCA915F6B27,
    0x2BAB130E2D363020051C978BCF9481C2,
    0x2E014F8AF08C679CF2CB69548429110F,
    0x3033A16E2B149990227758B11BA4BE89,
    0x3243F6A8885A308D313198A2E0370734,
)


def product(a: int, b: int) -> int:
    return a * b >> FRACTION


def quotient(a: int, b: int) -> int:
    """Of two numbers on any common scale."""
    return (a << FRACTION) // b


def exp2_ratio(u: int, *, negative: bool) -> int:
    """(e**t - 1) / t for t = u or -u, at most 0.7."""
    p = ONE
    for k in range(34, 1, -1):
        step = product(u, p) // k + 1
        p = ONE - step if negative else ONE + step
    return p


def atanh_ratio(z2: int) -> int:
    """atanh(z) / z for z**2, at most 1/9."""
    last = 26 if z2 < ONE >> 5 else 41
    s = ONE // (2 * last + 1)
    for k in range(last - 1, -1, -1):
        s = ONE // (2 * k + 1) + product(z2, s)
    return s


def atan_ratio(t2: int) -> int:
    """atan(t) / t for t**2, at most 2**-10."""
    s = ONE // 29
    for k in range(13, -1, -1):
        s = ONE // (2 * k + 1) - product(t2, s)
    return s - 1


def log2_ratio(w: int, exp: int, d: int) -> int:
    """log2((1 + z) / (1 - z)) / 2**exp for z = w / d * 2**exp, w and d in fixed point, at most 1/3 in all."""
    z = quotient(w, d)
    z2 = product(z, z) >> -2 * exp
    return product(product(TWO_BY_LN2, z), atanh_ratio(z2))


def sine_ratio(r2: int) -> int:
    """sin(r) / r for r**2, at most 0.62."""
    p = ONE
    for k in range(32, 0, -2):
        p = ONE - product(r2, p) // (k * (k + 1)) - 1
    return p


def cosine(r2: int) -> int:
    p = ONE
    for k in range(33, 0, -2):
        p = ONE - product(r2, p) // (k * (k + 1)) - 1
    return p


def arctangent(q: int) -> int:
    """atan(q) for 1/32 <= q <= 1."""
    n = (q >> FRACTION - 5) + 1 >> 1
    c = n << FRACTION - 4
    t = quotient(abs(q - c), ONE + (q >> 4) * n)
    a = product(t, atan_ratio(product(t, t)))
    return _ATAN[n] - a if q < c else _ATAN[n] + a
