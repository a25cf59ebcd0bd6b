"""`toykernel debug`: step a program, look at everything."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from toykernel.cli import complete
from toykernel.cli.console import host_message, prepare_streams, write_all
from toykernel.cli.group import call
from toykernel.cli.load import load, source_files
from toykernel.cli.option_types import FILE, PAGE_SIZE, size
from toykernel.cli.options import MACHINE, SOURCES, ProgramCommand, apply
from toykernel.cli.outputs import inputs_of
from toykernel.debug.screen import MORE, WHEN, Screen, wants_colour
from toykernel.harness.exit_status import EXIT_INTERRUPTED, EXIT_MISUSE
from toykernel.harness.session import Session

if TYPE_CHECKING:
    from toykernel.debug.debugger import Debugger

EPILOG = """\b
Commands come from FILE and -ex, from the terminal, or from standard input; `help'
lists them.
\b
Exit status:
  0    left by quit or at the end of the commands
  1    a command of FILE or of standard input failed
  125  wrong usage, or a program that does not assemble or load
"""


@click.command(
    "debug",
    cls=ProgramCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*MACHINE, *SOURCES))
@click.option(
    "-x", "script", type=FILE, metavar="FILE", multiple=True, help="Run the commands in FILE first."
)
@click.option(
    "-ex",
    "commands",
    metavar="COMMAND",
    multiple=True,
    shell_complete=complete.debugger_commands,
    help="Run this command, after the files of -x. Repeatable.",
)
@click.option(
    "--boot", is_flag=True, help="Stop at power-on, not at the program's first instruction."
)
@click.option(
    "--history",
    type=size(PAGE_SIZE, 1 << 40),
    default="256M",
    show_default=True,
    metavar="SIZE",
    help="What is kept for going back; old moments are thinned out when it is more.",
)
@click.option(
    "--from",
    "moment",
    type=FILE,
    metavar="FILE",
    help="Go on from a moment that record save or run --save has kept; there is no PROGRAM then.",
)
@click.option(
    "--color",
    type=click.Choice(WHEN),
    default="auto",
    show_default=True,
    help="Colours: auto is on a terminal, unless NO_COLOR is set.",
)
@click.option("--tui", is_flag=True, help="On a full screen; needs Textual (toykernel[tui]).")
@click.argument("program", type=click.Path(), required=False)
@click.argument("args", nargs=-1)
def command(program: str | None, args: tuple[str, ...], **values: Any) -> int:
    """Step PROGRAM instruction by instruction, through its traps into the kernel and out again.

    ARGS are the program's.
    """
    scripts = [_read_script(path) for path in values["script"]]
    if values["tui"] and (why := no_screen()):
        host_message(why)
        return EXIT_MISUSE
    session = _session(program, args, values)
    if session is None:
        return EXIT_MISUSE

    from toykernel.debug.commands.command import Console
    from toykernel.debug.commands.run import show
    from toykernel.debug.debugger import Debugger
    from toykernel.debug.format import location_lines
    from toykernel.debug.repl import Repl, stdin_lines

    def write(line: str) -> None:
        write_all(1, f"{line}\n".encode("utf-8", "surrogateescape"))

    terminal = sys.stdout is not None and sys.stdout.isatty()
    colour = wants_colour(values["color"], os.environ, terminal=terminal)
    screen = Screen(write, colour=colour, size=shutil.get_terminal_size, ask=_more)

    read = inputs_of(program, values) if program is not None else []
    read += [("a source of the program", path) for path in source_files(session.program)]
    read += [("the file of --from", values["moment"])] if program is None else []
    read += [("a file of -x", path) for path in values["script"]]
    gc.freeze()  # a step back makes new records: what is here already need not be looked through for it
    console = Console(Debugger(session, values["history"]), screen, inputs=read)
    repl = Repl(console)
    try:
        if values["boot"] or values["moment"] is not None:
            console.lines(location_lines(console.debugger.location()))
        else:
            with repl.catching_interrupts():
                show(console, console.debugger.start())
        for script in scripts:
            if not console.leaving:
                repl.script(script)
        if not console.leaving:
            repl.script(values["commands"])
        if values["tui"] and not console.leaving:
            return full_screen(console.debugger)
        if not console.leaving and sys.stdin is not None and sys.stdin.isatty():
            repl.interact(screen if terminal else None)
            return 0
        if not (console.leaving or scripts or values["commands"]) and sys.stdin is not None:
            repl.script(stdin_lines(), repeat=True)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 1 if repl.failures else 0


def _session(program: str | None, args: tuple[str, ...], values: dict[str, Any]) -> Session | None:
    """The program's, or that of a file; None after saying what is wrong. Raises click.UsageError."""
    moment = values["moment"]
    if (program is None) == (moment is None):
        raise click.UsageError("PROGRAM or --from FILE: one of them")
    if program is not None:
        return load(program, args, values)
    _refuse_machine_options()
    from toykernel.cli.console import guest_console
    from toykernel.history.errors import HistoryError

    try:
        return Session.load(moment, guest_console)
    except HistoryError as error:
        host_message(str(error))
        return None


def _more() -> str:
    """Ask on the terminal whether to go on; beside readline, so that no answer is kept as a command."""
    write_all(1, MORE.encode())
    return sys.stdin.readline()


def no_screen() -> str:
    """Why there can be no full screen; empty when there can."""
    if importlib.util.find_spec("textual") is None:
        return "--tui needs Textual: pip install 'toykernel[tui]'"
    if not (sys.stdin and sys.stdout and sys.stdin.isatty() and sys.stdout.isatty()):
        return "--tui needs a terminal"
    return ""


def full_screen(debugger: Debugger) -> int:
    """The screen, until it is left; the exit status."""
    from toykernel.tui.app import run

    run(debugger)
    return 0


def _refuse_machine_options() -> None:
    """A moment has its own machine and program. Raises click.UsageError."""
    context = click.get_current_context()
    own = {"script", "commands", "boot", "history", "tui", "color", "moment", "program", "args"}
    for param in context.command.params:
        if param.name is None or param.name in own:
            continue
        if context.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{param.opts[0]} does not go with --from: the moment has its own machine and program"
            )


def _read_script(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot read {path}: {reason}", param_hint="-x") from None


def main() -> None:
    """`python -m toykernel.cli.debug`: the command `debug` with these arguments; its exit status."""
    prepare_streams()
    with suppress(KeyboardInterrupt):
        sys.exit(call(["debug", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
