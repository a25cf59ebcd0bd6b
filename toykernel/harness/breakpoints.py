"""Where a run is to stop: at code, at a system call, at a trap, after a fork, after a COW fault.

Breakpoints belong to whoever looks; the guest cannot notice them. Those in a program's code count only
for tasks that run that program, though init and others have code at the same addresses.

An instruction that faults, or before which an interrupt comes in, is executed again when the kernel is
done with that. It does not stop a second time: real hardware keeps EFLAGS.RF for the same purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu.hooks import MAX_BREAKS
from emu.machine import Event, Stop
from emu.microcode import VECTOR_NAMES, Delivery
from emu.paging import PTE_P
from toykernel import run_loop
from toykernel.collector import Collector, Data, Shared
from toykernel.look.image import Image
from toykernel.look.page_tables import entries
from toykernel.look.symbols import KERNEL, Code, Images
from toykernel.observe.faultlog import FaultLog, FaultRecord
from toykernel.state import Kernel, Outcome, OutcomeKind
from toykernel.syscall_table import BY_NAME, name_of

if TYPE_CHECKING:
    from toykernel.task import Task

ADDRESS, SYSCALL, TRAP, FORK, COW = "breakpoint", "syscall", "trap", "fork", "cow"
#: Cycles between two looks at whether the user wants the prompt back.
SLICE_CYCLES = 500_000
_VECTORS = {name.lstrip("#").lower(): vector for vector, name in VECTOR_NAMES.items()}


class BreakpointError(Exception):
    """A breakpoint that cannot be set or found; the text says why."""


@dataclass
class Breakpoint:
    """One place to stop. `value` is a system-call number or a vector; None means any."""

    number: int
    kind: str
    what: str
    addresses: tuple[int, ...] = ()
    image: Image | None = field(default=None, repr=False)
    value: int | None = None
    temporary: bool = False
    hits: int = 0


@dataclass(frozen=True)
class ForkRecord:
    """A fork that has been made: parent, child, and how many user frames both map."""

    parent: int
    comm: str
    child: int
    shared_frames: int


@dataclass(frozen=True)
class Hit:
    """A breakpoint was reached, by a task; `record` tells of the fork or the fault."""

    breakpoint: Breakpoint
    pid: int
    record: ForkRecord | FaultRecord | None = None


#: Asked at an address: stop here? For stops that are nobody's breakpoint (step over, run out).
Condition = Callable[[], bool]


def parse_vector(text: str) -> int:
    """A vector by number or by name: 14, 0x80, #PF, pf. Raises BreakpointError."""
    name = text.strip().lstrip("#").lower()
    if name in _VECTORS:
        return _VECTORS[name]
    try:
        vector = int(name, 0)
    except ValueError:
        vector = -1
    if not 0 <= vector <= 255:
        raise BreakpointError(f"{text} is not a vector: 0 to 255, or a name such as #PF")
    return vector


def parse_syscall(text: str) -> int:
    """A system call by name or number. Raises BreakpointError."""
    name = text.strip()
    if name in BY_NAME:
        return BY_NAME[name].number
    try:
        return int(name, 0) & 0xFFFFFFFF
    except ValueError:
        raise BreakpointError(f"{text} is not a system call: a name or a number") from None


