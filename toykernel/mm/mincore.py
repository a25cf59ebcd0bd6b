"""mincore and msync (mm/mincore.c, mm/msync.c): what is in memory, and putting it into the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.pgtable import get_pte, pte_present
from toykernel.arch.x86.uaccess import access_ok, copy_to_user
from toykernel.errno import EBUSY, EFAULT, EINVAL, ENOMEM, Errno
from toykernel.mm.mm_types import VM_LOCKED, VM_SHARED, VmArea
from toykernel.mm.mman import MS_ASYNC, MS_INVALIDATE, MS_SYNC
from toykernel.mm.mmap import page_align, page_align_word, user_mm
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_OFFSET = PAGE_SIZE - 1


@syscall(218, "addr:address length:size vec:address")
def sys_mincore(k: Kernel, start: int, length: int, vec: int) -> int:
    """mincore: one byte a page at `vec`, 1 where it is in memory.

    EINVAL unaligned, ENOMEM beyond the areas, EFAULT.
    """
    if start & _OFFSET:
        raise Errno(EINVAL)
    if not access_ok(start, length):
        raise Errno(ENOMEM)
    pages = page_align(length) >> 12
    if not access_ok(vec, pages):
        raise Errno(EFAULT)
    mm = user_mm(k)
    answer = bytearray()
    while len(answer) < pages:
        address = start + (len(answer) << 12)
        area = mm.find_exact(address)
        if area is None:
            copy_to_user(k, vec, bytes(answer))
            raise Errno(ENOMEM)
        resident = pte_present(get_pte(k, mm, address)) or _cached(area, address)
        answer.append(resident)
    copy_to_user(k, vec, bytes(answer))
    return 0


def _cached(area: VmArea, address: int) -> bool:
    return area.mapping is not None and area.page_index(address) in area.mapping.pages


@syscall(144, "addr:address length:size flags:msync_flags")
def sys_msync(k: Kernel, start: int, length: int, flags: int) -> int:
    """msync: the file gets what was written to shared mappings of it. ENOMEM at a hole, EBUSY for
    MS_INVALIDATE of locked pages.
    """
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or start & _OFFSET:
        raise Errno(EINVAL)
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise Errno(EINVAL)
    end = start + page_align_word(length)
    if end >> 32:
        raise Errno(ENOMEM)
    mm = user_mm(k)
    for area in mm.overlapping(start, end):
        if flags & MS_INVALIDATE and area.vm_flags & VM_LOCKED:
            raise Errno(EBUSY)
        if flags & MS_SYNC and area.mapping is not None and area.vm_flags & VM_SHARED:
            first = max(start, area.vm_start)
            pos = area.page_index(first) << PAGE_SHIFT
            area.mapping.write_back(k, pos, min(end, area.vm_end) - first)
    if not mm.covered(start, end):
        raise Errno(ENOMEM)
    return 0
