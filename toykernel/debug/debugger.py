"""The debugger's logic over a Session: run, step, look. Methods return data; nothing is printed here.

Looking never changes the guest: memory is read by walking the page tables from outside, and stops are
the machine's own, which the guest cannot see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.collector import Collector
from toykernel.debug.errors import DebugError
from toykernel.debug.journal import Journal
from toykernel.debug.looking import Looking
from toykernel.debug.memory import Spec
from toykernel.errors import HostError
from toykernel.harness.breakpoints import Breakpoint, Condition, Hit
from toykernel.harness.runner import bug_report, result_so_far
from toykernel.harness.session import Session
from toykernel.history import watchpoints
from toykernel.history.history import DEFAULT_SIZE, History
from toykernel.history.watchpoints import Access
from toykernel.look.symbols import Code
from toykernel.observe.trap_frames import FrameLog
from toykernel.oops import KernelOops
from toykernel.state import Outcome, OutcomeKind
from toykernel.task import Task

OVER = frozenset((OutcomeKind.FINISHED, OutcomeKind.DEADLOCK))
#: A faulting instruction is tried again after each fault: how often `nexti` follows it.
MAX_RESTARTS = 16


@dataclass(frozen=True)
class Stopped:
    """Why the machine stands still: step, breakpoint, interrupted, paused, limit, finished,
    deadlock or oops. `lines` tell what the last step did, `detail` what else there is to say."""

    kind: str
    hits: tuple[Hit, ...] = ()
    lines: tuple[str, ...] = ()
    detail: str = ""
    switched_from: int | None = None


class Debugger(Looking, Collector):
    """One session under a debugger. `interrupted` is asked often; True stops what is running."""

    collected = ("dead",)

    def __init__(
        self, session: Session, history_size: int = DEFAULT_SIZE, history: History | None = None
    ) -> None:
        """`history_size` in bytes bounds what is kept for going back, unless there is a history already."""
        self.session = session
        self.kernel = session.kernel
        self.machine = session.kernel.machine
        self.images = session.images
        self.stops = session.stops
        self.frames = FrameLog(self.kernel)
        self.journal = Journal(self.kernel)
        self.cow_journal = session.new_cow_journal()
        self.selected: int | None = None
        self.dead = ""
        self.examined = Spec()
        self.next_address: int | None = None
        self._iret = [
            entry.address
            for entry in self.images.kernel.lines
            if entry.text.split()[:1] in (["iret"], ["iretl"])
        ]
        self._watched: int | None = None  # pid: going back makes new tasks
        self.kernel.host.trace.process_exit.append(self._on_exit)
        self.history = history or History(session, history_size)
        self._own_history = history is None

    def close(self) -> None:
        """Take every listener out again; the session goes on without."""
        if self._own_history:
            self.history.close()
        self.frames.close()
        self.journal.close()
        self.cow_journal.close()
        self.kernel.host.trace.process_exit.remove(self._on_exit)

    def set_interrupted(self, interrupted: Condition) -> None:
        """The condition, asked often during runs, by which the user gets the prompt back."""
        self.stops.interrupted = interrupted

    # -- running -----------------------------------------------------------------------------------

    def alive(self) -> None:
        """Raises DebugError when nothing can run any more."""
        if self.dead:
            raise DebugError(
                f"{self.dead}; nothing can run any more, but everything can be looked at"
            )
        if self.kernel.outcome is not None:
            raise DebugError(f"{self.ending()}; nothing is left to run")

    def ending(self) -> str:
        """How the run ended, in words."""
        result = result_so_far(self.session)
        if self.kernel.outcome is None:
            return "the program is running"
        if result.exit_status is not None:
            return f"the program has exited with status {result.exit_status}"
        return f"the run is over: {result.message}"

    def guard(self, run: Callable[[], Stopped]) -> Stopped:
        """Run something; an oops is a stop like others, and the last."""
        self.alive()
        self.forget_selection()
        before = self.kernel.current.pid
        try:
            stopped = run()
        except KernelOops as oops:
            self.dead = "the kernel has oopsed"
            stopped = Stopped("oops", detail=str(oops))
        except (HostError, DebugError):
            raise
        except Exception as error:  # a bug in the kernel's Python: the session is still there
            self.dead = "the kernel has failed"
            stopped = Stopped("oops", detail=bug_report(self.session, error))
        finally:
            self.journal.recording = False
            self._watched = None
        if not self.dead:
            self.history.rest()
        if self.kernel.current.pid != before:
            stopped = Stopped(stopped.kind, stopped.hits, stopped.lines, stopped.detail, before)
        return stopped

    def forget_selection(self) -> None:
        """The machine is about to move: look at the task that it runs then."""
        self.selected = None
        self.next_address = None

    def stopped(self, outcome: Outcome | None) -> Stopped:
        """What the prompt is told of an outcome; None: a step was made."""
        lines = tuple(self.journal.lines)
        if outcome is None:
            return Stopped("step", lines=lines)
        detail = self.ending() if outcome.kind in OVER else outcome.detail
        hits = tuple(self.stops.hit) if outcome.kind is OutcomeKind.BREAKPOINT else ()
        return Stopped(outcome.kind, hits, lines, detail)

    def stepi(self, count: int = 1) -> Stopped:
        """Instructions, one by one, wherever they lead: into the kernel and out of it."""
        return self.guard(lambda: self.stopped(self._steps(count)))

    def _steps(self, count: int) -> Outcome | None:
        points = self._watchpoints()
        if not points:
            return self._step_on(count, None)
        watched = watchpoints.Steps(self.session, points)
        try:
            return self._step_on(count, watched)
        finally:
            watched.close()

    def _watchpoints(self) -> list[Breakpoint]:
        return [point for point in self.stops.all.values() if point.watch is not None]

    def _step_on(self, count: int, watched: watchpoints.Steps | None) -> Outcome | None:
        journal, step, interrupted = self.journal, self.stops.step, self.stops.interrupted
        self.stops.arm_steps()
        for left in range(count, 0, -1):
            if left == 1:
                journal.recording = True
            journal.clear()
            ring = self.machine.cpu.cpl if self.machine.cpu.eip in self._iret else None
            outcome = step()
            if watched is not None and (seen := watched.look()) and self._accessed(seen):
                return Outcome(OutcomeKind.BREAKPOINT)
            if outcome is not None:
                return outcome
            if ring is not None:
                journal.returned(ring)
            if interrupted():
                return Outcome(OutcomeKind.INTERRUPTED)
        return None

    def cont(self) -> Stopped:
        """Run to a breakpoint, to the end, or until interrupted."""
        self.journal.clear()
        return self.guard(lambda: self.stopped(self.run()))

    def run(self, extra: dict[int, Condition] | None = None) -> Outcome:
        """stops.run, with watchpoints."""
        points = self._watchpoints()
        if not points:
            return self.stops.run(extra=extra)
        return watchpoints.run(
            self.history, points, lambda: self.stops.run(extra=extra), self._accessed
        )

    def _accessed(self, accesses: list[Access]) -> bool:
        return self.stops.stop_for(
            [self.stops.hit_of(point, old, new) for point, old, new in accesses]
        )

    def nexti(self, count: int = 1) -> Stopped:
        """Like stepi, but a call or a trap is one step, with all that other tasks do meanwhile."""

        def run() -> Stopped:
            outcome = None
            for left in range(count, 0, -1):
                self.journal.recording = left == 1
                self.journal.clear()
                outcome = self.next_once()
                if outcome is not None:
                    break
            return self.stopped(outcome)

        return self.guard(run)

    def next_once(self, *, calls: bool = True) -> Outcome | None:
        """One of nexti's steps; an Outcome when it ended before its time.

        Without `calls` those of user mode are gone into, and only traps are one step.
        """
        task, cpu = self.kernel.current, self.machine.cpu
        start, esp = cpu.eip, cpu.esp
        for _ in range(MAX_RESTARTS):
            instruction = self.instruction(start, self.session.current)
            over = calls or cpu.cpl == 0
            if over and instruction is not None and instruction.is_call:
                return self._run_to(task, start + instruction.size, esp)
            user = cpu.cpl == 3
            outcome = self._steps(1)
            trap = self.journal.last_trap
            if outcome is not None or trap is None:
                return outcome
            self.journal.recording, self.journal.lines = False, []
            outcome = self._run_out(task) if user else self._run_to(task, trap.eip, esp)
            if outcome is not None or cpu.eip != start or trap.eip != start:
                return outcome
        return None

    def _run_to(self, task: Task, address: int, esp: int) -> Outcome | None:
        """Until a task is at an address with its stack as high as that."""
        cpu = self.machine.cpu
        self._watched = pid = task.pid

        def arrived() -> bool:
            return self.kernel.current.pid == pid and cpu.esp >= esp

        outcome = self.run({address & 0xFFFFFFFF: arrived})
        return None if outcome.kind is OutcomeKind.ARRIVED else outcome

    def out(self) -> Stopped:
        """Run until the current task is back in user mode; in user mode, until the function has returned."""
        task, cpu = self.kernel.current, self.machine.cpu
        if task.mm is None or task.exit_state:
            raise DebugError(f"pid {task.pid} ({task.comm}) has no user mode to go back to")
        if cpu.cpl == 3:
            return self._return()
        self.journal.clear()
        return self.guard(lambda: self.stopped(self._run_out(task)))

    def _return(self) -> Stopped:
        view = self.session.current
        callers = self.callers.of_user(view)
        if not callers:
            raise DebugError("no call is known that this code would return from")
        esp = self.machine.cpu.esp
        self.journal.clear()
        return self.guard(lambda: self.stopped(self.return_to(callers[0], esp + 1)))

    def return_to(self, address: int, esp: int) -> Outcome | None:
        """Until the present task is at a linear address, its stack as high as `esp` or higher."""
        return self._run_to(self.kernel.current, address, esp)

    def _run_out(self, task: Task) -> Outcome | None:
        """Until a task has executed the iret that leads to user mode."""
        cpu, ram = self.machine.cpu, self.machine.ram
        self._watched = pid = task.pid
        if self.kernel.current.pid == pid and cpu.cpl == 3:
            return None

        def leaves() -> bool:
            return self.kernel.current.pid == pid and bool(
                ram.read32(cpu.esp + 4 - PAGE_OFFSET) & 3
            )

        while True:
            outcome = self.run(dict.fromkeys(self._iret, leaves))
            if outcome.kind is not OutcomeKind.ARRIVED:
                return outcome
            stepped = self.stops.step()
            if stepped is not None:
                return stepped
            if self.kernel.current.pid == pid and cpu.cpl == 3:
                return None

    def watch_for_death(self) -> None:
        """The run pauses when the present task dies."""
        self._watched = self.kernel.current.pid

    def _on_exit(self, task: Task) -> None:
        if task.pid == self._watched:
            self.stops.pause = f"pid {task.pid} ({task.comm}) is dying"

    def start(self) -> Stopped:
        """Run to the first instruction of the program; it is not a breakpoint of anybody's."""
        point = self.stops.add_code(
            Code(self.images.program, (self.images.program.entry,), "the program's start"),
            temporary=True,
        )
        self.stops.next_number -= 1
        stopped = self.cont()
        self.stops.all.pop(point.number, None)
        self.stops.past.clear()  # the number is free again
        return Stopped("step") if stopped.kind == "breakpoint" else stopped

    def break_at(self, text: str, *, temporary: bool = False) -> Breakpoint:
        """`*EXPRESSION`, or what Session.break_at takes. Raises DebugError and its errors."""
        if text.startswith("*"):
            return self.stops.add_address(self.evaluate(text[1:]), text, temporary=temporary)
        return self.session.break_at(text, temporary=temporary)
