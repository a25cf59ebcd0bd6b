"""fork (kernel/fork.c): do_fork, copy_process and the table that it works through.

Read LADDER downwards and you read how a child is made (fork-path D4 to D17); read its second column upwards
and you read how a half-made child is taken apart (fork-path J). copy_process does no more than climb, with
D1 to D3 before and D18, D19 (publish) behind. What changes the task alone is here; what copies or shares a
record stands with that record, the address space in fork_mm.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from emu.eflags import EFLAGS_TF
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import (
    TIF_FORCED_TF,
    TIF_NEED_RESCHED,
    TIF_NOTIFY_RESUME,
    TIF_RSEQ,
    TIF_SIGPENDING,
    TIF_SINGLESTEP,
    TIF_SYSCALL_EMU,
    TIF_SYSCALL_TRACE,
)
from toykernel.arch.x86.process import copy_thread, exit_thread, kernel_thread_regs
from toykernel.arch.x86.thread_info import (
    alloc_thread_info,
    clear_ti_flag,
    clear_ti_flags,
    copy_thread_info,
    set_task,
)
from toykernel.arch.x86.uaccess import put_user
from toykernel.errno import EAGAIN, EINVAL, ERESTARTNOINTR, Errno
from toykernel.fs.file import copy_files, copy_fs, exit_files, exit_fs, fd_install
from toykernel.ipc.sem import copy_semundo, uncopy_semundo
from toykernel.kernel.clone_flags import (
    CLONE_CHILD_CLEARTID,
    CLONE_CHILD_SETTID,
    CLONE_DETACHED,
    CLONE_IO,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_PTRACE,
    CLONE_THREAD,
    CLONE_UNTRACED,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
    CloneArgs,
)
from toykernel.kernel.clone_refusals import check_flags, check_user_namespace
from toykernel.kernel.cred import (
    CAP_SYS_ADMIN,
    CAP_SYS_RESOURCE,
    capable,
    copy_creds,
    exit_creds,
)
from toykernel.kernel.fork_mm import copy_mm, uncopy_mm
from toykernel.kernel.io_context import IoContext, exit_io_context
from toykernel.kernel.nsproxy import copy_namespaces, exit_task_namespaces
from toykernel.kernel.pid import alloc_pid, attach_pid, free_pid, join_group, task_pid_vnr
from toykernel.kernel.pidfd import pidfd_of_child
from toykernel.kernel.ptrace_flags import PTRACE_EVENT_VFORK_DONE
from toykernel.kernel.ptrace_stop import fork_event, ptrace_event, ptrace_init_task
from toykernel.kernel.sched.core import sched_fork, wake_up_new_task
from toykernel.kernel.seccomp_filter import get_seccomp_filter
from toykernel.kernel.siginfo import SIGCHLD, SIGKILL
from toykernel.kernel.signal_types import (
    RLIM_INFINITY,
    RLIMIT_NPROC,
    cleanup_sighand,
    cleanup_signal,
    copy_sighand,
    copy_signal,
    signal_pending,
)
from toykernel.kernel.task_struct import free_task
from toykernel.kernel.wait import Completion, Result, Wait, WaitQueue
from toykernel.security import security_task_create
from toykernel.syscalls import syscall
from toykernel.task import (
    PF_FORKNOEXEC,
    PF_NPROC_EXCEEDED,
    PF_STARTING,
    PF_SUPERPRIV,
    PF_WQ_WORKER,
    SIGNAL_UNKILLABLE,
    TASK_KILLABLE,
    Task,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel


# -- the callers (fork-path B) ---------------------------------------------------------------------


@syscall(2, entry="ptregs_fork")
def sys_fork(k: Kernel) -> Result:
    """fork: a child with a copy of everything.

    Its pid in the parent, 0 in the child, or do_fork's errors.
    """
    regs = k.task_pt_regs(k.current)
    return do_fork(k, CloneArgs(SIGCHLD, regs.sp, regs))


@syscall(190, entry="ptregs_vfork")
def sys_vfork(k: Kernel) -> Result:
    """vfork: a child in the caller's own memory, while the caller sleeps."""
    regs = k.task_pt_regs(k.current)
    return do_fork(k, CloneArgs(CLONE_VFORK | CLONE_VM | SIGCHLD, regs.sp, regs))


