"""What `toykernel explore` draws: the graph of states, and a page of every outcome."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from toykernel.cli.console import as_utf8
from toykernel.cli.outputs import Output, Outputs
from toykernel.explore import picture
from toykernel.explore.ending import End
from toykernel.explore.explain import replay
from toykernel.explore.report import Row, path_text
from toykernel.harness import runner
from toykernel.show.shown import Shown

if TYPE_CHECKING:
    from toykernel.explore.exploration import Explored
    from toykernel.harness.session import Session
    from toykernel.state import Kernel

#: Cycles that are shown of a run without an end.
_MOST_CYCLES = 1_000_000


def write_pictures(
    explored: Explored,
    program: str,
    graph: Output | None,
    folder: str | None,
    outputs: Outputs,
    check: Callable[[Kernel], object] | None,
) -> None:
    """Write the graph, if there is a file for it, and the pages into a folder. Raises click.BadParameter and
    HostError.
    """
    pages: list[str] = []
    if folder is not None:
        try:
            Path(folder).mkdir(exist_ok=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.BadParameter(
                f"cannot write {folder}: {reason}", param_hint="--pages"
            ) from None
        for number, row in enumerate(explored.table, start=1):
            path = os.path.join(folder, f"{number}.html")
            outputs.write_now("--pages", path, as_utf8(shown_by(explored.make, row, check).html()))
            pages.append(path)
    if graph is None:
        return
    start = os.path.dirname(os.path.abspath(graph.path))
    links = [quote(os.path.relpath(page, start).replace(os.sep, "/")) for page in pages]
    name = Path(program).name
    if graph.path.lower().endswith(".svg"):
        text = picture.svg(explored.found, explored.table, name, links)
    else:
        text = picture.html(
            explored.found, explored.table, explored.races, explored.cow, name, links
        )
    graph.write(as_utf8(text))


def shown_by(
    make: Callable[[], Session], row: Row, check: Callable[[Kernel], object] | None
) -> Shown:
    """A run by the schedule of an outcome, as `show --schedule` has it."""
    session, _ = replay(make, row.schedule)
    if check is not None:
        check(session.kernel)
    shown = Shown(session, options={"schedule": path_text(row.schedule)})
    runner.run(session, max_cycles=_MOST_CYCLES if row.ending.end is End.ENDLESS else None)
    shown.finish()
    return shown
