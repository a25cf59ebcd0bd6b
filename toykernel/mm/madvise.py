"""madvise (mm/madvise.c): what the kernel may assume; some kinds of advice change what fork does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PF_W
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.pgtable import flush_tlb_mm
from toykernel.errno import EACCES, EFAULT, EINVAL, ENOMEM, EPERM, Errno
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.guards import install_guards, remove_guards
from toykernel.mm.memory import Fault, fault_in, unmap_page_range, zap_page_range
from toykernel.mm.mm_types import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_LOCKED,
    VM_RAND_READ,
    VM_READ,
    VM_SEALED,
    VM_SEQ_READ,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
    MmStruct,
    VmArea,
)
from toykernel.mm.mman import (
    MADV_COLD,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_HUGEPAGE,
    MADV_KEEPONFORK,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_UNMERGEABLE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
)
from toykernel.mm.mmap import page_align, user_mm
from toykernel.mm.truncate import punch_hole
from toykernel.mm.vma import anon_vma_prepare, isolate, merge
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
    MADV_DONTDUMP: (0, VM_DONTDUMP),
    MADV_DODUMP: (VM_DONTDUMP, 0),
    MADV_WIPEONFORK: (0, VM_WIPEONFORK),
    MADV_KEEPONFORK: (VM_WIPEONFORK, 0),
}
#: Advice without an effect here: there is no read-ahead, no swap, no merging and no huge page.
_NOTED = (
    *(MADV_WILLNEED, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE),
    *(MADV_COLD, MADV_PAGEOUT),
)
_POPULATE = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
_GUARD = (MADV_GUARD_INSTALL, MADV_GUARD_REMOVE)
_DROP = (MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE, MADV_REMOVE)
#: What takes contents away, which mseal forbids where the program could not write them anyway.
_DISCARD = (*_DROP, MADV_DONTFORK, MADV_WIPEONFORK, MADV_GUARD_INSTALL)
#: What process_madvise may do to another process.
REMOTE = (MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED)


@syscall(219, "addr:address length:size advice:madvice")
def sys_madvise(k: Kernel, start: int, length: int, behavior: int) -> int:
    """madvise: a hole is an error (ENOMEM), but only after everything else has been advised.

    EINVAL for a bad range or advice, EACCES for MADV_REMOVE of what is not writable, EFAULT for what
    MADV_POPULATE cannot touch.
    """
    return do_madvise(k, user_mm(k), start, length, behavior)


def do_madvise(k: Kernel, mm: MmStruct, start: int, length: int, behavior: int) -> int:
    """The same for any address space; 0. Raises Errno."""
    if behavior not in _FLAGS and behavior not in (*_NOTED, *_POPULATE, *_DROP, *_GUARD):
        raise Errno(EINVAL)
    end = start + page_align(length)
    if start & (PAGE_SIZE - 1) or end >> 32:
        raise Errno(EINVAL)
    if end == start:
        return 0
    if behavior in _POPULATE:
        _populate(k, mm, start, end, write=behavior == MADV_POPULATE_WRITE)
        return 0
    covered = mm.covered(start, end)
    try:
        for area in mm.overlapping(start, end):
            _advise(k, mm, area, max(start, area.vm_start), min(end, area.vm_end), behavior)
    finally:
        merge(k, mm, start, end)
    if not covered:
        raise Errno(ENOMEM)
    return 0


def _populate(k: Kernel, mm: MmStruct, start: int, end: int, *, write: bool) -> None:
    """Fault every page in, as a read or a write of each would. Raises Errno: ENOMEM for a hole, EINVAL
    where the area does not allow it, EFAULT beyond the end of a file.
    """
    needed = VM_WRITE if write else VM_READ
    for address in range(start, end, PAGE_SIZE):
        area = mm.find_exact(address)
        if area is None:
            raise Errno(ENOMEM)
        if not area.vm_flags & needed:
            raise Errno(EINVAL)
        try:
            fault_in(k, Fault(k.current, mm, area, address, PF_W if write else 0))
        except FaultSigbus:
            raise Errno(EFAULT) from None


def _may_discard(area: VmArea) -> bool:
    """can_madvise_modify: a sealed area keeps the contents of private memory that is not writable."""
    sealed = area.vm_flags & (VM_SEALED | VM_WRITE) == VM_SEALED
    return not sealed or area.mapping is not None


def _guard(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int, behavior: int) -> None:
    if behavior == MADV_GUARD_REMOVE:
        remove_guards(mm, start, end)
        return
    if area.vm_flags & VM_LOCKED:
        raise Errno(EINVAL)
    anon_vma_prepare(k, mm, area)
    unmap_page_range(k, mm, start, end)
    flush_tlb_mm(k, mm)
    install_guards(mm, start, end)


def _advise(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int, behavior: int) -> None:
    if behavior in _DISCARD and not _may_discard(area):
        raise Errno(EPERM)
    if behavior in _GUARD:
        _guard(k, mm, area, start, end, behavior)
        return
    if behavior in _NOTED:
        if area.vm_flags & VM_LOCKED and behavior in (MADV_COLD, MADV_PAGEOUT):
            raise Errno(EINVAL)
        return
    if behavior in _DROP:
        _drop(k, mm, area, start, end, behavior)
        return
    private = area.mapping is None and not area.vm_flags & VM_SHARED
    if behavior == MADV_WIPEONFORK and not private:
        raise Errno(EINVAL)
    cleared, added = _FLAGS[behavior]
    flags = area.vm_flags & ~cleared | added
    if flags != area.vm_flags:
        mm.set_flags(isolate(k, mm, area, start, end), flags)


def _drop(k: Kernel, mm: MmStruct, area: VmArea, start: int, end: int, behavior: int) -> None:
    """Pages that the next touch finds as zeros, or as the file has them.

    MADV_FREE leaves that to the day on which memory is short, which it never is here.
    """
    if area.vm_flags & VM_LOCKED and behavior != MADV_DONTNEED_LOCKED:
        raise Errno(EINVAL)
    if behavior == MADV_FREE:
        if area.mapping is not None:
            raise Errno(EINVAL)
        return
    if behavior == MADV_REMOVE:
        if area.mapping is None:
            raise Errno(EINVAL)
        if area.vm_flags & (VM_SHARED | VM_WRITE) != VM_SHARED | VM_WRITE:
            raise Errno(EACCES)
        first = area.page_index(start)
        punch_hole(k, area.mapping, first << PAGE_SHIFT, (first << PAGE_SHIFT) + end - start)
        return
    zap_page_range(k, mm, area, start, end)
    flush_tlb_mm(k, mm)
