"""What frames hold: the zero page stays zero, and a frame that is shared does not change.

The second is what copy-on-write is for: a child sees the bytes of the moment of fork until it writes
itself. It is looked at from outside, by comparing bytes, so it catches whatever breaks it: an entry that
kept its write bit, a translation that was not flushed, a store of the kernel's own, a frame reused in
place while somebody else still holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.look.spaces import users_of
from toykernel.mm.mm_types import VM_SHARED

if TYPE_CHECKING:
    from toykernel.check.whole import Whole
    from toykernel.state import Kernel

ZEROS = bytes(PAGE_SIZE)


def first_difference(one: bytes, other: bytes) -> int:
    """Offset of the first byte in which two pages that are not the same differ."""
    return next(i for i in range(PAGE_SIZE) if one[i] != other[i])


def zero_page_is_never_written(whole: Whole) -> Iterator[str]:
    """The frame that all untouched memory reads from is all zeros."""
    k = whole.k
    page = k.machine.ram.read(k.memory.zero_pfn << PAGE_SHIFT, PAGE_SIZE)
    if k.memory.pages.page_count(k.memory.zero_pfn) and page != ZEROS:
        at = first_difference(page, ZEROS)
        yield f"the zero page, frame {k.memory.zero_pfn:#x}, holds {page[at]:#04x} at offset {at:#x}"


def reverse_map_is_true(whole: Whole) -> Iterator[str]:
    """The reverse map names exactly the entries that the page tables have."""
    found: dict[int, list[tuple[int, int]]] = {}
    for mm, address, _, pfn, _ in whole.mapped:
        found.setdefault(pfn, []).append((mm.ident, address))
    rmap = whole.k.memory.rmap
    for pfn in sorted({*found, *rmap.mapped()}):
        tables, noted = sorted(found.get(pfn, [])), sorted(rmap.entries(pfn))
        if tables != noted:
            yield f"frame {pfn:#x} is mapped by {_names(tables)}, the reverse map says {_names(noted)}"


def _names(entries_: list[tuple[int, int]]) -> str:
    return ", ".join(f"mm {ident} at {address:#010x}" for ident, address in entries_) or "nobody"


def users(k: Kernel, pfn: int) -> int:
    """References to a frame, without those by which the kernel pins a user's page."""
    return k.memory.pages.page_count(pfn) - k.memory.pins.get(pfn, 0)


class SharedFrames:
    """Remembers what every shared private frame holds, and looks whether it still does."""

    def __init__(self) -> None:
        self.held: dict[int, bytes] = {}  # by frame

    def shared_frames_do_not_change(self, whole: Whole) -> Iterator[str]:
        """A frame that a private area shares with anybody holds what it held when sharing began."""
        now: dict[int, bytes] = {}
        k = whole.k
        # the page cache's own may be written by whoever shares it
        passed = {pfn for mapping in k.memory.mappings.values() for pfn in mapping.pages.values()}
        passed.add(k.memory.zero_pfn)
        for mm, address, _, pfn, area in whole.mapped:
            if pfn in now or pfn in passed or users(k, pfn) < 2:
                continue
            if area is None or area.vm_flags & VM_SHARED:
                continue
            now[pfn] = k.machine.ram.read(pfn << PAGE_SHIFT, PAGE_SIZE)
            before = self.held.get(pfn)
            if before is not None and before != now[pfn]:
                at = first_difference(before, now[pfn])
                yield (
                    f"frame {pfn:#x}, shared by {users_of(k, mm)} at {address:#010x} and others, "
                    f"changed from {before[at]:#04x} to {now[pfn][at]:#04x} at offset {at:#x}"
                )
        self.held = now
