"""Running to a place: advance and until."""

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
