"""Page frames: a buddy allocator and a reference count for each frame (mm/page_alloc.c).

A frame is named by its number (pfn), the physical address divided by 4096. Blocks of 2**order frames
are kept per order, split when smaller ones are wanted and merged with their buddy when freed. The
block freed last is given first, as on Linux. Frames above lowmem are a zone of their own (ZONE_HIGHMEM):
the kernel has no linear address for them, so only user pages lie there.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import MAXMEM
from toykernel.errno import ENOMEM, Errno

if TYPE_CHECKING:
    from toykernel.state import Kernel

MAX_ORDER = 11


#: Free blocks by order: first frames, the one freed last at the end.
Zone = list[dict[int, None]]


class PageCountError(Exception):
    """A reference was taken of or given back to a free frame: a bug of the kernel."""


@dataclass(frozen=True)
class FrameTotals:
    """In frames: RAM, what the allocator may give, what is given now, and the most it ever gave."""

    total: int
    managed: int
    used: int
    peak: int


def _smallest(zone: Zone, order: int) -> int:
    """The smallest order from this one on that has a free block; -1 when none has."""
    for size in range(order, MAX_ORDER):
        if zone[size]:
            return size
    return -1


def shrink_page_cache(k: Kernel) -> bool:
    """Give back the pages of programs that nobody runs now; whether there were any."""
    kept = list(k.memory.kept.values())
    k.memory.kept.clear()
    for mapping in kept:
        mapping.unmap_area(k)
    return bool(kept)


class PageAllocator:
    """The buddy allocator: free blocks by zone and order, and the references of every frame."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._count = array("i", bytes(4 * self.frames))
        self._order = bytearray(self.frames)
        self._lowmem = min(self.frames, MAXMEM >> PAGE_SHIFT)
        normal: Zone = [{} for _ in range(MAX_ORDER)]
        high: Zone = [{} for _ in range(MAX_ORDER)]
        self._zones = (normal, high)
        self._managed = 0
        self._used = 0
        self._reserved: dict[int, None] = {}
        self._peak = 0
        self.reach = 0  # no frame from here on was ever given

    def release_range(self, first: int, end: int) -> None:
        """Hand frames `first` to `end` - 1 over to the allocator, at boot."""
        self._managed += end - first
        while first < end:
            order = min(
                MAX_ORDER - 1, (first & -first).bit_length() - 1 if first else MAX_ORDER - 1
            )
            while first + (1 << order) > end:
                order -= 1
            self._zone(first)[order][first] = None
            first += 1 << order

    def _zone(self, pfn: int) -> Zone:
        return self._zones[pfn >= self._lowmem]

    def reserve(self, pfn: int) -> None:
        """A frame of the boot's that takes references like others, and is never freed."""
        self._count[pfn] = 1
        self._reserved[pfn] = None

    def alloc_pages(
        self, k: Kernel, order: int = 0, what: str = "page", *, highmem: bool = False
    ) -> int:
        """2**order frames with one reference; the first one's number. Raises Errno(ENOMEM).

        Frames above lowmem, which the kernel does not map, go to those who can do without: `highmem`.
        """
        if k.host.may_fail is not None:
            k.host.may_fail(what)
        high = highmem and self._lowmem < self.frames
        zone, size = self._find(order, high=high)
        if size < 0 and shrink_page_cache(k):
            zone, size = self._find(order, high=high)
        if size < 0:
            raise Errno(ENOMEM)
        k.charge("alloc_pages")
        pfn, _ = zone[size].popitem()
        while size > order:
            size -= 1
            zone[size][pfn + (1 << size)] = None
        self._count[pfn] = 1
        self._order[pfn] = order
        used = self._used = self._used + (1 << order)
        if used > self._peak:
            self._peak = used
        end = pfn + (1 << order)
        if end > self.reach:
            self.reach = end
        return pfn

    def _find(self, order: int, *, high: bool) -> tuple[Zone, int]:
        """Where there is a block, and of what order; -1 when there is none."""
        zone = self._zones[high]
        size = _smallest(zone, order)
        if size < 0 and high:
            zone = self._zones[0]
            size = _smallest(zone, order)
        return zone, size

    def get_zeroed_page(self, k: Kernel, what: str = "page", *, highmem: bool = False) -> int:
        """The number of one frame of zeros, with one reference. Raises Errno(ENOMEM)."""
        pfn = self.alloc_pages(k, 0, what, highmem=highmem)
        k.machine.ram.fill(pfn << PAGE_SHIFT, PAGE_SIZE)
        k.charge("clear_page")
        return pfn

    def get_page(self, pfn: int) -> None:
        """The one door for taking a reference. Raises PageCountError for a frame that is free."""
        if self._count[pfn] <= 0:
            raise PageCountError(f"reference taken of frame {pfn:#x}, which is free")
        self._count[pfn] += 1

    def get_pages(self, pfns: Iterable[int]) -> None:
        """get_page for each."""
        count = self._count
        for pfn in pfns:
            if count[pfn] <= 0:
                raise PageCountError(f"reference taken of frame {pfn:#x}, which is free")
            count[pfn] += 1

    def put_page(self, k: Kernel, pfn: int) -> None:
        """The one door for giving a reference back; the last one frees the block. Raises
        PageCountError for a free frame.
        """
        count = self._count[pfn] - 1
        if count < 0:
            raise PageCountError(f"reference given back to frame {pfn:#x}, which is free")
        self._count[pfn] = count
        if not count:
            if k.host.trace.page_free:
                k.host.trace.page_free.emit(pfn, self._order[pfn])
            k.charge("free_pages")
            self._free_block(pfn, self._order[pfn])

    def put_pages(self, k: Kernel, pfns: Iterable[int]) -> None:
        """put_page for each."""
        count = self._count
        for pfn in pfns:
            if count[pfn] > 1:
                count[pfn] -= 1
            else:
                self.put_page(k, pfn)

    def _free_block(self, pfn: int, order: int) -> None:
        self._used -= 1 << order
        zone = self._zones[
            pfn >= self._lowmem
        ]  # its end is the end of a block of the highest order
        while order < MAX_ORDER - 1:
            buddy = pfn ^ (1 << order)
            if buddy not in zone[order]:
                break
            del zone[order][buddy]
            pfn = min(pfn, buddy)
            order += 1
        zone[order][pfn] = None

    def page_count(self, pfn: int) -> int:
        """References to a frame; 0 when it is free or inside a larger block."""
        return self._count[pfn]

    def counts(self) -> bytes:
        """The references of every frame as bytes, to be compared."""
        return self._count.tobytes()

    def allocated(self) -> dict[int, int]:
        """Order by first frame of every block that is in use."""
        return {
            pfn: self._order[pfn]
            for pfn, count in enumerate(self._count)
            if count and pfn not in self._reserved
        }

    def free_blocks(self) -> Iterator[tuple[int, int]]:
        """(first frame, order) of everything on the free lists."""
        for zone in self._zones:
            for order, blocks in enumerate(zone):
                for pfn in blocks:
                    yield pfn, order

    def in_use(self, start: int, end: int) -> bool:
        """Whether a frame of [start, end) has references."""
        return any(self._count[start:end])

    def totals(self) -> FrameTotals:
        """What the report of a run says of memory."""
        return FrameTotals(self.frames, self._managed, self._used, self._peak)

    @property
    def free(self) -> int:
        """Frames that can still be given."""
        return self._managed - self._used
