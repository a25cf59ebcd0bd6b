"""The prompt: lines from a terminal, a file or standard input; errors are told and forgotten."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from toykernel.debug.commands import Command, find
from toykernel.debug.commands.command import Console
from toykernel.debug.completion import DELIMITERS, candidates
from toykernel.debug.errors import DebugError
from toykernel.debug.screen import Screen
from toykernel.errors import HostError
from toykernel.harness.breakpoints import BreakpointError
from toykernel.look.symbols import SymbolError

PROMPT = "(toykernel) "
#: Lines that are kept of what was typed; files that may be in one another.
HISTORY, MAX_SOURCES = 1000, 16
_WORD = re.compile(r"([A-Za-z?][\w-]*)(/\S*)?(?:\s+(.*))?\Z", re.DOTALL)


class Repl:
    """Reads commands and runs them. `failures` counts those that ended in an error."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failures = 0
        self.interrupts = 0
        self._last: str | None = None
        self._depth = 0
        console.script = self._sourced
        console.debugger.set_interrupted(lambda: self.interrupts > 0)

    # -- one line ----------------------------------------------------------------------------------

    def execute(self, line: str) -> None:
        """Run one command line. Raises only HostError."""
        line = line.strip()
        if not line or line.startswith("#"):
            return
        if self.console.collecting is not None:
            self._collect(line)
            return
        self._last = None
        self._run(line)
        while self.console.pending and not self.console.leaving and not self.interrupts:
            self._run(self.console.pending.pop(0), remember=False)
        self.console.pending.clear()

    def _collect(self, line: str) -> None:
        assert self.console.collecting is not None
        if line == "end":
            self.console.collecting = None
        else:
            self.console.collecting.append(line)

    def _run(self, line: str, *, remember: bool = True) -> None:
        try:
            command, text = self._parse(line)
            if remember:
                self._remember(command, line)
            with self.catching_interrupts():
                command.run(self.console, text)
        except (DebugError, SymbolError, BreakpointError) as error:
            self._failed(str(error))
        except HostError:
            raise
        except Exception as error:  # a bug of the debugger: the session is worth more
            self._failed(f"internal error: {type(error).__name__}: {error}")

    def _failed(self, text: str) -> None:
        self.failures += 1
        self.console.write(text)

    def _parse(self, line: str) -> tuple[Command, str]:
        match = _WORD.match(line)
        if match is None:
            raise DebugError(f'"{line[:40]}" is not a command; `help\' lists them')
        word, format_, rest = match.groups()
        command = find(word)
        rest = (rest or "").strip()
        if format_:
            if not command.takes_format:
                raise DebugError(f"{command.name} takes no {format_[:20]}")
            rest = f"{format_} {rest}".strip()
        return command, rest

    def _remember(self, command: Command, line: str) -> None:
        if command.repeats:
            self._last = line if command.again is None else f"{command.name} {command.again}"

    @contextmanager
    def catching_interrupts(self) -> Iterator[None]:
        """Ctrl-C is a wish, looked at between slices: it never cuts into the kernel's work."""
        self.interrupts = 0

        def note(_signal: int, _frame: FrameType | None) -> None:
            self.interrupts += 1

        try:
            before = signal.signal(signal.SIGINT, note)
        except ValueError:  # not the main thread: nobody sends it there
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    # -- many lines --------------------------------------------------------------------------------

    def script(self, lines: Iterable[str], *, repeat: bool = False) -> None:
        """Run lines that nobody types, each shown as if it had been. `repeat`: an empty line
        repeats, as at the prompt. Raises KeyboardInterrupt after a Ctrl-C."""
        for line in lines:
            line = line.strip()
            if not line and repeat and self._last:
                line = self._last
            if not line or line.startswith("#"):
                continue
            self.console.write(PROMPT + line)
            self.execute(line)
            if self.interrupts:
                raise KeyboardInterrupt
            if self.console.leaving:
                return

    def _sourced(self, lines: Iterable[str]) -> None:
        """Run the commands of a file in the place of the one that named it. Raises DebugError."""
        if self._depth >= MAX_SOURCES:
            raise DebugError("files that name each other: source is nested too deeply")
        self._depth += 1
        try:
            self.script(lines)
        finally:
            self._depth -= 1
        self._last = None

    def interact(self, screen: Screen | None = None) -> None:
        """Prompt on the terminal until quit or Ctrl-D; `screen` shows long answers in parts."""
        keep_history = self._use_readline()
        try:
            self._prompt(screen or Screen(self.console.write))
        finally:
            keep_history()

    def _prompt(self, screen: Screen) -> None:
        while not self.console.leaving:
            try:
                line = input(PROMPT if self.console.collecting is None else "> ")
                screen.begin()
                self.execute(line if line.strip() else self._last or "")
            except EOFError:
                self.console.write("")
                return
            except KeyboardInterrupt:
                self.console.write("")
            except UnicodeDecodeError:
                self._failed("the line is not UTF-8")
            finally:
                screen.end()

    def _use_readline(self) -> Callable[[], None]:
        """History and completion, where the library is there; what to call when the prompt is left."""
        try:
            import readline
        except ImportError:
            return lambda: None
        readline.set_completer(self.completer())
        readline.set_completer_delims(DELIMITERS)
        readline.parse_and_bind("tab: complete")
        path = history_file()
        readline.clear_history()
        with suppress(OSError):  # none yet
            readline.read_history_file(path)
        readline.set_history_length(HISTORY)

        def keep() -> None:
            with suppress(OSError):  # it is a convenience
                path.parent.mkdir(parents=True, exist_ok=True)
                readline.write_history_file(path)

        return keep

    def completer(self) -> Callable[[str, int], str | None]:
        """For readline: the n-th word that fits what stands before the cursor."""

        def complete(text: str, state: int) -> str | None:
            import readline

            before = readline.get_line_buffer()[: readline.get_begidx()]
            found = candidates(self.console, before, text)
            return found[state] if state < len(found) else None

        return complete


def history_file() -> Path:
    """$XDG_STATE_HOME/toykernel/history, or the usual place below the home directory. Raises OSError."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "toykernel" / "history"
    return Path(os.path.expanduser("~")) / ".local" / "state" / "toykernel" / "history"


def stdin_lines() -> Iterator[str]:
    """Lines of standard input, whatever bytes they hold."""
    for raw in sys.stdin.buffer:
        yield raw.decode("utf-8", "surrogateescape")
