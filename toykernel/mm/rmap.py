"""The reverse map (mm/rmap.c): which entries of which address space map a frame.

Kept by set_pte, the one door for entries, so it can be compared with the page tables at any time.
"""

from __future__ import annotations

from dataclasses import field

from emu.record import dataclass

_VPN_BITS = 20


@dataclass
class ReverseMap:
    """For each frame that is mapped: its entries, in the order in which they appeared."""

    _entries: dict[int, dict[int, None]] = field(default_factory=dict)

    def add(self, pfn: int, mm_ident: int, address: int) -> None:
        """An entry at linear `address` of an address space maps the frame now."""
        key = mm_ident << _VPN_BITS | address >> 12
        entries = self._entries.get(pfn)
        if entries is None:
            self._entries[pfn] = {key: None}
        else:
            entries[key] = None

    def remove(self, pfn: int, mm_ident: int, address: int) -> None:
        """The entry at linear `address` maps the frame no more. Raises KeyError when it did not."""
        entries = self._entries[pfn]
        del entries[mm_ident << _VPN_BITS | address >> 12]
        if not entries:
            del self._entries[pfn]

    def add_all(self, mm_ident: int, maps: dict[int, int]) -> None:
        """`add` for entries of an address space: frames by linear address."""
        known, high = self._entries, mm_ident << _VPN_BITS
        for address, pfn in maps.items():
            entries = known.get(pfn)
            if entries is None:
                known[pfn] = {high | address >> 12: None}
            else:
                entries[high | address >> 12] = None

    def remove_all(self, mm_ident: int, maps: dict[int, int]) -> None:
        """`remove` for the same."""
        known, high = self._entries, mm_ident << _VPN_BITS
        for address, pfn in maps.items():
            entries = known[pfn]
            del entries[high | address >> 12]
            if not entries:
                del known[pfn]

    def mapcount(self, pfn: int) -> int:
        """How many entries map the frame (page_mapcount)."""
        entries = self._entries.get(pfn)
        return len(entries) if entries else 0

    def has(self, pfn: int, mm_ident: int, address: int) -> bool:
        """Whether that entry is known to map the frame."""
        return (mm_ident << _VPN_BITS | address >> 12) in self._entries.get(pfn, ())

    def entries(self, pfn: int) -> list[tuple[int, int]]:
        """(number of the address space, linear address) of every entry."""
        mask = (1 << _VPN_BITS) - 1
        return [(key >> _VPN_BITS, (key & mask) << 12) for key in self._entries.get(pfn, ())]

    def mapped(self) -> list[int]:
        """Every frame that some entry maps, in order."""
        return sorted(self._entries)
