"""ptrace: one task looks at another, and says how it goes on (kernel/ptrace.c).

How a task stops for its tracer is in ptrace_stop.py, what is i386's own in arch/x86/ptrace_user.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import TIF_SYSCALL_EMU, TIF_SYSCALL_TRACE
from toykernel.arch.x86.ptrace_user import arch_ptrace
from toykernel.arch.x86.step import user_disable_single_step, user_enable_single_step
from toykernel.arch.x86.thread_info import clear_ti_flag, set_ti_flag
from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, put_user
from toykernel.errno import EINVAL, EIO, EPERM, ESRCH, Errno
from toykernel.kernel.cred import CAP_SYS_PTRACE, capable
from toykernel.kernel.exit import detach_tracee, release_task
from toykernel.kernel.landlock import landlock_may_trace, may_trace
from toykernel.kernel.pid import find_task_by_vpid
from toykernel.kernel.ptrace_flags import (
    JOBCTL_LISTENING,
    JOBCTL_TRAP_NOTIFY,
    JOBCTL_TRAP_STOP,
    JOBCTL_TRAPPING,
    PT_OPT_FLAG_SHIFT,
    PT_PTRACED,
    PT_SEIZED,
    PTRACE_ATTACH,
    PTRACE_CONT,
    PTRACE_DETACH,
    PTRACE_EVENT_STOP,
    PTRACE_GET_SYSCALL_INFO,
    PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG,
    PTRACE_GETEVENTMSG,
    PTRACE_GETREGSET,
    PTRACE_GETSIGINFO,
    PTRACE_GETSIGMASK,
    PTRACE_INTERRUPT,
    PTRACE_KILL,
    PTRACE_LISTEN,
    PTRACE_O_MASK,
    PTRACE_O_SUSPEND_SECCOMP,
    PTRACE_OLDSETOPTIONS,
    PTRACE_PEEKDATA,
    PTRACE_PEEKSIGINFO,
    PTRACE_PEEKTEXT,
    PTRACE_POKEDATA,
    PTRACE_POKETEXT,
    PTRACE_SECCOMP_GET_FILTER,
    PTRACE_SECCOMP_GET_METADATA,
    PTRACE_SEIZE,
    PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG,
    PTRACE_SETOPTIONS,
    PTRACE_SETREGSET,
    PTRACE_SETSIGINFO,
    PTRACE_SETSIGMASK,
    PTRACE_SINGLESTEP,
    PTRACE_SYSCALL,
    PTRACE_SYSEMU,
    PTRACE_SYSEMU_SINGLESTEP,
    PTRACE_TRACEME,
)
from toykernel.kernel.ptrace_info import peek_siginfo, regset, syscall_info
from toykernel.kernel.ptrace_stop import ptrace_link
from toykernel.kernel.seccomp import (
    may_suspend_seccomp,
    seccomp_get_filter,
    seccomp_get_metadata,
)
from toykernel.kernel.siginfo import (
    KERNEL_ONLY,
    NSIG,
    SIGINFO_SIZE,
    SIGKILL,
    SIGSTOP,
    pack_siginfo,
    unpack_siginfo,
)
from toykernel.kernel.signal import (
    fatal_signal_pending,
    ptrace_signal_wake_up,
    recalc_sigpending,
    send_signal,
    signal_wake_up,
    task_set_jobctl_pending,
)
from toykernel.kernel.syscall_user_dispatch import get_config, set_config
from toykernel.kernel.wait import Result, Wait, child_queue
from toykernel.mm.gup import access_process_vm, write_process_vm
from toykernel.syscalls import syscall
from toykernel.task import (
    PF_EXITING,
    PF_KTHREAD,
    TASK_KILLABLE,
    TASK_STOPPED,
    TASK_TRACED,
)

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_OPTIONS = PTRACE_O_MASK << PT_OPT_FLAG_SHIFT
_EMULATING = (PTRACE_SYSEMU, PTRACE_SYSEMU_SINGLESTEP)
_RESUMING = (PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP, *_EMULATING)


@syscall(26, "request:ptrace_request pid:pid addr:address data:address")
def sys_ptrace(k: Kernel, request: int, pid: int, addr: int, data: int) -> Result:
    """ptrace: trace, look at, change and let go on another task.

    ESRCH for a task that is not there, not traced by the caller or not stopped, EPERM, EIO, EINVAL, EFAULT.
    """
    if request == PTRACE_TRACEME:
        return ptrace_traceme(k)
    child = find_task_by_vpid(k, pid) if pid > 0 else None
    if child is None:
        raise Errno(ESRCH)
    if request in (PTRACE_ATTACH, PTRACE_SEIZE):
        return ptrace_attach(k, child, request, addr, data)
    ptrace_check_attach(k, child, running=request in (PTRACE_KILL, PTRACE_INTERRUPT))
    answer = arch_ptrace(k, child, request, addr, data)
    return answer if answer is not None else ptrace_request(k, child, request, addr, data)


def ptrace_check_attach(k: Kernel, child: Task, *, running: bool) -> None:
    """Whether the caller traces a task, which is stopped, unless it may be `running`. Raises Errno(ESRCH)."""
    if not child.ptrace or child.parent is not k.current:
        raise Errno(ESRCH)
    if running:
        return
    stands = child.state == TASK_TRACED and child.wait is not None
    if not stands or child.jobctl & JOBCTL_LISTENING or fatal_signal_pending(child):
        raise Errno(ESRCH)


# -- beginning and end -----------------------------------------------------------------------------


def _may_be_tracer(parent: Task, task: Task) -> bool:
    """security_ptrace_traceme, of capabilities and of Landlock."""
    mine, its = task.cred, parent.cred
    fewer = its.user.ns is not mine.user.ns or mine.cap_permitted & ~its.cap_permitted
    if fewer and not its.cap_effective & 1 << CAP_SYS_PTRACE:
        return False
    return may_trace(its.landlock, mine.landlock)


def ptrace_traceme(k: Kernel) -> int:
    """The caller's real parent traces it from now on. Raises Errno(EPERM) when somebody does, or it
    may not: it has fewer capabilities, or another Landlock domain."""
    current = k.current
    if current.ptrace or not _may_be_tracer(current.real_parent, current):
        raise Errno(EPERM)
    if not current.real_parent.flags & PF_EXITING:
        current.ptrace = PT_PTRACED
        ptrace_link(current, current.real_parent)
    return 0


def ptrace_may_access(k: Kernel, task: Task) -> bool:
    """Whether the caller may look into another task (__ptrace_may_access): its own, by all ids, or
    CAP_SYS_PTRACE."""
    mine, its = k.current.cred, task.cred
    if task.signal is k.current.signal:
        return True
    same = {its.uid, its.euid, its.suid} == {mine.uid} and {its.gid, its.egid, its.sgid} == {
        mine.gid
    }
    dumpable = task.mm is None or task.mm.dumpable == 1
    same = same and dumpable and not its.cap_permitted & ~mine.cap_permitted
    return (same or capable(k, CAP_SYS_PTRACE)) and landlock_may_trace(k, task)


def ptrace_attach(k: Kernel, child: Task, request: int, addr: int, data: int) -> Result:
    """Trace a task that runs: ATTACH stops it with SIGSTOP, SEIZE does not. Raises Errno: EIO for bad
    options, EPERM."""
    flags = PT_PTRACED
    if request == PTRACE_SEIZE:
        if addr or data & ~PTRACE_O_MASK:
            raise Errno(EIO)
        _check_options(k, data)
        flags |= PT_SEIZED | data << PT_OPT_FLAG_SHIFT
    if child.flags & PF_KTHREAD or (child.mm is None and not child.exit_state):
        raise Errno(EPERM)
    if child.signal is k.current.signal or not ptrace_may_access(k, child):
        raise Errno(EPERM)
    if child.exit_state or child.ptrace:
        raise Errno(EPERM)
    child.ptrace = flags
    ptrace_link(child, k.current)
    if request == PTRACE_ATTACH:
        send_signal(k, child, SIGSTOP, {}, force=True)
    if child.state == TASK_STOPPED and task_set_jobctl_pending(
        child, JOBCTL_TRAP_STOP | JOBCTL_TRAPPING
    ):
        signal_wake_up(k, child, False)
        k.try_to_wake_up(child)
        return _trapping(k, child)
    return 0


def _check_options(k: Kernel, options: int) -> None:
    """Raises Errno(EINVAL), Errno(EPERM) for what the caller may not set."""
    if options & ~PTRACE_O_MASK:
        raise Errno(EINVAL)
    if options & PTRACE_O_SUSPEND_SECCOMP and not may_suspend_seccomp(k):
        raise Errno(EPERM)


def _trapping(k: Kernel, child: Task) -> Result:
    """Until a task that was stopped has trapped: to the tracer it has been stopped all the time."""
    if not child.jobctl & JOBCTL_TRAPPING or child.exit_state:
        return 0
    queue = child_queue(k, k.current)
    return Wait((queue,), _trapping, (child,), f"ptrace: attach to {child.pid}", TASK_KILLABLE)


def ptrace_detach(k: Kernel, child: Task, sig: int) -> int:
    """Let a task go on with a signal, untraced. Raises Errno(EIO) for what is no signal."""
    if not 0 <= sig <= NSIG:
        raise Errno(EIO)
    user_disable_single_step(k, child)
    child.exit_code = sig
    if detach_tracee(k, k.current, child):
        release_task(k, child)
    return 0


# -- requests --------------------------------------------------------------------------------------


def ptrace_request(k: Kernel, child: Task, request: int, addr: int, data: int) -> int:
    """What is the same on every architecture. Raises Errno, EIO for a request that is none."""
    if request in (PTRACE_PEEKTEXT, PTRACE_PEEKDATA):
        word = access_process_vm(k, child, addr, 4)
        if len(word) != 4:
            raise Errno(EIO)
        copy_to_user(k, data, word)
    elif request in (PTRACE_POKETEXT, PTRACE_POKEDATA):
        if write_process_vm(k, child, addr, data.to_bytes(4, "little")) != 4:
            raise Errno(EIO)
    elif request in (PTRACE_SETOPTIONS, PTRACE_OLDSETOPTIONS):
        _check_options(k, data)
        child.ptrace = child.ptrace & ~_OPTIONS | data << PT_OPT_FLAG_SHIFT
    elif request == PTRACE_GETEVENTMSG:
        put_user(k, child.ptrace_message, data)
    elif request in (PTRACE_GETSIGINFO, PTRACE_SETSIGINFO):
        _siginfo(k, child, request, data)
    elif request in (PTRACE_GETSIGMASK, PTRACE_SETSIGMASK):
        _sigmask(k, child, request, addr, data)
    elif request in (PTRACE_INTERRUPT, PTRACE_LISTEN):
        _seized(k, child, request)
    elif request == PTRACE_DETACH:
        return ptrace_detach(k, child, data)
    elif request in (PTRACE_GETREGSET, PTRACE_SETREGSET):
        return regset(k, child, request, addr, data)
    elif request == PTRACE_PEEKSIGINFO:
        return peek_siginfo(k, child, addr, data)
    elif request == PTRACE_GET_SYSCALL_INFO:
        return syscall_info(k, child, addr, data)
    elif request == PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG:
        return set_config(k, child, addr, data)
    elif request == PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG:
        return get_config(k, child, addr, data)
    elif request == PTRACE_SECCOMP_GET_FILTER:
        return seccomp_get_filter(k, child, addr, data)
    elif request == PTRACE_SECCOMP_GET_METADATA:
        return seccomp_get_metadata(k, child, addr, data)
    elif request in _RESUMING:
        ptrace_resume(k, child, request, data)
    elif request == PTRACE_KILL:
        send_signal(k, child, SIGKILL, {"si_code": 0})
    else:
        raise Errno(EIO)
    return 0


def ptrace_resume(k: Kernel, child: Task, request: int, sig: int) -> None:
    """A stopped task goes on, with a signal (0: none). Raises Errno(EIO) for what is no signal."""
    if not 0 <= sig <= NSIG:
        raise Errno(EIO)
    change = set_ti_flag if request == PTRACE_SYSCALL else clear_ti_flag
    change(k.machine.ram, child.stack, TIF_SYSCALL_TRACE)
    change = set_ti_flag if request in _EMULATING else clear_ti_flag
    change(k.machine.ram, child.stack, TIF_SYSCALL_EMU)
    if request in (PTRACE_SINGLESTEP, PTRACE_SYSEMU_SINGLESTEP):
        user_enable_single_step(k, child)
    else:
        user_disable_single_step(k, child)
    child.exit_code = sig
    k.try_to_wake_up(child)


def _siginfo(k: Kernel, child: Task, request: int, address: int) -> None:
    if child.last_siginfo is None:
        raise Errno(EINVAL)
    if request == PTRACE_GETSIGINFO:
        copy_to_user(k, address, pack_siginfo(child.last_siginfo))
    else:
        child.last_siginfo = unpack_siginfo(copy_from_user(k, address, SIGINFO_SIZE))


def _sigmask(k: Kernel, child: Task, request: int, size: int, address: int) -> None:
    if size != 8:
        raise Errno(EINVAL)
    if request == PTRACE_GETSIGMASK:
        copy_to_user(k, address, child.blocked.to_bytes(8, "little"))
    else:
        mask = int.from_bytes(copy_from_user(k, address, 8), "little")
        child.blocked = mask & ~KERNEL_ONLY
        recalc_sigpending(k, child)


def _seized(k: Kernel, child: Task, request: int) -> None:
    """INTERRUPT and LISTEN, for a task that was seized. Raises Errno(EIO)."""
    if not child.ptrace & PT_SEIZED:
        raise Errno(EIO)
    if request == PTRACE_INTERRUPT:
        if task_set_jobctl_pending(child, JOBCTL_TRAP_STOP):
            ptrace_signal_wake_up(k, child, bool(child.jobctl & JOBCTL_LISTENING))
        return
    info = child.last_siginfo
    if info is None or info["si_code"] >> 8 != PTRACE_EVENT_STOP:
        raise Errno(EIO)
    child.jobctl |= JOBCTL_LISTENING
    if child.jobctl & JOBCTL_TRAP_NOTIFY:
        ptrace_signal_wake_up(k, child, True)
