"""mseal (mm/mseal.c): from now on an area stays mapped, where it is, and with its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.errno import EINVAL, ENOMEM, Errno
from toykernel.mm.mm_types import VM_SEALED
from toykernel.mm.mmap import page_align, user_mm
from toykernel.mm.vma import isolate, merge
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


@syscall(462, "addr:address len:size flags:hex")
def sys_mseal(k: Kernel, start: int, length: int, flags: int) -> int:
    """mseal: EINVAL for a flag or a bad range, ENOMEM for one with a hole, which stays as it is."""
    end = start + page_align(length)
    if flags or start & (PAGE_SIZE - 1) or end >> 32:
        raise Errno(EINVAL)
    if end == start:
        return 0
    mm = user_mm(k)
    if not mm.covered(start, end):
        raise Errno(ENOMEM)
    for area in mm.overlapping(start, end):
        if not area.vm_flags & VM_SEALED:
            part = isolate(k, mm, area, start, end)
            mm.set_flags(part, part.vm_flags | VM_SEALED)
    merge(k, mm, start, end)
    return 0
