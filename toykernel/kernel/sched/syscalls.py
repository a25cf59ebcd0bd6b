"""The scheduler's system calls (kernel/sched.c, kernel/sys.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.sched import core

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel


def sys_sched_yield(k: Kernel) -> int:
    """Let the others have their turn."""
    core.update_rq_clock(k)
    core.class_of(k, k.current).yield_task(k)
    core.resched_task(k, k.current)
    return 0
