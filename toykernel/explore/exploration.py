"""One exploration from a program to its table of outcomes: what the command and tests of programs start."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from toykernel.errors import HostError
from toykernel.explore import report
from toykernel.explore.explain import Pathfinder, cow_pages, explained, races
from toykernel.explore.failures import Failures
from toykernel.explore.parallel import ParallelSearch, Remote, Work
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
    cow: bool = False  # whether it counts who shares a page, and what becomes of it
    faults: int = 0  # so many allocations may fail in a run, for At.SYSCALLS
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
    cow: list[report.CowPage] = field(default_factory=list)


def explore(
    make: Callable[[], Session],
    settings: Settings,
    check: Callable[[Kernel], object] | None = None,
    tell: Callable[[Found], None] = lambda found: None,
    workers: Workers | None = None,
) -> Explored:
    """Explore the program of the sessions that `make` makes, whose scheduler is `schedule`; `check` installs
    what looks at invariants, `tell` hears of each state. Ctrl-C ends it early. With `workers`, they do it.

    At.MEMORY begins without knowing which instructions touch what others touch, too, and again with each that
    it finds, until there are no more. A program that looks into /proc sees who sleeps: then it is explored
    again with every choice, as with `no_reduction`.

    Raises HostError for a program that cannot be loaded, and what `make` raises.
    """
    end = time.monotonic() + settings.max_time if settings.max_time is not None else None
    breaks: frozenset[int] = frozenset()
    while True:
        again = partial(_prepared, make, settings)
        # A fault of the kernel need not respect what is independent.
        whole = settings.no_reduction or settings.faults or settings.cow or check is not None
        bounds = Bounds(
            preemptions=settings.preemptions,
            reduce=not whole,
            states=settings.max_states,
            out_of_time=lambda: end is not None and time.monotonic() >= end,
        )
        search: _Search
        if workers is None:
            search = _Alone(again, check, settings, bounds, breaks, tell)
        else:
            simple = Bounds(preemptions=bounds.preemptions, reduce=bounds.reduce)
            work = Work(workers.remote(again()), check, settings.at, breaks, simple, settings.cow)
            search = ParallelSearch(
                workers.executor, work, bounds, tell, workers.jobs, workers.elsewhere
            )
        bounds = replace(bounds, anew=partial(_is_outgrown, search, settings, breaks))
        search.bounds = bounds
        interrupted = False
        try:
            search.run()
        except KeyboardInterrupt:
            interrupted = True
            search.found.bounds["Ctrl-C"] = None
        found = search.found
        over = interrupted or "--max-time" in found.bounds
        if over or not _is_outgrown(search, settings, breaks, _SOME):
            break
        breaks |= search.breaks
        settings = replace(settings, no_reduction=settings.no_reduction or search.looked)
    found.bounds.pop("anew", None)
    found.graph = found.graph.in_order()
    session = again()
    if search.unloadable:
        raise HostError(EXIT_MISUSE, f"{session.path}: cannot be loaded: {search.unloadable}")
    pathfinder = Pathfinder(World(again, None, settings.at, breaks))
    table = [explained(row, pathfinder, again, check) for row in report.rows(found)]
    both = cow_pages(found.graph, session, pathfinder)
    return Explored(found, table, races(found.graph, session), again, interrupted, both)


class _Search(Protocol):
    bounds: Bounds
    found: Found

    @property
    def breaks(self) -> frozenset[int]: ...

    @property
    def unloadable(self) -> str: ...

    @property
    def looked(self) -> bool: ...

    def run(self) -> Found: ...


class _Alone(Search):
    """A search that makes its own world."""

    def __init__(
        self,
        make: Callable[[], Session],
        check: Callable[[Kernel], object] | None,
        settings: Settings,
        bounds: Bounds,
        breaks: frozenset[int],
        tell: Callable[[Found], None],
    ) -> None:
        super().__init__(World(make, check, settings.at, breaks, settings.cow), bounds, tell)

    @property
    def breaks(self) -> frozenset[int]:
        """Instructions that touch what others touch, too."""
        accesses = self.world.accesses
        return frozenset(accesses.breaks) if accesses is not None else frozenset()

    @property
    def unloadable(self) -> str:
        """Why the program could not be executed."""
        return self.world.ends.unloadable

    @property
    def looked(self) -> bool:
        """Whether the program has looked into /proc."""
        return self.world.looked


@dataclass(frozen=True)
class Workers:
    """Who explores: an executor of concurrent.futures, made anew when its workers have died. `files` are the
    guest's, by path."""

    executor: Callable[[], Executor]
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    jobs: int = 2  # how many they are, about
    elsewhere: bool = False  # perhaps on other machines

    def remote(self, session: Session) -> Remote:
        """What a worker needs to make a session like this one."""
        told = session.kernel.sched.rq.told
        assert told is not None
        return Remote(
            *(session.elf, session.guest_path.lstrip("/"), self.args, self.env, self.files),
            *(session.config, told.time_is_free, told.everywhere, told.faults),
        )


def _is_outgrown(search: _Search, settings: Settings, breaks: frozenset[int], states: int) -> bool:
    """Whether there are instructions to choose at that were not known when this exploration began, or choices
    that were left out and count. Small ones are finished all the same: they find more of them."""
    if states < _SOME:
        return False
    more = settings.at is At.MEMORY and not search.breaks <= breaks
    return more or (search.looked and not settings.no_reduction)


def _prepared(make: Callable[[], Session], settings: Settings) -> Session:
    session = make()
    told = session.kernel.sched.rq.told
    assert told is not None
    told.time_is_free, told.everywhere = settings.free_time, settings.no_reduction
    told.faults = settings.faults
    if settings.faults:
        Failures(session.kernel)
    return session
