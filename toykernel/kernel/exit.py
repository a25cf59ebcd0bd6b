"""The end of a task (kernel/exit.c; fork-path L2, L4).

A dying task gives back what it shares, in do_exit's order; its children get a new parent; its own parent
hears of it. What is left, number, record and kernel stack, goes when it is released: by a wait, by itself
when nobody is to wait for it, and, for the stack it still runs on, after the switch away from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.process import account, check_stack_end, exit_thread
from toykernel.arch.x86.uaccess import put_user
from toykernel.errno import Errno
from toykernel.fs.file import exit_files, exit_fs
from toykernel.ipc.sem import exit_sem
from toykernel.kernel.cred import uncount_process
from toykernel.kernel.fork_mm import exit_mm
from toykernel.kernel.futex import futex_wake
from toykernel.kernel.futex_robust import futex_exit_release
from toykernel.kernel.io_context import exit_io_context
from toykernel.kernel.itimer import exit_itimers
from toykernel.kernel.jobctl import kill_orphaned_pgrp
from toykernel.kernel.nsproxy import exit_task_namespaces
from toykernel.kernel.panic import panic
from toykernel.kernel.pid import child_reaper, detach_pid, free_pid, leave_group, pid_nr_ns
from toykernel.kernel.ptrace_flags import PT_EXITKILL, PTRACE_EVENT_EXIT, ptrace_reparented
from toykernel.kernel.ptrace_stop import ptrace_event, ptrace_unlink
from toykernel.kernel.sched.core import sched_exit
from toykernel.kernel.siginfo import CLD_DUMPED, CLD_EXITED, CLD_KILLED, SIGCHLD, SIGKILL
from toykernel.kernel.signal import action_of, group_send_sig_info, kill_thread, send_signal
from toykernel.kernel.signal_types import SA_NOCLDWAIT, SIG_IGN, SignalStruct, put_sighand
from toykernel.kernel.task_struct import put_task_struct, release_seccomp_filter
from toykernel.kernel.wait import Result, Wait, child_queue, complete, never_return, wake_up
from toykernel.state import Outcome, OutcomeKind
from toykernel.syscalls import syscall
from toykernel.task import (
    EXIT_DEAD,
    EXIT_ZOMBIE,
    PF_EXITING,
    PF_SIGNALED,
    SIGNAL_GROUP_EXIT,
    SIGNAL_UNKILLABLE,
    TASK_KILLABLE,
    Task,
)
from toykernel.tty.tty_io import disassociate_ctty

if TYPE_CHECKING:
    from toykernel.kernel.pid import PidNamespace
    from toykernel.state import Kernel


@syscall(1, "status:int")
def sys_exit(k: Kernel, error_code: int) -> Result:
    """exit: end the calling thread; only the low 8 bits of the code are kept."""
    return do_exit(k, (error_code & 0xFF) << 8)


@syscall(252, "status:int")
def sys_exit_group(k: Kernel, error_code: int) -> Result:
    """exit_group: end every thread of the caller's group; only the low 8 bits of the code are kept."""
    return do_group_exit(k, (error_code & 0xFF) << 8)


def signal_group_exit(signal: SignalStruct) -> bool:
    """Whether every thread but one is on its way out: the group exits, or a thread execs."""
    return bool(signal.flags & SIGNAL_GROUP_EXIT) or signal.group_exit_task is not None


def do_group_exit(k: Kernel, exit_code: int) -> Result:
    """End the group with a wait status: a signal number, or an exit code shifted left by 8."""
    signal = k.current.signal
    if signal_group_exit(signal):
        exit_code = signal.group_exit_code
    elif len(signal.threads) > 1:
        signal.group_exit_code = exit_code
        signal.flags = signal.flags & SIGNAL_UNKILLABLE | SIGNAL_GROUP_EXIT
        zap_other_threads(k, k.current)
    return do_exit(k, exit_code)


def zap_other_threads(k: Kernel, task: Task) -> int:
    """Kill every other thread of a group; how many there are."""
    others = [t for t in task.signal.threads if t is not task]
    for thread in others:
        if not thread.exit_state:
            kill_thread(k, thread)
    return len(others)


