"""Supervisor access to linear memory, as the CPU itself does it for descriptor tables and stacks.

Translations are remembered, like a TLB, until `flush`; A and D bits are set as the walk of a real
CPU would. Whoever changes an entry flushes, through the same door that flushes the engine.
"""

from __future__ import annotations

from emu.cpu import Cpu
from emu.engine_quirks import FIELD
from emu.paging import CR0_PG, access
from emu.ram import PAGE_SIZE, Ram

_OFFSET = PAGE_SIZE - 1
_CR0, _CR3, _CR4 = FIELD["cr0"], FIELD["cr3"], FIELD["cr4"]


class LinearMemory:
    """Linear addresses under the CPU's present CR3. Refused accesses raise paging.PageFault."""

    def __init__(self, ram: Ram, cpu: Cpu) -> None:
        self._ram = ram
        self._cpu = cpu
        self._reads: dict[int, int] = {}
        self._writes: dict[int, int] = {}
        self._cr0 = self._cr3 = self._cr4 = -1
        self._generation = 0

    def flush(self) -> None:
        """Forget the cached frame of every page: the page tables may have changed."""
        self._reads.clear()
        self._writes.clear()
        self._generation += 1

    def synchronise(self) -> int:
        """Notice changed control registers; a number that is new after every flush."""
        regs = self._cpu.regs
        if regs[_CR3] != self._cr3 or regs[_CR0] != self._cr0 or regs[_CR4] != self._cr4:
            self.flush()
            self._cr0, self._cr3, self._cr4 = regs[_CR0], regs[_CR3], regs[_CR4]
        return self._generation

    def physical(self, linear: int, *, write: bool = False) -> int:
        """Physical address for a supervisor access to one byte;
        PageFault where the tables refuse it.
        """
        self.synchronise()
        if not self._cr0 & CR0_PG:
            return linear
        page = linear & ~_OFFSET
        known = self._writes if write else self._reads
        frame = known.get(page)
        if frame is None:
            cpu = self._cpu
            frame = access(
                self._ram, cpu.cr3, linear, write=write, user=False, wp=cpu.wp, pse=cpu.pse
            )
            frame &= ~_OFFSET
            known[page] = frame
        return frame | linear & _OFFSET

    def store(self, linear: int, data: bytes) -> None:
        """`write`, for a caller that has just called `synchronise`."""
        offset = linear & _OFFSET
        frame = self._writes.get(linear - offset)
        if frame is None or offset + len(data) > PAGE_SIZE:
            self.write(linear, data)
        else:
            self._ram.write(frame | offset, data)

    def read32(self, linear: int) -> int:
        """A little-endian 32-bit word at a linear address; may cross pages. Raises PageFault."""
        if linear & _OFFSET > PAGE_SIZE - 4:
            return int.from_bytes(self.read(linear, 4), "little")
        return self._ram.read32(self.physical(linear))

    def read(self, linear: int, length: int) -> bytes:
        """`length` bytes at a linear address; may cross pages. Raises PageFault."""
        if (linear & _OFFSET) + length <= PAGE_SIZE:
            return self._ram.read(self.physical(linear), length)
        parts = []
        while length:
            part = min(length, PAGE_SIZE - (linear & _OFFSET))
            parts.append(self._ram.read(self.physical(linear), part))
            linear = (linear + part) & 0xFFFFFFFF
            length -= part
        return b"".join(parts)

    def write(self, linear: int, data: bytes) -> None:
        """Store bytes at a linear address;
        when any of their pages refuses, PageFault, and nothing is stored.
        """
        if (linear & _OFFSET) + len(data) <= PAGE_SIZE:
            self._ram.write(self.physical(linear, write=True), data)
            return
        spans = []
        at = 0
        while at < len(data):
            part = min(len(data) - at, PAGE_SIZE - ((linear + at) & _OFFSET))
            physical = self.physical((linear + at) & 0xFFFFFFFF, write=True)
            spans.append((physical, data[at : at + part]))
            at += part
        for physical, chunk in spans:
            self._ram.write(physical, chunk)

    def spans(self, linear: int, length: int, *, write: bool, user: bool) -> list[tuple[int, int]]:
        """(physical address, bytes) of an access at a privilege; nothing is remembered.

        Raises PageFault before anything is stored, for the first page that refuses.
        """
        cpu = self._cpu
        found = []
        while length:
            part = min(length, PAGE_SIZE - (linear & _OFFSET))
            physical = linear
            if cpu.paging:
                physical = access(
                    self._ram, cpu.cr3, linear, write=write, user=user, wp=cpu.wp, pse=cpu.pse
                )
            found.append((physical, part))
            linear = (linear + part) & 0xFFFFFFFF
            length -= part
        return found
