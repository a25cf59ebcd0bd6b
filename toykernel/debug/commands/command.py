"""What a command is, and what it works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError

MAX_COUNT = 1_000_000_000


@dataclass
class Console:
    """What a command gets: the debugger, and where to write lines."""

    debugger: Debugger
    write: Callable[[str], None]
    leaving: bool = False
    #: Runs the commands of a file; the prompt puts it here.
    script: Callable[[Iterable[str]], None] = lambda _lines: None

    def lines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)


@dataclass(frozen=True)
class Command:
    """A command. `run` gets the rest of the line, stripped; a format such as /4wx comes first.

    `repeats`: an empty line afterwards does it again (with `again` instead of its arguments).
    """

    name: str
    usage: str
    summary: str
    run: Callable[[Console, str], None]
    help: str = ""
    aliases: tuple[str, ...] = ()
    repeats: bool = False
    again: str | None = None
    takes_format: bool = False


def count_of(text: str) -> int:
    """A count: nothing is 1. Raises DebugError."""
    if not text:
        return 1
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
        raise DebugError(f"{text[:40]} is not a count")
    if not 1 <= int(digits) <= MAX_COUNT:
        raise DebugError(f"a count from 1 to {MAX_COUNT}, not {text}")
    return int(digits)


def no_arguments(text: str) -> None:
    """Raises DebugError when there is something on the line."""
    if text:
        raise DebugError(f'unexpected "{text[:40]}": the command takes no arguments')
