"""Guest RAM: one host mapping, and the one door for host writes to it.

The engine keeps translations of guest code that it has run. It sees the guest's own stores into
such code, but not the host's, so every host write comes through here: a write to a frame that has
held code marks the translations stale, and the engine drops them before it runs again.
"""

from __future__ import annotations

import ctypes
import mmap
from array import array
from collections.abc import Callable

from emu.errors import BusError

PAGE_SIZE = 4096
PAGE_SHIFT = 12
MIN_RAM = 1 << 20
MAX_RAM = 3 << 30
_BLANK = bytes(PAGE_SIZE)
_FEW = 512  # bytes that are looked at as a piece
_FEW_BLANK = bytes(_FEW)
_SPARSE = (
    16  # bytes of it that are not 0, at most, where looking for them is less than looking at all
)
_PIECE = 64 * 1024
#: Set in whatever is no multiple of 4 below 4 GiB, as an address of a word is.
_NO_WORD = ~0xFFFFFFFC
_memcmp = ctypes.PyDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class Ram:
    """Physical memory of `size` bytes, starting at physical address 0.

    All addresses are physical, in bytes. Reads and writes outside the memory raise BusError. The
    host only spends memory on frames that have been touched.
    """

    def __init__(self, size: int) -> None:
        if size % PAGE_SIZE or not MIN_RAM <= size <= MAX_RAM:
            raise ValueError(
                f"RAM must be a multiple of {PAGE_SIZE} bytes "
                f"from {MIN_RAM} to {MAX_RAM}, not {size}"
            )
        self.size = size
        # Private: what nobody has written is read without being there.
        self._map = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._anchor = (ctypes.c_uint8 * size).from_buffer(self._map)
        self.host_address = ctypes.addressof(self._anchor)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("I")
        #: For reading only: memory as 32-bit and as 64-bit words, by physical address / 4 and / 8.
        self.aligned_words = self._words.toreadonly()
        self.quads = self._bytes.cast("Q").toreadonly()
        #: One byte a frame: nonzero when the engine may hold translations of code in it.
        self.held_code = bytearray(size >> PAGE_SHIFT)
        self.code_stale = False
        #: Hears of the host's writes, while somebody watches: address and length in bytes.
        self.on_write: Callable[[int, int], None] | None = None
        self._given = size >> PAGE_SHIFT  # the guest has none of the frames from here on
        self._all_given = True  # as long as nobody has said what it has
        self._reached = 0  # nor has the host written to bytes from here on: a multiple of a frame
        self._image: dict[int, bytes] = {}  # what `image` answered last
        self._shadow: mmap.mmap | None = None  # the same as memory, to compare with
        self._shadow_address = 0

    @property
    def frames(self) -> int:
        """Number of 4 KiB frames."""
        return self.size >> PAGE_SHIFT

    def given(self, frame: int) -> None:
        """The guest has had no frame from this one on, so far: they need not be looked at.

        For who gives out frames; of several such numbers the largest counts.
        """
        self._given = frame if self._all_given else max(self._given, frame)
        self._all_given = False

    @property
    def view(self) -> memoryview:
        """All of memory, to read. Writing goes through the methods below."""
        return self._bytes.toreadonly()

    def _check(self, address: int, length: int) -> None:
        if address < 0 or length < 0 or address + length > self.size:
            raise BusError(address, length, self.size)

    def _written(self, address: int, length: int) -> None:
        if self.on_write is not None:
            self.on_write(address, length)
        last = address + length - 1
        if last >= self._reached:
            self._reached = (last | PAGE_SIZE - 1) + 1
        first = address >> PAGE_SHIFT
        if first == last >> PAGE_SHIFT:
            if self.held_code[first]:
                self.code_stale = True
        elif any(self.held_code[first : (last >> PAGE_SHIFT) + 1]):
            self.code_stale = True

    def read(self, address: int, length: int) -> bytes:
        """Bytes at a physical address; BusError unless all of them are in RAM.

        So for all methods below.
        """
        self._check(address, length)
        return bytes(self._bytes[address : address + length])

    def read32(self, address: int) -> int:
        """Little-endian 32-bit word at a physical address."""
        if address & _NO_WORD:
            return int.from_bytes(self.read(address, 4), "little")
        try:
            return self._words[address >> 2]
        except IndexError:
            raise BusError(address, 4, self.size) from None

    def words(self, address: int, count: int) -> list[int]:
        """`count` 32-bit words at a 4-aligned physical address."""
        if address < 0 or count < 0 or address + count * 4 > self.size:
            raise BusError(address, count * 4, self.size)
        return self._words[address >> 2 : (address >> 2) + count].tolist()

    def nonzero_words(self, address: int, count: int) -> list[tuple[int, int]]:
        """Those of `count` words at a 4-aligned physical address that are not 0, each behind its index."""
        self._check(address, count * 4)
        data = self._bytes[address : address + count * 4].tobytes()
        found = []
        for start in range(0, count * 4, _FEW):
            piece = data[start : start + _FEW]
            if piece == _FEW_BLANK:
                continue
            if piece.count(0) < len(piece) - _SPARSE:
                every = memoryview(piece).cast("I").tolist()
                found += [(at, word) for at, word in enumerate(every, start >> 2) if word]
                continue
            bits = int.from_bytes(piece, "little")
            while bits:
                at = (bits & -bits).bit_length() - 1 >> 5
                word = bits >> 32 * at & 0xFFFFFFFF
                found.append(((start >> 2) + at, word))
                bits ^= word << 32 * at
        return found

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes at a physical address."""
        length = len(data)
        if address < 0 or address + length > self.size:
            raise BusError(address, length, self.size)
        if length:
            self._bytes[address : address + length] = data
            self._written(address, length)

    def write32(self, address: int, value: int) -> None:
        """Store a little-endian 32-bit word at a physical address."""
        if address & _NO_WORD:
            self.write(address, value.to_bytes(4, "little"))
            return
        try:
            self._words[address >> 2] = value
        except IndexError:
            raise BusError(address, 4, self.size) from None
        if self.on_write is not None:
            self.on_write(address, 4)
        if address >= self._reached:
            self._reached = (address | PAGE_SIZE - 1) + 1
        if self.held_code[address >> PAGE_SHIFT]:
            self.code_stale = True

    def write_words(self, address: int, words: list[int]) -> None:
        """Store 32-bit words from a 4-aligned physical address on."""
        length = 4 * len(words)
        self._check(address, length)
        if length:
            self._words[address >> 2 : (address + length) >> 2] = array("I", words)
            self._written(address, length)

    def fill(self, address: int, length: int, byte: int = 0) -> None:
        """Set `length` bytes at a physical address to one value."""
        self.write(address, bytes([byte]) * length if byte else bytes(length))

    def copy(self, destination: int, source: int, length: int = PAGE_SIZE) -> None:
        """Copy physical memory to physical memory (a frame by default)."""
        if min(source, destination, length) < 0 or max(source, destination) + length > self.size:
            self._check(source, length)
            self._check(destination, length)
        self._bytes[destination : destination + length] = self._bytes[source : source + length]
        self._written(destination, length)

    def image(self) -> dict[int, bytes]:
        """The frames that are not all zero, by frame number, in order.

        A frame that is as it was in the last image is the same object in this one.
        """
        known = self._image
        more = False
        for frame in self._changed():
            page = self.read(frame << PAGE_SHIFT, PAGE_SIZE)
            more = more or frame not in known
            self._know(frame, page)
        if more:
            known = self._image = dict(sorted(known.items()))
        return dict(known)

    def load_image(self, image: dict[int, bytes]) -> None:
        """Make memory what `image()` was; frames not in it become zero."""
        known = self._image
        stale = set(self._changed())
        stale.update(f for f in known.keys() | image.keys() if known.get(f) is not image.get(f))
        for frame in sorted(stale):
            page = image.get(frame, _BLANK)
            self.write(frame << PAGE_SHIFT, page)
            self._know(frame, page)
        self._image = dict(image)

    def _know(self, frame: int, page: bytes) -> None:
        """Note what a frame is now."""
        assert self._shadow is not None
        at = frame << PAGE_SHIFT
        self._shadow[at : at + PAGE_SIZE] = page
        if page == _BLANK:
            self._image.pop(frame, None)
        else:
            self._image[frame] = page

    def _changed(self) -> list[int]:
        """The frames that are not as in the last image: memory is compared with a copy of itself,
        in pieces large enough that calling costs little.
        """
        if self._shadow is None:
            self._shadow = mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            anchor = (ctypes.c_uint8 * self.size).from_buffer(self._shadow)
            self._shadow_address = ctypes.addressof(anchor)
        memory, shadow = self.host_address, self._shadow_address
        found = []
        end = min(self.size, max(self._given << PAGE_SHIFT, self._reached))
        for start in range(0, end, _PIECE):
            length = min(_PIECE, end - start)
            if _memcmp(memory + start, shadow + start, length):
                found += [
                    at >> PAGE_SHIFT
                    for at in range(start, start + length, PAGE_SIZE)
                    if _memcmp(memory + at, shadow + at, PAGE_SIZE)
                ]
        return found
