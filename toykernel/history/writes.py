"""Who wrote this: the last write to an address, wherever in the past and in whichever address space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.events import Position
from emu.ram import PAGE_SIZE
from emu.watches import Range, Watches
from toykernel.history.errors import HistoryError
from toykernel.oops import KernelOops

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.history.history import History


@dataclass(frozen=True)
class Write:
    """A write. The session stands at `before`: what the CPU does next (an instruction, or taking a trap)
    makes it, and in a call through the gate the kernel's Python does.
    """

    before: Position
    after: Position
    pid: int
    physical: int
    old: bytes
    new: bytes


def physical_range(session: Session, address: int, size: int, task: int | None) -> Range:
    """Of a linear address, as a task (the current one without a number) has it now. Raises HistoryError."""
    try:
        view = session.current if task is None else session.task(task)
    except LookupError as error:
        raise HistoryError(str(error)) from None
    physical = view.walk(address).physical
    if physical is None:
        raise HistoryError(f"pid {view.pid} has no page at {address:#010x} now")
    return _checked(session, physical, size)


def _checked(session: Session, physical: int, size: int) -> Range:
    ram = session.kernel.machine.ram
    if not 1 <= size <= PAGE_SIZE or physical % PAGE_SIZE + size > PAGE_SIZE:
        raise HistoryError("the bytes of one page, from 1 to all of them")
    if not 0 <= physical <= ram.size - size:
        raise HistoryError(f"{physical:#x} is no physical address of this machine")
    return Range(physical, physical + size)


def back_to_write(
    history: History, address: int, size: int, *, physical: bool, task: int | None
) -> Write | None:
    """See History.back_to_write."""
    session = history.session
    where = (
        _checked(session, address, size)
        if physical
        else physical_range(session, address, size, task)
    )
    ram = session.kernel.machine.ram
    here = end = history.position
    for kept in history.moments_before(here):
        history.restore(kept)
        last = _last_write(history, where, end)
        if last is not None:
            history.goto(position=last)
            after, new = history.position, ram.read(where.start, size)
            history.step_back()
            old = ram.read(where.start, size)
            pid = session.kernel.current.pid
            return Write(history.position, after, pid, where.start, old, new)
        end = kept.position
    history.goto(position=here)
    return None


def _last_write(history: History, where: Range, end: Position) -> Position | None:
    """Behind which instructions and deliveries it was, from here to a position."""
    watches = Watches(history.session.kernel.machine, [where])
    try:
        history.run_to(end)
    except KernelOops:
        pass  # at `end`
    finally:
        watches.close()
    seen = watches.seen(0)
    return Position(*seen[1], 0) if seen is not None else None
