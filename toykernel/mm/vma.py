"""Area records: made, copied, split, merged and freed in one place (mm/mmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import twin
from toykernel.errno import ENOMEM, Errno
from toykernel.mm.filemap import AddressSpace
from toykernel.mm.mm_types import (
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYWRITE,
    VM_RWX,
    VM_SHARED,
    MmStruct,
    VmArea,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel


def new_area(
    k: Kernel,
    start: int,
    end: int,
    flags: int,
    name: str,
    *,
    pgoff: int | None = None,
    mapping: AddressSpace | None = None,
) -> VmArea:
    """A record for [start, end), in no address space; `pgoff` in pages. Raises Errno(ENOMEM)."""
    slab = k.memory.slabs.vm_area.alloc(k)
    if mapping is not None:
        mapping.map_area(k)
        if flags & VM_SHARED and flags & VM_MAYWRITE:
            mapping.stored_to = True
    pgoff = start >> 12 if pgoff is None else pgoff
    return VmArea(start, end, flags, name, slab, pgoff, mapping)


def copy_area(k: Kernel, area: VmArea) -> VmArea:
    """Another record of the same area, in no address space yet. Raises Errno(ENOMEM)."""
    slab = k.memory.slabs.vm_area.alloc(k)
    other = twin(area)
    other.slab = slab
    if other.mapping is not None:
        other.mapping.map_area(k)
    return other


def anon_vma_prepare(k: Kernel, mm: MmStruct, area: VmArea) -> None:
    """The area is about to get its first own page: it belongs to a neighbour's anon_vma, if the two could
    become one area again with the same rights, or to a new one."""
    if area.anon_vma:
        return
    for near in (mm.find_exact(area.vm_end), mm.find_exact(area.vm_start - 1)):
        if near is None or not near.anon_vma or near.cloned:
            continue
        lower, upper = (area, near) if near.vm_start == area.vm_end else (near, area)
        if _compatible(lower, upper, ~VM_RWX):
            area.anon_vma = near.anon_vma
            return
    area.anon_vma = k.memory.idents.next_anon_vma()


def fork_area(k: Kernel, area: VmArea) -> VmArea:
    """A child's record of a parent's area: pages that it gets from now on are no longer the parent's
    (anon_vma_fork), and mlock was the parent's alone. Raises Errno(ENOMEM)."""
    other = copy_area(k, area)
    if other.anon_vma:
        other.anon_vma = k.memory.idents.next_anon_vma()
        other.cloned = True
    other.vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT)
    other.uffd, other.uffd_mode = None, 0
    return other


def free_area(k: Kernel, area: VmArea) -> None:
    """Give the record back; the last area of a mapped object gives its frames back too."""
    if area.mapping is not None:
        area.mapping.unmap_area(k)
    k.memory.slabs.vm_area.free(k, area.slab)


def split_area(k: Kernel, mm: MmStruct, area: VmArea, address: int) -> VmArea:
    """Cut an area in two (split_vma): `area` keeps what is below; answers what is above.

    Raises Errno(ENOMEM), changing nothing.
    """
    if len(mm.areas) >= k.memory.max_map_count:
        raise Errno(ENOMEM)
    return _split(k, mm, area, address)


def _split(k: Kernel, mm: MmStruct, area: VmArea, address: int) -> VmArea:
    """As split_area, however many areas there are (__split_vma)."""
    upper = copy_area(k, area)
    mm.resize(area, area.vm_start, address)
    upper.vm_pgoff += (address - upper.vm_start) >> 12
    upper.vm_start = address
    mm.insert(upper)
    return upper


def isolate(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int) -> VmArea:
    """Split so that one area is exactly the part of `area` inside [start, end); answers it.

    Raises Errno(ENOMEM); a cut that was made by then stays, which changes nothing that can be seen.
    """
    if area.vm_start < start:
        area = split_area(k, mm, area, start)
    if area.vm_end > end:
        split_area(k, mm, area, end)
    return area


def carve(k: Kernel, mm: MmStruct, start: int, end: int) -> list[VmArea]:
    """The areas inside [start, end), which go, those at its edges cut to fit.

    Raises Errno(ENOMEM), also for a hole in one when there are as many areas as may be: one more would stay.
    """
    for area in mm.overlapping(start, end):
        first, last = area.vm_start < start, area.vm_end > end
        if first and last and len(mm.areas) >= k.memory.max_map_count:
            raise Errno(ENOMEM)
        if first:
            area = _split(k, mm, area, start)
        if last:
            _split(k, mm, area, end)
    return mm.overlapping(start, end)


def _compatible(lower: VmArea, upper: VmArea, flags: int) -> bool:
    """Neighbours, of one object in one piece, and alike in these flags."""
    return (
        lower.vm_end == upper.vm_start
        and not (lower.vm_flags ^ upper.vm_flags) & flags
        and lower.mapping is upper.mapping
        and lower.uffd is upper.uffd
        and lower.uffd_mode == upper.uffd_mode
        and lower.vm_pgoff + lower.pages == upper.vm_pgoff
    )


def can_merge(k: Kernel, lower: VmArea, upper: VmArea) -> bool:
    """Whether two neighbours are one area in all but the record (can_vma_merge_after)."""
    if not _compatible(lower, upper, ~0):
        return False
    if lower.anon_vma == upper.anon_vma:
        return True
    cloned = lower.cloned or upper.cloned
    return 0 in (lower.anon_vma, upper.anon_vma) and (
        k.host.profile.merges_cloned_areas or not cloned
    )


def merge(k: Kernel, mm: MmStruct, start: int, end: int) -> None:
    """Join what can be joined among the areas that touch [start, end] (vma_merge)."""
    areas = mm.overlapping(max(start - 1, 0), end + 1)
    if not areas:
        return
    lower = areas[0]
    for upper in areas[1:]:
        if can_merge(k, lower, upper):
            _absorb(k, mm, lower, upper)
        else:
            lower = upper


def _absorb(k: Kernel, mm: MmStruct, lower: VmArea, upper: VmArea) -> None:
    mm.remove(upper)
    mm.resize(lower, lower.vm_start, upper.vm_end)
    lower.anon_vma = lower.anon_vma or upper.anon_vma
    lower.cloned = lower.cloned or upper.cloned
    lower.name = lower.name or upper.name
    free_area(k, upper)
