"""Mergeable sections: one copy of each constant or string, and strings that end alike share their end.

The order is that of GNU ld (bfd/merge.c): entries in the order in which they first came, each aligned as
the most demanding of its uses.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from . import elf_types as elf
from .objects import InputSection


@dataclass
class _Entry:
    data: bytes
    align: int
    home: InputSection  # where it came up first, and where it is kept
    whole: _Entry | None = None  # the longer string that ends with this one
    offset: int = 0  # in its home, as that is after merging


@dataclass
class MergeGroup:
    """Sections that are merged with each other: each keeps what came up in it first."""

    sections: list[InputSection]
    _places: dict[tuple[str, int], list[tuple[int, _Entry]]] = field(default_factory=dict)
    _empty: _Entry | None = None  # the empty string, where one is kept
    _first: _Entry | None = None

    def merge(self) -> None:
        """Shrink the sections to what each keeps."""
        width = self.sections[0].entry_size
        strings = bool(self.sections[0].flags & elf.SHF_STRINGS)
        entries: dict[bytes, _Entry] = {}
        ordered: list[_Entry] = []
        starts: dict[tuple[str, int], list[tuple[int, bytes]]] = {}
        for section in self.sections:
            pieces = starts[section.owner, section.index] = _pieces(section, strings)
            for start, data in pieces:
                align = min(start & -start or section.align, section.align)
                known = entries.get(data)
                if known is None or known.align < align:
                    entries[data] = _Entry(data, align, section)
                    ordered.append(entries[data])
        self._first = entries[ordered[0].data] if ordered else None
        self._empty = entries.get(bytes(width)) if strings else None
        kept = [entry for entry in ordered if entries[entry.data] is entry]
        if strings:
            _share_ends(kept)
        contents = {(section.owner, section.index): bytearray() for section in self.sections}
        for entry in kept:
            if entry.whole is None:
                out = contents[entry.home.owner, entry.home.index]
                out += bytes(-len(out) % entry.align)
                entry.offset = len(out)
                out += entry.data
        for entry in kept:
            if entry.whole is not None:
                entry.home = entry.whole.home
                entry.offset = entry.whole.offset + len(entry.whole.data) - len(entry.data)
        last = next(
            (s for s in reversed(self.sections) if contents[s.owner, s.index]), self.sections[0]
        )
        room = contents[last.owner, last.index]
        room += bytes(-len(room) % last.align)
        for section in self.sections:
            key = section.owner, section.index
            section.data, section.size = bytes(contents[key]), len(contents[key])
            self._places[key] = [(start, entries[data]) for start, data in starts[key]]

    def moved(self, section: InputSection, offset: int) -> tuple[InputSection, int]:
        """Where a byte of an input section has got to: a section, and an offset in it."""
        places = self._places[section.owner, section.index]
        if not places:
            return section, offset
        start, entry = places[max(bisect_right(places, offset, key=lambda place: place[0]) - 1, 0)]
        if offset < start + len(entry.data) or not section.flags & elf.SHF_STRINGS:
            return entry.home, entry.offset + offset - start
        if self._empty is not None:  # in the zeros behind a string: an empty one
            return self._empty.home, self._empty.offset
        assert self._first is not None
        return self._first.home, self._first.offset + len(self._first.data) - section.entry_size


def _pieces(section: InputSection, strings: bool) -> list[tuple[int, bytes]]:
    """(offset, bytes) of each entry. Zeros behind a string are padding, of which one aligned empty string
    is kept, as ld does."""
    width, data = section.entry_size, section.data
    if not strings:
        return [(at, data[at : at + width]) for at in range(0, len(data), width)]
    pieces = []
    at, end = 0, bytes(width)
    padded = False
    while at < len(data):
        stop = at
        while stop < len(data) and data[stop : stop + width] != end:
            stop += width
        pieces.append((at, data[at : stop + width]))
        at = stop + width
        while data[at : at + width] == end:
            if not padded and not at % section.align:
                padded = True
                pieces.append((at, end))
            at += width
    return pieces


def _share_ends(entries: list[_Entry]) -> None:
    """Strings that are the end of another one lie in it, when its start leaves them aligned."""
    ordered = sorted(
        entries, key=lambda e: (len(e.data) & (e.align - 1), e.data[::-1]), reverse=True
    )
    last: _Entry | None = None
    for entry in ordered:
        if last is not None and last.align >= entry.align and last.data.endswith(entry.data):
            entry.whole = last
        else:
            last = entry


def mergeable(section: InputSection) -> bool:
    """Whether ld merges it: whole entries, no relocations inside."""
    return bool(
        section.flags & elf.SHF_MERGE
        and section.entry_size
        and not section.size % section.entry_size
        and not section.relocations
        and section.allocated
    )
