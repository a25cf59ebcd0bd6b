"""What comes out of the assembler: sections, symbols and the line table of one program."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from emu.record import dataclass

from .elf import write_elf

#: Symbols that a linker defines when nobody else does: ends of sections, tables (ld's own script).
_LINKERS: Final = frozenset((
    "_GLOBAL_OFFSET_TABLE_", "_TLS_MODULE_BASE_", "__executable_start", "__ehdr_start", "etext", "_etext",
    "__etext", "edata",
    "_edata", "__bss_start", "end", "_end", "__preinit_array_start", "__preinit_array_end",
    "__init_array_start", "__init_array_end", "__fini_array_start", "__fini_array_end",
))  # fmt: skip


def is_linkers(name: str) -> bool:
    """Whether a linker defines a symbol that nobody defines."""
    return name in _LINKERS or name.startswith(("__start_", "__stop_"))


@dataclass(frozen=True)
class Section:
    """A section at its linear address. `size` is the size in memory in bytes, more than
    `len(data)` for .bss; `flags` is 'rx', 'r' or 'rw'; `align` its alignment in bytes."""

    name: str
    address: int
    data: bytes
    size: int
    flags: str
    align: int = 1

    @property
    def end(self) -> int:
        """First linear address after the section."""
        return self.address + self.size


@dataclass(frozen=True)
class Symbol:
    """A name. `value` is a linear address, or a number when `section` is None. `size` in bytes
    and `kind` ('notype', 'func', 'object') are what .size and .type said."""

    name: str
    value: int
    section: str | None
    is_global: bool
    size: int = 0
    kind: str = "notype"


@dataclass(frozen=True)
class LineEntry:
    """One statement that emitted bytes: its linear address, its length in bytes, where it was
    written (inside a macro: the line of the macro's body) and its text. `call` is the file and
    line where the macro was used (the outermost one), None outside macros."""

    address: int
    length: int
    file: str
    line: int
    text: str
    call: tuple[str, int] | None = None


@dataclass(frozen=True)
class Program:
    """An assembled program, laid out at its final addresses. As with GNU ld, its stack is executable
    unless every source says otherwise, by a section .note.GNU-stack without `x`. `debug` are sections for
    debuggers that came with objects, by name; the lines that they tell of have no text in `lines`. `read` are
    the files that were included, by names as they were looked for, those without a statement, too."""

    sections: tuple[Section, ...]
    symbols: Mapping[str, Symbol]
    lines: tuple[LineEntry, ...]
    entry: int
    source: str
    executable_stack: bool = True
    warnings: tuple[str, ...] = ()
    debug: Mapping[str, bytes] = field(default_factory=dict)
    read: tuple[str, ...] = ()

    def elf(self) -> bytes:
        """The program as a static ELF32 executable that Linux runs, with symbols and lines."""
        return write_elf(self)

    def line_at(self, address: int) -> LineEntry | None:
        """The statement whose bytes cover the linear address, or None."""
        index = bisect_right(self.lines, address, key=lambda entry: entry.address) - 1
        if index < 0:
            return None
        entry = self.lines[index]
        return entry if address < entry.address + entry.length else None

    def section(self, name: str) -> Section:
        """The section of that name; KeyError when the program has none."""
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(name)
