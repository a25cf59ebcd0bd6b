"""Backwards: to the last place, before here, at which a run forwards would have stopped.

A stretch before here is run again with the same breakpoints, and the last stop in it counts; when there is
none, an earlier stretch follows, twice as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.events import Position
from toykernel.gdb.resume import Arrived, Plan
from toykernel.gdb.stops import Stop

if TYPE_CHECKING:
    from toykernel.gdb.target import Target

_FIRST_STEP, _FIRST_RUN, _LONGEST = 64, 50_000, 4_000_000
_BEGIN = "replaylog:begin;"
_BACKWARDS = ("swbreak", "hwbreak", "watch", "rwatch", "awatch")


class Reverse:
    """Going back with one target, which has a history."""

    def __init__(self, target: Target) -> None:
        self._t = target
        assert target.history is not None
        self._history = target.history

    @property
    def _here(self) -> Position:
        return self._t.k.machine.position

    def _go(self, position: Position) -> None:
        self._t.note_attached()
        self._history.goto(position=position)
        self._after()

    def _go_instruction(self, number: int) -> None:
        self._t.note_attached()
        if number <= self._history.start.instructions:
            self._history.goto(position=self._history.start)
        else:
            self._history.goto(instruction=number)
        self._after()

    def _after(self) -> None:
        target = self._t
        target.points.unload(target.k)
        target.k.machine.cpu.set_breakpoints([])
        target.resumer.standing.clear()
        target.processes.after_travel(target.known)

    def goto(self, unit: str, number: int) -> None:
        """To a cycle or an instruction, by number since power-on."""
        self._t.note_attached()
        if unit == "cycle":
            self._history.goto(cycle=max(number, self._history.start.cycles))
        elif number <= self._history.start.instructions:
            self._history.goto(position=self._history.start)
        else:
            self._history.goto(instruction=number)
        self._after()

    def step(self, pid: int) -> Stop:
        """To where the thread was one step ago."""
        end, size = self._here, _FIRST_STEP
        first = end.instructions
        while first > self._history.start.instructions:
            first = max(first - size, self._history.start.instructions)
            self._go_instruction(first)
            place = self._last_step(pid, end)
            if place is not None:
                self._go(place)
                return self._stop(pid, "")
            size = min(size * 8, _LONGEST)
        self._go(self._history.start)
        return self._stop(pid, _BEGIN)

    def _last_step(self, pid: int, end: Position) -> Position | None:
        """The last place before `end` at which a step of the thread may begin."""
        target, last = self._t, None
        k = target.k
        target.processes.deaf = True
        try:
            while (here := self._here) < end and k.outcome is None:
                user = k.machine.cpu.cpl == 3 or target.resumer.kernel_side
                if k.current.pid == pid and user:
                    last = here
                plan = Plan(step=pid, until=end.instructions)
                target.processes.pending.clear()
                if isinstance(target.resumer.resume(plan), Arrived) and self._here == here:
                    break
        finally:
            target.processes.deaf = False
        return last

    def run(self, pid: int) -> Stop:
        """To the last breakpoint or watchpoint."""
        end, size = self._here, _FIRST_RUN
        first, until = end.instructions, end
        while first > self._history.start.instructions:
            first = max(first - size, self._history.start.instructions)
            self._go_instruction(first)
            begin = self._here
            found = self._last_hit(until, end)
            if found is not None:
                return self._arrive(*found)
            until = begin
            size = min(size * 2, _LONGEST)
        self._go(self._history.start)
        return self._stop(pid, _BEGIN)

    def _last_hit(self, until: Position, end: Position) -> tuple[Position, Stop] | None:
        target, last = self._t, None
        target.processes.deaf = True
        try:
            while self._here < until or (self._here == until and until != end):
                stop = target.resumer.resume(Plan(until=until.instructions))
                here = self._here
                if isinstance(stop, Arrived):
                    break
                kind = stop.detail.split(":")[0]
                backwards = kind in _BACKWARDS
                late = here > end or (here == end and "watch" not in kind)
                if backwards and not late:
                    last = (here, stop)
                if late or here > until:
                    break
                if "break" in kind:
                    self._pass()
        finally:
            target.processes.deaf = False
        return last

    def _pass(self) -> None:
        """Over the instruction of a breakpoint."""
        self._t.resumer.pass_once()

    def _arrive(self, place: Position, stop: Stop) -> Stop:
        self._go(place)
        if "watch" in stop.detail:  # before the access, so that it is taken back
            self._back_one(place)
        return stop

    def _back_one(self, place: Position) -> None:
        self._go_instruction(place.instructions - 1)

    def _stop(self, pid: int, detail: str) -> Stop:
        current = self._t.k.current
        tasks = self._t.processes.tasks()
        task = next((t for t in tasks if t.pid == pid), None) or next(
            (t for t in tasks if t is current), tasks[0] if tasks else current
        )
        return Stop(task.pid, task.tgid, detail=detail)
