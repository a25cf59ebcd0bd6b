"""The machine that is explored: on to the next choice, and back to an earlier one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest

from emu.events import Event, Stop
from emu.snapshot import Snapshot as MachineSnapshot
from toykernel import run_loop
from toykernel.collector import Data
from toykernel.errors import HostError, StopRun
from toykernel.explore.accesses import Accesses
from toykernel.explore.cow import CowFaults
from toykernel.explore.ending import End, Ending, Ends
from toykernel.explore.failures import fail_of, make_move, pid_of
from toykernel.explore.footprint import Footprint, Footprints
from toykernel.explore.observable import Observer
from toykernel.explore.records import Moment, Records
from toykernel.gate import gate
from toykernel.harness.session import Session
from toykernel.history.moment import follow_frames
from toykernel.kernel.sched import schedule
from toykernel.kernel.sched.runqueue import Choice, Told
from toykernel.oops import KernelOops
from toykernel.state import Kernel, OutcomeKind

#: Instructions that a task may run without asking for anything.
MAX_STEP = 2_000_000
#: Bytes of the CPU's state that are shared when they are the same.
_PIECE = 256
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b\d{3,}\b")


class At(StrEnum):
    """In front of what there is a choice, besides where a task sleeps or ends."""

    SYSCALLS = "syscalls"
    MEMORY = "memory"  # and of accesses to memory whose order can matter, too
    INSTRUCTIONS = "instructions"  # and of every instruction


@dataclass(frozen=True)
class Place:
    """A moment at which there is a choice. `pending`: the kernel's `schedule` is to be called; None: the
    running task is in user mode, in front of an instruction. `passed` is World's."""

    machine: MachineSnapshot
    cpu: tuple[bytes, ...]  # which `machine` does not have: pieces, shared with other places
    records: Moment
    said: tuple[bytes, bytes]
    ends: Data
    messages: int
    tlb_flushes: int
    pending: Event | None
    passed: dict[int, tuple[int, int]]

    def size(self, known: Container[int]) -> int:
        """Bytes that this needs beside pages of memory and what has the identities `known`."""
        rows: list[object] = [self.records, self.machine.ram, *self.said]
        rows += [piece for piece in self.cpu if id(piece) not in known]
        for held in self.records:
            if id(held) not in known:
                rows += [held, held.held, *(one for one in held.held if type(one) is bytes)]
        return sum(map(sys.getsizeof, rows))


