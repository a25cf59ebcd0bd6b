"""Going back under the debugger: the mirror images of its steps, checkpoints, and who wrote an address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.events import Position
from toykernel.debug.debugger import Stopped
from toykernel.debug.errors import DebugError
from toykernel.history.errors import HistoryError
from toykernel.history.writes import Write
from toykernel.oops import KernelOops

if TYPE_CHECKING:
    from toykernel.debug.debugger import Debugger

#: Bytes that a CALL may have.
_CALLS = range(2, 8)
NO_MORE = "This is where history begins."


@dataclass(frozen=True)
class Checkpoint:
    """A place to come back to. `changes` are those by hand on the way to it."""

    position: Position
    changes: tuple[Position, ...]
    where: str


class Traveller:
    """Moves a debugger's session in time. Methods answer what the prompt shows."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._history = debugger.history
        self.checkpoints: dict[int, Checkpoint] = {}
        self._next = 1

    def _go(self, travel: Callable[[], str]) -> Stopped:
        debugger = self._debugger
        before = debugger.kernel.current.pid
        debugger.forget_selection()
        try:
            said = travel()
        except HistoryError as error:
            raise DebugError(str(error)) from None
        except KernelOops as oops:
            debugger.dead = "the kernel has oopsed"
            return Stopped("oops", detail=str(oops))
        debugger.journal.clear()
        hits = tuple(debugger.stops.hit)
        now = debugger.kernel.current.pid
        switched = before if now != before else None
        if debugger.kernel.outcome is not None:
            detail = debugger.ending()
            if said:
                detail += f"; {said[0].lower()}{said[1:].removesuffix('.')}"
            return Stopped("finished", hits, (), detail, switched)
        return Stopped("paused" if said else "step", hits, (), said, switched)

    # -- steps -------------------------------------------------------------------------------------

    def stepi(self, count: int) -> Stopped:
        """Steps back."""
        return self._go(lambda: "" if self._history.step_back(count) else NO_MORE)

    def nexti(self, count: int) -> Stopped:
        """The same, with calls and traps, and what other tasks did meanwhile, in one."""

        def travel() -> str:
            for _ in range(count):
                if not self._next_back():
                    return NO_MORE
            return ""

        return self._go(travel)

    def _next_back(self) -> bool:
        debugger, cpu = self._debugger, self._debugger.machine.cpu
        pid, user, eip, esp = debugger.kernel.current.pid, cpu.cpl == 3, cpu.eip, cpu.esp
        if not self._history.step_back():
            return False
        if user and (debugger.kernel.current.pid != pid or cpu.cpl != 3):
            return self._before_trap(pid)
        instruction = debugger.instruction(cpu.eip, debugger.session.current)
        words = instruction.text.split() if instruction is not None else []
        if words[:1] in (["iret"], ["iretl"], ["iretd"]):
            return self._before_trap(pid, esp)
        if words[:1] in (["ret"], ["retl"]):
            return self._before_call(pid, eip, esp)
        return True

    def _before_trap(self, pid: int, esp: int | None = None) -> bool:
        """Back to right before the last trap that a task took: from user mode, or with so high a stack."""
        debugger, cpu = self._debugger, self._debugger.machine.cpu
        while True:
            back = self._history.run_back("trap", breakpoints=False)
            if back.why == "start":
                return False
            trap = debugger.journal.last_trap
            if trap is None or debugger.kernel.current.pid != pid:
                continue
            if trap.cpl == 3 if esp is None else trap.cpl == 0 and cpu.esp < esp:
                return self._history.step_back()

    def _before_call(self, pid: int, address: int, esp: int) -> bool:
        """Back to the call that returned to an address."""
        debugger, cpu = self._debugger, self._debugger.machine.cpu
        view = debugger.session.current
        calls = [
            address - length
            for length in _CALLS
            if (found := debugger.instruction(address - length, view))
            and found.is_call
            and found.size == length
        ]
        with debugger.stops.only(calls):
            while self._history.run_back().why == "breakpoint":
                if debugger.kernel.current.pid == pid and cpu.esp == esp:
                    return True
        return False

    def out(self) -> Stopped:
        """To right before the trap by which the current task came into the kernel."""
        debugger = self._debugger
        task = debugger.kernel.current
        if debugger.machine.cpu.cpl == 3:
            raise DebugError("the CPU is in user mode already")
        if task.mm is None:
            raise DebugError(f"pid {task.pid} ({task.comm}) did not come from user mode")
        pid = task.pid
        return self._go(lambda: "" if self._before_trap(pid) else NO_MORE)

    def cont(self, kinds: tuple[str, ...]) -> Stopped:
        """Back to the last breakpoint, or to the last event of these kinds."""

        def travel() -> str:
            back = self._history.run_back(*kinds)
            self._debugger.stops.hit = list(back.hits)
            if back.why == "start":
                return NO_MORE
            return f"back behind the last {back.kind}" if back.kind else ""

        return self._go(travel)

    # -- places ------------------------------------------------------------------------------------

    def goto(self, what: str, number: int) -> Stopped:
        """A cycle, an instruction or an event by its number; `start` and `end` of what is known."""

        def travel() -> str:
            history = self._history
            match what:
                case "start":
                    history.goto(position=history.start)
                case "cycle":
                    if history.goto(cycle=number).cycles < number:
                        return self._ends_before(f"cycle {number}")
                case "instruction":
                    if history.goto(instruction=number).instructions < number:
                        return self._ends_before(f"instruction {number}")
                case _:
                    history.goto(event=number)
            return ""

        return self._go(travel)

    def _ends_before(self, what: str) -> str:
        here = self._history.position
        return (
            f"there is no {what}: the run ends after {here.instructions} instructions, at cycle "
            f"{here.cycles}"
        )

    def checkpoint(self) -> int:
        """Remember this place; its number."""
        debugger = self._debugger
        location = debugger.location()
        where = location.symbol or f"{location.eip:#010x}"
        text = f"pid {location.pid} ({location.comm}) at {where}"
        number, self._next = self._next, self._next + 1
        self.checkpoints[number] = Checkpoint(self._history.position, self._history.changes, text)
        return number

    def restart(self, number: int) -> Stopped:
        """Go to a checkpoint, back or forth. Raises DebugError."""
        wanted = self.checkpoints.get(number)
        if wanted is None:
            raise DebugError(f"no checkpoint number {number}; `info checkpoints' lists them")
        if self._history.changes[: len(wanted.changes)] != wanted.changes:
            raise DebugError(f"checkpoint {number} lies behind a change that was taken back")
        return self._go(lambda: str(self._history.goto(position=wanted.position) and ""))

    def back_to_write(self, address: int, size: int, *, physical: bool) -> Write | None:
        """See History.back_to_write; the address is the task's that is looked at. Raises DebugError."""
        debugger = self._debugger
        task = debugger.view.pid
        found: list[Write | None] = []

        def travel() -> str:
            write = self._history.back_to_write(address, size, physical=physical, task=task)
            found.append(write)
            return ""

        self._go(travel)
        return found[0] if found else None
