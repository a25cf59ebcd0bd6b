"""Commands that go back in time."""

from __future__ import annotations

from pathlib import Path

from toykernel.debug.commands.breaks import bytes_at
from toykernel.debug.commands.command import Command, Console, count_of, no_arguments
from toykernel.debug.commands.run import show
from toykernel.debug.errors import DebugError
from toykernel.debug.event_text import event_row
from toykernel.debug.format import table
from toykernel.history.errors import HistoryError
from toykernel.observe.events import KINDS

_SHOWN = 20


def reverse_stepi(console: Console, text: str) -> None:
    """reverse-stepi [N]"""
    show(console, console.traveller.stepi(count_of(text)))


def reverse_nexti(console: Console, text: str) -> None:
    """reverse-nexti [N]"""
    show(console, console.traveller.nexti(count_of(text)))


def reverse_continue(console: Console, text: str) -> None:
    """reverse-continue [KIND...]"""
    show(console, console.traveller.cont(tuple(text.split())))


def reverse_out(console: Console, text: str) -> None:
    """To before the trap into the kernel."""
    no_arguments(text)
    show(console, console.traveller.out())


def goto(console: Console, text: str) -> None:
    """goto event N|cycle N|instruction N|start"""
    words = text.split()
    if words == ["start"]:
        show(console, console.traveller.goto("start", 0))
        return
    places = [p for p in ("event", "cycle", "instruction") if words and p.startswith(words[0])]
    if len(words) != 2 or len(places) != 1:
        raise DebugError("go where? `help goto' shows the ways")
    show(console, console.traveller.goto(places[0], _number(words[1])))


def _number(text: str) -> int:
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.isdigit()):
        raise DebugError(f"{text[:40]} is not a number")
    return int(digits)


def checkpoint(console: Console, text: str) -> None:
    """Remember this place, by a number."""
    no_arguments(text)
    number = console.traveller.checkpoint()
    console.write(f"Checkpoint {number}: {console.traveller.checkpoints[number].where}")


def restart(console: Console, text: str) -> None:
    """restart N"""
    if not text:
        raise DebugError("restart needs a checkpoint's number; `info checkpoints' lists them")
    show(console, console.traveller.restart(count_of(text)))


def events(console: Console, text: str) -> None:
    """events [KIND...] [N]"""
    words = text.split()
    count = count_of(words.pop()) if words and words[-1].isdigit() else _SHOWN
    unknown = [word for word in words if word not in KINDS]
    if unknown:
        raise DebugError(f"no events of kind {unknown[0]}; there are {', '.join(KINDS)}")
    log = console.debugger.history.events
    found = [(n, e) for n, e in log.happened() if not words or e.kind in words]
    rows: list[tuple[str, ...]] = [("NUM", "CYCLE", "PID", "KIND", "WHAT", "WHERE")]
    rows += (event_row(console.debugger, number, event) for number, event in found[-count:])
    console.lines(table(rows) if found else ["No events."])


def back_to_write(console: Console, text: str) -> None:
    """back-to-write [/SIZE] ADDR|phys ADDR"""
    size, address, physical = bytes_at(console.debugger, text)
    write = console.traveller.back_to_write(address, size, physical=physical)
    if write is None:
        console.write("Nobody has written there since history began.")
        return
    old, new = (int.from_bytes(value, "little") for value in (write.old, write.new))
    digits = 2 * size + 2
    values = f": {old:#0{digits}x} -> {new:#0{digits}x}" if size <= 4 else ""
    console.write(f"Physical {write.physical:#010x} is about to be written{values}")
    console.lines(location(console))


def location(console: Console) -> list[str]:
    """Where the machine stands."""
    from toykernel.debug.format import location_lines

    return location_lines(console.debugger.location())


def record(console: Console, text: str) -> None:
    """record save FILE"""
    word, _, name = text.partition(" ")
    name = name.strip()
    if word != "save" or not name:
        raise DebugError("record save FILE")
    try:
        console.save(str(Path(name).expanduser()), console.debugger.session.moment())
    except HistoryError as error:
        raise DebugError(str(error)) from None
    console.write(f"This moment is in {name}; `toykernel debug --from {name}' goes on from it.")


BACK = (
    Command(
        "reverse-stepi", "[N]", "undo one step, or N", reverse_stepi,
        "The machine is what it was before: memory, registers, clock, tasks, output. Steps are those\n"
        "of stepi; a wait of the halted CPU is one.",
        ("rsi", "reverse-step", "rs"), True,
    ),
    Command(
        "reverse-nexti", "[N]", "the same, with the calls and traps that were made", reverse_nexti,
        "In user mode back over whole system calls, faults and interrupts, whatever other tasks did\n"
        "meanwhile; in ring 0 over calls and interrupts.",
        ("rni", "reverse-next", "rn"), True,
    ),
    Command(
        "reverse-continue", "[KIND...]", "run back to the last breakpoint or event",
        reverse_continue,
        "Without KIND: to where the machine would have stopped last for a breakpoint or watchpoint,\n"
        f"else to the start. KIND: {', '.join(KINDS)};\n"
        "it stops behind the last of them, too. `reverse-continue trap' is right after a delivery.",
        ("rc",), True,
    ),
    Command(
        "reverse-out", "", "back to before the trap that led into the kernel", reverse_out,
        "The mirror image of `out'.", ("reverse-finish",), True,
    ),
    Command(
        "goto", "PLACE", "go to a place in time, back or forth", goto,
        "event N        right after an event, by its number in `events'\n"
        "cycle N        the first place at which the clock shows so many\n"
        "instruction N  when so many instructions have completed since power-on\n"
        "start          where history begins: power-on",
    ),
    Command(
        "checkpoint", "", "remember this place", checkpoint,
        "`restart N' goes there, back or forth; `info checkpoints' lists them.",
    ),
    Command("restart", "N", "go to a checkpoint", restart),
    Command(
        "events", "[KIND...] [N]", "what happened so far, numbered: the last 20, or N", events,
        f"KIND: {', '.join(KINDS)}.\n"
        "`goto event NUM' goes there. The first time the run so far is run again to list it.",
    ),
    Command(
        "back-to-write", "[/BYTES] ADDR", "go back to the last write to an address", back_to_write,
        "Stops right before it: an instruction of any task, a trap's frame, or a function of the\n"
        "kernel. ADDR is an expression, in the address space of the task that is looked at, as it is\n"
        "now; `phys ADDR' is a physical address. 4 bytes without /BYTES; they lie in one page.",
        ("btw",), takes_format=True,
    ),
    Command(
        "record", "save FILE", "keep this moment in a file", record,
        "`toykernel debug --from FILE' goes on from it.",
    ),
)  # fmt: skip
