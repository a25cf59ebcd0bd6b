"""fork (kernel/fork.c): do_fork, copy_process and what they copy.

copy_process builds the child step by step in Linux's order. Each step that takes something names, right
there, how to give it back; when a later step fails, ExitStack runs these in reverse order, and nothing
of the child is left (fork-path J). When all is built, the list of undoings is thrown away.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TIF_NEED_RESCHED
from toykernel.arch.x86.pgtable import flush_tlb_mm, pgd_alloc, pgd_free
from toykernel.arch.x86.process import EFLAGS_TF, copy_thread, exit_thread
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.thread_info import (
    alloc_thread_info,
    clear_ti_flag,
    copy_thread_info,
    free_thread_info,
    set_task,
)
from toykernel.errno import EAGAIN, ENOMEM, ERESTARTNOINTR, Errno
from toykernel.kernel.sched.core import sched_fork, wake_up_new_task
from toykernel.kernel.signal import SIGCHLD, signal_pending
from toykernel.mm.memory import ProtectedPte, copy_page_range, unprotect_ptes
from toykernel.mm.mm_types import VM_DONTCOPY, VM_LOCKED, MmStruct
from toykernel.mm.mmap import exit_mmap
from toykernel.mm.vma import copy_area
from toykernel.task import (
    PF_FORKNOEXEC,
    PF_STARTING,
    PF_SUPERPRIV,
    PF_WQ_WORKER,
    SignalStruct,
    Task,
    ThreadStruct,
)

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

CSIGNAL = 0x000000FF


def sys_fork(k: Kernel) -> int:
    """fork: a child with a copy of everything."""
    regs = k.task_pt_regs(k.current)
    return do_fork(k, SIGCHLD, regs.sp, regs)


def do_fork(k: Kernel, clone_flags: int, stack_start: int, regs: PtRegs) -> int:
    """Build a child and set it going: its pid, for the parent (fork-path C)."""
    try:
        p = copy_process(k, clone_flags, stack_start, regs)
    except Errno as error:
        k.count_failed_fork(error)
        raise
    for listener in k.trace.process_fork:
        listener(k.current, p, clone_flags)
    k.count_fork("fork")
    p.flags &= ~PF_STARTING
    wake_up_new_task(k, p)
    return p.pid


def copy_process(k: Kernel, clone_flags: int, stack_start: int, regs: PtRegs) -> Task:
    """A copy of the caller that is not running yet (fork-path D). Raises Errno, leaving nothing."""
    current = k.current
    with ExitStack() as undo:
        p = dup_task_struct(k, current)
        undo.callback(free_task, k, p)

        if k.nr_threads >= k.max_threads:  # D6
            raise Errno(EAGAIN)

        copy_flags(p)  # D7
        p.children = []  # D8
        p.pending = {}
        p.start_time = k.machine.clock.cycles
        sched_fork(k, p)  # D9

        copy_signal(k, p)  # D10
        undo.callback(free_signal, k, p)
        copy_mm(k, p)
        undo.callback(exit_mm, k, p)
        copy_thread(k, clone_flags, stack_start, p, regs)
        undo.callback(exit_thread, k, p)

        p.pid = alloc_pid(k)  # D11
        undo.callback(k.pids.free, p.pid)

        k.task_pt_regs(p).flags &= ~EFLAGS_TF  # D14
        p.exit_signal = clone_flags & CSIGNAL  # D15
        p.tgid = p.pid
        p.group_leader = p
        p.real_parent = p.parent = current  # D16
        if signal_pending(current):  # D17
            raise Errno(ERESTARTNOINTR)
        undo.pop_all()

    current.children.append(p)  # D18
    k.pids.tasks[p.pid] = p
    k.tasks.append(p)
    k.nr_threads += 1  # D19
    k.total_forks += 1
    return p


def dup_task_struct(k: Kernel, orig: Task) -> Task:
    """A task record and a kernel stack, copies of the caller's (fork-path E). Errno(ENOMEM)."""
    with ExitStack() as undo:
        slab = k.task_struct_cachep.alloc()
        undo.callback(k.task_struct_cachep.free, slab)
        stack = alloc_thread_info(k.pages)
        undo.pop_all()
    p = Task(slab, stack, orig.comm)
    p.flags = orig.flags
    p.exit_signal = orig.exit_signal
    p.thread = ThreadStruct(sp0=orig.thread.sp0)
    copy_thread_info(k.machine.ram, stack, orig.stack)
    set_task(k.machine.ram, stack, slab)
    clear_ti_flag(k.machine.ram, stack, TIF_NEED_RESCHED)
    return p