@syscall(
    120,
    "flags:clone_flags child_stack:address parent_tid:address tls:address child_tid:address",
    entry="ptregs_clone",
)
def sys_clone(
    k: Kernel, flags: int, newsp: int, parent_tid: int, tls: int, child_tid: int
) -> Result:
    """clone: the caller says what is shared; stack 0 is the caller's own. With CLONE_PIDFD `parent_tid`
    gets a descriptor for the child, so that CLONE_PARENT_SETTID and CLONE_DETACHED are EINVAL.
    """
    regs = k.task_pt_regs(k.current)
    pidfd = None
    if flags & CLONE_PIDFD and not k.host.profile.clone_pid:
        if flags & (CLONE_PARENT_SETTID | CLONE_DETACHED):
            raise Errno(EINVAL)
        pidfd = parent_tid
    start = newsp or regs.sp
    return do_fork(k, CloneArgs(flags, start, regs, parent_tid, child_tid, tls, pidfd=pidfd))


def kernel_thread(k: Kernel, fn: str, argument: int, flags: int = 0) -> int:
    """A task that never leaves the kernel; its pid. `fn` is a function of the kernel's text.

    It starts in kernel_thread_helper, which calls the function and then do_exit; nobody traces it
    (fork-path C2). Raises what do_fork raises.
    """
    regs = kernel_thread_regs(k, k.host.symbols[fn], argument)
    pid = do_fork(k, CloneArgs(flags | CLONE_VM | CLONE_UNTRACED, 0, regs))
    assert isinstance(pid, int)  # only vfork waits
    return pid


# -- do_fork (fork-path C) -------------------------------------------------------------------------


def do_fork(k: Kernel, args: CloneArgs) -> Result:
    """Build a child and set it going: its pid, as the caller sees it (fork-path B2). Raises what
    copy_process and check_user_namespace raise.
    """
    current = k.current
    check_user_namespace(k, args.flags)  # C1
    trace = fork_event(current, args.flags)
    p = copy_process(k, args, traced=trace != 0)
    if k.host.trace.process_fork:
        k.host.trace.process_fork.emit(current, p, args.flags)
    nr = task_pid_vnr(k, p)
    if args.flags & CLONE_PARENT_SETTID:  # C3
        with suppress(Errno):  # the child is made; a bad pointer is the caller's own loss
            put_user(k, nr, args.parent_tidptr)
    vfork = None
    if args.flags & CLONE_VFORK:
        vfork = p.vfork_done = Completion(WaitQueue(f"vfork of {p.pid}"))
    p.flags &= ~PF_STARTING  # C5
    wake_up_new_task(k, p)  # C6
    if trace:
        return ptrace_event(k, trace, nr, _forked, vfork, p, nr)
    return _forked(k, vfork, p, nr)


def _forked(k: Kernel, vfork: Completion | None, child: Task, nr: int) -> Result:
    return wait_for_vfork_done(k, vfork, child, nr) if vfork is not None else nr


def _answer(_k: Kernel, nr: int) -> Result:
    return nr


def wait_for_vfork_done(k: Kernel, vfork: Completion, child: Task, nr: int) -> Result:
    """fork-path C4: until the child has exec'd or exited; only a fatal signal comes before that."""
    if vfork.done:
        return ptrace_event(k, PTRACE_EVENT_VFORK_DONE, nr, _answer, nr)
    if SIGKILL in k.current.pending:
        child.vfork_done = None
        return nr
    reason = f"vfork: child {child.pid} has neither exec'd nor exited"
    return Wait((vfork.wait,), wait_for_vfork_done, (vfork, child, nr), reason, TASK_KILLABLE)


def schedule_tail(k: Kernel) -> int:
    """A child's first code (fork-path H4): it stores its own number in its own memory."""
    current = k.current
    if current.set_child_tid:
        with suppress(Errno):  # its own bad pointer
            put_user(k, task_pid_vnr(k, current), current.set_child_tid)
    return 0


