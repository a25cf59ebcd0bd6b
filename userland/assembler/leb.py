"""LEB128, the numbers of variable length of DWARF (DWARF 5, section 7.6)."""

from __future__ import annotations


def unsigned(value: int) -> bytes:
    """The number, which is not negative, seven bits a byte, the lowest first."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def signed(value: int) -> bytes:
    """The number in two's complement, seven bits a byte, the lowest first."""
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        done = (value == 0 and not low & 0x40) or (value == -1 and bool(low & 0x40))
        out.append(low if done else low | 0x80)
        if done:
            return bytes(out)
