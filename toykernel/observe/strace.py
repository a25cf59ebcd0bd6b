"""strace: every system call, signal and end of the program's processes, in strace's own format.

A call that is interrupted by another process's line is `<unfinished ...>` there and `resumed` later.
A line is written when it is whole, so that output of the guest never falls into the middle of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from toykernel.collector import Collector
from toykernel.kernel.clone_flags import CLONE_UNTRACED
from toykernel.kernel.ptrace_flags import JOBCTL_STOP_SIGMASK
from toykernel.kernel.siginfo import (
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    SI_KERNEL,
    SIGCHLD,
    SIGKILL,
    pack_siginfo,
)
from toykernel.look.program import PROGRAM_PID
from toykernel.observe.decoding import table
from toykernel.observe.decoding.call import RESTARTS, Call
from toykernel.observe.decoding.names import hexadecimal
from toykernel.observe.decoding.results import result_text
from toykernel.observe.decoding.signals import siginfo_text, signal_text
from toykernel.observe.decoding.subcalls import resolve
from toykernel.state import Kernel
from toykernel.syscall_table import BY_NAME, name_of
from toykernel.task import SIGNAL_GROUP_EXIT, TASK_STOPPED, Task

RESULT_COLUMN = 40
INIT_PID = 1
_EXECVE = BY_NAME["execve"].number


@dataclass
class _Call:
    """A call that has begun, and its registers."""

    name: str
    tgid: int
    words: Sequence[int]
    indirect: bool
    previous: str
    printed: int = 0  # how many arguments have been written
    comma: bool = False  # and a comma behind them
    saved: dict[str, int] = field(default_factory=dict)


class Strace(Collector):
    """Listens to a kernel. `write` takes whole lines as bytes.

    `every_line_has_pid` is strace's `-f -o FILE` format; otherwise `[pid N]` is written while there
    is more than one process, as on a terminal.
    """

    collected = (
        *("_alive", "_untraced", "_calls", "_previous", "_signals", "_raised"),
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
        self._previous: dict[int, str] = {}  # the last call that has ended, by task
        self._signals: dict[int, list[str]] = {}  # lines to come when the call is over
        self._raised: dict[int, dict[int, str]] = {}  # lines of signals that nobody has taken yet
        self._line = ""  # begun, not yet written
        self._line_pid = 0
        self._column = 0  # of the end of the line, counting what of it has been written before
        trace = k.host.trace
        trace.sys_enter.append(self._enter)
        trace.sys_exit.append(self._exit)
        trace.process_fork.append(self._fork)
        trace.process_exec.append(self._exec)
        trace.process_exit.append(self._end)
        trace.sched_switch.append(self._switch)
        trace.signal_generate.append(self._raise)
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

    def _told(self, task: Task, call: _Call, result: int | None) -> Call:
        """The call, with the memory that its arguments point into."""
        return Call(
            self._k,
            task.mm,
            call.name,
            call.words,
            result,
            call.saved,
            call.indirect,
            call.previous,
        )

    def _enter(self, task: Task, number: int, words: list[int]) -> None:
        if not self._traced(task) or self._before_exec(task, number):
            return
        self._alive[task.pid] = None
        self._flush_signals(task.pid)
        previous = self._previous.get(task.pid, "")
        told = resolve(Call(self._k, task.mm, name_of(number), words, previous=previous))
        call = _Call(told.name, task.tgid, told.words, told.indirect, previous, saved=told.saved)
        self._calls[task.pid] = call
        table.prepare(told)
        self._begin(task.pid)
        self._add(f"{call.name}(")
        self._write_arguments(told, call)

    def _write_arguments(self, told: Call, call: _Call) -> None:
        """Those that have not been written: at the entry up to the first that the end fills in."""
        if not table.known(call.name):
            if not call.printed:
                self._add(", ".join(map(hexadecimal, call.words)))
                call.printed = 1
            return
        items = table.items(told)
        while call.printed < len(items):
            item = items[call.printed]
            if item.at_end and told.result is None:
                if call.printed and not item.comma_at_end:
                    self._add(", ")
                    call.comma = True
                return
            text = item.show(told, item.index)
            if text:
                if call.printed and not call.comma and not text.startswith(" => "):
                    self._add(", ")
                self._add(text)
                call.comma = False
            call.printed += 1

    def _finish(self, task: Task, result: int | None) -> None:
        call = self._calls.pop(task.pid, None)
        if call is None:
            return
        if self._line_pid != task.pid:
            self._begin(task.pid)
            self._add(f"<... {call.name} resumed>")
        told = self._told(task, call, result)
        if result is not None:
            self._write_arguments(told, call)
        elif not table.complete(told, call.printed):
            self._add(" <unfinished ...>")  # the end has something to tell, and will not come
        self._previous[task.pid] = call.name
        self._add(") ")
        self._add(" " * (RESULT_COLUMN - self._column) + "= ")
        self._add(result_text(told))
        self._newline()

    def _exit(self, task: Task, _number: int, result: int) -> None:
        if -result in RESTARTS and self._killed(task):
            return  # the end of the process is the end of the call
        self._finish(task, result)
        self._flush_signals(task.pid)

    def _killed(self, task: Task) -> bool:
        """Ended by SIGKILL or with its group, so that a tracer does not see it once more."""
        signal = task.signal
        if not signal.flags & SIGNAL_GROUP_EXIT:
            return False
        sig = signal.group_exit_code & 0x7F
        return sig == SIGKILL or sig not in self._raised.get(task.pid, {})

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
        code = task.exit_code
        sig = code & 0x7F
        self._finish(task, None)
        self._signals.pop(task.pid, None)
        line = self._raised.pop(task.pid, {}).get(sig)
        if line is not None and sig != SIGKILL:
            self._whole(task.pid, line)  # the kernel made it a SIGKILL; a tracer hears the signal
        if self._superseded(task):
            return
        core = " (core dumped)" if code & 0x80 else ""
        text = f"killed by {signal_text(sig)}{core}" if sig else f"exited with {code >> 8 & 0xFF}"
        self._whole(task.pid, f"+++ {text} +++")
        self._alive.pop(task.pid, None)

    def _superseded(self, task: Task) -> bool:
        """A leader whose number a thread of it takes over by execve."""
        return task.pid == task.tgid and self._other_exec(task) is not None

    def _other_exec(self, task: Task) -> int | None:
        """The number of another thread of the task's group that is in execve."""
        return next(
            (
                pid
                for pid, call in self._calls.items()
                if call.tgid == task.tgid and pid != task.pid and call.name.startswith("execve")
            ),
            None,
        )

    def _exec(self, task: Task, _path: str) -> None:
        old = self._other_exec(task)
        if not self._traced(task) or old is None or task.pid in self._calls:
            return
        self._whole(task.pid, f"+++ superseded by execve in pid {old} +++")
        self._calls[task.pid] = self._calls.pop(old)
        self._alive.pop(old, None)

    def _switch(self, previous: Task, _next: Task) -> None:
        """A group stops: each of its threads tells the tracer before it sleeps."""
        if previous.state == TASK_STOPPED and self._traced(previous):
            self._flush_signals(previous.pid)
            sig = previous.jobctl & JOBCTL_STOP_SIGMASK or previous.exit_code
            self._whole(previous.pid, f"--- stopped by {signal_text(sig)} ---")

    def _raise(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        if self._traced(task):
            self._raised.setdefault(task.pid, {})[sig] = self._signal_line(sig, info)

    def _deliver(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        for pid in (task.pid, task.tgid):
            self._raised.get(pid, {}).pop(sig, None)
        if self._traced(task) and sig != SIGKILL:  # no tracer is told of that one
            self._flush_signals(task.pid)
            self._whole(task.pid, self._signal_line(sig, info))

    def _discard(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        """A signal without effect: a tracer sees it when the task is on its way to user mode."""
        if self._traced(task):
            self._signals.setdefault(task.pid, []).append(self._signal_line(sig, info))

    @staticmethod
    def _signal_line(sig: int, info: dict[str, Any]) -> str:
        return f"--- {signal_text(sig)} {siginfo_text(pack_siginfo(told_info(sig, info)))} ---"

    def _flush_signals(self, pid: int) -> None:
        for line in self._signals.pop(pid, ()):
            self._whole(pid, line)


def told_info(sig: int, info: dict[str, Any]) -> dict[str, Any]:
    """A siginfo with all that strace looks at; of a child's end the kernel gives the wait status."""
    told = {"si_signo": sig, "si_code": SI_KERNEL, **info}
    if sig == SIGCHLD and "si_code" not in info:
        status = info.get("si_status", 0)
        killed = status & 0x7F
        told["si_code"] = (CLD_DUMPED if status & 0x80 else CLD_KILLED) if killed else CLD_EXITED
        told["si_status"] = killed or status >> 8 & 0xFF
    return told
