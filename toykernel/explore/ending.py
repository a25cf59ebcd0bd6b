"""How a run can end, without what only tells schedules apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from toykernel.collector import Collector
from toykernel.errno import name as errno_name
from toykernel.look.program import PROGRAM_PID
from toykernel.state import Kernel
from toykernel.task import Task


class End(StrEnum):
    """Why there is nothing more to choose."""

    FINISHED = "finished"
    DEADLOCK = "deadlock"
    BUG = "bug"  # the kernel has oopsed
    BROKEN = "broken invariant"  # --check
    ENDLESS = "endless"  # a task goes on and on without asking for anything


@dataclass(frozen=True)
class Ending:
    """One outcome: runs that end alike in all of this are one.

    `status` and `signal` are the program's own; None where it has not ended. `others` are the wait statuses
    of all other processes, in order of size. `zombies` had ended when their parent did without having
    waited for them, `orphans` had not. `detail` is for people: what went wrong.
    """

    stdout: bytes
    stderr: bytes
    end: End
    status: int | None = None
    signal: int | None = None
    others: tuple[int, ...] = ()
    zombies: int = 0
    orphans: int = 0
    detail: str = ""

    def __lt__(self, other: Ending) -> bool:
        """By output and end; who has ended by itself comes before who was killed, and that before who has not
        ended."""
        return self._order < other._order

    @property
    def _order(self) -> tuple[object, ...]:
        ways = [(one is None, one or 0) for one in (self.status, self.signal)]
        counted = (self.others, self.zombies, self.orphans, self.detail)
        return self.stdout, self.stderr, self.end, *ways, *counted

    @property
    def how(self) -> str:
        """The end in a word or two: `status 0`, `signal 11`, `deadlock`."""
        if self.end is not End.FINISHED:
            return str(self.end)
        return f"signal {self.signal}" if self.signal is not None else f"status {self.status}"


class Ends(Collector):
    """Remembers how processes have ended: a part of an explored state."""

    collected = ("program", "others", "zombies", "orphans", "unloadable")

    def __init__(self) -> None:
        self.program: int | None = None  # wait status
        self.others: tuple[int, ...] = ()
        self.zombies = self.orphans = 0
        self.unloadable = ""

    def listen(self, k: Kernel) -> None:
        """From now on, to this kernel."""
        k.host.trace.process_exit.append(self._exit)

    def start_over(self) -> None:
        """Nobody has ended yet."""
        self.program, self.others, self.zombies, self.orphans = None, (), 0, 0

    @property
    def state(self) -> tuple[int | None, tuple[int, ...], int, int]:
        """What an explored state has of it."""
        return self.program, self.others, self.zombies, self.orphans

    def _exit(self, task: Task) -> None:
        if task.signal.live:
            return  # another thread of the process goes on
        code = task.exit_code
        if task.tgid != PROGRAM_PID:
            self.others = tuple(sorted((*self.others, code)))
        else:
            self.program = code
            if not task.did_exec:
                self.unloadable = errno_name(code >> 8)
        for thread in task.signal.threads:
            for child in thread.children:
                if child.is_zombie:
                    self.zombies += 1
                else:
                    self.orphans += 1

    def ending(self, end: End, output: tuple[bytes, bytes], detail: str = "") -> Ending:
        """The outcome of a run that ends now."""
        status = signal = None
        if self.program is not None:
            signal = self.program & 0x7F or None
            status = self.program >> 8 if signal is None else None
        return Ending(*output, end, status, signal, self.others, self.zombies, self.orphans, detail)
