"""Who may look into another process (ptrace_may_access, kernel/ptrace.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.cred import CAP_SYS_PTRACE, capable

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def ptrace_may_access(k: Kernel, task: Task) -> bool:
    """Whether the current task may see all of another: of its own group, with the same ids and of a
    process that may be dumped, or with CAP_SYS_PTRACE.
    """
    if task.signal is k.current.signal or capable(k, CAP_SYS_PTRACE):
        return True
    mine, other = k.current.cred, task.cred
    same_user = {other.uid, other.euid, other.suid} == {mine.uid}
    same_group = {other.gid, other.egid, other.sgid} == {mine.gid}
    return same_user and same_group
