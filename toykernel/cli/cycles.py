"""`toykernel cycles`: run a program and say where its cycles went."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

import click

from emu.timing.profiles import OFF
from toykernel.cli.console import as_utf8, host_message, write_all
from toykernel.cli.option_types import FILE, count
from toykernel.cli.options import MACHINE, SOURCES, ProgramCommand, apply
from toykernel.cli.outputs import Outputs, inputs_of
from toykernel.cli.version import say_slow
from toykernel.harness.exit_status import EXIT_MISUSE
from toykernel.host_files import read_regular


@click.command(cls=ProgramCommand, context_settings={"allow_interspersed_args": False})
@apply((*MACHINE, *SOURCES))
@click.option("--max-cycles", type=count, metavar="N", help="Stop when the clock shows N cycles.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write everything to FILE.")
@click.option(
    "--html", "html_file", type=FILE, metavar="FILE", help="Write the listing to FILE as a page."
)
@click.option(
    "--page",
    metavar="FILE",
    help="Let the names of events in --html lead into FILE, which show has written of the same run.",
)
@click.option(
    "--against",
    type=FILE,
    metavar="FILE",
    help="Compare with another run, whose --json wrote FILE.",
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
    with Outputs(inputs_of(program, values)) as outputs:
        return _run(program, args, max_cycles, values, other, outputs)


def _run(
    program: str,
    args: tuple[str, ...],
    max_cycles: int | None,
    values: dict[str, Any],
    other: dict[str, Any] | None,
    outputs: Outputs,
) -> int:
    json_file = outputs.open("--json", values["json_file"])
    html_file = outputs.open("--html", values["html_file"])
    from toykernel.cli.load import CannotLoad, make_session, source_files
    from toykernel.harness import runner
    from toykernel.observe.cycles import CycleProfile
    from toykernel.observe.cycles_html import html
    from toykernel.observe.cycles_text import comparison, text
    from toykernel.observe.events import EventLog
    from toykernel.observe.first_events import first_events

    try:
        session = make_session(program, args, values, console=None, terminal=True)
    except CannotLoad as error:
        click.echo(str(error), err=True)
        return EXIT_MISUSE
    outputs.refuse("a source of the program", source_files(session.program))
    profile = CycleProfile(session)
    log = EventLog(session.kernel) if html_file is not None and values["page"] else None
    result = runner.run(session, max_cycles=max_cycles)
    write_all(2, session.stdout + session.stderr)
    if result.message:
        host_message(result.message)
    say_slow(session.kernel.machine.cpu.driver.name, session.kernel.machine.clock.instructions)
    data = profile.data()
    if json_file is not None:
        json_file.write((json.dumps(data, indent=1, sort_keys=True) + "\n").encode())
    if html_file is not None:
        links = {}
        if log is not None:
            page = quote(os.path.relpath(values["page"], os.path.dirname(html_file.path) or "."))
            links = {name: f"{page}#event={n}" for name, n in first_events(log).items()}
        html_file.write(as_utf8(html(data, links)))
    click.echo(comparison(data, other) if other is not None else text(data), nl=False)
    return result.status


def read_profile(path: str | None) -> dict[str, Any] | None:
    """What `cycles --json` wrote; None without a path. Raises BadParameter for anything else."""
    if path is None:
        return None
    try:
        data = json.loads(read_regular(path).decode("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(f"cannot read {path}: {reason}", param_hint="--against") from None
    fields = ("program", "profile", "cycles", "instructions", "by_rule", "events")
    if not isinstance(data, dict) or data.get("schema") != 1 or any(f not in data for f in fields):
        raise click.BadParameter(
            f"{path} was not written by toykernel cycles --json", param_hint="--against"
        )
    return data