# -- do_exit ---------------------------------------------------------------------------------------


def do_exit(k: Kernel, code: int) -> Result:
    """End the current task with a wait status; it never runs again. A tracer hears of it first."""
    if k.current is k.sched.idle:
        panic(k, "Attempted to kill the idle task!")
    if k.current.ptrace:
        return ptrace_event(k, PTRACE_EVENT_EXIT, code, _begin_exit, code)
    return _begin_exit(k, code)


def _begin_exit(k: Kernel, code: int) -> Result:
    tsk = k.current
    tsk.flags |= PF_EXITING
    if code & 0x7F:
        tsk.flags |= PF_SIGNALED
    signal = tsk.signal
    signal.live -= 1
    if not signal.live:
        exit_itimers(k, tsk)
    if not signal.live and tsk.pid_struct.ns.child_reaper in signal.threads:
        if tsk.pid_struct.ns is k.processes.init_pid_ns:
            panic(k, f"Attempted to kill init! exitcode={code:#010x}")
        return zap_pid_ns_processes(k, tsk.pid_struct.ns, code)
    return finish_exit(k, code)


def finish_exit(k: Kernel, code: int) -> Result:
    """The second half: give everything back, in do_exit's order."""
    tsk = k.current
    check_stack_end(k, tsk)
    account(k, tsk)
    tsk.exit_code = code
    if k.host.trace.process_exit:
        k.host.trace.process_exit.emit(tsk)
    if not tsk.signal.live:
        _acct_process(k, tsk, code)
    mm_release(k, tsk)
    exit_mm(k, tsk)
    exit_sem(k, tsk)
    exit_files(k, tsk)
    exit_fs(k, tsk)
    exit_thread(k, tsk)
    exit_io_context(k, tsk)
    release_seccomp_filter(k, tsk)
    exit_notify(k, tsk)
    return never_return(k)


def _acct_process(k: Kernel, tsk: Task, code: int) -> None:
    """A process ends: each namespace that it is in may keep a record of it."""
    ns: PidNamespace | None = tsk.pid_struct.ns
    while ns is not None:
        if ns.bacct is not None:
            ns.bacct.process(k, tsk, ns, code)
        ns = ns.parent


def mm_release(k: Kernel, tsk: Task) -> None:
    """Whoever waits for this task to leave the address space: vfork's parent, and joiners (L4)."""
    futex_exit_release(k, tsk)
    vfork, tsk.vfork_done = tsk.vfork_done, None
    if vfork is not None:
        complete(k, vfork)
    address, tsk.clear_child_tid = tsk.clear_child_tid, 0
    told = not tsk.flags & PF_SIGNALED or k.host.profile.killed_clears_tid
    if address and told and tsk.mm is not None and tsk.mm.mm_users > 1:
        try:
            put_user(k, 0, address)
            futex_wake(k, address, 1)
        except Errno:
            pass  # the task's own bad pointer


def exit_notify(k: Kernel, tsk: Task) -> None:
    """Children find a new parent; the old parent hears of the death, or the tracer."""
    exit_ptrace(k, tsk)
    forget_original_parent(k, tsk)
    if not tsk.signal.live:
        if tsk.signal.leader:
            disassociate_ctty(k, tsk, on_exit=True)
        kill_orphaned_pgrp(k, tsk.group_leader, None)
    exit_task_namespaces(k, tsk)
    if tsk.exit_signal not in (SIGCHLD, -1) and (
        tsk.parent_exec_id != tsk.real_parent.self_exec_id or tsk.self_exec_id != tsk.parent_exec_id
    ):
        tsk.exit_signal = SIGCHLD  # one of the two has exec'd: the number may mean something else
    tsk.exit_state = EXIT_ZOMBIE
    alone = tsk.is_group_leader and len(tsk.signal.threads) == 1
    reap = not tsk.is_group_leader
    if tsk.ptrace:
        own = alone and not ptrace_reparented(tsk)
        reap = do_notify_parent(k, tsk, tsk.exit_signal if own else SIGCHLD)
    elif alone:
        reap = do_notify_parent(k, tsk, tsk.exit_signal)
    if tsk.signal.notify_count < 0 and tsk.signal.group_exit_task is not None:
        k.try_to_wake_up(tsk.signal.group_exit_task)  # a thread in exec waits for its leader
    if reap:
        release_task(k, tsk)


