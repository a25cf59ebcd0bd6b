"""Running to a place, or to another source line: advance, until, step, next."""

from __future__ import annotations

from toykernel.debug.debugger import Debugger, Stopped
from toykernel.state import Outcome, OutcomeKind


def advance(debugger: Debugger, address: int) -> Stopped:
    """Run until the current task is at an address in the code, or a breakpoint."""
    pid = debugger.kernel.current.pid
    debugger.journal.clear()

    def run() -> Stopped:
        debugger.watch_for_death()
        outcome = debugger.run({address: lambda: debugger.kernel.current.pid == pid})
        arrived = outcome.kind is OutcomeKind.ARRIVED
        return debugger.stopped(None if arrived else outcome)

    return debugger.guard(run)


def until(debugger: Debugger) -> Stopped:
    """nexti, but not backwards in a loop of the same task and ring."""
    cpu = debugger.machine.cpu
    pid, ring, start = debugger.kernel.current.pid, cpu.cpl, cpu.eip

    def run() -> Stopped:
        debugger.journal.recording = False
        while True:
            outcome = debugger.next_once()
            here = (debugger.kernel.current.pid, cpu.cpl) == (pid, ring)
            if outcome is not None or not here or cpu.eip > start:
                return debugger.stopped(outcome)
            if debugger.stops.interrupted():
                return debugger.stopped(Outcome(OutcomeKind.INTERRUPTED))

    return debugger.guard(run)


def line(debugger: Debugger, count: int, *, calls: bool) -> Stopped:
    """`count` times to the beginning of another source line. Traps are one step, and so are calls with
    `calls`; without, a call is gone into where the function has lines, and is one step where it has none."""

    def run() -> Stopped:
        outcome = None
        for left in range(count, 0, -1):
            debugger.journal.recording = left == 1
            debugger.journal.clear()
            outcome = _one_line(debugger, calls=calls)
            if outcome is not None:
                break
        return debugger.stopped(outcome)

    return debugger.guard(run)


def _one_line(debugger: Debugger, *, calls: bool) -> Outcome | None:
    cpu = debugger.machine.cpu
    start, begin = _line_at(debugger), cpu.eip
    while True:
        esp = cpu.esp
        outcome = debugger.next_once(calls=calls)
        entered = not calls and cpu.cpl == 3 and cpu.esp == esp - 4
        if outcome is None and entered and _line_at(debugger) is None:
            outcome = debugger.return_to(debugger.word_at(cpu.esp), esp)
        if outcome is not None:
            return outcome
        here = _line_at(debugger)
        if start is None or (
            here is not None and here[1] and (here[0] != start[0] or cpu.eip <= begin)
        ):
            return None
        debugger.journal.recording = False
        if debugger.stops.interrupted():
            return Outcome(OutcomeKind.INTERRUPTED)


def _line_at(debugger: Debugger) -> tuple[str, bool] | None:
    """The line where the CPU is, and whether at the beginning of its code. None where none is known."""
    eip = debugger.machine.cpu.eip
    image = debugger.images.of_address(debugger.kernel.current, eip)
    entry = image.entry_at(eip) if image is not None else None
    place = image.place_at(eip) if image is not None else None
    if entry is None or place is None:
        return None
    return f"{place.file}:{place.line}", entry.address == eip
