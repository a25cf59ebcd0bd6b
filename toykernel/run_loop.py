"""The run loop: let the machine run, and deal with what it stops for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emu.engine_quirks import FIELD
from emu.machine import Event, Stop
from toykernel.gate import gate
from toykernel.kernel.panic import panic
from toykernel.state import Outcome, OutcomeKind

if TYPE_CHECKING:
    from toykernel.state import Kernel

_EIP = FIELD["eip"]


def run(k: Kernel, until: int | None = None) -> Outcome:
    """Run until everything is done, or the clock shows `until` cycles, or a debugger's event.

    Raises KernelOops.
    """
    at_gate = partial(go_through_gate, k)
    while k.outcome is None:
        outcome = handle(k, k.machine.run(until, at_gate=at_gate))
        if outcome is not None:
            return outcome
    return over(k, k.outcome)


def go_through_gate(k: Kernel) -> bool:
    """The guest is at the gate, in the middle of a run; whether the run goes on. For Machine.run."""
    gate(k, k.machine.cpu.regs[_EIP])
    return k.outcome is None and k.machine.unchanged


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
            gate(k, event.address)
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
