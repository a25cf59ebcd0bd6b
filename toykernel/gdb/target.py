"""The machine that is debugged: a session from the program's first instruction on, and its past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emu.machine import Stop as Why
from toykernel import run_loop
from toykernel.debug.commands.command import replace_whole
from toykernel.gdb.points import Points
from toykernel.gdb.processes import Processes
from toykernel.gdb.registers import Registers
from toykernel.gdb.resume import Resumer
from toykernel.history.errors import HistoryError
from toykernel.look.program import PROGRAM_PID

if TYPE_CHECKING:
    from toykernel.harness.session import Session
    from toykernel.history.history import History


@dataclass
class Launch:
    """How the program is started (vRun, QEnvironment, QSetWorkingDir). None: as on the command line."""

    args: tuple[str, ...] | None = None
    env: dict[str, str] = field(default_factory=dict)
    unset: set[str] = field(default_factory=set)
    directory: str = ""


#: A fresh session for a launch.
Factory = Callable[[Launch], "Session"]


class Target:
    """One run of the program under the stub."""

    def __init__(
        self,
        session: Session,
        *,
        kernel_side: bool = False,
        reverse: bool = True,
        write_file: Callable[[str, bytes], None] = replace_whole,
        max_cycles: int | None = None,
    ) -> None:
        """Runs to the program's first instruction. Without `reverse`, nothing of the past is kept.

        `write_file` writes a whole file for `monitor`; raises DebugError. `max_cycles`: where a run is over.
        """
        self.session = session
        self.write_file = write_file
        self.k = k = session.kernel
        self.registers = Registers(k)
        self.points = Points(lambda condition, task: condition.holds(k, self.registers, task))
        self.processes = Processes(k, self.points)
        self.resumer = Resumer(k, self.processes, self.points)
        self.resumer.max_cycles = max_cycles
        self.why_no_history = "" if reverse else "it was not asked for"
        self.history: History | None = None
        #: Every process that was ever attached.
        self.known: frozenset[int] = frozenset()
        self.started = self._start()
        if self.started:
            self.processes.attached.add(PROGRAM_PID)
        if reverse and self.started:
            self._keep_history()
        self.follow_kernel(kernel_side)

    def close(self) -> None:
        """Listen no more; the guest can run on."""
        self.processes.close()
        if self.history is not None:
            self.history.close()

    def _start(self) -> bool:
        """To the first instruction of the program, or of its interpreter; False when it never comes."""
        k, machine = self.k, self.k.machine
        to_user = k.host.symbols["restore_iret"]
        machine.cpu.set_breakpoints([to_user])
        passing = False
        while k.outcome is None and not self._begun():
            event = machine.run(pass_breakpoint=passing)
            passing = event.stop is Why.BREAKPOINT
            if not passing:
                run_loop.handle(k, event)
            elif k.current.pid == PROGRAM_PID and k.current.did_exec:
                if event.address != to_user:
                    break
                machine.cpu.set_breakpoints([k.task_pt_regs(k.current).ip])
        machine.cpu.set_breakpoints([])
        return k.outcome is None

    def _begun(self) -> bool:
        """Whether a session that was run already has the program in user mode."""
        k = self.k
        return k.current.pid == PROGRAM_PID and k.current.did_exec and k.machine.cpu.cpl == 3

    def _keep_history(self) -> None:
        from toykernel.history.history import History

        try:
            self.history = History(self.session)
        except HistoryError as error:
            self.why_no_history = str(error)
            return
        self.resumer.keep = self.history.keep
        self.resumer.changed = self.history.changed

    def follow_kernel(self, wanted: bool) -> None:
        """Whether steps go into the kernel, and registers are those of the kernel half there."""
        self.registers.kernel_side = self.resumer.kernel_side = wanted

    def changed(self) -> None:
        """The guest was changed by hand."""
        if self.history is not None:
            self.history.changed()

    def note_attached(self) -> None:
        """Remember who is attached, for when the guest goes back."""
        self.known |= self.processes.attached
