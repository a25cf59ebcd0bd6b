"""Commands for breakpoints."""

from __future__ import annotations

import re
from contextlib import suppress

from emu.ram import PAGE_SIZE
from toykernel.debug.commands.command import Command, Console, count_of
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.format import what_text
from toykernel.harness.points import ADDRESS, WATCH, Breakpoint, Watch, always

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
    text, pid, condition = _parts(text)
    debugger = console.debugger
    if pid is not None:
        debugger.task(pid)
    point = debugger.break_at(text, temporary=temporary)
    try:
        debugger.judge(condition, point.addresses)
    except DebugError:
        debugger.stops.delete(point.number)
        debugger.stops.next_number = point.number
        raise
    point.pid = pid
    _set_condition(console, point, condition)
    kind = "Temporary breakpoint" if temporary else "Breakpoint"
    console.write(f"{kind} {point.number}: {what_text(point)}{place_text(point)}{terms(point)}")
    if point.kind == ADDRESS and point.image is not None:
        others = [i.name for i, _, is_label in console.debugger.images.find(text) if is_label]
        if len(others) > 1:
            names = ", ".join(others[1:])
            console.write(f"  (the {others[0]}'s; the name is also in: {names})")


def _parts(text: str) -> tuple[str, int | None, str]:
    """`PLACE [pid N] [if EXPR]`: place, pid, condition."""
    place, _, condition = (part.strip() for part in f" {text} ".partition(" if "))
    match = re.fullmatch(r"(.*?)\s+pid\s+(\d+)", place)
    if match is None:
        return place, None, condition
    return match[1], int(match[2]), condition


def _set_condition(console: Console, point: Breakpoint, text: str) -> None:
    debugger = console.debugger
    point.condition = text
    _warn_of_addresses(console, text)

    def holds() -> bool:
        try:
            return debugger.evaluate(text) != 0
        except DebugError as error:
            console.write(f"The condition of {point.number} cannot be judged: {error}")
            return True

    point.holds = holds if text else always


def _warn_of_addresses(console: Console, text: str) -> None:
    """A label in a condition is its address, where people may mean what is stored there."""
    bare: list[str] = []
    with suppress(DebugError):
        console.debugger.evaluate(text, bare)
    for name in dict.fromkeys(bare):
        for image, value, is_label in console.debugger.images.find(name)[:1]:
            if is_label and not image.is_code(value):
                console.write(
                    f"  ({name} is its address, {value:#010x}; *{name} is the word there)"
                )


def terms(point: Breakpoint) -> str:
    """Under which terms it stops."""
    text = f", pid {point.pid}" if point.pid is not None else ""
    text += f", if {point.condition}" if point.condition else ""
    return text + (f", not the next {point.ignore} times" if point.ignore else "")


def _point(console: Console, word: str) -> Breakpoint:
    point = console.debugger.stops.all.get(count_of(word)) if word else None
    if point is None:
        raise DebugError(f"no breakpoint number {word or '(none given)'}")
    return point


def condition_(console: Console, text: str) -> None:
    """condition N [EXPR]"""
    number, _, expression = text.partition(" ")
    point = _point(console, number)
    console.debugger.judge(expression, point.addresses)
    _set_condition(console, point, expression.strip())
    console.write(f"Breakpoint {point.number}: {what_text(point)}{terms(point)}")


def ignore(console: Console, text: str) -> None:
    """ignore N COUNT"""
    number, _, count = text.partition(" ")
    point = _point(console, number)
    point.ignore = 0 if count.strip() == "0" else count_of(count.strip())
    times = f"{point.ignore} times" if point.ignore != 1 else "once"
    console.write(f"Breakpoint {point.number} does not stop the next {times}.")


def commands(console: Console, text: str) -> None:
    """commands N"""
    point = _point(console, text) if text else _latest(console)
    point.commands = []
    console.collect(point.commands)
    console.write(f"What to do at breakpoint {point.number}, a command a line, then `end':")


def _latest(console: Console) -> Breakpoint:
    points = console.debugger.stops.all
    return _point(console, str(max(points, default="")))


