"""The user address spaces that there are, and whose they are: the one list of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel
    from toykernel.task import Task


def address_spaces(k: Kernel) -> list[MmStruct]:
    """Each once, in order of their numbers; that of an exec that waits for other threads, too."""
    found = {task.mm.ident: task.mm for task in k.processes.tasks if task.mm is not None}
    found |= {
        task.bprm.mm.ident: task.bprm.mm for task in k.processes.tasks if task.bprm is not None
    }
    return [found[ident] for ident in sorted(found)]


def users(k: Kernel, mm: MmStruct) -> list[Task]:
    """The tasks that live in an address space, or will when their exec is done."""
    return [t for t in k.processes.tasks if t.mm is mm or (t.bprm is not None and t.bprm.mm is mm)]


def users_of(k: Kernel, mm: MmStruct) -> str:
    """For messages: whose address space it is."""
    return ", ".join(f"pid {t.pid} ({t.comm})" for t in users(k, mm)) or f"mm {mm.ident}"
