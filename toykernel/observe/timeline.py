"""`--timeline FILE`: a run as Trace Event JSON, for ui.perfetto.dev and chrome://tracing.

One track shows who has the CPU and why each turn ended; each task has a track of its own with its system
calls, faults and signals, and with the times in which it could run and had no CPU. Arrows lead from a fork to
the child and from a wake-up to the one who slept. Times are microseconds of the machine's clock.

Perfetto ties an arrow's end to the slice that was begun last on its track. So each end has a slice that
begins at the same moment and stands just before it: `wake PID` on the waker's track, `runnable` on the
other's.
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
class _Call:
    """A system call that is not over; `track` as of Timeline._track."""

    name: str
    start: float
    track: tuple[int, int]


@dataclass
class _Waking:
    """A task can run from `since` on, by the doing of the one on `track`, who was inside a call or not."""

    since: float
    track: tuple[int, int]
    inside: bool


@dataclass
class Timeline(Collector):
    """Listens to a kernel; `finish` gives the JSON."""

    collected = ("_turn", "_calls", "_names", "_flows", "_waking")
    shared = ("events",)

    k: Kernel
    events: list[dict[str, Any]] = field(default_factory=list)
    _turn: _Turn | None = None
    _calls: dict[int, _Call] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _flows: int = 0
    _waking: dict[int, _Waking] = field(default_factory=dict)

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
        """Whole nanoseconds, as microseconds: Perfetto's own grid, on which sums are exact."""
        hz = self.k.time.cpu_hz
        return (self.k.machine.clock.cycles * 1_000_000_000 + hz // 2) // hz / 1000

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
        duration = round(now - turn.start, 3)
        self._add("X", CPU_PID, 0, name, ts=turn.start, dur=duration, cat="cpu", args=args)

    def _switch(self, prev: Task, chosen: Task) -> None:
        reasons = {"R": "preempted", "x": "ended"}
        letter = state_text(prev)
        why = reasons.get(letter, f"state {letter}")
        if prev.wait is not None:
            why = prev.wait.reason
        elif prev is self.k.sched.idle:
            why = "somebody can run"
        if prev.exit_state:  # exit does not return
            call = self._calls.pop(prev.pid, None)
            if call is not None:
                self._end_call(call, {})
        self._close_turn(why)
        self._begin_turn(chosen)
        waking = self._waking.pop(chosen.pid, None)
        if waking is not None:
            self._arrow(chosen, waking)

    def _arrow(self, chosen: Task, waking: _Waking) -> None:
        """From who made a task runnable to the time in which it was, which is over."""
        self._flows += 1
        since = waking.since
        at: dict[str, Any] = {"ts": since, "cat": "wake"}
        pid, tid = waking.track
        # Inside a call it may be the call's last moment; elsewhere it gets a width that can be seen.
        width = 0.0 if waking.inside else max(round(1_000_000 / self.k.time.cpu_hz, 3), 0.001)
        self._add("X", pid, tid, f"wake {chosen.pid}", dur=width, **at)
        self._add("s", pid, tid, "wake", id=self._flows, **at)
        pid, tid = self._track(chosen)
        self._add("X", pid, tid, "runnable", dur=round(self._now() - since, 3), **at)
        self._add("f", pid, tid, "wake", id=self._flows, bp="e", **at)

    def _wakeup(self, task: Task) -> None:
        current = self.k.current
        if task is current:
            return  # it never stopped running
        inside = current.pid in self._calls
        self._waking[task.pid] = _Waking(self._now(), self._track(current), inside)

    def _fork(self, parent: Task, child: Task, flags: int) -> None:
        self._instant(parent, f"fork {child.pid}", flags=flags)
        inside = parent.pid in self._calls
        self._waking[child.pid] = _Waking(self._now(), self._track(parent), inside)
        self._track(child)

    def _exec(self, task: Task, path: str) -> None:
        self._instant(task, f"exec {path}")

    def _signal(self, task: Task, sig: int, info: dict[str, Any]) -> None:
        self._instant(task, signal_name(sig), signal=dict(info))

    def _exit(self, task: Task) -> None:
        self._instant(task, "exit", status=task.exit_code)

    # -- what it does ------------------------------------------------------------------------------

    def _enter(self, task: Task, number: int, _words: list[int]) -> None:
        self._calls[task.pid] = _Call(name_of(number), self._now(), self._track(task))

    def _leave(self, task: Task, _number: int, result: int) -> None:
        call = self._calls.pop(task.pid, None)
        if call is not None:
            shown = errno_name(-result) if is_error(result) else result
            self._end_call(call, {"result": shown})

    def _end_call(self, call: _Call, args: Mapping[str, Any]) -> None:
        pid, tid = call.track
        duration = round(self._now() - call.start, 3)
        args = dict(args)
        self._add("X", pid, tid, call.name, ts=call.start, dur=duration, cat="syscall", args=args)

    def _fault(self, task: Task, kind: str, address: int, old: int | None, new: int | None) -> None:
        frames = {"old_frame": old, "new_frame": new}
        self._instant(task, f"fault: {kind}", address=f"{address & _WORD:#010x}", **frames)

    # -- the end -----------------------------------------------------------------------------------

    def finish(self) -> str:
        """Close what is open; the document."""
        self._close_turn("end of the run")
        for pid in sorted(self._calls):
            self._end_call(self._calls[pid], {"result": "unfinished"})
        self._calls.clear()
        self._add("M", CPU_PID, 0, "process_name", args={"name": "CPU 0"})
        document = {"displayTimeUnit": "ns", "traceEvents": sorted(self.events, key=_order)}
        return json.dumps(document, indent=None, separators=(",", ":")) + "\n"


def _order(event: Mapping[str, Any]) -> tuple[float, int, float]:
    """By time; at one moment calls before what happens in them, and instants last. The sort is stable: an
    arrow's end stays behind the slice that was added just before it, and turns on the CPU in their order."""
    if event["ph"] == "M":
        return (-1.0, 0, 0.0)
    if event.get("cat") == "wake":
        return (event["ts"], 1, 0.0)
    long_first = -event["dur"] if event.get("cat") == "syscall" else 0.0
    return (event["ts"], 0 if event["ph"] == "X" else 2, long_first)


def _plain(args: Mapping[str, Any]) -> dict[str, Any]:
    """Without what JSON has no word for."""
    return {
        name: {n: v for n, v in value.items() if isinstance(v, int | str)}
        if isinstance(value, dict)
        else value
        for name, value in args.items()
        if value is not None
    }
