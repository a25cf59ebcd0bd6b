"""`toykernel explore`: every order of a program's tasks, and what comes of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toykernel.cli.console import as_utf8
from toykernel.cli.guest_files import guest_files
from toykernel.cli.option_types import FILE, count
from toykernel.cli.options import (
    MACHINE,
    SCHEDULE,
    SOURCES,
    TIMING,
    ProgramCommand,
    apply,
    check_mode,
)
from toykernel.cli.outputs import Outputs, inputs_of
from toykernel.harness.exit_status import EXIT_INTERRUPTED, EXIT_MISUSE

if TYPE_CHECKING:
    from toykernel.explore.exploration import Explored
    from toykernel.explore.search import Found
    from toykernel.state import Kernel

#: Exit status: a bound was met, so that there may be more outcomes.
EXIT_INCOMPLETE = 3
EPILOG = """\b
Exit status:
  0    complete: there are no other outcomes    3    a bound was met: there may be more
  125  wrong usage, or a program that does      130  interrupted: there may be more
       not assemble or load
"""


class ExploreCommand(ProgramCommand):
    """--check takes a value only by `=`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(
            ctx, ["--check=traps" if word == "--check" else word for word in args]
        )


def graph_file(text: str) -> str:
    """A FILE whose name says what it is to be."""
    if Path(text).suffix.lower() not in (".svg", ".html"):
        raise click.BadParameter(f"{text!r} is neither .svg nor .html")
    return text


def whole(text: str) -> int:
    """A number from 0."""
    return 0 if text == "0" else count(text)


@click.command(
    "explore",
    cls=ExploreCommand,
    epilog=EPILOG,
    context_settings={"allow_interspersed_args": False},
)
@apply((*(option for option in MACHINE if option not in (TIMING, SCHEDULE)), *SOURCES))
@click.option(
    "--at",
    type=click.Choice(("syscalls", "memory", "instructions")),
    default="syscalls",
    show_default=True,
    help="Choose in front of system calls, of accesses to memory that others touch, too, or of every "
    "instruction.",
)
@click.option(
    "--time",
    "time_",
    type=click.Choice(("fixed", "free")),
    default="fixed",
    show_default=True,
    help="Timers expire when everybody sleeps, or (free) at any choice, too.",
)
@click.option(
    "--preemptions",
    type=whole,
    metavar="N",
    help="Leave a task that could go on at most N times in a schedule.",
)
@click.option(
    "--cow",
    is_flag=True,
    help="Tell pages that one order copies on write and another does not. Who has a page counts then: "
    "there are more states.",
)
@click.option(
    "--faults",
    type=whole,
    default="0",
    metavar="N",
    help="Let each allocation of a system call fail, too, at most N in a run (default 0).",
)
@click.option(
    "--max-states",
    type=count,
    default="100_000",
    metavar="N",
    help="Stop when so many states are known (default 100,000).",
)
@click.option(
    "--no-reduction",
    is_flag=True,
    help="Choose in front of page faults and of calls, too, whose order cannot matter.",
)
@click.option(
    "-j", "--jobs", type=count, default="1", metavar="N", help="Processes to use (default 1)."
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Use the workers of a Dask cluster, as tcp://HOST:8786; needs the extra [cluster].",
)
@click.option("--max-time", type=count, metavar="SECONDS", help="Stop after so long.")
@click.option(
    "--check",
    type=check_mode,
    metavar="[=full]",
    help="Check the kernel's invariants on every path, as run --check does on one.",
)
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write everything to FILE.")
@click.option(
    "--schedules",
    type=FILE,
    metavar="DIR",
    help="Write the shortest schedule of outcome N to DIR/N.json, for run --schedule.",
)
@click.option(
    "--graph",
    type=graph_file,
    metavar="FILE",
    help="Write the graph of states, outputs at its leaves, to FILE (.svg, or .html with all that is told).",
)
@click.option(
    "--pages",
    type=FILE,
    metavar="DIR",
    help="Write outcome N, moment by moment, to DIR/N.html, as show does; --graph leads there.",
)
@click.argument("program", type=click.Path())
@click.argument("args", nargs=-1)
def command(program: str, args: tuple[str, ...], **values: Any) -> int:
    """Run PROGRAM in every order of its tasks; show all outcomes, each with a shortest schedule.

    Who runs next is chosen in front of every system call, and wherever a task sleeps or ends. Equal states
    are entered once: see docs/explore.md.
    """
    from toykernel.cli.load import CannotLoad
    from toykernel.explore import report, schedule_file

    with Outputs(inputs_of(program, {**values, "schedule": None})) as outputs:
        json_file = outputs.open("--json", values["json_file"])
        graph = outputs.open("--graph", values["graph"])
        progress = Progress()
        try:
            explored_all = explored(program, args, values, progress)
        except CannotLoad as error:
            click.echo(str(error), err=True)
            return EXIT_MISUSE
        finally:
            progress.clear()
        found, table = explored_all.found, explored_all.table
        if json_file is not None:
            json_file.write(
                as_utf8(report.as_json(found, table, explored_all.races, program, explored_all.cow))
            )
        if values["schedules"] is not None:
            session = explored_all.make()
            schedules = [schedule_file.make(session, row.schedule).text() for row in table]
            _write_schedules(Path(values["schedules"]), schedules)
        if graph is not None or values["pages"] is not None:
            from toykernel.cli.explore_pictures import write_pictures

            check = _checker(values["check"])
            write_pictures(explored_all, program, graph, values["pages"], outputs, check)
        click.echo(report.as_text(found, table, explored_all.races, explored_all.cow), nl=False)
    if explored_all.interrupted:
        return EXIT_INTERRUPTED
    return 0 if found.complete else EXIT_INCOMPLETE


