"""struct seccomp_filter (kernel/seccomp.c): a program that judges system calls; its heirs share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.record import dataclass

if TYPE_CHECKING:
    from toykernel.kernel import bpf
    from toykernel.state import Kernel


@dataclass(eq=False)
class SeccompFilter:
    """A program, and those that were added before it. `count`: tasks whose newest it is, and filters that
    were added to it."""

    slab: int
    program: bpf.Program
    prev: SeccompFilter | None = None
    count: int = 1

    @property
    def path(self) -> int:
        """Instructions of this filter and all before it, as they are counted."""
        before = self.prev.path + 4 if self.prev is not None else 0
        return len(self.program) + before


def get_seccomp_filter(one: SeccompFilter | None) -> SeccompFilter | None:
    """One more reference to a task's filters; the newest."""
    if one is not None:
        one.count += 1
    return one


def put_seccomp_filter(k: Kernel, one: SeccompFilter | None) -> None:
    """One reference less; the last one frees a filter, and lets go of the one before."""
    while one is not None:
        one.count -= 1
        if one.count:
            return
        k.memory.slabs.seccomp.free(k, one.slab)
        one = one.prev
