"""Commands for source lines and places."""

from __future__ import annotations

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.debug.commands.command import Command, Console, no_arguments
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.format import address_text, frame_title, source_text, source_window
from toykernel.look.symbols import Image

LINES = 11


def list_(console: Console, text: str) -> None:
    """list [WHERE]"""
    debugger = console.debugger
    image: Image | None
    if text.isascii() and text.isdigit() and len(text) < 10:
        code = debugger.images.code(text)
        image, address = code.image, code.addresses[0]
    elif text:
        image, address = debugger.code(text)
    else:
        address = debugger.register("eip")
        image = debugger.images.of_address(debugger.view.task, address)
    place = image.place_at(address) if image is not None else None
    if image is None or place is None:
        raise DebugError(f"no source line is known for {address:#010x}")
    lines = image.source_lines(place.file)
    if not lines:
        raise DebugError(f"{place.file} cannot be read")
    console.write(f"{place.file}:")
    console.lines(source_window(lines, place.file, place.line, LINES))


def where(console: Console, text: str) -> None:
    """where"""
    no_arguments(text)
    debugger = console.debugger
    task = debugger.view.task
    for number, (address, note) in enumerate(backtrace(debugger)):
        place = debugger.images.place_at(task, address)
        symbol = debugger.images.symbol_at(task, address)
        source = f"  {source_text(place)}" if place else ""
        console.write(f"#{number}  {address_text(address, symbol)}{source}{note}")


def backtrace(debugger: Debugger) -> list[tuple[int, str]]:
    """(address, note): the present place, then calls and traps from the innermost."""
    view = debugger.view
    places = [(view.cpu_regs["eip"], "")]
    low = view.kernel_sp
    if low is None or low < PAGE_OFFSET:  # in boot code
        return places
    for frame in debugger.frames.of(view):
        places += [(address, "") for address in debugger.return_addresses(view, low, frame.base)]
        words = {word.name: word.value for word in debugger.frames.words(view, frame)}
        if words["ip"] is not None:
            places.append((words["ip"], f"  ({frame_title(frame)})"))
        low = frame.base + 4 * len(words)
    calls = debugger.return_addresses(view, low, view.task.thread.sp0)
    return places + [(address, "") for address in calls]


def task_(console: Console, text: str) -> None:
    """task [PID]"""
    debugger = console.debugger
    if text:
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            raise DebugError(f"{text[:40]} is not a pid")
        view = debugger.task(int(text))
        debugger.selected = None if view.is_current else view.pid
        debugger.next_address = None
    view = debugger.view
    note = "the CPU runs it" if view.is_current else "its saved registers are used"
    console.write(f"looking at pid {view.pid} ({view.comm}): {note}")


SOURCE = (
    Command("list", "[WHERE]", "source lines around a place", list_,
            "WHERE is a label, FILE:LINE, or an expression; without it, the present line.", ("l",)),
    Command("where", "", "the present place, and the places that led to it", where,
            "Calls inside the kernel, then the trap's frames down to the user's instruction.",
            ("bt", "backtrace")),
    Command("task", "[PID]", "look at another task until the next step", task_,
            "x, print, info and disassemble then use its memory and its saved registers."),
)  # fmt: skip
