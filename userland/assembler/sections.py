"""The directives that choose where bytes go: sections, subsections, groups."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from . import objects
from .errors import Problem
from .fragments import SectionBuild
from .source import Statement, split_operands, string_bytes

if TYPE_CHECKING:
    from .assembler import Assembler

_SECTIONS: Final = (
    (".text", "rx", None, 0), (".init", "rx", None, 0), (".fini", "rx", None, 0),
    (".rodata", "r", None, 0), (".data", "rw", None, 0), (".bss", "rw", objects.SHT_NOBITS, 0),
    (".tdata", "rw", None, objects.SHF_TLS), (".tbss", "rw", objects.SHT_NOBITS, objects.SHF_TLS),
    (".init_array", "rw", objects.SHT_INIT_ARRAY, 0), (".fini_array", "rw", objects.SHT_FINI_ARRAY, 0),
    (".preinit_array", "rw", objects.SHT_PREINIT_ARRAY, 0), (".note", "", objects.SHT_NOTE, 0),
    (".eh_frame", "r", None, 0), (".gcc_except_table", "r", None, 0),
    (".got", "rw", None, 0), (".ctors", "rw", None, 0), (".dtors", "rw", None, 0),
)  # fmt: skip
_TYPES: Final = {
    "progbits": None, "nobits": objects.SHT_NOBITS, "note": objects.SHT_NOTE,
    "init_array": objects.SHT_INIT_ARRAY, "fini_array": objects.SHT_FINI_ARRAY,
    "preinit_array": objects.SHT_PREINIT_ARRAY, "unwind": None, "1": None,
    "8": objects.SHT_NOBITS,
}  # fmt: skip
_ATTRIBUTES: Final = {"M": objects.SHF_MERGE, "S": objects.SHF_STRINGS, "T": objects.SHF_TLS, "G": 0,
                      "o": 0, "R": 0, "?": 0, "e": 0x80000000}  # fmt: skip

#: Of pointers to functions.
_ARRAYS: Final = (objects.SHT_INIT_ARRAY, objects.SHT_FINI_ARRAY, objects.SHT_PREINIT_ARRAY)


@dataclass(frozen=True)
class Shape:
    """What a section is: permissions, sh_type (None for plain bytes), further sh_flags, the size of an
    entry in bytes and the COMDAT group."""

    flags: str
    kind: int | None = None
    attributes: int = 0
    entry_size: int = 0
    group: str | None = None
    letters: str = ""


def section_shape(name: str) -> Shape:
    """What a section is by its name alone, as in ELF."""
    for stem, flags, kind, attributes in _SECTIONS:
        if name == stem or name.startswith(stem + "."):
            return Shape(flags, kind, attributes)
    return Shape("")


class SectionDirectives:
    """Handlers, one a directive; each gets the text after it."""

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        self.previous = (".text", 0)
        self.stack: list[tuple[tuple[str, int], tuple[str, int]]] = []
        self.handlers: dict[str, Callable[[str, Statement], None]] = {
            ".section": self._section, ".previous": self._previous, ".pushsection": self._section,
            ".popsection": self._pop, ".subsection": self._subsection, ".text": self._plain,
            ".data": self._plain, ".bss": self._plain, ".rodata": self._plain, ".struct": self._struct,
            ".offset": self._struct,
        }  # fmt: skip

    def enter(self, name: str, shape: Shape, given: bool = False, subsection: int = 0) -> None:
        """Go to a section, new if need be; `given` when its flags were written."""
        assembler = self.assembler
        section = assembler.sections.get(name)
        if section is None:
            if shape.kind in _ARRAYS:
                shape = replace(shape, entry_size=4)
            section = SectionBuild(
                name, shape.flags, shape.kind == objects.SHT_NOBITS, kind=shape.kind,
                attributes=shape.attributes, entry_size=shape.entry_size, group=shape.group,
                letters=shape.letters,
            )  # fmt: skip
            assembler.sections[name] = section
        elif given and section.flags != shape.flags and shape.flags:
            raise Problem(
                f"section {name} changes its flags from `{section.flags}' to `{shape.flags}'"
            )
        self.previous = (assembler.section.name, assembler.section.subsection)
        assembler.section = section
        section.enter(subsection)

    def _plain(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        self.enter(word, section_shape(word), subsection=self._number(rest))

    def _struct(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        at = self.assembler.constant(rest.strip(), "offset") if rest.strip() else 0
        if not 0 <= at < 1 << 32:
            raise Problem(f"`{word}' at {at}")
        section = SectionBuild("*ABS*", "", True)
        section.current.zeros = at
        self.assembler.section = section

    def _number(self, text: str) -> int:
        number = self.assembler.constant(text.strip(), "subsection") if text.strip() else 0
        if not 0 <= number <= 8192:
            raise Problem(f"subsection {number} is not between 0 and 8192")
        return number

    def _subsection(self, text: str, statement: Statement) -> None:
        section = self.assembler.section
        self.previous = (section.name, section.subsection)
        section.enter(self._number(text.partition(" ")[2]))

    def _section(self, text: str, statement: Statement) -> None:
        word, _, rest = text.partition(" ")
        values = split_operands(rest.strip()) if rest.strip() else []
        if not values or not values[0]:
            raise Problem(f"`{word}' without a name")
        name = (
            string_bytes(values[0]).decode("utf-8", "surrogateescape")
            if values[0][0] == '"'
            else values[0]
        )
        if not re.fullmatch(r"[^\s,\x00-\x20]+", name):
            raise Problem(f"bad section name `{name}'")
        subsection = 0
        shape = section_shape(name)
        if len(values) > 1 and values[1][:1] != '"':
            if word != ".pushsection":
                raise Problem(f"`{values[1]}' where the flags of {name} were expected",
                              'they are written "aw"')  # fmt: skip
            subsection = self._number(values[1])
            del values[1]
        given = len(values) > 1
        if given:
            shape = self._shape(name, shape, values)
        if word == ".pushsection":
            section = self.assembler.section
            self.stack.append(((section.name, section.subsection), self.previous))
        self.enter(name, shape, given=given, subsection=subsection)

    def _shape(self, name: str, usual: Shape, values: list[str]) -> Shape:
        letters = string_bytes(values[1]).decode("utf-8", "replace")
        attributes = 0
        for letter in letters:
            if letter not in "awx" and letter not in _ATTRIBUTES:
                raise Problem(f"section flag `{letter}' of {name} is not supported")
            attributes |= _ATTRIBUTES.get(letter, 0)
        flags = ("r" if "a" in letters else "") and "r" + "w" * ("w" in letters) + "x" * (
            "x" in letters
        )
        kind = usual.kind
        rest = values[2:]
        if rest:
            word = rest.pop(0).strip('@%"').lower()
            if word not in _TYPES:
                raise Problem(f"unknown section type `{word}'", "write @progbits or @nobits")
            kind = _TYPES[word] if word != "progbits" or kind == objects.SHT_NOBITS else kind
            if word == "progbits" and kind == objects.SHT_NOTE:
                kind = None
        entry_size, group = 0, None
        if "M" in letters:
            if not rest:
                raise Problem(f"section {name} with flag `M' needs the size of its entries")
            entry_size = self.assembler.constant(rest.pop(0), "entry size")
            if entry_size <= 0:
                raise Problem(f"entries of {entry_size} bytes")
        if "G" in letters:
            if not rest:
                raise Problem(f"section {name} with flag `G' needs the name of its group")
            group = rest.pop(0).strip('"')
            if rest and rest[0] == "comdat":
                rest.pop(0)
        elif "?" in letters:
            group = self.assembler.section.group
        if "o" in letters and rest:
            rest.pop(0)
        if rest and not re.fullmatch(r"unique", rest[0]):
            raise Problem(f"junk `{rest[0]}' after `.section'")
        return Shape(flags, kind, attributes, entry_size, group, letters)

    def _back(self, place: tuple[str, int]) -> None:
        self.enter(place[0], Shape(""), subsection=place[1])

    def _previous(self, text: str, statement: Statement) -> None:
        self._back(self.previous)

    def _pop(self, text: str, statement: Statement) -> None:
        if not self.stack:
            raise Problem("`.popsection' without `.pushsection'")
        place, previous = self.stack.pop()
        self._back(place)
        self.previous = previous
