"""The COW journal: the life of every user frame, event by event.

    allocated   a page was touched for the first time, or exec put the program there
    shared      a fork mapped the frame into the child too
    copied      a write found it shared: the writer got a copy, which is another frame
    reused      a write found nobody else: the entry just became writable again
    mapped      somebody else touched a page of a file, or of shared memory, that was there already
    moved       mremap took the entry to another address
    held        the kernel keeps the frame for later (vmsplice): one more reference
    released    and has let go of it
    unmapped    an entry that mapped it is gone, others are left
    freed       its last reference is gone

A listener on the kernel's tracepoints; the kernel does not know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.pgtable import pte_present
from toykernel.collector import Collector
from toykernel.look.page_tables import entries
from toykernel.look.program import of_program
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel
    from toykernel.task import Task

ALLOCATED, SHARED, COPIED, REUSED = "allocated", "shared", "copied", "reused"
UNMAPPED, FREED, MAPPED, MOVED = "unmapped", "freed", "mapped", "moved"
HELD, RELEASED = "held", "released"
#: How a source line is found: (task, user instruction) to `file:line: text`, or "".
Locate = Callable[["Task", int], str]


@dataclass(frozen=True)
class CowEvent:
    """One event in a frame's life.

    `frame` is a page frame number and `life` counts how often it has been allocated. `address` is linear.
    `eip` is the user instruction; in a system call (`syscall`) the one behind it. `source` is its line.
    `child` is the pid that a fork made, `other` the frame copied to (or from: `reason` says which),
    `count` the frame's references afterwards.
    """

    cycles: int
    event: str
    frame: int
    life: int
    pid: int
    comm: str
    address: int | None = None
    eip: int | None = None
    syscall: str | None = None
    source: str = ""
    reason: str = ""
    child: int | None = None
    other: int | None = None
    count: int = 0

    def __str__(self) -> str:
        where = f" at {self.address:#010x}" if self.address is not None else ""
        text = f"{self.cycles:>10}  frame {self.frame:#07x}{where} {self._what()}"
        text += f", {self.count} reference{'s' * (self.count != 1)}; pid {self.pid} ({self.comm})"
        if self.syscall is not None:
            text += f" in {self.syscall}"
        if self.eip is not None:
            text += f" eip {self.eip:#010x}"
        return text + (f" {self.source}" if self.source else "")

    def _what(self) -> str:
        if self.event == SHARED:
            return f"shared with pid {self.child}"
        if self.event == COPIED:
            return f"copied to frame {self.other:#07x}"
        if self.event == REUSED:
            return "writable again"
        if self.event == ALLOCATED and self.other is not None:
            return f"allocated, {self.reason} {self.other:#07x}"
        return f"{self.event}{', ' + self.reason if self.reason else ''}"


class CowJournal(Collector):
    """Listens from now on. `emit` (may be set later) hears of every event as it happens.

    What init does before the program's first instruction is left out.
    """

    collected = ("_lives", "_alive", "_moving", "_forking")
    shared = ("events",)

    def __init__(
        self,
        k: Kernel,
        *,
        locate: Locate | None = None,
        emit: Callable[[CowEvent], None] | None = None,
    ) -> None:
        self._k = k
        self._locate = locate or (lambda task, eip: "")
        self.emit = emit
        self.events: list[CowEvent] = []
        self._lives: dict[int, int] = {}  # frame -> how often it has been allocated
        self._alive: dict[int, None] = {}  # frames with a life that has begun
        self._moving: int | None = None  # where mremap is taking an entry from
        self._forking: dict[int, list[tuple[int, int]]] = {}  # mm of a child -> frame, address
        trace = k.host.trace
        trace.fault.append(self._on_fault)
        trace.set_pte.append(self._on_set_pte)
        trace.move_pte.append(self._on_move)
        trace.page_pin.append(self._on_pin)
        trace.process_exec.append(self._on_exec)
        trace.process_fork.append(self._on_fork)
        trace.sys_exit.append(self._on_sys_exit)
        trace.page_free.append(self._on_free)

    def close(self) -> None:
        """Take every listener out of the kernel; the events stay."""
        trace = self._k.host.trace
        trace.fault.remove(self._on_fault)
        trace.set_pte.remove(self._on_set_pte)
        trace.move_pte.remove(self._on_move)
        trace.page_pin.remove(self._on_pin)
        trace.process_exec.remove(self._on_exec)
        trace.process_fork.remove(self._on_fork)
        trace.sys_exit.remove(self._on_sys_exit)
        trace.page_free.remove(self._on_free)

    # -- asking ------------------------------------------------------------------------------------

    def life(self, frame: int, life: int | None = None) -> list[CowEvent]:
        """Everything that happened to a frame, in its last life or a given one."""
        wanted = self._lives.get(frame, 0) if life is None else life
        return [e for e in self.events if e.frame == frame and e.life == wanted]

    def at(self, pid: int, address: int) -> list[CowEvent]:
        """Everything that a task did or that was done to it at one page."""
        page = address & ~0xFFF
        return [e for e in self.events if e.address == page and pid in (e.pid, e.child)]

    def of_page(self, pid: int, address: int, frame: int | None) -> list[CowEvent]:
        """What a task saw at a page, and the whole life of the frame that is there now."""
        page = address & ~0xFFF
        life = self._lives.get(frame, 0) if frame is not None else 0
        return [
            e
            for e in self.events
            if (e.address == page and pid in (e.pid, e.child))
            or (frame is not None and (e.frame, e.life) == (frame, life))
        ]

    def data(self) -> list[dict[str, Any]]:
        """For the report: one record for each life of each frame, in order of birth."""
        lives: dict[tuple[int, int], list[CowEvent]] = {}
        for event in self.events:
            lives.setdefault((event.frame, event.life), []).append(event)
        return [
            {"frame": frame, "events": [_plain(event) for event in events]}
            for (frame, _), events in lives.items()
        ]

    # -- listening ---------------------------------------------------------------------------------

    def _watching(self, task: Task) -> bool:
        return of_program(task)

    def _add(self, event: str, frame: int, task: Task, **details: Any) -> None:
        if frame not in self._alive:
            if event != ALLOCATED:
                return  # from before the program, or the kernel's own
            self._alive[frame] = None
            self._lives[frame] = self._lives.get(frame, 0) + 1
        in_kernel = task.syscall is not None
        details.setdefault("count", self._k.memory.pages.page_count(frame))
        # A task that is being killed has no more instructions of its own.
        eip = self._k.task_pt_regs(task).ip if task.mm is not None else None
        record = CowEvent(
            cycles=self._k.machine.clock.cycles,
            event=event,
            frame=frame,
            life=self._lives[frame],
            pid=task.pid,
            comm=task.comm,
            eip=eip,
            syscall=name_of(task.syscall) if task.syscall is not None else None,
            source=self._locate(task, eip - 2 * in_kernel) if eip is not None else "",
            **details,
        )
        self.events.append(record)
        if self.emit is not None:
            self.emit(record)

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        if not self._watching(task):
            return
        page = address & ~0xFFF
        if kind == "cow_copied" and old is not None and new is not None:
            self._add(COPIED, old, task, address=page, other=new)
            self._add(ALLOCATED, new, task, address=page, reason="a copy of frame", other=old)
        elif kind == "cow_reused" and new is not None:
            self._add(REUSED, new, task, address=page)
        elif kind == "not_present" and new is not None:
            if new in self._alive:
                self._add(MAPPED, new, task, address=page)
            elif old is None:
                self._add(ALLOCATED, new, task, address=page, reason="first touch")
            else:
                reason = "a private copy of the file's frame"
                self._add(ALLOCATED, new, task, address=page, reason=reason, other=old)

    def _on_set_pte(self, mm: MmStruct, address: int, old: int, new: int) -> None:
        task = self._k.current
        if pte_present(old) and not pte_present(new):
            frame = old >> PAGE_SHIFT
            left = self._k.memory.pages.page_count(frame) - 1  # the reference goes right afterwards
            moving, self._moving = self._moving == address, None
            if moving:
                return
            if self._watching(task) and left and mm.ident not in self._forking:
                self._add(UNMAPPED, frame, task, address=address, count=left)
        elif pte_present(new) and not pte_present(old) and mm is not task.mm:
            self._forking.setdefault(mm.ident, []).append((new >> PAGE_SHIFT, address))

    def _on_move(self, mm: MmStruct, old: int, new: int, pte: int) -> None:
        self._moving = old
        if self._watching(self._k.current) and pte_present(pte):
            reason = f"from {old:#010x}"
            self._add(MOVED, pte >> PAGE_SHIFT, self._k.current, address=new, reason=reason)

    def _on_pin(self, pfn: int, held: bool) -> None:
        task = self._k.current
        if self._watching(task):
            count = self._k.memory.pages.page_count(pfn) - (
                not held
            )  # the reference goes right afterwards
            kind = HELD if held else RELEASED
            self._add(kind, pfn, task, reason="by the kernel", count=count)

    def _on_exec(self, task: Task, path: str) -> None:
        if self._watching(task) and task.mm is not None:
            for entry in entries(self._k, task.mm):
                self._add(ALLOCATED, entry.pfn, task, address=entry.address, reason="by exec")

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        mapped = self._forking.pop(child.mm.ident, []) if child.mm is not None else []
        if not self._watching(parent):
            return
        for frame, address in mapped:
            if self._k.memory.rmap.mapcount(frame) > 1:
                self._add(SHARED, frame, parent, address=address, child=child.pid)
            else:
                reason = f"the child {child.pid} has its own copy"
                self._add(ALLOCATED, frame, parent, address=address, reason=reason)

    def _on_sys_exit(self, task: Task, number: int, result: int) -> None:
        self._forking.clear()  # of a fork that failed, or an exec

    def _on_free(self, frame: int, order: int) -> None:
        if frame in self._alive:
            self._add(FREED, frame, self._k.current)
            del self._alive[frame]


def _plain(event: CowEvent) -> dict[str, Any]:
    return {name: value for name, value in asdict(event).items() if value not in (None, "")}


def text(events: Iterable[CowEvent]) -> str:
    """For people: a line for each event."""
    return "".join(f"{event}\n" for event in events)
