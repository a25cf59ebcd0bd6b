"""The prompt: lines from a terminal, a file or standard input; errors are told and forgotten."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from toykernel.debug.commands import COMMANDS, Command, find
from toykernel.debug.commands.command import Console
from toykernel.debug.errors import DebugError
from toykernel.errors import HostError
from toykernel.harness.breakpoints import BreakpointError
from toykernel.look.symbols import SymbolError

PROMPT = "(toykernel) "
_WORD = re.compile(r"([A-Za-z?][\w-]*)(/\S*)?(?:\s+(.*))?\Z", re.DOTALL)


class Repl:
    """Reads commands and runs them. `failures` counts those that ended in an error."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failures = 0
        self.interrupts = 0
        self._last: str | None = None
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

    def interact(self) -> None:
        """Prompt on the terminal until quit or Ctrl-D."""
        self._use_readline()
        while not self.console.leaving:
            try:
                line = input(PROMPT if self.console.collecting is None else "> ")
                self.execute(line if line.strip() else self._last or "")
            except EOFError:
                self.console.write("")
                return
            except KeyboardInterrupt:
                self.console.write("")
            except UnicodeDecodeError:
                self._failed("the line is not UTF-8")

    def _use_readline(self) -> None:
        """History and completion, where the library is there."""
        try:
            import readline
        except ImportError:
            return
        readline.set_completer(self.completer())
        readline.set_completer_delims(" \t*$+-/()")
        readline.parse_and_bind("tab: complete")

    def completer(self) -> Callable[[str, int], str | None]:
        """Commands for the first word, labels for the others."""
        images = self.console.debugger.images

        def complete(text: str, state: int) -> str | None:
            import readline

            if readline.get_begidx() == 0:
                names = [command.name for command in COMMANDS]
            else:
                names = sorted({label for image in images.all() for label in image.labels})
            matches = [name for name in names if name.startswith(text)]
            return matches[state] if state < len(matches) else None

        return complete


def stdin_lines() -> Iterator[str]:
    """Lines of standard input, whatever bytes they hold."""
    for raw in sys.stdin.buffer:
        yield raw.decode("utf-8", "replace")
