"""Failure injection: chosen points of a chosen system call fail, and nothing may be left behind.

A point is an allocation, or, in the calls that make a task, a step of copy_process. Every allocation has a
name: a kind of frame ("page table", "kernel stack", "cow copy", …) or a slab cache ("vm_area_struct", …; a
cache that needs a fresh page asks for a "vm_area_struct slab" next). The N-th point inside the system call
fails. When the call returns an error, the state of the kernel is compared with what it was before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.paging import PTE_FRAME
from toykernel.check.objects import there_is
from toykernel.check.points import FORKS, FaultPoints, Point, expected_error
from toykernel.errno import is_error
from toykernel.errno import name as errno_name
from toykernel.look.page_tables import tables
from toykernel.look.program import of_program
from toykernel.syscall_table import BY_NAME

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel
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
        "free frames": k.memory.pages.free,
        "frame references": k.memory.pages.counts(),
        "tasks": [task.pid for task in k.processes.tasks],
        "nr_threads": k.processes.nr_threads,
        "total_forks": k.processes.total_forks,
        "process numbers in use": k.processes.pids.in_use(),
        "address spaces": sorted(k.memory.mms),
        "mapped objects": sorted(k.memory.mappings),
        "executed files": {
            ident: inode.i_writecount for ident, inode in k.memory.exe_files.items()
        },
        "reverse map": {pfn: k.memory.rmap.entries(pfn) for pfn in k.memory.rmap.mapped()},
    }
    state |= there_is(k)
    for cache in k.memory.slabs:
        state[f"slab {cache.name}"] = (cache.active, sorted(cache.pages()))
    for mm in k.memory.mms.values():
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
    """One failure that was injected: which point of the call, what the call answered, what it should
    have, and what was not as before when it returned an error."""

    number: int
    point: Point
    errno: str
    left_behind: tuple[str, ...]

    @property
    def step(self) -> str:
        """The step of copy_process, "" in calls that make no task."""
        return self.point.step

    @property
    def what(self) -> str:
        """What was allocated, or the function of the step."""
        return self.point.what

    @property
    def expected(self) -> str:
        """The error that Linux has for this point, by name."""
        return expected_error(self.step)


@dataclass
class Injector:
    """Counts the points (see points.py) of one system call by the program and its children, and lets
    some fail.

    With `nth` the N-th of the run fails. Without, every call fails at one point more than the one
    before, until one succeeds: a program that calls until it succeeds sweeps them all, and so does the
    next caller.
    """

    kernel: Kernel
    syscall: str = "fork"
    nth: int | None = None
    done: list[Injection] = field(default_factory=list)
    seen: int = 0  # points of the run

    def __post_init__(self) -> None:
        if self.syscall not in BY_NAME:
            raise ValueError(f"there is no system call {self.syscall}")
        self._number = BY_NAME[self.syscall].number
        self._target = self.nth or 1
        self._before: dict[str, object] = {}
        self._points = FaultPoints(self.kernel)
        self.kernel.host.trace.sys_enter.append(self._enter)
        self.kernel.host.trace.sys_exit.append(self._exit)

    def _enter(self, task: Task, number: int, _words: list[int]) -> None:
        if number != self._number or not of_program(task):
            return
        self._points.begin(task, number, self._target - (self.seen if self.nth else 0))
        self._before = fingerprint(self.kernel)

    def _exit(self, task: Task, _number: int, result: int) -> None:
        points = self._points
        if task is not points.caller:
            return
        points.end()
        self.seen += points.passed
        if points.failed is None:
            if self.nth is None:
                self._target = 1  # this caller is through; the next starts over
            return
        left: list[str] = []
        answer = "success"
        if is_error(result):
            left = differences(self._before, fingerprint(self.kernel))
            answer = errno_name(-result)
        self.done.append(Injection(self._target, points.failed, answer, tuple(left)))
        if self.nth is None:
            self._target += 1

    def summary(self) -> str:
        """One line for people about the N-th point."""
        noun = "point" if self._number in FORKS else "allocation"
        if not self.done:
            return (
                f"{self.syscall} had {self.seen} {noun}s that can fail: "
                f"there was no {noun} {self.nth} to fail"
            )
        one = self.done[0]
        left = (
            f"left behind: {'; '.join(one.left_behind)}" if one.left_behind else "nothing was left"
        )
        return f"{noun} {one.number} of {self.syscall} ({one.point}) failed: {one.errno}; {left}"
