"""Backwards: to the last place, before here, at which a run forwards would have stopped.

A stretch before here is run again with the same breakpoints, and the last stop in it counts; when there is
none, an earlier stretch follows, twice as long.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from emu.events import Position
from toykernel.gdb.parking import parked
from toykernel.gdb.points import SOFTWARE
from toykernel.gdb.resume import Arrived, Plan
from toykernel.gdb.stops import Stop

if TYPE_CHECKING:
    from toykernel.gdb.target import Target
    from toykernel.history.writes import Write
    from toykernel.task import Task

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

    def _stretch(self, until: Position, size: int) -> Position:
        """Go to where a stretch of so many instructions before a place begins.

        What was changed by hand is not done again when the guest is, a thread made to stand still no more
        than a register: a stretch begins behind the last change.
        """
        first = max(until.instructions - size, self._history.start.instructions)
        before = [place for place in self._history.changes if place < until]
        last = max(before, default=self._history.start)
        if last.instructions >= first:
            self._go(last)
        else:
            self._go_instruction(first)
        return self._here

    @property
    def _parked(self) -> frozenset[int]:
        """Who stands still here, and does so when this is run again."""
        return frozenset(t.pid for t in self._t.k.processes.tasks if parked(t))

    def _after(self) -> None:
        target = self._t
        target.points.unload(target.k)
        target.k.machine.cpu.set_breakpoints([])
        target.resumer.standing.clear()
        target.processes.after_travel(target.known)

    def to_write(self, address: int, size: int, physical: bool, pid: int) -> Write | None:
        """To right before the last write to bytes that the thread sees; None when nobody wrote there."""
        self._t.note_attached()
        found = self._history.back_to_write(address, size, physical=physical, task=pid)
        self._after()
        return found

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
        self._t.note_attached()
        moved = self._history.step_back()  # nearly always that is all
        self._after()
        if self._t.k.current.pid == pid and not self._may_be_a_retry():
            return self._stop(pid, "" if moved else _BEGIN)
        until = end
        while until > self._history.start:
            begin = self._stretch(until, size)
            unborn = self._t.resumer.task(pid) is None
            place = self._last_step(pid, until)
            if place is not None:
                self._go(place)
                return self._stop(pid, "")
            if unborn:
                self._go(begin)
                return self._before_birth(pid, until)
            until = begin
            size = min(size * 8, _LONGEST)
        self._go(self._history.start)
        return self._stop(pid, _BEGIN)

    def _before_birth(self, pid: int, until: Position) -> Stop:
        """From a place before a thread was made, and no step of it: to where its parent is about to."""
        born: list[tuple[int, int]] = []

        def on_fork(parent: Task, child: Task, _flags: int) -> None:
            if child.pid == pid:
                born.append((parent.pid, self._here.instructions))

        heard = self._t.k.host.trace.process_fork
        heard.append(on_fork)
        try:
            self._last_step(pid, until)
        finally:
            heard.remove(on_fork)
        if not born:
            self._go(self._history.start)
            return self._stop(pid, _BEGIN)
        parent, instructions = born[-1]
        self._go_instruction(instructions)
        return replace(self.step(parent), detail=_BEGIN)

    def _may_be_a_retry(self) -> bool:
        """Whether no step may begin here: in the kernel, or where a fault has begun an instruction again."""
        k = self._t.k
        if self._t.resumer.kernel_side:
            return False
        regs = k.task_pt_regs(k.current)
        return k.machine.cpu.cpl != 3 or bool(regs.orig_ax >> 31 and regs.ip == k.machine.cpu.eip)

    def _last_step(self, pid: int, until: Position) -> Position | None:
        """The last place before `until` at which a step of the thread may begin."""
        target, last = self._t, None
        k = target.k
        while (here := self._here) < until and k.outcome is None:
            user = k.machine.cpu.cpl == 3 or target.resumer.kernel_side
            if k.current.pid == pid and user:
                last = here
            plan = Plan(step=pid, until=until.instructions, hold=self._parked)
            target.processes.pending.clear()
            if isinstance(target.resumer.resume(plan), Arrived) and self._here == here:
                break
        return last

    def run(self, pid: int) -> Stop:
        """To the last breakpoint or watchpoint."""
        end, size = self._here, _FIRST_RUN
        until = end
        while until > self._history.start:
            begin = self._stretch(until, size)
            found = self._last_hit(until, end)
            if found is not None:
                return self._arrive(*found)
            until = begin
            size = min(size * 2, _LONGEST)
        self._go(self._history.start)
        return self._stop(pid, _BEGIN)

    def _last_hit(self, until: Position, end: Position) -> tuple[Position, Stop] | None:
        target, last, over = self._t, None, None
        while self._here < until or (self._here == until and until != end):
            # From a breakpoint as gdb goes: a step, which a fault does not end, and on.
            plan = Plan(until=until.instructions, hold=self._parked, step=over)
            stop = target.resumer.resume(plan)
            here = self._here
            if isinstance(stop, Arrived):
                # Where a change begins the next stretch, the run ends before it looks for breakpoints.
                at = self._breakpoint_here() if here < end else None
                last = (here, at) if at is not None else last
                break
            kind = stop.detail.split(":")[0]
            backwards = kind in _BACKWARDS
            late = here > end or (here == end and "watch" not in kind)
            if backwards and not late:
                last = (here, stop)
            if late or here > until or target.k.outcome is not None:
                break
            over = stop.pid if "break" in kind else None
        return last

    def _breakpoint_here(self) -> Stop | None:
        """The stop of the running thread that stands in front of a breakpoint."""
        target, task = self._t, self._t.k.current
        address = target.k.machine.cpu.eip
        if task.tgid not in target.processes.attached or self._may_be_a_retry():
            return None
        kind = target.points.hit(task, address)
        if kind is None:
            return None
        name = "swbreak" if kind == SOFTWARE else "hwbreak"
        return Stop(task.pid, task.tgid, detail=f"{name}:;", feature=f"{name}+")

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
