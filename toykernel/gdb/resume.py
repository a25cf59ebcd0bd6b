"""Going on: as the client wants it, until there is something to tell.

For the client a trap is one step, as on Linux, unless the kernel is followed. A thread that is to stand still
while others run is stopped where ptrace stops it, on its way out to user mode (TASK_TRACED).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.hooks import NO_LIMIT
from emu.machine import Stop as Why
from toykernel import run_loop
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.gdb.parking import Parking, parked
from toykernel.gdb.points import HARDWARE, SOFTWARE, Points
from toykernel.gdb.processes import Processes
from toykernel.gdb.stops import Stop
from toykernel.kernel.dequeue import dequeue_signal
from toykernel.kernel.siginfo import SIGABRT, SIGINT, SIGKILL, SIGXCPU
from toykernel.kernel.signal import next_signal, recalc_sigpending, send_signal
from toykernel.oops import KernelOops
from toykernel.state import OutcomeKind

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

#: Cycles between two looks at the client.
SLICE_CYCLES = 500_000
#: Between two moments that are kept.
KEEP_INSTRUCTIONS, KEEP_TRAPS = 4_000_000, 2_000


@dataclass
class Plan:
    """What the client wants: `step` a thread (while it stays in `inside`), `hold` others, and per thread
    the signal to go on with (0: none). `until`: an instruction count at which the run ends."""

    step: int | None = None
    inside: tuple[int, int] = (0, 0)
    hold: frozenset[int] = frozenset()
    signals: dict[int, int] = field(default_factory=dict)
    until: int = NO_LIMIT


@dataclass(frozen=True)
class Arrived:
    """The end of a run that is no stop of the client's: at user mode, at `until`."""

    why: str


