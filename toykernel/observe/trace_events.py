"""`--trace`: the kernel's own trace events, as ftrace and trace-cmd print them.

    COMM-PID [CPU] SECONDS.MICROSECONDS: EVENT: FIELDS

Times are those of the machine's clock. Programs that read such text, trace viewers among them, read this.

    sched        sched_switch, sched_wakeup, ...; see sched_trace.py
    irq          irq_handler_entry, irq_handler_exit (include/trace/events/irq.h)
    syscalls     sys_enter, sys_exit (include/trace/events/syscalls.h)
    exceptions   page_fault_user, page_fault_kernel (arch/x86/include/asm/trace/exceptions.h, 3.13); Linux has
                 no trace event for other exceptions
    page_faults  the same events: they are all that the system `exceptions` has

page_fault_kernel is also the kernel's own access to a task's memory, of read() into a page that is shared for
copy-on-write: here no instruction does it, and `ip` is that of the kernel function's thunk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from toykernel.arch.x86.asm_offsets import TIMER_IRQ
from toykernel.arch.x86.ptrace import PtRegs
from toykernel.collector import Collector
from toykernel.observe.sched_trace import HEADER, SchedTrace, trace_line
from toykernel.state import Kernel
from toykernel.task import Task

#: What `--trace` takes, in the order of help texts.
SYSTEMS = ("sched", "irq", "syscalls", "exceptions", "page_faults")
_IRQ = "do_IRQ"


class TraceEvents(Collector):
    """Listens to a kernel for the events of some systems. `write` takes whole lines as bytes; without it they
    are kept in `lines`.
    """

    collected = ("_irq",)
    shared = ("lines",)

    def __init__(
        self, k: Kernel, systems: Collection[str], write: Callable[[bytes], None] | None = None
    ) -> None:
        self._k = k
        self._write = write
        self.lines: list[bytes] = []
        self._irq: int | None = None  # the line that is being handled
        self._say(HEADER.encode())
        trace = k.host.trace
        if "sched" in systems:
            SchedTrace(k, self._say, header=False)
        if "irq" in systems:
            trace.gate.append(self._on_gate)
            trace.to_user.append(self._on_to_user)
        if "syscalls" in systems:
            trace.sys_enter.append(self._on_enter)
            trace.sys_exit.append(self._on_exit)
        if "exceptions" in systems or "page_faults" in systems:
            trace.page_fault.append(self._on_page_fault)
            trace.page_fault_kernel.append(self._on_page_fault)

    def _say(self, line: bytes) -> None:
        if self._write is not None:
            self._write(line)
        else:
            self.lines.append(line)

    def _line(self, task: Task, event: str, fields: str) -> None:
        self._say(trace_line(self._k, task, event, fields))

    def _on_gate(self, task: Task, name: str) -> None:
        if name != _IRQ:
            return
        regs = PtRegs(self._k.machine.ram, self._k.machine.cpu.esp + 4)
        self._irq = regs.orig_ax + 0x100 & 0xFFFFFFFF
        if self._irq == TIMER_IRQ:  # another line has no handler, and its entry is told by nobody
            self._line(task, "irq_handler_entry", f"irq={self._irq} name=timer")

    def _on_to_user(self, task: Task) -> None:
        line, self._irq = self._irq, None
        if line == TIMER_IRQ:
            self._line(task, "irq_handler_exit", f"irq={line} ret=handled")

    def _on_enter(self, task: Task, number: int, words: list[int]) -> None:
        arguments = ", ".join(f"{word:x}" for word in words)
        self._line(task, "sys_enter", f"NR {_signed(number)} ({arguments})")

    def _on_exit(self, task: Task, number: int, result: int) -> None:
        self._line(task, "sys_exit", f"NR {_signed(number)} = {_signed(result)}")

    def _on_page_fault(self, task: Task, address: int, error_code: int, ip: int) -> None:
        event = "page_fault_user" if error_code & 4 else "page_fault_kernel"
        fields = f"address={address:#x} ip={ip:#x} error_code={error_code:#x}"
        self._line(task, event, fields)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 == 1 else value
