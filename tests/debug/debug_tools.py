"""Running the debugger in tests: in this process, and through the command line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from toykernel import Session
from toykernel.debug.commands.command import Console
from toykernel.debug.debugger import Debugger
from toykernel.debug.repl import Repl
from toykernel.harness.recipe import PLAIN, Recipe

ROOT = Path(__file__).parents[2]
USERLAND = ROOT / "userland"
SAMPLE = USERLAND / "fork_sample.S"
LIMIT = 50_000_000  # cycles: no test takes so many, unless something is broken
COMMAND = [sys.executable, "-m", "toykernel.cli.main", "debug"]


@dataclass
class Terminal:
    """A debugger on a program, without a process of its own."""

    program: Path = SAMPLE
    start: bool = True
    recipe: Recipe = PLAIN
    output: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = Session(self.program, recipe=self.recipe)
        self.debugger = Debugger(self.session)
        self.console = Console(self.debugger, self.output.append)
        self.repl = Repl(self.console)
        self.debugger.set_interrupted(lambda: self.session.kernel.machine.clock.cycles > LIMIT)
        if self.start:
            assert self.debugger.start().kind == "step"

    def do(self, line: str) -> list[str]:
        """Lines that a command writes; it must not fail."""
        failures = self.repl.failures
        lines = self.attempt(line)
        assert self.repl.failures == failures, lines
        return lines

    def attempt(self, line: str) -> list[str]:
        """Lines that a command writes, whatever comes of it."""
        self.output.clear()
        self.repl.execute(line)
        return list(self.output)

    def refused(self, line: str) -> str:
        """What a command says that cannot be done."""
        failures = self.repl.failures
        lines = self.attempt(line)
        assert self.repl.failures == failures + 1, lines
        assert len(lines) == 1
        return lines[0]


def debug(
    *arguments: str, commands: str = "", program: Path = SAMPLE
) -> subprocess.CompletedProcess[str]:
    """`toykernel debug` with commands on standard input."""
    return subprocess.run(
        [*COMMAND, *arguments, str(program)],
        input=commands,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        cwd=ROOT,
        check=False,
    )
