"""The address space at fork (kernel/fork.c, what is about mm_struct; fork-path K)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.ldt import dup_ldt, free_ldt
from toykernel.arch.x86.mmu_context import leave_mm
from toykernel.arch.x86.pgtable import PteWork, flush_tlb_mm, one_by_one, pgd_alloc, pgd_free
from toykernel.fs.aio import exit_aio
from toykernel.fs.fsnotify import fsnotify_exec
from toykernel.fs.inode import allow_write_access, deny_write_access, igrab, iput
from toykernel.kernel.clone_flags import CLONE_VM, CloneArgs
from toykernel.mm.guards import guards_in
from toykernel.mm.limits import vm_enough_memory
from toykernel.mm.mdwe import inherited_mdwe
from toykernel.mm.memory import copy_page_range, unprotect_ptes
from toykernel.mm.mm_types import (
    FEATURE_EVENT_FORK,
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_WIPEONFORK,
    MmStruct,
)
from toykernel.mm.mmap import exit_mmap
from toykernel.mm.vma import fork_area

if TYPE_CHECKING:
    from toykernel.fs.inode import Inode
    from toykernel.mm.memory import ProtectedPte
    from toykernel.state import Kernel
    from toykernel.task import Task


def copy_mm(k: Kernel, p: Task, args: CloneArgs) -> list[ProtectedPte]:
    """fork-path G: the address space, shared or copy-on-write; a kernel thread has none.

    Answers with the parent's entries that lost their write bit. Raises Errno(ENOMEM).
    """
    oldmm = k.current.mm
    p.mm = p.active_mm = None
    if oldmm is None:
        return []
    if args.flags & CLONE_VM:
        oldmm.mm_users += 1
        p.mm = p.active_mm = oldmm
        return []
    p.mm, protected = dup_mm(k, oldmm)
    p.active_mm = p.mm
    return protected


def uncopy_mm(k: Kernel, p: Task, protected: list[ProtectedPte]) -> None:
    """A later step failed: the parent's entries get their write bits back, too."""
    mm, oldmm = p.mm, k.current.mm
    exit_mm(k, p)
    if oldmm is not None and mm is not oldmm:
        unprotect_ptes(k, oldmm, protected)


def mm_alloc(k: Kernel) -> MmStruct:
    """An empty address space with a directory. Raises Errno(ENOMEM)."""
    slab = k.memory.slabs.mm.alloc(k)
    mm = MmStruct(k.memory.idents.next_mm(), slab)
    try:
        mm.pgd = pgd_alloc(k)
    except BaseException:
        k.memory.slabs.mm.free(k, slab)
        raise
    k.memory.mms[mm.ident] = mm
    return mm


def set_mm_exe_file(k: Kernel, mm: MmStruct, inode: Inode) -> None:
    """What an address space executes: nobody can write to it meanwhile. Raises Errno(ETXTBSY)."""
    deny_write_access(inode)
    k.memory.exe_files[mm.ident] = igrab(inode)


def dup_mm(k: Kernel, oldmm: MmStruct) -> tuple[MmStruct, list[ProtectedPte]]:
    """A copy of an address space, its pages shared until written (fork-path K), and what the old one
    lost by that. Raises Errno(ENOMEM)."""
    protected: list[ProtectedPte] = []
    mm = None
    try:
        mm = mm_alloc(k)
        mm.exe_path, mm.exe_name = oldmm.exe_path, oldmm.exe_name
        mm.saved_auxv = oldmm.saved_auxv
        if oldmm.ident in k.memory.exe_files:
            set_mm_exe_file(k, mm, k.memory.exe_files[oldmm.ident])
        dup_mmap(k, mm, oldmm, protected)
        dup_ldt(k, mm, oldmm)
    except BaseException:
        if mm is not None:
            mmput(k, mm)
        unprotect_ptes(k, oldmm, protected)
        raise
    flush_tlb_mm(k, oldmm)  # K4
    return mm, protected


def dup_mmap(k: Kernel, mm: MmStruct, oldmm: MmStruct, protected: list[ProtectedPte]) -> None:
    """Copies of all areas and page tables, write-protected where private. Raises Errno(ENOMEM)."""
    _inherit(mm, oldmm)
    mm.mdwe = inherited_mdwe(oldmm)
    work = None if k.memory.eager_fork or one_by_one(k) else PteWork()
    try:
        for area in oldmm:
            if area.vm_flags & VM_DONTCOPY:
                continue
            if area.vm_flags & VM_ACCOUNT:
                vm_enough_memory(k, area.pages)
            mm.insert(fork_area(k, area))
            if oldmm.guards and not area.vm_flags & VM_WIPEONFORK:
                mm.guards |= guards_in(oldmm, area.vm_start, area.vm_end)
            copy_page_range(k, mm, oldmm, area, protected, work)
            if oldmm.uffd_poison:
                mm.uffd_poison |= {p for p in oldmm.uffd_poison if area.vm_start <= p < area.vm_end}
            if oldmm.uffd_wp and area.has_uffd_feature(FEATURE_EVENT_FORK):
                mm.uffd_wp |= {p for p in oldmm.uffd_wp if area.vm_start <= p < area.vm_end}
    finally:
        if work is not None:
            work.charge(k)


def _inherit(mm: MmStruct, old: MmStruct) -> None:
    """Fields of an address space that fork copies as they are."""
    mm.start_code, mm.end_code = old.start_code, old.end_code
    mm.start_data, mm.end_data = old.start_data, old.end_data
    mm.start_brk, mm.brk = old.start_brk, old.brk
    mm.start_stack, mm.mmap_base = old.start_stack, old.mmap_base
    mm.arg_start, mm.arg_end = old.arg_start, old.arg_end
    mm.env_start, mm.env_end = old.env_start, old.env_end
    mm.dumpable, mm.thp_disable = old.dumpable, old.thp_disable
    mm.vdso, mm.membarrier_state = old.vdso, old.membarrier_state


def mmput(k: Kernel, mm: MmStruct) -> None:
    """Give back one use of an address space; the last frees everything."""
    mm.mm_users -= 1
    if mm.mm_users:
        return
    exit_aio(k, mm)
    free_ldt(k, mm)
    exit_mmap(k, mm)
    executed = k.memory.exe_files.pop(mm.ident, None)
    if executed is not None:
        allow_write_access(executed)
        if k.files.fsnotify is not None:
            _close_exe(k, mm)
        iput(k, executed)
    if k.memory.active_mm is mm:  # nobody runs in it any more, but its tables are still loaded
        leave_mm(k)
    pgd_free(k, mm)
    del k.memory.mms[mm.ident]
    k.memory.slabs.mm.free(k, mm.slab)


def _close_exe(k: Kernel, mm: MmStruct) -> None:
    """The last of those who came from one exec no longer has the program open."""
    path = mm.exe_path
    others = (each for each in k.memory.mms.values() if each is not mm)
    if path is not None and not any(each.exe_path is path for each in others):
        fsnotify_exec(k, path, opened=False)


def exit_mm(k: Kernel, p: Task) -> None:
    """Take the address space away from a task; its last user frees it."""
    mm, p.mm = p.mm, None
    if mm is not None:
        p.signal.maxrss = max(p.signal.maxrss, mm.hiwater_rss)
        mmput(k, mm)
