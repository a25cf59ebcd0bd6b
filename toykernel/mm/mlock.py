"""mlock, munlock, mlockall, munlockall (mm/mlock.c): pages that are there, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM, Errno
from toykernel.kernel.cred import CAP_IPC_LOCK, capable
from toykernel.kernel.signal_types import RLIMIT_MEMLOCK
from toykernel.mm.filemap import FaultSigbus
from toykernel.mm.limits import can_do_mlock, rlimit
from toykernel.mm.memory import make_pages_present, populate_range
from toykernel.mm.mm_types import VM_LOCKED, VM_LOCKONFAULT, VM_RWX, MmStruct
from toykernel.mm.mman import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MLOCK_ONFAULT
from toykernel.mm.mmap import page_align_word, user_mm
from toykernel.mm.vma import isolate, merge
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


_LOCKED = VM_LOCKED | VM_LOCKONFAULT


def _range(start: int, length: int) -> tuple[int, int]:
    """The pages that a range of bytes touches; it may wrap around."""
    return start & -4096, page_align_word(length + (start & 0xFFF)) + (start & -4096)


def _within_limit(k: Kernel, pages: int) -> bool:
    return capable(k, CAP_IPC_LOCK) or pages <= rlimit(k, RLIMIT_MEMLOCK) >> 12


@syscall(150, "addr:address len:size")
def sys_mlock(k: Kernel, start: int, length: int) -> int:
    """mlock: fault the pages in and keep them. EPERM if nothing may be locked, ENOMEM beyond
    RLIMIT_MEMLOCK or at a hole.
    """
    return _mlock(k, start, length)


@syscall(376, "addr:address len:size flags:mlock_flags")
def sys_mlock2(k: Kernel, start: int, length: int, flags: int) -> int:
    """mlock2: as mlock; with MLOCK_ONFAULT pages are kept once they are used. EINVAL for a flag."""
    if flags & ~MLOCK_ONFAULT:
        raise Errno(EINVAL)
    return _mlock(k, start, length, on_fault=bool(flags & MLOCK_ONFAULT))


def _mlock(k: Kernel, start: int, length: int, *, on_fault: bool = False) -> int:
    if not can_do_mlock(k):
        raise Errno(EPERM)
    mm = user_mm(k)
    start, end = _range(start, length)
    more = (end - start) >> 12
    if k.host.profile.mlock_counts_once and not _within_limit(k, mm.locked_vm + more):
        more -= mlocked_pages(mm, start, end)
    if not _within_limit(k, mm.locked_vm + more):
        raise Errno(ENOMEM)
    if end >> 32:
        raise Errno(EINVAL)
    _set_locked(k, mm, start, end, VM_LOCKED | (VM_LOCKONFAULT if on_fault else 0))
    if on_fault:
        return 0
    try:
        make_pages_present(k, mm, start, end)
    except Errno as error:  # as POSIX wants them
        raise Errno({EFAULT: ENOMEM, ENOMEM: EAGAIN}.get(error.number, error.number)) from None
    except FaultSigbus:
        raise Errno(ENOMEM) from None
    return 0


def mlocked_pages(mm: MmStruct, start: int, end: int) -> int:
    """How many pages of a range are locked (count_mm_mlocked_page_nr)."""
    locked = [area for area in mm.overlapping(start, end) if area.vm_flags & VM_LOCKED]
    return sum(min(area.vm_end, end) - max(area.vm_start, start) >> 12 for area in locked)


@syscall(151, "addr:address len:size")
def sys_munlock(k: Kernel, start: int, length: int) -> int:
    """munlock: the pages may go again. ENOMEM at a hole, after those before it."""
    start, end = _range(start, length)
    _set_locked(k, user_mm(k), start, end, 0)
    return 0


def _set_locked(k: Kernel, mm: MmStruct, start: int, end: int, locked: int) -> None:
    """Mark every area; those before a hole stay marked. Raises Errno(ENOMEM)."""
    try:
        at = start
        while at < end:
            area = mm.find_exact(at)
            if area is None:
                raise Errno(ENOMEM)
            stop = min(area.vm_end, end)
            flags = area.vm_flags & ~_LOCKED | locked
            if flags != area.vm_flags:
                mm.set_flags(isolate(k, mm, area, at, stop), flags)
            at = stop
    finally:
        merge(k, mm, start, end)


@syscall(152, "flags:mlockall_flags")
def sys_mlockall(k: Kernel, flags: int) -> int:
    """mlockall: every area (MCL_CURRENT), those to come (MCL_FUTURE), or both; with MCL_ONFAULT pages
    only when they are first used. EINVAL, EPERM,
    ENOMEM beyond RLIMIT_MEMLOCK.
    """
    if flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags in (0, MCL_ONFAULT):
        raise Errno(EINVAL)
    if not can_do_mlock(k):
        raise Errno(EPERM)
    mm = user_mm(k)
    if flags & MCL_CURRENT and not _within_limit(k, mm.total_vm):
        raise Errno(ENOMEM)
    locked = VM_LOCKED | (VM_LOCKONFAULT if flags & MCL_ONFAULT else 0)
    mm.def_flags = locked if flags & MCL_FUTURE else 0
    if flags & MCL_CURRENT:
        for area in list(mm):
            mm.set_flags(area, area.vm_flags & ~_LOCKED | locked)
        for area in list(mm) if not flags & MCL_ONFAULT else ():
            if area.vm_flags & VM_RWX:
                populate_range(k, mm, area.vm_start, area.vm_end)
    return 0


@syscall(153)
def sys_munlockall(k: Kernel) -> int:
    """munlockall: nothing is locked any more."""
    mm = user_mm(k)
    mm.def_flags = 0
    for area in list(mm):
        mm.set_flags(area, area.vm_flags & ~_LOCKED)
    merge(k, mm, 0, 1 << 32)
    return 0
