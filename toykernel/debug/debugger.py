"""The debugger's logic over a Session: run, step, look. Methods return data; nothing is printed here.

Looking never changes the guest: memory is read by walking the page tables from outside, and stops are
the machine's own, which the guest cannot see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.collector import Collector
from toykernel.debug.callers import Callers
from toykernel.debug.disassembly import LONGEST, Instruction, decode
from toykernel.debug.errors import DebugError
from toykernel.debug.expressions import evaluate
from toykernel.debug.journal import Journal
from toykernel.debug.memory import Spec
from toykernel.errors import HostError
from toykernel.harness.breakpoints import Breakpoint, Condition, Hit
from toykernel.harness.runner import bug_report, result_so_far
from toykernel.harness.session import Session
from toykernel.history import watchpoints
from toykernel.history.history import DEFAULT_SIZE, History
from toykernel.history.watchpoints import Access
from toykernel.look.image import Image, Place
from toykernel.look.symbols import Code, SymbolError
from toykernel.look.task import SEGMENTS, TaskView, UnreadableError
from toykernel.observe.trap_frames import FrameLog
from toykernel.oops import KernelOops
from toykernel.state import Outcome, OutcomeKind
from toykernel.task import Task

_ALIASES = {"pc": "eip", "sp": "esp", "fp": "ebp", "ip": "eip", "flags": "eflags", "ps": "eflags"}
_CONTROL = ("cr0", "cr2", "cr3", "cr4", "dr6", "dr7", "cpl")
OVER = frozenset((OutcomeKind.FINISHED, OutcomeKind.DEADLOCK))
#: A faulting instruction is tried again after each fault: how often `nexti` follows it.
MAX_RESTARTS = 16


@dataclass(frozen=True)
class Location:
    """Where the CPU is. `instruction` is None where no code is mapped."""

    pid: int
    comm: str
    ring: int
    eip: int
    symbol: str | None
    place: Place | None
    instruction: Instruction | None


@dataclass(frozen=True)
class Stopped:
    """Why the machine stands still: step, breakpoint, interrupted, paused, limit, finished,
    deadlock or oops. `lines` tell what the last step did, `detail` what else there is to say."""

    kind: str
    hits: tuple[Hit, ...] = ()
    lines: tuple[str, ...] = ()
    detail: str = ""
    switched_from: int | None = None


class Debugger(Collector):
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

    @cached_property
    def callers(self) -> Callers:
        """Who has called."""
        return Callers(self.session)

    # -- where we are ------------------------------------------------------------------------------

    @property
    def view(self) -> TaskView:
        """The task that is looked at: the one selected, else the current one."""
        return self.session.current if self.selected is None else self.task(self.selected)

    def task(self, pid: int) -> TaskView:
        """The task with a number. Raises DebugError."""
        try:
            return self.session.task(pid)
        except LookupError as error:
            raise DebugError(f"{error}; `info tasks' lists them") from None

    def name(self, view: TaskView | None = None) -> Callable[[int], str | None]:
        """Symbols for addresses, as a task sees them."""
        task = (view or self.view).task
        return lambda address: self.images.symbol_at(task, address)

    def instruction(self, address: int, view: TaskView | None = None) -> Instruction | None:
        """The instruction at an address; None when nothing is mapped there."""
        view = view or self.view
        return decode(view.read_upto(address, LONGEST), address, self.name(view))

    def location(self) -> Location:
        """Where the CPU is, whatever task is selected."""
        view = self.session.current
        cpu = self.machine.cpu
        eip = cpu.eip
        address = eip + cpu.cs_base & 0xFFFFFFFF
        named = address if cpu.paging else address + PAGE_OFFSET  # boot code runs below its place
        return Location(
            view.pid,
            view.comm,
            cpu.cpl,
            eip,
            self.images.symbol_at(view.task, named),
            self.images.place_at(view.task, named),
            self.instruction(address, view),
        )

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
        journal, step, interrupted = self.journal, self.stops.step, self.stops.interrupted
        self.stops.arm_steps()
        for left in range(count, 0, -1):
            if left == 1:
                journal.recording = True
            journal.clear()
            ring = self.machine.cpu.cpl if self.machine.cpu.eip in self._iret else None
            outcome = step()
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
        points = [point for point in self.stops.all.values() if point.watch is not None]
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

    # -- values ------------------------------------------------------------------------------------

    @staticmethod
    def register_name(name: str) -> str:
        """$pc is $eip, and so on."""
        return _ALIASES.get(name, name)

    def register(self, name: str) -> int:
        """A register of the task that is looked at. Raises DebugError."""
        wanted = self.register_name(name)
        view = self.view
        cpu = self.machine.cpu
        if wanted in _CONTROL:
            if view.is_current:
                return int(getattr(cpu, wanted))
            if wanted == "cr3":
                return view.directory
            raise DebugError(f"${name} is the CPU's, and pid {view.pid} is not on it")
        values = view.cpu_regs if view.is_current else self.saved_registers(view)
        if wanted in values:
            return values[wanted]
        wide = f"e{wanted}"
        if wide in values and wanted not in SEGMENTS:
            return values[wide] & 0xFFFF
        if len(wanted) == 2 and wanted[1] in "lh" and f"e{wanted[0]}x" in values:
            return values[f"e{wanted[0]}x"] >> (8 if wanted[1] == "h" else 0) & 0xFF
        raise DebugError(f"no register ${name}; `info regs' lists them")

    @staticmethod
    def saved_registers(view: TaskView) -> dict[str, int]:
        """User registers of a task that is not running. Raises DebugError when it has none."""
        if view.task.mm is None:
            raise DebugError(f"pid {view.pid} ({view.comm}) has no user registers")
        return view.regs

    def word_at(self, address: int) -> int:
        """The 32-bit word at a linear address of the task that is looked at. Raises DebugError."""
        return int.from_bytes(self.read(address, 4), "little")

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at a linear address of the task that is looked at. Raises DebugError."""
        try:
            return self.view.read(address, size)
        except UnreadableError as error:
            raise DebugError(str(error)) from None

    def evaluate(self, text: str) -> int:
        """An expression; see expressions. Raises DebugError."""
        return evaluate(
            text, symbol=self.images.value, register=self.register, word_at=self.word_at
        )

    def where(self, text: str) -> int:
        """A place in the code: a label, FILE:LINE, or an expression. Raises DebugError."""
        return self.code(text)[1]

    def code(self, text: str) -> tuple[Image | None, int]:
        """A place in the code as `where`, with the image that it is in."""
        head, _, tail = text.rpartition(":")
        is_line = bool(head) and tail.isascii() and tail.isdigit()
        if is_line or self.images.find(text):
            try:
                code = self.images.code(text)
                return code.image, code.addresses[0]
            except SymbolError as error:
                if is_line:
                    raise DebugError(str(error)) from None
        address = self.evaluate(text)
        return self.images.of_address(self.view.task, address), address

    def break_at(self, text: str, *, temporary: bool = False) -> Breakpoint:
        """`*EXPRESSION`, or what Session.break_at takes. Raises DebugError and its errors."""
        if text.startswith("*"):
            return self.stops.add_address(self.evaluate(text[1:]), text, temporary=temporary)
        return self.session.break_at(text, temporary=temporary)
