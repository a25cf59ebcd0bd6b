"""Where a run is to stop: at code, at a system call, at a trap, after a fork, after a COW fault.

Breakpoints belong to whoever looks; the guest cannot notice them. Those in a program's code count only
for tasks that run that program, though init and others have code at the same addresses.

An instruction that faults, or before which an interrupt comes in, is executed again when the kernel is
done with that. It does not stop a second time: real hardware keeps EFLAGS.RF for the same purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emu.engine_quirks import FIELD
from emu.events import Position
from emu.hooks import MAX_BREAKS, NO_LIMIT
from emu.machine import Event, Stop
from emu.microcode import VECTOR_NAMES, Delivery
from emu.paging import PTE_P
from toykernel import run_loop
from toykernel.collector import Collector, Data, Shared
from toykernel.gate import gate
from toykernel.harness.points import (
    ADDRESS,
    COW,
    FORK,
    SYSCALL,
    TRAP,
    Breakpoint,
    BreakpointError,
    Condition,
    ForkRecord,
    Hit,
    WatchRecord,
    parse_syscall,
    parse_vector,
)
from toykernel.look.page_tables import entries
from toykernel.look.symbols import KERNEL, Code, Images
from toykernel.observe.faultlog import FaultLog
from toykernel.state import Kernel, Outcome, OutcomeKind
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.task import Task

__all__ = [
    "ADDRESS", "COW", "FORK", "SYSCALL", "TRAP",
    "Breakpoint", "BreakpointError", "Breakpoints", "Condition", "ForkRecord", "Hit",
]  # fmt: skip

#: Cycles between two looks at whether the user wants the prompt back.
SLICE_CYCLES = 500_000
_FAULT_CALLS, _FORK_CALLS = 20, 150  # so many cheap calls take as long: `pace` is asked sooner


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
        #: Asked when a run begins and between slices: at which cycle, and after how many deliveries of
        #: traps, to ask again. The machine stands between two steps then (a history keeps moments).
        self.pace: Callable[[], tuple[int, int]] = self.slice_end
        #: Asked after each event of the machine; True ends the run with PAUSED: a watch has seen something.
        self.watched: Condition = self.nothing
        self._looking_ahead = False
        #: What was hit in the past of this moment, and where: for who goes back.
        self.past: list[tuple[Position, int]] = []
        #: Set by a listener to end the run when the gate has returned; the text says why.
        self.pause: str | None = None
        self._system_call = k.host.symbols["system_call"]
        k.host.trace.process_fork.append(self._on_fork)
        k.host.trace.fault.append(self._on_fault)

    def close(self) -> None:
        """Take every breakpoint out and stop listening."""
        self.all.clear()
        self._arm({})
        k = self.kernel
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
            return self.add_point(Breakpoint(0, word, word, temporary=temporary))
        if word == SYSCALL:
            number = parse_syscall(rest) if rest else None
            what = "any system call" if number is None else name_of(number)
            code = (self._system_call,)
            return self.add_point(Breakpoint(0, SYSCALL, what, code, None, number, temporary))
        if word == TRAP:
            vector = parse_vector(rest)
            what = VECTOR_NAMES.get(vector, f"{vector:#x}")
            return self.add_point(Breakpoint(0, TRAP, what, (), None, vector, temporary))
        return self.add_code(self.images.code(where.strip()), temporary=temporary)

    def add_code(self, code: Code, *, temporary: bool = False) -> Breakpoint:
        """At the addresses of a name or line, for tasks that run its image (the kernel: all)."""
        image = None if code.image.name == KERNEL else code.image
        return self.add_point(
            Breakpoint(0, ADDRESS, code.what, code.addresses, image, None, temporary)
        )

    def add_address(self, address: int, what: str, *, temporary: bool = False) -> Breakpoint:
        """At a linear address, whoever comes there."""
        if not 0 <= address <= 0xFFFFFFFF:
            raise BreakpointError(f"{address:#x} is not an address of 32 bits")
        return self.add_point(Breakpoint(0, ADDRESS, what, (address,), None, None, temporary))

    def add_point(self, point: Breakpoint) -> Breakpoint:
        """One that is made already; it gets its number. Raises BreakpointError."""
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

    @staticmethod
    def nothing() -> bool:
        """`watched` when nobody watches."""
        return False

    def slice_end(self) -> tuple[int, int]:
        """`pace` when nobody else has one."""
        return self.kernel.machine.clock.cycles + SLICE_CYCLES, NO_LIMIT

    def run(
        self,
        until: int | None = None,
        extra: dict[int, Condition] | None = None,
        *,
        instructions: int = NO_LIMIT,
    ) -> Outcome:
        """Go on from here. Besides what run_loop.run answers: BREAKPOINT (see `hit`),
        ARRIVED (a condition in `extra` held at its address), PAUSED, INTERRUPTED.

        `until` is in cycles, `instructions` since power-on. Raises KernelOops.
        """
        k = self.kernel
        extra = extra or {}
        self.hit, self._pending, self.pause = [], [], None
        self._arm(extra)
        self._reported[k.current.pid] = (k.machine.cpu.eip, k.machine.cpu.retired)
        passing = True
        slice_end, traps = self.pace()
        at_gate = self._at_gate if self.watched == self.nothing else None
        while k.outcome is None:
            limit = slice_end if until is None else min(slice_end, until)
            event = k.machine.run(
                limit,
                pass_breakpoint=passing,
                instructions=instructions,
                deliveries=traps,
                at_gate=at_gate,
            )
            passing = False
            outcome = run_loop.handle(k, event)
            if event.stop is Stop.LIMIT:
                here = k.machine.position
                if here.instructions >= instructions or (
                    until is not None and here.cycles >= until
                ):
                    return outcome or Outcome(OutcomeKind.LIMIT, event)
                if self.interrupted():
                    return Outcome(OutcomeKind.INTERRUPTED)
                slice_end, traps = self.pace()
            elif event.stop is Stop.BREAKPOINT:
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
            if self.watched():
                return Outcome(OutcomeKind.PAUSED, event, "watch")
        return run_loop.over(k, k.outcome)

    def _at_gate(self) -> bool:
        """As run_loop's, unless there is something to stop for."""
        k = self.kernel
        gate(k, k.machine.cpu.regs[FIELD["eip"]])
        return k.outcome is None and k.machine.unchanged and not self._pending and not self.pause

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
        self._arm_traps(bool(wanted or extra))

    def _arm_traps(self, heard: bool = True) -> None:
        """`heard`: whether an instruction may be tried again that was stopped at."""
        listeners = self.kernel.machine.trap_listeners
        if heard != (self._on_trap in listeners):
            (listeners.append if heard else listeners.remove)(self._on_trap)
        self.kernel.machine.trap_stops = frozenset(
            p.value for p in self.all.values() if p.kind == TRAP and p.value is not None
        )

    def _stopped(self, event: Event | None) -> Outcome:
        position = self.kernel.machine.position
        for hit in self.hit:
            self.past.append((position, hit.breakpoint.number))
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
        self.hit = self._wanted(
            Hit(point, task.pid)
            for point in self.all.values()
            if address in point.addresses and self._applies(point, task)
        )
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
            met = (p for p in self.all.values() if p.kind == TRAP and p.value == event.value)
            self.hit += [Hit(p, self.kernel.current.pid) for p in met]
        self.hit = self._wanted(self.hit + self._pending)
        self._pending = []
        return bool(self.hit)

    def _wanted(self, hits: Iterable[Hit]) -> list[Hit]:
        """Those whose task is the right one, whose condition holds, and that are not to be ignored."""
        found = []
        for hit in hits:
            point = hit.breakpoint
            if point.pid not in (None, hit.pid) or not point.holds():
                continue
            if point.ignore and not self._looking_ahead:
                point.ignore -= 1
                cpu = self.kernel.machine.cpu
                self._reported[hit.pid] = (cpu.eip, cpu.retired)
                point.hits += 1
                self.past.append((self.kernel.machine.position, point.number))
                continue
            found.append(hit)
        return found

    # -- going back --------------------------------------------------------------------------------

    def disarm(self) -> None:
        """Nothing stops the machine until the next run or step."""
        self._arm({})
        self.kernel.machine.cpu.set_breakpoints([])
        self.kernel.machine.trap_stops = frozenset()

    def here(self) -> list[Hit]:
        """Breakpoints at the address that the CPU is at, as a run that came here would tell them."""
        cpu, task = self.kernel.machine.cpu, self.kernel.current
        address = cpu.eip + cpu.cs_base & 0xFFFFFFFF
        if self._restarts.get(task.pid) == address:
            return []
        return self._wanted(
            Hit(point, task.pid)
            for point in self.all.values()
            if address in point.addresses and self._applies(point, task)
        )

    def hit_of(self, point: Breakpoint, old: bytes | None = None, new: bytes | None = None) -> Hit:
        """A watchpoint's, by the present task, with the bytes before and after."""
        return Hit(point, self.kernel.current.pid, WatchRecord(old, new))

    def stop_here(self) -> Outcome | None:
        """Stop for the breakpoints at the address that the CPU is at, if there are some."""
        self.hit = self.here()
        return self._stopped(None) if self.hit else None

    def stop_for(self, hits: list[Hit]) -> bool:
        """Stop for those of these hits that count; whether there are some."""
        self.hit = self._wanted(hits)
        if self.hit:
            self._stopped(None)
        return bool(self.hit)

    def recount(self) -> None:
        """Somebody went back or forth: count again what was hit up to here, and expect nothing."""
        self._forget_future()
        for point in self.all.values():
            point.hits = sum(number == point.number for _, number in self.past)
        self._reported, self._restarts = {}, {}
        self.hit, self._pending, self.pause = [], [], None

    def _forget_future(self) -> None:
        position = self.kernel.machine.position
        while self.past and self.past[-1][0] > position:
            self.past.pop()

    @contextmanager
    def only(self, addresses: Iterable[int]) -> Iterator[None]:
        """Stops at these linear addresses and no others, for a journey in the past."""
        points, number = self.all, self.next_number
        self.all = {}
        try:
            for address in addresses:
                self.add_address(address, f"*{address:#x}")
            yield
        finally:
            self.all, self.next_number = points, number
            self.recount()

    @contextmanager
    def looking_ahead(self) -> Iterator[None]:
        """Runs in here count no hits, and temporary breakpoints stay."""
        points, past = dict(self.all), list(self.past)
        hits = {number: point.hits for number, point in points.items()}
        self._looking_ahead = True
        try:
            yield
        finally:
            self._looking_ahead = False
            self.all, self.past = points, past
            for number, point in points.items():
                point.hits = hits[number]

    # -- snapshots ---------------------------------------------------------------------------------

    def save_data(self) -> dict[str, Any]:
        """How often each was reached; which there are is the user's, and stays when he goes back."""
        hits = {number: point.hits for number, point in self.all.items()}
        return {"hits": hits, "reported": self._reported, "restarts": self._restarts}

    def load_data(self, data: Data, shared: Shared) -> None:
        """How often each was reached at the moment; one that was set later has not been."""
        self._forget_future()
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
        self.kernel.machine.end_sooner(_FORK_CALLS)
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
        self.kernel.machine.end_sooner(_FAULT_CALLS)
        if kind not in ("cow_copied", "cow_reused"):
            return
        # The log registered first: its newest record is this fault.
        record = self._faults.newest
        self._pending += [Hit(p, task.pid, record) for p in self.all.values() if p.kind == COW]
