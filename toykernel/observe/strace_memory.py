"""What every printer of strace starts from: whose memory it is, strings, addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

_ESCAPES = {
    ord(char): escape
    for char, escape in zip(
        '"\\\n\r\t\v\f', ('\\"', "\\\\", *(f"\\{c}" for c in "nrtvf")), strict=True
    )
}


@dataclass(frozen=True)
class Memory:
    """Whose memory the arguments of a call point into, and what the call answered (None: not yet)."""

    k: Kernel
    mm: MmStruct | None
    result: int | None = None


def quote(data: bytes) -> str:
    """A C string literal; octal escapes as short as the next character allows."""
    text = ""
    for index, byte in enumerate(data):
        if byte in _ESCAPES:
            text += _ESCAPES[byte]
        elif 0x20 <= byte < 0x7F:
            text += chr(byte)
        else:
            following = data[index + 1 : index + 2]
            text += f"\\{byte:03o}" if b"0" <= following <= b"7" else f"\\{byte:o}"
    return f'"{text}"'


def address_text(word: int) -> str:
    """A pointer as strace shows it: NULL or hexadecimal."""
    return f"{word:#x}" if word else "NULL"
