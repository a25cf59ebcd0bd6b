"""The directives that say things about symbols, and the way to those of the other modules."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .asked import Asked, kind_of
from .data import MAX_ALIGN, DataDirectives
from .errors import Problem
from .expressions import NAME, Name, Number, Position
from .objects import SHF_MERGE, SHF_STRINGS, SHT_NOTE, VISIBILITIES
from .sections import SectionDirectives, Shape
from .source import Statement, split_operands, string_bytes

if TYPE_CHECKING:
    from .assembler import Assembler

_SYMBOL: Final = re.compile(NAME + r'|"[^"]+"')
_IGNORED: Final = frozenset((
    ".extern", ".loc_mark_labels", ".eject", ".list", ".nolist", ".psize",
    ".sbttl", ".title", ".att_mnemonic", ".lflags", ".line", ".ln", ".func", ".endfunc",
    ".addrsig", ".addrsig_sym",  # clang's, of use to its own linker only
))  # fmt: skip
# What `.arch` may name that has no `nop` with an operand; `.nop` and the lack of a feature mean another CPU.
_OLD: Final = frozenset((
    "generic32", "i8086", "i186", "i286", "i386", "i486", "i586", "i686", "pentium", "k6", "k6_2",
    "iamcu", "bios",
))  # fmt: skip
# Those for which gas does not pad other code so, either: all that it does not tune for.
_UNTUNED: Final = _OLD - {"k6", "k6_2"} | {"pentiumpro", "pentiumii", "pentiumiii"}
_KINDS: Final = {
    "function": "func", "object": "object", "notype": "notype", "stt_func": "func",
    "stt_object": "object", "stt_notype": "notype", "tls_object": "tls_object",
    "stt_tls": "tls_object", "common": "object", "gnu_unique_object": "object",
    "gnu_indirect_function": "gnu_indirect_function",
}  # fmt: skip


class Directives:
    """Handlers, one a directive; each gets the text after it."""

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        self.viewed: Position | None = None
        self.view = 0
        self.sections = SectionDirectives(assembler)
        handlers: dict[str, Callable[[str, Statement], None]] = {
            ".equ": self._set, ".set": self._set, ".equiv": self._set, ".eqv": self._set,
            ".globl": self._global, ".global": self._global, ".local": self._local,
            ".type": self._type, ".size": self._size, ".comm": self._common,
            ".lcomm": self._local_common, ".weak": self._weak, ".file": self._file,
            ".loc": self._loc, ".symver": self._symver, ".weakref": self._weakref,
            ".intel_syntax": self._syntax, ".att_syntax": self._syntax, ".warning": self._warning,
            ".print": self._print, ".error": self._message, ".err": self._message,
            ".reloc": self._reloc, ".end": self._end, ".arch": self._arch, ".ident": self._ident,
            ".version": self._version, ".code32": self._mode, ".code16": self._mode,
            ".code16gcc": self._mode, ".code64": self._mode,
        }  # fmt: skip
        handlers |= dict.fromkeys(VISIBILITIES, self._visibility)
        self.handlers = {**handlers, **DataDirectives(assembler).handlers, **self.sections.handlers}

    def names(self) -> list[str]:
        """Every directive, for suggestions."""
        return sorted({*self.handlers, *_IGNORED, ".include", ".macro", ".rept", ".irp", ".if"})

    def run(self, word: str, rest: str, statement: Statement) -> bool:
        """Carry out a directive; False when there is none of that name."""
        if word in _IGNORED:
            return True
        if word.startswith(".cfi_"):
            self.assembler.frames.run(word, split_operands(rest) if rest else [])
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
        return self.assembler.constant(text, what)

    # -- symbols ---------------------------------------------------------------------------

    def _names(self, text: str) -> list[str]:
        word, values = self._split(text)
        if len(values) == 1 and '"' not in values[0]:
            values = values[0].split()  # gas takes blanks between names
        for value in values:
            if not _SYMBOL.fullmatch(value):
                raise Problem(f"`{word}' takes symbols, not `{value}'")
        if not values:
            raise Problem(f"`{word}' takes symbols")
        return [value.strip('"') for value in values]

    def _global(self, text: str, statement: Statement) -> None:
        for name in self._names(text):
            self.assembler.symbol(name).is_global = True

    def _local(self, text: str, statement: Statement) -> None:
        for name in self._names(text):
            symbol = self.assembler.symbol(name)
            symbol.is_global, symbol.local = False, True

    def _weak(self, text: str, statement: Statement) -> None:
        for name in self._names(text):
            self.assembler.symbol(name).weak = True

    def _weakref(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        if len(values) != 2 or not all(_SYMBOL.fullmatch(value) for value in values):
            raise Problem("`.weakref' takes ALIAS, NAME")
        alias, target = (self.assembler.symbol(value.strip('"')) for value in values)
        if alias.node is not None and not alias.weakref:
            raise Problem(f"symbol `{alias.name}' is already defined")
        alias.node, alias.weakref, alias.defined_at = Name(target.name), True, statement.location
        target.weakly = True

    def _symver(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        if len(values) != 2 or not _SYMBOL.fullmatch(values[0]) or "@" not in values[1]:
            raise Problem("`.symver' takes NAME, NAME@VERSION")
        symbol = self.assembler.symbol(values[0].strip('"'))
        if values[1] not in symbol.versions:
            symbol.versions.append(values[1])

    def _reloc(self, text: str, statement: Statement) -> None:
        _, values = self._split(text)
        if not 2 <= len(values) <= 3:
            raise Problem("`.reloc' takes OFFSET, TYPE and, if there is one, an EXPRESSION")
        at = self.assembler.expression(values[0])
        if isinstance(at, Number):
            at = Position(self.assembler.section.name, 0, at.value)
        target = self.assembler.expression(values[2]) if len(values) == 3 else None
        self.assembler.asked.append(Asked(at, kind_of(values[1]), target, statement))

    def _visibility(self, text: str, statement: Statement) -> None:
        for name in self._names(text):
            self.assembler.symbol(name).visibility = VISIBILITIES[text.split()[0]]

    def _set(self, text: str, statement: Statement) -> None:
        word, values = self._split(text)
        if len(values) != 2:
            raise Problem(f"`{word}' takes NAME, EXPRESSION")
        once, lazy = word in (".equiv", ".eqv"), word == ".eqv"
        self.assembler.assign(values[0], values[1], statement, once, lazy)

    def _type(self, text: str, statement: Statement) -> None:
        parts = text.replace(",", " ").split()
        if len(parts) != 3 or not _SYMBOL.fullmatch(parts[1]):
            raise Problem("`.type' takes NAME, @function or @object")
        kind = _KINDS.get(parts[2].strip('@%#"').lower())
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
        if len(values) == 1:
            values = values[0].split(None, 1)  # gas takes a blank for the comma
        if not 2 <= len(values) <= 3 or not _SYMBOL.fullmatch(values[0]):
            raise Problem(f"`{word}' takes NAME, SIZE, ALIGNMENT")
        size = self._constant(values[1], "size")
        if not 0 <= size < 1 << 32:
            raise Problem(f"`{word}' of {size} bytes")
        align = self._constant(values[2], "alignment") if len(values) == 3 else None
        if align is not None and (align <= 0 or align & (align - 1) or align > MAX_ALIGN):
            raise Problem(f"alignment {align} is not a power of 2")
        return values[0].strip('"'), size, align

    def _common(self, text: str, statement: Statement) -> None:
        name, size, align = self._common_parts(text)
        symbol = self.assembler.symbol(name)
        if symbol.node is not None:
            self.assembler.renew(symbol)
            symbol.node = None
        natural = 1
        while natural < min(size, 16):  # gas: the next power of two, at most 16
            natural *= 2
        if symbol.local:
            self.assembler.allocate(name, size, align or 1, statement)
            return
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
        self.assembler.allocate(name, size, align or natural, statement)

    # -- lines -----------------------------------------------------------------------------

    def _file(self, text: str, statement: Statement) -> None:
        match = re.match(r'\.file\s+(\d+)\s+((?:"(?:\\.|[^"\\])*"\s*)+)', text)
        if match is None:
            return  # the source's name, for the symbol table
        parts = [
            string_bytes(part).decode("utf-8", "surrogateescape")
            for part in re.findall(r'"(?:\\.|[^"\\])*"', match.group(2))
        ]
        name = parts[-1] if len(parts) == 1 or parts[-1].startswith("/") else "/".join(parts)
        self.assembler.files[int(match.group(1))] = name

    def _loc(self, text: str, statement: Statement) -> None:
        words = text.split()
        if len(words) < 3 or not words[1].isdigit() or not words[2].isdigit():
            raise Problem("`.loc' takes FILE-NUMBER LINE")
        number, line = int(words[1]), int(words[2])
        name = self.assembler.files.get(number)
        if name is None:
            raise Problem(f"unassigned file number {number}", "`.file' gives it a name")
        self.assembler.origin(name, line)
        view = re.search(r"\bview\s+(\S+)", text)
        here = self.assembler.here()
        # A view numbers the source lines at one address (DWARF 5, location views).
        self.view = (
            self.view + 1 if here == self.viewed and (not view or view.group(1) != "-0") else 0
        )
        self.viewed = here
        if view and view.group(1) not in ("0", "-0"):
            symbol = self.assembler.symbol(view.group(1))
            symbol.node, symbol.defined_at = Number(self.view), statement.location

    # -- the rest --------------------------------------------------------------------------

    def _syntax(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        if rest not in ("", "prefix", "noprefix"):
            raise Problem(f"junk `{rest}' after `{word}'", "write prefix or noprefix")
        assembler = self.assembler
        assembler.intel = word == ".intel_syntax"
        assembler.bare_registers = rest == "noprefix"

    def _mode(self, text: str, statement: Statement) -> None:
        word = text.split()[0]
        if word == ".code64":
            raise Problem(f"`{word}' is not supported", "this is a 32-bit machine")
        mode = self.assembler.code.mode
        mode.bits, mode.gcc = 32 if word == ".code32" else 16, word == ".code16gcc"

    def _warning(self, text: str, statement: Statement) -> None:
        rest = text.partition(" ")[2].strip()
        said = string_bytes(rest).decode("utf-8", "replace") if rest else ".warning encountered"
        self.assembler.warn(said)

    def _print(self, text: str, statement: Statement) -> None:
        self.assembler.warn(string_bytes(text.partition(" ")[2].strip()).decode("utf-8", "replace"))

    def _message(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        if word == ".err" or not rest.strip():
            raise Problem(f"`{word}' encountered")
        raise Problem(string_bytes(rest.strip()).decode("utf-8", "replace"))

    def _arch(self, text: str, statement: Statement) -> None:
        name = text.partition(" ")[2].split(",")[0].strip().lower()
        newer = self.assembler.newer
        if name == "push":
            newer.append(newer[-1])
        elif name == "pop":
            if len(newer) == 1:
                raise Problem("`.arch pop' without `.arch push'")
            newer.pop()
        elif name == "default":
            newer[-1], self.assembler.tuned = None, False
        elif not name.startswith("."):
            newer[-1] = name not in _OLD
            self.assembler.tuned = name not in _UNTUNED
        elif name.startswith(".no"):  # else a feature more
            newer[-1] = True

    def _ident(self, text: str, statement: Statement) -> None:
        fresh = ".comment" not in self.assembler.sections
        data = b"\0" * fresh + string_bytes(text.partition(" ")[2].strip()) + b"\0"
        shape = Shape("", attributes=SHF_MERGE | SHF_STRINGS, entry_size=1)
        self._aside(".comment", shape, data, statement)

    def _version(self, text: str, statement: Statement) -> None:
        """A note of type NT_VERSION, whose name is the version."""
        name = string_bytes(text.partition(" ")[2].strip()) + b"\0"
        data = struct.pack("<III", len(name), 0, 1) + name + bytes(-len(name) % 4)
        self._aside(".note", Shape("", SHT_NOTE), data, statement)
        section = self.assembler.sections[".note"]
        section.align = max(section.align, 4)

    def _aside(self, name: str, shape: Shape, data: bytes, statement: Statement) -> None:
        """Bytes into another section."""
        sections, assembler = self.sections, self.assembler
        kept = assembler.section, assembler.section.subsection, sections.previous
        sections.enter(name, shape)
        assembler.emit(data, (), statement)
        assembler.section, subsection, sections.previous = kept
        assembler.section.enter(subsection)

    def _end(self, text: str, statement: Statement) -> None:
        self.assembler.stop = True
