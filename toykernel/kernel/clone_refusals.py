"""The flags of clone that copy_process does not take together (kernel/fork.c; fork-path D1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.record import dataclass
from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.kernel.clone_flags import (
    CLONE_FS,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_PARENT,
    CLONE_PID,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from toykernel.kernel.cred import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, capable
from toykernel.task import SIGNAL_UNKILLABLE

if TYPE_CHECKING:
    from toykernel.state import Kernel


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
    """fork-path D1: the first row of REFUSALS that the flags fit.

    Raises Errno with the row's error.
    """
    for row in REFUSALS:
        if flags & row.present == row.present and not flags & row.absent and row.holds(k):
            raise Errno(row.errno)


def check_user_namespace(k: Kernel, flags: int) -> None:
    """fork-path C1, before anything is allocated. Raises Errno(EINVAL) with CLONE_THREAD,
    Errno(EPERM) without the capabilities.
    """
    if not flags & CLONE_NEWUSER:
        return
    if flags & CLONE_THREAD:
        raise Errno(EINVAL)
    if not all(capable(k, cap) for cap in (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID)):
        raise Errno(EPERM)
