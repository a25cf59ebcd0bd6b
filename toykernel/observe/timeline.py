"""`--timeline FILE`: a run as Trace Event JSON, for ui.perfetto.dev and chrome://tracing.

One track shows who has the CPU and why each turn ended; each task has a track of its own with its system
calls, faults and signals; arrows lead from a fork to the child and from a wake-up to the one who sleeps.
Times are microseconds of the machine's clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toykernel.collector import Collector
from toykernel.errno import is_error
from toykernel.errno import name as errno_name
from toykernel.kernel.siginfo import signal_name
from toykernel.observe.sched_trace import state_text
from toykernel.state import Kernel
from toykernel.syscall_table import name_of
from toykernel.task import Task

#: The track of the CPU has a process of its own, with a number that no task has.
CPU_PID = 1_000_000
_WORD = 0xFFFFFFFF


@dataclass
class _Turn:
    """A task on the CPU since `start` (µs), at `cycles`."""

    task: Task
    start: float
    cycles: int


@dataclass
class Timeline(Collector):
    """Listens to a kernel; `finish` gives the JSON."""

    collected = ("_turn", "_calls", "_names", "_flows", "_waking")
    shared = ("events",)

    k: Kernel
    events: list[dict[str, Any]] = field(default_factory=list)
    _turn: _Turn | None = None
    _calls: dict[int, tuple[str, float]] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _flows: int = 0
    _waking: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trace = self.k.host.trace
        trace.sched_switch.append(self._switch)
        trace.sched_wakeup.append(self._wakeup)
        trace.process_fork.append(self._fork)
        trace.process_exec.append(self._exec)
        trace.process_exit.append(self._exit)
        trace.sys_enter.append(self._enter)
        trace.sys_exit.append(self._leave)
        trace.fault.append(self._fault)
        trace.signal_deliver.append(self._signal)
        self._begin_turn(self.k.current)

    def _now(self) -> float:
        return self.k.machine.clock.cycles * 1_000_000 / self.k.time.cpu_hz

    def _add(self, phase: str, pid: int, tid: int, name: str, **rest: Any) -> None:
        self.events.append({"ph": phase, "pid": pid, "tid": tid, "name": name, **rest})

    def _track(self, task: Task) -> tuple[int, int]:
        """Process and thread of a task's track, which is named when it is first used."""
        if self._names.get(task.pid) != task.comm:
            self._names[task.pid] = task.comm
            named = {"name": f"{task.comm} ({task.tgid})"}
            self._add("M", task.tgid, task.pid, "process_name", args=named)
            self._add("M", task.tgid, task.pid, "thread_name", args={"name": task.comm})
        return task.tgid, task.pid

    def _instant(self, task: Task, name: str, **args: Any) -> None:
        pid, tid = self._track(task)
        self._add("i", pid, tid, name, ts=self._now(), s="t", args=_plain(args))

    def start_over(self) -> None:
        """No events; the task that has the CPU has it from now on."""
        super().start_over()
        self._begin_turn(self.k.current)

    # -- who runs ----------------------------------------------------------------------------------

    def _begin_turn(self, task: Task) -> None:
        self._turn = _Turn(task, self._now(), self.k.machine.clock.cycles)

    def _close_turn(self, why: str) -> None:
        turn = self._turn
        assert turn is not None
        now = self._now()
        args = {"pid": turn.task.pid, "end": why}
        args["cycles"] = self.k.machine.clock.cycles - turn.cycles
        name = (
            turn.task.comm
            if turn.task is self.k.sched.idle
            else f"{turn.task.comm} {turn.task.pid}"
        )
        duration = now - turn.start
        self._add("X", CPU_PID, 0, name, ts=turn.start, dur=duration, cat="cpu", args=args)

    def _switch(self, prev: Task, chosen: Task) -> None:
        reasons = {"R": "preempted", "x": "ended"}
        letter = state_text(prev)
        why = reasons.get(letter, f"state {letter}")
        if prev.wait is not None:
            why = prev.wait.reason
        elif prev is self.k.sched.idle:
            why = "somebody can run"
        self._close_turn(why)
        self._begin_turn(chosen)
        flow = self._waking.pop(chosen.pid, None)
        if flow is not None:
            pid, tid = self._track(chosen)
            self._add("f", pid, tid, "wake", id=flow, ts=self._now(), cat="wake", bp="e")

    def _wakeup(self, task: Task) -> None:
        self._flows += 1
        self._waking[task.pid] = self._flows
        pid, tid = self._track(self.k.current)
        self._add("s", pid, tid, "wake", id=self._flows, ts=self._now(), cat="wake")

    def _fork(self, parent: Task, child: Task, flags: int) -> None:
        self._instant(parent, f"fork {child.pid}", flags=flags)
        self._flows += 1
        self._waking[child.pid] = self._flows
        pid, tid = self._track(parent)
        self._add("s", pid, tid, "wake", id=self._flows, ts=self._now(), cat="wake")
        self._track(child)

    def _exec(self, task: Task, path: str) -> None:
        self._instant(task, f"exec {path}")

    def _signal(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        self._instant(task, signal_name(sig), signal=dict(info))

    def _exit(self, task: Task) -> None:
        call = self._calls.pop(task.pid, None)
        if call is not None:
            self._end_call(task, *call, {})
        self._instant(task, "exit", status=task.exit_code)

    # -- what it does ------------------------------------------------------------------------------

    def _enter(self, task: Task, number: int, _words: list[int]) -> None:
        self._calls[task.pid] = (name_of(number), self._now())

    def _leave(self, task: Task, _number: int, result: int) -> None:
        call = self._calls.pop(task.pid, None)
        if call is not None:
            shown = errno_name(-result) if is_error(result) else result
            self._end_call(task, *call, {"result": shown})

    def _end_call(self, task: Task, name: str, start: float, args: Mapping[str, Any]) -> None:
        pid, tid = self._track(task)
        duration = self._now() - start
        self._add("X", pid, tid, name, ts=start, dur=duration, cat="syscall", args=dict(args))

    def _fault(self, task: Task, kind: str, address: int, old: int | None, new: int | None) -> None:
        frames = {"old_frame": old, "new_frame": new}
        self._instant(task, f"fault: {kind}", address=f"{address & _WORD:#010x}", **frames)

    # -- the end -----------------------------------------------------------------------------------

    def finish(self) -> str:
        """Close what is open; the document."""
        self._close_turn("end of the run")
        by_pid = {task.pid: task for task in self.k.processes.tasks}
        for pid in sorted(self._calls):
            if pid in by_pid:
                self._end_call(by_pid[pid], *self._calls[pid], {"result": "unfinished"})
        self._calls.clear()
        self._add("M", CPU_PID, 0, "process_name", args={"name": "CPU 0"})
        document = {"displayTimeUnit": "ns", "traceEvents": self.events}
        return json.dumps(document, indent=None, separators=(",", ":")) + "\n"


def _plain(args: Mapping[str, Any]) -> dict[str, Any]:
    """Without what JSON has no word for."""
    return {
        name: {n: v for n, v in value.items() if isinstance(v, int | str)}
        if isinstance(value, dict)
        else value
        for name, value in args.items()
        if value is not None
    }
