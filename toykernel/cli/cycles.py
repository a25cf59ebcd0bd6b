"""`toykernel cycles`: run a program and say where its cycles went."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from emu.timing.profiles import OFF
from toykernel.cli.console import host_message, write_all
from toykernel.cli.options import MACHINE, SOURCES, ProgramCommand, apply, count
from toykernel.harness.exit_status import EXIT_MISUSE


@click.command(cls=ProgramCommand, context_settings={"allow_interspersed_args": False})
@apply((*MACHINE, *SOURCES))
@click.option("--max-cycles", type=count, metavar="N", help="Stop when the clock shows N cycles.")
@click.option("--json", "json_file", metavar="FILE", help="Write everything to FILE.")
@click.option("--html", "html_file", metavar="FILE", help="Write the listing to FILE as a page.")
@click.option(
    "--against", metavar="FILE", help="Compare with another run, whose --json wrote FILE."
)
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(
    program: str,
    args: tuple[str, ...],
    max_cycles: int | None,
    **values: Any,
) -> int:
    """Run PROGRAM and show its cycles: by rule, by system call and fault, by function, by line.

    What the program writes goes to standard error. Exit status: the program's.
    """
    if values["timing"] == OFF:
        raise click.BadParameter("the profile off counts no cycles", param_hint="--timing")
    other = read_profile(values["against"])
    from toykernel.cli.load import CannotLoad, make_session
    from toykernel.harness import runner
    from toykernel.observe.cycles import CycleProfile
    from toykernel.observe.cycles_text import comparison, html, text

    try:
        session = make_session(program, args, values, console=None, terminal=True)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return EXIT_MISUSE
    profile = CycleProfile(session)
    result = runner.run(session, max_cycles=max_cycles)
    write_all(2, session.stdout + session.stderr)
    if result.message:
        host_message(result.message)
    data = profile.data()
    written: tuple[tuple[str, str | None, Callable[[], str]], ...] = (
        ("--json", values["json_file"], lambda: json.dumps(data, indent=1, sort_keys=True) + "\n"),
        ("--html", values["html_file"], lambda: html(data)),
    )
    for option, path, make in written:
        if path is not None:
            try:
                Path(path).write_text(make(), encoding="utf-8")
            except OSError as error:
                raise click.BadParameter(
                    f"cannot write {path}: {error.strerror}", param_hint=option
                ) from None
    click.echo(comparison(data, other) if other is not None else text(data), nl=False)
    return result.status


def read_profile(path: str | None) -> dict[str, Any] | None:
    """What `cycles --json` wrote; None without a path. Raises BadParameter for anything else."""
    if path is None:
        return None
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot read {path}: {reason}", param_hint="--against") from None
    fields = ("program", "profile", "cycles", "instructions", "by_rule", "events")
    if not isinstance(data, dict) or data.get("schema") != 1 or any(f not in data for f in fields):
        raise click.BadParameter(
            f"{path} was not written by toykernel cycles --json", param_hint="--against"
        )
    return data