# -- the steps of copy_process (fork-path D) -------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One rung: what it does to the child, and what takes that back when a later rung breaks.

    A step that raises has undone its own part. Where undoing needs more than the child tells, `build`
    answers with it, and `undo` gets that as its last argument.
    """

    number: str
    build: Callable[[Kernel, Task, CloneArgs], object]
    undo: Callable[..., None] | None = None


def dup_task_struct(k: Kernel, orig: Task) -> Task:
    """A task record and a kernel stack, copies of the caller's (fork-path E). Errno(ENOMEM)."""
    slab = k.memory.slabs.task_struct.alloc(k)  # E1
    try:
        stack = alloc_thread_info(k)
    except BaseException:
        k.memory.slabs.task_struct.free(k, slab)
        raise
    p = orig.dup(slab, stack)  # E2
    k.charge("copy_task")
    copy_thread_info(k.machine.ram, stack, orig.stack)
    set_task(k.machine.ram, stack, slab)
    clear_ti_flag(k.machine.ram, stack, TIF_NEED_RESCHED)
    p.usage = 2  # one for the task itself, one for whoever releases it
    p.fs_excl = 0
    p.splice_pipe = None
    p.user_dispatch = None
    get_seccomp_filter(p.seccomp_filter)
    p.stack_canary = k.get_random_int()
    return p


def check_nproc(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D4: the user's processes against RLIMIT_NPROC. Raises Errno(EAGAIN)."""
    limit = p.signal.rlim[RLIMIT_NPROC][0]
    user = p.cred.user
    exceeded = (
        limit != RLIM_INFINITY and user.processes >= limit and user is not k.processes.root_user
    )
    if exceeded and not capable(k, CAP_SYS_ADMIN) and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EAGAIN)
    k.current.flags &= ~PF_NPROC_EXCEEDED


