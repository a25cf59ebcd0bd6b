"""prctl and personality (kernel/sys.c): what a task can say of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.process import load_tsc
from toykernel.arch.x86.uaccess import copy_to_user, put_user, read_some
from toykernel.errno import EFAULT, EINVAL, EPERM, Errno
from toykernel.kernel.cred import (
    CAP_SETPCAP,
    capable,
    commit_creds,
    prepare_creds,
)
from toykernel.kernel.seccomp import prctl_set_seccomp
from toykernel.kernel.siginfo import NSIG
from toykernel.kernel.syscall_user_dispatch import set_syscall_user_dispatch
from toykernel.kernel.uid import SECURE_KEEP_CAPS
from toykernel.mm.mdwe import PR_MDWE_NO_INHERIT, PR_MDWE_REFUSE_EXEC_GAIN
from toykernel.mm.mmap import user_mm
from toykernel.syscalls import syscall
from toykernel.task import TASK_COMM_LEN

if TYPE_CHECKING:
    from toykernel.state import Kernel

_QUERY = 0xFFFFFFFF
#: NO_CAP_AMBIENT_RAISE, EXEC_RESTRICT_FILE, EXEC_DENY_INTERACTIVE; above each the bit that locks it.
SECBIT_NO_CAP_AMBIENT_RAISE = 0x40
#: Those that a program may set for itself, with their locks: only user space cares (6.14).
_UNPRIVILEGED = 0xF00
AMBIENT_IS_SET, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL = range(1, 5)


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
    if k.current.cred.securebits & SECURE_KEEP_CAPS << 1:  # SECURE_KEEP_CAPS_LOCKED
        raise Errno(EPERM)
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
    if cap > k.host.profile.last_cap:
        raise Errno(EINVAL)
    return k.current.cred.cap_bset >> cap & 1


def _capbset_drop(k: Kernel, cap: int) -> int:
    if not capable(k, CAP_SETPCAP):
        raise Errno(EPERM)
    if cap > k.host.profile.last_cap:
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


def _get_dumpable(k: Kernel, _: int) -> int:
    return user_mm(k).dumpable


def _set_dumpable(k: Kernel, value: int) -> int:
    if value > 1:
        raise Errno(EINVAL)
    user_mm(k).dumpable = value
    return 0


def _get_timing(k: Kernel, _: int) -> int:
    return 0  # PR_TIMING_STATISTICAL


def _set_timing(k: Kernel, value: int) -> int:
    if value:
        raise Errno(EINVAL)
    return 0


def _get_tsc(k: Kernel, address: int) -> int:
    put_user(k, PR_TSC_SIGSEGV if k.current.thread.no_tsc else PR_TSC_ENABLE, address)
    return 0


def _set_tsc(k: Kernel, value: int) -> int:
    if value not in (PR_TSC_ENABLE, PR_TSC_SIGSEGV):
        raise Errno(EINVAL)
    k.current.thread.no_tsc = value == PR_TSC_SIGSEGV
    load_tsc(k, k.current)
    return 0


def _get_seccomp(k: Kernel, _: int) -> int:
    return k.current.seccomp_mode


def _get_securebits(k: Kernel, _: int) -> int:
    return k.current.cred.securebits


def _set_securebits(k: Kernel, bits: int) -> int:
    old, known = k.current.cred.securebits, k.host.profile.secure_bits
    locks = known << 1
    changed = (old ^ bits) & (old & locks) >> 1 or old & locks & ~bits
    if changed or bits & ~(known | locks):
        raise Errno(EPERM)
    if not capable(k, CAP_SETPCAP) and (old == bits or (old ^ bits) & ~_UNPRIVILEGED):
        raise Errno(EPERM)
    new = prepare_creds(k)
    new.securebits = bits
    commit_creds(k, new)
    return 0


def _cap_ambient(k: Kernel, _option: int, args: tuple[int, int, int, int]) -> int:
    """PR_CAP_AMBIENT: capabilities that an exec of any program leaves. EINVAL, EPERM."""
    what, cap, *rest = args
    old = k.current.cred
    if any(rest) or (what == AMBIENT_CLEAR_ALL and cap):
        raise Errno(EINVAL)
    if what != AMBIENT_CLEAR_ALL and (
        not AMBIENT_IS_SET <= what <= AMBIENT_LOWER or cap > k.host.profile.last_cap
    ):
        raise Errno(EINVAL)
    bit = 1 << cap
    if what == AMBIENT_IS_SET:
        return int(bool(old.cap_ambient & bit))
    if what == AMBIENT_RAISE and (
        not old.cap_permitted & old.cap_inheritable & bit
        or old.securebits & SECBIT_NO_CAP_AMBIENT_RAISE
    ):
        raise Errno(EPERM)
    new = prepare_creds(k)
    if what == AMBIENT_RAISE:
        new.cap_ambient |= bit
    else:
        new.cap_ambient = 0 if what == AMBIENT_CLEAR_ALL else new.cap_ambient & ~bit
    commit_creds(k, new)
    return 0


def _get_tid_address(k: Kernel, address: int) -> int:
    put_user(k, k.current.clear_child_tid, address)
    return 0


def _no_effect(k: Kernel, _: int) -> int:
    return 0


#: By option: PR_SET_PDEATHSIG 1, … (linux/prctl.h).
OPTIONS: dict[int, Callable[[Kernel, int], int]] = {
    1: _set_pdeathsig,
    2: _get_pdeathsig,
    3: _get_dumpable,
    4: _set_dumpable,
    7: _get_keepcaps,
    8: _set_keepcaps,
    13: _get_timing,
    14: _set_timing,
    15: _set_name,
    16: _get_name,
    21: _get_seccomp,
    23: _capbset_read,
    24: _capbset_drop,
    25: _get_tsc,
    26: _set_tsc,
    27: _get_securebits,
    28: _set_securebits,
    29: _set_timerslack,
    30: _get_timerslack,
    31: _no_effect,  # PR_TASK_PERF_EVENTS_DISABLE and ENABLE: there are none
    32: _no_effect,
    36: _set_child_subreaper,
    37: _get_child_subreaper,
    40: _get_tid_address,
}


def _no_new_privs(k: Kernel, option: int, args: tuple[int, int, int, int]) -> int:
    """PR_SET_NO_NEW_PRIVS, which cannot be taken back, and PR_GET_NO_NEW_PRIVS. EINVAL."""
    expected = 1 if option == PR_SET_NO_NEW_PRIVS else 0
    if args != (expected, 0, 0, 0):
        raise Errno(EINVAL)
    if option == PR_SET_NO_NEW_PRIVS:
        k.current.no_new_privs = True
        return 0
    return int(k.current.no_new_privs)


def _thp_disable(k: Kernel, option: int, args: tuple[int, int, int, int]) -> int:
    """PR_SET_THP_DISABLE and PR_GET_THP_DISABLE: there are no huge pages, but it is remembered. EINVAL."""
    mm = user_mm(k)
    if any(args[1:]) or (option == PR_GET_THP_DISABLE and args[0]):
        raise Errno(EINVAL)
    if option == PR_GET_THP_DISABLE:
        return int(mm.thp_disable)
    mm.thp_disable = bool(args[0])
    return 0


def _mdwe(k: Kernel, option: int, args: tuple[int, int, int, int]) -> int:
    """PR_SET_MDWE and PR_GET_MDWE: no writable memory becomes code. EINVAL; EPERM to take it back."""
    mm, bits = user_mm(k), args[0]
    if option == PR_GET_MDWE:
        if any(args):
            raise Errno(EINVAL)
        return mm.mdwe
    known = PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT
    if any(args[1:]) or bits & ~known or bits == PR_MDWE_NO_INHERIT:
        raise Errno(EINVAL)
    if mm.mdwe not in (0, bits):
        raise Errno(EPERM)
    mm.mdwe = bits
    return 0


def _user_dispatch(k: Kernel, _option: int, args: tuple[int, int, int, int]) -> int:
    return set_syscall_user_dispatch(k, k.current, *args)


def _mce_kill(k: Kernel, option: int, args: tuple[int, int, int, int]) -> int:
    """PR_MCE_KILL and PR_MCE_KILL_GET: memory never fails here. EINVAL."""
    if option == PR_MCE_KILL_GET:
        if any(args):
            raise Errno(EINVAL)
        return k.current.mce_kill
    what, policy, *rest = args
    if any(rest) or what > 1 or (what == 0 and policy) or policy > 2:
        raise Errno(EINVAL)
    k.current.mce_kill = policy if what else PR_MCE_KILL_DEFAULT
    return 0


def _set_seccomp(k: Kernel, _option: int, args: tuple[int, int, int, int]) -> int:
    return prctl_set_seccomp(k, args[0], args[1])


PR_SET_SECCOMP, PR_MCE_KILL, PR_MCE_KILL_GET, PR_MCE_KILL_DEFAULT = 22, 33, 34, 2
PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE = 38, 39, 41, 42
PR_SET_MDWE, PR_GET_MDWE, PR_CAP_AMBIENT = 65, 66, 47
PR_SET_SYSCALL_USER_DISPATCH = 59
PR_TSC_ENABLE, PR_TSC_SIGSEGV = 1, 2
#: Options that look at more than one argument.
WIDE: dict[int, Callable[[Kernel, int, tuple[int, int, int, int]], int]] = {
    PR_SET_SECCOMP: _set_seccomp,
    PR_MCE_KILL: _mce_kill,
    PR_MCE_KILL_GET: _mce_kill,
    PR_SET_NO_NEW_PRIVS: _no_new_privs,
    PR_GET_NO_NEW_PRIVS: _no_new_privs,
    PR_SET_THP_DISABLE: _thp_disable,
    PR_GET_THP_DISABLE: _thp_disable,
    PR_SET_MDWE: _mdwe,
    PR_GET_MDWE: _mdwe,
    PR_CAP_AMBIENT: _cap_ambient,
    PR_SET_SYSCALL_USER_DISPATCH: _user_dispatch,
}


@syscall(172, "option:prctl_option arg2:hex arg3:hex arg4:hex arg5:hex")
def sys_prctl(k: Kernel, option: int, arg2: int, arg3: int, arg4: int, arg5: int) -> int:
    """prctl. An option that is not there is EINVAL."""
    wide = WIDE.get(option)
    if wide is not None:
        return wide(k, option, (arg2, arg3, arg4, arg5))
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
