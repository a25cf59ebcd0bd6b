"""Running a session and writing its events down, each with the state right after it (docs/events.md).

The state of an event is that to which `History.goto(event=N)` leads: of a trap right after its delivery, of
another event when the step is done in which it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu.events import Stop
from emu.hooks import NO_LIMIT
from toykernel import run_loop
from toykernel.explain.events import Narrator
from toykernel.observe.events import EventLog, RunEvent
from toykernel.observe.trap_frames import FrameLog
from toykernel.show.format import Data, States, header, image_line, line, merge_patch
from toykernel.show.state import State, StateReader, lane_of
from toykernel.state import Outcome, OutcomeKind

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.look.image import Image

#: What is shown of a run, at most: events, bytes (a tenth of that when packed), single instructions.
MAX_EVENTS, MAX_BYTES, MAX_STEPS = 10_000, 30_000_000, 2_000
#: States of traps that nothing may ever list.
_WAITING = 64
#: Events that may be listed between a delivery and its own: those of interrupts in the entry code.
_BETWEEN = 64


@dataclass
class _Trap:
    """A delivery that is not listed yet, with the instructions after it."""

    state: State
    last: State
    steps: list[Data] = field(default_factory=list)
    cut: bool = False
    chosen: bool | None = None  # None: it may be, its number is not known yet


class Recorder:
    """Runs a session, as `session.run` does, and hands the lines of its events to `write`.

    Make it before the session has run; `options` are told in the header. The limits bound what is written:
    the run goes on beyond them, and the last line says what is left out. The `max_steps` instructions are
    those inside the traps of the events `traps`; when None, from the first trap on.
    """

    def __init__(
        self,
        session: Session,
        write: Callable[[str], None],
        *,
        options: Any = None,
        max_events: int | None = None,
        max_bytes: int | None = None,
        max_steps: int = 0,
        traps: Collection[int] | None = None,
    ) -> None:
        self._session = session
        self._k = k = session.kernel
        self._write = write
        self._images = session.images
        self._max_events, self._max_bytes = max_events, max_bytes
        self._steps_left = max_steps
        self._wanted = frozenset(traps) if traps is not None else None
        self._reader = StateReader(k, self._images, FrameLog(k))
        self._states = States()
        self._new: list[tuple[int, RunEvent]] = []
        self._lines: list[Data] = []
        self._traps: dict[int, _Trap] = {}
        self._inside: list[_Trap] = []  # whose instructions are written down, the innermost last
        self._output: list[list[Any]] = []
        self._lanes: list[list[Any]] = []
        self._lane_of: dict[int, tuple[str, str]] = {}
        self._told: dict[str, None] = {}
        self._deliveries = k.machine.position.deliveries
        self._bytes = self.left_out = self.steps_left_out = 0
        self._full = self._finished = False
        self.log = EventLog(k, self._images, lambda number, event: self._heard(number, event))
        self._narrator = Narrator(session, self.log)
        self._console = session.console
        session.console = self._on_output
        self._irets = _irets(self._images.kernel)
        self._emit(header(session.path.name, options or {}))

    # -- listening ---------------------------------------------------------------------------------

    def _heard(self, number: int, event: RunEvent) -> None:
        if self._full or (self._max_events is not None and number >= self._max_events):
            self._full = True
            self.left_out += 1
        else:
            self._new.append((number, event))

    def _on_output(self, fd: int, data: bytes) -> None:
        self._output.append([self._k.current.pid, fd, data.decode("latin-1")])
        if self._console is not None:
            self._console(fd, data)

    # -- running -----------------------------------------------------------------------------------

    def run(self, until: int | None = None) -> Outcome:
        """As Session.run without breakpoints."""
        k = self._k
        machine = k.machine
        self._note_lanes()
        while k.outcome is None:
            if self._full:
                return run_loop.run(k, until)
            if until is not None and machine.clock.cycles >= until:
                return Outcome(OutcomeKind.LIMIT)
            self._advance(until)
        return run_loop.over(k, k.outcome)

    def _advance(self, until: int | None) -> None:
        machine = self._k.machine
        if machine.halted:
            self._inside.clear()  # a step would wait for as long as it takes
        at_iret = machine.cpu.cpl == 0 and machine.cpu.eip in self._irets
        if at_iret or self._inside:
            machine.cpu.set_breakpoints([])
            run_loop.step(self._k)
        else:
            machine.cpu.set_breakpoints(self._irets)
            limit = machine.position.deliveries + 1
            event = machine.run(until, deliveries=limit, instructions=NO_LIMIT)
            machine.cpu.set_breakpoints([])
            if event.stop is not Stop.BREAKPOINT:
                run_loop.handle(self._k, event)
        self._look(at_iret)

    def _look(self, after_iret: bool) -> None:
        machine = self._k.machine
        state: State | None = None
        deliveries = machine.position.deliveries
        delivered = deliveries > self._deliveries
        self._note_lanes()
        if self._inside or delivered or self._new:
            state = self._reader.read()
        if state is not None and self._inside and not delivered:
            self._add_step(state)
        if state is not None and delivered:
            self._deliveries = deliveries
            self._add_trap(deliveries, state)
        if after_iret or machine.cpu.cpl == 3:
            self._leave()
        if state is not None and self._new:
            self._list(state)
        if not self._inside:
            self._flush()

    def _note_lanes(self) -> None:
        """What each task does, where that has changed."""
        k = self._k
        now = {task.pid: lane_of(k, task) for task in k.processes.tasks}
        if now == self._lane_of:
            return
        cycles = k.machine.clock.cycles
        for pid, lane in now.items():
            if self._lane_of.get(pid) != lane:
                self._lanes.append([cycles, pid, *lane] if lane[1] else [cycles, pid, lane[0]])
        for pid in self._lane_of.keys() - now.keys():
            self._lanes.append([cycles, pid, "gone"])
        self._lane_of = now

    # -- instruction by instruction ----------------------------------------------------------------

    def _add_trap(self, delivery: int, state: State) -> None:
        trap = self._traps[delivery] = _Trap(state, state)
        for old in sorted(self._traps)[:-_WAITING]:
            del self._traps[old]
        if self._steps_left > 0 and (self._inside or self._may_be_chosen()):
            trap.chosen = None if self._wanted is not None else True
            self._inside.append(trap)

    def _may_be_chosen(self) -> bool:
        """Whether the trap that has just been delivered can get the number of a chosen event."""
        count = self.log.count
        return self._wanted is None or any(0 <= one - count < _BETWEEN for one in self._wanted)

    def _choose(self, number: int, trap: _Trap) -> None:
        """A trap is listed: keep its instructions, or forget them. One inside a chosen trap stays in
        `_inside` for its iret.
        """
        if trap.chosen is not None or self._wanted is None:
            return
        trap.chosen = number in self._wanted
        if trap.chosen:
            del trap.steps[self._steps_left :]
            self._count_steps(len(trap.steps))
            return
        trap.steps.clear()
        if all(one.chosen is False for one in self._inside):
            self._inside.clear()

    def _add_step(self, state: State) -> None:
        trap = self._inside[-1]
        if trap.chosen is False:
            return
        trap.steps.append(merge_patch(trap.last, state))
        trap.last = state
        if trap.chosen:
            self._count_steps(1)

    def _count_steps(self, count: int) -> None:
        self._steps_left -= count
        if self._steps_left <= 0:
            for one in self._inside:
                one.cut = True
            self._inside.clear()

    def _leave(self) -> None:
        """An iret has been executed: the innermost trap is over, in ring 3 all are."""
        if self._k.machine.cpu.cpl == 3:
            self._inside.clear()
        elif self._inside:
            self._inside.pop()

    # -- writing -----------------------------------------------------------------------------------

    def _list(self, state: State) -> None:
        for number, event in self._new:
            data = self.log.record(number, event)
            shown = state
            if event.kind == "trap":
                trap = self._traps.pop(event.position.deliveries, None)
                if trap is not None:
                    self._choose(number, trap)
                    shown = trap.state
                    data["steps"] = trap.steps
                    data["cut"] = trap.cut
            data["words"] = " ".join(self._narrator.sentences.pop(number, ()))
            data["at"] = shown
            self._lines.append(data)
        self._new.clear()
        if self._lines:
            self._lines[-1].update(self._since())

    def _since(self) -> Data:
        """Output and lanes since the event before."""
        found: Data = {}
        if self._output:
            found["output"], self._output = self._output, []
        if self._lanes:
            found["lanes"], self._lanes = self._lanes, []
        return found

    def _flush(self) -> None:
        for data in self._lines:
            if self._max_bytes is not None and self._bytes > self._max_bytes:
                self._full = True
                self.left_out += 1
            else:
                self._write_event(data)
        self._lines.clear()

    def _write_event(self, data: Data) -> None:
        self._tell_images()
        state, steps, cut = data.pop("at"), data.pop("steps", None), data.pop("cut", False)
        data |= self._states.add(state)
        if steps:
            data["steps"] = steps
            if cut:
                data["cut"] = True
        if data["kind"] == "trap" and (cut or steps is None or not steps):
            self.steps_left_out += 1
        self._emit(data)

    def _tell_images(self) -> None:
        for image in self._images.all():
            if image.name not in self._told:
                self._told[image.name] = None
                self._emit(image_line(image))

    def _emit(self, data: Data) -> None:
        text = line(data)
        self._bytes += len(text)
        self._write(text)

    def finish(self) -> None:
        """Write the last lines, once: events that are not written yet, and how the run ended or stands."""
        if self._finished:
            return
        self._finished = True
        k = self._k
        self._inside.clear()
        if self._new:
            self._list(self._reader.read())
        self._flush()
        self._tell_images()
        end: Data = {
            "end": str(k.outcome.kind) if k.outcome is not None else "stopped",
            "cycles": k.machine.clock.cycles,
            "left_out": self.left_out,
            "steps_left_out": self.steps_left_out,
        }
        if not self._full:
            end |= self._since()
            end |= self._states.add(self._reader.read())
        self._emit(end)


def _irets(kernel: Image) -> list[int]:
    """Where the kernel goes back to what was interrupted."""
    return sorted(
        entry.address
        for entry in kernel.lines
        if entry.text.split() and entry.text.split()[0] in ("iret", "iretl", "iretd")
    )
