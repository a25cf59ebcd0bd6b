"""One exploration from a program to its table of outcomes: what the command and tests of programs start."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from toykernel.errors import HostError
from toykernel.explore import report
from toykernel.explore.explain import Pathfinder, explained, races
from toykernel.explore.search import Bounds, Found, Search
from toykernel.explore.world import At, World
from toykernel.harness.exit_status import EXIT_MISUSE
from toykernel.harness.session import Session
from toykernel.state import Kernel

#: States after which an exploration gives up when nobody says otherwise.
MAX_STATES = 100_000
_SOME = 64


@dataclass(frozen=True)
class Settings:
    """What is explored, and where it ends; the options of `toykernel explore`."""

    at: At = At.SYSCALLS
    free_time: bool = False
    no_reduction: bool = False
    preemptions: int | None = None
    max_states: int = MAX_STATES
    max_time: int | None = None  # seconds


@dataclass(frozen=True)
class Explored:
    """What came of it; `make` gives a fresh session of the program that can be told a schedule."""

    found: Found
    table: list[report.Row]
    races: list[report.Race]
    make: Callable[[], Session]
    interrupted: bool = False


def explore(
    make: Callable[[], Session],
    settings: Settings,
    check: Callable[[Kernel], object] | None = None,
    tell: Callable[[Found], None] = lambda found: None,
) -> Explored:
    """Explore the program of the sessions that `make` makes, whose scheduler is `schedule`; `check` installs
    what looks at invariants, `tell` hears of each state. Ctrl-C ends it early.

    At.MEMORY begins without knowing which instructions touch what others touch, too, and again with each that
    it finds, until there are no more.

    Raises HostError for a program that cannot be loaded, and what `make` raises.
    """
    again = partial(_prepared, make, settings)
    end = time.monotonic() + settings.max_time if settings.max_time is not None else None
    breaks: frozenset[int] = frozenset()
    interrupted = False
    while True:
        world = World(again, check, settings.at, breaks)
        bounds = Bounds(
            preemptions=settings.preemptions,
            states=settings.max_states,
            out_of_time=lambda: end is not None and time.monotonic() >= end,
            anew=partial(_is_outgrown, world, breaks),
        )
        search = Search(world, bounds, tell)
        try:
            found = search.run()
        except KeyboardInterrupt:
            found, interrupted = search.found, True
            found.bounds["Ctrl-C"] = None
        if interrupted or "--max-time" in found.bounds or not _is_outgrown(world, breaks):
            break
        assert world.accesses is not None
        breaks |= world.accesses.breaks
    found.bounds.pop("anew", None)
    if world.ends.unloadable:
        raise HostError(
            EXIT_MISUSE, f"{world.session.path}: cannot be loaded: {world.ends.unloadable}"
        )
    pathfinder = Pathfinder(World(again, None, settings.at, breaks))
    table = [explained(row, pathfinder, again, check) for row in report.rows(found)]
    return Explored(found, table, races(found.graph, world.session), again, interrupted)


def _is_outgrown(world: World, breaks: frozenset[int], states: int = _SOME) -> bool:
    """Whether there are instructions to choose at that were not known when this exploration began. Small ones
    are finished all the same: they find more of them."""
    if world.at is not At.MEMORY or world.accesses is None or states < _SOME:
        return False
    return not world.accesses.breaks <= breaks


def _prepared(make: Callable[[], Session], settings: Settings) -> Session:
    session = make()
    told = session.kernel.sched.rq.told
    assert told is not None
    told.time_is_free, told.everywhere = settings.free_time, settings.no_reduction
    return session
