"""The moments that a history keeps: as many as fit, the old ones farther apart, the first one always."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from emu.events import Position
from toykernel.history.moment import Snapshot
from toykernel.history.pace import Counts

_PAGE = 4096
#: Bytes that Python spends on a frame's place in a snapshot, and on an item that a listener shares.
_PLACE, _ITEM = 100, 8


@dataclass
class Kept:
    """A moment. `work` is how far it is, in units of what running again costs; see pace.py."""

    position: Position
    counts: Counts
    work: int
    snapshot: Snapshot
    said: Mapping[int, int]  # bytes handed to the console, by descriptor
    events: int  # how many had happened
    own: int = 0  # bytes that the moment before does not have


class Moments:
    """Moments in order. `size` bounds the bytes of them all; the first is kept whatever it needs."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[Kept] = []
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept)

    def __getitem__(self, index: int) -> Kept:
        return self._kept[index]

    def add(self, moment: Kept) -> None:
        """In its place; one that is there already is replaced."""
        at = bisect_left(self._kept, moment.position, key=_position)
        if at < len(self._kept) and self._kept[at].position == moment.position:
            self._kept[at] = moment
        else:
            self._kept.insert(at, moment)
        self._count(at)
        self._count(at + 1)
        while self.bytes > self._size and len(self._kept) > 2:
            self._thin(moment)

    def before(self, position: Position, *, strictly: bool = False) -> Kept:
        """The last moment up to a position; the first of all when there is none."""
        bisect = bisect_left if strictly else bisect_right
        return self._kept[max(bisect(self._kept, position, key=_position) - 1, 0)]

    def up_to(self, position: Position) -> list[Kept]:
        """Those before a position, the last one first."""
        return self._kept[: bisect_left(self._kept, position, key=_position)][::-1]

    def forget_from(self, position: Position) -> None:
        """What is at or after a position is no future any more."""
        del self._kept[bisect_left(self._kept, position, key=_position) :]
        self.bytes = sum(kept.own for kept in self._kept)

    def _thin(self, newest: Kept) -> None:
        """Drop the moment whose going makes the smallest gap for its age."""
        kept, now = self._kept, max(self._kept[-1].work, newest.work)
        at = min(
            (n for n in range(1, len(kept)) if kept[n] is not newest),
            key=lambda n: (
                (kept[min(n + 1, len(kept) - 1)].work - kept[n - 1].work) / (now - kept[n].work + 1)
            ),
        )
        del kept[at]
        self._count(at)

    def _count(self, at: int) -> None:
        """What a moment needs beyond the one before it."""
        if at >= len(self._kept):
            self.bytes = sum(kept.own for kept in self._kept)
            return
        snapshot = self._kept[at].snapshot
        ram = snapshot.machine.ram
        before = self._kept[at - 1].snapshot.machine.ram if at else {}
        frames = sum(before.get(frame) is not page for frame, page in ram.items())
        items = sum(len(values) for shared in snapshot.shared for values in shared.values())
        self._kept[at].own = (
            frames * _PAGE
            + len(ram) * _PLACE
            + items * _ITEM
            + len(snapshot.pickled)
            + sum(map(len, snapshot.output.values()))
        )
        self.bytes = sum(kept.own for kept in self._kept)


def _position(kept: Kept) -> Position:
    return kept.position
