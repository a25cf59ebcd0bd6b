"""madvise (mm/madvise.c): what the kernel may assume; two kinds of advice change what fork does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm
from toykernel.errno import EBADF, EINVAL, ENOMEM, Errno
from toykernel.mm.memory import unmap_page_range
from toykernel.mm.mm_types import (
    VM_DONTCOPY,
    VM_LOCKED,
    VM_RAND_READ,
    VM_SEQ_READ,
    MmStruct,
    VmArea,
)
from toykernel.mm.mman import (
    MADV_DOFORK,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
)
from toykernel.mm.mmap import page_align, user_mm
from toykernel.mm.vma import isolate, merge
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

_READ_AHEAD = VM_SEQ_READ | VM_RAND_READ
#: Advice that changes an area's flags: (cleared, set).
_FLAGS = {
    MADV_NORMAL: (_READ_AHEAD, 0),
    MADV_SEQUENTIAL: (_READ_AHEAD, VM_SEQ_READ),
    MADV_RANDOM: (_READ_AHEAD, VM_RAND_READ),
    MADV_DONTFORK: (0, VM_DONTCOPY),
    MADV_DOFORK: (VM_DONTCOPY, 0),
}


@syscall(219, "addr:address length:size advice:madvice")
def sys_madvise(k: Kernel, start: int, length: int, behavior: int) -> int:
    """madvise: a hole is an error (ENOMEM), but only after everything else has been advised.

    EINVAL for a bad range or advice.
    """
    if behavior not in _FLAGS and behavior not in (MADV_WILLNEED, MADV_DONTNEED):
        raise Errno(EINVAL)
    end = start + page_align(length)
    if start & (PAGE_SIZE - 1) or end >> 32:
        raise Errno(EINVAL)
    if end == start:
        return 0
    mm = user_mm(k)
    covered = mm.covered(start, end)
    try:
        for area in mm.overlapping(start, end):
            _advise(k, mm, area, max(start, area.vm_start), min(end, area.vm_end), behavior)
    finally:
        merge(k, mm, start, end)
    if not covered:
        raise Errno(ENOMEM)
    return 0


def _advise(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int, behavior: int) -> None:
    if behavior == MADV_WILLNEED:
        if area.mapping is None:
            raise Errno(EBADF)
    elif behavior == MADV_DONTNEED:
        if area.vm_flags & VM_LOCKED:
            raise Errno(EINVAL)
        unmap_page_range(k, mm, start, end)  # the next touch finds zeros, or the file
        flush_tlb_mm(k, mm)
    else:
        cleared, added = _FLAGS[behavior]
        flags = area.vm_flags & ~cleared | added
        if flags != area.vm_flags:
            mm.set_flags(isolate(k, mm, area, start, end), flags)
