"""The flags of clone, what they may not be combined with, and the arguments of one call.

Sources: fork-path B1, C1, D1; include/linux/sched.h for the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.kernel.cred import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, capable
from toykernel.task import SIGNAL_UNKILLABLE

if TYPE_CHECKING:
    from toykernel.arch.x86.ptrace import PtRegs
    from toykernel.state import Kernel

CSIGNAL = 0x000000FF
CLONE_VM = 0x00000100
CLONE_FS = 0x00000200
CLONE_FILES = 0x00000400
CLONE_SIGHAND = 0x00000800
CLONE_PID = 0x00001000  # 2.4 only
CLONE_PTRACE = 0x00002000
CLONE_VFORK = 0x00004000
CLONE_PARENT = 0x00008000
CLONE_THREAD = 0x00010000
CLONE_NEWNS = 0x00020000
CLONE_SYSVSEM = 0x00040000
CLONE_SETTLS = 0x00080000
CLONE_PARENT_SETTID = 0x00100000
CLONE_CHILD_CLEARTID = 0x00200000
CLONE_DETACHED = 0x00400000
CLONE_UNTRACED = 0x00800000
CLONE_CHILD_SETTID = 0x01000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_IO = 0x80000000

FLAG_NAMES = {
    value: name
    for name, value in list(globals().items())
    if name.startswith("CLONE_") and isinstance(value, int)
}
CLONE_NEWNAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET


@dataclass
class CloneArgs:
    """One call of do_fork. Addresses are the caller's; 0 is none.

    `stack_start` 0 keeps the caller's stack pointer. `regs` is the caller's frame, or, for a kernel
    thread, the words of one. `protected` is filled by copy_mm: the parent's entries that lost their
    write bit, so that a failure can give it back.
    """

    flags: int
    stack_start: int
    regs: PtRegs | Mapping[str, int]
    parent_tidptr: int = 0
    child_tidptr: int = 0
    tls: int = 0
    idle: bool = False  # the boot-time idle task: it has number 0 and takes none
    protected: list[tuple[int, int, int]] = field(default_factory=list)

    def __contains__(self, flag: int) -> bool:
        """`CLONE_VM in args`: whether every bit of a mask is set."""
        return self.flags & flag == flag


@dataclass(frozen=True)
class Refusal:
    """A combination that copy_process does not take: all of `present`, none of `absent`."""

    present: int
    absent: int
    errno: int
    why: str
    holds: Callable[[Kernel], bool] = lambda k: True


def _unkillable(k: Kernel) -> bool:
    return bool(k.current.signal.flags & SIGNAL_UNKILLABLE)


def _newuser_refusals(k: Kernel) -> bool:
    return k.host.profile.newuser_refusals


def _clone_pid_refused(k: Kernel) -> bool:
    return k.host.profile.clone_pid and k.current.pid != 0


#: fork-path D1 and the row "extra refusals" of N, in Linux's order.
REFUSALS = (
    Refusal(CLONE_PID, 0, EPERM, "CLONE_PID is for the boot process only", _clone_pid_refused),
    Refusal(CLONE_NEWNS | CLONE_FS, 0, EINVAL, "a new mount namespace cannot share root and cwd"),
    Refusal(
        CLONE_NEWUSER | CLONE_FS, 0, EINVAL, "a new user namespace cannot share root and cwd",
        _newuser_refusals,
    ),
    Refusal(CLONE_THREAD, CLONE_SIGHAND, EINVAL, "threads share their signal handlers"),
    Refusal(CLONE_SIGHAND, CLONE_VM, EINVAL, "handlers are addresses: they need one memory"),
    Refusal(CLONE_PARENT, 0, EINVAL, "init's siblings would have nobody to reap them", _unkillable),
    Refusal(
        CLONE_SIGHAND | CLONE_NEWUSER, 0, EINVAL, "handlers are not shared between user namespaces",
        _newuser_refusals,
    ),
    Refusal(
        CLONE_SIGHAND | CLONE_NEWPID, 0, EINVAL, "handlers are not shared between pid namespaces",
        _newuser_refusals,
    ),
)  # fmt: skip


def check_flags(k: Kernel, flags: int) -> None:
    """fork-path D1. Raises Errno."""
    for row in REFUSALS:
        if flags & row.present == row.present and not flags & row.absent and row.holds(k):
            raise Errno(row.errno)


def check_user_namespace(k: Kernel, flags: int) -> None:
    """fork-path C1: before anything is allocated. Raises Errno."""
    if not flags & CLONE_NEWUSER:
        return
    if flags & CLONE_THREAD:
        raise Errno(EINVAL)
    if not all(capable(k, cap) for cap in (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID)):
        raise Errno(EPERM)


def describe(flags: int) -> str:
    """`CLONE_VM|CLONE_FS|SIGCHLD`, as strace writes it."""
    names = [name for value, name in FLAG_NAMES.items() if flags & value]
    if flags & CSIGNAL:
        names.append(f"signal {flags & CSIGNAL}")
    return "|".join(names) or "0"
