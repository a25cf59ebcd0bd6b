"""The directives that make bytes, choose sections and say things about symbols."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .errors import Problem
from .expressions import Number
from .fragments import MAX_BYTES, Align, Org, SectionBuild, Space
from .shapes import Fix
from .source import Statement, split_operands, string_bytes

if TYPE_CHECKING:
    from .assembler import Assembler

_SYMBOL: Final = re.compile(r"[A-Za-z_.$][\w.$]*")
_SIZES: Final = {
    ".byte": 1, ".word": 2, ".short": 2, ".hword": 2, ".2byte": 2, ".value": 2, ".long": 4,
    ".int": 4, ".4byte": 4, ".quad": 8, ".8byte": 8,
}  # fmt: skip
_IGNORED: Final = frozenset((".file", ".ident", ".code32"))
_KINDS: Final = {
    "function": "func", "object": "object", "notype": "notype", "stt_func": "func",
    "stt_object": "object", "stt_notype": "notype",
}  # fmt: skip
MAX_ALIGN: Final = 1 << 20


def section_defaults(name: str) -> tuple[str, bool]:
    """Flags and whether it is without bytes in the file, by a section's name, as in ELF."""
    for stem, flags, nobits in (
        (".text", "rx", False), (".init", "rx", False), (".fini", "rx", False),
        (".rodata", "r", False), (".data", "rw", False), (".bss", "rw", True),
    ):  # fmt: skip
        if name == stem or name.startswith(stem + "."):
            return flags, nobits
    return "", False


