"""Why an outcome comes about: its schedule is run again, with everybody listening."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from toykernel.errors import StopRun
from toykernel.explore import schedule_file
from toykernel.explore.cow import COPIED, REUSED, undecided
from toykernel.explore.ending import End
from toykernel.explore.failures import Failures, move_of
from toykernel.explore.graph import Graph
from toykernel.explore.report import CowPage, Race, Row
from toykernel.explore.world import World
from toykernel.harness.session import Session
from toykernel.kernel.sched.runqueue import Choice
from toykernel.oops import KernelOops
from toykernel.state import Kernel


class NotTheSame(AssertionError):
    """A schedule that was run again has come to another end: a bug of the exploration."""


def replay(
    make: Callable[[], Session], choices: Sequence[Choice]
) -> tuple[Session, Failures | None]:
    """A session that has been told a schedule, and who lets allocations fail; it has not run yet."""
    session = make()
    return session, schedule_file.follow(session, schedule_file.make(session, choices))


class Pathfinder:
    """Goes a way again, to know at how many instructions each choice of it is made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._start = None if world.on() is not None else world.take()

    def choices(self, path: Sequence[Choice]) -> tuple[Choice, ...]:
        """Those of a schedule: who goes on in front of an instruction has not been interrupted.

        Raises NotTheSame.
        """
        if self._start is None:
            return ()
        world = self._world
        world.back(self._start)
        made = []
        for number, wanted in enumerate(path, start=1):
            if world.choices != wanted.of:
                raise NotTheSame(f"choice {number} is of {world.choices}, not of {wanted.of}")
            running = world.running
            choice = world.choose(move_of(wanted))
            if choice.instruction is None or choice.run != running:
                made.append(choice)
            world.on()
        return tuple(made)


def races(graph: Graph, session: Session) -> list[Race]:
    """With their places in the source, each pair of places once."""
    found: dict[tuple[str, str], Race] = {}
    for first, second in graph.races():
        words = " and ".join("a write" if one.write else "a read" for one in (first, second))
        name = session.program_image.symbol_at(first.start) if first.owner[0] != "shared" else None
        where = name or (f"{first.start:#x}" if first.owner[0] != "shared" else "shared memory")
        places = (_place(session, first.code), _place(session, second.code))
        found.setdefault(places, Race(*places, f"{words} of {where}"))
    return list(found.values())


def cow_pages(graph: Graph, session: Session, pathfinder: Pathfinder) -> list[CowPage]:
    """Pages that one order copies and another gives back, with their places in the source."""
    found = []
    for (pid, page, code), ways in undecided(graph).items():
        copied, reused = (pathfinder.choices(ways[kind]) for kind in (COPIED, REUSED))
        found.append(CowPage(pid, page, _place(session, code), copied, reused))
    return found


def _place(session: Session, code: int) -> str:
    place = session.program_image.place_at(code)
    return f"{place.name}: {place.text.split('#')[0].strip()}" if place else f"{code:#010x}"


def explained(
    row: Row,
    pathfinder: Pathfinder,
    make: Callable[[], Session],
    check: Callable[[Kernel], object] | None,
) -> Row:
    """The row with its explanation, and its schedule with the instructions at which it interrupts. Raises
    NotTheSame when the schedule leads elsewhere.
    """
    row = replace(row, schedule=pathfinder.choices(row.schedule))
    if row.ending.end is End.ENDLESS:
        return replace(row, explanation=row.ending.detail)
    session, failures = replay(make, row.schedule)
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
    if failures is not None:
        text = f"fails: {', '.join(failures.failed)}. {text}"
    return replace(row, explanation=" ".join(text.split()))
