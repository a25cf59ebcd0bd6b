"""What every printer of strace starts from: strings, addresses, numbers."""

from __future__ import annotations

import time
from collections.abc import Iterable

STRING_LIMIT = ARRAY_LIMIT = 32  # strace -s
PATH_MAX = 4096
_ESCAPES = {
    ord(char): escape
    for char, escape in zip(
        '"\\\n\r\t\v\f', ('\\"', "\\\\", *(f"\\{c}" for c in "nrtvf")), strict=True
    )
}


def quote(data: bytes) -> str:
    """A C string literal; octal escapes as short as the next character allows."""
    return f'"{escaped(data)}"'


def escaped(data: bytes) -> str:
    """The inside of a C string literal."""
    text = ""
    for index, byte in enumerate(data):
        if byte in _ESCAPES:
            text += _ESCAPES[byte]
        elif 0x20 <= byte < 0x7F:
            text += chr(byte)
        else:
            following = data[index + 1 : index + 2]
            text += f"\\{byte:03o}" if b"0" <= following <= b"7" else f"\\{byte:o}"
    return text


def quote_hex(data: bytes) -> str:
    """A string of bytes that are no text."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def address(word: int) -> str:
    """A pointer: NULL or hexadecimal."""
    return f"{word:#x}" if word else "NULL"


def identifier(word: int) -> str:
    """A user, a group, an entry: -1 or a number without sign."""
    return "-1" if word == 0xFFFFFFFF else str(word)


def octal(mode: int) -> str:
    """Permissions, as C's %#03o."""
    return (f"0{mode:o}" if mode else "0").zfill(3)


def struct_text(fields: Iterable[str]) -> str:
    """Members in braces."""
    return "{" + ", ".join(fields) + "}"


def moment(seconds: int, part: int = 0, digits: int = 0) -> str:
    """A comment with a date in UTC behind a time; none for the epoch and for what is no time."""
    if (not seconds and not part) or not 0 <= part < 10**digits:
        return ""
    try:
        date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return ""
    fraction = f".{part:0{digits}d}" if part else ""
    return f" /* {date}{fraction}+0000 */"
