"""By what a cycle profile calls each kind of trap: the number of its first event, for links to the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.microcode import VECTOR_NAMES
from toykernel.arch.x86.asm_offsets import FIRST_EXTERNAL_VECTOR, PAGE_OFFSET, SYSCALL_VECTOR
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.observe.events import EventLog, RunEvent


def first_events(log: EventLog) -> dict[str, int]:
    """Names as in CycleProfile.data()["events"]. Of what is not kept any more, nothing."""
    found: dict[str, int] = {}
    name, number, fault = "", 0, ""
    for at, event in log.happened():
        if event.kind == "trap" and event.eip < PAGE_OFFSET:
            if name:
                found.setdefault(f"{name} ({fault})" if fault else name, number)
            name, number, fault = _name(event), at, ""
        elif event.kind in ("fault", "cow"):
            fault = str(event.detail("what"))
    if name:
        found.setdefault(f"{name} ({fault})" if fault else name, number)
    return found


def _name(event: RunEvent) -> str:
    vector = int(event.detail("vector"))
    if vector == SYSCALL_VECTOR:
        return str(name_of(event.detail("call")))
    if vector >= FIRST_EXTERNAL_VECTOR:
        return f"interrupt {vector:#x}"
    return VECTOR_NAMES.get(vector, f"trap {vector:#x}")
