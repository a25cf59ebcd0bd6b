"""What the next step does, found out by making it in a copy of the session, which is then thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.microcode import Delivery
from toykernel.collector import Collector
from toykernel.history.errors import HistoryError
from toykernel.oops import KernelOops

if TYPE_CHECKING:
    from toykernel.harness.session import Session


@dataclass(frozen=True)
class Trial:
    """One step: registers before and after, the rings, the traps that were delivered, whether an
    instruction was completed, and bytes at the linear addresses asked for, before and after."""

    before: dict[str, int]
    after: dict[str, int]
    ring_before: int
    ring_after: int
    traps: tuple[Delivery, ...]
    completed: bool
    memory: tuple[tuple[int, bytes, bytes], ...]

    @property
    def changed(self) -> dict[str, tuple[int, int]]:
        """Registers that are others afterwards."""
        return {
            name: (value, self.after[name])
            for name, value in self.before.items()
            if value != self.after[name]
        }


class _Traps(Collector):
    """Hears the copy's traps."""

    collected = ("heard",)

    def __init__(self) -> None:
        self.heard: list[Delivery] = []

    def hear(self, trap: Delivery) -> None:
        """A trap was delivered."""
        self.heard.append(trap)


def step(session: Session, places: list[tuple[int, int]]) -> Trial | None:
    """Try one step; `places` are addresses and sizes of memory to look at, in the current task.

    None when a copy cannot be had, or the kernel does not survive the step.
    """
    try:
        twin = session.fork()
    except HistoryError:
        return None
    machine = twin.kernel.machine
    traps = _Traps()
    machine.trap_listeners.append(traps.hear)
    before, ring = twin.current.cpu_regs, machine.cpu.cpl
    start = machine.position
    physical = [(at, size, _physical(twin, at, size)) for at, size in places]
    old = [machine.ram.read(where, size) if where >= 0 else b"" for _, size, where in physical]
    try:
        twin.step()
    except KernelOops:
        return None
    new = [machine.ram.read(where, size) if where >= 0 else b"" for _, size, where in physical]
    return Trial(
        before,
        twin.current.cpu_regs,
        ring,
        machine.cpu.cpl,
        tuple(traps.heard),
        machine.position.instructions > start.instructions,
        tuple((at, a, b) for (at, _, _), a, b in zip(physical, old, new, strict=True)),
    )


def _physical(session: Session, address: int, size: int) -> int:
    """Where bytes of one page lie; -1 for more pages, or none."""
    if address >> 12 != address + size - 1 >> 12:
        return -1
    if not session.kernel.machine.cpu.paging:
        return address
    found = session.current.walk(address).physical
    return -1 if found is None or found + size > session.kernel.machine.ram.size else found
