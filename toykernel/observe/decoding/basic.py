"""How strace writes plain words, strings, buffers and vectors."""

from __future__ import annotations

from collections.abc import Mapping

from toykernel.errno import NAMES as ERRNO_NAMES
from toykernel.look.memory import peek_string
from toykernel.observe.decoding.call import Call, Printer
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.text import (
    ARRAY_LIMIT,
    PATH_MAX,
    STRING_LIMIT,
    address,
    escaped,
    identifier,
    octal,
    quote,
    quote_hex,
)

_AT_FDCWD = -100
_HUGE_LENGTH = 1 << 32


def signed_text(word: int) -> str:
    """A word as an int."""
    return str(word - (1 << 32) if word >> 31 else word)


def path_text(c: Call, where: int, limit: int = PATH_MAX - 1) -> str:
    """A path, at most `limit` bytes of it."""
    return _string(c, where, min(limit, PATH_MAX - 1))


def string_text(c: Call, where: int) -> str:
    """A string of no stated length."""
    return _string(c, where, STRING_LIMIT)


def _string(c: Call, where: int, limit: int) -> str:
    found = peek_string(c.k, c.mm, where, limit + 1) if where else None
    if found is None:
        return address(where)
    text, ended = found
    return quote(text[:limit]) + ("" if ended else "...")


def bounded_text(c: Call, where: int, length: int) -> str:
    """A string of at most `length` bytes, of which not all are shown; unterminated ones go on."""
    size = min(STRING_LIMIT + 1, length)
    found = peek_string(c.k, c.mm, where, size) if where else None
    if found is None:
        return address(where)
    text, ended = found
    more = (not ended and length) or len(text) > STRING_LIMIT
    return quote(text[:STRING_LIMIT]) + ("..." if more else "")


def buffer_text(c: Call, where: int, length: int, *, omit_nul: bool = False) -> str:
    """`length` bytes, of which the first are shown."""
    length %= _HUGE_LENGTH
    data = _bytes(c, where, length)
    if data is None:
        return address(where)
    shown = data[:STRING_LIMIT]
    if omit_nul and shown.endswith(b"\0") and len(shown) == min(length, STRING_LIMIT):
        text = f'"{escaped(shown)[: -len(escaped(shown[-1:]))]}"'
        return text
    return quote(shown) + ("..." if length > STRING_LIMIT else "")


def hex_text(c: Call, where: int, length: int) -> str:
    """Bytes that are no text."""
    length %= _HUGE_LENGTH
    data = _bytes(c, where, length)
    if data is None:
        return address(where)
    return quote_hex(data[:STRING_LIMIT]) + ("..." if length > STRING_LIMIT else "")


def _bytes(c: Call, where: int, length: int) -> bytes | None:
    """The first bytes of a buffer, one more than are shown."""
    if not where or not length:
        return b"" if where else None
    return c.peek(where, min(length, STRING_LIMIT + 1))


def nonzero_tail(c: Call, where: int, start: int, end: int) -> str:
    """A member for the bytes of a structure that strace does not know; "" when all are 0."""
    data = c.peek(where + start, end - start)
    if data is None:
        return "???"
    if not data.strip(b"\0"):
        return ""
    more = "..." if len(data) > STRING_LIMIT else ""
    return f"/* bytes {start}..{end - 1} */ {quote_hex(data[:STRING_LIMIT])}{more}"


def dirfd_text(word: int) -> str:
    """A directory's descriptor."""
    text = signed_text(word)
    return "AT_FDCWD" if text == str(_AT_FDCWD) else text


def error_text(number: int) -> str:
    """An error by its name, as a value in memory."""
    return ERRNO_NAMES.get(number, str(number))


def iovec_text(
    c: Call, where: int, count: int, *, limit: int | None = None, addresses: bool = False
) -> str:
    """An array of iovec; at most `limit` bytes of data in all, or only the pieces' addresses."""
    left = 1 << 64 if limit is None else limit

    def show(data: bytes) -> str:
        nonlocal left
        base, length = (int.from_bytes(data[at : at + 4], "little") for at in (0, 4))
        size = min(length, left)
        left -= size
        text = address(base) if addresses else buffer_text(c, base, size)
        return f"{{iov_base={text}, iov_len={length}}}"

    return c.array(where, count, 8, show, always=True)


def vector_text(c: Call, where: int) -> str:
    """The strings of a NULL-terminated vector."""
    if not where:
        return "NULL"
    shown: list[str] = []
    while True:
        pointer = c.word(where)
        if pointer is None:
            if not shown:
                return address(where)
            shown.append(f"... /* {where:#x} */")
            break
        if not pointer:
            break
        if len(shown) == ARRAY_LIMIT:
            shown.append("...")
            break
        shown.append(string_text(c, pointer))
        where += 4
    return "[" + ", ".join(shown) + "]"


def environment_text(c: Call, where: int) -> str:
    """How many strings a NULL-terminated vector has."""
    if not where:
        return "NULL"
    count, at, ended = 0, where, False
    while (pointer := c.word(at)) is not None:
        if not pointer:
            ended = True
            break
        count, at = count + 1, at + 4
    if not count and not ended:
        return address(where)
    plural, more = "" if count == 1 else "s", "" if ended else ", unterminated"
    return f"{where:#x} /* {count} var{plural}{more} */"


