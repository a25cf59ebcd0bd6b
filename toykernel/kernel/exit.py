"""exit and wait (kernel/exit.c; fork-path L2, L3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.process import account, exit_thread
from toykernel.arch.x86.uaccess import copy_to_user, put_user
from toykernel.errno import ECHILD, EINVAL, ERESTARTSYS, Errno
from toykernel.kernel.fork import exit_mm, free_signal, free_task
from toykernel.kernel.signal import send_signal, signal_pending
from toykernel.kernel.wait import Result, Wait, wake_up
from toykernel.task import EXIT_DEAD, EXIT_ZOMBIE, PF_EXITING, PF_SIGNALED, Task

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel

WNOHANG = 0x00000001
WUNTRACED = 0x00000002
WCONTINUED = 0x00000008
WNOTHREAD = 0x20000000
WALL = 0x40000000
WCLONE = 0x80000000
_WAIT4_OPTIONS = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE
RUSAGE_SIZE = 72


def sys_exit(k: Kernel, error_code: int) -> Result:
    """exit: end the calling thread."""
    return do_exit(k, (error_code & 0xFF) << 8)


def sys_exit_group(k: Kernel, error_code: int) -> Result:
    """exit_group: end every thread of the caller's group."""
    return do_group_exit(k, (error_code & 0xFF) << 8)


def do_group_exit(k: Kernel, exit_code: int) -> Result:
    """End the group with a wait status: a signal number, or an exit code shifted left by 8."""
    k.current.signal.group_exit_code = exit_code
    return do_exit(k, exit_code)


def do_exit(k: Kernel, code: int) -> Result:
    """End the current task; it never runs again."""
    tsk = k.current
    if tsk is k.idle:
        k.panic("Attempted to kill the idle task!")
    if tsk.pid == 1:
        k.panic(f"Attempted to kill init! exitcode={code:#010x}")
    tsk.flags |= PF_EXITING
    if code & 0x7F:
        tsk.flags |= PF_SIGNALED
    account(k, tsk)
    tsk.exit_code = code
    for listener in k.trace.process_exit:
        listener(tsk)
    exit_mm(k, tsk)
    exit_thread(k, tsk)
    exit_notify(k, tsk)
    return k.never_return()


def exit_notify(k: Kernel, tsk: Task) -> None:
    """Children find a new parent; the old parent hears of the death."""
    forget_original_parent(k, tsk)
    tsk.exit_state = EXIT_ZOMBIE
    if tsk.exit_signal:
        send_signal(k, tsk.parent, tsk.exit_signal, {"si_pid": tsk.pid, "si_status": tsk.exit_code})
    wake_up(k, k.child_queue(tsk.parent))


def forget_original_parent(k: Kernel, father: Task) -> None:
    """Orphans go to init."""
    reaper = k.child_reaper
    for child in father.children:
        child.real_parent = child.parent = reaper
        reaper.children.append(child)
    orphans, father.children = father.children, []
    if any(child.is_zombie for child in orphans):
        wake_up(k, k.child_queue(reaper))


def release_task(k: Kernel, p: Task) -> None:
    """The last of a zombie: its number, its place in the tree, its records."""
    p.exit_state = EXIT_DEAD
    p.parent.children.remove(p)
    for listener in k.trace.release_task:
        listener(p)
    k.record_death(p)
    del k.pids.tasks[p.pid]
    k.tasks.remove(p)
    k.pids.free(p.pid)
    k.nr_threads -= 1
    k.forget_child_queue(p)
    free_signal(k, p)
    free_task(k, p)
    k.check_finished()


def sys_waitpid(k: Kernel, pid: int, stat_addr: int, options: int) -> Result:
    """waitpid: the old form of wait4."""
    return sys_wait4(k, pid, stat_addr, options, 0)


def sys_wait4(k: Kernel, upid: int, stat_addr: int, options: int, ru: int) -> Result:
    """wait4: take a dead child, or sleep until there is one."""
    if options & 0xFFFFFFFF & ~_WAIT4_OPTIONS:
        raise Errno(EINVAL)
    return do_wait(k, upid, stat_addr, options, ru)


def _eligible(k: Kernel, upid: int, options: int) -> list[Task]:
    """The caller's children that the call is about; group ids are the caller's own for all."""
    children = k.current.children
    if not options & WALL:  # __WCLONE: only children that do not announce themselves by SIGCHLD
        clone = bool(options & WCLONE)
        children = [c for c in children if (c.exit_signal != 17) == clone]
    if upid == -1:
        return children
    if upid > 0:
        return [c for c in children if c.pid == upid]
    group = k.current.signal.pgrp if upid == 0 else -upid
    return [c for c in children if c.signal.pgrp == group]


def do_wait(k: Kernel, upid: int, stat_addr: int, options: int, ru: int) -> Result:
    """One look; also how a waiter goes on after each wake-up."""
    candidates = _eligible(k, upid, options)
    for child in candidates:
        if child.is_zombie:
            return wait_task_zombie(k, child, stat_addr, ru)
    if not candidates:
        raise Errno(ECHILD)
    if options & WNOHANG:
        return 0
    if signal_pending(k.current):
        raise Errno(ERESTARTSYS)
    who = "any child" if upid == -1 else f"child {upid}"
    args = (upid, stat_addr, options, ru)
    return Wait(k.child_queue(k.current), do_wait, args, f"wait4 for {who}")


def wait_task_zombie(k: Kernel, p: Task, stat_addr: int, ru: int) -> int:
    """Reap one zombie; the status is stored after it is gone, so EFAULT loses it, as on Linux."""
    pid, status = p.pid, p.exit_code
    release_task(k, p)
    if ru:
        copy_to_user(k, ru, bytes(RUSAGE_SIZE))
    if stat_addr:
        put_user(k, status, stat_addr)
    return pid
