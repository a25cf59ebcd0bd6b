"""strace: every system call, signal and end of the program's processes, in strace's own format.

A call that is interrupted by another process's line is `<unfinished ...>` there and `resumed` later.
A line is written when it is whole, so that output of the guest never falls into the middle of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from toykernel.collector import Collector
from toykernel.kernel.clone_flags import CLONE_UNTRACED
from toykernel.kernel.siginfo import SIGKILL, SIGNAL_NAMES
from toykernel.look.program import PROGRAM_PID
from toykernel.observe import strace_calls
from toykernel.observe.strace_format import (
    PRINTERS,
    raw,
    result_text,
    siginfo_text,
    signal_text,
)
from toykernel.observe.strace_memory import Memory
from toykernel.state import Kernel
from toykernel.syscall_table import BY_NAME, SYSCALLS, name_of
from toykernel.syscalls import Syscall
from toykernel.task import Task

RESULT_COLUMN = 40
INIT_PID = 1
_EXECVE = BY_NAME["execve"].number


@dataclass
class _Call:
    """A call that has begun, and its registers."""

    number: int
    words: Sequence[int]
    printed: int  # how many arguments have been written

    @property
    def row(self) -> Syscall | None:
        """None for a number without a function: without known arguments the registers are shown."""
        row = SYSCALLS[self.number] if 0 <= self.number < len(SYSCALLS) else None
        return row.row if row is not None and row.known else None

    @property
    def name(self) -> str:
        return name_of(self.number)


class Strace(Collector):
    """Listens to a kernel. `write` takes whole lines as bytes.

    `every_line_has_pid` is strace's `-f -o FILE` format; otherwise `[pid N]` is written while there
    is more than one process, as on a terminal.
    """

    collected = (
        *("_alive", "_untraced", "_calls", "_signals"),
        *("_line", "_line_pid", "_column"),
    )

    def __init__(
        self, k: Kernel, write: Callable[[bytes], None], *, every_line_has_pid: bool
    ) -> None:
        self._k = k
        self._write = write
        self._every = every_line_has_pid
        self._alive: dict[int, None] = {}
        self._untraced: set[int] = set()  # children that CLONE_UNTRACED keeps from us, and theirs
        self._calls: dict[int, _Call] = {}
        self._signals: dict[int, list[str]] = {}  # lines to come when the call is over
        self._line = ""  # begun, not yet written
        self._line_pid = 0
        self._column = 0  # of the end of the line, counting what of it has been written before
        trace = k.host.trace
        trace.sys_enter.append(self._enter)
        trace.sys_exit.append(self._exit)
        trace.process_fork.append(self._fork)
        trace.process_exit.append(self._end)
        trace.signal_deliver.append(self._deliver)
        trace.signal_discard.append(self._discard)

    def close(self) -> None:
        """The run is over, perhaps in the middle of a call."""
        if self._line_pid:
            self._add(" <detached ...>")
            self._newline()

    # -- lines -------------------------------------------------------------------------------------

    def _begin(self, pid: int) -> None:
        """Start a line for a process."""
        if self._line_pid:
            self._add(" <unfinished ...>")
            self._newline()
        self._line_pid = pid
        if self._every:
            self._add(f"{pid:<5} ")
        elif len(self._alive) > 1:
            self._add(f"[pid {pid:5}] ")

    def _add(self, text: str) -> None:
        self._line += text
        self._column += len(text)

    def _newline(self) -> None:
        self._write((self._line + "\n").encode(errors="surrogateescape"))
        self._line, self._line_pid, self._column = "", 0, 0

    def _whole(self, pid: int, text: str) -> None:
        self._begin(pid)
        self._add(text)
        self._newline()

    # -- calls -------------------------------------------------------------------------------------

    def _arguments(self, task: Task, call: _Call, last: int, result: int | None) -> str:
        """The arguments from the first that has not been written up to `last`."""
        memory = Memory(self._k, task.mm, result)
        texts = []
        kinds = [] if call.row is None else [a.kind for a in call.row.arguments]
        for index in range(call.printed, last):
            word = call.words[index]
            if call.row is None:
                texts.append(raw(word))
                continue
            told = strace_calls.argument(call.name, index, memory, call.words)
            if told is None:
                told = PRINTERS[kinds[index]](memory, word, call.words[index + 1 :])
            texts.append(told)
        call.printed = last
        return ", ".join(texts)

    @staticmethod
    def _count(call: _Call) -> int:
        if call.row is None:
            return len(call.words)
        return strace_calls.count(call.name, call.words, len(call.row.arguments))

    def _enter(self, task: Task, number: int, words: list[int]) -> None:
        if not self._traced(task) or self._before_exec(task, number):
            return
        self._alive[task.pid] = None
        self._flush_signals(task.pid)
        call = self._calls[task.pid] = _Call(number, words, 0)
        row = call.row
        count = self._count(call)
        kinds = [] if row is None else [a.kind for a in row.arguments]
        first = next((i for i, kind in enumerate(kinds) if kind.at_exit), count)
        if row is not None:
            first = min(strace_calls.at_entry(call.name, first), count)
        self._begin(task.pid)
        self._add(
            f"{strace_calls.shown_name(call.name, words)}({self._arguments(task, call, first, None)}"
        )
        if 0 < first < count:
            self._add(", ")

    def _finish(self, task: Task, result: int | None) -> None:
        call = self._calls.pop(task.pid, None)
        if call is None:
            return
        if self._line_pid != task.pid:
            self._begin(task.pid)
            shown = strace_calls.shown_name(call.name, call.words)
            self._add(f"<... {shown} resumed>")
        rest = self._arguments(task, call, self._count(call), result)
        self._add(rest + ") ")
        self._add(" " * (RESULT_COLUMN - self._column) + "= ")
        self._add("?" if result is None else result_text(call.name, result))
        self._newline()

    def _exit(self, task: Task, _number: int, result: int) -> None:
        self._finish(task, result)
        self._flush_signals(task.pid)

    # -- processes and signals ---------------------------------------------------------------------

    def _traced(self, task: Task) -> bool:
        """Neither the kernel's own, nor kept from tracers (fork-path C2)."""
        return task.tgid > INIT_PID and task.pid not in self._untraced

    def _before_exec(self, task: Task, number: int) -> bool:
        """What init's child does before it is the program: strace begins with the execve, too."""
        return task.pid == PROGRAM_PID and not task.did_exec and number != _EXECVE

    def _fork(self, parent: Task, child: Task, flags: int) -> None:
        if flags & CLONE_UNTRACED or parent.pid in self._untraced:
            self._untraced.add(child.pid)
        if not self._traced(child) or parent.tgid <= INIT_PID:
            return
        self._alive[child.pid] = None
        if not self._every:  # strace's own message, which falls into the line of the call
            self._write(
                f"{self._line}strace: Process {child.pid} attached\n".encode(
                    errors="surrogateescape"
                )
            )
            self._line = ""

    def _end(self, task: Task) -> None:
        if not self._traced(task):
            self._untraced.discard(task.pid)
            return
        self._finish(task, None)
        self._signals.pop(task.pid, None)
        code = task.exit_code
        sig = code & 0x7F
        core = " (core dumped)" if code & 0x80 else ""
        text = f"killed by {signal_text(sig)}{core}" if sig else f"exited with {code >> 8 & 0xFF}"
        self._whole(task.pid, f"+++ {text} +++")
        self._alive.pop(task.pid, None)

    def _deliver(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        if self._traced(task) and sig != SIGKILL:  # no tracer is told of that one
            self._flush_signals(task.pid)
            self._whole(task.pid, self._signal_line(sig, info))

    def _discard(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        """A signal without effect: a tracer sees it when the task is on its way to user mode."""
        if self._traced(task):
            self._signals.setdefault(task.pid, []).append(self._signal_line(sig, info))

    @staticmethod
    def _signal_line(sig: int, info: dict[str, Any]) -> str:
        name = SIGNAL_NAMES.get(sig, signal_text(sig))
        return f"--- {name} {siginfo_text(sig, info)} ---"

    def _flush_signals(self, pid: int) -> None:
        for line in self._signals.pop(pid, ()):
            self._whole(pid, line)
