"""Commands that change the guest, and those that show values at every stop."""

from __future__ import annotations

import re

from toykernel.arch.x86.asm_offsets import PT_OFFSET
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.debug.commands.command import Command, Console, count_of, no_arguments
from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.expressions import SIZES
from toykernel.debug.memory import Spec

_MEMORY = re.compile(r"\{(?:unsigned\s+)?(char|short|int|long)\}\s*(.+)")
_CHANGED = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags")
#: The same in pt_regs.
_SAVED = {name: name.removeprefix("e") for name in _CHANGED}
#: Of EFLAGS: what a debugger may set (Linux: FLAG_MASK) without ending the run.
_SETTABLE_FLAGS = 0x50DD5


def set_(console: Console, text: str) -> None:
    """set $REGISTER = EXPR | {int}ADDR = EXPR"""
    debugger = console.debugger
    target, equals, expression = (part.strip() for part in text.partition("="))
    if not equals or not expression:
        raise DebugError("set what? `help set' shows the ways")
    debugger.alive()
    value = debugger.evaluate(expression)
    memory = _MEMORY.fullmatch(target)
    if target.startswith("$"):
        _set_register(debugger, target[1:], value)
    elif memory is not None:
        _set_memory(debugger, debugger.evaluate(memory[2]), SIZES[memory[1]], value)
    else:
        raise DebugError("set $REGISTER = EXPR, or {int}ADDR = EXPR ({char}, {short})")
    debugger.history.changed()
    console.write(
        "A new branch of history begins here; going back before it takes the change back."
    )


def _set_register(debugger: Debugger, name: str, value: int) -> None:
    name = debugger.register_name(name)
    if name not in _CHANGED:
        raise DebugError(f"${name} cannot be set; {', '.join('$' + n for n in _CHANGED)} can")
    view = debugger.view
    if name == "eflags":
        value = debugger.register(name) & ~_SETTABLE_FLAGS | value & _SETTABLE_FLAGS
    if view.is_current:
        setattr(debugger.machine.cpu, name, value)
        return
    debugger.saved_registers(view)
    regs = PtRegs(debugger.machine.ram, debugger.kernel.task_pt_regs(view.task).address)
    setattr(regs, _SAVED[name] if _SAVED[name] in PT_OFFSET else name, value)


def _set_memory(debugger: Debugger, address: int, size: int, value: int) -> None:
    data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    view = debugger.view
    places = [view.walk(address + n & 0xFFFFFFFF).physical for n in range(size)]
    for n, physical in enumerate(places):
        if physical is None:
            raise DebugError(f"no page is mapped at {address + n:#010x}")
    for physical, byte in zip(places, data, strict=True):
        assert physical is not None
        debugger.machine.ram.write(physical, bytes((byte,)))


def display(console: Console, text: str) -> None:
    """display [/F EXPRESSION]"""
    if not text:
        console.pending += [line for _, line in sorted(console.displays.items())]
        return
    format_, _, expression = text.partition(" ") if text.startswith("/") else ("", "", text)
    Spec().change(format_ or "/x")  # a format that is none would be refused at every stop
    memory = format_.endswith(("i", "s")) or any(c.isdigit() for c in format_)
    line = f"{'x' if memory else 'print'}{format_} {expression}"
    number = max(console.displays, default=0) + 1
    console.displays[number] = line
    console.write(f"Display {number}: {line}")
    console.pending.append(line)


def undisplay(console: Console, text: str) -> None:
    """undisplay [N]"""
    if not text:
        console.displays.clear()
    elif console.displays.pop(count_of(text), None) is None:
        raise DebugError(f"no display number {text}")


def displays(console: Console, text: str) -> None:
    """What is shown at every stop."""
    no_arguments(text)
    rows = [f"{number}: {line}" for number, line in sorted(console.displays.items())]
    console.lines(rows or ["No displays."])


CHANGE = (
    Command(
        "set", "$REG = EXPR|{int}ADDR = EXPR", "change a register or memory", set_,
        "Registers of the task that is looked at: the CPU's, or those that its trap has saved. {int},\n"
        "{short} or {char} at a linear address, whatever the page's protection; a page that is shared\n"
        "changes for all who share it. A new branch of history begins: going back before this place\n"
        "takes the change back, and going forward again is without it.",
    ),
)  # fmt: skip
DISPLAY = (
    Command(
        "display", "[/F EXPRESSION]", "show a value at every stop", display,
        "As `print' shows it; with /i, /s or a count as `x' does. Without arguments: all of them now.",
        takes_format=True,
    ),
    Command("undisplay", "[N]", "show it no more; none without N", undisplay),
)  # fmt: skip
