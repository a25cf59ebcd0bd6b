"""Running to a place again: exactly, without stopping for anybody."""

from __future__ import annotations

from collections.abc import Callable

from emu.events import Position, Stop
from emu.hooks import NO_LIMIT
from toykernel import run_loop
from toykernel.state import Kernel


def run(
    k: Kernel,
    until: int | None = None,
    *,
    instructions: int = NO_LIMIT,
    deliveries: int = NO_LIMIT,
    pace: Callable[[], tuple[int, int]],
    there: Callable[[], bool] = lambda: False,
) -> None:
    """On to a cycle, a number of instructions or of deliveries, to where `there` holds after an event of
    the machine, or to the end. `pace` is Breakpoints.pace. Raises KernelOops.
    """
    machine = k.machine
    due, traps = pace()

    def at_gate() -> bool:
        return run_loop.go_through_gate(k) and not there()

    while k.outcome is None and not there():
        limit = due if until is None else min(due, until)
        event = machine.run(
            limit,
            instructions=instructions,
            deliveries=min(traps, deliveries),
            at_gate=at_gate,
        )
        run_loop.handle(k, event)
        if event.stop is Stop.LIMIT:
            position = machine.position
            if (
                (until is not None and position.cycles >= until)
                or position.instructions >= instructions
                or position.deliveries >= deliveries
            ):
                return
            due, traps = pace()


def step(k: Kernel, most: Position) -> bool:
    """One step, which ends at `most` if the CPU only waits that long. Whether the run goes on."""
    machine = k.machine
    here = machine.position
    if machine.halted and here[:2] == most[:2]:
        run_loop.handle(k, machine.run(most.cycles))
        return k.outcome is None
    return run_loop.step(k) is None


def run_to(k: Kernel, position: Position, pace: Callable[[], tuple[int, int]]) -> None:
    """On to a position that lies ahead, or to the end. Raises KernelOops."""
    machine = k.machine
    if machine.cpu.retired < position.instructions:
        run(k, instructions=position.instructions, pace=pace)
    while machine.position < position and step(k, position):
        pass
