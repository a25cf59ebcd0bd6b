"""What tasks that do their input and output together share: a priority (block/blk-ioc.c; fork-path G)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.kernel.clone_flags import CLONE_IO

if TYPE_CHECKING:
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.kernel_state import Kernel
    from toykernel.task import Task


@dataclass(eq=False)
class IoContext:
    """struct io_context: I/O priority, shared with CLONE_IO."""

    slab: int
    ioprio: int = 0
    nr_tasks: int = 1


def copy_io(k: Kernel, p: Task, args: CloneArgs) -> None:
    """None unless the parent has one. Raises Errno(ENOMEM)."""
    old = k.current.io_context
    p.io_context = None
    if old is None:
        return
    if args.flags & CLONE_IO:
        old.nr_tasks += 1
        p.io_context = old
    elif old.ioprio:
        p.io_context = IoContext(k.ioc_cachep.alloc(), old.ioprio)


def exit_io_context(k: Kernel, p: Task) -> None:
    """One user less."""
    ioc, p.io_context = p.io_context, None
    if ioc is not None:
        ioc.nr_tasks -= 1
        if not ioc.nr_tasks:
            k.ioc_cachep.free(ioc.slab)
