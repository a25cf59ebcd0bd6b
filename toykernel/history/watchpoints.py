"""Watchpoints in a run: unlimited, seen by nobody in the guest, and exact, since the run can be gone back in.

The run goes on while accesses are noted; when there was one, back to right behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from emu.events import Position
from emu.watches import Range, Watches
from toykernel.state import Outcome, OutcomeKind

if TYPE_CHECKING:
    from toykernel.harness.points import Breakpoint, Hit, Watch
    from toykernel.harness.session import Session
    from toykernel.history.history import History

#: A range that nothing is in: of bytes that no frame is mapped for.
_NOWHERE = Range(0, 0)


#: A watchpoint, and its bytes before and after an access; None while no frame is mapped for them.
Access = tuple["Breakpoint", bytes | None, bytes | None]


def physical(session: Session, watch: Watch) -> Range:
    """Where the bytes are now."""
    start = watch.address
    if watch.pid is not None:
        try:
            found = session.task(watch.pid).walk(watch.address).physical
        except LookupError:
            found = None
        if found is None:
            return _NOWHERE
        start = found
    return Range(start, start + watch.size, watch.reads, watch.writes)


def value(session: Session, watch: Watch) -> bytes | None:
    """The bytes; None while they are not mapped."""
    where = physical(session, watch)
    if where is _NOWHERE:
        return None
    return session.kernel.machine.ram.read(where.start, where.end - where.start)


class Watcher:
    """Watches the bytes of some breakpoints while a session runs on."""

    def __init__(self, session: Session, points: Iterable[Breakpoint]) -> None:
        self._session = session
        self.points = [point for point in points if point.watch is not None]
        self._ranges = self._now()
        self.values = [value(session, watch) for watch in self._watched()]
        self._watches = Watches(session.kernel.machine, self._ranges)

    def close(self) -> None:
        """Watch no more."""
        self._watches.close()

    def _watched(self) -> list[Watch]:
        return [point.watch for point in self.points if point.watch is not None]

    def _now(self) -> list[Range]:
        return [physical(self._session, watch) for watch in self._watched()]

    def something(self) -> bool:
        """Whether there was an access, or other frames hold the bytes now."""
        return bool(self.seen(0)) or self.moved()

    def moved(self) -> bool:
        """Whether other frames hold the bytes now."""
        return bool(self.points) and self._now() != self._ranges

    def seen(self, which: int) -> dict[int, Position]:
        """By index of the breakpoint: behind what its first access (0) or its last (1) was."""
        found = {}
        for index in range(len(self.points)):
            seen = self._watches.seen(index)
            if seen is not None:
                found[index] = Position(*seen[which], 0)
        return found


def run(
    history: History,
    points: list[Breakpoint],
    go_on: Callable[[], Outcome],
    tell: Callable[[list[Access]], bool],
) -> Outcome:
    """Run by `go_on` (stops.run) until it stops, or right behind the first accesses of which `tell` says
    True. Raises KernelOops.
    """
    session, stops = history.session, history.session.stops
    while True:
        watcher = Watcher(session, points)
        stops.watched = watcher.something
        try:
            outcome = go_on()
        finally:
            stops.watched = stops.nothing
            watcher.close()
        seen = watcher.seen(0)
        here = history.position
        first = min(seen.values(), default=None)
        if first is None and outcome.detail != "watch":
            return outcome
        if first is not None and first[:2] < here[:2]:
            history.goto(position=first)
        if first is not None and history.position[:2] != first[:2]:
            continue  # an instruction that read and then faulted: it has done nothing yet
        accesses = _accesses(session, watcher, [i for i, at in seen.items() if at == first])
        if accesses and tell(accesses):
            return Outcome(OutcomeKind.BREAKPOINT)
        if (stopped := stops.stop_here()) is not None:
            return stopped
        if session.kernel.outcome is not None:
            return session.kernel.outcome


def _accesses(session: Session, watcher: Watcher, accessed: list[int]) -> list[Access]:
    """Of these accesses those to tell: all of who also watches reads, else those that changed the bytes."""
    found: list[Access] = []
    for index, point in enumerate(watcher.points):
        watch, old = point.watch, watcher.values[index]
        assert watch is not None
        new = value(session, watch)
        if (watch.writes and old != new) or (watch.reads and index in accessed):
            found.append((point, old, new))
    return found


class Steps:
    """Watchpoints while the session makes single steps: `look` after each."""

    def __init__(self, session: Session, points: list[Breakpoint]) -> None:
        self._session = session
        self._points = points
        self._watcher = Watcher(session, points)

    def look(self) -> list[Access]:
        """The accesses that the step has made."""
        if not self._watcher.something():
            return []
        here = self._session.kernel.machine.position
        whole = [i for i, at in self._watcher.seen(0).items() if at[:2] == here[:2]]
        found = _accesses(self._session, self._watcher, whole)
        self._watcher.close()
        self._watcher = Watcher(self._session, self._points)
        return found

    def close(self) -> None:
        """Watch no more."""
        self._watcher.close()


class Past:
    """The watchpoints of a session while its past is run again: `found` are their accesses, each with the
    position behind it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.found: list[tuple[Position, Hit]] = []
        self._begin()

    def _begin(self) -> None:
        stops = self._session.stops
        self._watcher = Watcher(self._session, stops.all.values())
        stops.watched = self._watcher.moved

    def look(self) -> None:
        """The run has stopped: follow the bytes if other frames hold them now."""
        if self._watcher.points and self._watcher.moved():
            self._note()
            here = self._session.kernel.machine.position
            for point, _old, _new in _accesses(self._session, self._watcher, []):
                self.found.append((here, self._session.stops.hit_of(point)))
            self._watcher.close()
            self._begin()

    def _note(self) -> None:
        for index, behind in self._watcher.seen(1).items():
            hit = self._session.stops.hit_of(self._watcher.points[index])
            self.found.append((behind, hit))

    def close(self) -> None:
        """Watch no more."""
        self._note()
        self._session.stops.watched = self._session.stops.nothing
        self._watcher.close()
