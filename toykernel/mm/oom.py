"""Out of memory (mm/oom_kill.c), without the choice of a victim: the task that needs the page goes
(fork-path K11). The log says who holds what, as dump_tasks does on Linux."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel.printk import printk

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


def report_oom(k: Kernel, victim: Task) -> None:
    """Log what every process and the kernel hold, in frames, and who is killed.

    `alone` are the frames that nobody else holds: what the death of the process gives back, beside
    its tables.
    """
    totals = k.memory.pages.totals()
    printk(k, f"Out of memory: {totals.used} of {totals.managed} frames are in use")
    printk(k, "[ pid ]  tgid total_vm     rss   alone  tables name")
    alone = frames_alone(k)
    seen: dict[int, None] = {}
    for task in k.processes.tasks:
        mm = task.mm
        if mm is None or mm.ident in seen:
            continue
        seen[mm.ident] = None
        printk(
            k,
            f"[{task.pid:5}] {task.tgid:5} {mm.total_vm:8} {mm.rss:7} {alone.get(mm.ident, 0):7} "
            f"{mm.nr_ptes + 1:7} {task.comm}",
        )
    slabs = ", ".join(f"{c.name} {len(c.pages())}" for c in k.memory.slabs if c.pages())
    cached = sum(len(mapping.pages) for mapping in k.memory.mappings.values())
    stacks = 2 * sum(1 for task in k.processes.tasks if task is not k.sched.idle)
    printk(k, f"kernel: {stacks} in stacks, {cached} in the page cache, slabs: {slabs}")
    printk(k, f"Out of memory: killed process {victim.pid} ({victim.comm})")


def frames_alone(k: Kernel) -> dict[int, int]:
    """By the number of the address space: frames that nobody else holds."""
    found: dict[int, int] = {}
    for pfn in k.memory.rmap.mapped():
        spaces = {ident for ident, _ in k.memory.rmap.entries(pfn)}
        if len(spaces) == 1 and k.memory.pages.page_count(pfn) == k.memory.rmap.mapcount(pfn):
            ident = spaces.pop()
            found[ident] = found.get(ident, 0) + 1
    return found
