"""seccomp (kernel/seccomp.c): which system calls a task may make, by a fixed list or by its own filters.

Filters are added, never taken away; all of them are asked, and the strictest answer counts. Listeners that
decide about a call are in seccomp_notify.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_from_user, copy_to_user, get_user
from toykernel.errno import (
    EACCES,
    EBUSY,
    EINVAL,
    ENOENT,
    ENOMEM,
    ENOSYS,
    EOPNOTSUPP,
    ESRCH,
    Errno,
)
from toykernel.fs.file import fd_install
from toykernel.kernel import bpf
from toykernel.kernel.cred import CAP_SYS_ADMIN, capable
from toykernel.kernel.exit import do_exit
from toykernel.kernel.pid import task_pid_vnr
from toykernel.kernel.ptrace_flags import (
    PT_SUSPEND_SECCOMP,
    PTRACE_EVENT_SECCOMP,
    ptrace_event_enabled,
)
from toykernel.kernel.ptrace_stop import ptrace_event
from toykernel.kernel.seccomp_filter import (
    SeccompFilter,
    get_seccomp_filter,
    put_seccomp_filter,
)
from toykernel.kernel.seccomp_notify import do_user_notification, init_listener
from toykernel.kernel.siginfo import SIGKILL, SIGSYS, sigmask
from toykernel.kernel.signal import force_sig_info, recalc_sigpending, send_signal
from toykernel.kernel.signal_types import SA_IMMUTABLE, SigAction
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.kernel.wait import Result
    from toykernel.state import Kernel
    from toykernel.task import Task

MODE_DISABLED, MODE_STRICT, MODE_FILTER = 0, 1, 2
SET_MODE_STRICT, SET_MODE_FILTER, GET_ACTION_AVAIL, GET_NOTIF_SIZES = range(4)
FLAG_TSYNC, FLAG_LOG, FLAG_SPEC_ALLOW, FLAG_NEW_LISTENER = 1, 2, 4, 8
FLAG_TSYNC_ESRCH, FLAG_WAIT_KILLABLE_RECV = 16, 32
_FLAGS = 63
RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO = 0x80000000, 0, 0x30000, 0x50000
RET_USER_NOTIF, RET_TRACE, RET_LOG, RET_ALLOW = 0x7FC00000, 0x7FF00000, 0x7FFC0000, 0x7FFF0000
_ACTION, _DATA = 0xFFFF0000, 0x0000FFFF
_AVAILABLE = (
    *(RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO),
    *(RET_USER_NOTIF, RET_TRACE, RET_LOG, RET_ALLOW),
)
AUDIT_ARCH_I386 = 0x40000003
SYS_SECCOMP = 1
SECCOMP_DATA = struct.Struct("<IIQ6Q")
MAX_ERRNO = 4095
#: Instructions of all filters of a task, each with four more for itself.
MAX_INSNS_PER_PATH = (1 << 18) // 8
#: What mode 1 leaves: read, write, exit, sigreturn.
_STRICT = (3, 4, 1, 119)


def secure_computing(
    k: Kernel,
    task: Task,
    number: int,
    words: list[int],
    again: Callable[[Kernel], Result],
    make: Callable[[Kernel], Result],
    *,
    told: bool = False,
) -> Result | None:
    """Whether a call may be made (None), or what it answers instead. A tracer that a filter asks goes on
    with `again`, which makes the call as it is then; `told` in that one: it is not asked twice. A listener
    that lets it go on asks nobody else: `make`.
    """
    if task.ptrace & PT_SUSPEND_SECCOMP:
        return None
    if task.seccomp_mode == MODE_STRICT:
        return None if number in _STRICT else do_exit(k, SIGKILL)
    regs = k.task_pt_regs(task)
    data = SECCOMP_DATA.pack(number & 0xFFFFFFFF, AUDIT_ARCH_I386, regs.ip, *words[:6])
    answer, match = _ask(task.seccomp_filter, data)
    action, low = answer & _ACTION, answer & _DATA
    if action in (RET_ALLOW, RET_LOG):
        return None
    if action == RET_ERRNO:
        return -min(low, MAX_ERRNO)
    if action == RET_TRACE:
        if told:
            return None
        if not ptrace_event_enabled(task, PTRACE_EVENT_SECCOMP):
            return -ENOSYS
        regs.ax = -ENOSYS
        return ptrace_event(k, PTRACE_EVENT_SECCOMP, low, again)
    if action == RET_USER_NOTIF:
        assert match is not None
        return do_user_notification(k, match, data, make)
    info = {
        "si_code": SYS_SECCOMP,
        "si_errno": low,
        "si_call_addr": regs.ip,
        "si_syscall": number,
        "si_arch": AUDIT_ARCH_I386,
    }
    if action == RET_TRAP:
        force_sig_info(k, task, SIGSYS, info)
        return number  # the call has not been made
    if action == RET_KILL_THREAD and len(task.signal.threads) > 1:
        return do_exit(k, SIGSYS)
    task.sighand.action[SIGSYS] = SigAction(flags=SA_IMMUTABLE)
    task.blocked &= ~sigmask(SIGSYS)
    recalc_sigpending(k, task)
    send_signal(k, task, SIGSYS, info, force=True)
    return number


def _ask(one: SeccompFilter | None, data: bytes) -> tuple[int, SeccompFilter | None]:
    """The strictest answer of all filters, the newest first among equals, and whose it is."""
    best, match = RET_ALLOW, None
    while one is not None:
        answer = bpf.run(one.program, data)
        if _signed(answer & _ACTION) < _signed(best & _ACTION):
            best, match = answer, one
        one = one.prev
    return best, match


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def seccomp_set_mode_strict(k: Kernel) -> int:
    """Only read, write, exit and sigreturn from now on. EINVAL where there are filters."""
    task = k.current
    if task.seccomp_mode not in (MODE_DISABLED, MODE_STRICT):
        raise Errno(EINVAL)
    task.seccomp_mode = MODE_STRICT
    return 0


def _read_filter(k: Kernel, address: int) -> bpf.Program:
    """struct sock_fprog. Raises Errno(EINVAL), Errno(EACCES), Errno(EFAULT)."""
    count, filters = struct.unpack("<HxxI", copy_from_user(k, address, 8))
    if not 0 < count <= bpf.BPF_MAXINSNS:
        raise Errno(EINVAL)
    if not k.current.no_new_privs and not capable(k, CAP_SYS_ADMIN):
        raise Errno(EACCES)
    program = bpf.parse(copy_from_user(k, filters, 8 * count))
    bpf.check(program, SECCOMP_DATA.size)
    return program


def seccomp_set_mode_filter(k: Kernel, flags: int, address: int) -> int:
    """Add a filter; with TSYNC to every thread: the number of one that cannot have it, else 0. With
    NEW_LISTENER a descriptor to decide about its calls by.

    EACCES, EINVAL, ENOMEM, ESRCH, EFAULT, EMFILE, EBUSY where a filter has a listener already.
    """
    listens = flags & FLAG_NEW_LISTENER
    if flags & ~_FLAGS or (flags & FLAG_WAIT_KILLABLE_RECV and not listens):
        raise Errno(EINVAL)
    if flags & FLAG_TSYNC and listens and not flags & FLAG_TSYNC_ESRCH:
        raise Errno(EINVAL)  # what it answers would be either
    program = _read_filter(k, address)
    task = k.current
    if task.seccomp_mode == MODE_STRICT:
        raise Errno(EINVAL)
    if listens and any(one.listener is not None for one in filters(task)):
        raise Errno(EBUSY)
    before = task.seccomp_filter.path + 4 if task.seccomp_filter is not None else 0
    if len(program) + before > MAX_INSNS_PER_PATH:
        raise Errno(ENOMEM)
    others = [t for t in task.signal.threads if t is not task] if flags & FLAG_TSYNC else []
    for thread in others:
        if not _can_sync(thread, task):
            if flags & FLAG_TSYNC_ESRCH:
                raise Errno(ESRCH)
            return task_pid_vnr(k, thread)
    with ExitStack() as undo:
        slab = k.memory.slabs.seccomp.alloc(k)
        undo.callback(k.memory.slabs.seccomp.free, k, slab)
        new = SeccompFilter(
            *(slab, program, task.seccomp_filter),
            log=bool(flags & FLAG_LOG),
            wait_killable=bool(flags & FLAG_WAIT_KILLABLE_RECV),
        )
        opened = init_listener(k, new) if listens else None
        undo.pop_all()
    task.seccomp_filter = None  # the reference is the new one's
    for thread in (task, *others):
        put_seccomp_filter(k, thread.seccomp_filter)
        thread.seccomp_filter = get_seccomp_filter(new)
        thread.seccomp_mode = MODE_FILTER
        thread.no_new_privs = thread.no_new_privs or task.no_new_privs
    put_seccomp_filter(k, new)  # the maker's own
    return fd_install(k, *opened, cloexec=True) if opened is not None else 0


def filters(task: Task) -> list[SeccompFilter]:
    """Those of a task, the newest first."""
    found, one = [], task.seccomp_filter
    while one is not None:
        found.append(one)
        one = one.prev
    return found


# -- for a tracer ----------------------------------------------------------------------------------


def _nth_filter(k: Kernel, task: Task, number: int) -> SeccompFilter:
    """get_nth_filter: 0 is the oldest. Raises Errno(EACCES), Errno(EINVAL) without filters, Errno(ENOENT)."""
    if not capable(k, CAP_SYS_ADMIN) or k.current.seccomp_mode != MODE_DISABLED:
        raise Errno(EACCES)
    if task.seccomp_mode != MODE_FILTER:
        raise Errno(EINVAL)
    found = filters(task)
    if number >= len(found):
        raise Errno(ENOENT)
    return found[-1 - number]


def seccomp_get_filter(k: Kernel, task: Task, number: int, address: int) -> int:
    """PTRACE_SECCOMP_GET_FILTER: how many instructions, which are stored where there is an address."""
    program = _nth_filter(k, task, number).program
    if address:
        copy_to_user(k, address, bpf.pack(program))
    return len(program)


def seccomp_get_metadata(k: Kernel, task: Task, size: int, address: int) -> int:
    """PTRACE_SECCOMP_GET_METADATA: the flags of a filter; the size of what was stored."""
    if not capable(k, CAP_SYS_ADMIN) or k.current.seccomp_mode != MODE_DISABLED:
        raise Errno(EACCES)
    if size < 8:
        raise Errno(EINVAL)
    number = int.from_bytes(copy_from_user(k, address, 8), "little")
    log = FLAG_LOG if _nth_filter(k, task, number).log else 0
    data = struct.pack("<2Q", number, log)[:size]
    copy_to_user(k, address, data)
    return len(data)


def may_suspend_seccomp(k: Kernel) -> bool:
    """Whether the caller may set PTRACE_O_SUSPEND_SECCOMP: a privileged one, of whose calls nobody judges."""
    task = k.current
    judged = task.seccomp_mode != MODE_DISABLED or task.ptrace & PT_SUSPEND_SECCOMP
    return capable(k, CAP_SYS_ADMIN) and not judged


def _can_sync(thread: Task, task: Task) -> bool:
    """Whether a thread's filters are a part of the caller's."""
    if thread.seccomp_mode == MODE_DISABLED:
        return True
    ancestor = task.seccomp_filter
    while ancestor is not None and ancestor is not thread.seccomp_filter:
        ancestor = ancestor.prev
    return thread.seccomp_mode == MODE_FILTER and ancestor is thread.seccomp_filter


def prctl_set_seccomp(k: Kernel, mode: int, address: int) -> int:
    """PR_SET_SECCOMP: the same by prctl. EINVAL for another mode."""
    if mode == MODE_STRICT:
        return seccomp_set_mode_strict(k)
    if mode == MODE_FILTER:
        return seccomp_set_mode_filter(k, 0, address)
    raise Errno(EINVAL)


@syscall(354, "op:uint flags:hex args:address")
def sys_seccomp(k: Kernel, op: int, flags: int, args: int) -> int:
    """seccomp: set a mode, or ask what there is. EINVAL, EACCES, EFAULT, EOPNOTSUPP for an unknown action."""
    if op == SET_MODE_STRICT:
        if flags or args:
            raise Errno(EINVAL)
        return seccomp_set_mode_strict(k)
    if op == SET_MODE_FILTER:
        return seccomp_set_mode_filter(k, flags, args)
    if op == GET_ACTION_AVAIL and not flags:
        if get_user(k, args) not in _AVAILABLE:
            raise Errno(EOPNOTSUPP)
        return 0
    if op == GET_NOTIF_SIZES and not flags:
        copy_to_user(k, args, struct.pack("<3H", 80, 24, SECCOMP_DATA.size))
        return 0
    raise Errno(EINVAL)
