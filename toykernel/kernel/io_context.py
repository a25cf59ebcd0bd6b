"""What tasks that do their input and output together share: a priority (block/blk-ioc.c; fork-path G)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(eq=False)
class IoContext:
    """struct io_context: I/O priority, shared with CLONE_IO."""

    slab: int
    ioprio: int = 0
    nr_tasks: int = 1


def exit_io_context(k: Kernel, p: Task) -> None:
    """One user of a task's I/O priorities less; the last one frees the record."""
    ioc, p.io_context = p.io_context, None
    if ioc is not None:
        ioc.nr_tasks -= 1
        if not ioc.nr_tasks:
            k.memory.slabs.ioc.free(k, ioc.slab)
