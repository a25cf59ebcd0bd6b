"""The directives that make bytes: numbers, strings, fills, alignments."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .errors import Problem
from .expressions import Binary, Number, wrap64
from .fragments import MAX_BYTES, NOPS, Align, Leb, Org, SectionBuild, Space
from .leb import signed, unsigned
from .numbers import float_bytes
from .shapes import Fix
from .source import Statement, split_operands, string_bytes

if TYPE_CHECKING:
    from .assembler import Assembler

_SIZES: Final = {
    ".byte": 1, ".word": 2, ".short": 2, ".hword": 2, ".2byte": 2, ".value": 2, ".long": 4,
    ".int": 4, ".4byte": 4, ".quad": 8, ".8byte": 8, ".dc": 2, ".dc.b": 1, ".dc.w": 2, ".dc.l": 4,
    ".dc.a": 4, ".1byte": 1, ".octa": 16,
}  # fmt: skip
_FLOATS: Final = {
    ".float": 4, ".single": 4, ".double": 8, ".tfloat": 10, ".dc.s": 4, ".dc.d": 8, ".dc.x": 10,
}  # fmt: skip
_REPEATED: Final = {".dcb": 2, ".dcb.b": 1, ".dcb.w": 2, ".dcb.l": 4}
_ROOMS: Final = {".ds": 2, ".ds.b": 1, ".ds.w": 2, ".ds.l": 4, ".ds.d": 8, ".ds.p": 12, ".ds.x": 12}
_CHARACTERS: Final = {".string8": 1, ".string16": 2, ".string32": 4, ".string64": 8}
MAX_ALIGN: Final = 1 << 20


class DataDirectives:
    """Handlers, one a directive; each gets the text after it."""

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        handlers: dict[str, Callable[[str, Statement], None]] = {
            ".ascii": self._strings, ".asciz": self._strings, ".string": self._strings,
            ".zero": self._space, ".skip": self._space, ".space": self._space,
            ".fill": self._fill, ".org": self._org, ".align": self._align, ".balign": self._align,
            ".balignw": self._align, ".balignl": self._align, ".p2alignw": self._align,
            ".p2alignl": self._align, ".p2align": self._align, ".uleb128": self._leb,
            ".sleb128": self._leb, ".incbin": self._incbin, ".nops": self._nops, ".nop": self._nop,
        }  # fmt: skip
        handlers |= dict.fromkeys(_SIZES, self._data)
        handlers |= dict.fromkeys(_FLOATS, self._floats)
        handlers |= dict.fromkeys(_REPEATED, self._repeated)
        handlers |= dict.fromkeys(_ROOMS, self._room)
        handlers |= dict.fromkeys(_CHARACTERS, self._strings)
        self.handlers = handlers

    @staticmethod
    def _split(text: str) -> tuple[str, list[str]]:
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        return word, split_operands(rest) if rest else []

    def _constant(self, text: str, what: str) -> int:
        return self.assembler.constant(text, what)

    # -- bytes -----------------------------------------------------------------------------

    def _data(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        width = _SIZES[word]
        for value in values:
            if not value:
                raise Problem(f"`{word}' with an empty value")
            if width == 16:
                self._octa(value, statement)
                continue
            node = self.assembler.expression(value)
            if isinstance(node, Number):
                bits = 8 * width
                if width < 8 and not -(1 << (bits - 1)) <= node.value < 1 << bits:
                    self.assembler.warn(
                        f"value {node.value:#x} does not fit in `{word}': it is cut"
                    )
                raw = (node.value & ((1 << bits) - 1)).to_bytes(width, "little")
                self.assembler.emit(raw, (), statement)
            elif width == 8:
                self.assembler.emit(bytes(8), (Fix(0, 8, node),), statement)
            else:
                self.assembler.emit(bytes(width), (Fix(0, width, node),), statement)

    def _octa(self, text: str, statement: Statement) -> None:
        plain = re.fullmatch(r"([-~+\s]*)(0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)", text)
        if plain is not None:
            octal = re.fullmatch(r"0([0-7]+)", plain.group(2))
            number = int(octal.group(1), 8) if octal else int(plain.group(2), 0)
            for sign in reversed(plain.group(1)):
                number = {"-": -number, "~": ~number}.get(sign, number)
        else:
            number = self._constant(text, "value")
        self.assembler.emit((number & ((1 << 128) - 1)).to_bytes(16, "little"), (), statement)

    def _floats(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        out = b"".join(float_bytes(value, _FLOATS[word]) for value in values)
        self.assembler.emit(out, (), statement)

    def _leb(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        section = self.assembler.section
        for value in values:
            node = self.assembler.expression(value)
            negative = word == ".sleb128"
            if isinstance(node, Number):
                number = wrap64(node.value)
                raw = signed(number) if negative else unsigned(number & ((1 << 64) - 1))
                self.assembler.emit(raw, (), statement)
            else:
                section.close(Leb(node, negative, statement))

    def _repeated(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if len(values) != 2:
            raise Problem(f"`{word}' takes COUNT, VALUE")
        count, value = self._constant(values[0], "count"), self._constant(values[1], "value")
        width = _REPEATED[word]
        if not 0 <= count * width <= MAX_BYTES:
            raise Problem(f"`{word}' of {count} values")
        self.assembler.emit(
            (value & ((1 << 8 * width) - 1)).to_bytes(width, "little") * count, (), statement
        )

    def _room(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        count = self._constant(values[0] if values else "", "count")
        if count < 0:
            raise Problem(f"`{word}' of {count} values")
        self.assembler.emit_fill(count * _ROOMS[word], 0, statement)

    def _incbin(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if not 1 <= len(values) <= 3:
            raise Problem(f'`{word}\' takes "FILE", SKIP, COUNT')
        skip = self._constant(values[1], "skip") if len(values) > 1 and values[1] else 0
        data = self.assembler.reader.binary(
            string_bytes(values[0]).decode("utf-8", "surrogateescape")
        )
        count = self._constant(values[2], "count") if len(values) > 2 else max(len(data) - skip, 0)
        if skip < 0 or count < 0 or skip + count > len(data):
            raise Problem(f"`.incbin' of {count} bytes from {skip}, of a file of {len(data)}")
        self.assembler.emit(data[skip : skip + count], (), statement)

    def _nops(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        count = self._constant(values[0] if values else "", "count")
        if not 0 <= count <= MAX_BYTES:
            raise Problem(f"`.nops' of {count} bytes")
        self.assembler.emit(
            b"".join(NOPS[n] for n in [7] * (count // 7) + [count % 7]), (), statement
        )

    def _nop(self, text: str, statement: Statement) -> None:
        self.assembler.emit(b"\x90", (), statement)

    def _strings(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        width = _CHARACTERS.get(word, 1)
        end = b"" if word == ".ascii" else b"\0"
        out = bytearray()
        for value in values:
            pieces = re.findall(r'"(?:\\.|[^"\\])*"', value, re.S)
            if not pieces or re.sub(r"\s", "", "".join(pieces)) != re.sub(r"\s", "", value):
                raise Problem(
                    f"`{word}' takes strings, not `{value}'", 'strings are written "text"'
                )
            out += b"".join(string_bytes(piece) for piece in pieces) + end
        if width > 1:
            out = bytearray(b"".join(bytes([byte]).ljust(width, b"\0") for byte in out))
        self.assembler.emit(bytes(out), (), statement)

    def _space(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if not 1 <= len(values) <= 2:
            raise Problem(f"`{word}' takes a size and a fill byte")
        fill = self._constant(values[1], "fill") & 0xFF if len(values) == 2 else 0
        section = self.assembler.section
        count = self.assembler.expression(values[0])
        if isinstance(count, Number):
            if count.value < 0:
                raise Problem(f"`{word}' of {count.value} bytes")
            self.assembler.emit_fill(count.value, fill, statement)
        else:
            self._check_bss(section, fill)
            section.close(Space(count, fill, statement.location))

    @staticmethod
    def _check_bss(section: SectionBuild, fill: int) -> None:
        if section.nobits and fill:
            raise Problem(f"section {section.name} can only hold zeros")

    def _fill(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        if not 1 <= len(values) <= 3:
            raise Problem("`.fill' takes REPEAT, SIZE, VALUE")
        repeat = self.assembler.expression(values[0])
        size = self._constant(values[1], "size") if len(values) > 1 else 1
        value = self._constant(values[2], "value") if len(values) > 2 else 0
        if not 0 <= size <= 8:
            raise Problem(f"`.fill' of {size} bytes at a time", "the size is 0 to 8")
        unit = (value & 0xFFFFFFFF).to_bytes(8, "little")[
            :size
        ]  # gas: 4 bytes of value, then zeros
        if not isinstance(repeat, Number) and len(set(unit)) == 1:
            self._check_bss(self.assembler.section, unit[0])
            count_of = repeat if size == 1 else Binary("*", repeat, Number(size))
            self.assembler.section.close(Space(count_of, unit[0], statement.location))
            return
        count = self._constant(values[0], "repeat")
        if count < 0:
            self.assembler.warn(f"`.fill' of {count} times does nothing")
            return
        if count * size > MAX_BYTES:
            raise Problem(f"`.fill' of {count * size} bytes is too much")
        self.assembler.emit(unit * count, (), statement)

    def _org(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        if not 1 <= len(values) <= 2:
            raise Problem("`.org' takes an offset and a fill byte")
        fill = self._constant(values[1], "fill") & 0xFF if len(values) == 2 else 0
        section = self.assembler.section
        self._check_bss(section, fill)
        section.close(Org(self.assembler.expression(values[0]), fill, statement.location))

    def _align(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if not 1 <= len(values) <= 3:
            raise Problem(f"`{word}' takes an alignment, a fill byte and a limit")
        boundary = self._constant(values[0], "alignment")
        if word.startswith(".p2align"):
            if not 0 <= boundary <= 20:
                raise Problem(f"alignment 2**{boundary} is too large")
            boundary = 1 << boundary
        boundary = boundary or 1
        if boundary < 0 or boundary & (boundary - 1) or boundary > MAX_ALIGN:
            raise Problem(f"alignment {boundary} is not a power of 2 up to {MAX_ALIGN}")
        fill = None
        section = self.assembler.section
        width = {"w": 2, "l": 4}.get(word[-1], 1) if word not in (".align", ".balign") else 1
        if len(values) > 1 and (values[1] or len(values) == 2):
            number = self._constant(values[1], "fill") if values[1] else 0
            number &= (1 << 8 * width) - 1
            self._check_bss(section, number)
            fill = number.to_bytes(width, "little")
            if fill == b"\x90" and section.executable:
                fill = None  # gas takes 0x90 in code for its long no-operations
        limit = boundary
        if len(values) == 3:
            limit = (self._constant(values[2], "limit") if values[2] else 0) or boundary
            if limit < 0:
                raise Problem(f"limit {limit} of `{word}' is negative")
        section.align = max(section.align, boundary)
        if boundary > 1:
            section.close(Align(boundary, fill, limit, self.assembler.newer[-1]))
