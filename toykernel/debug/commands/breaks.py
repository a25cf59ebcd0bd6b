"""Commands for breakpoints."""

from __future__ import annotations

from toykernel.debug.commands.command import Command, Console, count_of
from toykernel.debug.errors import DebugError
from toykernel.debug.format import what_text
from toykernel.harness.breakpoints import ADDRESS, Breakpoint

PLACES = """\
LABEL          a label of the program, else of the kernel; kernel:LABEL and init:LABEL
               ask for one of them. A label of the program counts only for tasks that
               run the program
FILE:LINE      the first code at or after a line; LINE alone: of the program's source
*EXPRESSION    a linear address, whoever comes there
syscall NAME   the first instruction of system_call, for one call; without NAME for each
trap N         a trap has just been delivered: a vector, or a name such as #PF
fork           copy_process has made a child
cow            a copy-on-write fault has been handled: shows the task, the page, the
               instruction, the frames and their references"""


def break_(console: Console, text: str) -> None:
    _set(console, text, temporary=False)


def tbreak(console: Console, text: str) -> None:
    _set(console, text, temporary=True)


def _set(console: Console, text: str, *, temporary: bool) -> None:
    if not text:
        raise DebugError("break where? `help break' shows the ways")
    point = console.debugger.break_at(text, temporary=temporary)
    kind = "Temporary breakpoint" if temporary else "Breakpoint"
    console.write(f"{kind} {point.number}: {what_text(point)}{place_text(point)}")
    if point.kind == ADDRESS and point.image is not None:
        others = [i.name for i, _, is_label in console.debugger.images.find(text) if is_label]
        if len(others) > 1:
            names = ", ".join(others[1:])
            console.write(f"  (the {others[0]}'s; the name is also in: {names})")


def place_text(point: Breakpoint) -> str:
    """` at`, its first address and how many more it has; empty for an event."""
    if point.kind != ADDRESS:
        return ""
    first = f" at {point.addresses[0]:#010x}"
    more = len(point.addresses) - 1
    return first + (f" and {more} more place{'s' if more > 1 else ''}" if more else "")


def delete(console: Console, text: str) -> None:
    stops = console.debugger.stops
    if not text:
        console.write(f"Deleted {len(stops.all)} breakpoints.")
        stops.all.clear()
        return
    for number in [count_of(word) for word in text.split()]:
        stops.delete(number)


BREAKS = (
    Command("break", "PLACE", "stop at a place or an event", break_, PLACES, ("b", "br")),
    Command("tbreak", "PLACE", "the same, once", tbreak, "See `help break'.", ("tb",)),
    Command(
        "delete", "[N...]", "take breakpoints out, all of them without a number", delete,
        "`info breakpoints' shows the numbers.", ("d",),
    ),
)  # fmt: skip
