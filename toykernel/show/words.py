"""An event in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.observe.events import RunEvent
    from toykernel.show.state import State


def in_words(event: RunEvent, state: State) -> str:
    """What happened, from the event's own data and the state after it."""
    details = dict(event.details)
    who = f"pid {event.pid}"
    match event.kind:
        case "trap" if "call" in details:
            return f"{who} traps with int 0x80: {name_of(details['call'])}"
        case "trap" if "address" in details:
            at, code = details["address"], details["error_code"]
            return f"{who} faults at {at:#010x}, error code {code}"
        case "trap":
            return f"{who} is interrupted by vector {details['vector']:#x}"
        case "call":
            return f"{name_of(details['call'])} of {who} returns {details['result']}"
        case "fault" | "cow":
            what = details["what"].replace("_", " ")
            text = f"the kernel deals with {who}'s page at {details['address']:#010x}: {what}"
            for label, frame in (("frame", details["old_frame"]), ("now", details["new_frame"])):
                if frame is not None:
                    count = state["frames"].get(f"{frame:05x}", {}).get("count", 0)
                    text += f", {label} {frame:#x} with {count} reference{'s' * (count != 1)}"
            return text
        case "switch":
            why = details["sleeps_in"]
            why = "is dead" if why == "dead" else f"sleeps in {why}" if why else "can go on"
            return f"the CPU goes from {who}, which {why}, to pid {details['to']}"
        case "fork":
            return f"{who} has a child: pid {details['child']}"
        case "exec":
            return f"{who} runs {details['path']} from now on"
        case "exit":
            return f"{who} ends"
        case _:
            return f"signal {details['signal']} is delivered to {who}"