class World:
    """A session, between two choices.

    What listened to it listens no more. `check` installs what looks at invariants: anew after each way back,
    so it judges every step by where the step began.
    """

    def __init__(
        self,
        make: Callable[[], Session],
        check: Callable[[Kernel], object] | None = None,
        at: At = At.SYSCALLS,
        breaks: Iterable[int] = (),
        cow: bool = False,
    ) -> None:
        """`breaks`: linear addresses of instructions in front of which there is a choice, for At.MEMORY.
        `cow`: who shares a page counts, and writes to such pages are told.
        """
        self.session = make()
        self.k = k = self.session.kernel
        self.output = {1: bytearray(), 2: bytearray()}
        k.host.console_write = self._write
        self.ends = Ends()
        self.at = at
        self.accesses = Accesses(k) if at is not At.SYSCALLS else None
        self._footprints = Footprints(k, self.accesses)
        self.cow = CowFaults(k) if cow else None
        self._breaks = frozenset(breaks) if at is At.MEMORY else frozenset()
        k.machine.cpu.set_breakpoints(sorted(self._breaks))
        self._check = check
        self._listen(check)
        self._records = Records(k)
        self._of: tuple[int, ...] | None = None  # `choices`, once asked for
        self._seen = False  # whether `_records` knows what has happened since the last choice
        self._observer = Observer(k, self._records, sharing=cow)
        self._schedule = next(at for at, (name, _) in k.host.gates.items() if name == "schedule")
        self._pending: Event | None = None
        self._last = 0  # who was chosen last
        #: By pid: eip and esp of an instruction in front of which it has let others go first.
        self._passed: dict[int, tuple[int, int]] = {}
        self._passing = False  # the instruction that comes next has been chosen, or is no choice
        self._cpu: tuple[bytes, ...] = ()  # of the place that was taken last

    def _listen(self, check: Callable[[Kernel], object] | None) -> None:
        """Nobody hears of anything any more, but for `ends`, and invariants, whose account begins here."""
        for point in self.k.host.trace:
            point.clear()
        self.ends.listen(self.k)
        self._footprints.listen()
        if self.cow is not None:
            self.cow.listen()
        if self.accesses is not None:
            self.k.host.trace.user_read.append(self.accesses.on_read)
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

    # -- running -----------------------------------------------------------------------------------

    def on(self) -> Ending | None:
        """Run to the next choice; the outcome when there is none any more."""
        k = self.k
        self._seen = False
        try:
            while k.outcome is None:
                if self._come_to_choice():
                    return None
            run_loop.over(k, k.outcome)
        except _Endless:
            return self._ended(End.ENDLESS, f"{k.current.comm} goes on and on")
        except HostError:
            raise
        except KernelOops as oops:
            return self._ended(End.BUG, str(oops).splitlines()[0])
        except StopRun as error:
            return self._ended(End.BROKEN, str(error).splitlines()[0])
        end = End.DEADLOCK if k.outcome.kind is OutcomeKind.DEADLOCK else End.FINISHED
        return self._ended(end)

    def _come_to_choice(self) -> bool:
        """Run until there is a choice, or the run is over, which it is with False. Raises _Endless."""
        k = self.k
        limit = k.machine.cpu.retired + MAX_STEP
        if self.accesses is not None:
            self.accesses.begin(k.machine.cpu.retired if self._passing else None)
        while k.outcome is None:
            if self._is_user_choice():
                return True
            event = self._run(limit)
            if event.stop is Stop.GATE:
                if event.address == self._schedule and self._is_choice():
                    self._pending = event
                    return True
                self._gate(event)
            elif event.stop is Stop.BREAKPOINT:
                if self._is_user_choice():
                    return True
                self._passing = True
            elif event.stop is Stop.LIMIT:
                if k.machine.cpu.retired >= limit:
                    if not (k.time.timers and self.told.started and k.machine.cpu.cpl == 3):
                        raise _Endless
                    self.told.overdue = True
                    return True
            else:
                run_loop.handle(k, event)
        return False

    def _run(self, limit: int) -> Event:
        machine = self.k.machine
        passing, self._passing = self._passing, False
        if self.at is At.INSTRUCTIONS and self.told.started and len(schedule.choices(self.k)) > 1:
            limit = machine.cpu.retired + 1
        return machine.run(instructions=limit, pass_breakpoint=passing)

    def _gate(self, event: Event) -> None:
        accesses = self.accesses
        if accesses is None:
            gate(self.k, event.address)
            return
        accesses.look()
        if self.k.host.gates[event.address][0].startswith("sys_"):
            self._passed.pop(self.k.current.pid, None)
        accesses.kernel_begins()
        try:
            gate(self.k, event.address)
        finally:
            accesses.kernel_ends()

    def _is_choice(self) -> bool:
        k = self.k
        if not self.told.started or self.told.choices:
            return False
        if k.current is not k.sched.idle and k.current not in self.told.ready:
            return False
        of = schedule.choices(k)
        is_one = schedule.is_choice(self.told, of)
        self._of = of if is_one else None
        return is_one

    def _is_user_choice(self) -> bool:
        """Whether the CPU is in front of an instruction in user mode where somebody else may go first."""
        cpu = self.k.machine.cpu
        if self.accesses is None or self._passing or not self.told.started or cpu.cpl != 3:
            return False
        if self.at is At.MEMORY and cpu.eip not in self._breaks:
            return False
        if self.told.choices or len(schedule.choices(self.k)) < 2:
            return False
        self.accesses.look()
        if self._passed.pop(self.k.current.pid, None) == (cpu.eip, cpu.esp):
            self._passing = True
            self.accesses.begin(cpu.retired)
            return False
        return True

    def _ended(self, end: End, detail: str = "") -> Ending:
        return self.ends.ending(end, self.said, _NUMBERS.sub("N", detail))

    @property
    def footprint(self) -> Footprint:
        """What has been touched since the last choice."""
        return self._footprints.end()

    @property
    def looked(self) -> bool:
        """Whether the program has ever looked into /proc, in any order."""
        return self._footprints.looked

    @property
    def moves_with_faults(self) -> list[int]:
        """The choice that was made last, with each of the allocations behind it failing."""
        told, last = self.told, self._last
        return [make_move(last, fail) for fail in range(1, told.allocations + 1)]

    # -- choosing ----------------------------------------------------------------------------------

    @property
    def choices(self) -> tuple[int, ...]:
        """What can be chosen here."""
        if self._of is None:
            self._of = schedule.choices(self.k)
        return self._of

    @property
    def running(self) -> int:
        """The pid of the task that could simply go on here; 0: none."""
        task = self.k.current
        return task.pid if task in self.told.ready else 0

    def choose(self, move: int) -> Choice:
        """Run one of `choices`, up to where `on` goes on. A move may say that an allocation fails on the way
        (failures.py), if it begins in the kernel.
        """
        pid = pid_of(move)
        self._seen, of, self._of = False, self.choices, None
        self._last = pid
        if self.cow is not None:
            self.cow.seen = []
        chosen = [task for task in self.told.ready if task.pid == pid]
        self._footprints.begin(chosen[0] if chosen else None)
        if self.accesses is not None:
            self.accesses.touched = {}
        if self._pending is not None:
            choice = Choice(pid, of, fail=fail_of(move))
            self.told.choices = [choice]
            event, self._pending = self._pending, None
            self._gate(event)
            return choice
        cpu, task = self.k.machine.cpu, self.k.current
        choice = Choice(pid, of, cpu.retired)
        if pid == task.pid:
            self._passing = True
            return choice
        if self.accesses is not None and not self.told.overdue:
            self._passed[task.pid] = (cpu.eip, cpu.esp)
        self.told.choices = [choice]
        schedule.arm(self.k, self.told)
        return choice

    # -- moments -----------------------------------------------------------------------------------

    def key(self) -> bytes:
        """Of the present state: equal where nobody can tell two states apart."""
        follow_frames(self.k)
        self._see()
        passed = dict(self._passed)
        if self._pending is None:  # in front of an instruction, as one who has let others go first
            cpu = self.k.machine.cpu
            passed[self.k.current.pid] = cpu.eip, cpu.esp
        return self._observer.key(self.said, self.ends.state, tuple(sorted(passed.items())))

    def state_key(self, preemptions: int | None, spent: int) -> bytes:
        """The key of a state where preemptions may be bounded: then it counts how many were spent on the way,
        and who runs."""
        key = self.key()
        if preemptions is None:
            return key
        return key + spent.to_bytes(2, "little") + self.running.to_bytes(4, "little")

    def take(self) -> Place:
        """This choice, to go back to."""
        follow_frames(self.k)
        self._see()
        machine = self.k.machine.snapshot()
        starts = range(0, len(machine.cpu), _PIECE)
        pieces = zip_longest([machine.cpu[at : at + _PIECE] for at in starts], self._cpu)
        self._cpu = tuple(was if was == now else now for now, was in pieces)
        return Place(
            replace(machine, cpu=b""),
            self._cpu,
            self._records.take(),
            self.said,
            self.ends.save_data(),
            len(self.k.host.trace.messages),
            self.k.machine.tlb_flushes,
            self._pending,
            dict(self._passed),
        )

    def back(self, place: Place) -> None:
        """Stand at an earlier choice."""
        if self._check is not None or self.accesses is not None:
            self._listen_to_nobody()
        k = self.k
        self._see()
        k.machine.restore(replace(place.machine, cpu=b"".join(place.cpu)))
        self._records.put_back(place.records)
        self.output[1][:], self.output[2][:] = place.said
        self.ends.load_data(place.ends, {})
        del k.host.trace.messages[place.messages :]
        k.machine.tlb_flushes = place.tlb_flushes
        self._of = None
        self._pending, self._passed, self._passing = place.pending, dict(place.passed), False
        if self._check is not None or self.accesses is not None:
            self._listen(self._check)

    def _listen_to_nobody(self) -> None:
        """While everything becomes what it was; but for what goes back, too."""
        for point in self.k.host.trace:
            point.clear()
        self.ends.listen(self.k)

    def _see(self) -> None:
        """Let the records know what has happened."""
        if not self._seen:
            self._records.sync()
            self._seen = True


class _Endless(Exception):
    """A task runs on and asks for nothing."""
