"""Floating-point constants as the x87 and SSE store them (IEEE 754; Intel SDM vol. 1, 4.2.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .errors import Problem

if TYPE_CHECKING:
    from fractions import Fraction

_FORMATS: Final = {4: (8, 23), 8: (11, 52), 10: (15, 63)}
_DECIMAL: Final = re.compile(
    r"(?:0[a-zA-Z])?\s*([-+]?)\s*(?:(\d*\.?\d*)(?:[eE]([-+]?\d+))?|(inf|infinity|nan))", re.I
)


def float_bytes(text: str, width: int) -> bytes:
    """The number in `width` bytes (4, 8 or the x87's 10), rounded to the nearest. Raises Problem."""
    from fractions import Fraction  # few sources have any

    exponent_bits, fraction_bits = _FORMATS[width]
    raw = re.fullmatch(r"(?:0[a-zA-Z])?:([0-9a-fA-F_]+)", text)
    if raw is not None:
        digits = raw.group(1).replace("_", "")
        return int(digits, 16).to_bytes(width + len(digits), "big")[-width:][::-1]
    match = _DECIMAL.fullmatch(text.strip())
    if match is None or not (match.group(4) or (match.group(2) or "").strip(".")):
        raise Problem(f"`{text}' is not a floating-point number")
    sign = match.group(1) == "-"
    top = (1 << exponent_bits) - 1
    explicit = width == 10
    if match.group(4):
        nan = match.group(4).lower() == "nan"
        exponent, fraction = top, ((1 << fraction_bits) - 1 if nan else 0)
        if explicit:
            fraction |= 1 << 63
    else:
        power = int(match.group(3) or 0)
        if abs(power) > 20000:
            raise Problem(f"`{text}' is out of range")
        value = Fraction(match.group(2)) * Fraction(10) ** power
        exponent, fraction = _round(value, exponent_bits, fraction_bits)
        if exponent >= top:
            raise Problem(f"`{text}' does not fit into {width} bytes")
        if explicit and exponent == 0 and fraction >> 63:
            exponent = 1
        if not explicit:
            fraction &= (1 << fraction_bits) - 1
    shift = fraction_bits + explicit
    number = (sign << (exponent_bits + shift)) | (exponent << shift) | fraction
    return number.to_bytes(width, "little")


def _round(value: Fraction, exponent_bits: int, fraction_bits: int) -> tuple[int, int]:
    """Biased exponent and significand, with its leading 1 where it has one."""
    from fractions import Fraction

    if value == 0:
        return 0, 0
    bias = (1 << (exponent_bits - 1)) - 1
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if Fraction(2) ** exponent > value:
        exponent -= 1
    exponent = max(exponent, 1 - bias)
    scaled = value / Fraction(2) ** (exponent - fraction_bits)
    significand = round(scaled)
    if significand >> (fraction_bits + 1):
        significand >>= 1
        exponent += 1
    if not significand >> fraction_bits:
        return 0, significand
    return exponent + bias, significand
