"""task_struct: everything the kernel knows of one task, as plain data (include/linux/sched.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toykernel.kernel.sched.entity import SchedEntity
from toykernel.mm.mm_types import MmStruct

if TYPE_CHECKING:
    from toykernel.kernel.wait import Wait

TASK_RUNNING = 0
TASK_INTERRUPTIBLE = 1
TASK_UNINTERRUPTIBLE = 2
EXIT_ZOMBIE = 16
EXIT_DEAD = 32

STATE_LETTERS = {
    TASK_RUNNING: "R",
    TASK_INTERRUPTIBLE: "S",
    TASK_UNINTERRUPTIBLE: "D",
    EXIT_ZOMBIE: "Z",
    EXIT_DEAD: "X",
}

PF_STARTING = 0x00000002
PF_EXITING = 0x00000004
PF_WQ_WORKER = 0x00000020
PF_FORKNOEXEC = 0x00000040
PF_SUPERPRIV = 0x00000100
PF_SIGNALED = 0x00000400
PF_KTHREAD = 0x00200000

SIGNAL_UNKILLABLE = 0x00000040

FAULT_KINDS = ("not_present", "zero_page", "cow_copied", "cow_reused", "protection")


@dataclass
class ThreadStruct:
    """struct thread_struct: where the kernel half of the task goes on."""

    sp: int = 0  # kernel stack pointer while the task is not running
    sp0: int = 0  # top of the kernel stack, for the TSS
    ip: int = 0  # kernel address to go on at
    cr2: int = 0
    error_code: int = 0
    trap_no: int = 0
    fpu: int = 0  # address of the FPU save area; 0 before the first use


@dataclass
class SignalStruct:
    """struct signal_struct: what a thread group shares."""

    slab: int
    flags: int = 0
    group_exit_code: int = 0
    pgrp: int = 0
    session: int = 0


@dataclass
class TaskStats:
    """What a task has done since its last exec."""

    cycles: int = 0
    instructions: int = 0
    faults: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULT_KINDS, 0))


class Task:
    """struct task_struct. Two tasks are the same only when they are the same record."""

    def __init__(self, slab: int, stack: int, comm: str) -> None:
        self.slab = slab  # address of the record
        self.stack = stack  # virtual address of the kernel stack, thread_info at its base
        self.state = TASK_RUNNING
        self.exit_state = 0
        self.usage = 2
        self.flags = 0
        self.comm = comm
        self.pid = 0
        self.tgid = 0
        self.group_leader: Task = self
        self.real_parent: Task = self
        self.parent: Task = self
        self.children: list[Task] = []
        self.mm: MmStruct | None = None
        self.active_mm: MmStruct | None = None
        self.thread = ThreadStruct()
        self.signal = SignalStruct(0)
        self.pending: dict[int, dict[str, Any]] = {}  # signal number -> siginfo
        self.exit_code = 0
        self.exit_signal = 0
        self.did_exec = False
        self.on_rq = False
        self.se = SchedEntity()
        self.start_time = 0
        self.ran_since = (0, 0)  # cycles and instructions when it was last switched to
        self.utime_ticks = 0
        self.stime_ticks = 0
        self.syscall: int | None = None  # the call it is in
        self.wait: Wait | None = None  # what it sleeps on, and how it goes on
        self.stats = TaskStats()

    def __repr__(self) -> str:
        return f"<task {self.pid} {self.comm}>"

    @property
    def is_zombie(self) -> bool:
        """Dead, and not yet waited for."""
        return self.exit_state == EXIT_ZOMBIE

    @property
    def state_letter(self) -> str:
        """As ps shows it."""
        return STATE_LETTERS[self.exit_state or self.state]
