"""The choice of jump sizes, final addresses, and the values of all symbols."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

from . import leb
from .errors import AssemblyError, Problem
from .expressions import Node, Position, Register
from .fragments import (
    MAX_BYTES,
    Align,
    Branch,
    Fragment,
    Leb,
    Org,
    SectionBuild,
    Space,
    SymbolBuild,
    padding,
)
from .hints import undefined_symbol
from .program import LineEntry, Program, Section, Symbol
from .relax import Relaxation
from .shapes import Fix
from .source import Location, Statement, error
from .values import Value, evaluate

TEXT_BASE: Final = 0x08049000
PAGE: Final = 0x1000


class Layout:
    """Final addresses of everything that was assembled."""

    def __init__(
        self,
        sections: dict[str, SectionBuild],
        symbols: dict[str, SymbolBuild],
        origin: Mapping[str, int],
        source: str,
        bits: int = 32,
        newer: bool = False,
    ) -> None:
        self.bits = bits
        self.newer = newer
        self.sections = sections
        self.symbols = symbols
        self.origin = origin
        self.source = source
        self._visiting: set[str] = set()
        self._values: dict[str, Value] = {}
        self._wrong: AssemblyError | None = None
        self.warnings: list[str] = []

    # -- values ----------------------------------------------------------------------------

    def _place(self, position: Position) -> int:
        section = self.sections[position.section]
        return section.address + section.fragments[position.fragment].start + position.offset

    def _symbol(self, name: str) -> Value:
        known = self._values.get(name)
        if known is not None:
            return known
        symbol = self.symbols.get(name)
        if symbol is None or symbol.meant is None:
            raise undefined_symbol(name, self.symbols)
        if name in self._visiting:
            raise Problem(f"symbol `{name}' is defined by itself")
        self._visiting.add(name)
        try:
            value = evaluate(symbol.meant, self._symbol, self._place)
        finally:
            self._visiting.discard(name)
        self._values[name] = value
        return value

    def _final(self, symbol: SymbolBuild) -> Value:
        """The value that a symbol has at the end of the source."""
        if symbol.early is None or symbol.node is None:
            return self._symbol(symbol.name)
        return evaluate(symbol.node, self._symbol, self._place)

    def value(self, node: Node, section: str | None = None) -> Value:
        """The value of a bound expression; a difference to `section` counts as a number."""
        try:
            return evaluate(node, self._symbol, self._place, section)
        except RecursionError:
            raise Problem("expression is nested too deeply") from None

    # -- sizes and addresses ---------------------------------------------------------------

    def settle(self) -> None:
        """Choose all sizes. AssemblyError when they do not settle."""
        relaxing = [
            Relaxation(section, self.symbols, self._tail_size) for section in self.sections.values()
        ]
        for relaxation in relaxing:
            relaxation.start()
        branches = sum(len(relaxation.targets) for relaxation in relaxing)
        for _ in range(branches + 16):
            self._values.clear()
            self._wrong = None
            changed = False
            for relaxation in relaxing:
                changed = relaxation.run() or changed
                self._values.clear()
            if not changed:
                break
        else:
            raise AssemblyError(self.source, 0, "layout does not settle",
                                "an .org or .space depends on its own size")  # fmt: skip
        if self._wrong is not None:
            raise self._wrong
        for section in self.sections.values():
            if section.size >= 1 << 32:
                raise AssemblyError(
                    self.source, 0,
                    f"section {section.name} ({section.size} bytes) does not fit into 32-bit addresses",
                )  # fmt: skip

    def _assign(self) -> None:
        cursor = TEXT_BASE
        previous = ""
        for section in ordered(self.sections):
            if section.name in self.origin:
                address = self.origin[section.name]
                if address % section.align:
                    raise AssemblyError(
                        self.source, 0,
                        f"origin {address:#x} of {section.name} is not aligned to {section.align}",
                    )  # fmt: skip
            elif not section.size:
                address = cursor
            else:
                if previous and previous != section.flags:
                    cursor += -cursor % PAGE
                address = cursor + -cursor % section.align
            if section.size or section.name in self.origin:
                previous = section.flags
                cursor = address + section.size
            if address + section.size > 1 << 32:
                raise AssemblyError(
                    self.source, 0,
                    f"section {section.name} ({section.size} bytes at {address:#x}) "
                    "does not fit into 32-bit addresses",
                )  # fmt: skip
            section.address = address

    def _tail_size(self, section: SectionBuild, fragment: Fragment, offset: int) -> int:
        tail = fragment.tail
        if tail is None:
            return 0
        if isinstance(tail, Branch):
            if not tail.long:
                return 2
            return len(tail.near) + tail.width
        if isinstance(tail, Align):
            gap = -offset % tail.boundary
            return (gap if gap <= tail.limit else 0) + fragment.extra
        self._values.clear()
        try:
            if isinstance(tail, Leb):
                return len(self._leb(tail))
            if isinstance(tail, Org):
                value = self.value(tail.target)
                if value.section not in (None, section.name):
                    raise Problem(f".org to an address in section {value.section}")
                target = value.number - (section.address if value.section else 0)
                if target < offset:
                    message = f"attempt to move .org backwards (from {offset:#x} to {target:#x})"
                    return self._postponed(tail.location, message)
                return self._bounded(section, target - offset)
            value = self.value(tail.count)
            if value.section is not None:
                raise Problem(".space needs a number, not an address")
            if value.number < 0:
                return self._postponed(tail.location, f".space of {value.number} bytes")
            return self._bounded(section, value.number)
        except Problem as problem:
            raise error(_where(tail), problem.message, problem.hint) from None

    def _leb(self, tail: Leb) -> bytes:
        value = self.value(tail.value)
        if value.section is not None:
            raise Problem("LEB128 needs a number, not an address")
        if tail.signed:
            return leb.signed(value.number)
        return leb.unsigned(value.number & ((1 << 64) - 1))

    def _postponed(self, location: Location, message: str) -> int:
        """Size 0 for now: a wrong size only counts once all addresses are settled."""
        self._wrong = self._wrong or error(location, message)
        return 0

    def _bounded(self, section: SectionBuild, size: int) -> int:
        if size > (1 << 32 if section.nobits else MAX_BYTES):
            raise Problem(f"{size} bytes are too many for section {section.name}")
        return size

    # -- bytes -----------------------------------------------------------------------------

    def program(self, entry_required: bool) -> Program:
        """Settle all sizes and write all bytes.

        Raises AssemblyError; `entry_required` also without _start.
        """
        self.settle()
        self._assign()
        self._values.clear()
        self._check_overlap()
        lines: list[LineEntry] = []
        built: list[Section] = []
        for section in ordered(self.sections):
            data = b"" if section.nobits else self._bytes(section)
            self._lines(section, lines)
            if section.size:
                name, address, size = section.name, section.address, section.size
                built.append(Section(name, address, data, size, section.flags, section.align))
        symbols = self._symbol_table()
        lines.sort(key=lambda entry: entry.address)
        built.sort(key=lambda section: section.address)
        entry = self._entry(entry_required)
        return Program(tuple(built), symbols, tuple(lines), entry, self.source)

    def _entry(self, required: bool) -> int:
        start = self.symbols.get("_start")
        if start is not None and start.node is not None:
            return self._symbol("_start").number & 0xFFFFFFFF
        if required and "main" in self.symbols:
            raise AssemblyError(
                self.source, 0, "no entry point: `_start' is not defined, only `main'",
                "`main' is called by a C library, which is not linked here: name it `_start', and end "
                "with the system call exit, or write it in C (toykernel run x.c)",
            )  # fmt: skip
        if required and not self.sections[".text"].size:
            raise AssemblyError(
                self.source, 0, "no entry point: `_start' is not defined",
                "put `.globl _start' and the label `_start:' before the first instruction",
            )  # fmt: skip
        if required:
            self.warnings.append(
                f"{self.source}: `_start' is not defined: the program starts at the first byte of .text"
            )
        return self.sections[".text"].address

    def _check_overlap(self) -> None:
        used = sorted(
            (section for section in self.sections.values() if section.size),
            key=lambda section: section.address,
        )
        for lower, upper in itertools.pairwise(used):
            if lower.address + lower.size > upper.address:
                raise AssemblyError(
                    self.source, 0,
                    f"section {lower.name} ({lower.address:#x}..{lower.address + lower.size:#x}) "
                    f"overlaps {upper.name} at {upper.address:#x}",
                )  # fmt: skip

    def _bytes(self, section: SectionBuild) -> bytes:
        out = bytearray()
        for fragment in section.ordered():
            base = len(out)
            out += fragment.data
            for fix, end, statement in fragment.fixes:
                try:
                    number = self._field(
                        section, fix, section.address + base + end, base + fix.offset
                    )
                except Problem as problem:
                    raise error(statement.location, problem.message, problem.hint) from None
                position = base + fix.offset
                out[position : position + fix.width] = number
            out += self._tail(section, fragment, len(out))
        return bytes(out)

    def _field(self, section: SectionBuild, fix: Fix, end: int, place: int) -> bytes:
        value = self.value(fix.value, section.name)
        number = value.number
        bits = 8 * fix.width
        if fix.relative:
            number -= end
            if fix.width == 1 and not -128 <= number <= 127:
                raise Problem(f"target is {number} bytes away: a short jump reaches -128..127",
                              "jump to a near label that does a jmp")  # fmt: skip
            return (number & ((1 << bits) - 1)).to_bytes(fix.width, "little")
        if fix.width < 8 and not -(1 << (bits - 1)) <= number < 1 << bits:
            what = "value" if value.section is None else "address"
            raise Problem(
                f"{what} {number:#x} does not fit in {fix.width} byte{'s' * (fix.width > 1)}"
            )
        return (number & ((1 << bits) - 1)).to_bytes(fix.width, "little")

    def _tail(self, section: SectionBuild, fragment: Fragment, place: int) -> bytes:
        tail, size = fragment.tail, fragment.tail_size
        if tail is None:
            return b""
        if isinstance(tail, Branch):
            end = section.address + fragment.start + fragment.length + size
            try:
                distance = (self.value(tail.target).number - end) & 0xFFFFFFFF
            except Problem as problem:
                raise error(tail.statement.location, problem.message, problem.hint) from None
            if not tail.long:
                return bytes([tail.opcode, distance & 0xFF])
            return tail.near + (distance & ((1 << 8 * tail.width) - 1)).to_bytes(
                tail.width, "little"
            )
        if isinstance(tail, Leb):
            return self._leb(tail)
        if isinstance(tail, Align):
            size -= fragment.extra
            if tail.fill is None and section.executable:
                return padding(size, self.bits, self._is_newer(tail)) + b"\x90" * fragment.extra
            if tail.fill is None:
                return bytes(size + fragment.extra)
            size += fragment.extra
            return (bytes(size % len(tail.fill)) + tail.fill * (size // len(tail.fill)))[:size]
        return bytes([tail.fill]) * size

    def _is_newer(self, tail: Align) -> bool:
        return self.newer if tail.newer is None else tail.newer

    def _lines(self, section: SectionBuild, lines: list[LineEntry]) -> None:
        for fragment in section.ordered():
            base = section.address + fragment.start
            for offset, length, statement in fragment.lines:
                lines.append(_line(base + offset, length, statement))
            if isinstance(fragment.tail, Branch):
                address = base + fragment.length
                lines.append(_line(address, fragment.tail_size, fragment.tail.line))

    def _symbol_table(self) -> dict[str, Symbol]:
        table: dict[str, Symbol] = {}
        for name, symbol in sorted(self.symbols.items()):
            if "\x01" in name or isinstance(symbol.node, Register):
                continue
            if symbol.node is None:
                if symbol.used_at is not None:
                    problem = undefined_symbol(name, self.symbols)
                    raise error(symbol.used_at, problem.message, problem.hint)
                continue
            where = symbol.defined_at or Location(self.source, 0)
            try:
                value = self._final(symbol)
                size = self.value(symbol.size).number if symbol.size is not None else 0
            except Problem as problem:
                raise error(where, problem.message, problem.hint) from None
            if name.startswith(".L"):
                continue  # local to the assembler, as in gas
            table[name] = Symbol(
                name, value.number & 0xFFFFFFFF, value.section, symbol.is_global, size, symbol.kind
            )
        return table


def _where(tail: Org | Space | Leb) -> Location:
    return tail.statement.location if isinstance(tail, Leb) else tail.location


def _line(address: int, length: int, statement: Statement) -> LineEntry:
    where = statement.location
    return LineEntry(address, length, where.file, where.line, statement.text, where.call)


def ordered(sections: Mapping[str, SectionBuild]) -> list[SectionBuild]:
    """Sections in memory order: code, constants, data, then what takes no room in the file."""
    ranks = {"rx": 0, "r": 1, "rw": 2}
    first = (".text", ".rodata", ".data", ".bss")
    loaded = [section for section in sections.values() if section.flags]
    return sorted(loaded, key=lambda s: (ranks[s.flags], s.nobits, s.name not in first))
