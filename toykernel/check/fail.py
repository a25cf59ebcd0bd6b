"""Failure injection: chosen allocations of a chosen system call fail, and nothing may be left behind.

Every allocation has a name: a kind of frame ("page table", "kernel stack", "cow copy", …) or a slab
cache ("vm_area_struct", …; a cache that needs a fresh page asks for a "vm_area_struct slab" next). The
N-th of them inside the system call raises ENOMEM. When the call returns an error, the state of the
kernel is compared with what it was when the call began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME
from toykernel.check.owners import tables
from toykernel.errno import ENOMEM, Errno, is_error
from toykernel.errno import name as errno_name
from toykernel.kernel_state import PROGRAM_PID
from toykernel.syscall_table import BY_NAME

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
    from toykernel.mm.mm_types import MmStruct
    from toykernel.task import Task


def table_bytes(k: Kernel, mm: MmStruct) -> bytes:
    """The user half of an address space's tables as they lie in RAM: directory, then each table."""
    ram = k.machine.ram
    parts = [ram.read(mm.pgd, 768 * 4)]
    parts += [ram.read(pde & PTE_FRAME, 4096) for _, pde in tables(k, mm)]
    return b"".join(parts)


def fingerprint(k: Kernel) -> dict[str, object]:
    """What a call that failed must leave as it was, by name."""
    state: dict[str, object] = {
        "free frames": k.pages.free,
        "frame references": k.pages.counts(),
        "tasks": [task.pid for task in k.tasks],
        "nr_threads": k.nr_threads,
        "total_forks": k.total_forks,
        "process numbers in use": k.pids.in_use(),
        "address spaces": sorted(k.mms),
        "mapped objects": sorted(k.mappings),
        "executed files": {ident: inode.i_writecount for ident, inode in k.exe_files.items()},
        "origins of address spaces": sorted(k.fork_origins),
        "reverse map": {pfn: k.rmap.entries(pfn) for pfn in k.rmap.mapped()},
    }
    for cache in k.caches():
        state[f"slab {cache.name}"] = (cache.active, sorted(cache.pages()))
    for mm in k.mms.values():
        state[f"page tables of mm {mm.ident}"] = table_bytes(k, mm)
        state[f"areas of mm {mm.ident}"] = [
            (a.vm_start, a.vm_end, a.vm_flags, a.vm_pgoff, a.slab) for a in mm
        ]
        state[f"counts of mm {mm.ident}"] = (mm.rss, mm.nr_ptes, mm.total_vm, mm.locked_vm)
    return state


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """What is not as it was, in words."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            shown = "" if isinstance(old, bytes) else f": {old!r:.200} became {new!r:.200}"
            found.append(name + shown)
    return found


@dataclass(frozen=True)
class Injection:
    """One failure that was injected: which allocation of the call, what the call answered, and what
    was not as before when it returned an error."""

    number: int
    what: str
    errno: str
    left_behind: tuple[str, ...]


@dataclass
class Injector:
    """Counts the allocations of one system call by the program and its children, and fails some.

    With `nth` the N-th of the run fails. Without, every call fails at one allocation more than the
    one before, until one succeeds: a program that calls until it succeeds sweeps them all, and so
    does the next caller.
    """

    kernel: Kernel
    syscall: str = "fork"
    nth: int | None = None
    done: list[Injection] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # allocations of the run, or of the present call

    def __post_init__(self) -> None:
        if self.syscall not in BY_NAME:
            raise ValueError(f"there is no system call {self.syscall}")
        self._number = BY_NAME[self.syscall].number
        self._target = self.nth or 1
        self._caller: Task | None = None
        self._failed = ""
        self._before: dict[str, object] = {}
        self.kernel.pages.may_fail = self._allocating
        self.kernel.trace.sys_enter.append(self._enter)
        self.kernel.trace.sys_exit.append(self._exit)

    def _enter(self, task: Task, number: int, _words: list[int]) -> None:
        if number != self._number or task.pid < PROGRAM_PID or not self.kernel.stats.started:
            return
        if self.nth is None:
            self.seen = []
        self._caller, self._failed = task, ""
        self._before = fingerprint(self.kernel)

    def _allocating(self, what: str) -> None:
        if self._caller is None or self._caller is not self.kernel.current:
            return
        self.seen.append(what)
        if len(self.seen) == self._target:
            self._failed = what
            raise Errno(ENOMEM)

    def _exit(self, task: Task, _number: int, result: int) -> None:
        if task is not self._caller:
            return
        self._caller = None
        if not self._failed:
            if self.nth is None:
                self._target = 1  # this caller is through; the next starts over
            return
        left: list[str] = []
        answer = "success"
        if is_error(result):
            left = differences(self._before, fingerprint(self.kernel))
            answer = errno_name(-result)
        self.done.append(Injection(self._target, self._failed, answer, tuple(left)))
        if self.nth is None:
            self._target += 1

    def summary(self) -> str:
        """One line for people about the N-th allocation."""
        if not self.done:
            return (
                f"{self.syscall} made {len(self.seen)} allocations: "
                f"there was no allocation {self.nth} to fail"
            )
        one = self.done[0]
        left = f"; left behind: {'; '.join(one.left_behind)}" if one.left_behind else ""
        return f"allocation {one.number} of {self.syscall} ({one.what}) failed: {one.errno}{left}"
