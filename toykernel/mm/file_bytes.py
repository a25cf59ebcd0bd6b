"""What is in a file: pages by index, where anything has been written, and holes between them.

A page is bytes that never change: a write puts another page in its place, so that copies of a kernel's data
share what they have in common.
"""

from __future__ import annotations

from emu.ram import PAGE_SHIFT, PAGE_SIZE

_ZEROS = bytes(PAGE_SIZE)


class FileBytes:
    """A file's contents: `size` bytes, of which those that lie in no page are zeros."""

    def __init__(self, data: bytes = b"") -> None:
        self.size = 0
        self.pages: dict[int, bytes] = {}
        if data:
            self.write(0, data)

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        return self.read(0, self.size)

    def read(self, start: int, count: int) -> bytes:
        """Bytes from `start` on, as many of `count` as there are."""
        end = min(start + count, self.size)
        parts = []
        while start < end:
            offset = start & (PAGE_SIZE - 1)
            part = min(end - start, PAGE_SIZE - offset)
            page = self.pages.get(start >> PAGE_SHIFT, _ZEROS)
            parts.append(page if part == PAGE_SIZE else page[offset : offset + part])
            start += part
        return b"".join(parts)

    def write(self, start: int, data: bytes) -> None:
        """Store bytes; the file grows as far as they reach."""
        self._put(start, data)
        self.size = max(self.size, start + len(data))

    def _put(self, start: int, data: bytes) -> None:
        at = 0
        while at < len(data):
            index, offset = start + at >> PAGE_SHIFT, start + at & (PAGE_SIZE - 1)
            part = data[at : at + PAGE_SIZE - offset]
            if len(part) < PAGE_SIZE:
                old = self.pages.get(index, _ZEROS)
                self.pages[index] = old[:offset] + part + old[offset + len(part) :]
            else:
                self.pages[index] = bytes(part)
            at += len(part)

    def missing(self, start: int, count: int) -> int:
        """How many pages a write of so many bytes would add."""
        if not count:
            return 0
        first, last = start >> PAGE_SHIFT, start + count - 1 >> PAGE_SHIFT
        return sum(index not in self.pages for index in range(first, last + 1))

    def allocate(self, start: int, count: int) -> None:
        """Give holes pages of zeros; the size stays (fallocate)."""
        for index in range(start >> PAGE_SHIFT, (start + count - 1 >> PAGE_SHIFT) + 1):
            self.pages.setdefault(index, _ZEROS)

    def punch(self, start: int, end: int) -> None:
        """Zeros from `start` to `end`: whole pages become holes."""
        for index in range(-(-start // PAGE_SIZE), end // PAGE_SIZE):
            self.pages.pop(index, None)
        for first, last in _edges(start, end):
            if first >> PAGE_SHIFT in self.pages:
                self._put(first, bytes(last - first))

    def resize(self, size: int) -> None:
        """Another size: what is cut off is forgotten, what is added is a hole."""
        if size < self.size:
            last = -(-size // PAGE_SIZE)
            for index in [index for index in self.pages if index >= last]:
                del self.pages[index]
            if size & (PAGE_SIZE - 1) and size >> PAGE_SHIFT in self.pages:
                self._put(size, bytes(PAGE_SIZE - (size & (PAGE_SIZE - 1))))
        self.size = size

    def next_data(self, start: int) -> int | None:
        """SEEK_DATA: where the next page is, at `start` or behind; None when there is none."""
        first = start >> PAGE_SHIFT
        found = min((index for index in self.pages if index >= first), default=None)
        if found is None or found << PAGE_SHIFT >= self.size:
            return None
        return max(start, found << PAGE_SHIFT)

    def next_hole(self, start: int) -> int:
        """SEEK_HOLE: where the next hole is, at `start` or behind; the end of the file counts as one."""
        index = start >> PAGE_SHIFT
        while index in self.pages and index << PAGE_SHIFT < self.size:
            index += 1
        return min(max(start, index << PAGE_SHIFT), self.size)


def _edges(start: int, end: int) -> list[tuple[int, int]]:
    """The parts of a range that fill no page."""
    inner, outer = -(-start // PAGE_SIZE) * PAGE_SIZE, end // PAGE_SIZE * PAGE_SIZE
    if inner > outer:
        return [(start, end)]
    return [(a, b) for a, b in ((start, inner), (outer, end)) if a < b]
