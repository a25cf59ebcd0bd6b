"""Commands for source lines and places."""

from __future__ import annotations

import re
from pathlib import Path

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.debug.commands.command import Command, Console, no_arguments
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.format import address_text, frame_title, source_text, source_window
from toykernel.look.image import Image

LINES = 11
_FILE_LINE = re.compile(r"(?P<file>[^:*]+):(?P<line>[0-9]{1,9})")


def list_(console: Console, text: str) -> None:
    debugger = console.debugger
    image: Image | None
    if asked := _FILE_LINE.fullmatch(text):
        found = source_file(debugger, asked["file"])
        if found is not None:
            file, lines = found
            console.write(f"{file}:")
            console.lines(source_window(lines, file, int(asked["line"]), LINES))
            return
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


def source_file(debugger: Debugger, asked: str) -> tuple[str, list[str]] | None:
    """A source file by the end of its path, and its lines; None when no program is made from it."""
    for image in debugger.images.all():
        for known in image.files():
            if Path(known).parts[-len(Path(asked).parts) :] == Path(asked).parts:
                lines = image.source_lines(known)
                if lines:
                    return known, lines
    return None


def where(console: Console, text: str) -> None:
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
    user = [(address, "") for address in debugger.callers.of_user(view)]
    if low is None or low < PAGE_OFFSET:  # in boot code there is no task's stack
        return places + user
    for frame in debugger.frames.of(view):
        places += [(address, "") for address in debugger.callers.of_kernel(low, frame.base)]
        words = {word.name: word.value for word in debugger.frames.words(view, frame)}
        if words["ip"] is not None:
            places.append((words["ip"], f"  ({frame_title(frame)})"))
        low = frame.base + 4 * len(words)
    calls = debugger.callers.of_kernel(low, view.task.thread.sp0)
    return places + [(address, "") for address in calls] + user


def task_(console: Console, text: str) -> None:
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
            "Calls inside the kernel, the trap's frames down to the user's instruction, calls of the\n"
            "program's functions (those that a compiler made, or with .cfi_ directives).",
            ("bt", "backtrace")),
    Command("task", "[PID]", "look at another task until the next step", task_,
            "x, print, info and disassemble then use its memory and its saved registers."),
)  # fmt: skip
