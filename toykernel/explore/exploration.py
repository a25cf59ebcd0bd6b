"""One exploration from a program to its table of outcomes: what the command and tests of programs start."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from toykernel.errors import HostError
from toykernel.explore import report
from toykernel.explore.explain import explained
from toykernel.explore.search import Bounds, Found, Search
from toykernel.explore.world import World
from toykernel.harness.exit_status import EXIT_MISUSE
from toykernel.harness.session import Session
from toykernel.state import Kernel

#: States after which an exploration gives up when nobody says otherwise.
MAX_STATES = 100_000


@dataclass(frozen=True)
class Settings:
    """What is explored, and where it ends; the options of `toykernel explore`."""

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

    Raises HostError for a program that cannot be loaded, and what `make` raises.
    """
    again = partial(_prepared, make, settings)
    end = time.monotonic() + settings.max_time if settings.max_time is not None else None
    bounds = Bounds(
        preemptions=settings.preemptions,
        states=settings.max_states,
        out_of_time=lambda: end is not None and time.monotonic() >= end,
    )
    world = World(again, check)
    search = Search(world, bounds, tell)
    interrupted = False
    try:
        found = search.run()
    except KeyboardInterrupt:
        found, interrupted = search.found, True
        found.bounds["Ctrl-C"] = None
    if world.ends.unloadable:
        raise HostError(
            EXIT_MISUSE, f"{world.session.path}: cannot be loaded: {world.ends.unloadable}"
        )
    table = [explained(row, again, check) for row in report.rows(found)]
    return Explored(found, table, again, interrupted)


def _prepared(make: Callable[[], Session], settings: Settings) -> Session:
    session = make()
    told = session.kernel.sched.rq.told
    assert told is not None
    told.time_is_free, told.faults = settings.free_time, settings.no_reduction
    return session
