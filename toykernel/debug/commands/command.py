"""What a command is, and what it works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from toykernel.debug.debugger import Debugger
from toykernel.debug.errors import DebugError
from toykernel.debug.travel import Traveller
from toykernel.host_files import replace_file, same_file
from toykernel.look.task import TaskView

MAX_COUNT = 1_000_000_000


def replace_whole(path: str, data: bytes) -> None:
    """A file for a command, whole or not at all. Raises DebugError."""
    try:
        replace_file(path, data)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DebugError(f"cannot write {path}: {reason}") from None


@dataclass
class Console:
    """What a command gets: the debugger, and where to write lines."""

    debugger: Debugger
    write: Callable[[str], None]
    leaving: bool = False
    #: Files that no command may write, each with what it is.
    inputs: Sequence[tuple[str, str]] = ()
    #: What is to be done once the present command is done: lines.
    pending: list[str] = field(default_factory=list)
    #: By number: what to show at every stop, as a command line.
    displays: dict[int, str] = field(default_factory=dict)
    #: Takes the lines that follow, up to `end', instead of running them.
    collecting: list[str] | None = None

    #: Runs the commands of a file; the prompt puts it here.
    script: Callable[[Iterable[str]], None] = lambda _lines: None

    #: Writes the whole file of `save`; raises DebugError.
    write_file: Callable[[str, bytes], None] = replace_whole

    def collect(self, lines: list[str]) -> None:
        """The next lines, up to `end', are for this list."""
        self.collecting = lines

    def __post_init__(self) -> None:
        self.traveller = Traveller(self.debugger)

    def task(self, text: str) -> TaskView:
        """The task of an optional PID, the one looked at without. Raises DebugError."""
        if not text:
            return self.debugger.view
        if not (text.isascii() and text.isdigit()) or len(text) > 9:
            raise DebugError(f"{text[:40]} is not a pid")
        return self.debugger.task(int(text))

    def save(self, path: str, data: bytes) -> None:
        """Write a whole file. Raises DebugError, also for one that the session was made from."""
        for what, other in self.inputs:
            if same_file(path, other):
                raise DebugError(f"{path} is {what} itself; name another file")
        self.write_file(path, data)

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
