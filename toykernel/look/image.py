"""Symbols and source lines of one executable, from the assembler or from an ELF file.

Addresses are linear.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from toykernel.look.elf_debug import ElfDebug
from toykernel.look.unwind import Unwinder
from userland.assembler import LineEntry, Program


@dataclass(frozen=True)
class Place:
    """Where code was written. `file` as the assembler was given it. `inner` is the line of the
    macro's body, for a place where a macro was used."""

    file: str
    line: int
    text: str
    inner: Place | None = None

    @property
    def name(self) -> str:
        """file:line, without folders."""
        return f"{Path(self.file).name}:{self.line}"


class Image:
    """Symbols and lines of one executable. `spans` are its sections: start, end, holds code."""

    def __init__(
        self,
        name: str,
        labels: Mapping[str, int],
        constants: Mapping[str, int],
        lines: Iterable[LineEntry],
        spans: Iterable[tuple[int, int, bool]],
        entry: int,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.spans = sorted(spans)
        self.entry = entry
        self.bias = 0  # how far above the addresses in its file it is loaded
        self._debug: ElfDebug | None = None  # where the rest comes from, when it is asked for
        self._given = dict(labels), dict(constants), tuple(lines)
        self._sources: dict[str, list[str]] = {
            file: text.split("\n") for file, text in (sources or {}).items()
        }

    @cached_property
    def _symbols(self) -> tuple[dict[str, int], dict[str, int]]:
        return self._given[:2] if self._debug is None else self._debug.symbols()

    @property
    def labels(self) -> dict[str, int]:
        """Addresses by name."""
        return self._symbols[0]

    @property
    def constants(self) -> dict[str, int]:
        """What has a name and a value, and is no address."""
        return self._symbols[1]

    @cached_property
    def lines(self) -> list[LineEntry]:
        """The line table, by address."""
        lines = self._given[2] if self._debug is None else self._debug.lines()
        return sorted(lines, key=lambda line: line.address)

    @cached_property
    def _ordered(self) -> list[tuple[int, str]]:
        return sorted((value, label) for label, value in self.labels.items())

    @cached_property
    def _addresses(self) -> list[int]:
        return [line.address for line in self.lines]

    @classmethod
    def of_program(
        cls, name: str, program: Program, sources: Mapping[str, str] | None = None
    ) -> Image:
        """From what the assembler made."""
        symbols = program.symbols.values()
        return cls(
            name,
            {s.name: s.value for s in symbols if s.section is not None},
            {s.name: s.value for s in symbols if s.section is None},
            program.lines,
            [(s.address, s.end, "x" in s.flags) for s in program.sections],
            program.entry,
            sources,
        )

    @classmethod
    def of_elf(cls, name: str, data: bytes, bias: int = 0) -> Image:
        """From an ELF executable: .symtab and .debug_line, as far as it has them, read when they are asked
        for. A position-independent one is loaded `bias` bytes above the addresses in its file.
        """
        debug = ElfDebug(data, bias)
        spans, entry = debug.spans(), debug.entry()
        made = cls(name, {}, {}, (), spans, entry)
        made.bias, made._debug = bias, debug
        return made

    @cached_property
    def unwinder(self) -> Unwinder | None:
        """What finds callers in it, if a compiler has made it."""
        debug = self._debug
        return Unwinder(debug.data, self.bias) if debug is not None and self.lines else None

    # -- by address --------------------------------------------------------------------------------

    def _span(self, address: int) -> tuple[int, int, bool] | None:
        return next((span for span in self.spans if span[0] <= address < span[1]), None)

    def is_code(self, address: int) -> bool:
        """Whether a linear address is in a section that holds code."""
        span = self._span(address)
        return span is not None and span[2]

    def symbol_at(self, address: int) -> str | None:
        """`label` or `label+offset` in the same section, or None."""
        span = self._span(address)
        index = bisect_right(self._ordered, (address, "\U0010ffff")) - 1
        if span is None or index < 0 or self._ordered[index][0] < span[0]:
            return None
        value, _ = self._ordered[index]
        names = [label for at, label in self._ordered if at == value]
        label = names[0]
        return label if value == address else f"{label}+{address - value}"

    def entry_at(self, address: int) -> LineEntry | None:
        """The line-table entry that covers a linear address, or None."""
        if self._debug is not None and "lines" not in vars(self):  # only those of one unit
            near = sorted(self._debug.lines_near(address), key=lambda line: line.address)
            return _covering(near, [line.address for line in near], address)
        return _covering(self.lines, self._addresses, address)

    def place_at(self, address: int) -> Place | None:
        """Where the code at a linear address was written;
        for a macro, its call and the line inside. None: unknown.
        """
        entry = self.entry_at(address)
        if entry is None:
            return None
        if entry.call is None:
            text = self.source(entry.file, entry.line) or entry.text
            return Place(entry.file, entry.line, text)
        file, line = entry.call
        inner = Place(entry.file, entry.line, entry.text)  # its parameters filled in
        return Place(file, line, self.source(file, line) or entry.text, inner)

    def block(self, address: int) -> tuple[int, int] | None:
        """From the label at or before an address to the next label or the section's end;
        None outside the sections.
        """
        span = self._span(address)
        if span is None:
            return None
        marks = {span[0], span[1]} | {v for v in self.labels.values() if span[0] <= v < span[1]}
        return max(m for m in marks if m <= address), min(m for m in marks if m > address)

    # -- by line -----------------------------------------------------------------------------------

    def source(self, file: str, line: int) -> str | None:
        """One line of source, or None when it cannot be read."""
        lines = self.source_lines(file)
        return lines[line - 1].strip() if 0 < line <= len(lines) else None

    def source_lines(self, file: str) -> list[str]:
        """A whole source file; empty when it cannot be read."""
        if file not in self._sources:
            try:
                text = Path(file).read_text(encoding="utf-8", errors="replace")
            except (OSError, ValueError):
                text = ""
            self._sources[file] = text.replace("\r\n", "\n").split("\n") if text else []
        return self._sources[file]

    def files(self) -> list[str]:
        """Source files that lines come from, in order of address."""
        names = dict.fromkeys(entry.file for entry in self.lines)
        names.update(dict.fromkeys(entry.call[0] for entry in self.lines if entry.call))
        return list(names)

    def at_line(self, file: str, line: int) -> tuple[int, tuple[int, ...]] | None:
        """(line, addresses) of the first line from `line` on that has code; None when none has.

        A macro's body has code wherever the macro is used; a use of it begins at one address.
        """
        by_line: dict[int, list[int]] = {}
        before: LineEntry | None = None
        for entry in self.lines:
            if not self.is_code(entry.address):
                continue
            call = entry.call
            new_use = before is None or before.call != call
            if entry.file == file and (
                new_use or before is None or (before.file, before.line) != (file, entry.line)
            ):
                by_line.setdefault(entry.line, []).append(entry.address)
            if call and new_use and call[0] == file:
                by_line.setdefault(call[1], []).append(entry.address)
            before = entry
        found = min((number for number in by_line if number >= line), default=None)
        return None if found is None else (found, tuple(by_line[found]))


def _covering(lines: list[LineEntry], addresses: list[int], address: int) -> LineEntry | None:
    index = bisect_right(addresses, address) - 1
    if index < 0:
        return None
    entry = lines[index]
    return entry if address < entry.address + entry.length else None
