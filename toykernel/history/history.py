"""A run that can be gone back in: the last moment kept before a place, and from there again.

Running again gives the same, so a place is a number (emu.events.Position) and needs no data of its own.
Moments are kept while the session runs, so that no place is far behind one; see moments.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.events import Position
from emu.hooks import NO_LIMIT
from toykernel.history import replay, watchpoints
from toykernel.history.changes import Change
from toykernel.history.console import ConsoleOnce
from toykernel.history.errors import HistoryError
from toykernel.history.moment import collectors
from toykernel.history.moments import Kept, Moments
from toykernel.history.pace import Pace
from toykernel.history.writes import Write, back_to_write
from toykernel.observe.events import KINDS, EventLog, RunEvent
from toykernel.observe.once import Once
from toykernel.oops import KernelOops

if TYPE_CHECKING:
    from toykernel.harness.breakpoints import Hit
    from toykernel.harness.session import Session

#: Bytes of the moments that are kept.
DEFAULT_SIZE = 256 << 20
#: Work behind the last moment from which on a stop is worth one.
_REST = 1_500
#: Work that is kept away from a cursor that steps back, and how many instructions before it.
_NEAR_WORK, _NEAR = 500, 300


@dataclass(frozen=True)
class Back:
    """Why `run_back` stands where it does: "breakpoint" with its hits, "watchpoint" right before an access,
    "event" with its kind, "start"."""

    why: str
    hits: tuple[Hit, ...] = ()
    kind: str = ""


class History:
    """The past of a session, from now on. Run the session as before (run, step, breakpoints); go back here.

    Records of the kernel are new objects after each of these methods: ask the session for them again.
    """

    def __init__(self, session: Session, size: int = DEFAULT_SIZE) -> None:
        """`size` in bytes bounds the moments that are kept. Raises HistoryError, as Session.snapshot."""
        self.session = session
        self._k = session.kernel
        self._events: EventLog | None = None
        self._console = ConsoleOnce(session.console) if session.console is not None else None
        session.console = self._console
        self._moments = Moments(size)
        self._pacing = Pace(session)
        self._due = (0, 0)  # what `_pace` has answered last, while the run goes on from there
        self._changes: list[Change] = []
        self.start = self.position
        self._keep()
        session.stops.pace = self._pace

    def close(self) -> None:
        """Forget everything; the session goes on without."""
        self.session.stops.pace = self.session.stops.slice_end
        if self._events is not None:
            self._events.close()
        self._moments = Moments(0)

    # -- where -------------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        """Where the session is: kept, and given to `goto`, it leads here again."""
        return self._k.machine.position

    @property
    def size(self) -> tuple[int, int]:
        """How many moments are kept, and their bytes."""
        return len(self._moments), self._moments.bytes

    # -- keeping -----------------------------------------------------------------------------------

    def _keep(self) -> Kept:
        counts = self._pacing.counts()
        last = self._moments.before(self.position) if len(self._moments) else None
        kept = Kept(
            self.position,
            counts,
            last.work + self._pacing.work(last.counts, counts) if last is not None else 0,
            self.session.snapshot(),
            dict(self._console.said) if self._console is not None else {},
            self._events.count if self._events is not None else 0,
        )
        self._moments.add(kept)
        return kept

    def _pace(self) -> tuple[int, int]:
        """Breakpoints.pace: keep a moment if one is due. The dearer one is, the farther apart they are."""
        due = self._pacing.due(self._moments.before(self.position))
        if due is None:
            if self._k.outcome is None:
                self._keep()
            due = self._pacing.due(self._moments.before(self.position))
        # At the end of a run nothing is kept any more.
        self._due = due or (NO_LIMIT, NO_LIMIT)
        return self._due

    def rest(self) -> None:
        """The run stands still for somebody who looks: the first step back from near here is to be short."""
        behind = self._behind(self._moments.before(self.position))
        if self._k.outcome is None and behind > _REST:
            self._keep()

    def _behind(self, kept: Kept) -> int:
        """The work from a moment to here."""
        return self._pacing.work(kept.counts, self._pacing.counts())

    def keep(self) -> None:
        """Keep a moment here, if the last one is far: for who steps without running."""
        machine, (cycles, deliveries) = self._k.machine, self._due
        if machine.clock.cycles >= cycles or machine.cpu.state.deliveries >= deliveries:
            self._pace()

    @property
    def events(self) -> EventLog:
        """What happened on the way to here; later events are known until the guest is changed by hand.

        Listing costs time, so it begins when this is first asked for: the run so far is run again then.
        """
        if self._events is None:
            here, stops = self.position, self.session.stops
            past = list(stops.past)
            stops.disarm()
            base = self._moments.before(self._changes[-1].position if self._changes else self.start)
            self.restore(base)
            self._events = EventLog(self._k, self.session.images)
            self._moments.forget_from(base.position)
            self._keep()
            replay.run_to(self._k, here, self._pace)
            stops.past = past
            stops.recount()
        return self._events

    def restore(self, kept: Kept) -> None:
        """Stand at a moment that is kept, in the midst of a journey of this package."""
        self._due = (0, 0)
        self.session.restore(kept.snapshot)
        if self._console is not None:
            self._console.said = dict(kept.said)

    # -- changing the past -------------------------------------------------------------------------

    def changed(self) -> None:
        """The guest has just been changed by hand: a new branch of history begins here.

        What was known of later is forgotten. Going back to before this place takes the change back.
        """
        once = [one for one in collectors(self._k) if isinstance(one, Once)]
        console = dict(self._console.said) if self._console is not None else {}
        change = Change(self.position, console, {one: one.said for one in once})
        self._forget_from(change)
        self._changes.append(change)
        self._keep()

    @property
    def changes(self) -> tuple[Position, ...]:
        """Where the guest was changed by hand, on the way to here."""
        return tuple(change.position for change in self._changes)

    def _forget_from(self, change: Change) -> None:
        self._moments.forget_from(change.position)
        if self._events is not None:
            self._events.forget_future()
        if self._console is not None:
            self._console.forget_future(change.console)
        for one, said in change.lines.items():
            one.forget_future(said)

    @contextmanager
    def _travelling(self) -> Iterator[None]:
        """Nothing stops the machine on the way; breakpoints are counted again at the end of it."""
        stops, past = self.session.stops, list(self.session.stops.past)
        stops.disarm()
        try:
            yield
        finally:
            stops.past = past
            stops.recount()
            here = self.position
            while self._changes and self._changes[-1].position > here:
                self._forget_from(self._changes.pop())
                if self._events is not None and not self._events.count:  # it began there
                    self._events.close()
                    self._events = None

    # -- going to a place --------------------------------------------------------------------------

    def goto(
        self,
        *,
        cycle: int | None = None,
        instruction: int | None = None,
        event: int | None = None,
        position: Position | None = None,
    ) -> Position:
        """Go there, back or forth; answers where the session is then: the end, when it comes first.

        `cycle`: the first place at which the clock shows so many. `instruction`: when so many have
        completed since power-on. `event`: right after what `events` lists by that number; for a trap right
        after its delivery. `position`: one that was here before. Raises HistoryError, or KernelOops when the
        kernel does not get there.
        """
        if event is not None:
            _ = self.events  # as in run_back
        given = [x for x in (cycle, instruction, event, position) if x is not None]
        if len(given) != 1:
            raise HistoryError("go to a cycle, an instruction, an event or a position: one of them")
        with self._travelling():
            here = self.position
            if position is not None:
                self._to(position)
            elif cycle is not None:
                self._from(self._before_cycle(cycle), here.cycles < cycle)
                replay.run(self._k, cycle, pace=self._pace)
            elif instruction is not None:
                kept = self._moments.before(Position(instruction, 0, 0), strictly=True)
                self._from(kept, here.instructions < instruction)
                replay.run(self._k, instructions=instruction, pace=self._pace)
            elif event is not None:
                self._to_event(event)
        return self.position

    def _from(self, kept: Kept, earlier: bool) -> None:
        """Stand at a moment that is kept, or stay, when here is `earlier` than the goal and nearer."""
        if not (earlier and kept.position <= self.position):
            self.restore(kept)

    def _to(self, position: Position) -> None:
        if position < self.start:
            raise HistoryError("history begins later than that")
        if self.position != position:
            self._from(self._moments.before(position), self.position <= position)
            replay.run_to(self._k, position, self._pace)

    def _before_cycle(self, cycle: int) -> Kept:
        earlier = [kept for kept in self._moments if kept.position.cycles < cycle]
        return earlier[-1] if earlier else self._moments[0]

    def _to_event(self, number: int) -> None:
        try:
            event: RunEvent | None = self.events[number]
        except LookupError:
            event = None
        if number < 0:
            raise HistoryError("events are numbered from 0")
        if event is None:
            self._to_unknown_event(number)
        elif event.kind == "trap":
            self._to_delivery(event.position.deliveries)
        else:
            where = Position(event.position.instructions, event.position.deliveries, 0)
            self._from(self._moments.before(where, strictly=True), self.position < where)
            replay.run_to(self._k, where, self._pace)

    def _to_unknown_event(self, number: int) -> None:
        """One that lies ahead of all that was run, or so far back that it is listed no more."""
        here = self.position
        self._from(self.moment_before_event(number), self.events.count <= number)
        replay.run(self._k, there=lambda: self.events.count > number, pace=self._pace)
        if self.events.count <= number:
            count = self.events.count
            self._to(here)
            raise HistoryError(f"no event {number}: there are {count} in the whole run")
        if self.events[number].kind == "trap":
            self._to_event(number)  # it was listed some instructions after its delivery

    def _to_delivery(self, number: int) -> None:
        """Right after a trap's delivery, by the number that it has since power-on."""
        earlier = [kept for kept in self._moments if kept.position.deliveries < number]
        self._from(earlier[-1], self.position.deliveries < number)
        replay.run(self._k, deliveries=number, pace=self._pace)

    # -- going back --------------------------------------------------------------------------------

    def step_back(self, count: int = 1) -> bool:
        """To where the session was `count` steps ago; False, at the start, when there are not so many."""
        here = self.position
        with self._travelling():
            places: list[Position] = []
            end = here
            while len(places) < count and end > self.start:
                window = self._approach(end, count - len(places))
                places = window + places
                end = window[0]
            self._to(places[-count] if len(places) >= count else self.start)
        return len(places) >= count

    def _approach(self, end: Position, count: int) -> list[Position]:
        """The last places before `end`, at least one, in order; about as many as asked for."""
        kept = self._moments.before(end, strictly=True)
        self.restore(kept)
        near = end.instructions - max(count, 1) - _NEAR
        if near > kept.position.instructions and self._k.outcome is None:
            replay.run(self._k, instructions=near, pace=self._pace)
            if self._behind(self._moments.before(self.position)) > _NEAR_WORK:
                self._keep()
        wanted = end.instructions - count
        if wanted > self.position.instructions:
            replay.run(self._k, instructions=wanted, pace=self._pace)
        places = [self.position]
        try:
            while replay.step(self._k, end) and self.position < end:
                if self.position != places[-1]:
                    places.append(self.position)
        except KernelOops:
            pass  # this is how the run ended, at `end`
        return places

    def run_back(self, *kinds: str, breakpoints: bool = True) -> Back:
        """To the last place at which a run would have stopped for one of the session's breakpoints, or
        right after the last event of these kinds (see observe.events.KINDS); else to the start.
        Without `breakpoints` only events count.
        """
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise HistoryError(f"no events of kind {min(unknown)}; there are {', '.join(KINDS)}")
        here = self.position
        if set(kinds) - {"trap"}:
            _ = self.events  # listed before anything moves
        with self._travelling():
            while True:
                found = [(self.start, Back("start"))]
                if breakpoints and self.session.stops.all:
                    found += self._last_hit(here)
                for kind in kinds:
                    found += self._last_event(kind, here)
                place, back = max(found, key=lambda one: one[0])
                self._to(place)
                if back.why != "watchpoint":
                    return back
                told = self._before_access(back.hits[0])
                if told is not None:
                    return Back("watchpoint", (told,))
                here = self.position

    def _before_access(self, hit: Hit) -> Hit | None:
        """From right behind an access to right before it; None when it changed nothing and is no read."""
        watch = hit.breakpoint.watch
        assert watch is not None
        new = watchpoints.value(self.session, watch)
        self._to(self._approach(self.position, 1)[-1])
        old = watchpoints.value(self.session, watch)
        if old == new and not watch.reads:
            return None
        return self.session.stops.hit_of(hit.breakpoint, old, new)

    def _last_hit(self, here: Position) -> list[tuple[Position, Back]]:
        end = here
        with self.session.stops.looking_ahead():
            for kept in self._moments.up_to(here):
                self.restore(kept)
                found = self._hits_until(end)
                if found:
                    return found[-1:]
                end = kept.position
        return []

    def _hits_until(self, end: Position) -> list[tuple[Position, Back]]:
        """What a run from here on stops for, before `end`; from one moment to the next."""
        stops = self.session.stops
        stops.recount()
        found: list[tuple[Position, Back]] = []

        def note(hits: list[Hit]) -> None:
            if hits and self.position < end:
                found.append((self.position, Back("breakpoint", tuple(hits))))

        note(stops.here())
        watching = watchpoints.Past(self.session)
        try:
            while self.position < end and self._k.outcome is None:
                if self.position.instructions < end.instructions:
                    outcome = stops.run(instructions=end.instructions)
                    note(stops.hit if outcome.kind == "breakpoint" else stops.here())
                else:
                    stops.arm_steps()
                    stops.step()
                    note(stops.hit or stops.here())
                watching.look()
        except KernelOops:
            pass  # as in _approach
        finally:
            watching.close()
        stops.disarm()
        found += [(at, Back("watchpoint", (hit,))) for at, hit in watching.found]
        return sorted(found, key=lambda one: one[0])

    def _last_event(self, kind: str, here: Position) -> list[tuple[Position, Back]]:
        """Where the last event of a kind led to, before a place."""
        if kind == "trap":
            for number in range(here.deliveries, self.start.deliveries, -1):
                self._to_delivery(number)
                if self.position < here:
                    return [(self.position, Back("event", kind=kind))]
            return []
        self._to(here)  # so that the list ends there
        for number, event in sorted(self.events.happened(), reverse=True):
            if event.kind == kind and event.position[:2] < here[:2]:
                self._to_event(number)
                return [(self.position, Back("event", kind=kind))]
        return []

    # -- who wrote this ----------------------------------------------------------------------------

    def moments_before(self, position: Position) -> list[Kept]:
        """Those kept, the last one first."""
        return self._moments.up_to(position)

    def moment_before_event(self, number: int) -> Kept:
        """The last one kept that lies before an event; `events` must be listed."""
        return [kept for kept in self._moments if kept.events <= number][-1]

    def run_to(self, position: Position) -> None:
        """On to a position that lies ahead, and nothing stops it. Raises KernelOops."""
        self.session.stops.disarm()
        replay.run_to(self._k, position, self._pace)

    def back_to_write(
        self, address: int, size: int = 4, *, physical: bool = False, task: int | None = None
    ) -> Write | None:
        """Go to right before the last write to these bytes: by an instruction of any task, by a trap's
        frame, or by the kernel's Python. None, where the session was, when nobody has written there.

        A linear address is looked up in the task's address space as it is now, and the frame found there is
        followed through the past; `physical` says that it is one already. The CPU's setting of Accessed and
        Dirty bits does not count. Raises HistoryError.
        """
        return back_to_write(self, address, size, physical=physical, task=task)