def explored(
    program: str,
    args: tuple[str, ...],
    values: Mapping[str, Any],
    tell: Callable[[Found], None] = lambda found: None,
) -> Explored:
    """Explore by parsed options. Raises CannotLoad, click.BadParameter and HostError."""
    from toykernel.cli.load import make_session
    from toykernel.cli.workers import executors
    from toykernel.explore.exploration import Settings, Workers, explore
    from toykernel.explore.world import At

    machine = {**values, "timing": "off", "schedule": None, "scheduler": "schedule"}
    settings = Settings(
        at=At(values["at"]),
        free_time=values["time_"] == "free",
        no_reduction=values["no_reduction"],
        preemptions=values["preemptions"],
        faults=values["faults"],
        cow=values["cow"],
        max_states=values["max_states"],
        max_time=values["max_time"],
    )
    if settings.faults and settings.at is not At.SYSCALLS:
        raise click.UsageError("--faults goes with --at syscalls")
    make = partial(make_session, program, args, machine, None)
    with executors(values["jobs"], values["cluster"]) as pool:
        workers = None
        if pool is not None:
            if values["stdin"] or values["input"]:
                raise click.BadParameter("workers do not have it", param_hint="--stdin")
            files = guest_files(values)
            env = dict(values["env"])
            workers = Workers(pool.make, args, env, files, pool.jobs, pool.elsewhere)
        return explore(make, settings, _checker(values["check"]), tell, workers)


def _checker(mode: str | None) -> Callable[[Kernel], object] | None:
    if not mode:
        return None
    from toykernel.check.invariants import install

    return partial(install, full=mode == "full")


def _write_schedules(folder: Path, texts: list[str]) -> None:
    """Raises click.BadParameter."""
    from toykernel.host_files import replace_file

    try:
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(texts, start=1):
            replace_file(folder / f"{number}.json", text.encode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.BadParameter(
            f"cannot write {folder}: {reason}", param_hint="--schedules"
        ) from None


@dataclass
class Progress:
    """A line on a terminal that says how far an exploration is."""

    _said: bool = False
    _shown: float = field(default_factory=time.monotonic)

    def __call__(self, found: Found) -> None:
        """Say it, but not too often."""
        now = time.monotonic()
        if now - self._shown < 0.5 or sys.stderr is None or not sys.stderr.isatty():
            return
        self._shown, self._said = now, True
        with suppress(OSError):
            sys.stderr.write(f"\r{len(found.graph.nodes):,} states")
            sys.stderr.flush()

    def clear(self) -> None:
        """Leave nothing of it behind."""
        if self._said:
            with suppress(OSError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
