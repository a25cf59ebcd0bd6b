"""The run loop: let the machine run, and deal with what it stops for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.machine import Event, Stop
from toykernel.gate import gate
from toykernel.kernel.panic import panic
from toykernel.state import Outcome, OutcomeKind

if TYPE_CHECKING:
    from toykernel.state import Kernel


def run(k: Kernel, until: int | None = None) -> Outcome:
    """Run until everything is done, or the clock shows `until` cycles, or a debugger's event.

    Raises KernelOops.
    """
    while k.outcome is None:
        event = k.machine.run(until)
        if event.stop is Stop.GATE:  # nearly always
            gate(k, event)
        elif (outcome := handle(k, event)) is not None:
            return outcome
    return over(k, k.outcome)


def over(k: Kernel, outcome: Outcome) -> Outcome:
    """The run has ended: tell who listens. Raises StopRun."""
    if k.host.trace.run_over:
        k.host.trace.run_over.emit()
    return outcome


def step(k: Kernel) -> Outcome | None:
    """One instruction, or one trap; None when there is nothing to tell. Raises KernelOops."""
    if k.outcome is not None:
        return k.outcome
    event = k.machine.step()
    outcome = handle(k, event)
    return over(k, k.outcome) if outcome is None and k.outcome is not None else outcome


def handle(k: Kernel, event: Event) -> Outcome | None:
    """Deal with a machine event; an Outcome when the caller of run should hear of it."""
    match event.stop:
        case Stop.GATE:
            gate(k, event)
            return None
        case Stop.STEP:
            return None
        case Stop.LIMIT:
            return Outcome(OutcomeKind.LIMIT, event)
        case Stop.BREAKPOINT | Stop.TRAP | Stop.WATCH:
            return Outcome(OutcomeKind.EVENT, event)
        case Stop.SHUTDOWN:
            panic(k, f"triple fault at {event.address:#010x}")
        case Stop.BUS_ERROR:
            panic(k, f"page tables lead outside RAM at {event.address:#010x}")
        case _:
            panic(k, f"the machine stopped: {event.stop.value} at {event.address:#010x}")
