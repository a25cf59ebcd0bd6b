"""What happened in a run, as a numbered list: traps, calls with results, faults, switches, forks, exits.

A trap is listed when the kernel gets to know of it, a few instructions after its delivery; `deliveries` of
its position says which delivery it was. Going back takes the count back and keeps the list: what comes again
is the same, and when it is not, since somebody changed the guest, the old future is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from emu.events import Position
from emu.microcode import PF
from toykernel.arch.x86.asm_offsets import (
    FIRST_EXTERNAL_VECTOR,
    PAGE_OFFSET,
    SYSCALL_VECTOR,
)
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.arch.x86.traps import TRAPS
from toykernel.collector import Collector, Data, Shared
from toykernel.kernel.siginfo import signal_name
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.look.image import Place
    from toykernel.look.symbols import Images
    from toykernel.state import Kernel
    from toykernel.task import Task
    from toykernel.trace import Tracepoint

#: Of events, in the order in which help texts name them.
KINDS = ("trap", "call", "fault", "cow", "switch", "fork", "exec", "exit", "signal")
#: How many events are kept at least, the last ones; the numbers go on.
KEPT = 1 << 16
_NM = 7
_IRQ, _NMI_GATE = "do_IRQ", "math_state_restore"
_VECTORS = {
    **{rule.handler: vector for vector, rule in TRAPS.items()},
    "do_page_fault": PF,
}


class RunEvent(NamedTuple):
    """One event. `eip` is linear: the instruction that the task was at; `image` names the executable that
    it ran; `details` are names with numbers or text, by kind (docs/going-back.md).
    """

    kind: str
    position: Position
    pid: int
    image: str
    eip: int
    details: tuple[tuple[str, Any], ...]

    def detail(self, name: str) -> Any:
        """One of the details. Raises KeyError."""
        return dict(self.details)[name]


class EventLog(Collector):
    """Listens to a kernel. `count` events have happened; `known` of them may lie in the future."""

    def __init__(
        self,
        k: Kernel,
        images: Images | None = None,
        emit: Callable[[int, RunEvent], None] | None = None,
    ) -> None:
        """Without `images` no event knows what its task ran. `emit` hears of each that is new."""
        self._k = k
        self._images = images
        self._emit = emit
        #: Told of each event as it is listed, and of its task; after going back it is listed again.
        self.listeners: list[Callable[[int, RunEvent, Task], None]] = []
        self.count = 0
        self._first = 0  # number of the first that is kept
        self._events: list[RunEvent] = []
        self._calls: dict[int, tuple[int, tuple[int, ...]]] = {}  # by pid: eip, arguments
        self._claimed = k.machine.cpu.state.deliveries
        self._nested: list[tuple[int, int]] = []  # deliveries not listed yet: number, pid
        trace = k.host.trace
        self._pairs: tuple[tuple[Tracepoint[...], Callable[..., None]], ...] = (
            (trace.gate, self._on_gate),
            (trace.sys_enter, self._on_enter),
            (trace.sys_exit, self._on_exit),
            (trace.fault, self._on_fault),
            (trace.sched_switch, self._on_switch),
            (trace.process_fork, self._on_fork),
            (trace.process_exec, self._on_exec),
            (trace.process_exit, self._on_end),
            (trace.signal_deliver, self._on_signal),
        )
        for tracepoint, listener in self._pairs:
            tracepoint.append(listener)

    def close(self) -> None:
        """Stop listening; what is known stays."""
        for tracepoint, listener in self._pairs:
            tracepoint.remove(listener)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def first(self) -> int:
        """Number of the first event that is kept."""
        return self._first

    @property
    def known(self) -> int:
        """How many there are with those that lie in the future."""
        return self._first + len(self._events)

    def __getitem__(self, number: int) -> RunEvent:
        """Raises LookupError for one that is not known, or not kept any more."""
        if not self._first <= number < self.known:
            raise LookupError(f"no event {number}; there are {self._first} to {self.known - 1}")
        return self._events[number - self._first]

    def happened(self) -> Iterator[tuple[int, RunEvent]]:
        """Number and event, of those kept, up to now."""
        for number in range(self._first, self.count):
            yield number, self._events[number - self._first]

    def place(self, event: RunEvent) -> Place | None:
        """The source line of an event."""
        if self._images is None:
            return None
        name = "kernel" if event.eip >= PAGE_OFFSET else event.image
        image = next((one for one in self._images.all() if one.name == name), None)
        return image.place_at(event.eip) if image is not None else None

    def record(self, number: int, event: RunEvent) -> dict[str, Any]:
        """An event as `--events FILE` has it (docs/events.md)."""
        details: dict[str, Any] = dict(event.details)
        for name, named in (("call", name_of), ("signal", signal_name)):
            if name in details:
                details[name] = named(details[name])
        place = self.place(event)
        return {
            "number": number,
            "kind": event.kind,
            "cycles": event.position.cycles,
            "instructions": event.position.instructions,
            "pid": event.pid,
            "eip": event.eip,
            "source": place.name if place is not None else None,
            **details,
        }

    def count_from(self, count: int) -> None:
        """So many have happened already; they are not known here."""
        self.count = self._first = count
        self._events = []

    def forget_future(self) -> None:
        """The guest has been changed: what is known of later does not hold."""
        del self._events[self.count - self._first :]

    # -- snapshots ---------------------------------------------------------------------------------

    def save_data(self) -> dict[str, Any]:
        """Counts only: the list stays what it is."""
        return {
            "count": self.count,
            "calls": self._calls,
            "claimed": self._claimed,
            "nested": self._nested,
        }

    def load_data(self, data: Data, shared: Shared) -> None:
        """So many have happened."""
        self.count = data["count"]
        self._calls = data["calls"]
        self._claimed, self._nested = data["claimed"], data["nested"]

    def start_over(self) -> None:
        """None has happened."""
        self._events, self._first = [], 0
        claimed = self._k.machine.cpu.state.deliveries
        self.load_data({"count": 0, "calls": {}, "claimed": claimed, "nested": []}, {})

    # -- listening ---------------------------------------------------------------------------------

    def _add(
        self,
        kind: str,
        task: Task,
        eip: int,
        details: tuple[tuple[str, Any], ...],
        position: Position | None = None,
    ) -> None:
        image = self._images.of_task(task) if self._images is not None else None
        event = RunEvent(
            *(kind, position or self._k.machine.position, task.pid),
            *(image.name if image is not None else "", eip, details),
        )
        at = self.count - self._first
        self.count += 1
        for listener in self.listeners:
            listener(self.count - 1, event, task)
        if at < len(self._events):
            if self._events[at] == event:
                return
            del self._events[at:]
        self._events.append(event)
        if self._emit is not None:
            self._emit(self.count - 1, event)
        if len(self._events) > 2 * KEPT:
            del self._events[:KEPT]
            self._first += KEPT

    def _catch_up(self, task: Task) -> int:
        """Deliveries so far; those since the last look were this task's: switches are looked at."""
        deliveries = int(self._k.machine.cpu.state.deliveries)
        if deliveries > self._claimed:
            self._nested += ((n, task.pid) for n in range(self._claimed + 1, deliveries + 1))
            self._claimed = deliveries
        return deliveries

    def _trap(self, task: Task, eip: int, details: tuple[tuple[str, Any], ...]) -> None:
        """The innermost delivery of this task that is not listed yet."""
        self._catch_up(task)
        now = self._k.machine.position
        for index in range(len(self._nested) - 1, -1, -1):
            number, pid = self._nested[index]
            if pid == task.pid:
                del self._nested[index]
                now = now._replace(deliveries=number)
                break
        self._add("trap", task, eip, details, now)

    def _user_eip(self, task: Task) -> int:
        k = self._k
        return int(k.task_pt_regs(task).ip) if task.mm is not None else int(k.machine.cpu.eip)

    def _on_gate(self, task: Task, name: str) -> None:
        vector = _VECTORS.get(name)
        cpu, ram = self._k.machine.cpu, self._k.machine.ram
        if vector is not None:
            regs = PtRegs(ram, cpu.eax)
            details: tuple[tuple[str, Any], ...] = (("vector", vector), ("error_code", cpu.edx))
            if vector == PF:
                details += (("address", cpu.cr2),)
            self._trap(task, regs.ip, details)
        elif name == _IRQ:
            regs = PtRegs(ram, cpu.esp + 4)
            line = regs.orig_ax + 0x100 & 0xFFFFFFFF
            self._trap(task, regs.ip, (("vector", FIRST_EXTERNAL_VECTOR + line), ("line", line)))
        elif name == _NMI_GATE:
            self._trap(task, PtRegs(ram, cpu.esp + 4).ip, (("vector", _NM),))

    def _on_enter(self, task: Task, number: int, words: list[int]) -> None:
        eip = self._user_eip(task) - 2  # the length of INT
        self._calls[task.pid] = (eip, tuple(words))
        self._trap(task, eip, (("vector", SYSCALL_VECTOR), ("call", number)))

    def _on_exit(self, task: Task, number: int, result: int) -> None:
        eip, words = self._calls.pop(task.pid, (self._user_eip(task), ()))
        details = (("call", number), ("arguments", words), ("result", result))
        self._add("call", task, eip, details)

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        name = "cow" if kind.startswith("cow_") else "fault"
        details = (("what", kind), ("address", address), ("old_frame", old), ("new_frame", new))
        self._add(name, task, self._user_eip(task), details)

    def _on_switch(self, previous: Task, following: Task) -> None:
        self._catch_up(previous)
        why = "dead" if previous.exit_state else previous.wait.reason if previous.wait else ""
        details = (("to", following.pid), ("comm", following.comm), ("sleeps_in", why))
        self._add("switch", previous, self._user_eip(previous), details)

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        details = (("child", child.pid), ("flags", flags))
        self._add("fork", parent, self._user_eip(parent), details)

    def _on_exec(self, task: Task, path: str) -> None:
        self._add("exec", task, self._user_eip(task), (("path", path),))

    def _on_end(self, task: Task) -> None:
        self._calls.pop(task.pid, None)
        self._nested = [one for one in self._nested if one[1] != task.pid]
        self._add("exit", task, self._user_eip(task), (("status", task.exit_code),))

    def _on_signal(self, task: Task, sig: int, info: Mapping[str, Any]) -> None:
        code = info.get("si_code", 0)
        self._add("signal", task, self._user_eip(task), (("signal", sig), ("si_code", int(code))))
