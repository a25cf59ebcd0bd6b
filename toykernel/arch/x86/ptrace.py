"""struct pt_regs: a task's registers as the entry code left them on its kernel stack."""

from __future__ import annotations

from collections.abc import Mapping

from emu.ram import Ram
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET, PT_OFFSET, PT_REGS, PT_SIZE


def _register(name: str) -> property:
    offset = PT_OFFSET[name]

    def read(regs: PtRegs) -> int:
        return regs.ram.read32(regs.physical + offset)

    def write(regs: PtRegs, value: int) -> None:
        regs.ram.write32(regs.physical + offset, value & 0xFFFFFFFF)

    return property(read, write, doc=f"The saved {name}, unsigned 32 bits.")


class PtRegs:
    """A view of 17 words in guest RAM; reading and writing go to the RAM.

    For a frame from ring 0, `sp` and `ss` were not pushed: they are whatever lies above it.
    """

    __slots__ = ("physical", "ram")

    def __init__(self, ram: Ram, address: int) -> None:
        """`address` is virtual, in the kernel's linear map."""
        self.ram = ram
        self.physical = address - PAGE_OFFSET

    bx, cx, dx = _register("bx"), _register("cx"), _register("dx")
    si, di, bp = _register("si"), _register("di"), _register("bp")
    ax, orig_ax = _register("ax"), _register("orig_ax")
    ds, es = _register("ds"), _register("es")
    fs, gs = _register("fs"), _register("gs")
    ip, cs, flags = _register("ip"), _register("cs"), _register("flags")
    sp, ss = _register("sp"), _register("ss")

    @property
    def address(self) -> int:
        """Virtual address of the frame."""
        return self.physical + PAGE_OFFSET

    @property
    def user_mode(self) -> bool:
        """Whether the trap came from ring 3, by the RPL of CS."""
        return bool(self.cs & 3)

    def arguments(self) -> list[int]:
        """The six system-call arguments: bx cx dx si di bp."""
        return self.ram.words(self.physical, 6)

    def as_dict(self) -> dict[str, int]:
        """All 17 words by name."""
        return dict(zip(PT_REGS, self.ram.words(self.physical, len(PT_REGS)), strict=True))

    def store(self, words: Mapping[str, int]) -> None:
        """Write all 17 words, each cut to 32 bits. Raises KeyError when one is missing."""
        for index, name in enumerate(PT_REGS):
            self.ram.write32(self.physical + 4 * index, words[name] & 0xFFFFFFFF)

    def copy_to(self, address: int) -> PtRegs:
        """Copy the frame to another virtual address of the kernel; the copy."""
        self.ram.copy(address - PAGE_OFFSET, self.physical, PT_SIZE)
        return PtRegs(self.ram, address)
