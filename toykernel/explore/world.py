"""The machine that is explored: on to the next choice, and back to an earlier one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from emu.events import Event, Stop
from toykernel import run_loop
from toykernel.errors import HostError, StopRun
from toykernel.explore.ending import End, Ending, Ends
from toykernel.explore.observable import Observer
from toykernel.gate import gate
from toykernel.harness.session import Session
from toykernel.history import moment
from toykernel.kernel.sched import schedule
from toykernel.kernel.sched.runqueue import Choice, Told
from toykernel.oops import KernelOops
from toykernel.state import Kernel, OutcomeKind

#: Instructions that a task may run without asking for anything.
MAX_STEP = 2_000_000
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b\d{3,}\b")


@dataclass(frozen=True)
class Place:
    """A moment at which there is a choice."""

    snapshot: moment.Snapshot
    pending: Event


class World:
    """A session, between two choices.

    What listened to it listens no more. `check` installs what looks at invariants: anew after each way back,
    so it judges every step by where the step began.
    """

    def __init__(
        self, make: Callable[[], Session], check: Callable[[Kernel], object] | None
    ) -> None:
        self.session = make()
        self.k = k = self.session.kernel
        self.output = {1: bytearray(), 2: bytearray()}
        k.host.console_write = self._write
        self.ends = Ends()
        self._check = check
        self._listen(check)
        self._observer = Observer(k)
        self._schedule = next(at for at, (name, _) in k.host.gates.items() if name == "schedule")
        self._pending: Event | None = None
        self._reach = 0

    def _listen(self, check: Callable[[Kernel], object] | None) -> None:
        """Nobody hears of anything any more, but for `ends`, and invariants, whose account begins here."""
        for point in self.k.host.trace:
            point.clear()
        self.ends.listen(self.k)
        if check is not None:
            check(self.k)

    def _write(self, fd: int, data: bytes) -> None:
        self.output[2 if fd == 2 else 1] += data

    @property
    def told(self) -> Told:
        """What the scheduler keeps."""
        told = self.k.sched.rq.told
        assert told is not None
        return told

    @property
    def said(self) -> tuple[bytes, bytes]:
        """Standard output and standard error so far."""
        return bytes(self.output[1]), bytes(self.output[2])

    # -- choosing ----------------------------------------------------------------------------------

    def on(self) -> Ending | None:
        """Run to the next choice; the outcome when there is none any more."""
        k = self.k
        machine = k.machine
        limit = machine.cpu.retired + MAX_STEP
        try:
            while k.outcome is None:
                event = machine.run(instructions=limit) if k.sched.rq.told else machine.run()
                if event.stop is Stop.GATE:
                    if event.address == self._schedule and self._is_choice():
                        self._pending = event
                        return None
                    gate(k, event.address)
                elif event.stop is Stop.LIMIT:
                    task = k.current
                    return self._ended(End.ENDLESS, f"{task.comm} goes on and on")
                else:
                    run_loop.handle(k, event)
            run_loop.over(k, k.outcome)
        except HostError:
            raise
        except KernelOops as oops:
            return self._ended(End.BUG, str(oops).splitlines()[0])
        except StopRun as error:
            return self._ended(End.BROKEN, str(error).splitlines()[0])
        end = End.DEADLOCK if k.outcome.kind is OutcomeKind.DEADLOCK else End.FINISHED
        return self._ended(end)

    def _is_choice(self) -> bool:
        k = self.k
        if not self.told.started or len(self.choices) < 2:
            return False
        return k.current is k.sched.idle or k.current in self.told.ready

    def _ended(self, end: End, detail: str = "") -> Ending:
        return self.ends.ending(end, self.said, _NUMBERS.sub("N", detail))

    @property
    def choices(self) -> tuple[int, ...]:
        """What can be chosen here."""
        return schedule.choices(self.k)

    @property
    def running(self) -> int:
        """The pid of the task that could simply go on here; 0: none."""
        task = self.k.current
        return task.pid if task in self.told.ready else 0

    def choose(self, pid: int) -> Choice:
        """Run one of `choices`, up to where `on` goes on."""
        choice = Choice(pid, self.choices)
        self.told.choices = [choice]
        assert self._pending is not None
        event, self._pending = self._pending, None
        gate(self.k, event.address)
        return choice

    # -- moments -----------------------------------------------------------------------------------

    def key(self) -> bytes:
        """Of the present state: equal where nobody can tell two states apart."""
        self._follow_reach()
        return self._observer.key(self.said, self.ends.state)

    def take(self) -> Place:
        """This choice, to go back to."""
        assert self._pending is not None
        self._follow_reach()
        return Place(moment.take(self.k, self.output, [self.ends]), self._pending)

    def back(self, place: Place) -> None:
        """Stand at an earlier choice."""
        self._follow_reach()
        if self._check is not None:
            self._listen(None)
        moment.put_back(self.k, self.output, place.snapshot)
        self._pending = place.pending
        if self._check is not None:
            self._listen(self._check)

    def _follow_reach(self) -> None:
        """Of all that is explored, not only on the way to here, is RAM to be compared."""
        pages = self.k.memory.pages
        self._reach = max(self._reach, pages.reach, self.k.memory.reserved_end)
        self.k.machine.ram.reach = self._reach
