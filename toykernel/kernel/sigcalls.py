"""The system calls about signals (kernel/signal.c): actions, masks, sending, waiting."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import EAGAIN, EINTR, EINVAL, EPERM, ERESTARTNOHAND, ESRCH, Errno
from toykernel.kernel.cred import CAP_KILL, capable
from toykernel.kernel.dequeue import dequeue_signal
from toykernel.kernel.pid import find_task_by_vpid, global_pid, task_pid_vnr
from toykernel.kernel.siginfo import (
    KERNEL_IGNORE,
    KERNEL_ONLY,
    NSIG,
    SI_TKILL,
    SI_USER,
    SIGCONT,
    SIGINFO_SIZE,
    Siginfo,
    pack_siginfo,
    sigmask,
    unpack_siginfo,
)
from toykernel.kernel.signal import (
    action_of,
    flush_sigqueue,
    pending_set,
    send_signal,
    set_current_blocked,
    threads_of,
)
from toykernel.kernel.signal_types import (
    SA_NODEFER,
    SA_RESETHAND,
    SIG_DFL,
    SIG_IGN,
    SigAction,
    signal_pending,
)
from toykernel.kernel.timekeeping import ktime_get, timespec_from_user
from toykernel.kernel.wait import Wait
from toykernel.security import security_task_kill
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel
    from toykernel.task import Task

SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = 0, 1, 2
SIGSET_SIZE = 8
_ALL = (1 << NSIG) - 1
_OLD_SET = 0xFFFFFFFF


# -- actions ---------------------------------------------------------------------------------------


def do_sigaction(k: Kernel, sig: int, new: SigAction | None) -> SigAction:
    """Read and set an action. Raises Errno(EINVAL)."""
    if not 1 <= sig <= NSIG or (new is not None and sigmask(sig) & KERNEL_ONLY):
        raise Errno(EINVAL)
    task = k.current
    old = action_of(task, sig)
    if new is not None:
        mask = new.mask & ~KERNEL_ONLY
        task.sighand.action[sig] = SigAction(new.handler, new.flags, new.restorer, mask)
        default_ignored = new.handler == SIG_DFL and sigmask(sig) & KERNEL_IGNORE
        if new.handler == SIG_IGN or default_ignored:  # POSIX 3.3.1.3: what is pending is forgotten
            flush_sigqueue(task.signal.shared_pending, sigmask(sig))
            for thread in threads_of(task):
                flush_sigqueue(thread.pending, sigmask(sig))
    return old


@syscall(174, "signum:signal act:sigaction oldact:sigaction_out sigsetsize:size")
def sys_rt_sigaction(k: Kernel, sig: int, act: int, oact: int, size: int) -> int:
    """rt_sigaction: handler, flags, restorer, 64-bit mask."""
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    new = None
    if act:
        handler, flags, restorer, mask = struct.unpack("<3IQ", copy_from_user(k, act, 20))
        new = SigAction(handler, flags, restorer, mask)
    old = do_sigaction(k, sig, new)
    if oact:
        data = struct.pack("<3IQ", old.handler, old.flags, old.restorer, old.mask)
        copy_to_user(k, oact, data)
    return 0


@syscall(67, "signum:signal act:old_sigaction oldact:old_sigaction_out")
def sys_sigaction(k: Kernel, sig: int, act: int, oact: int) -> int:
    """sigaction: handler, 32-bit mask, flags, restorer."""
    new = None
    if act:
        handler, mask, flags, restorer = struct.unpack("<4I", copy_from_user(k, act, 16))
        new = SigAction(handler, flags, restorer, mask)
    old = do_sigaction(k, sig, new)
    if oact:
        data = struct.pack("<4I", old.handler, old.mask & _OLD_SET, old.flags, old.restorer)
        copy_to_user(k, oact, data)
    return 0


@syscall(48, "signum:signal handler:handler")
def sys_signal(k: Kernel, sig: int, handler: int) -> int:
    """signal: System V's, once and without a mask."""
    return do_sigaction(k, sig, SigAction(handler, SA_RESETHAND | SA_NODEFER)).handler


# -- masks -----------------------------------------------------------------------------------------


def _change_mask(k: Kernel, how: int, bits: int, keep: int = 0) -> None:
    task = k.current
    if how == SIG_BLOCK:
        mask = task.blocked | bits
    elif how == SIG_UNBLOCK:
        mask = task.blocked & ~bits
    elif how == SIG_SETMASK:
        mask = task.blocked & keep | bits
    else:
        raise Errno(EINVAL)
    set_current_blocked(k, task, mask)


@syscall(175, "how:how set:sigset oldset:sigset_out sigsetsize:size")
def sys_rt_sigprocmask(k: Kernel, how: int, new: int, old: int, size: int) -> int:
    """rt_sigprocmask: the caller's mask of blocked signals."""
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    before = k.current.blocked
    if new:
        _change_mask(k, how, int.from_bytes(copy_from_user(k, new, 8), "little"))
    if old:
        copy_to_user(k, old, before.to_bytes(8, "little"))
    return 0


