"""Threads that stand still because the client does not resume them (TASK_TRACED).

They are stopped where ptrace stops a thread, on its way out to user mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toykernel.arch.x86.asm_offsets import FIRST_EXTERNAL_VECTOR, RESCHEDULE_IRQ
from toykernel.gdb.processes import Processes
from toykernel.state import OutcomeKind
from toykernel.task import TASK_TRACED

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

_RESCHEDULE = FIRST_EXTERNAL_VECTOR + RESCHEDULE_IRQ


def parked(task: Task) -> bool:
    """Whether a thread stands still because the client does not resume it, and no guest's debugger."""
    return task.state == TASK_TRACED and task.wait is None


class Parking:
    """Of one kernel: `hold` are the threads that are to stand still. `changed` is called when one was made
    to, or let go: the guest is another one then."""

    def __init__(self, k: Kernel, processes: Processes, changed: Callable[[], None]) -> None:
        self._k = k
        self._processes = processes
        self._changed = changed
        self.hold: frozenset[int] = frozenset()

    def release(self) -> None:
        """Let those run again who stood still and are not held now."""
        released = False
        for task in self._k.processes.tasks:
            if parked(task) and task.pid not in self.hold:
                self._k.try_to_wake_up(task)
                released = True
        if released:
            self._undo_deadlock()
            self._changed()

    def let_go(self) -> None:
        """A process was detached: what of it stands still goes on with the next run, whoever runs it."""
        self.hold = frozenset(t.pid for t in self._processes.tasks() if parked(t))
        self.release()

    def _undo_deadlock(self) -> None:
        k = self._k
        if k.outcome is not None and k.outcome.kind is OutcomeKind.DEADLOCK:
            k.outcome = None
        if k.current is k.sched.idle:
            self._interrupt()

    def into_kernel(self, tgid: int) -> None:
        """If the CPU runs a process in user mode, have it look at its signals before anything else."""
        if self._k.current.tgid == tgid and self._k.machine.cpu.cpl == 3:
            self._interrupt()

    def send_away(self) -> None:
        """The running thread may be one that is to stand still: into the kernel with it."""
        if self._k.current.pid in self.hold and self._k.machine.cpu.cpl == 3:
            self._interrupt()
            self._changed()

    def _interrupt(self) -> None:
        """An interrupt of no device, as another CPU would send one."""
        machine = self._k.machine
        machine.halted = False
        machine.trap(machine.microcode.interrupt, _RESCHEDULE)

    def park(self, task: Task) -> None:
        """At restore_all: look for work again instead, which is to sleep."""
        task.state = TASK_TRACED
        self._k.machine.cpu.eip = self._k.host.symbols["work_resched"]
        self._changed()
