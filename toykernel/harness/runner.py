"""One run from start to end: how it ended, in one record. The commands `run` and `test` use it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emu.microcode import GP
from emu.record import dataclass
from toykernel.collector import Collector
from toykernel.errno import name as errno_name
from toykernel.errors import HostError, StopRun
from toykernel.harness.causes import why
from toykernel.harness.exit_status import (
    EXIT_BUG,
    EXIT_DEADLOCK,
    EXIT_INTERRUPTED,
    EXIT_LIMIT,
    EXIT_MISUSE,
    SIGNALED,
)
from toykernel.kernel.siginfo import (
    SEGV_ACCERR,
    SEGV_MAPERR,
    SI_KERNEL,
    SIGKILL,
    SIGNAL_NAMES,
    SIGSEGV,
)
from toykernel.kernel.signal import action_of
from toykernel.kernel.signal_types import SIG_DFL
from toykernel.look.program import PROGRAM_PID
from toykernel.observe.run_stats import KEPT
from toykernel.oops import KernelOops, symbol_for
from toykernel.state import Outcome, OutcomeKind
from toykernel.task import SIGNAL_GROUP_EXIT

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.task import Task


@dataclass(frozen=True)
class Result:
    """How a run ended. `status` is what the host command exits with.

    `exit_status` and `signal` are the program's own, None when it did not get so far. `message` is
    for people, empty when there is nothing to say; `killed` has a line for each other process that a
    signal ended, in the order in which they were waited for.
    """

    status: int
    exit_status: int | None = None
    signal: int | None = None
    message: str = ""
    killed: tuple[str, ...] = ()


class Deaths(Collector):
    """Remembers where each process was when a signal ended it."""

    collected = ("_last", "killed", "more")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last: dict[int, tuple[int, str]] = {}  # by tgid: its last signal, and where it was
        #: Of processes other than the program, in the order in which they were waited for.
        self.killed: list[str] = []
        self.more = 0  # that were killed when `killed` had KEPT lines
        session.kernel.host.trace.signal_deliver.append(self._deliver)
        session.kernel.host.trace.release_task.append(self._release)

    @property
    def program(self) -> str:
        """Where the program was at its last signal, in words; empty without one."""
        return self._last.get(PROGRAM_PID, (0, ""))[1]

    def lines(self) -> tuple[str, ...]:
        """One for each that was killed, and one for those beyond KEPT."""
        more = f"{self.more:,} more processes killed by some signal"
        return (*self.killed, more) if self.more else tuple(self.killed)

    def _release(self, task: Task) -> None:
        sig = (task.exit_code or 0) & 0x7F
        if task.pid != task.tgid or task.pid <= PROGRAM_PID:
            return
        where = self._last.pop(task.tgid, (0, ""))[1]
        if sig and len(self.killed) == KEPT:
            self.more += 1
        elif sig:
            self.killed.append(
                f"pid {task.pid} ({task.comm}) killed by {signal_name(sig)} {where}".rstrip()
            )

    def _deliver(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        cause = task.signal.group_exit_code & 0x7F if task.signal.flags & SIGNAL_GROUP_EXIT else 0
        if sig == SIGKILL and cause and self._last.get(task.tgid, (0, ""))[0] == cause:
            return  # another thread goes down with the one that is remembered
        if action_of(task, sig).handler != SIG_DFL:
            return  # the program handles it, or never hears of it
        session = self._session
        ip = session.kernel.task_pt_regs(task).ip
        text = f"at eip {ip:#010x}"
        if task.comm == session.guest_comm:
            image = session.program_image
            entry = image.entry_at(ip)
            if entry is not None:
                line = entry.text or image.source(entry.file, entry.line) or ""
                text += f" ({entry.file}:{entry.line}: {' '.join(line.split())})"
        if sig == SIGSEGV and task.thread.trap_no == GP and info.get("si_code") == SI_KERNEL:
            text += f", general protection fault, error code {task.thread.error_code:#x}"
        elif sig == SIGSEGV and "si_addr" in info:
            text += f", address {info['si_addr']:#010x}{_WHY.get(info['si_code'], '')}"
        if task.comm == session.guest_comm and (words := why(session, task, sig, info)):
            text += f"; {words}"
        self._last[task.tgid] = sig, text


def signal_name(sig: int) -> str:
    """SIGSEGV for 11; `signal N` for a number without a name."""
    return SIGNAL_NAMES.get(sig, f"signal {sig}")


_WHY = {SEGV_MAPERR: ", nothing is mapped there", SEGV_ACCERR: ", its area forbids the access"}


def run(session: Session, *, max_cycles: int | None = None) -> Result:
    """Run a fresh session to its end. Raises only KeyboardInterrupt and HostError."""
    return run_on(session, Deaths(session), max_cycles=max_cycles)


def run_on(
    session: Session,
    deaths: Deaths,
    *,
    max_cycles: int | None = None,
    pause: tuple[int, Callable[[], None]] | None = None,
) -> Result:
    """The same for one that has run already, with who has listened since.

    `pause`: a cycle, and what is called there when the run comes so far.
    """
    try:
        if pause is not None and (max_cycles is None or pause[0] <= max_cycles):
            at, call = pause
            if session.run(at).kind is OutcomeKind.LIMIT:
                call()
        outcome = session.run(max_cycles)
        if outcome.kind is OutcomeKind.LIMIT and session.kernel.machine.cpu.cpl == 3:
            session.kernel.host.trace.run_over.emit()
    except (HostError, KeyboardInterrupt):
        raise
    except KernelOops as oops:
        return Result(EXIT_BUG, message=str(oops))
    except StopRun as error:
        return Result(EXIT_BUG, message=f"{error}\n{_where(session)}")
    except Exception as error:
        return Result(EXIT_BUG, message=bug_report(session, error))
    result = _result(session, outcome, deaths.program, max_cycles)
    return replace(result, killed=deaths.lines())


def interrupted(session: Session) -> Result:
    """The result of a run that was broken off from outside (Ctrl-C): EXIT_INTERRUPTED."""
    return Result(EXIT_INTERRUPTED, message=f"interrupted: {_where(session)}")


def _result(
    session: Session, outcome: Outcome, signal_text: str, max_cycles: int | None = None
) -> Result:
    match outcome.kind:
        case OutcomeKind.LIMIT:
            limit = f"the limit of {max_cycles} cycles" if max_cycles else "the limit"
            return Result(EXIT_LIMIT, message=f"stopped at {limit}: {_where(session)}")
        case OutcomeKind.DEADLOCK:
            return Result(EXIT_DEADLOCK, message=f"every task sleeps for ever: {outcome.detail}")
        case OutcomeKind.FINISHED:
            return _finished(session, signal_text)
        case _:
            return Result(EXIT_BUG, message=f"the run stopped: {outcome.kind} {outcome.event}")


def result_so_far(session: Session) -> Result:
    """How a run ended; status 0 while it can go on."""
    outcome = session.outcome
    return Result(0) if outcome is None else _result(session, outcome, "")


def _finished(session: Session, signal_text: str) -> Result:
    code = session.stats.program_status or 0
    if not session.stats.started:  # init's child says why exec failed
        reason = errno_name(code >> 8)
        return Result(EXIT_MISUSE, message=f"{session.path}: cannot be loaded: {reason}")
    sig = code & 0x7F
    if not sig:
        return Result(code >> 8, exit_status=code >> 8)
    message = f"pid {PROGRAM_PID} killed by {signal_name(sig)} {signal_text}".rstrip()
    return Result(SIGNALED + sig, signal=sig, message=message)


def bug_report(session: Session, error: Exception) -> str:
    """The kernel's own code failed in Python: say where, as an oops does."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"in {at.name} ({at.filename}:{at.lineno})"
    return f"kernel bug: {type(error).__name__}: {error}\n{where}; {_where(session)}"


def _where(session: Session) -> str:
    """What the machine was at when the kernel went wrong."""
    k = session.kernel
    cpu = k.machine.cpu
    user = k.task_pt_regs(k.current).ip if k.current is not k.sched.idle else 0
    return (
        f"pid {k.current.pid} ({k.current.comm}), user eip {user:#010x}, "
        f"kernel {symbol_for(k, cpu.eip)}, esp {cpu.esp:#010x}, cycles {k.machine.clock.cycles}"
    )
