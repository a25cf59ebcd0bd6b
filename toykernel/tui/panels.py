"""What the screen shows, as lines: each panel is a function of the debugger, and knows no screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.debug.disassembly import LONGEST
from toykernel.debug.event_text import event_row
from toykernel.debug.format import frame_lines, table, task_where
from toykernel.explain import instruction, memory
from toykernel.look.entry_words import entry_letters
from toykernel.look.page_tables import entries
from toykernel.look.register_words import eflags_text
from toykernel.look.spaces import address_spaces, users

if TYPE_CHECKING:
    from toykernel.debug.debugger import Debugger
    from toykernel.look.image import Image

GENERAL = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp")
_EVENTS = 5


@dataclass(frozen=True)
class Line:
    """A line of a panel; `marked`: it is where the machine is, or has just changed."""

    text: str
    marked: bool = False


Panel = Callable[["Debugger", "Seen"], list[Line]]


@dataclass
class Seen:
    """What the screen keeps between two stops: registers at the last one, the address that is looked up, the
    event that was gone to, and what the last command line has answered."""

    registers: dict[str, int]
    address: int | None = None
    event: int | None = None
    answer: tuple[str, ...] = ()


def _lines(texts: list[str]) -> list[Line]:
    return [Line(text) for text in texts]


def headline(debugger: Debugger) -> str:
    """Who runs where, at which cycle."""
    view, cpu = debugger.session.current, debugger.machine.cpu
    clock = debugger.machine.clock
    where = f"pid {view.pid} ({view.comm}) ring {cpu.cpl}"
    if debugger.kernel.outcome is not None:
        where = debugger.ending()
    return f"{debugger.session.path.name}  {where}  cycle {clock.cycles}  instruction {clock.instructions}"


def registers(debugger: Debugger, seen: Seen) -> list[Line]:
    """The CPU's registers, those marked that are others than at the last stop."""
    now = debugger.session.current.cpu_regs
    rows = []
    for name in (*GENERAL, "eip"):
        value = now.get(name, 0)
        symbol = debugger.name(debugger.session.current)(value) if value > 0xFFFF else None
        changed = seen.registers.get(name, value) != value
        text = f"{'*' if changed else ' '}{name} {value:08x} {symbol or ''}".rstrip()
        rows.append(Line(text, changed))
    flags = now.get("eflags", 0)
    changed = seen.registers.get("eflags", flags) != flags
    rows.append(Line(f"{'*' if changed else ' '}flags {eflags_text(flags)}", changed))
    return rows


def code(debugger: Debugger, seen: Seen) -> list[Line]:
    """Instructions around the next one, each with its source line behind it."""
    view, cpu = debugger.session.current, debugger.machine.cpu
    at = cpu.eip + cpu.cs_base & 0xFFFFFFFF
    image = debugger.images.of_address(view.task, at)
    found = [_instruction(debugger, image, address, at) for address in [*_before(image, at), at]]
    for _ in range(8):
        here = debugger.instruction(at, view)
        if here is None:
            break
        at += here.size
        found.append(_instruction(debugger, image, at, None))
    return found


def _before(image: Image | None, at: int) -> list[int]:
    known = [entry.address for entry in image.lines if entry.address < at] if image else []
    return [address for address in known[-3:] if address > at - 3 * LONGEST]


def _instruction(debugger: Debugger, image: Image | None, address: int, here: int | None) -> Line:
    mark = "=>" if address == here else "  "
    found = debugger.instruction(address, debugger.session.current)
    if found is None:
        return Line(f"{mark} {address:08x} (nothing is mapped)", address == here)
    text = f"{mark} {address:08x} {' '.join(found.text.split())}"
    place = image.place_at(address) if image is not None else None
    if place is not None:
        text = f"{text:<46} {place.name}: {' '.join(place.text.split('#')[0].split())}"
    return Line(text, address == here)


def processes(debugger: Debugger, seen: Seen) -> list[Line]:
    """The processes, a column each."""
    columns = []
    for view in debugger.session.tasks:
        if view.pid == 0:
            continue
        eip = f"{view.eip:08x}" if view.task.mm is not None else "-"
        cow = view.task.stats.faults
        columns.append(
            [
                f"{'>' if view.is_current else ' '}pid {view.pid}",
                view.comm[:14],
                f"state {view.state}",
                f"eip {eip}",
                (debugger.name(view)(view.eip) or "")[:14],
                f"cr3 {view.directory:08x}",
                f"pages {view.task.mm.rss if view.task.mm else 0}",
                f"copied {cow['cow_copied']} of {sum(cow.values())}",
                *_wrapped(view.waits_on or task_where(debugger, view), 15, 3),
            ]
        )
    if not columns:
        return [Line("nobody is there yet")]
    height = max(map(len, columns))  # side by side
    rows = [[column[n] if n < len(column) else "" for column in columns] for n in range(height)]
    return _lines(table(rows))


