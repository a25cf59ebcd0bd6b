"""The end of a task's record (kernel/fork.c): who holds it, and what goes with the last holder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.arch.x86.thread_info import free_thread_info
from toykernel.kernel.cred import put_cred
from toykernel.kernel.seccomp_filter import put_seccomp_filter
from toykernel.kernel.signal_types import put_signal_struct

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def release_seccomp_filter(k: Kernel, p: Task) -> None:
    """The filters of a task's calls, which makes no more."""
    judge, p.seccomp_filter = p.seccomp_filter, None
    put_seccomp_filter(k, judge)


def free_task(k: Kernel, p: Task) -> None:
    """The filters of its calls, the stack, then the record."""
    release_seccomp_filter(k, p)
    free_thread_info(k, p.stack)
    k.memory.slabs.task_struct.free(k, p.slab)


def put_task_struct(k: Kernel, p: Task) -> None:
    """One user of the record less: the task itself when it has been switched away from for the last
    time, and whoever released it. The last one frees record, stack and what hangs on them.
    """
    p.usage -= 1
    if not p.usage:
        put_cred(k, p.cred)
        put_signal_struct(k, p.signal)
        free_task(k, p)
        p.group_leader = (
            k.sched.idle
        )  # itself, mostly: Python would have to search for it as garbage
