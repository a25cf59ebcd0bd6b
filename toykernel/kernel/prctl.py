"""prctl and personality (kernel/sys.c): what a task can say of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.uaccess import copy_to_user, put_user, read_some
from toykernel.errno import EFAULT, EINVAL, EPERM, Errno
from toykernel.kernel.cred import (
    CAP_LAST_CAP,
    CAP_SETPCAP,
    capable,
    commit_creds,
    prepare_creds,
)
from toykernel.kernel.siginfo import NSIG
from toykernel.kernel.uid import SECURE_KEEP_CAPS
from toykernel.syscalls import syscall
from toykernel.task import TASK_COMM_LEN

if TYPE_CHECKING:
    from toykernel.state import Kernel

_QUERY = 0xFFFFFFFF


def _set_pdeathsig(k: Kernel, sig: int) -> int:
    if sig > NSIG:
        raise Errno(EINVAL)
    k.current.pdeath_signal = sig
    return 0


def _get_pdeathsig(k: Kernel, address: int) -> int:
    put_user(k, k.current.pdeath_signal, address)
    return 0


def _get_keepcaps(k: Kernel, _: int) -> int:
    return int(bool(k.current.cred.securebits & SECURE_KEEP_CAPS))


def _set_keepcaps(k: Kernel, value: int) -> int:
    if value > 1:
        raise Errno(EINVAL)
    new = prepare_creds(k)
    new.securebits = new.securebits & ~SECURE_KEEP_CAPS | (SECURE_KEEP_CAPS if value else 0)
    commit_creds(k, new)
    return 0


def _set_name(k: Kernel, address: int) -> int:
    text = read_some(k, address, TASK_COMM_LEN - 1)
    if b"\0" not in text and len(text) < TASK_COMM_LEN - 1:
        raise Errno(EFAULT)
    k.current.comm = text.split(b"\0")[0].decode(errors="surrogateescape")
    return 0


def _get_name(k: Kernel, address: int) -> int:
    name = k.current.comm.encode(errors="surrogateescape")[: TASK_COMM_LEN - 1]
    copy_to_user(k, address, name.ljust(TASK_COMM_LEN, b"\0"))
    return 0


def _capbset_read(k: Kernel, cap: int) -> int:
    if cap > CAP_LAST_CAP:
        raise Errno(EINVAL)
    return k.current.cred.cap_bset >> cap & 1


def _capbset_drop(k: Kernel, cap: int) -> int:
    if not capable(k, CAP_SETPCAP):
        raise Errno(EPERM)
    if cap > CAP_LAST_CAP:
        raise Errno(EINVAL)
    new = prepare_creds(k)
    new.cap_bset &= ~(1 << cap)
    commit_creds(k, new)
    return 0


def _set_timerslack(k: Kernel, ns: int) -> int:
    task = k.current
    task.timer_slack_ns = ns if 0 < ns <= 0x7FFFFFFF else task.default_timer_slack_ns
    return 0


def _get_timerslack(k: Kernel, _: int) -> int:
    return k.current.timer_slack_ns


def _set_child_subreaper(k: Kernel, value: int) -> int:
    k.current.signal.is_child_subreaper = bool(value)
    if value:
        for task in k.processes.tasks:
            if _descends(task.real_parent.signal, k):
                task.signal.has_child_subreaper = True
    return 0


def _descends(signal: object, k: Kernel) -> bool:
    """Whether a group is the current one or one of its descendants'."""
    seen: object = None
    while signal is not seen:
        if signal is k.current.signal:
            return True
        seen = signal
        parent = next((t for t in k.processes.tasks if t.signal is signal), None)
        if parent is None:
            return False
        signal = parent.group_leader.real_parent.signal
    return False


def _get_child_subreaper(k: Kernel, address: int) -> int:
    put_user(k, int(k.current.signal.is_child_subreaper), address)
    return 0


#: By option: PR_SET_PDEATHSIG 1, … (linux/prctl.h).
OPTIONS: dict[int, Callable[[Kernel, int], int]] = {
    1: _set_pdeathsig,
    2: _get_pdeathsig,
    7: _get_keepcaps,
    8: _set_keepcaps,
    15: _set_name,
    16: _get_name,
    23: _capbset_read,
    24: _capbset_drop,
    29: _set_timerslack,
    30: _get_timerslack,
    36: _set_child_subreaper,
    37: _get_child_subreaper,
}


@syscall(172, "option:prctl_option arg2:hex arg3:hex arg4:hex arg5:hex")
def sys_prctl(k: Kernel, option: int, arg2: int, arg3: int, arg4: int, arg5: int) -> int:
    """prctl. An option that is not there is EINVAL."""
    function = OPTIONS.get(option)
    if function is None:
        raise Errno(EINVAL)
    return function(k, arg2)


@syscall(136, "persona:hex")
def sys_personality(k: Kernel, persona: int) -> int:
    """personality: the old one; 0xFFFFFFFF only asks. fork keeps it; exec only adds to it."""
    old = k.current.personality
    if persona != _QUERY:
        k.current.personality = persona
    return old