def do_notify_parent(k: Kernel, tsk: Task, sig: int) -> bool:
    """Tell the parent; True when nobody will wait, so that the task is to be released at once."""
    parent = tsk.parent
    code, status = exit_code_of(tsk), CLD_EXITED
    if code & 0x7F:
        status = CLD_DUMPED if code & 0x80 else CLD_KILLED
    info = {
        "si_code": status,
        "si_pid": pid_nr_ns(tsk.pid_struct, parent.pid_struct.ns),
        "si_uid": tsk.cred.uid,
        "si_status": code & 0x7F if code & 0x7F else code >> 8,
        "si_utime": tsk.utime_ticks + tsk.signal.utime,
        "si_stime": tsk.stime_ticks + tsk.signal.stime,
    }
    autoreap = False
    if sig == SIGCHLD and not tsk.ptrace:
        action = action_of(parent, SIGCHLD)
        if action.handler == SIG_IGN or action.flags & SA_NOCLDWAIT:
            autoreap = True
            if action.handler == SIG_IGN:
                sig = 0
    if sig > 0:
        group_send_sig_info(k, parent, sig, info)
    if tsk.pid_struct.wait_pidfd is not None:
        wake_up(k, tsk.pid_struct.wait_pidfd, nr_exclusive=0)
    parent.signal.dead_children[tsk] = None
    wake_up(k, child_queue(k, parent), key=tsk)
    return autoreap


def exit_code_of(p: Task) -> int:
    """The status that a wait tells: the group's when the group was ended, else the leader's."""
    return p.signal.group_exit_code if p.signal.flags & SIGNAL_GROUP_EXIT else p.exit_code


# -- tracers (kernel/ptrace.c) ---------------------------------------------------------------------


def exit_ptrace(k: Kernel, tracer: Task) -> None:
    """A tracer ends: those whom it traces go on without, or are killed (PTRACE_O_EXITKILL)."""
    for child in list(tracer.ptraced):
        if child.ptrace & PT_EXITKILL:
            send_signal(k, child, SIGKILL, {}, force=True)
        if detach_tracee(k, tracer, child):
            release_task(k, child)


def detach_tracee(k: Kernel, tracer: Task, child: Task) -> bool:
    """End of a trace; True when nobody is to wait for the child any more, which is dead."""
    ptrace_unlink(k, child)
    if not child.is_zombie:
        return False
    if not child.is_group_leader:
        return True
    if len(child.signal.threads) > 1:
        return False
    if child.real_parent.signal is not tracer.signal:
        return do_notify_parent(k, child, child.exit_signal)
    action = action_of(tracer, SIGCHLD)
    child.real_parent.signal.dead_children[child] = None
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDWAIT:
        return False
    wake_up(k, child_queue(k, tracer), key=child)
    return True


def find_new_reaper(k: Kernel, father: Task) -> Task:
    """Another thread of the group, or the nearest subreaper above, or init of the namespace."""
    for thread in father.signal.threads:
        if thread is not father and not thread.flags & PF_EXITING:
            return thread
    ns = father.pid_struct.ns
    if father.signal.has_child_subreaper:
        at = father.real_parent
        while at.pid and at.pid_struct.ns is ns and at is not ns.child_reaper:
            if at.signal.is_child_subreaper:
                for thread in at.signal.threads:
                    if not thread.flags & PF_EXITING:
                        return thread
            at = at.group_leader.real_parent
    while ns.child_reaper is father and ns.parent is not None:
        ns = ns.parent
    return ns.child_reaper or child_reaper(k)