def check_max_threads(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D6: threads in all against kernel.threads-max. Raises Errno(EAGAIN)."""
    if k.processes.nr_threads >= k.processes.max_threads:
        raise Errno(EAGAIN)


def copy_flags(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D7, C5: the child's PF_ flags; it has not exec'd and is being made."""
    p.did_exec = False
    p.flags &= ~(PF_SUPERPRIV | PF_WQ_WORKER)
    p.flags |= PF_FORKNOEXEC | PF_STARTING


def clear_inherited(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D8: what a child never has from its parent."""
    p.children = []
    p.pending = {}
    clear_ti_flag(k.machine.ram, p.stack, TIF_SIGPENDING)
    p.utime_ticks = p.stime_ticks = p.min_flt = 0
    p.start_time = k.machine.clock.cycles
    p.lock_depth = -1
    p.vfork_done = None
    p.io_context = None
    p.robust_list = 0
    if args.flags & CLONE_VM:
        p.rseq = ()  # the area is the caller's
    p.default_timer_slack_ns = k.current.timer_slack_ns


def fork_scheduling(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D9, F. The state at birth keeps everybody from running or waking the child (F1, N)."""
    sched_fork(k, p)
    p.state = k.host.profile.state_at_birth


def copy_io(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path G: none unless the parent has one. Raises Errno(ENOMEM)."""
    old = k.current.io_context
    p.io_context = None
    if old is None:
        return
    if args.flags & CLONE_IO:
        old.nr_tasks += 1
        p.io_context = old
    elif old.ioprio:
        p.io_context = IoContext(k.memory.slabs.ioc.alloc(k), old.ioprio)


def set_tid_addresses(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D12: where schedule_tail stores the child's number, and where exit clears it."""
    p.set_child_tid = args.child_tidptr if args.flags & CLONE_CHILD_SETTID else 0
    p.clear_child_tid = args.child_tidptr if args.flags & CLONE_CHILD_CLEARTID else 0


def drop_altstack(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D13: two tasks in one memory cannot have one alternate signal stack."""
    if args.flags & (CLONE_VM | CLONE_VFORK) == CLONE_VM:
        p.sas_ss_sp = p.sas_ss_size = p.sas_ss_flags = 0


def stop_tracing(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D14: no single steps, no system-call trace."""
    k.task_pt_regs(p).flags &= ~EFLAGS_TF
    clear_ti_flags(
        *(k.machine.ram, p.stack),
        *(TIF_SYSCALL_TRACE, TIF_SYSCALL_EMU, TIF_SINGLESTEP, TIF_FORCED_TF),
        *(TIF_NOTIFY_RESUME, TIF_RSEQ),
    )


def set_exit_signal(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D15: the signal at its death by CSIGNAL;
    -1 for a thread, which joins the caller's group.
    """
    if args.flags & CLONE_THREAD:
        p.exit_signal = -1
        p.group_leader = k.current.group_leader
    else:
        leader = k.current.group_leader
        inherited = args.flags & CLONE_PARENT and k.host.profile.clone_parent_keeps_leader_signal
        p.exit_signal = leader.exit_signal if inherited else args.flags & CSIGNAL
        p.group_leader = p
    p.pdeath_signal = 0
    p.exit_state = 0


def choose_parent(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D16: the caller, or with CLONE_PARENT and CLONE_THREAD the caller's own parent."""
    current = k.current
    if args.flags & (CLONE_PARENT | CLONE_THREAD):
        p.real_parent = current.real_parent
        p.parent_exec_id = current.parent_exec_id
    else:
        p.real_parent = current
        p.parent_exec_id = current.self_exec_id
    p.parent = p.real_parent


def check_signals(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D17: a signal for the group reaches parent and child, or the parent before the
    fork. Raises Errno(ERESTARTNOINTR).
    """
    if signal_pending(k.current):
        raise Errno(ERESTARTNOINTR)


# -- copy_process (fork-path D, J) -----------------------------------------------------------------

#: How a child is made, in order: number, step, its undoing.
LADDER: tuple[Step, ...] = (
    Step("D4", check_nproc),
    Step("D5", copy_creds, exit_creds),
    Step("D6", check_max_threads),
    Step("D7", copy_flags),
    Step("D8", clear_inherited),
    Step("D9", fork_scheduling),
    Step("D10", copy_semundo, uncopy_semundo),
    Step("D10", copy_files, exit_files),
    Step("D10", copy_fs, exit_fs),
    Step("D10", copy_sighand, cleanup_sighand),
    Step("D10", copy_signal, cleanup_signal),
    Step("D10", copy_mm, uncopy_mm),
    Step("D10", copy_namespaces, exit_task_namespaces),
    Step("D10", copy_io, exit_io_context),
    Step("D10", copy_thread, exit_thread),
    Step("D11", alloc_pid, free_pid),
    Step("D12", set_tid_addresses),
    Step("D13", drop_altstack),
    Step("D14", stop_tracing),
    Step("D15", set_exit_signal),
    Step("D16", choose_parent),
    Step("D17", check_signals),
)


def copy_process(k: Kernel, args: CloneArgs, *, traced: bool = False) -> Task:
    """A copy of the caller that is not running yet; `traced`: the caller's tracer asks for it, too.

    Raises Errno, leaving nothing: each step's own errors, ENOMEM mostly.
    """
    begins = k.host.fail_step  # failure injection, and nearly always nobody
    if begins is not None:
        begins("D1", "check_flags")
    check_flags(k, args.flags)  # D1
    security_task_create(k, args.flags)  # D2
    p = dup_task_struct(k, k.current)  # D3
    done: list[object] = []
    try:
        for step in LADDER:
            if begins is not None:
                begins(step.number, step.build.__name__)
            done.append(step.build(k, p, args))
        pidfd = pidfd_of_child(k, p, args)
    except BaseException:
        for step, token in reversed([*zip(LADDER, done, strict=False)]):
            if step.undo is not None:
                step.undo(k, p) if token is None else step.undo(k, p, token)
        free_task(k, p)
        raise
    if begins is not None:
        begins("D18", "publish")
    publish(k, p, args)  # D18, D19
    if pidfd is not None:
        fd_install(k, *pidfd, cloexec=True)
    ptrace_init_task(k, p, traced or bool(args.flags & CLONE_PTRACE))
    return p


def publish(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D18, D19: from here on the child is seen. Nothing fails any more."""
    current = k.current
    if args.flags & CLONE_THREAD:
        p.signal.nr_threads += 1
        p.signal.live += 1
        p.signal.sigcnt += 1
    p.signal.threads.append(p)
    if p.pid:
        if p.is_group_leader:
            if p.pid_struct.numbers[-1][1] == 1:  # is_child_reaper
                p.pid_struct.ns.child_reaper = p
                p.signal.flags |= SIGNAL_UNKILLABLE
            pids = k.processes.init_pid_ns.pids
            join_group(k, p.signal, pids[current.signal.pgrp], pids[current.signal.session])
            p.signal.tty = current.signal.tty
            p.real_parent.children.append(p)
        attach_pid(p, p.pid_struct)
        k.processes.tasks.append(p)
        k.processes.nr_threads += 1
    k.processes.total_forks += 1
