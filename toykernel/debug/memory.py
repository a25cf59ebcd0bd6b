"""x/NFS: memory in gdb's formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from toykernel.debug.disassembly import LONGEST, decode
from toykernel.debug.errors import DebugError
from toykernel.look.task import UnreadableError

FORMATS = "xduotcsi"
SIZES = {"b": 1, "h": 2, "w": 4}
MAX_COUNT = 4096
MAX_STRING = 200
_SPEC = re.compile(r"(?:/?([0-9]*)([a-z]*))\Z")
_PER_LINE = {1: 8, 2: 8, 4: 4}
_CHARACTERS = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 13: "\\r", 27: "\\e", 39: "\\'", 92: "\\\\"}

Name = Callable[[int], str | None]


@dataclass(frozen=True)
class Spec:
    """How to show memory: how many, in which format, units of how many bytes."""

    count: int = 1
    format: str = "x"
    size: int = 4

    def change(self, text: str) -> Spec:
        """With what `/NFS` says, in any order of letters; the rest stays. Raises DebugError."""
        match = _SPEC.match(text)
        if match is None:
            raise DebugError(f"{text} is not a format: /COUNT, then {FORMATS} and b h w")
        spec = replace(self, count=int(match[1][:9]) if match[1] else 1)
        sized = False
        for letter in match[2]:
            if letter in FORMATS:
                spec = replace(spec, format=letter)
                if letter == "c" and not sized:
                    spec = replace(spec, size=1)
            elif letter in SIZES:
                sized = True
                spec = replace(spec, size=SIZES[letter])
            else:
                raise DebugError(
                    f'unknown letter "{letter}" in the format: x hex, d signed, u unsigned, o octal, '
                    "t binary, c character, s string, i instruction; b byte, h half word, w word"
                )
        if not 1 <= spec.count <= MAX_COUNT:
            raise DebugError(f"a count of {match[1]}: from 1 to {MAX_COUNT}")
        return spec


def number_text(value: int, format_: str, size: int) -> str:
    """One unit in one of the formats x d u o t c."""
    bits = 8 * size
    value &= (1 << bits) - 1
    signed = value - (1 << bits) if value >> bits - 1 else value
    match format_:
        case "d":
            return str(signed)
        case "u":
            return str(value)
        case "o":
            return f"0{value:o}" if value else "0"
        case "t":
            return f"{value:0{bits}b}"
        case "c":
            return f"{signed} '{character(value & 0xFF)}'"
        case _:
            return f"{value:#0{2 + 2 * size}x}"


def character(byte: int) -> str:
    """A byte as it stands in a C string: itself, an escape, or three octal digits."""
    if byte in _CHARACTERS:
        return _CHARACTERS[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


class Readable(Protocol):
    """What can be examined: memory as a task sees it, or RAM."""

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at an address. Raises UnreadableError or DebugError when not all of them are
        there.
        """

    def read_upto(self, address: int, size: int) -> bytes:
        """The bytes from an address on that are there, at most `size`."""


def examine(view: Readable, spec: Spec, address: int, name: Name) -> Iterator[tuple[str, int]]:
    """Lines of the dump, each with the address behind it. Raises UnreadableError on the way."""
    if spec.format == "s":
        for _ in range(spec.count):
            line, address = _string(view, address, name)
            yield line, address
        return
    if spec.format == "i":
        for _ in range(spec.count):
            instruction = decode(view.read_upto(address, LONGEST), address, name)
            if instruction is None:
                raise UnreadableError(address)
            yield f"{_place(address, name)}:\t{instruction.text}", address + instruction.size
            address = address + instruction.size & 0xFFFFFFFF
        return
    left = spec.count
    while left:
        units: list[str] = []
        start = address
        for _ in range(min(left, _PER_LINE[spec.size])):
            try:
                data = view.read(address, spec.size)
            except UnreadableError:
                if units:
                    yield _line(start, units, name), address
                raise
            units.append(number_text(int.from_bytes(data, "little"), spec.format, spec.size))
            address = address + spec.size & 0xFFFFFFFF
        left -= len(units)
        yield _line(start, units, name), address


def _line(address: int, units: list[str], name: Name) -> str:
    return f"{_place(address, name)}:\t" + "\t".join(units)


def _place(address: int, name: Name) -> str:
    symbol = name(address)
    return f"{address:#010x}" + (f" <{symbol}>" if symbol else "")


def _string(view: Readable, address: int, name: Name) -> tuple[str, int]:
    data = view.read_upto(address, MAX_STRING)
    if not data:
        raise UnreadableError(address)
    text, end, _ = data.partition(b"\0")
    shown = "".join('\\"' if byte == 34 else character(byte) for byte in text).replace("\\'", "'")
    line = f'{_place(address, name)}:\t"{shown}"' + ("" if end else "...")
    return line, address + len(text) + len(end) & 0xFFFFFFFF