def forget_original_parent(k: Kernel, father: Task) -> None:
    """Orphans go to another thread of the group, to a subreaper, or to init."""
    if not father.children:
        return
    reaper = find_new_reaper(k, father)
    orphans, father.children = father.children, []
    dead = []
    for child in orphans:
        for thread in child.signal.threads:
            thread.real_parent = reaper
            if not thread.ptrace:
                thread.parent = reaper
            if thread.pdeath_signal:
                group_send_sig_info(k, thread, thread.pdeath_signal, {})
        reaper.children.append(child)
        if reaper.signal is father.signal:
            continue
        father.signal.dead_children.pop(child, None)
        child.exit_signal = SIGCHLD
        kill_orphaned_pgrp(k, child, father)
        alone = len(child.signal.threads) == 1 and not child.ptrace
        if child.is_zombie and alone and do_notify_parent(k, child, child.exit_signal):
            dead.append(child)
    for child in dead:
        release_task(k, child)


# -- release ---------------------------------------------------------------------------------------


def release_task(k: Kernel, p: Task) -> None:
    """The last of a zombie: its number, its place in the tree, its records."""
    while True:
        if p.ptrace:
            ptrace_unlink(k, p)
        p.exit_state = EXIT_DEAD
        if k.host.trace.release_task:
            k.host.trace.release_task.emit(p)
        uncount_process(p)
        sched_exit(k, p)
        _exit_signal(k, p)
        leader = p.group_leader
        p.pid_struct.exit_code = exit_code_of(p) if leader is p else p.exit_code
        put_task_struct(k, p)
        if k.processes.nr_threads == 1:  # only init is left, and the idle task
            k.outcome = Outcome(OutcomeKind.FINISHED)
        # The last thread is gone, and its leader has been dead for some time: now it can be told.
        if leader is p or not leader.is_zombie or len(leader.signal.threads) > 1:
            return
        if not do_notify_parent(k, leader, leader.exit_signal):
            return
        p = leader


def _exit_signal(k: Kernel, p: Task) -> None:
    """__exit_signal and __unhash_process: leave the group, the tree and the table of numbers."""
    signal = p.signal
    if not p.is_group_leader:
        if signal.group_exit_task is not None:
            signal.notify_count -= 1
            if not signal.notify_count:
                k.try_to_wake_up(signal.group_exit_task)
        signal.utime += p.utime_ticks
        signal.stime += p.stime_ticks
        signal.sum_sched_runtime += p.se.sum_exec_runtime
        signal.min_flt += p.min_flt
        signal.nvcsw += p.se.nvcsw
        signal.nivcsw += p.se.nivcsw
    else:
        p.real_parent.children.remove(p)
        p.real_parent.signal.dead_children.pop(p, None)
        leave_group(k, signal)
    signal.threads.remove(p)
    signal.nr_threads -= 1
    detach_pid(p, p.pid_struct)
    k.processes.tasks.remove(p)
    k.processes.nr_threads -= 1
    free_pid(k, p)
    put_sighand(k, p.sighand)


# -- the end of a pid namespace --------------------------------------------------------------------


def zap_pid_ns_processes(k: Kernel, ns: PidNamespace, code: int) -> Result:
    """Init of a namespace ends: so does everybody in it, and it reaps them before it goes itself."""
    tsk = k.current
    ns.ending = True
    for task in list(ns.map.tasks.values()):
        if task.signal is not tsk.signal and not task.exit_state:
            send_signal(k, task, SIGKILL, {}, force=True)
    return _reap_namespace(k, ns, code)


def _reap_namespace(k: Kernel, ns: PidNamespace, code: int) -> Result:
    tsk = k.current
    tsk.pending.clear()
    for child in list(tsk.children):
        if child.is_zombie and len(child.signal.threads) == 1:
            release_task(k, child)
    if tsk.children:
        reason = f"end of {len(tsk.children)} processes of its pid namespace"
        return Wait((child_queue(k, tsk),), _reap_namespace, (ns, code), reason, TASK_KILLABLE)
    ns.child_reaper = None
    return finish_exit(k, code)
