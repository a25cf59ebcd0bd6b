"""The page faults of a run, as records: who, where, what was done, which frames."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from emu.notebook import number, table
from emu.record import dataclass
from toykernel.collector import Collector
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

#: How many records are kept: the last ones.
KEPT = 4096


@dataclass(frozen=True)
class FaultRecord:
    """One page fault that has been dealt with.

    `kind` is one of task.FAULT_KINDS. `address` is linear; `ip` the user instruction (for the kernel's
    own access, the system call's return address, and `syscall` its number). `error_code` is the CPU's,
    None for an access of the kernel's. Frames are page frame numbers, their counts those right
    afterwards.
    """

    cycles: int
    pid: int
    comm: str
    kind: str
    address: int
    ip: int
    error_code: int | None
    syscall: int | None
    old_frame: int | None
    new_frame: int | None
    old_count: int
    new_count: int

    def _rows(self) -> list[tuple[str, str]]:
        """What happened, addresses and frames in hex."""
        code = "-" if self.error_code is None else f"{self.error_code:#x}"
        call = "-" if self.syscall is None else name_of(self.syscall)
        frames = ((self.old_frame, self.old_count), (self.new_frame, self.new_count))
        old, new = (
            "-" if pfn is None else f"{pfn:#x} ({count} references)" for pfn, count in frames
        )
        return [
            ("cycles", f"{self.cycles}"),
            ("pid", f"{self.pid} ({self.comm})"),
            ("kind", self.kind),
            ("address", number(self.address)),
            ("ip", number(self.ip)),
            ("error_code", code),
            ("syscall", call),
            ("old_frame", old),
            ("new_frame", new),
        ]

    def __repr__(self) -> str:
        return f"<fault {', '.join(f'{name} {text}' for name, text in self._rows())}>"

    def _repr_html_(self) -> str:
        return table(f"page fault: {self.kind}", self._rows())

    @classmethod
    def of(
        cls,
        k: Kernel,
        task: Task,
        kind: str,
        address: int,
        frames: tuple[int | None, int | None],
        error_code: int | None,
    ) -> FaultRecord:
        """From what the tracepoint `fault` tells; `frames` are the old one and the new one."""
        old, new = frames
        return cls(
            cycles=k.machine.clock.cycles,
            pid=task.pid,
            comm=task.comm,
            kind=kind,
            address=address,
            ip=k.task_pt_regs(task).ip,
            error_code=error_code,
            syscall=task.syscall if error_code is None else None,
            old_frame=old,
            new_frame=new,
            old_count=0 if old is None else k.memory.pages.page_count(old),
            new_count=0 if new is None else k.memory.pages.page_count(new),
        )


class FaultLog(Collector):
    """Listens, and keeps the last records; `newest` is the one that was added last."""

    collected = ("_trap",)
    shared = ("records",)

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.records: deque[FaultRecord] = deque(maxlen=KEPT)
        self._trap: tuple[Task, int, int] | None = None  # task, address, error code
        k.host.trace.page_fault.append(self._on_page_fault)
        k.host.trace.fault.append(self._on_fault)

    @property
    def newest(self) -> FaultRecord | None:
        """The last fault; None before the first."""
        return self.records[-1] if self.records else None

    def _on_page_fault(self, task: Task, address: int, error_code: int, ip: int) -> None:
        self._trap = (task, address, error_code)

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        error_code = None
        if self._trap is not None and self._trap[0] is task:
            _, address, error_code = self._trap  # the byte, not just the page
        self._trap = None
        frames = (old, new)
        self.records.append(FaultRecord.of(self._k, task, kind, address, frames, error_code))
