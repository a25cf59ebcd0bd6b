"""How a session shows itself, at a prompt and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.notebook import number, table

if TYPE_CHECKING:
    from toykernel.harness.session import Session

HEAD = ("pid", "parent", "name", "state", "waits on", "eip")


def text(session: Session) -> str:
    """The session in a line: program, clock in cycles, and who runs or how it ended."""
    k = session.kernel
    how = f"ended: {k.outcome.kind}" if k.outcome is not None else f"in pid {k.current.pid}"
    return f"Session {session.path.name}, {k.machine.clock.cycles:,} cycles, {how}"


def html(session: Session) -> str:
    """The session's line over a table of the tasks, as HTML, and the moment as a picture."""
    rows = [
        (view.pid, view.ppid, view.comm, view.state, view.waits_on or "", number(view.eip))
        for view in session.tasks
        if view.pid
    ]
    from toykernel.show.shown import moment

    return table(text(session), rows, HEAD) + moment(session)
