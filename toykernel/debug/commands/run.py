"""Commands that make the machine run."""

from __future__ import annotations

from toykernel.debug import farther
from toykernel.debug.commands.command import Command, Console, count_of, no_arguments
from toykernel.debug.debugger import Stopped
from toykernel.debug.errors import DebugError
from toykernel.debug.format import stop_lines


def show(console: Console, stopped: Stopped) -> None:
    """Say why and where the machine stands."""
    commands = [line for hit in stopped.hits for line in hit.breakpoint.commands]
    if commands[:1] == ["silent"]:
        del commands[0]
    else:
        console.lines(stop_lines(console.debugger, stopped))
        if console.debugger.kernel.outcome is None:
            console.pending += [line for _, line in sorted(console.displays.items())]
    console.pending += commands


def stepi(console: Console, text: str) -> None:
    show(console, console.debugger.stepi(count_of(text)))


def nexti(console: Console, text: str) -> None:
    show(console, console.debugger.nexti(count_of(text)))


def step(console: Console, text: str) -> None:
    show(console, farther.line(console.debugger, count_of(text), calls=False))


def next_(console: Console, text: str) -> None:
    show(console, farther.line(console.debugger, count_of(text), calls=True))


def continue_(console: Console, text: str) -> None:
    no_arguments(text)
    show(console, console.debugger.cont())


def until(console: Console, text: str) -> None:
    """until [PLACE]"""
    if text:
        advance(console, text)
    else:
        show(console, farther.until(console.debugger))


def advance(console: Console, text: str) -> None:
    """advance PLACE"""
    if not text:
        raise DebugError("advance where? A label, FILE:LINE or *EXPRESSION")
    debugger = console.debugger
    address = debugger.evaluate(text[1:]) if text.startswith("*") else debugger.where(text)
    show(console, farther.advance(debugger, address))


def out(console: Console, text: str) -> None:
    no_arguments(text)
    show(console, console.debugger.out())


RUN = (
    Command(
        "stepi", "[N]", "execute one instruction, or N", stepi,
        "A step is one instruction, one attempt that faults, or one interrupt taken. It goes\n"
        "through traps: after `int $0x80' comes the first instruction of system_call. An OUT to\n"
        "the gate's port runs a function of the kernel in Python; the step says which.\n"
        "Only the last of N steps is shown. Breakpoints at addresses do not stop it.",
        ("si",), True,
    ),
    Command(
        "nexti", "[N]", "execute one instruction, with the calls and traps that it makes", nexti,
        "In user mode a system call, a page fault or an interrupt is one step; other tasks may\n"
        "run meanwhile. A call is one step, even when the task sleeps in it.\n"
        "Stops early at a breakpoint, or when the task dies.",
        ("ni",), True,
    ),
    Command(
        "step", "[N]", "go on to another source line, into functions", step,
        "A system call, a page fault or an interrupt of user mode is one step; so is a macro, and a\n"
        "function without lines. Stops early at a breakpoint, or when the task dies.",
        ("s",), True,
    ),
    Command(
        "next", "[N]", "go on to another source line, over functions", next_,
        "As `step', but a call is one step.", ("n",), True,
    ),
    Command(
        "continue", "", "run to a breakpoint or to the end", continue_,
        "Ctrl-C stops it and gives the prompt back.", ("c",), True,
    ),
    Command(
        "until", "[PLACE]", "nexti, but not backwards: out of a loop", until,
        "With PLACE it is `advance'.", ("u",), True,
    ),
    Command(
        "advance", "PLACE", "run until the present task is at a place", advance,
        "A label, FILE:LINE or *EXPRESSION. Stops early at a breakpoint, or when the task dies.",
    ),
    Command(
        "out", "", "run until the kernel, or a function of user mode, has returned", out,
        "In ring 0 until the present task is back in user mode; there until the function has returned\n"
        "to the caller that `where' tells. Stops early at a breakpoint, or when the task dies.",
        ("finish",), True,
    ),
)  # fmt: skip
