"""The group of commands: each is a module of this package, imported when it is called for."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from traceback import extract_tb
from typing import Any

import click

from toykernel.cli.console import broken_pipe, host_message
from toykernel.errors import HostError
from toykernel.harness.exit_status import EXIT_BUG, EXIT_INTERRUPTED, EXIT_MISUSE

#: In the order of the help text, each with the first sentence of its own help, so that the list of them
#: loads none. A command is there when its module is; each module has a `command`.
COMMANDS = {
    "run": "Run PROGRAM as the first child of init, with ARGS as its arguments; `-` is source from standard"
    " input.",
    "show": "Run PROGRAM and write a page in which every moment of the run can be looked at.",
    "cycles": "Run PROGRAM and show its cycles: by rule, by system call and fault, by function, by line.",
    "build": "Assemble, compile and link to a static i386 ELF executable with symbols and line numbers.",
    "test": "Run programs and compare with the `# expect` lines at their top.",
    "explore": "Run PROGRAM in every order of its tasks; show all outcomes, each with a shortest schedule.",
    "quiz": "Ask about PROGRAM: its outputs in any order, processes, parents, shared pages, error codes.",
    "debug": "Step PROGRAM instruction by instruction, through its traps into the kernel and out again.",
    "gdb": "Run PROGRAM under gdb: `target remote' and `target extended-remote', all processes, backwards.",
    "sysctl": "Print settings of the kernel that the options describe: those named, or all.",
    "samples": "The programs that come with toykernel: each shows one idea.",
    "exercises": "Ten exercises on fork and copy-on-write, to hand out and to grade.",
    "docs": "Print the document NAME, through a pager on a terminal; without NAME, list them.",
    "completion": "Print a script with which SHELL completes the command line of toykernel.",
}

#: What a write to standard output fails with when its disk is full or its device is gone.
LOST_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


class CommandGroup(click.Group):
    """Looks a command up by the name of its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if find_spec(f"toykernel.cli.{name}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"toykernel.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        shown = [(n, click.Command(n, help=COMMANDS[n]).get_short_help_str(limit)) for n in names]
        with formatter.section("Commands"):
            formatter.write_dl(shown)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], known, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" Commands: {', '.join(known)}."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    # click ends the process with 1 for a closed pipe, wherever it meets one: these two come first.

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        with _closed_pipes():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _closed_pipes():
            return super().invoke(ctx)


@contextmanager
def _closed_pipes() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever read our output has had enough of it
        raise broken_pipe() from None


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from toykernel.cli.version import version_text

    click.echo(version_text())
    ctx.exit()


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version, the engine, its hooks and the table of clocks, and exit.",
)
def cli() -> None:
    """A small i386 computer and a Linux-shaped kernel in it, whose fork is the real thing.

    PROGRAM is a source (.S in GNU syntax, .c), a 32-bit object (.o) or a static i386 ELF executable.
    """


def call(args: Sequence[str]) -> int:
    """Run one command line; its exit status. Nothing but KeyboardInterrupt is raised."""
    try:
        return _call(args)
    except BrokenPipeError:  # even what is wrong cannot be said
        return broken_pipe().status


def _call(args: Sequence[str]) -> int:
    try:
        status = cli.main(list(args), prog_name="toykernel", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_MISUSE
    except click.ClickException as error:
        error.show()
        return EXIT_MISUSE
    except click.Abort:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except MemoryError as error:
        return cannot_start(MemoryError(str(error) or "not enough memory"))
    except OSError as error:
        if error.errno in (None, errno.ENOMEM):  # None: a library that cannot be loaded
            return cannot_start(error)
        if error.filename is not None or error.errno not in LOST_OUTPUT:
            return bug(error)
        host_message(f"cannot write standard output: {error.strerror}")
        return EXIT_MISUSE
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError):
            return bug(error)
        return cannot_start(error)
    except HostError as error:
        if error.message:
            host_message(error.message)
        return error.status
    except Exception as error:
        return bug(error)
    return status if isinstance(status, int) else 0


def cannot_start(error: Exception) -> int:
    """The engine or another library cannot be had, mostly for want of memory; the exit status for it."""
    host_message(f"cannot start: {error}")
    return EXIT_MISUSE


def bug(error: Exception) -> int:
    """Say where a bug of ours is, in one line; the exit status for it."""
    at = extract_tb(error.__traceback__)[-1]
    where = f"{at.filename}:{at.lineno}"
    host_message(f"internal error in {where}: {type(error).__name__}: {error}")
    return EXIT_BUG