def _wrapped(text: str, width: int, most: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:most]


def stack(debugger: Debugger, seen: Seen) -> list[Line]:
    """The kernel stack of the present task, with the frames that traps have left, word by word by name."""
    return _lines(frame_lines(debugger, debugger.session.current))


def page(debugger: Debugger, seen: Seen) -> list[Line]:
    """The walk of an address: the one asked for, else what the next instruction uses."""
    view = debugger.session.current
    address = seen.address
    if address is None and debugger.kernel.outcome is None:
        asked = instruction.memory_operands(debugger.session)
        address = asked[0].address if asked else None
    if address is None:
        address = view.cpu_regs["eip"]
    return _lines(memory.page(view, debugger.images, address))


def frames(debugger: Debugger, seen: Seen) -> list[Line]:
    """Every user frame: its references, and which entries map it with which rights."""
    k = debugger.kernel
    mapped: dict[int, list[str]] = {}
    for mm in address_spaces(k):
        pids = "+".join(str(task.pid) for task in users(k, mm))
        for entry in entries(k, mm):
            if entry.present:
                letters = entry_letters(entry.pte)
                mapped.setdefault(entry.pfn, []).append(f"{pids}:{entry.address:08x} {letters}")
    rows = [("FRAME", "REFS", "MAPPED BY (pid:address rights)")]
    for frame, who in sorted(mapped.items()):
        zero = " (zero page)" if frame == k.memory.zero_pfn else ""
        rows.append((f"{frame:#x}{zero}", str(k.memory.pages.page_count(frame)), "  ".join(who)))
    shared = [False, *(len(who) > 1 for _, who in sorted(mapped.items()))]
    return [Line(text, mark) for text, mark in zip(table(rows), shared, strict=True)]


def events(debugger: Debugger, seen: Seen) -> list[Line]:
    """The last events up to here, and the next ones that are known."""
    log = debugger.history.events
    first = max(log.first, log.count - _EVENTS)
    numbers = range(first, min(log.known, log.count + 3))
    rows = [event_row(debugger, number, log[number]) for number in numbers]
    lines = table(rows)
    return [
        Line(f"{'>' if number == log.count - 1 else ' '}{text}", number == log.count - 1)
        for number, text in zip(numbers, lines, strict=True)
    ] or [Line("nothing has happened yet")]


def explain(debugger: Debugger, seen: Seen) -> list[Line]:
    """The next instruction in words."""
    return _lines(instruction.next_instruction(debugger.session))


def output(debugger: Debugger, seen: Seen) -> list[Line]:
    """What the guest has written so far."""
    text = debugger.session.stdout + debugger.session.stderr
    return _lines(text.decode("utf-8", "replace").splitlines() or ["nothing has been written yet"])


def answer(debugger: Debugger, seen: Seen) -> list[Line]:
    """What the last command line has answered."""
    return _lines(list(seen.answer) or ["`:' takes a command of the debugger; `help' lists them"])


#: The lower half shows one of these: key, title, panel.
PANELS: tuple[tuple[str, str, Panel], ...] = (
    ("1", "Processes", processes),
    ("2", "Stack", stack),
    ("3", "Page", page),
    ("4", "Frames", frames),
    ("5", "Events", events),
    ("6", "Explain", explain),
    ("7", "Output", output),
    ("8", "Answer", answer),
)


def timeline(debugger: Debugger, width: int, end: int) -> str:
    """The run from its start to the last cycle that is known: `|` is now, letters are events."""
    log = debugger.history.events
    end = max(end, 1)
    cells = ["-"] * width
    letters = {"fork": "F", "cow": "C", "exit": "X", "signal": "S", "exec": "E"}
    for number in range(log.first, log.known):
        event = log[number]
        letter = letters.get(event.kind)
        if letter is not None:
            cells[column(event.position.cycles, width, end)] = letter
    cells[column(debugger.machine.clock.cycles, width, end)] = "|"
    return "".join(cells)


def column(cycle: int, width: int, end: int) -> int:
    """Where a cycle is in a time line."""
    return min(cycle * (width - 1) // max(end, 1), width - 1)
