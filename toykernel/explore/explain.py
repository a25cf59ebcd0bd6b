"""Why an outcome comes about: its schedule is run again, with everybody listening."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from toykernel.errors import StopRun
from toykernel.explore import schedule_file
from toykernel.explore.ending import End
from toykernel.explore.report import Row
from toykernel.harness.session import Session
from toykernel.kernel.sched.runqueue import Choice
from toykernel.oops import KernelOops
from toykernel.state import Kernel


class NotTheSame(AssertionError):
    """A schedule that was run again has come to another end: a bug of the exploration."""


def replay(make: Callable[[], Session], choices: Sequence[Choice]) -> Session:
    """A session that has been told a schedule; it has not run yet."""
    session = make()
    schedule_file.follow(session, schedule_file.make(session, choices))
    return session


def explained(
    row: Row, make: Callable[[], Session], check: Callable[[Kernel], object] | None
) -> Row:
    """The row with its explanation. Raises NotTheSame when the schedule leads elsewhere."""
    if row.ending.end is End.ENDLESS:
        return replace(row, explanation=row.ending.detail)
    session = replay(make, row.schedule)
    if check is not None:
        check(session.kernel)
    text = ""
    try:
        outcome = session.run()
        if row.ending.end is End.DEADLOCK:
            text = outcome.detail
    except KernelOops as oops:
        text = str(oops)
    except StopRun as error:
        text = str(error)
    if (session.stdout, session.stderr) != (row.ending.stdout, row.ending.stderr):
        raise NotTheSame(f"the schedule of {row.ending} writes {session.stdout!r}")
    return replace(row, explanation=" ".join(text.split()))