def number_at(c: Call, where: int, size: int = 4, *, signed: bool = True) -> str:
    """[a number in memory]."""
    data = c.fetch(where, size)
    return address(where) if data is None else f"[{int.from_bytes(data, 'little', signed=signed)}]"


def _out(c: Call, i: int, length: int) -> str:
    return address(c.words[i]) if c.failed else buffer_text(c, c.words[i], length)


def _groups(c: Call, where: int, count: int, size: int) -> str:
    if count > 65536:
        return address(where)

    def show(data: bytes) -> str:
        number = int.from_bytes(data, "little")
        return "-1" if number == (1 << 8 * size) - 1 else str(number)

    return c.array(where, count, size, show)


def _identifier_at(c: Call, i: int, size: int) -> str:
    data = c.fetch(c.words[i], size)
    if data is None:
        return address(c.words[i])
    number = int.from_bytes(data, "little")
    return "[-1]" if number == (1 << 8 * size) - 1 else f"[{number}]"


def _mincore(c: Call, i: int) -> str:
    pages = -(-c.words[1] // 4096)
    return c.array(c.words[i], pages, 1, lambda data: str(data[0] & 1))


PRINTERS: Mapping[str, Printer] = {
    "int": lambda c, i: str(c.signed(i)),
    "uint": lambda c, i: str(c.words[i]),
    "hex": lambda c, i: hexadecimal(c.words[i]),
    "address": lambda c, i: address(c.words[i]),
    "fd": lambda c, i: str(c.signed(i)),
    "dirfd": lambda c, i: dirfd_text(c.words[i]),
    "pid": lambda c, i: str(c.signed(i)),
    "id": lambda c, i: identifier(c.words[i]),
    "id16": lambda c, i: "-1" if c.words[i] & 0xFFFF == 0xFFFF else str(c.words[i] & 0xFFFF),
    "long": lambda c, i: str(c.double(i)),
    "ulong": lambda c, i: str(c.double(i) % (1 << 64)),
    "mode": lambda c, i: octal(c.words[i] & 0xFFFF),
    "path": lambda c, i: path_text(c, c.words[i]),
    "string": lambda c, i: string_text(c, c.words[i]),
    "strings": lambda c, i: vector_text(c, c.words[i]),
    "environment": lambda c, i: environment_text(c, c.words[i]),
    "buffer": lambda c, i: buffer_text(c, c.words[i], c.words[i + 1]),
    "read_buffer": lambda c, i: _out(c, i, c.value),
    "random_buffer": lambda c, i: (
        address(c.words[i]) if c.failed else hex_text(c, c.words[i], c.value)
    ),
    "cwd": lambda c, i: (
        address(c.words[i]) if c.failed else path_text(c, c.words[i], (c.value - 1) % (1 << 32))
    ),
    "xattr_value": lambda c, i: _xattr(c, i, c.words[i + 1]),
    "xattr_out": lambda c, i: _xattr(c, i, c.value),
    "xattr_list": lambda c, i: (
        address(c.words[i])
        if c.failed or not c.words[i + 1]
        else buffer_text(c, c.words[i], c.value)
    ),
    "hostname": lambda c, i: (
        address(c.words[i]) if c.words[i + 1] > 64 else buffer_text(c, c.words[i], c.words[i + 1])
    ),
    "iovec": lambda c, i: iovec_text(c, c.words[i], c.words[i + 1]),
    "iovec_addresses": lambda c, i: iovec_text(c, c.words[i], c.words[i + 1], addresses=True),
    "iovec_out": lambda c, i: iovec_text(
        c, c.words[i], c.words[i + 1], limit=c.value, addresses=c.failed
    ),
    "int_at": lambda c, i: number_at(c, c.words[i]),
    "uint_at": lambda c, i: number_at(c, c.words[i], signed=False),
    "long_at": lambda c, i: number_at(c, c.words[i], 8),
    "ulong_at": lambda c, i: number_at(c, c.words[i], 8, signed=False),
    "hex_at": lambda c, i: c.record(c.words[i], "I", lambda n: f"[{address(n)}]"),
    "id_at": lambda c, i: _identifier_at(c, i, 4),
    "id16_at": lambda c, i: _identifier_at(c, i, 2),
    "fd_pair": lambda c, i: c.array(
        c.words[i], 2, 4, lambda data: str(int.from_bytes(data, "little", signed=True))
    ),
    "groups": lambda c, i: _groups(c, c.words[i], c.words[i - 1], 4),
    "groups16": lambda c, i: _groups(c, c.words[i], c.words[i - 1], 2),
    "groups_out": lambda c, i: _groups(c, c.words[i], c.value & 0xFFFFFFFF, 4),
    "groups16_out": lambda c, i: _groups(c, c.words[i], c.value & 0xFFFFFFFF, 2),
    "mincore": _mincore,
}


def _xattr(c: Call, i: int, length: int) -> str:
    if length > 65536:
        return address(c.words[i])
    return buffer_text(c, c.words[i], length, omit_nul=True)
