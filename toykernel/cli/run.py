"""`toykernel run`: run a program; its output is the command's, its status too."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from toykernel.cli.console import OutputFile, guest_console, host_message
from toykernel.cli.options import (
    MACHINE,
    OBSERVE,
    OptionalValueCommand,
    apply,
    guest_files,
    machine_config,
)

EPILOG = """\b
Exit status:
  the program's own, or 128+N when signal N killed it;
  70   kernel oops or broken invariant      75   every task sleeps for ever
  124  cycle limit reached                  125  wrong usage, or a program that does
  130  interrupted                               not assemble or load
"""


@click.command(
    cls=OptionalValueCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*MACHINE, *OBSERVE))
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Run PROGRAM as the first child of init, with ARGS as its arguments.

    Options come before PROGRAM; what follows it is the program's.
    """
    with ExitStack() as files:
        report_file = open_output(files, "--report", values["report"])
        session = load(program, args, values)
        if session is None:
            return 125
        from toykernel import runner

        result = runner.run(session, max_cycles=values["max_cycles"])
        if result.message:
            host_message(result.message)
        if report_file is not None or values["summary"]:
            from toykernel.report import make_report, report_json, summary

            report = make_report(session, result)
            if report_file is not None:
                try:
                    report_file.write(report_json(report).encode())
                except OSError as error:
                    host_message(f"cannot write the report {values['report']}: {error.strerror}")
                    return 125
            if values["summary"]:
                click.echo(summary(report), err=True)
        return result.status


def open_output(files: ExitStack, option: str, path: str | None) -> OutputFile | None:
    """The file of an option, open for writing; None without one. Raises click.BadParameter."""
    if path is None:
        return None
    try:
        output = OutputFile(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot write {path}: {reason}", param_hint=option) from None
    files.callback(output.close)
    return output


def load(program: str, args: tuple[str, ...], values: dict[str, Any]) -> Any:
    """A Session with the program in it; None after saying what is wrong with it."""
    from toykernel.session import LoadError, Session
    from userland.assembler import AssemblyError

    try:
        return Session(
            program,
            args,
            env=dict(values["env"]),
            files=guest_files(values),
            config=machine_config(values),
            console=guest_console,
        )
    except AssemblyError as error:
        click.echo(f"{error}" + (f"\n  hint: {error.hint}" if error.hint else ""), err=True)
    except LoadError as error:
        host_message(str(error))
    except (MemoryError, OSError) as error:  # the host has not got the RAM
        host_message(f"no machine with {values['memory']} bytes of RAM: {error}")
    return None