def watch(console: Console, text: str) -> None:
    """watch [/BYTES] ADDR|phys ADDR"""
    _watch(console, text, reads=False, writes=True)


def rwatch(console: Console, text: str) -> None:
    """rwatch [/BYTES] ADDR|phys ADDR"""
    _watch(console, text, reads=True, writes=False)


def awatch(console: Console, text: str) -> None:
    """awatch [/BYTES] ADDR|phys ADDR"""
    _watch(console, text, reads=True, writes=True)


def _watch(console: Console, text: str, *, reads: bool, writes: bool) -> None:
    debugger = console.debugger
    text, pid, condition = _parts(text)
    if pid is not None:
        raise DebugError("a watchpoint sees everybody's accesses; `if' can tell them apart")
    size, address, physical = bytes_at(debugger, text)
    if address % PAGE_SIZE + size > PAGE_SIZE:
        raise DebugError("the bytes of one page, please: a watchpoint for each")
    if condition:
        debugger.evaluate(condition)
    seen = Watch(address, size, None if physical else debugger.view.pid, reads, writes)
    where = f"physical {address:#010x}" if physical else f"{address:#010x} of pid {seen.pid}"
    kind = {(False, True): "", (True, False): ", reads"}.get((reads, writes), ", any access")
    point = debugger.stops.add_point(
        Breakpoint(0, WATCH, f"{size} byte{'s' * (size > 1)} at {where}{kind}", watch=seen)
    )
    _set_condition(console, point, condition)
    console.write(f"Watchpoint {point.number}: {what_text(point)}{terms(point)}")


def bytes_at(debugger: Debugger, text: str) -> tuple[int, int, bool]:
    """`[/BYTES] [phys] ADDR`: how many, where, and whether that is physical. Raises DebugError."""
    size = 4
    if text.startswith("/"):
        word, _, text = text[1:].partition(" ")
        size = count_of(word)
    if size > PAGE_SIZE:
        raise DebugError(f"at most {PAGE_SIZE} bytes, those of a page")
    text = text.strip()
    physical = text.startswith("phys ")
    if not text:
        raise DebugError("at which address?")
    return size, debugger.evaluate(text.removeprefix("phys ")), physical


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
    Command(
        "break", "PLACE [pid N] [if EXPR]", "stop at a place or an event", break_,
        f"{PLACES}\n"
        "Only for the task N, and only when the expression is not 0, if that is said.",
        ("b", "br"),
    ),
    Command(
        "tbreak", "PLACE [pid N] [if EXPR]", "the same, once", tbreak, "See `help break'.", ("tb",)
    ),
    Command(
        "watch", "[/BYTES] ADDR [if EXPR]", "stop when bytes have changed", watch,
        "ADDR is an expression, in the address space of the task that is looked at; the bytes are\n"
        "followed when another frame holds them. `phys ADDR' watches physical memory. 4 bytes without\n"
        "/BYTES. Everybody's writes are seen, the kernel's too. There may be any number of watchpoints;\n"
        "the guest does not notice them, and not one cycle changes.",
        takes_format=True,
    ),
    Command(
        "rwatch", "[/BYTES] ADDR [if EXPR]", "stop when an instruction has read bytes", rwatch,
        "See `help watch'. What the kernel's Python reads is not seen.", takes_format=True,
    ),
    Command(
        "awatch", "[/BYTES] ADDR [if EXPR]", "stop after any access to bytes", awatch,
        "See `help watch'.", takes_format=True,
    ),
    Command("condition", "N [EXPR]", "stop only when an expression holds", condition_),
    Command("ignore", "N COUNT", "do not stop the next times", ignore, "They are counted as hits."),
    Command(
        "commands", "[N]", "what to do when a breakpoint stops", commands,
        "Without N: the last one. The commands follow, a line each, up to `end'. When the first\n"
        "is `silent', the stop itself is not shown.",
    ),
    Command(
        "delete", "[N...]", "take breakpoints out; all without a number", delete,
        "`info breakpoints' shows the numbers.", ("d",),
    ),
)  # fmt: skip