@syscall(126, "how:how set:old_sigset oldset:old_sigset_out")
def sys_sigprocmask(k: Kernel, how: int, new: int, old: int) -> int:
    """sigprocmask: the first 32 signals."""
    before = k.current.blocked & _OLD_SET
    if new:
        _change_mask(k, how, get_user(k, new), _ALL & ~_OLD_SET)
    if old:
        put_user(k, before, old)
    return 0


@syscall(68)
def sys_sgetmask(k: Kernel) -> int:
    """sgetmask: the first 32 blocked signals."""
    return k.current.blocked & _OLD_SET


@syscall(69, "newmask:hex")
def sys_ssetmask(k: Kernel, mask: int) -> int:
    """ssetmask: set them; the old ones."""
    old = sys_sgetmask(k)
    set_current_blocked(k, k.current, mask)
    return old


def _pending(task: Task) -> int:
    both = pending_set(task.pending) | pending_set(task.signal.shared_pending)
    return both & task.blocked


@syscall(176, "set:sigset_out sigsetsize:size")
def sys_rt_sigpending(k: Kernel, address: int, size: int) -> int:
    """rt_sigpending: signals that are raised and blocked."""
    if size > SIGSET_SIZE:
        raise Errno(EINVAL)
    copy_to_user(k, address, _pending(k.current).to_bytes(8, "little")[:size])
    return 0


@syscall(73, "set:old_sigset_out")
def sys_sigpending(k: Kernel, address: int) -> int:
    """sigpending: the first 32 of them."""
    put_user(k, _pending(k.current) & _OLD_SET, address)
    return 0


# -- waiting ---------------------------------------------------------------------------------------


def wait_for_signal(k: Kernel) -> Result:
    """Sleep until a signal is to be acted on; then answer ERESTARTNOHAND."""
    if signal_pending(k.current):
        raise Errno(ERESTARTNOHAND)
    return Wait((), wait_for_signal, (), "pause")


@syscall(29)
def sys_pause(k: Kernel) -> Result:
    """pause: EINTR after a handler has run."""
    return wait_for_signal(k)


def _sigsuspend(k: Kernel, mask: int) -> Result:
    task = k.current
    task.saved_sigmask = task.blocked
    set_current_blocked(k, task, mask)
    return wait_for_signal(k)


@syscall(179, "mask:sigset sigsetsize:size")
def sys_rt_sigsuspend(k: Kernel, address: int, size: int) -> Result:
    """rt_sigsuspend: another mask while waiting; the old one is back when the handler returns."""
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    return _sigsuspend(k, int.from_bytes(copy_from_user(k, address, 8), "little"))


@syscall(72, "unused:int unused:int mask:hex")
def sys_sigsuspend(k: Kernel, unused0: int, unused1: int, mask: int) -> Result:
    """sigsuspend: the mask is the third argument itself."""
    return _sigsuspend(k, mask)


@syscall(177, "set:sigset info:address timeout:timespec sigsetsize:size")
def sys_rt_sigtimedwait(k: Kernel, uthese: int, uinfo: int, uts: int, size: int) -> Result:
    """rt_sigtimedwait: take one of these signals without a handler, waiting for it at most so long."""
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    these = int.from_bytes(copy_from_user(k, uthese, 8), "little") & ~KERNEL_ONLY
    timeout = timespec_from_user(k, uts) if uts else None
    task = k.current
    info = dequeue_signal(k, task, _ALL & ~these)
    if info is not None:
        return _signal_taken(k, info, uinfo)
    if timeout == 0:
        raise Errno(EAGAIN)
    deadline = ktime_get(k) + timeout if timeout is not None else None
    task.real_blocked = task.blocked
    set_current_blocked(k, task, task.blocked & ~these)
    return Wait((), _timedwait_over, (these, uinfo), "rt_sigtimedwait", deadline=deadline)


def _timedwait_over(k: Kernel, these: int, uinfo: int, expired: bool = False) -> Result:
    task = k.current
    info = dequeue_signal(k, task, _ALL & ~these)
    blocked, task.real_blocked = task.real_blocked, 0
    set_current_blocked(k, task, blocked)
    if info is not None:
        return _signal_taken(k, info, uinfo)
    raise Errno(EAGAIN if expired else EINTR)


def _signal_taken(k: Kernel, info: Siginfo, uinfo: int) -> int:
    if uinfo:
        copy_to_user(k, uinfo, pack_siginfo(info))
    return int(info["si_signo"])


@syscall(0)
def sys_restart_syscall(k: Kernel) -> Result:
    """restart_syscall: what an interrupted call that keeps a deadline goes on with."""
    block, k.current.restart_block = k.current.restart_block, None
    if block is None:
        raise Errno(EINTR)
    function, arguments = block
    return function(k, *arguments)


# -- sending ---------------------------------------------------------------------------------------


def check_kill_permission(k: Kernel, sig: int, task: Task) -> None:
    """Who may, by its ids, is still asked for by the security hooks. Raises Errno, EPERM by itself."""
    if not _kill_ok_by_cred(k, sig, task):
        raise Errno(EPERM)
    security_task_kill(k, task, sig)


