"""What fork refuses before it has made anything worth undoing (kernel/fork.c; fork-path C1, D1, D4, D6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.errno import EAGAIN, EINVAL, EPERM, Errno
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
    CloneArgs,
)
from toykernel.kernel.cred import (
    CAP_SETGID,
    CAP_SETUID,
    CAP_SYS_ADMIN,
    CAP_SYS_RESOURCE,
    capable,
)
from toykernel.kernel.signal_types import RLIM_INFINITY, RLIMIT_NPROC
from toykernel.task import PF_NPROC_EXCEEDED, SIGNAL_UNKILLABLE, Task

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel


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
    return k.profile.newuser_refusals


def _clone_pid_refused(k: Kernel) -> bool:
    return k.profile.clone_pid and k.current.pid != 0


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


def check_nproc(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D4. Raises Errno(EAGAIN)."""
    limit = p.signal.rlim[RLIMIT_NPROC][0]
    user = p.cred.user
    exceeded = limit != RLIM_INFINITY and user.processes >= limit and user is not k.root_user
    if exceeded and not capable(k, CAP_SYS_ADMIN) and not capable(k, CAP_SYS_RESOURCE):
        raise Errno(EAGAIN)
    k.current.flags &= ~PF_NPROC_EXCEEDED


def check_max_threads(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D6. Raises Errno(EAGAIN)."""
    if k.nr_threads >= k.max_threads:
        raise Errno(EAGAIN)
