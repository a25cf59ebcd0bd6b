"""The two areas that grow: the heap by brk, the stack by page faults (mm/mmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.errno import EAGAIN, ENOMEM, Errno
from toykernel.mm.limits import (
    may_expand_data,
    may_expand_vm,
    may_lock,
    vm_enough_memory,
)
from toykernel.mm.memory import populate_range
from toykernel.mm.mm_types import (
    VM_ACCOUNT,
    VM_LOCKED,
    VM_LOCKONFAULT,
    MmStruct,
    vm_data_default,
)
from toykernel.mm.mmap import do_munmap, page_align, user_mm
from toykernel.mm.vma import merge, new_area
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


@syscall(45, "addr:address")
def sys_brk(k: Kernel, brk: int) -> int:
    """brk: move the end of the heap; the end as it is now, moved or not."""
    mm = user_mm(k)
    if brk < mm.start_brk or brk > TASK_SIZE or not may_expand_data(k, mm, brk):
        return mm.brk
    old, new = page_align(mm.brk), page_align(brk)
    try:
        if new < old:
            do_munmap(k, mm, new, old - new)
        elif new > old:
            if mm.overlapping(old, new + PAGE_SIZE):
                return mm.brk
            do_brk(k, mm, old, new)
    except Errno:
        return mm.brk
    mm.brk = brk
    return brk


def do_brk(k: Kernel, mm: MmStruct, start: int, end: int) -> None:
    """Anonymous memory in [start, end), which is free.

    Raises Errno(EAGAIN) over RLIMIT_MEMLOCK, Errno(ENOMEM).
    """
    pages = (end - start) >> 12
    flags = vm_data_default(k.current.personality) | VM_ACCOUNT | mm.def_flags
    if flags & VM_LOCKED and not may_lock(k, mm, pages):
        raise Errno(EAGAIN)
    if not may_expand_vm(k, mm, pages):
        raise Errno(ENOMEM)
    vm_enough_memory(k, pages)
    mm.insert(new_area(k, start, end, flags, "[heap]"))
    merge(k, mm, start, end)
    if flags & VM_LOCKED and not flags & VM_LOCKONFAULT:
        populate_range(k, mm, start, end)
