"""What the tests of explorations share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toykernel.explore.report import Row, rows
from toykernel.explore.search import Bounds, Found, Search
from toykernel.explore.world import World
from toykernel.harness.session import Session
from toykernel.state import Config

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def session_of() -> Callable[..., Session]:
    """A session of one of the programs here, with the scheduler that does what it is told."""

    def make(name: str, *, free: bool = False) -> Session:
        session = Session(PROGRAMS / f"{name}.S", config=Config(scheduler="schedule"))
        told = session.kernel.sched.rq.told
        assert told is not None
        told.time_is_free = free
        return session

    return make


@pytest.fixture
def explored(session_of: Callable[..., Session]) -> Callable[..., tuple[Found, list[Row]]]:
    """All that a program can do, to be complete unless `bounds` says otherwise."""

    def explore(
        name: str, *, bounds: Bounds | None = None, free: bool = False
    ) -> tuple[Found, list[Row]]:
        world = World(lambda: session_of(name, free=free), None)
        found = Search(world, bounds or Bounds(), lambda found: None).run()
        assert bounds is not None or found.complete
        return found, rows(found)

    return explore