class Breakpoints(Collector):
    """All breakpoints of a session, and the run that honours them."""

    def __init__(self, k: Kernel, images: Images, faults: FaultLog) -> None:
        """`faults` has registered with the kernel already."""
        self.kernel = k
        self.images = images
        self._faults = faults
        self.all: dict[int, Breakpoint] = {}
        self.next_number = 1
        self.hit: list[Hit] = []  # of the stop that was last
        self._pending: list[Hit] = []  # fork and cow, until the gate has returned
        self._reported: dict[int, tuple[int, int]] = {}  # pid -> eip, instructions done
        self._restarts: dict[int, int] = {}  # pid -> eip of an instruction that is to go on
        #: Asked between slices; True ends the run with Outcome("interrupted").
        self.interrupted: Condition = lambda: False
        #: Set by a listener to end the run when the gate has returned; the text says why.
        self.pause: str | None = None
        self._system_call = k.host.symbols["system_call"]
        k.machine.trap_listeners.append(self._on_trap)
        k.host.trace.process_fork.append(self._on_fork)
        k.host.trace.fault.append(self._on_fault)

    def close(self) -> None:
        """Take every breakpoint out and stop listening."""
        self.all.clear()
        self._arm({})
        k = self.kernel
        k.machine.trap_listeners.remove(self._on_trap)
        k.host.trace.process_fork.remove(self._on_fork)
        k.host.trace.fault.remove(self._on_fault)

    # -- setting -----------------------------------------------------------------------------------

    def add(self, where: str | int, *, temporary: bool = False) -> Breakpoint:
        """LABEL, FILE:LINE, LINE, `syscall [NAME]`, `trap N`, `fork`, `cow`, or an address.

        Raises SymbolError or BreakpointError.
        """
        if isinstance(where, int):
            return self.add_address(where, f"*{where:#010x}", temporary=temporary)
        word, _, rest = where.strip().partition(" ")
        rest = rest.strip()
        if not word:
            raise BreakpointError("a breakpoint needs a place: see help break")
        if word in (FORK, COW) and not rest:
            return self._add(Breakpoint(0, word, word, temporary=temporary))
        if word == SYSCALL:
            number = parse_syscall(rest) if rest else None
            what = "any system call" if number is None else name_of(number)
            code = (self._system_call,)
            return self._add(Breakpoint(0, SYSCALL, what, code, None, number, temporary))
        if word == TRAP:
            vector = parse_vector(rest)
            what = VECTOR_NAMES.get(vector, f"{vector:#x}")
            return self._add(Breakpoint(0, TRAP, what, (), None, vector, temporary))
        return self.add_code(self.images.code(where.strip()), temporary=temporary)

    def add_code(self, code: Code, *, temporary: bool = False) -> Breakpoint:
        """At the addresses of a name or line, for tasks that run its image (the kernel: all)."""
        image = None if code.image.name == KERNEL else code.image
        return self._add(Breakpoint(0, ADDRESS, code.what, code.addresses, image, None, temporary))

    def add_address(self, address: int, what: str, *, temporary: bool = False) -> Breakpoint:
        """At a linear address, whoever comes there."""
        if not 0 <= address <= 0xFFFFFFFF:
            raise BreakpointError(f"{address:#x} is not an address of 32 bits")
        return self._add(Breakpoint(0, ADDRESS, what, (address,), None, None, temporary))

    def _add(self, point: Breakpoint) -> Breakpoint:
        wanted = {a for p in (*self.all.values(), point) for a in p.addresses}
        if len(wanted) > MAX_BREAKS - 64:  # some are kept for stepping
            raise BreakpointError(f"too many places to stop: {len(wanted)}")
        point.number = self.next_number
        self.next_number += 1
        self.all[point.number] = point
        return point

    def delete(self, number: int) -> None:
        """Take a breakpoint out by its number. Raises BreakpointError when there is none."""
        if number not in self.all:
            raise BreakpointError(f"no breakpoint number {number}")
        del self.all[number]

    # -- running -----------------------------------------------------------------------------------

    def run(self, until: int | None = None, extra: dict[int, Condition] | None = None) -> Outcome:
        """Go on from here. Besides what run_loop.run answers: BREAKPOINT (see `hit`),
        ARRIVED (a condition in `extra` held at its address), PAUSED, INTERRUPTED.

        `until` is in cycles. Raises KernelOops.
        """
        k = self.kernel
        clock = k.machine.clock
        extra = extra or {}
        self.hit, self._pending, self.pause = [], [], None
        self._arm(extra)
        self._reported[k.current.pid] = (k.machine.cpu.eip, k.machine.cpu.retired)
        passing = True
        slice_end = clock.cycles + SLICE_CYCLES
        while k.outcome is None:
            limit = slice_end if until is None else min(slice_end, until)
            event = k.machine.run(limit, pass_breakpoint=passing)
            passing = False
            outcome = run_loop.handle(k, event)
            if event.stop is Stop.LIMIT:
                if limit == until:
                    return outcome or Outcome(OutcomeKind.LIMIT, event)
                if self.interrupted():
                    return Outcome(OutcomeKind.INTERRUPTED)
                slice_end = clock.cycles + SLICE_CYCLES
                continue
            if event.stop is Stop.BREAKPOINT:
                found = self._at_address(event, extra)
                if found is not None:
                    return found
                passing = True
            elif self._after(event):
                return self._stopped(event)
            elif self.pause is not None:
                return Outcome(OutcomeKind.PAUSED, event, self.pause)
            elif outcome is not None:
                return outcome
        return run_loop.over(k, k.outcome)

    def arm_steps(self) -> None:
        """Before steps: forget the last stop, and have traps stop that are to."""
        self.hit, self._pending, self.pause = [], [], None
        self._arm_traps()

    def step(self) -> Outcome | None:
        """One instruction or one trap. Breakpoints at addresses do not count, the others do.

        None when there is nothing to tell; else as `run`. Raises KernelOops.
        """
        k = self.kernel
        cpu = k.machine.cpu
        self._reported[k.current.pid] = (cpu.eip, cpu.retired)
        outcome = run_loop.step(k)
        if outcome is None and not self._pending and self.pause is None:
            return None
        event = outcome.event if outcome is not None else None
        if self._after(event):
            return self._stopped(event)
        if self.pause is not None:
            return Outcome(OutcomeKind.PAUSED, event, self.pause)
        return None if outcome is not None and outcome.kind is OutcomeKind.EVENT else outcome

    def _arm(self, extra: dict[int, Condition]) -> None:
        wanted = {a for point in self.all.values() for a in point.addresses}
        self.kernel.machine.cpu.set_breakpoints(sorted(wanted | extra.keys()))
        self._arm_traps()

    def _arm_traps(self) -> None:
        self.kernel.machine.trap_stops = frozenset(
            p.value for p in self.all.values() if p.kind == TRAP and p.value is not None
        )

    def _stopped(self, event: Event | None) -> Outcome:
        for hit in self.hit:
            hit.breakpoint.hits += 1
            if hit.breakpoint.temporary:
                self.all.pop(hit.breakpoint.number, None)
        what = ", ".join(f"{h.breakpoint.number}" for h in self.hit)
        return Outcome(OutcomeKind.BREAKPOINT, event, f"breakpoint {what}")

    def _at_address(self, event: Event, extra: dict[int, Condition]) -> Outcome | None:
        """The stop at an address, or None when nobody wants it for this task, now."""
        task, address = self.kernel.current, event.address
        if self._restarts.get(task.pid) == address:
            del self._restarts[task.pid]
            self._reported[task.pid] = (address, self.kernel.machine.cpu.retired)
            return None
        self.hit = [
            Hit(point, task.pid)
            for point in self.all.values()
            if address in point.addresses and self._applies(point, task)
        ]
        if self.hit:
            return self._stopped(event)
        condition = extra.get(address)
        if condition is not None and condition():
            return Outcome(OutcomeKind.ARRIVED, event)
        return None

    def _applies(self, point: Breakpoint, task: Task) -> bool:
        cpu = self.kernel.machine.cpu
        if point.kind == SYSCALL:
            return point.value is None or cpu.eax == point.value
        return point.image is None or (cpu.cpl == 3 and self.images.of_task(task) is point.image)

    def _after(self, event: Event | None) -> bool:
        """Breakpoints that are not addresses: note those reached."""
        if event is not None and event.stop is Stop.TRAP:
            pid = self.kernel.current.pid
            self.hit += [
                Hit(p, pid) for p in self.all.values() if p.kind == TRAP and p.value == event.value
            ]
        self.hit += self._pending
        self._pending = []
        return bool(self.hit)

    # -- snapshots ---------------------------------------------------------------------------------

    def save_data(self) -> dict[str, Any]:
        """How often each was reached; which there are is the user's, and stays when he goes back."""
        hits = {number: point.hits for number, point in self.all.items()}
        return {"hits": hits, "reported": self._reported, "restarts": self._restarts}

    def load_data(self, data: Data, shared: Shared) -> None:
        """How often each was reached at the moment; one that was set later has not been."""
        for number, point in self.all.items():
            point.hits = data["hits"].get(number, 0)
        self._reported, self._restarts = data["reported"], data["restarts"]
        self.hit, self._pending, self.pause = [], [], None

    def start_over(self) -> None:
        """No breakpoint has been reached; those that are set stay."""
        self.load_data({"hits": {}, "reported": {}, "restarts": {}}, {})

    # -- listening ---------------------------------------------------------------------------------

    def _on_trap(self, trap: Delivery) -> None:
        pid = self.kernel.current.pid
        if self._reported.get(pid) == (trap.eip, trap.retired):
            self._restarts[pid] = trap.eip

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        points = [p for p in self.all.values() if p.kind == FORK]
        if points:
            record = ForkRecord(parent.pid, parent.comm, child.pid, self._shared(parent, child))
            self._pending += [Hit(p, parent.pid, record) for p in points]

    def _shared(self, parent: Task, child: Task) -> int:
        if parent.mm is None or child.mm is None:
            return 0
        frames = [
            {entry.pfn for entry in entries(self.kernel, mm) if entry.pte & PTE_P}
            for mm in (parent.mm, child.mm)
        ]
        return len(frames[0] & frames[1])

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        if kind not in ("cow_copied", "cow_reused"):
            return
        # The log registered first: its newest record is this fault.
        record = self._faults.newest
        self._pending += [Hit(p, task.pid, record) for p in self.all.values() if p.kind == COW]
