"""What happened during one step, in words: the trap taken, the function run in Python, the switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emu.microcode import Delivery
from toykernel.collector import Collector
from toykernel.kernel.siginfo import SIGNAL_NAMES
from toykernel.look.trap_words import result_text, trap_text, wait_status_text
from toykernel.syscall_table import name_of

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task
    from toykernel.trace import Tracepoint


class Journal(Collector):
    """Listens to one kernel; `lines` are those since `clear`. Recording costs, so it can be off."""

    collected = ("lines", "last_trap", "_gate")

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self.lines: list[str] = []
        self.recording = False
        self.last_trap: Delivery | None = None
        self._gate: tuple[int, int] | None = None  # index of the line, pid
        k.machine.trap_listeners.append(self._on_trap)
        self._pairs: tuple[tuple[Tracepoint[...], Callable[..., None]], ...] = (
            (k.host.trace.gate, self._on_gate),
            (k.host.trace.sys_exit, self._on_sys_exit),
            (k.host.trace.sched_switch, self._on_switch),
            (k.host.trace.process_fork, self._on_fork),
            (k.host.trace.process_exec, self._on_exec),
            (k.host.trace.process_exit, self._on_exit),
            (k.host.trace.signal_deliver, self._on_signal),
            (k.host.trace.fault, self._on_fault),
        )
        for tracepoint, listener in self._pairs:
            tracepoint.append(listener)

    def close(self) -> None:
        """Take every listener out of the machine and the kernel."""
        self._k.machine.trap_listeners.remove(self._on_trap)
        for tracepoint, listener in self._pairs:
            tracepoint.remove(listener)

    def clear(self) -> None:
        """A new step begins: its lines start empty, and the last trap is forgotten."""
        self.last_trap = None
        if self.lines:
            self.lines = []
        self._gate = None

    def _add(self, text: str) -> None:
        if self.recording:
            self.lines.append(text)

    def _on_trap(self, trap: Delivery) -> None:
        self.last_trap = trap
        if not self.recording:
            return
        stack = "stack of the TSS" if trap.cpl else "same stack"
        ring = self._k.machine.cpu.cpl
        self._add(f"trap: {trap_text(trap)}; ring {trap.cpl} -> ring {ring}, {stack}")

    def returned(self, ring: int) -> None:
        """An iret of a ring has been executed, unless it has faulted."""
        cpu = self._k.machine.cpu
        if self.last_trap is not None:
            return
        stack = f", esp {cpu.esp:#010x}" if cpu.cpl != ring else ""
        eflags = f"eflags {cpu.eflags:#x}"
        self._add(f"iret: ring {ring} -> ring {cpu.cpl}, eip {cpu.eip:#010x}{stack}, {eflags}")

    def _on_gate(self, task: Task, name: str) -> None:
        self._gate = (len(self.lines), task.pid)
        self._add(f"gate: Python ran {name}")

    def _on_sys_exit(self, task: Task, number: int, result: int) -> None:
        if not self.recording:
            return
        answer = result_text(result)
        if self._gate is not None and self._gate[1] == task.pid:
            self.lines[self._gate[0]] += f" = {answer}"
        else:
            self._add(f"gate: {name_of(number)} of pid {task.pid} goes on, and returns {answer}")

    def _on_switch(self, previous: Task, following: Task) -> None:
        if not self.recording:
            return
        why = ""
        if previous.wait is not None:
            why = f", which sleeps in {previous.wait.reason}"
        elif previous.exit_state:
            why = ", which is dead"
        self._add(
            f"switch: from pid {previous.pid} ({previous.comm}){why}, "
            f"to pid {following.pid} ({following.comm})"
        )

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        self._add(f"fork: pid {parent.pid} has the child {child.pid}")

    def _on_exec(self, task: Task, path: str) -> None:
        self._add(f"exec: pid {task.pid} runs {path}")

    def _on_exit(self, task: Task) -> None:
        self._add(f"exit: pid {task.pid} ({task.comm}), {wait_status_text(task.exit_code)}")

    def _on_signal(self, task: Task, sig: int, info: object) -> None:
        self._add(f"signal: {SIGNAL_NAMES.get(sig, sig)} delivered to pid {task.pid}")

    def _on_fault(
        self, task: Task, kind: str, address: int, old: int | None, new: int | None
    ) -> None:
        frames = ""
        if old is not None and new is not None and old != new:
            frames = f", frame {old:#x} copied to {new:#x}"
        elif old is not None:
            frames = f", frame {old:#x} kept"
        self._add(f"fault: {kind} at {address:#010x}{frames}")
