"""Scenarios for a real gdb: files of commands, and what gdb prints.

    # program: userland/fork_sample.S      options of `toykernel gdb', and the program
    ## what it shows
    gdb's commands, a line each
    --
    what gdb prints

The scenarios of a file run one after the other in one gdb. `python -m tests.gdb.scenario FILE...` writes what
gdb prints now; read it before you commit it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import toykernel

ROOT = Path(__file__).parent.parent.parent
#: The kernel's own sources, which gdb names by their place on this host.
PACKAGE = Path(toykernel.__file__).parent
FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
GDB = shutil.which("gdb")
_MARK = "@@ scenario"
_SETTINGS = (
    *("set pagination off", "set confirm off", "set width 0", "set style enabled off"),
    *("set debuginfod enabled off", "set auto-load no"),
)


@dataclass
class Scenario:
    """One of a file: `expected` is what gdb prints."""

    title: str
    commands: list[str]
    expected: str


def read(path: Path) -> tuple[str, list[Scenario]]:
    """The command line of a file's program, and its scenarios."""
    head, *parts = path.read_text(encoding="utf-8").split("\n## ")
    options = head.splitlines()[0].removeprefix("# program:").strip()
    scenarios = []
    for part in parts:
        asked, _, printed = part.partition("\n--\n")
        title, *commands = asked.split("\n")
        scenarios.append(Scenario(title, commands, printed.strip("\n")))
    return options, scenarios


def run(options: str, scenarios: list[Scenario]) -> list[str]:
    """What gdb prints in each."""
    assert GDB is not None
    commands = list(_SETTINGS)
    for scenario in scenarios:
        commands.append(f"echo {_MARK}\\n")
        commands += [
            line.replace("TOYKERNEL", f"toykernel gdb --stdio {options}")
            for line in scenario.commands
        ]
    line = [GDB, "-nx", "-q", "-batch"]
    for command in commands:
        line += ["-ex", command]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "LC_ALL": "C"},
        timeout=int(os.environ.get("SCENARIO_TIMEOUT", "120")),
        check=False,
    )
    text = done.stdout.decode(errors="replace").replace(f"{PACKAGE.parent.resolve()}/", "")
    return [part.strip("\n") for part in text.split(f"{_MARK}\n")[1:]]


def write(path: Path) -> None:
    """Put what gdb prints now into a file."""
    options, scenarios = read(path)
    printed = run(options, scenarios)
    parts = [f"# program: {options}\n"]
    for scenario, text in zip(scenarios, printed, strict=True):
        parts.append("\n".join((f"\n## {scenario.title}", *scenario.commands, "--", text)) + "\n")
    path.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name))
