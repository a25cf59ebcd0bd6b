"""`toykernel show`: a run as one page that can be looked at moment by moment, or one moment as a picture."""

from __future__ import annotations

import shlex
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from toykernel.cli.console import as_utf8, host_message
from toykernel.cli.option_types import FILE, count
from toykernel.cli.options import MACHINE, SOURCES, ProgramCommand, apply
from toykernel.cli.outputs import Output, Outputs, inputs_of
from toykernel.harness.exit_status import EXIT_BUG, EXIT_MISUSE

if TYPE_CHECKING:
    from toykernel.show.shown import Shown

#: Of the machine and the program, as a page says them: those that were given.
_SAID = ("fork", "kernel", "timing", "cpu", "memory", "sysctl", "macro")
EPILOG = """\b
Exit status:
  0    the page or picture is written, however the program ended
  70   kernel oops; the page shows the run up to there
  125  wrong usage, or a program that does not assemble or load
"""


class ShowCommand(ProgramCommand):
    """Takes -o, --at and --open behind PROGRAM and its arguments, too, when they are the last words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = list(args)
        ours: list[str] = []
        while "--" not in rest:
            if rest[-1:] == ["--open"]:
                ours.insert(0, rest.pop())
            elif len(rest) > 2 and rest[-2] in ("-o", "--at"):
                ours = [*rest[-2:], *ours]
                del rest[-2:]
            else:
                break
        return super().parse_args(ctx, ours + rest)


@click.command(cls=ShowCommand, epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@apply((*MACHINE, *SOURCES))
@click.option("-o", "output", type=FILE, required=True, metavar="FILE", help="Write it to FILE.")
@click.option("--open", "open_it", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--at",
    type=click.IntRange(min=0),
    metavar="EVENT",
    help="Only the moment right after this event, as a picture (SVG).",
)
@click.option(
    "--against",
    metavar="'OPTIONS [PROGRAM [ARG...]]'",
    help="A second run beside the first: with these options besides, and of PROGRAM when there is one.",
)
@click.option(
    "--max-events",
    type=count,
    default="10000",
    show_default=True,
    metavar="N",
    help="Show the first N events; the page says how many it leaves out.",
)
@click.option(
    "--instructions",
    type=click.IntRange(min=0),
    default=2_000,
    show_default=True,
    metavar="N",
    help="So many instructions inside traps one by one, from the first trap on or inside those of --trap.",
)
@click.option(
    "--trap",
    "traps",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="EVENT",
    help="Instruction by instruction inside the trap that is this event, up to its return to user mode, "
    "and not from the first trap on; may be given again.",
)
@click.option("--max-cycles", type=count, metavar="N", help="Stop when the clock shows N cycles.")
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Run PROGRAM and write a page in which every moment of the run can be looked at.

    The page needs no network and no other file. With --at EVENT it is one moment as a picture. -o, --at and
    --open may stand last, too. The events are those of `run --events` and of the debugger's `events`.
    """
    if values["at"] is not None and values["against"] is not None:
        raise click.UsageError("a picture shows one run: --at or --against")
    if values["traps"] and values["against"] is not None:
        raise click.UsageError("an event is one of one run: --trap or --against")
    read = inputs_of(program, {**values, "against": None})
    with Outputs(read) as outputs:
        target = outputs.open("-o", values["output"])
        assert target is not None
        return _show(program, args, values, target, outputs)


def _show(
    program: str,
    args: tuple[str, ...],
    values: dict[str, Any],
    target: Output,
    outputs: Outputs,
) -> int:
    other = _other(program, args, values)
    shown, status = _recorded(program, args, values, outputs)
    if shown is None:
        return status
    try:
        shown.need_traps(values["traps"])
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--trap") from None
    if values["at"] is not None:
        try:
            text = shown.svg(values["at"])
        except LookupError as error:
            raise click.BadParameter(str(error), param_hint="--at") from None
    elif other is not None:
        second, worse = _recorded(*other, outputs)
        if second is None:
            return worse
        text, status = shown.html(against=second), max(status, worse)
    else:
        text = shown.html()
    data = as_utf8(text)
    target.write(data)
    host_message(f"{target.path}: {shown.summary()}, {len(data):,} bytes")
    if values["open_it"] and not target.stream:
        webbrowser.open(Path(target.path).absolute().as_uri())
    return status


def _recorded(
    program: str, args: tuple[str, ...], values: Mapping[str, Any], outputs: Outputs
) -> tuple[Shown | None, int]:
    """A run with its events; None and the exit status when it cannot be had."""
    from toykernel.cli.load import load, source_files
    from toykernel.harness import runner
    from toykernel.show.record import MAX_BYTES
    from toykernel.show.shown import Shown

    session = load(program, args, values, console=None)
    if session is None:
        return None, EXIT_MISUSE
    outputs.refuse("a source of the program", source_files(session.program))
    shown = Shown(
        session,
        options=_options(values, session.kernel.host.profile.name),
        max_events=values["max_events"],
        max_bytes=MAX_BYTES,
        max_steps=values["instructions"],
        traps=values["traps"] or None,
    )
    try:
        result = runner.run(session, max_cycles=values["max_cycles"])
    except KeyboardInterrupt:  # the page has what there was
        result = runner.interrupted(session)
    shown.finish()
    if session.kernel.sched.rq.told is not None:
        from toykernel.explore.schedule_file import refuse_rest

        refuse_rest(session)
    if result.message:
        host_message(result.message)
    return shown, EXIT_BUG if result.status == EXIT_BUG else 0


def _options(values: Mapping[str, Any], kernel: str) -> dict[str, str]:
    """What the page says of how the machine was made."""
    said = {"fork": str(values["fork"]), "kernel": kernel}
    for name in _SAID[2:]:
        value = values[name]
        if isinstance(value, tuple):
            if value:
                text = ("=".join(one) if isinstance(one, tuple) else str(one) for one in value)
                said[name] = " ".join(text)
        elif name == "memory":
            said[name] = f"{value >> 20}M" if value % (1 << 20) == 0 else str(value)
        else:
            said[name] = str(value)
    return said


def _other(
    program: str, args: tuple[str, ...], values: dict[str, Any]
) -> tuple[str, tuple[str, ...], dict[str, Any]] | None:
    """The second run of --against. Raises click.BadParameter."""
    text = values["against"]
    if text is None:
        return None
    try:
        with _parser.make_context("--against", shlex.split(text)) as ctx:
            given = {
                name: value
                for name, value in ctx.params.items()
                if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
            }
    except (click.UsageError, ValueError) as error:
        said = error.format_message() if isinstance(error, click.UsageError) else str(error)
        raise click.BadParameter(said, param_hint="--against") from None
    second = given.pop("program", None)
    theirs = given.pop("args", ())
    return second or program, theirs if second else args, {**values, **given}


@click.command(context_settings={"allow_interspersed_args": False}, add_help_option=False)
@apply((*MACHINE, *SOURCES))
@click.argument("program", type=click.Path(), required=False)
@click.argument("args", nargs=-1)
def _parser(**_: Any) -> None:
    """What --against takes."""