def _kill_ok_by_cred(k: Kernel, sig: int, task: Task) -> bool:
    mine, other = k.current.cred, task.cred
    if task.signal is k.current.signal or capable(k, CAP_KILL):
        return True
    if {mine.euid, mine.uid} & {other.suid, other.uid}:
        return True
    return sig == SIGCONT and task.signal.session == k.current.signal.session


def _send(k: Kernel, task: Task, sig: int, info: Siginfo, *, group: bool = True) -> None:
    """kill for one target; signal 0 only asks. Raises Errno(EPERM) or Errno(EAGAIN)."""
    check_kill_permission(k, sig, task)
    if sig:
        error = send_signal(k, task, sig, info, group=group)
        if error:
            raise Errno(error)


def user_info(k: Kernel, code: int) -> Siginfo:
    """siginfo of a signal that the current task sends."""
    return {
        "si_code": code,
        "si_pid": task_pid_vnr(k, k.current.group_leader),
        "si_uid": k.current.cred.uid,
    }


def _check_signal(sig: int) -> None:
    if not 0 <= sig <= NSIG:
        raise Errno(EINVAL)


@syscall(37, "pid:pid sig:signal")
def sys_kill(k: Kernel, pid: int, sig: int) -> int:
    """kill: a process, a group (0: one's own, negative), or everybody (-1)."""
    info = user_info(k, SI_USER)
    if pid > 0:
        task = find_task_by_vpid(k, pid)
        if task is None:
            raise Errno(ESRCH)
        _check_signal(sig)
        _send(k, task, sig, info)
        return 0
    targets = _kill_targets(k, pid)
    if not targets:
        raise Errno(ESRCH)
    _check_signal(sig)
    errors = []
    for task in targets:
        try:
            _send(k, task, sig, info)
            errors.append(0)
        except Errno as error:
            errors.append(error.number)
    if pid == -1:  # being refused by some is no error here
        wrong = [number for number in errors if number not in (0, EPERM)]
        if wrong:
            raise Errno(wrong[-1])
    elif 0 not in errors:
        raise Errno(errors[-1])
    return 0


def _kill_targets(k: Kernel, pid: int) -> list[Task]:
    current = k.current
    leaders = [t for t in k.processes.tasks if t is t.group_leader and t is not k.sched.idle]
    visible = [t for t in leaders if task_pid_vnr(k, t)]
    if pid == -1:
        init = [t for t in visible if task_pid_vnr(k, t) == 1]
        return [t for t in visible if t not in init and t.signal is not current.signal]
    group = current.signal.pgrp if pid == 0 else global_pid(k, -pid)
    return [t for t in visible if group and t.signal.pgrp == group]


def _send_to_thread(k: Kernel, tgid: int, pid: int, sig: int, info: Siginfo) -> int:
    task = find_task_by_vpid(k, pid)
    if task is None or (tgid > 0 and task_pid_vnr(k, task.group_leader) != tgid):
        raise Errno(ESRCH)
    _check_signal(sig)
    _send(k, task, sig, info, group=False)
    return 0


@syscall(270, "tgid:pid tid:pid sig:signal")
def sys_tgkill(k: Kernel, tgid: int, pid: int, sig: int) -> int:
    """tgkill: one thread of a group."""
    if pid <= 0 or tgid <= 0:
        raise Errno(EINVAL)
    return _send_to_thread(k, tgid, pid, sig, user_info(k, SI_TKILL))


@syscall(238, "tid:pid sig:signal")
def sys_tkill(k: Kernel, pid: int, sig: int) -> int:
    """To one thread, of whatever group. Raises Errno(EINVAL), Errno(ESRCH), Errno(EPERM), Errno(EAGAIN)."""
    if pid <= 0:
        raise Errno(EINVAL)
    return _send_to_thread(k, 0, pid, sig, user_info(k, SI_TKILL))


def _queued_info(k: Kernel, sig: int, address: int) -> Siginfo:
    """The caller's siginfo; it may not pretend to be the kernel or kill."""
    info = unpack_siginfo(copy_from_user(k, address, SIGINFO_SIZE))
    if info["si_code"] >= 0 or info["si_code"] == SI_TKILL:
        raise Errno(EPERM)
    return info | {"si_signo": sig}


@syscall(178, "tgid:pid sig:signal info:address")
def sys_rt_sigqueueinfo(k: Kernel, pid: int, sig: int, address: int) -> int:
    """rt_sigqueueinfo: a signal with a value."""
    info = _queued_info(k, sig, address)
    task = find_task_by_vpid(k, pid) if pid > 0 else None
    if task is None:
        raise Errno(ESRCH)
    _check_signal(sig)
    _send(k, task, sig, info)
    return 0


@syscall(335, "tgid:pid tid:pid sig:signal info:address")
def sys_rt_tgsigqueueinfo(k: Kernel, tgid: int, pid: int, sig: int, address: int) -> int:
    """rt_tgsigqueueinfo: the same for one thread."""
    info = _queued_info(k, sig, address)
    if pid <= 0 or tgid <= 0:
        raise Errno(EINVAL)
    return _send_to_thread(k, tgid, pid, sig, info)
