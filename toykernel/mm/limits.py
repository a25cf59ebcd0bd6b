"""What a process may take: resource limits and the overcommit rule (mm/mmap.c, mm/util.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import ENOMEM, Errno
from toykernel.kernel.cred import CAP_IPC_LOCK, capable
from toykernel.kernel.signal_types import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from toykernel.mm.mm_types import VM_ACCOUNT, VM_SHARED, VM_WRITE, MmStruct

if TYPE_CHECKING:
    from toykernel.state import Kernel


def rlimit(k: Kernel, resource: int) -> int:
    """The caller's soft limit of an RLIMIT_ number, in its own unit."""
    return k.current.signal.rlim[resource][0]


def may_expand_vm(k: Kernel, mm: MmStruct, pages: int) -> bool:
    """Whether the address space may grow by so many pages (RLIMIT_AS)."""
    return mm.total_vm + pages <= rlimit(k, RLIMIT_AS) >> 12


def may_expand_data(k: Kernel, mm: MmStruct, brk: int) -> bool:
    """Whether the heap may end at `brk` (RLIMIT_DATA)."""
    limit = rlimit(k, RLIMIT_DATA)
    used = (brk - mm.start_brk) + (mm.end_data - mm.start_data)
    return limit >= RLIM_INFINITY or used <= limit


def can_do_mlock(k: Kernel) -> bool:
    """Whether the caller may lock memory at all: CAP_IPC_LOCK, or RLIMIT_MEMLOCK above 0."""
    return capable(k, CAP_IPC_LOCK) or rlimit(k, RLIMIT_MEMLOCK) != 0


def may_lock(k: Kernel, mm: MmStruct, pages: int) -> bool:
    """Whether so many more pages may be locked (RLIMIT_MEMLOCK; CAP_IPC_LOCK lifts it)."""
    return capable(k, CAP_IPC_LOCK) or mm.locked_vm + pages <= rlimit(k, RLIMIT_MEMLOCK) >> 12


OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER = range(3)


def committed(k: Kernel) -> int:
    """Pages that are promised: those of all areas with VM_ACCOUNT (vm_committed_as)."""
    return sum(
        area.pages for mm in k.memory.mms.values() for area in mm if area.vm_flags & VM_ACCOUNT
    )


def commit_limit(k: Kernel) -> int:
    """vm_commit_limit: pages that vm.overcommit_memory 2 promises at most."""
    return k.memory.pages.totals().managed * k.memory.overcommit_ratio // 100


def vm_enough_memory(k: Kernel, pages: int) -> None:
    """Whether so many pages may be promised, by vm.overcommit_memory: 0 refuses only what could never be
    there, 1 nothing, 2 what is over the limit of all promises together. Raises Errno(ENOMEM).
    """
    policy = k.memory.overcommit_memory
    if policy == OVERCOMMIT_ALWAYS:
        return
    if policy == OVERCOMMIT_GUESS:
        if pages > k.memory.pages.totals().managed:
            raise Errno(ENOMEM)
    elif committed(k) + pages > commit_limit(k):
        raise Errno(ENOMEM)


def accountable(vm_flags: int) -> bool:
    """Whether memory with these flags is promised to the process (accountable_mapping)."""
    return vm_flags & (VM_SHARED | VM_WRITE) == VM_WRITE


def charge(k: Kernel, vm_flags: int, pages: int) -> int:
    """Flags with VM_ACCOUNT when the pages are promised. Raises Errno(ENOMEM)."""
    if not accountable(vm_flags):
        return vm_flags
    vm_enough_memory(k, pages)
    return vm_flags | VM_ACCOUNT
