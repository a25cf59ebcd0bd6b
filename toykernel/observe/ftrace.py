"""`--ftrace`: what the kernel's function_graph tracer prints (kernel/trace/trace_functions_graph.c, 2.6.39).

     0)               |  page_fault() {
     0)               |    do_page_fault() {
     0)   0.333 us    |      set_pte();
     0) + 30.151 us   |    }

Functions are those of Linux that this kernel has: in its assembly what the IDT leads to, in Python what
kernel_functions.py finds. Durations are those of the machine's clock: Python takes time where the kernel
charges it. What the IDT leads to lasts until user mode goes on; without cycle timing, until the gate is left.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from emu.timing.traps import TrapCosts
from toykernel.collector import Collector
from toykernel.kernel.timekeeping import cycles_to_ns
from toykernel.observe.kernel_functions import linux_name
from toykernel.trace import Tracepoint

if TYPE_CHECKING:
    from emu.microcode import Delivery
    from toykernel.state import Kernel
    from toykernel.task import Task

HEADER = (
    "# tracer: function_graph\n"
    "#\n"
    "# CPU  DURATION                  FUNCTION CALLS\n"
    "# |     |   |                     |   |   |   |\n"
)
_CPU = " 0) "
_NO_TIME = "              |  "
_RULE = " ------------------------------------------\n"
#: Microseconds beyond which a duration is marked (print_graph_overhead).
_LONG, _LONGER = 10, 100
_IRQ = "do_IRQ"
_PROC = 14  # TRACE_GRAPH_PROCINFO_LENGTH
_EMIT = Tracepoint.emit.__code__


@dataclass
class _Open:
    """A function that has been entered: when, in cycles, and whether its line has been written."""

    name: str
    since: int
    entry: bool = False  # of the assembly: lasts until user mode goes on


def duration_text(ns: int) -> str:
    """Seven columns of microseconds, as trace_print_graph_duration has them, and the mark before them."""
    us, rest = divmod(ns, 1000)
    mark = "! " if ns > 1000 * _LONGER else "+ " if ns > 1000 * _LONG else "  "
    digits = f"{rest:03}"[: max(7 - len(str(us)), 0)]
    text = f"{us}.{digits}" if digits else str(us)
    return f"{mark}{text} us {' ' * (7 - len(str(us)) - len(digits))}|  "


def process_text(comm: str, pid: int) -> str:
    """print_graph_proc: seven letters of the name, the number, in the middle of 14 columns."""
    text = f"{comm[:7]}-{pid}"
    spaces = max(_PROC - len(text), 0)
    return " " * (spaces // 2) + text + " " * (spaces - spaces // 2)


class FunctionGraph(Collector):
    """Listens to a kernel. `write` takes whole lines as bytes; without it they are kept in `lines`."""

    collected = ("_stacks", "_pending", "_shown", "_user", "_left")
    shared = ("lines",)

    def __init__(self, k: Kernel, write: Callable[[bytes], None] | None = None) -> None:
        self._k = k
        self._write = write
        self.lines: list[bytes] = []
        self._stacks: dict[int, list[_Open]] = {}  # by pid, the outermost first
        self._pending: tuple[int, str, int] | None = None  # depth, name and task of the last entry
        self._shown: tuple[int, str] | None = None  # whose lines the last ones are: pid and name
        self._user = 0  # user cycles up to the last trap from user mode
        self._left = 0  # when the last gate was left
        self._names: dict[CodeType, str | None] = {}
        self._handlers: dict[int, str] = {address: name for name, address in k.host.symbols.items()}
        self._tracing = False
        self._deaf = (
            0  # tracepoints that are telling listeners: what those call is not the kernel's
        )
        self._before: Callable[..., Any] | None = None  # somebody else's profiler
        self._say(HEADER)
        k.machine.trap_listeners.append(self._on_trap)
        k.host.trace.gate.append(self._on_gate)
        k.host.trace.to_user.append(self._on_to_user)
        k.host.trace.process_fork.append(self._on_fork)
        k.host.trace.run_over.append(self.flush)

    def close(self) -> None:
        """Listen no more."""
        self.flush()
        self._stop()
        self._k.machine.trap_listeners.remove(self._on_trap)
        trace = self._k.host.trace
        trace.gate.remove(self._on_gate)
        trace.to_user.remove(self._on_to_user)
        trace.process_fork.remove(self._on_fork)
        trace.run_over.remove(self.flush)

    def flush(self) -> None:
        """Write the last line, though what it began has not ended."""
        if self._pending is not None:
            depth, name, _ = self._pending
            self._pending = None
            self._say(f"{_CPU}{_NO_TIME}{'  ' * depth}{name}() {{\n")

    # -- lines -------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        line = text.encode(errors="surrogateescape")
        if self._write is not None:
            self._write(line)
        else:
            self.lines.append(line)

    def _show(self, task: Task) -> None:
        """The lines that follow are this task's."""
        if self._shown is not None and self._shown[0] != task.pid:
            self.flush()
            before = process_text(self._shown[1], self._shown[0])
            after = process_text(task.comm, task.pid)
            self._say(f"{_RULE}{_CPU}{before} => {after}\n{_RULE}\n")
        self._shown = (task.pid, task.comm)

    def _enter(self, name: str, *, entry: bool = False) -> None:
        task = self._k.current
        self._show(task)
        self.flush()
        stack = self._stacks.setdefault(task.pid, [])
        if name == _IRQ:
            self._say(f"{_CPU}  ==========> |\n")
        self._pending = (len(stack), name, task.pid)
        stack.append(_Open(name, self._k.machine.clock.cycles, entry))

    def _leave(self, at: int) -> None:
        """The innermost function of the present task has ended, at a cycle."""
        task = self._k.current
        self._show(task)
        stack = self._stacks[task.pid]
        ended = stack.pop()
        took = duration_text(cycles_to_ns(self._k, at) - cycles_to_ns(self._k, ended.since))
        depth = len(stack)
        if self._pending == (depth, ended.name, task.pid):
            self._pending = None
            self._say(f"{_CPU}{took}{'  ' * depth}{ended.name}();\n")
        else:
            self.flush()
            self._say(f"{_CPU}{took}{'  ' * depth}}}\n")
        if ended.name == _IRQ:
            self._say(f"{_CPU}  <========== |\n")

    # -- the assembly ------------------------------------------------------------------------------

    def _on_trap(self, trap: Delivery) -> None:
        if trap.cpl != 3:
            return
        machine = self._k.machine
        timing, costs = machine.cpu.timing, machine.microcode.on_cost
        now, end = machine.clock.cycles, self._left
        if timing is not None and isinstance(costs, TrapCosts):
            end = now - costs.last - (timing.user_cycles - self._user)
            self._user = timing.user_cycles
        while self._stacks.get(self._k.current.pid):
            self._leave(end)
        name = self._handlers.get(machine.cpu.eip)
        if name is not None:
            self._enter(name, entry=True)

    # -- Python ------------------------------------------------------------------------------------

    def _on_gate(self, task: Task, name: str) -> None:
        if not self._tracing:
            self._tracing, self._before = True, sys.getprofile()
        self._deaf = 1  # until this tracepoint is through
        sys.setprofile(self._profile)

    def _on_to_user(self, task: Task) -> None:
        self._stop()
        self._left = self._k.machine.clock.cycles

    def _stop(self) -> None:
        if self._tracing:
            self._tracing = False
            sys.setprofile(self._before)

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        self._stacks.pop(child.pid, None)  # of one that had the number before

    def _profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        if code is _EMIT:
            self._deaf = max(self._deaf + (1 if event == "call" else -1), 0)
        if self._deaf:
            return
        if code not in self._names:
            self._names[code] = linux_name(code, frame.f_globals.get("__name__", ""))
        name = self._names[code]
        if name is None:
            return
        if event == "call":
            self._enter(name)
        else:
            self._end(name)

    def _end(self, name: str) -> None:
        """A function returns: that of the task which runs now, also when another one called it."""
        stack = self._stacks.get(self._k.current.pid, [])
        depth = len(stack)
        while depth and (stack[depth - 1].name != name or stack[depth - 1].entry):
            depth -= 1
        for _ in range(len(stack) - depth + 1 if depth else 0):
            self._leave(self._k.machine.clock.cycles)
