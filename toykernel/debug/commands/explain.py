"""`explain`: the machine in words."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import wrap

from toykernel.debug.commands.command import Command, Console
from toykernel.debug.errors import DebugError
from toykernel.debug.format import task_where
from toykernel.errno import NAMES
from toykernel.explain import codes, instruction, memory, witness
from toykernel.history.errors import HistoryError
from toykernel.oops import KernelOops

WIDTH = 100


def explain(console: Console, text: str) -> None:
    """explain [ADDR|error CODE|status N|errno N|flags N|event N]"""
    word, _, rest = text.partition(" ")
    tell = _CODES.get(word)
    if tell is not None and rest.strip():
        lines = tell(console, rest.strip())
    elif text.lstrip("$") in ("eflags", "flags", "ps"):
        lines = codes.eflags(console.debugger.register("eflags"))
    elif text:
        debugger = console.debugger
        lines = memory.page(debugger.view, debugger.images, debugger.evaluate(text))
    else:
        lines = _state(console)
    for line in lines:
        console.lines(wrap(line, WIDTH, subsequent_indent="  ", drop_whitespace=True) or [""])


def _state(console: Console) -> list[str]:
    """Of the task that is looked at: its next instruction, or what it waits for."""
    debugger = console.debugger
    view = debugger.view
    if view.is_current:
        return instruction.next_instruction(debugger.session)
    lines = [f"pid {view.pid} ({view.comm}) is not on the CPU: {task_where(debugger, view)}."]
    thread = view.task.thread
    if not view.task.exit_state:
        symbol = debugger.images.kernel.symbol_at(thread.ip)
        where = f"{symbol}, " if symbol else ""
        lines.append(
            f"When it is chosen it goes on in the kernel at {where}{thread.ip:#010x}, esp {thread.sp:#010x}."
        )
    return lines


def _error(console: Console, text: str) -> list[str]:
    return codes.error_code(console.debugger.evaluate(text))


def _status(console: Console, text: str) -> list[str]:
    return codes.wait_status(console.debugger.evaluate(text))


def _errno(console: Console, text: str) -> list[str]:
    for number, name in NAMES.items():
        if name == text.upper():
            return codes.errno(number)
    value = console.debugger.evaluate(text)
    return codes.errno(value - (1 << 32) if value >> 31 else value)


def _flags(console: Console, text: str) -> list[str]:
    value = console.debugger.evaluate(text)
    return [*codes.clone_flags(console.debugger.kernel, value), *codes.eflags(value)]


def _event(console: Console, text: str) -> list[str]:
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
        raise DebugError(f"{text[:40]} is not an event's number; `events' lists them")
    try:
        return list(witness.event(console.debugger.history, int(digits)))
    except (LookupError, HistoryError) as error:
        raise DebugError(str(error)) from None
    except KernelOops as oops:
        return str(oops).splitlines()


_CODES: dict[str, Callable[[Console, str], list[str]]] = {
    "error": _error,
    "status": _status,
    "errno": _errno,
    "flags": _flags,
    "event": _event,
}

EXPLAIN = (
    Command(
        "explain", "[ADDR|WHAT N]", "in words: the next instruction, a page, a number", explain,
        "Without arguments: what the CPU does next, with which values, through which page-table\n"
        "entries, which fault it raises, and why; nothing moves. ADDR: the page, why it may not be\n"
        "written, what a read and a write by the program would lead to. WHAT N is one of:\n"
        "error CODE   an exception's error code\n"
        "status N     a wait status\n"
        "errno N      an error number or its name\n"
        "flags N      a set of flags: of clone, and as EFLAGS ($eflags: the register)\n"
        "event N      what happened in an event, through which functions of the kernel, and its\n"
        "             numbers of the fork path (toykernel docs fork-path)",
    ),
)  # fmt: skip