class Resumer:
    """Runs one kernel. `interrupted` is asked between slices, `keep` is called there; `changed` when a
    thread was made to stand still or a signal was changed: the guest is another one then."""

    def __init__(self, k: Kernel, processes: Processes, points: Points) -> None:
        self._k = k
        self._processes = processes
        self._points = points
        self.interrupted: Callable[[], bool] = lambda: False
        self.keep: Callable[[], None] = lambda: None
        self.changed: Callable[[], None] = lambda: None
        self.say: Callable[[str], None] = lambda text: None
        #: Signals that the client does not want to hear of (QPassSignals), Linux's numbers.
        self.pass_signals: frozenset[int] = frozenset()
        #: System calls to stop at (QCatchSyscalls): None is none of them, an empty set is all.
        self.catch: dict[int, frozenset[int] | None] = {}
        self.kernel_side = False
        self._in_call: set[int] = set()  # threads whose call was told
        #: A stop of the kernel's address that was told: pid, instructions done.
        self._told: tuple[int, int, int] | None = None
        #: Signal that a thread stands in front of, by thread.
        self.standing: dict[int, int] = {}
        self.parking = Parking(k, processes, self._changed_on_the_way)
        symbols = k.host.symbols
        self._signal_at = symbols["do_notify_resume"]
        self._calls = (symbols["syscall_call"], symbols["syscall_badsys"])
        self._call_exit = symbols["syscall_exit"]
        self._restore_all = symbols["restore_all"]
        self._iret = symbols["restore_iret"]
        self.dead = ""
        #: The clock's reading at which a run is over (--max-cycles).
        self.max_cycles: int | None = None
        self._kept = (0, 0)  # instructions and traps when a moment was kept

    # -- the client's wish -------------------------------------------------------------------------

    def resume(self, plan: Plan) -> Stop | Arrived:
        """Until something is to be told."""
        if self._processes.pending:
            return self._processes.pending.popleft()
        try:
            return self._resume(plan)
        except KernelOops as oops:
            self.dead = str(oops)
            self._tell(self.dead)
            return self._here(SIGABRT)
        finally:
            self._disarm()

    def _resume(self, plan: Plan) -> Stop | Arrived:
        if self.dead:
            self._tell(self.dead)
            return self._here(SIGABRT)
        if self._at_limit():
            return self._limit()
        for pid, sig in plan.signals.items():
            self._choose(pid, sig)
        self.parking.hold = plan.hold
        self.parking.release()
        if plan.hold:
            self.parking.send_away()
        if plan.step is None:
            return self._run(plan.until)
        return self._step(plan.step, plan)

    def _choose(self, pid: int, sig: int) -> None:
        """The thread goes on with this signal instead of the one that it was stopped for, if any."""
        stands = self.standing.pop(pid, 0)
        task = self.task(pid)
        if sig == stands or task is None:
            return
        if stands:
            if task is self._k.current:
                dequeue_signal(self._k, task, ~(1 << stands - 1) & (1 << 64) - 1)
            recalc_sigpending(self._k, task)
        if sig:
            send_signal(self._k, task, sig, {})
        self._told = None
        self.changed()

    def task(self, pid: int) -> Task | None:
        """The living thread, whoever's it is."""
        for task in self._k.processes.tasks:
            if task.pid == pid and not task.exit_state:
                return task
        return None

    # -- a step ------------------------------------------------------------------------------------

    def _step(self, pid: int, plan: Plan) -> Stop | Arrived:
        cpu = self._k.machine.cpu
        while True:
            task = self._k.current
            if task.pid != pid or (cpu.cpl != 3 and not self.kernel_side):
                stepped = self.task(pid)
                if stepped is None and pid not in self._processes.unborn:
                    return self._run(plan.until)
                in_call, before = True, 0  # one that is not born yet comes out of fork
                if stepped is not None:
                    in_call = self._k.task_pt_regs(stepped).orig_ax >> 31 == 0
                    before = self._k.task_pt_regs(stepped).ip
                stop = self._run(plan.until, user=pid)
                if not isinstance(stop, Arrived) or stop.why != "user":
                    return stop
                if in_call or cpu.eip != before:
                    return self._here()
                continue
            before = cpu.eip
            found = self._one()
            if found is not None:
                return found
            if self._k.current.pid == pid and (cpu.cpl == 3 or self.kernel_side):
                if not plan.inside[0] <= cpu.eip < plan.inside[1]:
                    return self._here()
                if self._points.hit(self._k.current, cpu.eip) is not None or self.interrupted():
                    return self._here()
                continue
            stop = self._run(plan.until, user=pid)
            if not isinstance(stop, Arrived) or stop.why != "user":
                return stop
            if cpu.eip != before and not plan.inside[0] <= cpu.eip < plan.inside[1]:
                return self._here()

    def _one(self) -> Stop | None:
        """One instruction, or one trap."""
        k = self._k
        self._points.load(k)
        event = k.machine.step()
        if self._points.watches:
            self._points.unload(k)
        if event.stop is Why.WATCH:
            return self._watched(event.value)
        run_loop.handle(k, event)
        if self._processes.pending:
            return self._processes.pending.popleft()
        if k.outcome is None:
            return None
        over = self._over()
        return over if isinstance(over, Stop) else None

    # -- a run -------------------------------------------------------------------------------------

    def _run(self, until: int, user: int | None = None) -> Stop | Arrived:
        """`user`: only until this thread is in user mode."""
        k, machine = self._k, self._k.machine
        if user is None and not self._processes.tasks():
            return self._processes.never_born() or Arrived("nobody")
        self._arm(user)
        passing = False
        slice_end = self._slice_end()
        while k.outcome is None:
            if user is not None and k.current.pid == user and machine.cpu.cpl == 3:
                return Arrived("user")
            event = machine.run(slice_end, pass_breakpoint=passing, instructions=until)
            passing = False
            if event.stop is Why.BREAKPOINT:
                found = self._at(event.address, user)
                if found is not None:
                    return found
                passing = True
            elif event.stop is Why.WATCH:
                found = self._watched(event.value)
                if found is not None:
                    return found
            else:
                run_loop.handle(k, event)
                if self._processes.pending:
                    return self._processes.pending.popleft()
                if user is not None and self._is_gone(user):
                    return self._run(until)
                if event.stop is Why.LIMIT:
                    if machine.cpu.retired >= until:
                        return Arrived("until")
                    if self._at_limit():
                        return self._limit()
                    if self.interrupted():
                        return self._here(SIGINT)
                    self._between()
                    slice_end = self._slice_end()
        return self._over()

    def _is_gone(self, pid: int) -> bool:
        return self.task(pid) is None and pid not in self._processes.unborn

    def run_free(self, enough: Callable[[], bool]) -> None:
        """Go on without a client's process, until there is something for it to say, or the end."""
        k, end = self._k, self._slice_end()
        try:
            while k.outcome is None and not self.dead and not self._at_limit():
                event = k.machine.run(end)
                run_loop.handle(k, event)
                if event.stop is Why.LIMIT:
                    self._between()
                    if enough():
                        return
                    end = self._slice_end()
        except KernelOops as oops:
            self.dead = str(oops)

    def _slice_end(self) -> int:
        end = self._k.machine.clock.cycles + SLICE_CYCLES
        return end if self.max_cycles is None else min(end, self.max_cycles)

    def _at_limit(self) -> bool:
        return self.max_cycles is not None and self._k.machine.clock.cycles >= self.max_cycles

    def _limit(self) -> Stop:
        self._tell(f"the limit of {self.max_cycles} cycles is reached (--max-cycles)")
        return self._here(SIGXCPU)

    def _between(self) -> None:
        """A moment is kept now and then: seldom enough that a run is hardly slower for it."""
        state = self._k.machine.cpu.state
        if (
            abs(state.retired - self._kept[0]) < KEEP_INSTRUCTIONS
            and abs(state.deliveries - self._kept[1]) < KEEP_TRAPS
        ):
            return
        self._kept = state.retired, state.deliveries
        self._unwatched(self.keep)

    def _changed_on_the_way(self) -> None:
        self._unwatched(lambda: self.changed())

    def _unwatched(self, keep: Callable[[], None]) -> None:
        """Keep a moment: with the guest's debug registers, or running on from it would trap."""
        loaded = self._k.machine.watched
        self._points.unload(self._k)
        keep()
        if loaded:
            self._points.load(self._k)

    def _arm(self, user: int | None) -> None:
        wanted = set(self._points.addresses)
        wanted.add(self._signal_at)
        if self.parking.hold:
            wanted.add(self._restore_all)
        if user is not None:
            wanted.add(self._iret)
        if any(calls is not None for calls in self.catch.values()):
            wanted.update((*self._calls, self._call_exit))
        self._k.machine.cpu.set_breakpoints(sorted(wanted))
        self._points.load(self._k)

    def _disarm(self) -> None:
        self._k.machine.cpu.set_breakpoints([])
        self._points.unload(self._k)

    # -- at an address -----------------------------------------------------------------------------

    def _at(self, address: int, user: int | None) -> Stop | Arrived | None:
        """Who wants to stop here? None: nobody."""
        k = self._k
        task = k.current
        if task.tgid in self._processes.attached or (
            address >= PAGE_OFFSET and self.kernel_side and self._processes.attached
        ):
            kind = self._points.hit(task, address)
            if kind in (SOFTWARE, HARDWARE):
                name = "swbreak" if kind == SOFTWARE else "hwbreak"
                return self._here(detail=f"{name}:;", feature=f"{name}+")
        if address < PAGE_OFFSET:
            return None
        if (
            address == self._restore_all
            and task.pid in self.parking.hold
            and self._to_user(by_frame=True)
        ):
            self.parking.park(task)
        elif address == self._iret and task.pid == user and self._to_user(by_frame=False):
            return self._one()
        elif address == self._signal_at:
            return self._at_signal(task)
        elif address in self._calls or address == self._call_exit:
            return self._at_call(task, address)
        return None

    def _to_user(self, *, by_frame: bool) -> bool:
        """Whether the frame that is about to be left leads to user mode: at ESP pt_regs, or IRET's words."""
        k = self._k
        if by_frame:
            frame_at: int = k.task_pt_regs(k.current).address
            return bool(k.machine.cpu.esp == frame_at)
        return bool(k.machine.ram.read32(k.machine.cpu.esp + 4 - PAGE_OFFSET) & 3)

    def _at_signal(self, task: Task) -> Stop | None:
        if task.tgid not in self._processes.attached:
            return None
        if self._told == (task.pid, self._signal_at, self._k.machine.cpu.retired):
            return None
        sig = next_signal(task.pending, task.blocked) or next_signal(
            task.signal.shared_pending, task.blocked
        )
        if not sig or sig == SIGKILL or sig in self.pass_signals:
            return None
        self.standing[task.pid] = sig
        self._told = (task.pid, self._signal_at, self._k.machine.cpu.retired)
        return self._here(sig)

    def _at_call(self, task: Task, address: int) -> Stop | None:
        calls = self.catch.get(task.tgid)
        if calls is None or task.tgid not in self._processes.attached:
            return None
        told = (task.pid, address, self._k.machine.cpu.retired)
        if self._told == told:
            return None
        number = self._k.task_pt_regs(task).orig_ax
        if address == self._call_exit:
            if task.pid not in self._in_call:
                return None
            self._in_call.discard(task.pid)
            name = "syscall_return"
        else:
            if calls and number not in calls:
                return None
            self._in_call.add(task.pid)
            name = "syscall_entry"
        self._told = told
        return self._here(detail=f"{name}:{number:x};")

    def _watched(self, hits: int) -> Stop | None:
        task = self._k.current
        watch = self._points.watch_hit(task, hits)
        if watch is None or task.tgid not in self._processes.attached:
            return None
        return self._here(detail=f"{watch.name}:{watch.at:x};")

    # -- what to tell ------------------------------------------------------------------------------

    def _tell(self, text: str) -> None:
        if not self._processes.deaf:
            self.say(text)

    def _here(self, sig: int | None = None, detail: str = "", feature: str = "") -> Stop:
        """A stop of the running thread, or, when that is nobody's, of the first one."""
        task = self._k.current
        if task.tgid not in self._processes.attached or task.exit_state:
            tasks = self._processes.tasks()
            task = tasks[0] if tasks else task
        made = Stop(task.pid, task.tgid, detail=detail, feature=feature)
        return made if sig is None else Stop(task.pid, task.tgid, sig, detail)

    def _over(self) -> Stop | Arrived:
        """Nothing runs any more."""
        if self._processes.pending:
            return self._processes.pending.popleft()
        outcome = self._k.outcome
        assert outcome is not None
        if outcome.kind is OutcomeKind.FINISHED or not self._processes.tasks():
            return self._processes.never_born() or Arrived("finished")
        held = sorted(t.pid for t in self._k.processes.tasks if parked(t))
        text = f"every thread that may run sleeps for ever: {outcome.detail}"
        if held:
            text += f"; standing still: {', '.join(map(str, held))}"
        self._tell(text)
        return self._here(SIGINT)
