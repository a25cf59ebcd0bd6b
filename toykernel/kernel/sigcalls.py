"""The system calls about signals (kernel/signal.c): actions, masks, waiting."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user, put_user
from toykernel.errno import EAGAIN, EINTR, EINVAL, ERESTARTNOHAND, Errno
from toykernel.kernel.dequeue import dequeue_signal
from toykernel.kernel.siginfo import (
    KERNEL_IGNORE,
    KERNEL_ONLY,
    NSIG,
    Siginfo,
    pack_siginfo,
    sigmask,
)
from toykernel.kernel.signal import (
    action_of,
    flush_sigqueue,
    pending_set,
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
    """The action of a signal before; `new` replaces it. Raises Errno(EINVAL) for no signal, or a
    new action of SIGKILL or SIGSTOP.
    """
    if not 1 <= sig <= NSIG or (new is not None and sigmask(sig) & KERNEL_ONLY):
        raise Errno(EINVAL)
    task = k.current
    old = action_of(task, sig)
    if new is not None:
        mask = new.mask & ~KERNEL_ONLY
        flags = new.flags & k.host.profile.sa_flags
        task.sighand.action[sig] = SigAction(new.handler, flags, new.restorer, mask)
        default_ignored = new.handler == SIG_DFL and sigmask(sig) & KERNEL_IGNORE
        if new.handler == SIG_IGN or default_ignored:  # POSIX 3.3.1.3: what is pending is forgotten
            flush_sigqueue(task.signal.shared_pending, sigmask(sig))
            for thread in threads_of(task):
                flush_sigqueue(thread.pending, sigmask(sig))
    return old


@syscall(174, "signum:signal act:sigaction oldact:sigaction_out sigsetsize:size")
def sys_rt_sigaction(k: Kernel, sig: int, act: int, oact: int, size: int) -> int:
    """rt_sigaction: handler, flags, restorer, 64-bit mask.

    EINVAL, also unless `size` is 8 bytes; EFAULT.
    """
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
    """sigaction: handler, 32-bit mask, flags, restorer. EINVAL, EFAULT."""
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
    """signal: System V's, once and without a mask; the handler before. EINVAL."""
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
    """rt_sigprocmask: the caller's 64-bit mask of blocked signals.

    EINVAL for `how`, or a size other than 8; EFAULT.
    """
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
    """sigprocmask: the first 32 signals; the others keep their bits. EINVAL, EFAULT."""
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
    """ssetmask: block these of the first 32 signals, and no others; the old ones."""
    old = sys_sgetmask(k)
    set_current_blocked(k, k.current, mask)
    return old


def _pending(task: Task) -> int:
    both = pending_set(task.pending) | pending_set(task.signal.shared_pending)
    return both & task.blocked


@syscall(176, "set:sigset_out sigsetsize:size")
def sys_rt_sigpending(k: Kernel, address: int, size: int) -> int:
    """rt_sigpending: signals that are raised and blocked, `size` bytes of the set.

    EINVAL above 8; EFAULT.
    """
    if size > SIGSET_SIZE:
        raise Errno(EINVAL)
    copy_to_user(k, address, _pending(k.current).to_bytes(8, "little")[:size])
    return 0


@syscall(73, "set:old_sigset_out")
def sys_sigpending(k: Kernel, address: int) -> int:
    """sigpending: the first 32 of the signals that are raised and blocked. EFAULT."""
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
    """pause: sleep until a signal is acted on; EINTR after a handler has run."""
    return wait_for_signal(k)


def _sigsuspend(k: Kernel, mask: int) -> Result:
    task = k.current
    task.saved_sigmask = task.blocked
    set_current_blocked(k, task, mask)
    return wait_for_signal(k)


@syscall(179, "mask:sigset sigsetsize:size")
def sys_rt_sigsuspend(k: Kernel, address: int, size: int) -> Result:
    """rt_sigsuspend: another mask while waiting; the old one is back when the handler returns.

    EINTR then; EINVAL, EFAULT.
    """
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    return _sigsuspend(k, int.from_bytes(copy_from_user(k, address, 8), "little"))


@syscall(72, "unused:int unused:int mask:hex")
def sys_sigsuspend(k: Kernel, unused0: int, unused1: int, mask: int) -> Result:
    """sigsuspend: the mask is the third argument itself."""
    return _sigsuspend(k, mask)


@syscall(177, "set:sigset info:address timeout:timespec sigsetsize:size")
def sys_rt_sigtimedwait(k: Kernel, uthese: int, uinfo: int, uts: int, size: int) -> Result:
    """rt_sigtimedwait: take one of these signals without a handler, waiting for it at most so long.
    Its number; EAGAIN when none came, EINTR, EINVAL, EFAULT.
    """
    return do_sigtimedwait(k, uthese, uinfo, uts, size, timespec_from_user)


def do_sigtimedwait(
    k: Kernel, uthese: int, uinfo: int, uts: int, size: int, read: Callable[[Kernel, int], int]
) -> Result:
    """The same; `read` finds the ns in a timespec of the caller's kind."""
    if size != SIGSET_SIZE:
        raise Errno(EINVAL)
    these = int.from_bytes(copy_from_user(k, uthese, 8), "little") & ~KERNEL_ONLY
    timeout = read(k, uts) if uts else None
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
    """restart_syscall: go on with an interrupted call that keeps a deadline;
    EINTR when there is none.
    """
    block, k.current.restart_block = k.current.restart_block, None
    if block is None:
        raise Errno(EINTR)
    function, arguments = block
    return function(k, *arguments)