def free_task(k: Kernel, p: Task) -> None:
    """The stack, then the record."""
    free_thread_info(k.pages, p.stack)
    k.task_struct_cachep.free(p.slab)


def copy_flags(p: Task) -> None:
    """fork-path D7."""
    p.did_exec = False
    p.flags &= ~(PF_SUPERPRIV | PF_WQ_WORKER)
    p.flags |= PF_FORKNOEXEC | PF_STARTING


def copy_signal(k: Kernel, p: Task) -> None:
    """A signal record of its own."""
    group = k.current.signal
    p.signal = SignalStruct(k.signal_cachep.alloc(), pgrp=group.pgrp, session=group.session)


def free_signal(k: Kernel, p: Task) -> None:
    """Give the record back."""
    k.signal_cachep.free(p.signal.slab)


def alloc_pid(k: Kernel) -> int:
    """fork-path D11: whatever is wrong, the caller sees ENOMEM."""
    try:
        return k.pids.alloc()
    except Errno:
        raise Errno(ENOMEM) from None


def copy_mm(k: Kernel, p: Task) -> None:
    """The address space; a kernel thread has none."""
    oldmm = k.current.mm
    p.mm = p.active_mm = None
    if oldmm is not None:
        p.mm = p.active_mm = dup_mm(k, oldmm)


def mm_alloc(k: Kernel) -> MmStruct:
    """An empty address space with a directory. Raises Errno(ENOMEM)."""
    with ExitStack() as undo:
        slab = k.mm_cachep.alloc()
        undo.callback(k.mm_cachep.free, slab)
        mm = MmStruct(k.next_mm_ident(), slab)
        mm.pgd = pgd_alloc(k)
        undo.pop_all()
    k.mms[mm.ident] = mm
    return mm


def dup_mm(k: Kernel, oldmm: MmStruct) -> MmStruct:
    """A copy of an address space, its pages shared until written (fork-path K)."""
    protected: list[ProtectedPte] = []
    with ExitStack() as undo:
        undo.callback(unprotect_ptes, k, oldmm, protected)
        mm = mm_alloc(k)
        undo.callback(mmput, k, mm)
        dup_mmap(k, mm, oldmm, protected)
        undo.pop_all()
    flush_tlb_mm(k, oldmm)  # K4
    return mm


def dup_mmap(k: Kernel, mm: MmStruct, oldmm: MmStruct, protected: list[ProtectedPte]) -> None:
    """Areas and page tables. Raises Errno(ENOMEM)."""
    for name in (
        *("start_code", "end_code", "start_data", "end_data", "start_brk", "brk"),
        *("start_stack", "arg_start", "arg_end", "env_start", "env_end", "mmap_base"),
    ):
        setattr(mm, name, getattr(oldmm, name))
    for area in oldmm:
        if area.vm_flags & VM_DONTCOPY:
            continue
        copy = copy_area(k, area)
        copy.vm_flags &= ~VM_LOCKED  # mlock is the parent's alone
        mm.insert(copy)
        copy_page_range(k, mm, oldmm, area, protected)


def mmput(k: Kernel, mm: MmStruct) -> None:
    """Give back one use of an address space; the last frees everything."""
    mm.mm_users -= 1
    if mm.mm_users:
        return
    exit_mmap(k, mm)
    if k.active_mm is mm:  # nobody runs in it any more, but its tables are still loaded
        k.leave_mm()
    pgd_free(k, mm)
    del k.mms[mm.ident]
    k.mm_cachep.free(mm.slab)


def exit_mm(k: Kernel, p: Task) -> None:
    """Take the address space away from a task."""
    mm, p.mm = p.mm, None
    if mm is not None:
        mmput(k, mm)
