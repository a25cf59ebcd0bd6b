"""Segment, gate and task-state formats (Intel SDM vol. 3, 3.4.5, 5.8.3, 6.11 and 7.2.1)."""

from __future__ import annotations

from emu.record import dataclass

# Type field of system descriptors (S = 0), SDM table 3-2.
TYPE_LDT = 0x2
TYPE_TASK_GATE = 0x5
TYPE_TSS = 0x9
TYPE_TSS_BUSY = 0xB
TYPE_INTERRUPT_GATE = 0xE
TYPE_TRAP_GATE = 0xF

# Type bits of code and data descriptors (S = 1), SDM table 3-1.
SEG_ACCESSED = 0x1
SEG_WRITABLE = 0x2  # data
SEG_READABLE = 0x2  # code
SEG_EXPAND_DOWN = 0x4  # data
SEG_CONFORMING = 0x4  # code
SEG_CODE = 0x8

TSS_SIZE = 104
TSS_ESP0 = 4
TSS_SS0 = 8
TSS_IO_MAP_BASE = 0x66


@dataclass(frozen=True)
class Segment:
    """A code, data or system segment descriptor, unpacked. `limit` is in bytes, inclusive."""

    base: int
    limit: int
    type: int
    system: bool
    dpl: int
    present: bool
    default32: bool

    @classmethod
    def unpack(cls, low: int, high: int) -> Segment:
        """From a descriptor's low and high dword (SDM vol. 3, 3.4.5);
        with G = 1 `limit` counts the bytes of all its pages.
        """
        limit = (low & 0xFFFF) | (high & 0xF0000)
        if high & (1 << 23):
            limit = (limit << 12) | 0xFFF
        return cls(
            base=(low >> 16) | ((high & 0xFF) << 16) | (high & 0xFF000000),
            limit=limit,
            type=(high >> 8) & 0xF,
            system=not high & (1 << 12),
            dpl=(high >> 13) & 3,
            present=bool(high & (1 << 15)),
            default32=bool(high & (1 << 22)),
        )

    @property
    def is_code(self) -> bool:
        """A code segment (SDM vol. 3, 3.4.5.1), in contrast to data and to system segments."""
        return not self.system and bool(self.type & SEG_CODE)

    @property
    def is_writable_data(self) -> bool:
        """Data segment that may be written, hence fit for SS."""
        return not self.system and not self.type & SEG_CODE and bool(self.type & SEG_WRITABLE)

    @property
    def conforming(self) -> bool:
        """Code segment that runs at its caller's privilege."""
        return self.is_code and bool(self.type & SEG_CONFORMING)

    def covers(self, offset: int, size: int) -> bool:
        """Whether `size` bytes at `offset` lie inside the limit (expand-down data: outside it)."""
        last = offset + size - 1
        if not self.is_code and not self.system and self.type & SEG_EXPAND_DOWN:
            top = 0xFFFFFFFF if self.default32 else 0xFFFF
            return offset > self.limit and last <= top
        return last <= self.limit


def pack_segment(
    base: int, limit: int, type_: int, *, dpl: int = 0, system: bool = False, default32: bool = True
) -> bytes:
    """A present descriptor; a limit above 1 MiB is rounded up to whole pages (G = 1)."""
    granular = limit > 0xFFFFF
    if granular:
        limit >>= 12
    low = (limit & 0xFFFF) | ((base & 0xFFFF) << 16)
    high = (base >> 16) & 0xFF | type_ << 8 | (not system) << 12 | dpl << 13 | 1 << 15
    high |= limit & 0xF0000 | base & 0xFF000000
    high |= (default32 and not system) << 22 | granular << 23
    return low.to_bytes(4, "little") + high.to_bytes(4, "little")


@dataclass(frozen=True)
class Gate:
    """An IDT entry, unpacked (SDM vol. 3, 6.11); `offset` is relative to the segment of `selector`."""

    selector: int
    offset: int
    type: int
    dpl: int
    present: bool
    system: bool = True

    @classmethod
    def unpack(cls, low: int, high: int) -> Gate:
        """From the low and high dword of a gate descriptor."""
        return cls(
            selector=low >> 16,
            offset=(low & 0xFFFF) | (high & 0xFFFF0000),
            type=(high >> 8) & 0xF,
            dpl=(high >> 13) & 3,
            present=bool(high & (1 << 15)),
            system=not high & (1 << 12),
        )

    def pack(self) -> bytes:
        """The eight bytes of this gate, as they stand in an IDT."""
        low = (self.offset & 0xFFFF) | self.selector << 16
        high = self.type << 8 | self.dpl << 13 | self.present << 15 | self.offset & 0xFFFF0000
        high |= (not self.system) << 12
        return low.to_bytes(4, "little") + high.to_bytes(4, "little")
