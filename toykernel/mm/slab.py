"""Slab caches for the kernel's records (mm/slab.c): fixed-size objects in page frames.

The records themselves are Python data; their memory is real, so that it is counted, runs out, and gives
each record an address in the kernel's half. Objects that the guest's text touches (FPU areas) live in
theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET

if TYPE_CHECKING:
    from toykernel.state import Kernel


class KmemCache:
    """Objects of `size` bytes; addresses are virtual, in the kernel's linear map."""

    def __init__(self, name: str, size: int, align: int = 16) -> None:
        self.name = name
        self.size = (size + align - 1) // align * align
        if not 0 < self.size <= PAGE_SIZE:
            raise ValueError(f"slab {name}: objects of {size} bytes do not fit a page")
        self.per_page = PAGE_SIZE // self.size
        self._partial: dict[int, list[int]] = {}
        self._held: dict[int, None] = {}
        self.active = 0

    def alloc(self, k: Kernel) -> int:
        """Virtual address of an object; its bytes are whatever was there. Raises Errno(ENOMEM)."""
        if k.host.may_fail is not None:
            k.host.may_fail(self.name)
        partial = self._partial
        for base in reversed(partial):
            objects = partial[base]
            break
        else:
            base = PAGE_OFFSET + (
                k.memory.pages.alloc_pages(k, 0, f"{self.name} slab") << PAGE_SHIFT
            )
            self._held[base] = None
            objects = partial[base] = list(
                range(base + (self.per_page - 1) * self.size, base - 1, -self.size)
            )
        address = objects.pop()
        if not objects:
            del partial[base]
        self.active += 1
        return address

    def free(self, k: Kernel, address: int) -> None:
        """Give an object back; an empty page goes back to the allocator.

        Raises ValueError when it is free already.
        """
        base = address & -PAGE_SIZE
        objects = self._partial.get(base)
        if objects is None:
            objects = self._partial[base] = []
        elif address in objects:
            raise ValueError(f"slab {self.name}: object {address:#x} freed twice")
        objects.append(address)
        self.active -= 1
        if len(objects) == self.per_page:
            del self._partial[base], self._held[base]
            k.memory.pages.put_page(k, (base - PAGE_OFFSET) >> PAGE_SHIFT)

    def pages(self) -> list[int]:
        """Virtual addresses of the pages that the cache holds, in the order it got them."""
        return list(self._held)

    def holds(self, page: int) -> bool:
        """Whether a page, by its address, is the cache's."""
        return page in self._held

    def objects_in(self, page: int) -> int:
        """How many objects of a page are in use."""
        return self.per_page - len(self._partial.get(page, ()))
