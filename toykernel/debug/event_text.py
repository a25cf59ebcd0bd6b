"""Events of a run as words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emu.microcode import PF
from toykernel.arch.x86.asm_offsets import SYSCALL_VECTOR
from toykernel.kernel.siginfo import SIGNAL_NAMES
from toykernel.look.trap_words import page_fault_bits, result_text, vector_text, wait_status_text
from toykernel.observe.events import RunEvent
from toykernel.syscall_table import BY_NAME, name_of

if TYPE_CHECKING:
    from toykernel.debug.debugger import Debugger


def event_text(event: RunEvent) -> str:
    """What happened."""
    details = dict(event.details)
    match event.kind:
        case "trap":
            return _trap_text(details)
        case "call":
            return f"{_call_text(details)} = {result_text(details['result'])}"
        case "fault" | "cow":
            old, new = details["old_frame"], details["new_frame"]
            frames = f", frame {old:#x}" if old is not None else ""
            if new is not None and new != old:
                frames += f" -> {new:#x}" if frames else f", frame {new:#x}"
            return f"{details['what']} at {details['address']:#010x}{frames}"
        case "switch":
            why = details["sleeps_in"]
            why = f", {'dead' if why == 'dead' else f'sleeps in {why}'}" if why else ""
            return f"to pid {details['to']} ({details['comm']}){why}"
        case "fork":
            return f"child {details['child']}"
        case "exec":
            return str(details["path"])
        case "exit":
            return wait_status_text(details["status"])
        case _:
            return str(SIGNAL_NAMES.get(details["signal"], details["signal"]))


def _trap_text(details: dict[str, int]) -> str:
    vector = details["vector"]
    if vector == SYSCALL_VECTOR:
        return f"int 0x80, {name_of(details['call'])}"
    text = vector_text(vector)
    if vector == PF:
        code = details["error_code"]
        text += f" at {details['address']:#010x}, error code {code:#x} ({page_fault_bits(code)})"
    return text


def _call_text(details: dict[str, Any]) -> str:
    name = name_of(details["call"])
    count = len(BY_NAME[name].arguments) if name in BY_NAME else 0
    words = details["arguments"][:count]
    return f"{name}({', '.join(_word_text(word) for word in words)})"


def _word_text(word: int) -> str:
    return str(word) if word < 0x1000 else f"{word:#x}"


def event_row(debugger: Debugger, number: int, event: RunEvent) -> tuple[str, ...]:
    """Number, cycle, pid, kind, what happened, and the source line."""
    place = debugger.history.events.place(event)
    where = place.name if place is not None else f"{event.eip:#010x}"
    head = (str(number), str(event.position.cycles), str(event.pid), event.kind)
    return (*head, event_text(event), where)