class Directives:
    """Handlers, one a directive; each gets the text after it."""

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        self.previous = ".text"
        self.stack: list[tuple[str, str]] = []
        handlers: dict[str, Callable[[str, Statement], None]] = {
            ".ascii": self._strings, ".asciz": self._strings, ".string": self._strings,
            ".zero": self._space, ".skip": self._space, ".space": self._space,
            ".fill": self._fill, ".org": self._org, ".align": self._align, ".balign": self._align,
            ".p2align": self._align, ".equ": self._set, ".set": self._set, ".equiv": self._set,
            ".globl": self._global, ".global": self._global, ".local": self._local,
            ".type": self._type, ".size": self._size, ".comm": self._common,
            ".lcomm": self._local_common, ".section": self._section, ".previous": self._previous,
            ".pushsection": self._section, ".popsection": self._pop,
            ".intel_syntax": self._syntax, ".att_syntax": self._syntax,
            ".error": self._message, ".err": self._message, ".end": self._end,
        }  # fmt: skip
        for name in _SIZES:
            handlers[name] = self._data
        for name in (".text", ".data", ".bss"):
            handlers[name] = self._plain_section
        self.handlers = handlers

    def names(self) -> list[str]:
        """Every directive, for suggestions."""
        return sorted(
            {*self.handlers, *_IGNORED, ".rodata", ".include", ".macro", ".rept", ".irp", ".if"}
        )

    def run(self, word: str, rest: str, statement: Statement) -> bool:
        """Carry out a directive; False when there is none of that name."""
        if word in _IGNORED:
            return True
        if word == ".rodata":
            self._enter(".rodata", *section_defaults(".rodata"))
            return True
        handler = self.handlers.get(word)
        if handler is None:
            return False
        handler(f"{word} {rest}", statement)
        return True

    @staticmethod
    def _split(text: str) -> tuple[str, list[str]]:
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        return word, split_operands(rest) if rest else []

    def _constant(self, text: str, what: str) -> int:
        node = self.assembler.expression(text)
        if not isinstance(node, Number):
            raise Problem(
                f"{what} `{text}' is not a constant here", "define its symbols before this line"
            )
        return node.value

    # -- bytes -----------------------------------------------------------------------------

    def _data(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        width = _SIZES[word]
        for value in values:
            if value.startswith('"') and len(value) > 3:
                raise Problem(
                    f"`{word}' takes numbers, not the string {value}", "use .ascii or .asciz"
                )
            node = self.assembler.expression(value)
            if isinstance(node, Number):
                bits = 8 * width
                if width < 8 and not -(1 << (bits - 1)) <= node.value < 1 << bits:
                    raise Problem(f"value {node.value:#x} does not fit in `{word}'")
                raw = (node.value & ((1 << bits) - 1)).to_bytes(width, "little")
                self.assembler.emit(raw, (), statement)
            elif width == 8:
                raise Problem(f"`{word}' needs a constant", "addresses are 32 bits wide: use .long")
            else:
                self.assembler.emit(bytes(width), (Fix(0, width, node),), statement)

    def _strings(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        end = b"" if word == ".ascii" else b"\0"
        out = bytearray()
        for value in values:
            pieces = re.findall(r'"(?:\\.|[^"\\])*"', value, re.S)
            if not pieces or re.sub(r"\s", "", "".join(pieces)) != re.sub(r"\s", "", value):
                raise Problem(
                    f"`{word}' takes strings, not `{value}'", 'strings are written "text"'
                )
            out += b"".join(string_bytes(piece) for piece in pieces) + end
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
        count = self._constant(values[0], "repeat")
        size = self._constant(values[1], "size") if len(values) > 1 else 1
        value = self._constant(values[2], "value") if len(values) > 2 else 0
        if count < 0 or not 0 <= size <= 8:
            raise Problem(f"`.fill' of {count} times {size} bytes", "the size is 0 to 8")
        unit = (value & 0xFFFFFFFF).to_bytes(8, "little")[
            :size
        ]  # gas: 4 bytes of value, then zeros
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
        if word == ".p2align":
            if not 0 <= boundary <= 20:
                raise Problem(f"alignment 2**{boundary} is too large")
            boundary = 1 << boundary
        boundary = boundary or 1
        if boundary < 0 or boundary & (boundary - 1) or boundary > MAX_ALIGN:
            raise Problem(f"alignment {boundary} is not a power of 2 up to {MAX_ALIGN}")
        fill = None
        section = self.assembler.section
        if len(values) > 1 and values[1]:
            number = self._constant(values[1], "fill") & 0xFF
            self._check_bss(section, number)
            fill = bytes([number])
        limit = boundary
        if len(values) == 3:
            limit = self._constant(values[2], "limit") or boundary
            if limit < 0:
                raise Problem(f"limit {limit} of `{word}' is negative")
        section.align = max(section.align, boundary)
        if boundary > 1:
            section.close(Align(boundary, fill, limit))

    # -- symbols ---------------------------------------------------------------------------

    def _names(self, text: str) -> list[str]:
        word, values = self._split(text)
        for value in values:
            if not _SYMBOL.fullmatch(value):
                raise Problem(f"`{word}' takes symbols, not `{value}'")
        if not values:
            raise Problem(f"`{word}' takes symbols")
        return values

    def _global(self, text: str, statement: Statement) -> None:
        for name in self._names(text):
            self.assembler.symbol(name).is_global = True

    def _local(self, text: str, statement: Statement) -> None:
        for name in self._names(text):
            self.assembler.symbol(name).is_global = False

    def _set(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if len(values) != 2:
            raise Problem(f"`{word}' takes NAME, EXPRESSION")
        self.assembler.assign(values[0], values[1], statement, once=word == ".equiv")

    def _type(self, text: str, statement: Statement) -> None:
        parts = text.replace(",", " ").split()
        if len(parts) != 3 or not _SYMBOL.fullmatch(parts[1]):
            raise Problem("`.type' takes NAME, @function or @object")
        kind = _KINDS.get(parts[2].strip('@%"').lower())
        if kind is None:
            raise Problem(
                f"unknown symbol type `{parts[2]}'", "write @function, @object or @notype"
            )
        self.assembler.symbol(parts[1]).kind = kind

    def _size(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        if len(values) != 2 or not _SYMBOL.fullmatch(values[0]):
            raise Problem("`.size' takes NAME, EXPRESSION")
        self.assembler.symbol(values[0]).size = self.assembler.expression(values[1])

    def _common_parts(self, text: str) -> tuple[str, int, int | None]:
        word, values = self._split(text)
        if not 2 <= len(values) <= 3 or not _SYMBOL.fullmatch(values[0]):
            raise Problem(f"`{word}' takes NAME, SIZE, ALIGNMENT")
        size = self._constant(values[1], "size")
        if not 0 <= size < 1 << 32:
            raise Problem(f"`{word}' of {size} bytes")
        align = self._constant(values[2], "alignment") if len(values) == 3 else None
        if align is not None and (align <= 0 or align & (align - 1) or align > MAX_ALIGN):
            raise Problem(f"alignment {align} is not a power of 2")
        return values[0], size, align

    def _common(self, text: str, statement: Statement) -> None:
        name, size, align = self._common_parts(text)
        symbol = self.assembler.symbol(name)
        if symbol.node is not None or symbol.common_local:
            raise Problem(f"symbol `{name}' is already defined")
        natural = 1
        while natural < min(size, 32) and size >= natural * 2:
            natural *= 2
        old = symbol.common or (0, 1)
        symbol.common = (max(size, old[0]), max(align or natural, old[1]))
        symbol.defined_at = statement.location
        symbol.is_global = True
        symbol.kind = "object"

    def _local_common(self, text: str, statement: Statement) -> None:
        name, size, align = self._common_parts(text)
        natural = 8 if size >= 8 else 4 if size >= 4 else 2 if size >= 2 else 1
        symbol = self.assembler.symbol(name)
        if symbol.node is not None or symbol.common:
            raise Problem(f"symbol `{name}' is already defined")
        symbol.common = (size, align or natural)
        symbol.common_local = True
        symbol.defined_at = statement.location

    # -- sections --------------------------------------------------------------------------

    def _enter(self, name: str, flags: str, nobits: bool, given: bool = False) -> None:
        assembler = self.assembler
        section = assembler.sections.get(name)
        if section is None:
            section = SectionBuild(name, flags, nobits)
            assembler.sections[name] = section
        elif given and (section.flags, section.nobits) != (flags, nobits):
            raise Problem(f"section {name} changes its flags from `{section.flags}' to `{flags}'")
        if section is not assembler.section:
            self.previous = assembler.section.name
        assembler.section = section

    def _plain_section(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if values and values != ["0"]:
            raise Problem(f"subsections of {word} are not supported", f"write {word} alone")
        self._enter(word, *section_defaults(word))

    def _section(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if not values or not values[0]:
            raise Problem(f"`{word}' without a name")
        name = string_bytes(values[0]).decode() if values[0][0] == '"' else values[0]
        if not re.fullmatch(r"[\w.$-]+", name):
            raise Problem(f"bad section name `{name}'")
        flags, nobits = section_defaults(name)
        if len(values) > 1:
            flags = self._flags(string_bytes(values[1]).decode("utf-8", "replace"), name)
        if len(values) > 2:
            kind = values[2].strip('@%"')
            if kind not in ("progbits", "nobits", "note"):
                raise Problem(f"unknown section type `{values[2]}'", "write @progbits or @nobits")
            nobits = kind == "nobits"
        if len(values) > 3:
            raise Problem("section groups, entry sizes and links are not supported")
        if word == ".pushsection":
            self.stack.append((self.assembler.section.name, self.previous))
        self._enter(name, flags, nobits, given=len(values) > 1)

    @staticmethod
    def _flags(text: str, name: str) -> str:
        for letter in text:
            if letter not in "awx":
                raise Problem(
                    f"section flag `{letter}' of {name} is not supported", "flags are a, w and x"
                )
        if "a" not in text:
            if text:
                raise Problem(f"section {name} has flags `{text}' but is not allocated", "add `a'")
            return ""
        if "w" in text and "x" in text:
            raise Problem(f"section {name} is writable and executable", "no page may be both")
        return "rw" if "w" in text else "rx" if "x" in text else "r"

    def _previous(self, text: str, statement: Statement) -> None:
        self._enter(self.previous, "", False)

    def _pop(self, text: str, statement: Statement) -> None:
        if not self.stack:
            raise Problem("`.popsection' without `.pushsection'")
        name, previous = self.stack.pop()
        self._enter(name, "", False)
        self.previous = previous

    # -- the rest --------------------------------------------------------------------------

    def _syntax(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        if word == ".intel_syntax":
            if rest != "noprefix":
                raise Problem("Intel syntax with `%' before registers is not supported",
                              "write .intel_syntax noprefix")  # fmt: skip
            self.assembler.intel = True
        else:
            if rest not in ("", "prefix"):
                raise Problem(f"`.att_syntax {rest}' is not supported", "write .att_syntax prefix")
            self.assembler.intel = False

    def _message(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        if word == ".err" or not rest.strip():
            raise Problem(f"`{word}' encountered")
        raise Problem(string_bytes(rest.strip()).decode("utf-8", "replace"))

    def _end(self, text: str, statement: Statement) -> None:
        self.assembler.stop = True
