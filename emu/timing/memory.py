"""The i486's L1 cache, TLB and write buffers, as far as they cost time. They hold no data.

All replacement is the i486's pseudo-LRU of three bits a set (i486 data sheet): not true LRU.
"""

from __future__ import annotations

from emu.timing.rules import STORE_CLOCKS, WRITE_BUFFERS

WAYS = 4
LINE_SHIFT = 4


def touch(bits: int, way: int) -> int:
    """The three bits after a use of `way`: bit 0 the pair used last, 1 and 2 the way in each pair."""
    if way < 2:
        return (bits | 1) & ~2 | (0 if way else 2)
    return bits & ~1 & ~4 | (0 if way & 1 else 4)


def victim(bits: int) -> int:
    """The way that goes when all are taken."""
    if bits & 1:
        return 3 if bits & 4 else 2
    return 1 if bits & 2 else 0


class SetAssociative:
    """Tags in sets of four ways. A tag is a number that is not 0; 0 is an empty way."""

    def __init__(self, sets: int) -> None:
        self.sets = sets
        self.tags = [0] * (sets * WAYS)
        self.bits = [0] * sets

    def find(self, index: int, tag: int) -> int | None:
        """The way that holds the tag, marked as used."""
        for way in range(WAYS):
            if self.tags[index * WAYS + way] == tag:
                self.bits[index] = touch(self.bits[index], way)
                return way
        return None

    def fill(self, index: int, tag: int) -> int:
        """Put a tag into an empty way, else into the victim's."""
        for way in range(WAYS):
            if not self.tags[index * WAYS + way]:
                break
        else:
            way = victim(self.bits[index])
        self.tags[index * WAYS + way] = tag
        self.bits[index] = touch(self.bits[index], way)
        return way


class L1(SetAssociative):
    """8 KiB, unified, 128 sets of 4, 16-byte lines, write-through, no allocation on a write miss."""

    def __init__(self) -> None:
        super().__init__(128)

    def read(self, line: int) -> bool:
        """A read of a line (physical address >> 4): whether it misses, and then it is filled."""
        index = line & 127
        if self.find(index, line + 1) is not None:
            return False
        self.fill(index, line + 1)
        return True

    def write(self, line: int) -> None:
        """A store into a line: it is used if it is there."""
        self.find(line & 127, line + 1)


class Tlb(SetAssociative):
    """32 entries, 8 sets of 4, by linear page number; flushed by a load of CR3."""

    def __init__(self) -> None:
        super().__init__(8)
        self.frames = [0] * 32
        self.dirty = [0] * 32

    def lookup(self, page: int, *, write: bool) -> int | None:
        """The frame's physical address, or None when a walk is due (also: first write, clean)."""
        index = page & 7
        way = self.find(index, page + 1)
        if way is None or (write and not self.dirty[index * WAYS + way]):
            return None
        return self.frames[index * WAYS + way]

    def load(self, page: int, frame: int, *, dirty: bool) -> None:
        """Enter what a walk found: the frame's physical address, and whether its D bit is set."""
        index = page & 7
        way = self.find(index, page + 1)
        if way is None:
            way = self.fill(index, page + 1)
        self.frames[index * WAYS + way] = frame
        self.dirty[index * WAYS + way] = int(dirty)

    def drop(self, page: int) -> bool:
        """INVLPG: whether the entry was there."""
        index = page & 7
        for way in range(WAYS):
            if self.tags[index * WAYS + way] == page + 1:
                self.tags[index * WAYS + way] = 0
                return True
        return False

    def flush(self) -> None:
        """Empty every set, and make way 0 the next victim everywhere."""
        self.tags[:] = [0] * 32
        self.bits[:] = [0] * 8


class WriteBuffers:
    """Four stores may wait for the bus; each then takes it for two clocks."""

    def __init__(self) -> None:
        #: When each of the last four stores leaves the bus, oldest first.
        self.done = [0] * WRITE_BUFFERS

    def store(self, now: int) -> int:
        """A store at a time: how long it waits because all four buffers are full."""
        wait = max(self.done[0] - now, 0)
        start = max(now + wait, self.done[-1])
        self.done = [*self.done[1:], start + STORE_CLOCKS]
        return wait
