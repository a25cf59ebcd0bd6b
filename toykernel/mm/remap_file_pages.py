"""remap_file_pages (mm/mmap.c): other pages of a shared mapping at a place, as Linux 4.0 and later do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.errno import EINVAL, Errno
from toykernel.mm.mm_types import VM_SHARED, MmStruct, VmArea
from toykernel.mm.mman import MAP_NONBLOCK, MAP_POPULATE
from toykernel.mm.mmap import mmap_region, user_mm
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


@syscall(257, "addr:address size:size prot:prot pgoff:hex flags:mmap_flags")
def sys_remap_file_pages(
    k: Kernel, start: int, size: int, prot: int, pgoff: int, flags: int
) -> int:
    """remap_file_pages: EINVAL for other than a shared mapping, a prot, or no pages; ENOMEM."""
    start, size = start & -PAGE_SIZE, size & -PAGE_SIZE
    end = start + size
    if prot or not size or end >> 32 or pgoff + size // PAGE_SIZE >> 32:
        raise Errno(EINVAL)
    mm = user_mm(k)
    area = mm.find_exact(start)
    if area is None or not area.vm_flags & VM_SHARED or not _one_object(mm, area, start, end):
        raise Errno(EINVAL)
    mapping = area.mapping
    assert mapping is not None
    mapping.map_area(k)  # it must outlive the area that goes
    try:
        how = flags & MAP_NONBLOCK | MAP_POPULATE
        rights = area.vm_flags
        mmap_region(k, mm, start, size, how, rights, pgoff, mapping, area.name)
    finally:
        mapping.unmap_area(k)
    return 0


def _one_object(mm: MmStruct, first: VmArea, start: int, end: int) -> bool:
    """Whether a range is covered by areas of the same object with the same rights."""
    at = start
    for area in mm.overlapping(start, end):
        same = area.mapping is first.mapping and area.vm_flags == first.vm_flags
        if area.vm_start > at or not same:
            return False
        at = area.vm_end
    return at >= end
